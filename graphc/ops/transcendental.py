"""Transcendental functions, their derivatives a table; the instructions are those of `codegen.vmath`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from graphc.node import Node, Op
from graphc.ops.declare import Derivative, Interval, elementwise, select, where
from graphc.ops.logic import ISINF

Array: TypeAlias = "np.ndarray[Any, Any]"

ALL: Interval = (-3.0, 3.0)
POSITIVE: Interval = (0.1, 9.0)
WITHIN_ONE: Interval = (-0.9, 0.9)
LN2, LN10 = math.log(2), math.log(10)
GAUSS = 2 / math.sqrt(math.pi)


def _function(name: str, *derivatives: Derivative, numpy: Callable[..., Any], on: tuple[Interval, ...] = (ALL,)) -> Op:
    """An operator computed by the vector function of its name."""
    return elementwise(
        name,
        lambda e, *values: e.math(name, *values),
        *derivatives,
        numpy=numpy,
        domains=on,
        transcendental=True,
    )


def _each(function: Callable[[float], float]) -> Callable[[Array], Array]:
    """A function of Python floats for every element, in the array's dtype."""
    return lambda x: np.array([function(value) for value in x.ravel().tolist()], x.dtype).reshape(x.shape)


# -- exponentials and logarithms --------------------------------------------------------------------


def _sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), without overflow."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, small) / (1 + small)


def _gap(a: Node, b: Node) -> Node:
    """a - b, and 0 between equal infinities."""
    return where((a == b) & ISINF(a), 0, a - b)


EXP = _function("exp", lambda g, y, x: g * y, numpy=np.exp)
EXP2 = _function("exp2", lambda g, y, x: g * y * LN2, numpy=np.exp2)
EXPM1 = _function("expm1", lambda g, y, x: g * (y + 1), numpy=np.expm1)
LOG = _function("log", lambda g, y, x: g / x, numpy=np.log, on=(POSITIVE,))
LOG2 = _function("log2", lambda g, y, x: g / (x * LN2), numpy=np.log2, on=(POSITIVE,))
LOG10 = _function("log10", lambda g, y, x: g / (x * LN10), numpy=np.log10, on=(POSITIVE,))
LOG1P = _function("log1p", lambda g, y, x: g / (1 + x), numpy=np.log1p, on=((-0.9, 9.0),))
SIGMOID = _function("sigmoid", lambda g, y, x: g * y * (1 - y), numpy=_sigmoid)
SOFTPLUS = _function("softplus", lambda g, y, x: g * SIGMOID(x), numpy=lambda x: np.logaddexp(x, np.zeros_like(x)))
LOGADDEXP = _function(
    "logaddexp",
    lambda g, y, a, b: g * SIGMOID(_gap(a, b)),  # exp(a) / (exp(a) + exp(b))
    lambda g, y, a, b: g * SIGMOID(_gap(b, a)),
    numpy=np.logaddexp,
    on=(ALL, ALL),
)


# -- roots and lengths ------------------------------------------------------------------------------

RSQRT = _function("rsqrt", lambda g, y, x: -0.5 * g * y * y * y, numpy=lambda x: 1 / np.sqrt(x), on=(POSITIVE,))
CBRT = _function("cbrt", lambda g, y, x: g / (3 * y * y), numpy=np.cbrt, on=(POSITIVE,))
HYPOT = _function(
    "hypot",
    lambda g, y, a, b: select(y != 0, g * a / y),
    lambda g, y, a, b: select(y != 0, g * b / y),
    numpy=np.hypot,
    on=(ALL, ALL),
)


# -- circular functions -----------------------------------------------------------------------------

SIN = _function("sin", lambda g, y, x: g * COS(x), numpy=np.sin)
COS = _function("cos", lambda g, y, x: -g * SIN(x), numpy=np.cos)
TAN = _function("tan", lambda g, y, x: g * (1 + y * y), numpy=np.tan, on=((-1.4, 1.4),))
ARCSIN = _function("arcsin", lambda g, y, x: g * RSQRT((1 - x) * (1 + x)), numpy=np.arcsin, on=(WITHIN_ONE,))
ARCCOS = _function("arccos", lambda g, y, x: -g * RSQRT((1 - x) * (1 + x)), numpy=np.arccos, on=(WITHIN_ONE,))
ARCTAN = _function("arctan", lambda g, y, x: g / (1 + x * x), numpy=np.arctan)
ARCTAN2 = _function(
    "arctan2",
    lambda g, y, a, b: _rotated(g, b, HYPOT(a, b)),
    lambda g, y, a, b: _rotated(-g, a, HYPOT(a, b)),
    numpy=np.arctan2,
    on=(ALL, ALL),
)


def _rotated(g: Node, leg: Node, radius: Node) -> Node:
    """leg / radius**2, which may not overflow; 0 at the origin."""
    return select(radius != 0, g * (leg / radius) / radius)


# -- hyperbolic functions ---------------------------------------------------------------------------

SINH = _function("sinh", lambda g, y, x: g * COSH(x), numpy=np.sinh)
COSH = _function("cosh", lambda g, y, x: g * SINH(x), numpy=np.cosh)
TANH = _function("tanh", lambda g, y, x: g * (1 - y * y), numpy=np.tanh)
ARCSINH = _function("arcsinh", lambda g, y, x: g * RSQRT(1 + x * x), numpy=np.arcsinh)
ARCCOSH = _function("arccosh", lambda g, y, x: g * RSQRT((x - 1) * (x + 1)), numpy=np.arccosh, on=((1.1, 9.0),))
ARCTANH = _function("arctanh", lambda g, y, x: g / ((1 - x) * (1 + x)), numpy=np.arctanh, on=(WITHIN_ONE,))


# -- error functions --------------------------------------------------------------------------------

ERF = _function("erf", lambda g, y, x: g * GAUSS * EXP(-x * x), numpy=_each(math.erf))
ERFC = _function("erfc", lambda g, y, x: -g * GAUSS * EXP(-x * x), numpy=_each(math.erfc))
