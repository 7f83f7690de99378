"""Short reductions: over a few elements, written as operators of slices.

A fold of three terms is no loop worth having. As `x[…, 0] + x[…, 1] + x[…, 2]` it is computed wherever it is read,
so distances between points in space fuse with all that is done with them.
"""

from __future__ import annotations

from functools import reduce
from itertools import product as indices

from graphc.graph import Graph
from graphc.node import Node, make
from graphc.ops.arithmetic import ADD, MAXIMUM, MINIMUM, MULTIPLY
from graphc.ops.movement import RESHAPE, Axes
from graphc.ops.parts import SLICE
from graphc.types import Extent, product

FEW = 4  # the most elements reduced so

_OPERATORS = {"sum": ADD, "prod": MULTIPLY, "max": MAXIMUM, "min": MINIMUM}


def write_out_short_reductions(graph: Graph) -> Graph:
    """Reductions of few numbers as operators of slices."""

    def rule(node: Node, args: tuple[Node, ...]) -> Node:
        new = make(node.op, args, node.params) if args else node
        return _written_out(new) if _is_short(new) else new

    return graph.rebuild(rule)


def _is_short(node: Node) -> bool:
    if node.op.kind != "reduction" or node.dtype.kind == "b" or node.size == 1:
        return False
    count = _count(node)
    return isinstance(count, int) and 1 < count <= FEW


def _count(node: Node) -> Extent:
    axes: Axes = node.params[0]  # type: ignore[assignment]
    return product(node.args[0].shape[axis] for axis in axes)


def _written_out(node: Node) -> Node:
    (x,), axes = node.args, node.params[0]
    places = indices(*(range(x.shape[axis]) for axis in axes))  # type: ignore[arg-type, union-attr]
    parts = [_part(x, dict(zip(axes, place, strict=True)), node) for place in places]  # type: ignore[arg-type]
    return reduce(lambda a, b: make(_OPERATORS[node.op.name], (a, b)), parts)


def _part(x: Node, place: dict[int, int], node: Node) -> Node:
    """The elements at one place along the reduced axes."""
    starts = tuple(place.get(axis, 0) for axis in range(x.ndim))
    extents = tuple(1 if axis in place else extent for axis, extent in enumerate(x.shape))
    return RESHAPE(SLICE(x, starts=starts, extents=extents, steps=(1,) * x.ndim), shape=node.shape)
