"""Arrays with some elements changed: `x.at[key].set(v)` is v where the key points, and x elsewhere.

What is between x and `x[key]` only moves elements, and its derivative moves values back to where they came from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc.errors import DTypeError
from graphc.node import PUBLIC, Node, variable
from graphc.ops.creation import IOTA
from graphc.ops.declare import offence
from graphc.ops.gather import GATHER, SCATTER
from graphc.ops.logic import WHERE
from graphc.ops.movement import fill
from graphc.sym.elementwise import add, maximum, minimum
from graphc.sym.indexing import getitem
from graphc.sym.movement import broadcast_to, pad, ravel, reshaped
from graphc.sym.promote import ArrayLike, as_node
from graphc.sym.record import public
from graphc.types import BOOL, INT64, Type

__all__ = ["index_add", "index_max", "index_min", "index_set"]


@dataclass(frozen=True)
class At:
    """`x.at`: to be indexed as x is."""

    x: Node

    def __getitem__(self, key: Any) -> Place:
        return Place(self.x, key)


@dataclass(frozen=True)
class Place:
    """Elements of x to be changed, in a new array: x itself stays what it is."""

    x: Node
    key: Any

    def set(self, values: ArrayLike) -> Node:
        """`index_set`: these values instead."""
        return index_set(self.x, self.key, values)

    def add(self, values: ArrayLike) -> Node:
        """`index_add`: these values added."""
        return index_add(self.x, self.key, values)

    def max(self, values: ArrayLike) -> Node:
        """`index_max`: these values where they are greater."""
        return index_max(self.x, self.key, values)

    def min(self, values: ArrayLike) -> Node:
        """`index_min`: these values where they are less."""
        return index_min(self.x, self.key, values)


PUBLIC["at"] = At


@public
def index_set(x: ArrayLike, key: Any, values: ArrayLike) -> Node:
    """x with `x[key]` replaced by values, which broadcast to it; also `x.at[key].set(values)`.

    Where a key of arrays names an element several times, the last counts. Indices are as in `x[key]`. The values
    keep x's dtype, which must hold them but for rounding.

    >>> import graphc
    >>> from graphc import sym
    >>> x, i = sym.var('x', shape=(5,)), sym.var('i', shape=(2,), dtype='int64')
    >>> graphc.compile([x, i], x.at[i].set([10, 20]).at[:2].set(0))([1.0, 2, 3, 4, 5], [0, -1])
    array([ 0.,  0.,  3.,  4., 20.])
    """
    way = _Way("index_set", x, key, values)
    if not way.computed:
        return WHERE(way.back(fill(True, way.type.with_dtype(BOOL)), "max"), way.back(way.values, "max"), way.x)
    number = reshaped(IOTA(extent=way.type.size, dtype=INT64), way.type.shape) + 1
    last = way.back(number, "max")  # the last of those that name an element; 0 or less where there is none
    found = GATHER(pad(ravel(way.values), (1, 0)), last)
    return WHERE(last > 0, found, way.x)


@public
def index_add(x: ArrayLike, key: Any, values: ArrayLike) -> Node:
    """x with values added to `x[key]`, to which they broadcast; also `x.at[key].add(values)`.

    What names an element several times is added several times, in order. Indices and dtypes are as in `index_set`.

    >>> import graphc
    >>> from graphc import sym
    >>> i = sym.var('i', shape=(4,), dtype='int64')
    >>> graphc.compile([i], sym.index_add(sym.zeros(3), i, 1))([0, 2, 2, 2])
    array([1., 0., 3.])
    """
    way = _Way("index_add", x, key, values)
    return add(way.x, way.back(way.values, "sum"))


@public
def index_max(x: ArrayLike, key: Any, values: ArrayLike) -> Node:
    """x with the greater of `x[key]` and values in its place; also `x.at[key].max(values)`. See `index_set`."""
    return _Way("index_max", x, key, values).combined("max", maximum)


@public
def index_min(x: ArrayLike, key: Any, values: ArrayLike) -> Node:
    """x with the lesser of `x[key]` and values in its place; also `x.at[key].min(values)`. See `index_set`."""
    return _Way("index_min", x, key, values).combined("min", minimum)


class _Way:
    """The operators from x to x[key], to be walked backwards, and the values to be put there."""

    def __init__(self, name: str, x: ArrayLike, key: Any, values: ArrayLike) -> None:
        self.x = as_node(name, x)
        start = variable("x", self.x.type)
        self.steps = [getitem(start, key)]
        self.type: Type = self.steps[0].typed
        self.values = broadcast_to(_kept(name, self.x, values), self.type.shape)
        while self.steps[-1] is not start:
            self.steps.append(self.steps[-1].args[0])
        self.steps.pop()
        self.computed = any(step.op is GATHER for step in self.steps)

    def back(self, g: Node, reduction: str) -> Node:
        """Values of x[key] where x has them; where several meet, combined. Elsewhere is what combines with nothing."""
        for step in self.steps:
            x, *indices = step.args
            if step.op is GATHER:
                g = SCATTER(g, *indices, extents=x.shape[: len(indices)], reduction=reduction)
            else:
                assert step.op.vjp is not None
                moved = step.op.vjp(g, step, 0)
                assert moved is not None
                g = moved
        return g

    def combined(self, reduction: str, combine: Callable[[Node, Node], Node]) -> Node:
        """x, combined with the values where the key names elements."""
        named = self.back(fill(1, self.type.with_dtype(INT64)), "max") > 0
        return WHERE(named, combine(self.x, self.back(self.values, reduction)), self.x)


def _kept(name: str, x: Node, values: ArrayLike) -> Node:
    """Values in the dtype of x."""
    if isinstance(values, int) and x.dtype != BOOL:
        return as_node(name, values, x.dtype)
    node = as_node(name, values)
    if not np.can_cast(node.dtype, x.dtype, "same_kind"):
        raise DTypeError(offence(name, f"{node.type} does not fit into {x.type}", "cast one of them"))
    return node.astype(x.dtype)
