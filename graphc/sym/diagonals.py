"""Matrices by their diagonals: read along one, put on one, summed, and cut off above or below one."""

from __future__ import annotations

from typing import SupportsIndex

from graphc.errors import ShapeError
from graphc.node import Node
from graphc.ops.declare import offence
from graphc.ops.linalg import triangle
from graphc.ops.window import SLIDE, UNSLIDE
from graphc.sym.axes import as_axes
from graphc.sym.creation import DTypeLike
from graphc.sym.indexing import getitem
from graphc.sym.movement import moveaxis, pad, reshaped
from graphc.sym.promote import ArrayLike, as_node
from graphc.sym.record import public
from graphc.sym.reduction import sum
from graphc.types import Extent

__all__ = ["diagonal", "diag", "trace", "tril", "triu"]


def along_diagonal(x: Node, axis: int, other: int) -> Node:
    """x where its indices along two axes of one extent are equal; the first of the two is dropped."""
    slid = SLIDE(x, axes=(axis,), windows=(other,), extents=(1,), strides=(1,), dilations=(1,))
    return reshaped(slid, x.shape[:axis] + x.shape[axis + 1 :])


@public(method=True)
def diagonal(x: ArrayLike, offset: int = 0, axis1: SupportsIndex = 0, axis2: SupportsIndex = 1) -> Node:
    """The diagonals along two axes, `offset` to the right of the main one; the result's last axis runs along them.

    >>> from graphc import sym
    >>> x = sym.var('x', shape=(3, 4, 4))
    >>> diagonal(x, 1, axis1=1, axis2=2).shape
    (3, 3)
    """
    node = as_node("diagonal", x)
    i, k = as_axes("diagonal", (axis1, axis2), node.typed)
    matrices = moveaxis(node, (i, k), (-2, -1))
    matrices = getitem(matrices, (..., slice(offset, None)) if offset > 0 else (..., slice(-offset, None), slice(None)))
    n = _shorter("diagonal", matrices)
    return along_diagonal(getitem(matrices, (..., slice(n), slice(n))), node.ndim - 2, node.ndim - 1)


def _shorter(name: str, x: Node) -> Extent:
    """The smaller one of the last two extents."""
    n, m = x.shape[-2:]
    if isinstance(n, int) and isinstance(m, int):
        return min(n, m)
    if n != m:
        raise ShapeError(offence(name, f"which one of {n} and {m} is less is not known", "slice x to a square"))
    return n


@public(method=True)
def trace(
    x: ArrayLike, offset: int = 0, axis1: SupportsIndex = 0, axis2: SupportsIndex = 1, dtype: DTypeLike = None
) -> Node:
    """The sum along the diagonals of two axes.

    >>> from graphc import sym
    >>> trace(sym.var('x', shape=('n', 'n'))).shape
    ()
    """
    return sum(diagonal(x, offset, axis1, axis2), -1, dtype)


@public
def diag(x: ArrayLike, k: int = 0) -> Node:
    """The k-th diagonal of a matrix; of a vector, the matrix that has it as its k-th diagonal and zeros elsewhere.

    >>> from graphc import sym
    >>> diag(sym.var('x', shape=(3,)), 1).shape
    (4, 4)
    """
    node = as_node("diag", x)
    if node.ndim == 2:
        return diagonal(node, k)
    if node.ndim != 1:
        raise ShapeError(offence("diag", f"{node.type} is no vector and no matrix", "use diagonal for stacks of them"))
    (n,) = node.shape
    rows = reshaped(node, (1, n))
    square = UNSLIDE(rows, axes=(0,), windows=(1,), extents=(n,), strides=(1,), dilations=(1,))
    above, left = (k, 0) if k < 0 else (0, k)
    return pad(square, ((abs(above), left), (left, abs(above)))) if k else square


@public
def tril(x: ArrayLike, k: int = 0) -> Node:
    """Matrices, x's last two axes, with zeros above their k-th diagonal.

    >>> from graphc import sym
    >>> tril(sym.var('x', shape=(2, 3, 3))).shape
    (2, 3, 3)
    """
    return _cut("tril", x, k, lower=True)


@public
def triu(x: ArrayLike, k: int = 0) -> Node:
    """Matrices, x's last two axes, with zeros below their k-th diagonal.

    >>> from graphc import sym
    >>> triu(sym.var('x', shape=('n', 'n')), 1).shape
    (n, n)
    """
    return _cut("triu", x, k, lower=False)


def _cut(name: str, x: ArrayLike, k: int, lower: bool) -> Node:
    node = as_node(name, x)
    if node.ndim < 2:
        raise ShapeError(offence(name, f"{node.type} is no matrix", "give two axes at least"))
    return triangle(node, lower, k)
