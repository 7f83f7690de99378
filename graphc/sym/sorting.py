"""Order: where sorted elements stand, and what is found by that: sorted values, the largest, medians and quantiles.

All is made of `argsort` and of elements taken at computed places, so derivatives go to the elements that were taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import nan
from typing import Literal, SupportsIndex

import numpy as np

from graphc.errors import ShapeError
from graphc.node import Node
from graphc.ops.creation import extent_value
from graphc.ops.declare import offence
from graphc.ops.movement import fill, permuted, spread
from graphc.ops.sorting import ARGSORT
from graphc.sym.axes import AxisLike, as_axes
from graphc.sym.control import fori_loop
from graphc.sym.elementwise import astype, bitwise_left_shift, clip, floor, isnan, log2, maximum, minimum, where
from graphc.sym.gathering import gathered_along
from graphc.sym.indexing import getitem
from graphc.sym.movement import moveaxis, one_axis, ravel, reshaped, stack
from graphc.sym.promote import ArrayLike, as_node, floating, promote
from graphc.sym.record import public
from graphc.sym.reduction import any, sum
from graphc.types import BOOL, FLOAT64, INT64, Extent, Shape, product

__all__ = [
    "argsort", "sort", "topk", "partition", "argpartition", "searchsorted", "digitize", "isin", "interp",
    "median", "nanmedian", "quantile", "percentile",
]  # fmt: skip


# -- sorted rows ------------------------------------------------------------------------------------


@public(method=True)
def argsort(x: ArrayLike, axis: SupportsIndex | None = -1, *, descending: bool = False, stable: bool = True) -> Node:
    """The indices that sort x along an axis, or all of it, flattened. NaNs are greatest.

    Equal elements keep their order, `stable` or not.

    >>> from graphc import sym
    >>> argsort(sym.var('x', shape=('n', 3), dtype='float32'), axis=0).type
    Type(dtype=dtype('int64'), shape=(n, 3))
    """
    _, order, k = _ordered("argsort", x, axis, descending)
    return moveaxis(order, -1, k)


@public(method=True)
def sort(x: ArrayLike, axis: SupportsIndex | None = -1, *, descending: bool = False, stable: bool = True) -> Node:
    """x sorted along an axis, or all of it, flattened; NaNs are greatest.

    >>> from graphc import sym
    >>> sort(sym.var('x', shape=('n', 3)), axis=0).shape
    (n, 3)
    """
    rows, order, k = _ordered("sort", x, axis, descending)
    return moveaxis(_taken(rows, order), -1, k)


@public(method=True, outputs=lambda *args, **kwargs: (0, 1))
def topk(x: ArrayLike, k: Extent, axis: SupportsIndex = -1, largest: bool = True) -> tuple[Node, Node]:
    """The k largest elements along an axis, or the smallest, in order, and their indices. NaNs are greatest.

    >>> from graphc import sym
    >>> values, indices = topk(sym.var('x', shape=('n', 10)), 3)
    >>> values.shape, indices.dtype
    ((n, 3), dtype('int64'))
    """
    rows, order, place = _ordered("topk", x, axis, descending=largest)
    n = rows.shape[-1]
    if (isinstance(k, int) and k < 0) or (isinstance(n - k, int) and n - k < 0):  # type: ignore[operator]
        raise ShapeError(offence("topk", f"axis {place} has {n} elements, not {k}", "ask for so many at most"))
    first = getitem(order, (..., slice(k)))
    return moveaxis(_taken(rows, first), -1, place), moveaxis(first, -1, place)


@public(method=True)
def partition(x: ArrayLike, kth: int | Sequence[int], axis: SupportsIndex | None = -1) -> Node:
    """x such that the kth element along an axis stands where it does when sorted: all of them do.

    >>> from graphc import sym
    >>> partition(sym.var('x', shape=('n', 3)), 1).shape
    (n, 3)
    """
    return sort(x, axis)


@public(method=True)
def argpartition(x: ArrayLike, kth: int | Sequence[int], axis: SupportsIndex | None = -1) -> Node:
    """The indices that bring the kth element along an axis where it stands when sorted, and all others.

    >>> from graphc import sym
    >>> argpartition(sym.var('x', shape=('n', 3)), 1).dtype
    dtype('int64')
    """
    return argsort(x, axis)


def _ordered(name: str, x: ArrayLike, axis: SupportsIndex | None, descending: bool) -> tuple[Node, Node, int]:
    """x with an axis last, flattened if there is none; the order along it; and where that axis was."""
    whole, k = one_axis(name, as_node(name, x), axis)
    rows = moveaxis(whole, k, -1)
    return rows, ARGSORT(rows, descending=descending), k


def _taken(rows: Node, places: Node) -> Node:
    """The elements at some places of each row; one beyond an end stands for that end."""
    return gathered_along(rows, places, rows.ndim - 1)


# -- places in between ------------------------------------------------------------------------------


@public
def searchsorted(a: ArrayLike, v: ArrayLike, side: Literal["left", "right"] = "left") -> Node:
    """Where in the sorted vector a each element of v belongs: before what is equal, or behind it, on the `right`.

    >>> from graphc import sym
    >>> searchsorted(sym.var('a', shape=('n',)), sym.var('v', shape=(2, 3))).type
    Type(dtype=dtype('int64'), shape=(2, 3))
    """
    row, wanted = promote("searchsorted", a, v)
    if row.ndim != 1:
        raise ShapeError(offence("searchsorted", f"{row.type} is no vector", "use vmap to search the rows of a matrix"))
    if side not in ("left", "right"):
        raise ShapeError(offence("searchsorted", f"side={side!r} is unknown", "use 'left' or 'right'"))
    (n,), values = row.shape, ravel(wanted)
    if n == 0:
        return fill(0, wanted.typed.with_dtype(INT64))
    bits, length = _bits(n), extent_value(n, INT64)

    def probe(i: Node, count: Node) -> Node:
        """How many elements come before each value: more by a power of two, if the last one of these does."""
        more = count + bitwise_left_shift(1, bits - 1 - i)
        last = _taken(row, more - 1)
        is_before = _precedes(last, values) if side == "left" else ~_precedes(values, last)
        return where((more <= length) & is_before, more, count)

    return reshaped(fori_loop(0, bits, probe, fill(0, values.typed.with_dtype(INT64))), wanted.shape)


def _bits(n: Extent) -> int | Node:
    """How many binary digits the extent has."""
    if isinstance(n, int):
        return n.bit_length()
    return astype(floor(log2(extent_value(n, FLOAT64))), INT64) + 1


def _precedes(a: Node, b: Node) -> Node:
    return (a < b) | (isnan(b) & ~isnan(a))


@public
def digitize(x: ArrayLike, bins: ArrayLike, right: bool = False) -> Node:
    """In which bin each element is, given where bins begin, in order; or with `right` where they end. 0 is before all.

    >>> from graphc import sym
    >>> digitize(sym.var('x', shape=('n', 3)), [0.0, 1.0, 10.0]).shape
    (n, 3)
    """
    return searchsorted(bins, x, "left" if right else "right")


@public
def isin(element: ArrayLike, test_elements: ArrayLike, *, invert: bool = False) -> Node:
    """Whether each element is among those of another array; or with `invert` is not.

    >>> from graphc import sym
    >>> isin(sym.var('x', shape=('n', 3)), [1, 2, 5]).type
    Type(dtype=dtype('bool'), shape=(n, 3))
    """
    x, others = promote("isin", element, test_elements)
    if others.size == 0:
        return fill(invert, x.typed.with_dtype(BOOL))
    row, flat = sort(others, None), ravel(x)
    nearest = _taken(row, searchsorted(row, flat))
    return reshaped(nearest != flat if invert else nearest == flat, x.shape)


@public
def interp(
    x: ArrayLike, xp: ArrayLike, fp: ArrayLike, left: ArrayLike | None = None, right: ArrayLike | None = None
) -> Node:
    """The function that is fp at the places xp, in order, and straight between them, at x.

    Before them it is `left`, and behind them `right`, or what it is at the nearest place.

    >>> from graphc import sym
    >>> interp(sym.var('x', shape=('n', 3)), [0.0, 1.0, 10.0], [2.0, 3.0, 1.0], left=0).shape
    (n, 3)
    """
    at, places, values = promote("interp", x, xp, fp, rule=floating)
    if places.ndim != 1 or values.shape != places.shape or places.shape[0] == 0:
        what = f"{values.type} at {places.type}"
        raise ShapeError(offence("interp", what, "give vectors of places and values, as many of both"))
    flat, last = ravel(at), extent_value(places.shape[0], INT64) - 1
    before = clip(searchsorted(places, flat, "right") - 1, 0, last)
    low, high = before, minimum(before + 1, last)
    (x0, x1), (y0, y1) = ([_taken(row, place) for place in (low, high)] for row in (places, values))
    share = where(x0 == x1, 0, (flat - x0) / where(x0 == x1, 1, x1 - x0))
    inside = where(isnan(flat), flat, where(flat < x0, y0, y0 + share * (y1 - y0)))
    first, end = getitem(places, 0), getitem(places, -1)
    found = inside if left is None else where(flat < first, left, inside)
    return reshaped(found if right is None else where(flat > end, right, found), at.shape)


# -- medians and quantiles --------------------------------------------------------------------------


@public
def median(x: ArrayLike, axis: AxisLike = None, keepdims: bool = False) -> Node:
    """The element in the middle along some axes, or the mean of the two there; NaN if there is one.

    >>> from graphc import sym
    >>> median(sym.var('x', shape=('n', 5)), axis=0).shape
    (5,)
    """
    rows, shape = _rows("median", x, axis, keepdims)
    n = rows.shape[-1]
    low, high = _at(rows, stack([extent_value(place, INT64) for place in ((n - 1) // 2, n // 2)]))
    one, two, rest = low, (low + high) / 2, n - n // 2 * 2
    found = (one if rest else two) if isinstance(rest, int) else where(extent_value(rest, INT64) == 1, one, two)
    return reshaped(found, shape)


@public
def nanmedian(x: ArrayLike, axis: AxisLike = None, keepdims: bool = False) -> Node:
    """The median of what is no NaN; NaN if there is nothing.

    >>> from graphc import sym
    >>> nanmedian(sym.var('x', shape=('n', 5)), axis=0).shape
    (5,)
    """
    rows, shape = _rows("nanmedian", x, axis, keepdims)
    count = sum(~isnan(rows), -1, keepdims=True)  # NaNs stand behind all others
    low, high = (_sorted_at(rows, maximum(place, 0)) for place in ((count - 1) // 2, count // 2))
    return reshaped(where(count % 2 == 1, low, (low + high) / 2), shape)


@public
def quantile(x: ArrayLike, q: ArrayLike, axis: AxisLike = None, keepdims: bool = False) -> Node:
    """The values below which the shares q, from 0 to 1, of the elements along some axes lie; NaN if there is one.

    Between two elements it is on the straight line from one to the other. The axes of q are the first of the result.

    >>> from graphc import sym
    >>> quantile(sym.var('x', shape=('n', 5)), [0.25, 0.75], axis=0).shape
    (2, 5)
    """
    return _quantile("quantile", x, q, 1, axis, keepdims)


@public
def percentile(x: ArrayLike, q: ArrayLike, axis: AxisLike = None, keepdims: bool = False) -> Node:
    """Quantiles by percent: q is from 0 to 100.

    >>> from graphc import sym
    >>> percentile(sym.var('x', shape=('n', 5)), 90, axis=1, keepdims=True).shape
    (n, 1)
    """
    return _quantile("percentile", x, q, 100, axis, keepdims)


def _quantile(name: str, x: ArrayLike, q: ArrayLike, whole: int, axis: AxisLike, keepdims: bool) -> Node:
    rows, shape = _rows(name, x, axis, keepdims)
    wanted, last = as_node(name, q, FLOAT64), extent_value(rows.shape[-1], INT64) - 1
    if not isinstance(q, Node) and not np.all((np.asarray(q) >= 0) & (np.asarray(q) <= whole)):
        raise ShapeError(offence(name, f"q={q} is not from 0 to {whole}", f"give shares of {whole}"))
    place = ravel(wanted) / whole * last
    below = clip(astype(floor(place), INT64), 0, last)
    low, high = _at(rows, below), _at(rows, minimum(below + 1, last))
    share = spread(astype(place - below, rows.dtype), low.typed, tuple(range(1, low.ndim)))
    found = where(share < 0.5, low + (high - low) * share, high - (high - low) * (1 - share))  # as NumPy rounds
    return reshaped(found, wanted.shape + shape)


def _at(rows: Node, places: Node) -> Node:
    """The elements at some places of each row when it is sorted, one place after another; NaN, if the row has one."""
    outer = tuple(range(rows.ndim - 1))
    there = spread(places, places.typed.with_shape((*rows.shape[:-1], *places.shape)), outer)
    has_nan = any(isnan(rows), -1, keepdims=True)
    return moveaxis(where(has_nan, nan, _sorted_at(rows, there)), -1, 0)


def _sorted_at(rows: Node, places: Node) -> Node:
    """The elements at some places of each row when it is sorted."""
    return _taken(rows, _taken(ARGSORT(rows, descending=False), places))


def _rows(name: str, x: ArrayLike, axis: AxisLike, keepdims: bool) -> tuple[Node, Shape]:
    """x as floats, the axes given as one, the last; and the shape of what has one element for each row."""
    (node,) = promote(name, x, rule=floating)
    axes = as_axes(name, axis, node.typed)
    others = tuple([k for k in range(node.ndim) if k not in axes])
    n = product(node.shape[k] for k in axes)
    if n == 0:
        raise ShapeError(offence(name, f"{node.type} has no elements to choose from", "give some along these axes"))
    rows = reshaped(permuted(node, (*others, *axes)), (*(node.shape[k] for k in others), n))
    shape = [1 if k in axes else n for k, n in enumerate(node.shape) if keepdims or k not in axes]
    return rows, tuple(shape)
