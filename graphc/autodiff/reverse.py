"""Reverse mode: cotangents walk from the outputs back to what is asked; a graph in, a larger graph out.

Only nodes that depend on what is asked *and* reach an output take part, and each operator is asked for the
cotangents of just those arguments. A cotangent of zero is None and never becomes a node.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import cast

from graphc.autodiff.activity import depending
from graphc.autodiff.control import add_stacks, pull_control
from graphc.errors import InternalError
from graphc.node import Node, topological
from graphc.ops.checkpoint import is_kept
from graphc.ops.control import ITEM, items
from graphc.ops.declare import accumulate
from graphc.types import Stack


def pull_back(outputs: Sequence[Node], cotangents: Sequence[Node | None], wrt: Iterable[Node]) -> dict[Node, Node]:
    """The cotangent of every asked node that the outputs depend on, given one cotangent for each output."""
    asked = set(wrt)
    order = topological(outputs)
    active = depending(order, asked)
    parts: dict[Node, list[Node]] = {}
    for y, g in zip(outputs, cotangents, strict=True):
        if g is not None and y in active:
            parts.setdefault(y, []).append(g)
    found: dict[Node, Node] = {}
    results: dict[Node, dict[int, Node]] = {}  # the cotangents of nodes of several results
    for node in reversed(order):
        if node in results:
            moved = _control_parts(node, results.pop(node), active)
        elif node in parts:
            g = reduce(_added, parts.pop(node))
            if node in asked:
                found[node] = g
            if node.op is ITEM:
                results.setdefault(node.args[0], {})[cast("int", node.params[0])] = g
            moved = _argument_parts(g, node, active)
        else:
            continue
        for arg, part in moved:
            parts.setdefault(arg, []).append(part)
    return found


def _added(g: Node, h: Node) -> Node:
    if is_kept(h) and not is_kept(g):
        g, h = h, g
    return add_stacks(g, h) if isinstance(g.type, Stack) or is_kept(g) else accumulate(g, h)


def _control_parts(node: Node, gs: dict[int, Node], active: set[Node]) -> Iterable[tuple[Node, Node]]:
    """The same for a node of several results, given the cotangents of some of them."""
    wanted = [arg in active for arg in node.args]
    parts = pull_control(node, [gs.get(k) for k in range(len(items(node)))], wanted, pull_back)
    return [(arg, part) for arg, part in zip(node.args, parts) if part is not None]


def _argument_parts(g: Node, node: Node, active: set[Node]) -> Iterable[tuple[Node, Node]]:
    """What a node's cotangent adds to those of its active arguments."""
    if node.op.vjp is None:
        return
    for i, arg in enumerate(node.args):
        part = node.op.vjp(g, node, i) if arg in active else None
        if part is not None:
            if part.type != arg.type:
                raise InternalError(
                    f"reverse: the cotangent of argument {i} of {node.op.name} is {part.type}, not {arg.type}"
                )
            yield arg, part
