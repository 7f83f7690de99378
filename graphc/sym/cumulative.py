"""Running totals along an axis, each a scan, and the differences that undo them."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import SupportsIndex

from graphc.errors import ShapeError
from graphc.node import Node
from graphc.ops.declare import offence
from graphc.ops.movement import fill
from graphc.sym.axes import as_axis
from graphc.sym.control import scan
from graphc.sym.creation import DTypeLike
from graphc.sym.elementwise import add, logaddexp, multiply, not_equal, subtract, where
from graphc.sym.indexing import getitem
from graphc.sym.movement import concat, moveaxis, one_axis
from graphc.sym.promote import ArrayLike, as_node, floating, promote
from graphc.sym.record import public
from graphc.sym.reduction import widened
from graphc.types import BOOL

__all__ = ["cumsum", "cumprod", "cumulative_sum", "cumulative_prod", "logcumsumexp", "diff"]


@public(method=True)
def cumsum(x: ArrayLike, axis: SupportsIndex | None = None, dtype: DTypeLike = None) -> Node:
    """The sums of the first, the first two, … elements along an axis, or of all; small integers in 64 bits, as `sum`.

    >>> from graphc import sym
    >>> cumsum(sym.var('x', shape=('n', 3)), axis=0).shape
    (n, 3)
    """
    return _running("cumsum", add, 0, widened("cumsum", x, dtype), axis)


@public(method=True)
def cumprod(x: ArrayLike, axis: SupportsIndex | None = None, dtype: DTypeLike = None) -> Node:
    """The products of the first, the first two, … elements along an axis, or of all; derivatives are right at zeros.

    >>> from graphc import sym
    >>> cumprod(sym.var('x', shape=(2, 3), dtype='int8')).type
    Type(dtype=dtype('int64'), shape=(6,))
    """
    return _running("cumprod", multiply, 1, widened("cumprod", x, dtype), axis)


@public
def cumulative_sum(
    x: ArrayLike, axis: SupportsIndex | None = None, dtype: DTypeLike = None, include_initial: bool = False
) -> Node:
    """`cumsum` by its name in the Array API: of several axes one must be given. The sum of none may come first.

    >>> from graphc import sym
    >>> cumulative_sum(sym.var('x', shape=('n',)), include_initial=True).shape
    (n + 1,)
    """
    return _cumulative("cumulative_sum", add, 0, widened("cumulative_sum", x, dtype), axis, include_initial)


@public
def cumulative_prod(
    x: ArrayLike, axis: SupportsIndex | None = None, dtype: DTypeLike = None, include_initial: bool = False
) -> Node:
    """`cumprod` by its name in the Array API: of several axes one must be given. The product of none may come first.

    >>> from graphc import sym
    >>> cumulative_prod(sym.var('x', shape=(3, 2)), axis=1, include_initial=True).shape
    (3, 3)
    """
    return _cumulative("cumulative_prod", multiply, 1, widened("cumulative_prod", x, dtype), axis, include_initial)


@public
def logcumsumexp(x: ArrayLike, axis: SupportsIndex | None = None) -> Node:
    """log(cumsum(exp(x))) without overflow.

    >>> from graphc import sym
    >>> logcumsumexp(sym.var('x', shape=(3, 2)), axis=0).shape
    (3, 2)
    """
    (node,) = promote("logcumsumexp", x, rule=floating)
    return _running("logcumsumexp", _logaddexp, -inf, node, axis)


def _logaddexp(total: Node, x: Node) -> Node:
    """Of a total of nothing, x itself: the two must not share the derivative as equals where x is -inf as well."""
    return where(total == -inf, x, logaddexp(total, x))


def _cumulative(
    name: str,
    combine: Callable[[Node, Node], Node],
    start: float,
    x: Node,
    axis: SupportsIndex | None,
    include_initial: bool,
) -> Node:
    if axis is None and x.ndim != 1:
        raise ShapeError(offence(name, f"{x.type} has {x.ndim} axes", "give one of them as axis="))
    found, k = _running(name, combine, start, x, axis), as_axis(name, axis or 0, x.typed)
    if not include_initial:
        return found
    initial = fill(start, x.typed.with_shape((*x.shape[:k], 1, *x.shape[k + 1 :])))
    return concat([initial, found], k)


def _running(
    name: str, combine: Callable[[Node, Node], Node], start: float, x: Node, axis: SupportsIndex | None
) -> Node:
    """All that combining a start with the first, the next, … element along an axis gives."""
    whole, k = one_axis(name, x, axis)
    elements = moveaxis(whole, k, 0)

    def step(before: Node, element: Node) -> tuple[Node, Node]:
        after = combine(before, element)
        return after, after

    _, found = scan(step, fill(start, elements.typed.with_shape(elements.shape[1:])), elements)
    return moveaxis(found, 0, k)


@public
def diff(x: ArrayLike, n: int = 1, axis: SupportsIndex = -1) -> Node:
    """Each element less the one before it along an axis, n times; of bools, whether the two differ.

    >>> from graphc import sym
    >>> diff(sym.var('x', shape=('n', 3)), axis=0).shape
    (n - 1, 3)
    """
    node = as_node("diff", x)
    k = as_axis("diff", axis, node.typed)
    if n < 0:
        raise ShapeError(offence("diff", f"n={n} is negative", "give how often to take differences"))
    subtracted = not_equal if node.dtype == BOOL else subtract
    for _ in range(n):
        later, earlier = (getitem(node, (*[slice(None)] * k, part)) for part in (slice(1, None), slice(None, -1)))
        node = subtracted(later, earlier)
    return node
