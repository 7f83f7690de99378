"""Elementwise functions made of others, by NumPy's names: special values replaced, nearness, angles, sinc."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, log, pi

import numpy as np

from graphc.errors import ShapeError
from graphc.node import Node
from graphc.ops.declare import offence
from graphc.sym import elementwise
from graphc.sym.elementwise import copysign, isfinite, isnan, logaddexp, maximum, minimum, remainder, sin, where
from graphc.sym.promote import ArrayLike, as_node, counting, floating, promote
from graphc.sym.record import public
from graphc.sym.reduction import all

__all__ = [
    "nan_to_num", "isposinf", "isneginf", "signbit", "isclose", "allclose", "array_equal",
    "fabs", "fmax", "fmin", "fmod", "divmod", "heaviside", "sinc", "logaddexp2", "deg2rad", "rad2deg", "select",
]  # fmt: skip

SERIES = 0.03  # how near to 0 a series stands for sin(x)/x


# -- special values ---------------------------------------------------------------------------------


@public
def nan_to_num(x: ArrayLike, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Node:
    """x with numbers in the place of NaNs and infinities; of these, the largest finite ones if none are given.

    >>> from graphc import sym
    >>> nan_to_num(sym.var('x', shape=('n',), dtype='float32'), posinf=1e6).dtype
    dtype('float32')
    """
    node = as_node("nan_to_num", x)
    if node.dtype.kind != "f":
        return node
    most = float(np.finfo(node.dtype).max)
    above, below = most if posinf is None else posinf, -most if neginf is None else neginf
    return where(isnan(node), nan, where(node == inf, above, where(node == -inf, below, node)))


@public
def isposinf(x: ArrayLike) -> Node:
    """Whether an element is inf.

    >>> from graphc import sym
    >>> isposinf(sym.var('x', shape=('n',))).dtype
    dtype('bool')
    """
    return as_node("isposinf", x) == inf


@public
def isneginf(x: ArrayLike) -> Node:
    """Whether an element is -inf.

    >>> from graphc import sym
    >>> isneginf(sym.var('x', shape=('n',))).dtype
    dtype('bool')
    """
    return as_node("isneginf", x) == -inf


@public
def signbit(x: ArrayLike) -> Node:
    """Whether an element has a minus sign, as -0.0 has.

    >>> from graphc import sym
    >>> signbit(sym.var('x', shape=('n',))).dtype
    dtype('bool')
    """
    (node,) = promote("signbit", x, rule=counting)
    return copysign(1, node) < 0 if node.dtype.kind == "f" else node < 0


# -- nearness ---------------------------------------------------------------------------------------


@public
def isclose(a: ArrayLike, b: ArrayLike, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Node:
    """Whether a is within atol + rtol·|b| of b; infinities equal themselves, and NaNs if `equal_nan`.

    >>> from graphc import sym
    >>> isclose(sym.var('a', shape=('n', 3)), [1.0, 2.0, 3.0]).shape
    (n, 3)
    """
    x, y = promote("isclose", a, b, rule=floating)
    found = (x == y) | (isfinite(y) & (elementwise.abs(x - y) <= atol + rtol * elementwise.abs(y)))
    return found | (isnan(x) & isnan(y)) if equal_nan else found


@public
def allclose(a: ArrayLike, b: ArrayLike, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Node:
    """Whether a is close to b everywhere.

    >>> from graphc import sym
    >>> allclose(sym.var('a', shape=('n', 3)), 1.0).type
    Type(dtype=dtype('bool'), shape=())
    """
    return all(isclose(a, b, rtol, atol, equal_nan))


@public
def array_equal(a1: ArrayLike, a2: ArrayLike, equal_nan: bool = False) -> Node:
    """Whether two arrays have one shape, and equal elements.

    >>> from graphc import sym
    >>> array_equal(sym.var('a', shape=(3,)), sym.var('b', shape=(2,))).op
    const
    """
    x, y = promote("array_equal", a1, a2)
    if x.shape != y.shape:
        return as_node("array_equal", False)
    same = x == y
    return all(same | (isnan(x) & isnan(y)) if equal_nan else same)


# -- numbers ----------------------------------------------------------------------------------------


@public
def fabs(x: ArrayLike) -> Node:
    """The absolute value, a float for integers too.

    >>> from graphc import sym
    >>> fabs(sym.var('x', shape=(3,), dtype='int8')).dtype
    dtype('float64')
    """
    return elementwise.abs(*promote("fabs", x, rule=floating))


@public
def fmax(x1: ArrayLike, x2: ArrayLike) -> Node:
    """The greater of two, or the one that is no NaN.

    >>> from graphc import sym
    >>> fmax(sym.var('x', shape=('n',)), 0).shape
    (n,)
    """
    x, y = promote("fmax", x1, x2)
    return where(isnan(x), y, where(isnan(y), x, maximum(x, y)))


@public
def fmin(x1: ArrayLike, x2: ArrayLike) -> Node:
    """The lesser of two, or the one that is no NaN.

    >>> from graphc import sym
    >>> fmin(sym.var('x', shape=('n',)), 0).shape
    (n,)
    """
    x, y = promote("fmin", x1, x2)
    return where(isnan(x), y, where(isnan(y), x, minimum(x, y)))


@public
def fmod(x1: ArrayLike, x2: ArrayLike) -> Node:
    """The remainder of a division, with the sign of x1, as C has it.

    >>> from graphc import sym
    >>> fmod(sym.var('x', shape=('n',)), 3).shape
    (n,)
    """
    x, y = promote("fmod", x1, x2, rule=counting)
    rest = remainder(elementwise.abs(x), elementwise.abs(y))
    return copysign(rest, x) if x.dtype.kind == "f" else where(x < 0, -rest, rest)


@public(outputs=lambda x1, x2: (0, 1))
def divmod(x1: ArrayLike, x2: ArrayLike) -> tuple[Node, Node]:
    """The quotient rounded down, and what it leaves.

    >>> from graphc import sym
    >>> quotient, rest = divmod(sym.var('x', shape=('n',)), 3)
    """
    return elementwise.floor_divide(x1, x2), remainder(x1, x2)


@public
def heaviside(x1: ArrayLike, x2: ArrayLike) -> Node:
    """0 below 0, 1 above, and x2 at 0.

    >>> from graphc import sym
    >>> heaviside(sym.var('x', shape=('n',)), 0.5).shape
    (n,)
    """
    x, at_zero = promote("heaviside", x1, x2, rule=floating)
    return where(x == 0, at_zero, where(isnan(x), x, elementwise.astype(x > 0, x.dtype)))


@public
def sinc(x: ArrayLike) -> Node:
    """sin(πx) / (πx), and 1 at 0, where it is smooth.

    >>> from graphc import sym
    >>> sinc(sym.var('x', shape=('n',))).shape
    (n,)
    """
    (node,) = promote("sinc", x, rule=floating)
    angle = pi * node
    is_small = elementwise.abs(angle) < SERIES
    square, away = angle * angle, where(is_small, 1.0, angle)
    series = 1 - square / 6 * (1 - square / 20 * (1 - square / 42 * (1 - square / 72)))
    return where(is_small, series, sin(away) / away)


@public
def logaddexp2(x1: ArrayLike, x2: ArrayLike) -> Node:
    """log2(2**x1 + 2**x2) without overflow.

    >>> from graphc import sym
    >>> logaddexp2(sym.var('x', shape=('n',)), 0).shape
    (n,)
    """
    x, y = promote("logaddexp2", x1, x2, rule=floating)
    return logaddexp(x * log(2), y * log(2)) / log(2)


@public
def deg2rad(x: ArrayLike) -> Node:
    """Degrees as radians.

    >>> from graphc import sym
    >>> deg2rad(sym.var('x', shape=('n',))).shape
    (n,)
    """
    (node,) = promote("deg2rad", x, rule=floating)
    return node * (pi / 180)


@public
def rad2deg(x: ArrayLike) -> Node:
    """Radians as degrees.

    >>> from graphc import sym
    >>> rad2deg(sym.var('x', shape=('n',))).shape
    (n,)
    """
    (node,) = promote("rad2deg", x, rule=floating)
    return node * (180 / pi)


@public
def select(condlist: Sequence[ArrayLike], choicelist: Sequence[ArrayLike], default: ArrayLike = 0) -> Node:
    """For each element the choice that goes with the first condition that holds, or the default.

    >>> from graphc import sym
    >>> x = sym.var('x', shape=('n',))
    >>> select([x < 0, x > 1], [-x, x**2], 0.5).shape
    (n,)
    """
    if len(condlist) != len(choicelist):
        what = f"{len(condlist)} conditions for {len(choicelist)} choices"
        raise ShapeError(offence("select", what, "give as many of both"))
    *choices, found = promote("select", *choicelist, default)
    for condition, choice in zip(reversed(condlist), reversed(choices)):
        found = where(condition, choice, found)
    return found
