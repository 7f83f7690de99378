"""Contractions: which become products and sums inside kernels, and which are products of matrices.

A vector against a matrix, or few terms a sum, is bound by memory: it becomes a product and a sum, which fuse with
what is around them. The others are products of matrices, by generated code or by BLAS; where an operand does
not lie in memory as one, or not as generated code takes it, a transposed copy of it is made first.
"""

from __future__ import annotations

from graphc.graph import Graph, renewed
from graphc.node import VAR, Node
from graphc.ops.contraction import CONTRACT, Pairing, lies_as_matrix, operands, pairing, summed_products
from graphc.ops.movement import EXPAND, RESHAPE, TRANSPOSE, Axes
from graphc.ops.product import Product, is_generated
from graphc.ops.reduction import SUM
from graphc.types import Extent, product

MANY_ROWS = 32  # of a product that pay for a copy of its right operand
FEW_ROWS = 8  # the same, if it is a variable: that of a loop's body, which may be copied once for all iterations
MANY_TERMS = 32  # of each of several products whose sum needs no operand copied
FEW_TERMS = 4  # a sum of so few products is computed where it is read
FLOATS = ("float32", "float64")


def arrange_contractions(graph: Graph, library: bool = True) -> Graph:
    """Every contraction as products and sums, or as one of matrices that a library, or our code, takes as they lie."""

    def rule(node: Node, args: tuple[Node, ...]) -> Node:
        if node.op is not CONTRACT:
            return renewed(node, args)
        pairs, args = absorb_transposes(pairing(node), args)
        new = CONTRACT(*args, **pairs._asdict())
        if new.dtype.name not in FLOATS or _is_vector_like(new):
            return summed(new)
        matrices = _upright(_as_matrices(new))
        return matrices if library or is_generated(matrices) else summed(new)

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


def summed(node: Node) -> Node:
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


# -- as matrices ----------------------------------------------------------------------------------


def _as_matrices(node: Node) -> Node:
    """The same contraction of operands that lie in memory as matrices, in the same order of terms."""
    (a, b), pairs = node.args, pairing(node)
    order = sorted(range(len(pairs.axes_a)), key=pairs.axes_a.__getitem__)
    pairs = pairs._replace(axes_a=tuple(pairs.axes_a[k] for k in order), axes_b=tuple(pairs.axes_b[k] for k in order))
    ordered = CONTRACT(a, b, **pairs._asdict())
    if summed_products(ordered) and _is_long(Product.of(ordered).k):
        return ordered
    pairs, a = _lay_out(pairs, a)
    swapped, b = _lay_out(pairs.swapped(), b)
    return CONTRACT(a, b, **swapped.swapped()._asdict())


def _is_long(terms: Extent) -> bool:
    return not isinstance(terms, int) or terms >= MANY_TERMS


def _lay_out(pairs: Pairing, a: Node) -> tuple[Pairing, Node]:
    free = pairs.free_a(a.ndim)
    if lies_as_matrix(a, free, pairs.axes_a):
        return pairs, a
    batch, rows = len(pairs.batch_a), len(free)
    copied = TRANSPOSE(a, axes=pairs.batch_a + free + pairs.axes_a)
    columns = tuple(range(batch + rows, a.ndim))
    return pairs._replace(axes_a=columns, batch_a=tuple(range(batch))), copied


def _upright(node: Node) -> Node:
    """A transposed right operand copied, if the product is then generated, and has rows enough to pay for that."""
    (a, b), pairs, (m, _, _, _, right) = node.args, pairing(node), Product.of(node)
    enough = FEW_ROWS if b.op is VAR else MANY_ROWS
    if not right.flipped or (isinstance(m, int) and m < enough):
        return node
    batch, terms = len(pairs.batch_b), len(pairs.axes_b)
    copied = _copied(b, operands(node)[1], pairs.batch_b + pairs.axes_b + pairs.free_b(b.ndim))
    moved = pairs._replace(axes_b=tuple(range(batch, batch + terms)), batch_b=tuple(range(batch)))
    copying = CONTRACT(a, copied, **moved._asdict())
    return copying if is_generated(copying) else node


def _copied(b: Node, once: Node, axes: Axes) -> Node:
    """b with its axes in another order; where it is the same all along the first ones, one copy serves."""
    shared = b.ndim - once.ndim
    if not shared or axes[:shared] != tuple(range(shared)):
        return TRANSPOSE(b, axes=axes)
    inner = TRANSPOSE(once, axes=tuple(axis - shared for axis in axes[shared:]))
    return EXPAND(inner, axes=axes[:shared], extents=b.shape[:shared])
