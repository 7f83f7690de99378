"""Contractions: which become products and sums inside kernels, and which are matrices for a library.

A vector against a matrix, or few terms a sum, is bound by memory: it becomes a product and a sum, which fuse with
what is around them. The others go to BLAS as matrices; where an operand does not lie in memory as one, a
transposed copy of it is made first.
"""

from __future__ import annotations

from graphc.graph import Graph
from graphc.node import Node, make
from graphc.ops.contraction import CONTRACT, Pairing, pairing
from graphc.ops.movement import EXPAND, RESHAPE, TRANSPOSE, Axes
from graphc.ops.reduction import SUM
from graphc.types import Extent, product

FEW_TERMS = 4  # a sum of so few products is computed where it is read
LIBRARY_DTYPES = ("float32", "float64")


def arrange_contractions(graph: Graph, library: bool = True) -> Graph:
    """Every contraction as products and sums, or as one of matrices that a library takes as they lie."""

    def rule(node: Node, args: tuple[Node, ...]) -> Node:
        if node.op is not CONTRACT:
            return make(node.op, args, node.params) if args else node
        pairs, args = absorb_transposes(pairing(node), args)
        new = CONTRACT(*args, **pairs._asdict())
        wanted = library and new.dtype.name in LIBRARY_DTYPES
        return _as_matrices(new) if wanted and not _is_vector_like(new) else generated(new)

    return graph.rebuild(rule)


def absorb_transposes(pairs: Pairing, args: tuple[Node, ...]) -> tuple[Pairing, tuple[Node, ...]]:
    """Read what a transpose reads, where that leaves the result's axes in order."""
    a, b = args
    pairs, a = _absorb(pairs, a)
    swapped, b = _absorb(pairs.swapped(), b)
    return swapped.swapped(), (a, b)


def _absorb(pairs: Pairing, a: Node) -> tuple[Pairing, Node]:
    if a.op is not TRANSPOSE:
        return pairs, a
    axes: Axes = a.params[0]  # type: ignore[assignment]
    free = tuple(axes[k] for k in pairs.free_a(a.ndim))
    if list(free) != sorted(free):
        return pairs, a
    moved = pairs._replace(axes_a=tuple(axes[k] for k in pairs.axes_a), batch_a=tuple(axes[k] for k in pairs.batch_a))
    return _absorb(moved, a.args[0])


def _is_vector_like(node: Node) -> bool:
    (a, b), pairs = node.args, pairing(node)
    rows = _extent(a, pairs.free_a(a.ndim))
    columns = _extent(b, pairs.free_b(b.ndim))
    terms = _extent(a, pairs.axes_a)
    return 1 in (rows, columns) or (isinstance(terms, int) and terms <= FEW_TERMS)


def _extent(x: Node, axes: Axes) -> Extent:
    return product(x.shape[axis] for axis in axes)


# -- inside kernels -------------------------------------------------------------------------------


def generated(node: Node) -> Node:
    """The contraction as a product and a sum, laid out as the larger operand where the other is a vector."""
    (a, b), pairs = node.args, pairing(node)
    if 1 in [_extent(b, pairs.free_b(b.ndim))]:
        return _along(a, b, pairs, node)
    if 1 in [_extent(a, pairs.free_a(a.ndim))]:
        return _along(b, a, pairs.swapped(), node)
    batch, free_a, free_b = len(pairs.batch_a), pairs.free_a(a.ndim), pairs.free_b(b.ndim)
    rows, columns, terms = len(free_a), len(free_b), len(pairs.axes_a)
    left = _order(a, pairs.batch_a + free_a + pairs.axes_a)
    right = _order(b, pairs.batch_b + free_b + pairs.axes_b)
    left = _insert(left, range(batch + rows, batch + rows + columns), right.shape[batch : batch + columns])
    right = _insert(right, range(batch, batch + rows), left.shape[batch : batch + rows])
    return _sum(left * right, range(batch + rows + columns, batch + rows + columns + terms))


def _along(a: Node, b: Node, pairs: Pairing, node: Node) -> Node:
    """The larger operand a times the vector b spread over it, summed: no element of a is moved."""
    free_b = pairs.free_b(b.ndim)
    vector = _drop(b, free_b)
    kept = [axis for axis in range(b.ndim) if axis not in free_b]
    partner = dict(zip(pairs.axes_b + pairs.batch_b, pairs.axes_a + pairs.batch_a, strict=True))
    at = [partner[axis] for axis in kept]  # the axis of a that each axis of the vector runs along
    vector = _order(vector, tuple(sorted(range(len(at)), key=at.__getitem__)))
    free_a = pairs.free_a(a.ndim)
    spread = _insert(vector, free_a, tuple(a.shape[axis] for axis in free_a))
    summed = _sum(a * spread, pairs.axes_a)
    left = [axis for axis in range(a.ndim) if axis not in pairs.axes_a]
    summed = _order(summed, tuple(left.index(axis) for axis in pairs.batch_a + free_a))
    return _reshape(summed, node.shape)


def _order(x: Node, axes: Axes) -> Node:
    return x if axes == tuple(range(x.ndim)) else TRANSPOSE(x, axes=axes)


def _insert(x: Node, axes: range | Axes, extents: tuple[Extent, ...]) -> Node:
    return EXPAND(x, axes=tuple(axes), extents=extents) if len(axes) else x


def _sum(x: Node, axes: range | Axes) -> Node:
    return SUM(x, axes=tuple(sorted(axes))) if len(axes) else x


def _drop(x: Node, axes: Axes) -> Node:
    """Without these axes, which have one element."""
    return _reshape(x, tuple(e for axis, e in enumerate(x.shape) if axis not in axes))


def _reshape(x: Node, shape: tuple[Extent, ...]) -> Node:
    return x if x.shape == shape else RESHAPE(x, shape=shape)


# -- for a library --------------------------------------------------------------------------------


def _as_matrices(node: Node) -> Node:
    """The same contraction of operands that lie in memory as matrices, in the same order of terms."""
    (a, b), pairs = node.args, pairing(node)
    order = sorted(range(len(pairs.axes_a)), key=pairs.axes_a.__getitem__)
    pairs = pairs._replace(axes_a=tuple(pairs.axes_a[k] for k in order), axes_b=tuple(pairs.axes_b[k] for k in order))
    pairs, a = _lay_out(pairs, a)
    swapped, b = _lay_out(pairs.swapped(), b)
    return CONTRACT(a, b, **swapped.swapped()._asdict())


def _lay_out(pairs: Pairing, a: Node) -> tuple[Pairing, Node]:
    free = pairs.free_a(a.ndim)
    if lies_as_matrix(a, free, pairs.axes_a):
        return pairs, a
    batch, rows = len(pairs.batch_a), len(free)
    copied = TRANSPOSE(a, axes=pairs.batch_a + free + pairs.axes_a)
    columns = tuple(range(batch + rows, a.ndim))
    return pairs._replace(axes_a=columns, batch_a=tuple(range(batch))), copied


def lies_as_matrix(a: Node, rows: Axes, columns: Axes) -> bool:
    """Whether each group of axes is one run in memory, and one of them ends at the last axis."""

    def is_run(axes: Axes) -> bool:
        return not axes or axes == tuple(range(axes[0], axes[0] + len(axes)))

    return is_run(rows) and is_run(columns) and a.ndim - 1 in rows + columns
