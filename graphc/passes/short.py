"""Short reductions: over a few elements, or over a window, written out as operators of slices.

A fold of three terms is no loop worth having. As `x[…, 0] + x[…, 1] + x[…, 2]` it is computed wherever it is read,
so distances between points in space fuse with all that is done with them. A window's elements are read where they
are in the image, so pooling, or the sum of windows that overlap, stores no window.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from itertools import product as indices

from graphc.graph import Graph, renewed
from graphc.node import Node, make
from graphc.ops.arithmetic import ADD, MAXIMUM, MINIMUM, MULTIPLY
from graphc.ops.movement import EXPAND, RESHAPE, TRANSPOSE, Axes, reshape_groups
from graphc.ops.parts import SLICE
from graphc.ops.window import SLIDE, UNSLIDE
from graphc.types import Extent, product

FEW = 4  # the most elements reduced so
WINDOW = 64  # and of a window

_OPERATORS = {"sum": ADD, "prod": MULTIPLY, "max": MAXIMUM, "min": MINIMUM}


def write_out_short_reductions(graph: Graph) -> Graph:
    """Reductions of few numbers as operators of slices."""
    windows = _axes_of_windows(graph.nodes)

    def rule(node: Node, args: tuple[Node, ...]) -> Node:
        new = renewed(node, args)
        return _written_out(new) if _is_short(node, windows) else new

    return graph.rebuild(rule)


def _is_short(node: Node, windows: dict[Node, frozenset[int]]) -> bool:
    if node.op.kind != "reduction" or node.dtype.kind == "b" or node.size == 1:
        return False
    (x,), axes = node.args, node.params[0]
    inside = all(axis in windows[x] or x.shape[axis] == 1 for axis in axes)  # type: ignore[union-attr, attr-defined]
    count = _count(node)
    return isinstance(count, int) and 1 < count <= (WINDOW if inside else FEW)


def _count(node: Node) -> Extent:
    axes: Axes = node.params[0]  # type: ignore[assignment]
    return product(node.args[0].shape[axis] for axis in axes)


def _axes_of_windows(nodes: Iterable[Node]) -> dict[Node, frozenset[int]]:
    """For each node, the axes that run over the elements of a window."""
    found: dict[Node, frozenset[int]] = {}
    for node in nodes:
        below = [found[arg] for arg in node.args]
        match node.op:
            case op if op is SLIDE or op is UNSLIDE:
                found[node] = frozenset(node.params[1])  # type: ignore[arg-type]
            case op if op.kind == "elementwise":
                found[node] = frozenset().union(*below)
            case op if op is TRANSPOSE:
                found[node] = frozenset(k for k, axis in enumerate(node.params[0]) if axis in below[0])  # type: ignore[arg-type]
            case op if op is EXPAND:
                kept = [axis for axis in range(node.ndim) if axis not in node.params[0]]  # type: ignore[operator]
                found[node] = frozenset(kept[axis] for axis in below[0])
            case op if op is RESHAPE:
                found[node] = _through_reshape(node, below[0])
            case _:
                found[node] = frozenset()
    return found


def _through_reshape(node: Node, axes: frozenset[int]) -> frozenset[int]:
    """The axes that hold just elements of these; axes of extent one do no harm."""
    (x,) = node.args
    groups = reshape_groups(x.shape, node.shape)
    return frozenset(k for old, new in groups if all(axis in axes or x.shape[axis] == 1 for axis in old) for k in new)


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
