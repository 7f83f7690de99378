"""Derivatives that are not the value's own."""

from __future__ import annotations

from graphc.node import Node
from graphc.ops.note import SURROGATE
from graphc.sym.promote import ArrayLike, broadcast, promote
from graphc.sym.record import public

__all__ = ["with_gradient_of"]


@public
def with_gradient_of(value: ArrayLike, surrogate: ArrayLike) -> Node:
    """The value of the first, with the derivative of the second, in both modes and of every order.

    A step that has no derivative, rounding for instance, takes that of the identity so (the straight-through
    estimator). Dtypes promote, shapes broadcast.

    >>> import numpy as np
    >>> from graphc import grad, interpret, sym
    >>> x = sym.var('x', shape=())
    >>> y = with_gradient_of(sym.round(x), x)
    >>> interpret([y, grad(y, x)], {'x': np.array(2.7)})
    [array(3.), array(1.)]
    """
    return SURROGATE(*broadcast("with_gradient_of", *promote("with_gradient_of", value, surrogate)))
