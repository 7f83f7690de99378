"""Making arrays from nothing: filled, counted, diagonal, or from NumPy's."""

from __future__ import annotations

from math import ceil
from typing import Any, TypeAlias

import numpy as np

from graphc.errors import DTypeError, ShapeError
from graphc.node import Node, constant
from graphc.ops.creation import IOTA, extent_value
from graphc.ops.declare import offence
from graphc.ops.logic import CAST
from graphc.ops.movement import fill
from graphc.settings import default_float
from graphc.sym.indexing import run_length
from graphc.sym.movement import ShapeLike, broadcast_to
from graphc.sym.promote import ArrayLike, as_node
from graphc.sym.record import public
from graphc.types import INT64, Dim, DType, Extent, Type, as_dtype, as_shape

__all__ = [
    "asarray", "zeros", "ones", "full", "zeros_like", "ones_like", "full_like", "iota", "arange", "linspace", "eye",
    "empty", "empty_like", "logspace", "geomspace", "tri",
]  # fmt: skip

DTypeLike: TypeAlias = Any  # whatever np.dtype takes; None for the function's default
Bound: TypeAlias = "Extent | float | str"


@public
def asarray(x: ArrayLike, dtype: DTypeLike = None) -> Node:
    """x as a node: an array becomes a constant of the graph, copied now."""
    return as_node("asarray", x, None if dtype is None else as_dtype(dtype))


# -- filled -----------------------------------------------------------------------------------------


@public
def zeros(shape: ShapeLike, dtype: DTypeLike = None) -> Node:
    """Zeros of a shape, whose extents may be names; of the default float type, if none is given."""
    return fill(0, Type(_or_float(dtype), as_shape(shape)))


@public
def ones(shape: ShapeLike, dtype: DTypeLike = None) -> Node:
    """Ones of a shape, whose extents may be names; of the default float type, if none is given."""
    return fill(1, Type(_or_float(dtype), as_shape(shape)))


@public
def full(shape: ShapeLike, fill_value: ArrayLike, dtype: DTypeLike = None) -> Node:
    """A shape filled with a number or, as it broadcasts, an array; of that one's dtype, if none is given."""
    return broadcast_to(asarray(fill_value, dtype), shape)


@public
def zeros_like(x: ArrayLike, dtype: DTypeLike = None) -> Node:
    """Zeros of x's shape, and of its dtype, if none is given."""
    return full_like(x, 0, dtype)


@public
def ones_like(x: ArrayLike, dtype: DTypeLike = None) -> Node:
    """Ones of x's shape, and of its dtype, if none is given."""
    return full_like(x, 1, dtype)


@public
def full_like(x: ArrayLike, fill_value: ArrayLike, dtype: DTypeLike = None) -> Node:
    """x's shape filled with a number or an array; of x's dtype, if none is given."""
    node = as_node("full_like", x)
    return broadcast_to(asarray(fill_value, node.dtype if dtype is None else dtype), node.shape)


empty, empty_like = zeros, zeros_like  # what nobody has written is 0 here


def _or_float(dtype: DTypeLike) -> DType:
    return default_float() if dtype is None else as_dtype(dtype)


# -- counted ----------------------------------------------------------------------------------------


@public
def iota(extent: Extent | str, dtype: DTypeLike = INT64) -> Node:
    """0, 1, 2 … as many as the extent, which may be a name."""
    (n,) = as_shape(extent)
    return IOTA(extent=n, dtype=as_dtype(dtype))


@public
def arange(start: Bound, stop: Bound | None = None, step: float = 1, dtype: DTypeLike = None) -> Node:
    """start, start + step, … before stop: `arange(stop)`, `arange(start, stop)` or `arange(start, stop, step)`.

    Bounds are numbers known now, or names and computed extents. Those give int64, and must not give a negative
    count: `arange(n, 0)` is for no n.
    """
    first, end = map(_bound, (0, start) if stop is None else (start, stop))
    wanted = as_dtype(dtype) if dtype is not None else _common_dtype(first, end, step)
    return _counted(first, _count(first, end, step), step, wanted)


def _bound(bound: Bound) -> Extent | float:
    return Dim.symbol(bound) if isinstance(bound, str) else bound


def _common_dtype(*numbers: Extent | float) -> DType:
    return default_float() if any(isinstance(number, float) for number in numbers) else INT64


def _count(first: Extent | float, end: Extent | float, step: float) -> Extent:
    if step == 0:
        raise ShapeError(offence("arange", "the step is 0", "give another, or use sym.full"))
    if isinstance(first, float) or isinstance(end, float) or isinstance(step, float):
        if isinstance(first, Dim) or isinstance(end, Dim):
            raise ShapeError(offence("arange", "dimensions and floats do not mix", "scale sym.arange(n)"))
        return max(0, ceil((end - first) / step))
    count = run_length(first, end, step)
    return max(0, count) if isinstance(count, int) else count


def _counted(first: Extent | float, count: Extent, step: float, dtype: DType) -> Node:
    numbers = [number for number in (first, step) if not isinstance(number, Dim)]
    if dtype.kind == "b" or (dtype.kind != "f" and any(number != int(number) for number in numbers)):
        raise DTypeError(offence("arange", f"{numbers} are no numbers of {dtype}", "ask for a float dtype"))
    i = IOTA(extent=count, dtype=dtype)
    if (first, step) == (0, 1):
        return i
    start = extent_value(first, dtype) if isinstance(first, Dim) else constant(first, dtype)
    return i * _difference(first, step, dtype) + start


def _difference(first: Extent | float, step: float, dtype: DType) -> Node:
    """The step as NumPy takes it: the second element less the first, each rounded."""
    if isinstance(first, Dim) or dtype.kind != "f":
        return constant(step, dtype)
    return constant(dtype.type(first + step) - dtype.type(first), dtype)


@public
def linspace(start: float, stop: float, num: int = 50, endpoint: bool = True, dtype: DTypeLike = None) -> Node:
    """num evenly spaced numbers from start to stop, or to one step before it."""
    return constant(np.linspace(start, stop, num, endpoint=endpoint), _or_float(dtype))


@public
def logspace(
    start: float, stop: float, num: int = 50, endpoint: bool = True, base: float = 10, dtype: DTypeLike = None
) -> Node:
    """Powers of a base, whose exponents are evenly spaced.

    >>> logspace(0, 3, 4).params[0].array
    array([   1.,   10.,  100., 1000.])
    """
    return constant(np.logspace(start, stop, num, endpoint, base), _or_float(dtype))


@public
def geomspace(start: float, stop: float, num: int = 50, endpoint: bool = True, dtype: DTypeLike = None) -> Node:
    """num numbers from start to stop, each so many times the one before.

    >>> geomspace(1, 8, 4).params[0].array
    array([1., 2., 4., 8.])
    """
    return constant(np.geomspace(start, stop, num, endpoint), _or_float(dtype))


@public
def tri(n: Extent | str, m: Extent | str | None = None, k: int = 0, dtype: DTypeLike = None) -> Node:
    """Ones on and below the k-th diagonal of n by m zeros (by n, if m is not given), which may be names.

    >>> tri('n', 3).shape
    (n, 3)
    """
    rows, columns = as_shape([n, n if m is None else m])
    i, j = iota(rows)[:, None], iota(columns)
    return CAST(i + k >= j, dtype=_or_float(dtype))


@public
def eye(n: Extent | str, m: Extent | str | None = None, k: int = 0, dtype: DTypeLike = None) -> Node:
    """Ones on the k-th diagonal of n by m zeros (by n, if m is not given), which may be names."""
    rows, columns = as_shape([n, n if m is None else m])
    i, j = iota(rows)[:, None], iota(columns)
    return CAST(i + k == j, dtype=_or_float(dtype))
