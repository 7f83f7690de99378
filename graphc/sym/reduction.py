"""Reductions by NumPy's names: over all axes, one or several, which with `keepdims` stay with extent 1.

Four operators fold (`sum`, `prod`, `max`, `min`), and all else is made of them.
"""

from __future__ import annotations

from math import inf
from typing import SupportsIndex

import numpy as np

from graphc.errors import ShapeError
from graphc.node import Node, Op
from graphc.ops.arithmetic import ABS
from graphc.ops.creation import extent_value, index_along
from graphc.ops.declare import offence
from graphc.ops.logic import ISNAN
from graphc.ops.reduction import MAX, MIN, PROD, SUM
from graphc.settings import default_float
from graphc.sym.axes import AxisLike, as_axes
from graphc.sym.creation import DTypeLike
from graphc.sym.elementwise import exp, isfinite, log, maximum, sqrt, stop_gradient, where
from graphc.sym.movement import one_axis, reshaped, squeeze
from graphc.sym.promote import ArrayLike, as_node
from graphc.sym.record import public
from graphc.types import BOOL, INT64, as_dtype, product

__all__ = [
    "sum", "prod", "max", "min", "amax", "amin", "any", "all", "mean", "std", "argmax", "argmin",
    "logsumexp", "norm",
]  # fmt: skip

UINT64 = np.dtype(np.uint64)


def _fold(name: str, op: Op, x: Node, axis: AxisLike, keepdims: bool = False) -> Node:
    """The operator over axes as users write them; over none it changes nothing."""
    axes = as_axes(name, axis, x.typed)
    folded = op(x, axes=tuple(sorted(axes))) if axes else x
    kept = tuple([1 if k in axes else n for k, n in enumerate(x.shape)])
    return reshaped(folded, kept) if keepdims else folded


def _floats(name: str, x: ArrayLike, dtype: DTypeLike = None) -> Node:
    """x as floats: of its own dtype or the one given, and integers of the default float type."""
    node = as_node(name, x)
    if dtype is None:
        return node if node.dtype.kind == "f" else as_node(name, node, default_float())
    return as_node(name, node, as_dtype(dtype))


# -- sum and prod -----------------------------------------------------------------------------------


@public(method=True)
def sum(x: ArrayLike, axis: AxisLike = None, dtype: DTypeLike = None, keepdims: bool = False) -> Node:
    """The sum; booleans and small integers are added up in 64 bits, unless a dtype is given."""
    return _fold("sum", SUM, widened("sum", x, dtype), axis, keepdims)


@public(method=True)
def prod(x: ArrayLike, axis: AxisLike = None, dtype: DTypeLike = None, keepdims: bool = False) -> Node:
    """The product; booleans and small integers are multiplied in 64 bits, unless a dtype is given.

    Its derivatives are right at zeros too: of every order where the extents are known; along an axis known
    only when data is bound, of the first order.
    """
    return _fold("prod", PROD, widened("prod", x, dtype), axis, keepdims)


def widened(name: str, x: ArrayLike, dtype: DTypeLike) -> Node:
    """x in the dtype that totals of it have: the one given, or its own; of 64 bits for booleans and integers."""
    node = as_node(name, x)
    wide = {"b": INT64, "i": INT64, "u": UINT64}.get(node.dtype.kind, node.dtype)
    return as_node(name, node, wide if dtype is None else as_dtype(dtype))


# -- max and min ------------------------------------------------------------------------------------


@public(method=True)
def max(x: ArrayLike, axis: AxisLike = None, keepdims: bool = False) -> Node:
    """The greatest element, NaN if there is one; elements that tie share the derivative equally."""
    return _fold("max", MAX, as_node("max", x), axis, keepdims)


@public(method=True)
def min(x: ArrayLike, axis: AxisLike = None, keepdims: bool = False) -> Node:
    """The least element, NaN if there is one; elements that tie share the derivative equally."""
    return _fold("min", MIN, as_node("min", x), axis, keepdims)


amax, amin = max, min


@public(method=True)
def any(x: ArrayLike, axis: AxisLike = None, keepdims: bool = False) -> Node:
    """Whether some element is not zero; of none, False."""
    return _fold("any", MAX, _truth("any", x), axis, keepdims)


@public(method=True)
def all(x: ArrayLike, axis: AxisLike = None, keepdims: bool = False) -> Node:
    """Whether no element is zero; of none, True."""
    return _fold("all", MIN, _truth("all", x), axis, keepdims)


def _truth(name: str, x: ArrayLike) -> Node:
    node = as_node(name, x)
    return node if node.dtype == BOOL else node != 0


@public(method=True)
def argmax(x: ArrayLike, axis: SupportsIndex | None = None, keepdims: bool = False) -> Node:
    """The index of the greatest element, the first of several; a NaN counts as greatest."""
    return _index_of("argmax", MAX, x, axis, keepdims)


@public(method=True)
def argmin(x: ArrayLike, axis: SupportsIndex | None = None, keepdims: bool = False) -> Node:
    """The index of the least element, the first of several; a NaN counts as least."""
    return _index_of("argmin", MIN, x, axis, keepdims)


def _index_of(name: str, op: Op, x: ArrayLike, axis: SupportsIndex | None, keepdims: bool) -> Node:
    """The least index at which the extreme stands; an axis of None counts through all elements."""
    node = as_node(name, x)
    flat, k = one_axis(name, node, axis)
    extreme = _fold(name, op, flat, k, keepdims=True)
    hit = flat == extreme if flat.dtype.kind != "f" else (flat == extreme) | ISNAN(flat)
    found = _fold(name, MIN, where(hit, index_along(flat.typed, k), extent_value(flat.shape[k], INT64)), k, keepdims)
    return reshaped(found, (1,) * node.ndim) if axis is None and keepdims else found


# -- means ------------------------------------------------------------------------------------------


@public(method=True)
def mean(x: ArrayLike, axis: AxisLike = None, dtype: DTypeLike = None, keepdims: bool = False) -> Node:
    """The arithmetic mean; of integers in the default float type. Of no elements, NaN."""
    node = _floats("mean", x, dtype)
    return _fold("mean", SUM, node, axis, keepdims) / _count("mean", node, axis)


def _count(name: str, x: Node, axis: AxisLike) -> Node:
    """How many elements fold into one, as a float."""
    return extent_value(product(x.shape[k] for k in as_axes(name, axis, x.typed)), x.dtype)


@public(method=True)
def var(
    x: ArrayLike,
    axis: AxisLike = None,
    dtype: DTypeLike = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    correction: float | None = None,
) -> Node:
    """The mean squared distance from the mean, which is computed first.

    The sum of squares is divided by the count less `ddof`, which `correction` is another name for.
    """
    node = _floats("var", x, dtype)
    distance = node - mean(node, axis, keepdims=True)
    freedom = _count("var", node, axis) - (ddof if correction is None else correction)
    return _fold("var", SUM, distance * distance, axis, keepdims) / maximum(freedom, 0)


@public(method=True)
def std(
    x: ArrayLike,
    axis: AxisLike = None,
    dtype: DTypeLike = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    correction: float | None = None,
) -> Node:
    """The square root of `var`; where all elements are equal its derivative is taken as 0."""
    return root(var(x, axis, dtype, ddof, keepdims, correction=correction))


def root(x: Node) -> Node:
    """The square root, with a derivative of 0 at 0."""
    return where(x == 0, 0, sqrt(where(x == 0, 1, x)))


# -- norms ------------------------------------------------------------------------------------------


@public
def logsumexp(x: ArrayLike, axis: AxisLike = None, keepdims: bool = False) -> Node:
    """log(sum(exp(x))) without overflow; where all elements are -inf it is -inf, with a derivative of 0."""
    node = _floats("logsumexp", x)
    greatest = stop_gradient(_fold("logsumexp", MAX, node, axis, keepdims=True))  # any shift gives the same value
    shift = where(isfinite(greatest), greatest, 0)
    total = _fold("logsumexp", SUM, exp(node - shift), axis, keepdims=True)
    found = where(total == 0, -inf, log(where(total == 0, 1, total)) + shift)
    return found if keepdims else squeeze(found, as_axes("logsumexp", axis, node.typed))


@public
def norm(x: ArrayLike, ord: float | None = None, axis: AxisLike = None, keepdims: bool = False) -> Node:
    """The length of vectors: `ord` 2, 1 or inf along one axis; if None, the root of all squares along any axes.

    At 0 its derivative is taken as 0.
    """
    node = _floats("norm", x)
    axes = as_axes("norm", axis, node.typed)
    if ord is not None and len(axes) != 1:
        way_out = "give one axis; or leave ord out for the root of all squares"
        raise ShapeError(offence("norm", f"ord={ord} over {len(axes)} axes is a norm of matrices", way_out))
    match ord:
        case None | 2:
            return root(_fold("norm", SUM, node * node, axes, keepdims))
        case 1:
            return _fold("norm", SUM, ABS(node), axes, keepdims)
        case _ if ord == inf:
            return _fold("norm", MAX, ABS(node), axes, keepdims)
        case _:
            raise ShapeError(offence("norm", f"ord={ord} is not supported", "use None, 1, 2 or inf"))
