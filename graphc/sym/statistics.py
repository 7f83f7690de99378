"""Statistics by NumPy's names, made of reductions: weighted averages, spans, counts, covariances; and without NaNs."""

from __future__ import annotations

from math import inf, nan

from graphc.errors import ShapeError
from graphc.node import Node
from graphc.ops.creation import extent_value
from graphc.ops.declare import offence
from graphc.sym import reduction
from graphc.sym.axes import AxisLike, as_axes
from graphc.sym.contraction import matmul
from graphc.sym.creation import DTypeLike, zeros
from graphc.sym.diagonals import diagonal
from graphc.sym.elementwise import isnan, maximum, sqrt, where
from graphc.sym.movement import concat, reshaped, squeeze, transpose
from graphc.sym.promote import ArrayLike, as_node, floating, promote
from graphc.sym.rearranging import atleast_2d
from graphc.sym.record import public
from graphc.sym.updates import index_add
from graphc.types import Extent, as_shape

__all__ = [
    "average", "ptp", "count_nonzero", "bincount", "cov", "corrcoef",
    "nansum", "nanprod", "nanmax", "nanmin", "nanmean", "nanvar", "nanstd",
]  # fmt: skip


@public
def average(x: ArrayLike, axis: AxisLike = None, weights: ArrayLike | None = None, keepdims: bool = False) -> Node:
    """The mean, in which elements count by their weights: of x's shape, or of that of the axes alone.

    >>> from graphc import sym
    >>> average(sym.var('x', shape=('n', 3)), axis=1, weights=[1, 2, 1]).shape
    (n,)
    """
    if weights is None:
        return reduction.mean(x, axis, keepdims=keepdims)
    node, share = promote("average", x, weights, rule=floating)
    axes = as_axes("average", axis, node.typed)
    if share.shape != node.shape:
        if share.shape != tuple(node.shape[k] for k in axes):
            what = f"weights of {share.type} do not fit {node.type} along {axes}"
            raise ShapeError(offence("average", what, "give one for each element, or for each index of these axes"))
        order = sorted(range(len(axes)), key=axes.__getitem__)
        share = reshaped(transpose(share, order), tuple(n if k in axes else 1 for k, n in enumerate(node.shape)))
    total = reduction.sum(node * share, axes, keepdims=keepdims)
    return total / reduction.sum(share + 0 * node, axes, keepdims=keepdims)


@public
def ptp(x: ArrayLike, axis: AxisLike = None, keepdims: bool = False) -> Node:
    """How far the greatest element is above the least.

    >>> from graphc import sym
    >>> ptp(sym.var('x', shape=('n', 3)), axis=1).shape
    (n,)
    """
    node = as_node("ptp", x)
    return reduction.max(node, axis, keepdims) - reduction.min(node, axis, keepdims)


@public
def count_nonzero(x: ArrayLike, axis: AxisLike = None, keepdims: bool = False) -> Node:
    """How many elements are not zero.

    >>> from graphc import sym
    >>> count_nonzero(sym.var('x', shape=('n', 3)), axis=1).dtype
    dtype('int64')
    """
    return reduction.sum(as_node("count_nonzero", x) != 0, axis, keepdims=keepdims)


@public
def bincount(x: ArrayLike, weights: ArrayLike | None = None, *, length: Extent | str) -> Node:
    """How often each of 0, 1, … length - 1 stands in a vector, or the sum of the weights where it does.

    NumPy's is as long as the data say; here it is said before. What is beyond does not count.

    >>> from graphc import sym
    >>> bincount(sym.var('x', shape=('n',), dtype='int64'), length=10).type
    Type(dtype=dtype('int64'), shape=(10,))
    """
    places, counted = as_node("bincount", x), as_node("bincount", 1 if weights is None else weights)
    if places.ndim != 1 or places.dtype.kind not in "iu":
        raise ShapeError(offence("bincount", f"{places.type} is no vector of integers", "flatten or cast it"))
    (n,) = as_shape(length)
    inside = (places >= 0) & (places < n)
    return index_add(zeros(n, counted.dtype), where(inside, places, 0), where(inside, counted, 0))


# -- covariances ------------------------------------------------------------------------------------


@public
def cov(m: ArrayLike, y: ArrayLike | None = None, rowvar: bool = True, bias: bool = False, ddof: int = 1) -> Node:
    """How variables vary together: for all pairs of rows of m, and of y, the mean product of distances from the mean.

    Without `rowvar` columns are the variables. Sums, in m's own float type, are divided by the count less `ddof`, or
    with `bias` by the count.

    >>> from graphc import sym
    >>> cov(sym.var('m', shape=(3, 'n'))).shape
    (3, 3)
    """
    parts = promote("cov", m, *([] if y is None else [y]), rule=floating)
    rows = [atleast_2d(part) if rowvar or part.ndim < 2 else transpose(part) for part in parts]
    values = concat(rows)
    if values.ndim != 2:
        raise ShapeError(offence("cov", f"{values.type} is no matrix", "give a matrix, or a vector"))
    distance = values - reduction.mean(values, 1, keepdims=True)
    freedom = extent_value(values.shape[1], values.dtype) - (0 if bias else ddof)
    return squeeze(matmul(distance, transpose(distance)) / maximum(freedom, 0))


@public
def corrcoef(x: ArrayLike, y: ArrayLike | None = None, rowvar: bool = True) -> Node:
    """Covariances over the deviations of both variables: from -1 to 1.

    >>> from graphc import sym
    >>> corrcoef(sym.var('x', shape=(3, 'n'))).shape
    (3, 3)
    """
    found = cov(x, y, rowvar)
    if not found.ndim:
        return found / found
    deviation = sqrt(diagonal(found))
    return found / deviation[:, None] / deviation


# -- without NaNs -----------------------------------------------------------------------------------


def _filled(name: str, x: ArrayLike, value: float) -> Node:
    """x with a value in the place of NaNs."""
    node = as_node(name, x)
    return where(isnan(node), value, node) if node.dtype.kind == "f" else node


@public
def nansum(x: ArrayLike, axis: AxisLike = None, dtype: DTypeLike = None, keepdims: bool = False) -> Node:
    """The sum of what is no NaN.

    >>> from graphc import sym
    >>> nansum(sym.var('x', shape=('n', 3)), axis=1).shape
    (n,)
    """
    return reduction.sum(_filled("nansum", x, 0), axis, dtype, keepdims)


@public
def nanprod(x: ArrayLike, axis: AxisLike = None, dtype: DTypeLike = None, keepdims: bool = False) -> Node:
    """The product of what is no NaN.

    >>> from graphc import sym
    >>> nanprod(sym.var('x', shape=('n', 3)), axis=1).shape
    (n,)
    """
    return reduction.prod(_filled("nanprod", x, 1), axis, dtype, keepdims)


@public
def nanmax(x: ArrayLike, axis: AxisLike = None, keepdims: bool = False) -> Node:
    """The greatest element that is no NaN; NaN if all are.

    >>> from graphc import sym
    >>> nanmax(sym.var('x', shape=('n', 3)), axis=1).shape
    (n,)
    """
    return _unless_all(x, axis, keepdims, reduction.max(_filled("nanmax", x, -inf), axis, keepdims))


@public
def nanmin(x: ArrayLike, axis: AxisLike = None, keepdims: bool = False) -> Node:
    """The least element that is no NaN; NaN if all are.

    >>> from graphc import sym
    >>> nanmin(sym.var('x', shape=('n', 3)), axis=1).shape
    (n,)
    """
    return _unless_all(x, axis, keepdims, reduction.min(_filled("nanmin", x, inf), axis, keepdims))


def _unless_all(x: ArrayLike, axis: AxisLike, keepdims: bool, found: Node) -> Node:
    """What is found; NaN where all is NaN."""
    if found.dtype.kind != "f":
        return found
    return where(reduction.all(isnan(x), axis, keepdims), nan, found)


@public
def nanmean(x: ArrayLike, axis: AxisLike = None, keepdims: bool = False) -> Node:
    """The mean of what is no NaN; NaN if there is nothing.

    >>> from graphc import sym
    >>> nanmean(sym.var('x', shape=('n', 3)), axis=1).shape
    (n,)
    """
    (node,) = promote("nanmean", x, rule=floating)
    return nansum(node, axis, keepdims=keepdims) / _count(node, axis, keepdims)


def _count(x: Node, axis: AxisLike, keepdims: bool) -> Node:
    """How many elements are no NaN."""
    return reduction.sum(~isnan(x), axis, x.dtype, keepdims)


@public
def nanvar(x: ArrayLike, axis: AxisLike = None, ddof: float = 0, keepdims: bool = False) -> Node:
    """The variance of what is no NaN; NaN if that is not more than `ddof`.

    >>> from graphc import sym
    >>> nanvar(sym.var('x', shape=('n', 3)), axis=1).shape
    (n,)
    """
    (node,) = promote("nanvar", x, rule=floating)
    distance = where(isnan(node), 0, node - nanmean(node, axis, keepdims=True))
    freedom = _count(node, axis, keepdims) - ddof
    return where(freedom > 0, reduction.sum(distance * distance, axis, keepdims=keepdims) / freedom, nan)


@public
def nanstd(x: ArrayLike, axis: AxisLike = None, ddof: float = 0, keepdims: bool = False) -> Node:
    """The root of `nanvar`; where all elements are equal its derivative is taken as 0.

    >>> from graphc import sym
    >>> nanstd(sym.var('x', shape=('n', 3)), axis=1).shape
    (n,)
    """
    return reduction.root(nanvar(x, axis, ddof, keepdims))
