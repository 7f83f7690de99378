"""Forward mode: tangents walk with the values; a graph in, a larger graph out. A tangent of zero is None."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce

from graphc.errors import InternalError
from graphc.node import Node, topological
from graphc.ops.arithmetic import ADD


def push_forward(outputs: Sequence[Node], tangents: Iterable[tuple[Node, Node]]) -> list[Node | None]:
    """The tangent of each output, given those of some nodes; an inner node's adds to what flows into it."""
    parts: dict[Node, list[Node]] = {}
    for x, t in tangents:
        parts.setdefault(x, []).append(t)
    found: dict[Node, Node] = {}
    for node in topological(outputs):
        if (t := _flowing(node, found)) is not None:
            parts.setdefault(node, []).append(t)
        if node in parts:
            found[node] = reduce(ADD, parts.pop(node))
    return [found.get(y) for y in outputs]


def _flowing(node: Node, found: Mapping[Node, Node]) -> Node | None:
    """The tangent of a node from those of its arguments."""
    tangents = [found.get(arg) for arg in node.args]
    if node.op.jvp is None or all(t is None for t in tangents):
        return None
    result = node.op.jvp(node, tangents)
    if result is not None and result.type != node.type:
        raise InternalError(f"forward: the tangent of {node.op.name} is {result.type}, not {node.type}")
    return result
