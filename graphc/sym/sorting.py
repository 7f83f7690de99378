"""Order: where sorted elements stand."""

from __future__ import annotations

from typing import SupportsIndex

from graphc.node import Node
from graphc.ops.sorting import ARGSORT
from graphc.sym.axes import as_axis
from graphc.sym.movement import moveaxis, ravel
from graphc.sym.promote import ArrayLike, as_node
from graphc.sym.record import public

__all__ = ["argsort"]


@public(method=True)
def argsort(x: ArrayLike, axis: SupportsIndex | None = -1, *, descending: bool = False, stable: bool = True) -> Node:
    """The indices that sort x along an axis, or all of it, flattened. NaNs are greatest.

    Equal elements keep their order, `stable` or not.

    >>> from graphc import sym
    >>> argsort(sym.var('x', shape=('n', 3), dtype='float32'), axis=0).type
    Type(dtype=dtype('int64'), shape=(n, 3))
    """
    return _along("argsort", as_node("argsort", x), axis, descending)[1]


def _along(name: str, x: Node, axis: SupportsIndex | None, descending: bool) -> tuple[Node, Node, int]:
    """x, flattened if the axis is None; its order along the axis; and which axis that is."""
    whole, k = (ravel(x), 0) if axis is None else (x, as_axis(name, axis, x.typed))
    order = ARGSORT(moveaxis(whole, k, -1), descending=descending)
    return whole, moveaxis(order, -1, k), k
