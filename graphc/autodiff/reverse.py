"""Reverse mode: cotangents walk from the outputs back to what is asked; a graph in, a larger graph out.

Only nodes that depend on what is asked *and* reach an output take part, and each operator is asked for the
cotangents of just those arguments. A cotangent of zero is None and never becomes a node.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce

from graphc.errors import InternalError
from graphc.node import Node, topological
from graphc.ops.declare import accumulate


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
    for node in reversed(order):
        if node not in parts:
            continue
        g = reduce(accumulate, parts.pop(node))
        if node in asked:
            found[node] = g
        for arg, part in _argument_parts(g, node, active):
            parts.setdefault(arg, []).append(part)
    return found


def depending(order: Iterable[Node], asked: set[Node]) -> set[Node]:
    """The nodes that depend on an asked one through operators that have a derivative; arguments come first."""
    active: set[Node] = set()
    for node in order:
        if node in asked or (node.op.vjp is not None and not active.isdisjoint(node.args)):
            active.add(node)
    return active


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
