"""Products of vectors and matrices by NumPy's names: each says by labels which axes are summed over together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import SupportsIndex, TypeAlias

from graphc.errors import ShapeError
from graphc.node import Node
from graphc.ops.contraction import contract
from graphc.ops.declare import offence
from graphc.ops.movement import permuted
from graphc.ops.reduction import MAX, SUM
from graphc.sym.axes import as_axes
from graphc.sym.movement import moveaxis, ravel, reshaped
from graphc.sym.promote import ArrayLike, as_node, broadcast, promote
from graphc.sym.record import public
from graphc.types import BOOL, INT64, Extent

__all__ = ["dot", "matmul", "tensordot", "outer", "inner", "vecdot"]

Labels: TypeAlias = "Sequence[int | str]"


def contracted(name: str, a: Node, of_a: Labels, b: Node, of_b: Labels, result: Labels) -> Node:
    """Einstein's rule for two: axes of one label run together, and are summed over unless the result names it."""
    if a.dtype == BOOL:  # the sum is "or"
        return contracted(name, as_node(name, a, INT64), of_a, as_node(name, b, INT64), of_b, result) != 0
    shared = [label for label in of_a if label in of_b]
    for label in shared:
        _require_equal(name, a, b, a.shape[of_a.index(label)], b.shape[of_b.index(label)], label in result)
    batch, summed = [x for x in shared if x in result], [x for x in shared if x not in result]
    free = [label for label in (*of_a, *of_b) if label not in shared]
    places = (tuple([labels.index(x) for x in chosen]) for chosen in (summed, batch) for labels in (of_a, of_b))
    found, order = contract(a, b, *places), [*batch, *free]
    return permuted(found, tuple([order.index(label) for label in result]))


def _require_equal(name: str, a: Node, b: Node, n: Extent, m: Extent, batch: bool = False) -> None:
    if n != m:
        verb, way_out = ("broadcast", "slice one of them?") if batch else ("contract", "transpose one of them?")
        raise ShapeError(offence(name, f"{a.type} and {b.type} do not {verb}: {n} against {m}", way_out))


@public(method=True)
def dot(a: ArrayLike, b: ArrayLike) -> Node:
    """a's last axis against b's last but one, or its only one; with a scalar, the plain product."""
    x, y = promote("dot", a, b)
    if x.ndim == 0 or y.ndim == 0:
        return x * y
    of_a, of_b = [*range(x.ndim - 1)], [*range(x.ndim, x.ndim + y.ndim - 1)]
    summed = max(len(of_b) - 1, 0)
    return contracted("dot", x, [*of_a, "k"], y, [*of_b[:summed], "k", *of_b[summed:]], [*of_a, *of_b])


@public
def matmul(a: ArrayLike, b: ArrayLike) -> Node:
    """Matrix products along the last two axes; the others broadcast. A vector is a row on the left, a column right."""
    x, y = promote("matmul", a, b)
    if x.ndim == 0 or y.ndim == 0:
        raise ShapeError(offence("matmul", f"{x.type} and {y.type}: a scalar is no matrix", "multiply by `*`"))
    ndim = max(x.ndim, y.ndim, 2)
    batch = tuple(range(-ndim, -2))
    of_a = [*batch[ndim - x.ndim :], *["m", "k"][-x.ndim :]]
    of_b = [*batch[ndim - y.ndim :], *(["k", "n"] if y.ndim > 1 else ["k"])]
    x, of_a, y, of_b = *_stretching(x, of_a, y, of_b), *_stretching(y, of_b, x, of_a)
    return contracted("matmul", x, of_a, y, of_b, [*batch, *(label for label in "mn" if label in (*of_a, *of_b))])


def _stretching(x: Node, labels: Labels, other: Node, others: Labels) -> tuple[Node, Labels]:
    """x without the batch axes of extent 1 that the other has longer: they are the other's alone."""
    extents = dict(zip(others, other.shape))
    kept = [k for k, n in enumerate(x.shape) if n != 1 or isinstance(labels[k], str) or extents.get(labels[k], 1) == 1]
    return reshaped(x, tuple([x.shape[k] for k in kept])), [labels[k] for k in kept]


@public
def tensordot(a: ArrayLike, b: ArrayLike, axes: int | tuple[SupportsIndex | Sequence[SupportsIndex], ...] = 2) -> Node:
    """a and b summed over pairs of axes: a's last with b's first so many, or (axes of a, axes of b)."""
    x, y = promote("tensordot", a, b)
    if isinstance(axes, int):
        axes = (range(-axes, 0), range(axes))
    of_x, of_y = as_axes("tensordot", axes[0], x.typed), as_axes("tensordot", axes[1], y.typed)
    if len(of_x) != len(of_y):
        raise ShapeError(offence("tensordot", f"{len(of_x)} axes against {len(of_y)}", "name as many of both"))
    of_a: list[int | str] = list(range(x.ndim))
    of_b: list[int | str] = list(range(x.ndim, x.ndim + y.ndim))
    for place, (i, k) in enumerate(zip(of_x, of_y)):
        of_a[i] = of_b[k] = f"k{place}"
    return contracted("tensordot", x, of_a, y, of_b, [x for x in (*of_a, *of_b) if isinstance(x, int)])


@public
def outer(a: ArrayLike, b: ArrayLike) -> Node:
    """Every element of a times every element of b, both flattened."""
    x, y = promote("outer", ravel(a), ravel(b))
    return contracted("outer", x, "m", y, "n", "mn")


@public
def inner(a: ArrayLike, b: ArrayLike) -> Node:
    """The last axes summed over together; with a scalar, the plain product."""
    x, y = promote("inner", a, b)
    return x * y if x.ndim == 0 or y.ndim == 0 else tensordot(x, y, (-1, -1))


@public
def vecdot(a: ArrayLike, b: ArrayLike, axis: SupportsIndex = -1) -> Node:
    """The sum of products along one axis of both; the others broadcast."""
    x, y = (moveaxis(node, axis, -1) for node in promote("vecdot", a, b))
    _require_equal("vecdot", x, y, x.shape[-1], y.shape[-1])
    x, y = broadcast("vecdot", x, y)
    return (MAX if x.dtype == BOOL else SUM)(x & y if x.dtype == BOOL else x * y, axes=(x.ndim - 1,))
