"""Forward mode: tangents walk with the values; a graph in, a larger graph out. A tangent of zero is None."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from typing import cast

from graphc.autodiff.control import push_control
from graphc.errors import InternalError
from graphc.node import Node, topological
from graphc.ops.arithmetic import ADD
from graphc.ops.control import ITEM


def push_forward(outputs: Sequence[Node], tangents: Iterable[tuple[Node, Node]]) -> list[Node | None]:
    """The tangent of each output, given those of some nodes; an inner node's adds to what flows into it."""
    parts: dict[Node, list[Node]] = {}
    for x, t in tangents:
        parts.setdefault(x, []).append(t)
    found: dict[Node, Node] = {}
    results: dict[Node, list[Node | None]] = {}  # the tangents of nodes of several results
    for node in topological(outputs):
        if node.op.kind == "control":
            if any(arg in found for arg in node.args):
                results[node] = push_control(node, [found.get(arg) for arg in node.args], push_forward)
            continue
        if (t := _flowing(node, found) if node.op is not ITEM else _picked(node, results)) is not None:
            parts.setdefault(node, []).append(t)
        if node in parts:
            found[node] = reduce(ADD, parts.pop(node))
    return [found.get(y) for y in outputs]


def _picked(item: Node, results: Mapping[Node, Sequence[Node | None]]) -> Node | None:
    tangents = results.get(item.args[0])
    return None if tangents is None else tangents[cast("int", item.params[0])]


def _flowing(node: Node, found: Mapping[Node, Node]) -> Node | None:
    """The tangent of a node from those of its arguments."""
    tangents = [found.get(arg) for arg in node.args]
    if node.op.jvp is None or all(t is None for t in tangents):
        return None
    result = node.op.jvp(node, tangents)
    if result is not None and result.type != node.type:
        raise InternalError(f"forward: the tangent of {node.op.name} is {result.type}, not {node.type}")
    return result
