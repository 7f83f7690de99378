"""Contraction: sums of products along paired axes; the one operator behind dot, matmul and tensordot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

from graphc.errors import DTypeError, ShapeError
from graphc.node import Node, Op, Params, Sample
from graphc.ops.declare import offence
from graphc.ops.movement import EXPAND, Array, Axes, behind, inverse, multilinear_jvp, permuted
from graphc.types import Extent, Type, product

if TYPE_CHECKING:
    from graphc.ops.lanes import Lanes


class Pairing(NamedTuple):
    """Which axes of a and b are summed over together, and which run along together. All others are free."""

    axes_a: Axes
    axes_b: Axes
    batch_a: Axes = ()
    batch_b: Axes = ()

    def free_a(self, ndim: int) -> Axes:
        return tuple(axis for axis in range(ndim) if axis not in self.axes_a + self.batch_a)

    def free_b(self, ndim: int) -> Axes:
        return self.swapped().free_a(ndim)

    def swapped(self) -> Pairing:
        return Pairing(self.axes_b, self.axes_a, self.batch_b, self.batch_a)


def pairing(y: Node) -> Pairing:
    """How a contraction node pairs the axes of its arguments."""
    return Pairing(*cast("tuple[Axes, Axes, Axes, Axes]", y.params))


def operands(y: Node) -> tuple[Node, Node]:
    """What a contraction node reads: of an operand that is the same all along leading batch axes, that one."""
    (a, b), pairs = y.args, pairing(y)
    return _once(a, pairs.batch_a), _once(b, pairs.batch_b)


def _once(x: Node, batch: Axes) -> Node:
    return x.args[0] if x.op is EXPAND and _is_shared(x, batch) else x


def _is_shared(x: Node, batch: Axes) -> bool:
    new = cast("Axes", x.params[0])
    return new == tuple(range(len(new))) and set(new) <= set(batch)


def lies_as_matrix(a: Node, rows: Axes, columns: Axes) -> bool:
    """Whether each group of axes is one run in memory, and one of them ends at the last axis."""

    def is_run(axes: Axes) -> bool:
        return not axes or axes == tuple(range(axes[0], axes[0] + len(axes)))

    return is_run(rows) and is_run(columns) and a.ndim - 1 in rows + columns


def summed_products(y: Node) -> int:
    """How many of the first contracted axes run over products to be summed, as no operand lies as one matrix on them.

    Along them there must be something: no product would leave no zeros.
    """
    (a, b), pairs = y.args, pairing(y)
    free_a, free_b = pairs.free_a(a.ndim), pairs.free_b(b.ndim)
    for count in range(len(pairs.axes_a)):
        if lies_as_matrix(a, free_a, pairs.axes_a[count:]) and lies_as_matrix(b, free_b, pairs.axes_b[count:]):
            return count
        extent = a.shape[pairs.axes_a[count]]
        if not isinstance(extent, int) or extent == 0:
            break
    return 0


def one_product(y: Node) -> Pairing:
    """How the axes of one of these products are paired."""
    pairs, count = pairing(y), summed_products(y)
    return pairs._replace(axes_a=pairs.axes_a[count:], axes_b=pairs.axes_b[count:])


def batch_strides(y: Node) -> tuple[tuple[Extent, ...], tuple[Extent, ...]]:
    """How many elements of each operand there are from one product to the next: along the batch, and those summed."""
    (a, b), pairs, count = y.args, pairing(y), summed_products(y)
    batch_a, batch_b = pairs.batch_a, pairs.batch_b
    return _strides(a, batch_a, pairs.axes_a[:count]), _strides(b, batch_b, pairs.axes_b[:count])


def _strides(x: Node, batch: Axes, summed: Axes) -> tuple[Extent, ...]:
    shared = x.ndim - _once(x, batch).ndim
    return tuple(0 if axis < shared else product(x.shape[axis + 1 :]) for axis in batch + summed)


def _contract_type(types: Sequence[Type], params: Params) -> Type:
    """The axes of the result are the batch's, a's free ones and b's free ones, each in order."""
    (a, b), pairs = types, Pairing(*cast("tuple[Axes, Axes, Axes, Axes]", params))
    if a.dtype != b.dtype or a.dtype.kind == "b":
        raise DTypeError(offence("contract", f"{a} and {b} are not of one dtype of numbers", "cast them to one"))
    for i, k in zip(pairs.axes_a + pairs.batch_a, pairs.axes_b + pairs.batch_b, strict=True):
        if a.shape[i] != b.shape[k]:
            what = f"{a} and {b} do not contract: axis {i} has {a.shape[i]} elements, axis {k} has {b.shape[k]}"
            raise ShapeError(offence("contract", what, "pair axes of equal extents"))
    kept = [a.shape[axis] for axis in pairs.batch_a + pairs.free_a(a.ndim)]
    return a.with_shape((*kept, *(b.shape[axis] for axis in pairs.free_b(b.ndim))))


def contract(a: Node, b: Node, axes_a: Axes, axes_b: Axes, batch_a: Axes = (), batch_b: Axes = ()) -> Node:
    """The contraction; where nothing is summed over, a plain product."""
    pairs = Pairing(axes_a, axes_b, batch_a, batch_b)
    if axes_a:
        return CONTRACT(a, b, **pairs._asdict())
    batch, free_a, free_b = len(batch_a), pairs.free_a(a.ndim), pairs.free_b(b.ndim)
    left, right = permuted(a, batch_a + free_a), permuted(b, batch_b + free_b)
    after, middle = batch + len(free_a), tuple(range(batch, batch + len(free_a)))
    left = _widened(left, tuple(range(after, after + len(free_b))), right.shape[batch:])
    return left * _widened(right, middle, tuple(a.shape[axis] for axis in free_a))


def _widened(x: Node, axes: Axes, extents: tuple[object, ...]) -> Node:
    return EXPAND(x, axes=axes, extents=extents) if axes else x


def _contract_vjp(g: Node, y: Node, i: int) -> Node:
    """The cotangent contracted with the other argument along that one's free axes, in the order of this one's."""
    x, other = y.args[i], y.args[1 - i]
    pairs = pairing(y) if i == 0 else pairing(y).swapped()
    batch, free, others = len(pairs.batch_a), pairs.free_a(x.ndim), pairs.free_b(other.ndim)
    start = batch + (len(free) if i == 0 else 0)  # g's axes are the batch, a's free ones, b's free ones
    found = contract(g, other, tuple(range(start, start + len(others))), others, tuple(range(batch)), pairs.batch_b)
    partner = dict(zip(pairs.axes_b, pairs.axes_a))
    return permuted(found, inverse(pairs.batch_a + free + tuple(partner[axis] for axis in sorted(partner))))


def _contract_batch(y: Node, args: Sequence[Node], lanes: Lanes) -> Node:
    """Lanes of both run along together; lanes of one are a free axis of it, the first of the result's."""
    (a, b), pairs = args, pairing(y)
    if all(x.ndim > own.ndim for x, own in zip(args, y.args)):
        axes_a, axes_b, batch_a, batch_b = map(behind, pairs)
        return CONTRACT(a, b, axes_a=axes_a, axes_b=axes_b, batch_a=(0, *batch_a), batch_b=(0, *batch_b))
    swapped = b.ndim > y.args[1].ndim
    x, other, (axes_x, axes, batch_x, batch) = (b, a, pairs.swapped()) if swapped else (a, b, pairs)
    x = lanes.cleared(x)
    found = CONTRACT(x, other, axes_a=behind(axes_x), axes_b=axes, batch_a=behind(batch_x), batch_b=batch)
    k, free = len(batch), range(len(batch) + 1, found.ndim)  # the lanes are the result's axis k
    own, others = free[: x.ndim - 1 - k - len(axes)], free[x.ndim - 1 - k - len(axes) :]
    return permuted(found, (k, *range(k), *((*others, *own) if swapped else free)))


def _contract_numpy(a: Array, b: Array, axes_a: Axes, axes_b: Axes, batch_a: Axes, batch_b: Axes) -> Array:
    pairs = Pairing(axes_a, axes_b, batch_a, batch_b)
    of_a, of_b = list(range(a.ndim)), list(range(a.ndim, a.ndim + b.ndim))
    for i, k in zip(axes_a + batch_a, axes_b + batch_b):
        of_b[k] = of_a[i]
    result = [*batch_a, *pairs.free_a(a.ndim), *(of_b[k] for k in pairs.free_b(b.ndim))]
    return np.asarray(np.einsum(a, of_a, b, of_b, result, optimize=True))


def _sample(a: tuple[int, ...], b: tuple[int, ...], *axes: Axes) -> Sample:
    return Sample((a, b), Pairing(*axes)._asdict())


CONTRACT = Op(
    name="contract",
    params=Pairing._fields,
    infer=_contract_type,
    numpy=_contract_numpy,
    vjp=_contract_vjp,
    jvp=multilinear_jvp,
    batch=_contract_batch,
    flops=2,
    kind="contraction",
    samples=(
        _sample((5,), (5,), (0,), (0,)),
        _sample((2, 3), (3, 4), (1,), (0,)),
        _sample((3, 2), (4, 3), (0,), (1,)),
        _sample((2, 3, 4), (4, 3, 5), (2, 1), (0, 1)),
        _sample((2, 3, 4), (2, 4, 5), (2,), (1,), (0,), (0,)),
        _sample((3, 2, 4), (4, 5, 3), (2,), (0,), (0,), (2,)),
        _sample((2, 0), (0, 3), (1,), (0,)),
    ),
)
