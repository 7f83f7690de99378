"""Elementwise functions by NumPy's names: they promote, broadcast, and apply one operator.

Derivatives at kinks are finite: `abs` has 0 at 0, `maximum`, `minimum` and `clip` share equally at a tie,
`hypot` and `arctan2` have 0 at the origin, `x**0` has 0 everywhere. `sqrt` and `cbrt` have infinity at 0,
which is true. What is piecewise constant (`floor`, `sign`, comparisons) has none, which counts as 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeAlias

from graphc.errors import DTypeError
from graphc.node import METHODS, PUBLIC, Node, Op, constant
from graphc.ops import elementwise as ops
from graphc.ops.declare import offence
from graphc.sym.promote import (
    ArrayLike,
    Rule,
    any_kind,
    as_node,
    broadcast,
    broadcast_node,
    counting,
    floating,
    numeric,
    promote,
    shiftable,
    whole,
)
from graphc.sym.record import public
from graphc.types import BOOL, as_dtype

__all__ = [
    "add", "subtract", "multiply", "divide", "true_divide", "floor_divide", "remainder", "mod", "power", "pow",
    "negative", "positive", "abs", "absolute", "sign", "sqrt", "rsqrt", "cbrt", "square", "reciprocal", "hypot",
    "maximum", "minimum", "clip", "copysign", "floor", "ceil", "trunc", "rint", "round",
    "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "logaddexp", "sigmoid", "softplus", "erf", "erfc",
    "sin", "cos", "tan", "arcsin", "asin", "arccos", "acos", "arctan", "atan", "arctan2", "atan2",
    "sinh", "cosh", "tanh", "arcsinh", "asinh", "arccosh", "acosh", "arctanh", "atanh",
    "equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "isnan", "isinf", "isfinite",
    "logical_and", "logical_or", "logical_xor", "logical_not", "where",
    "bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_invert", "bitwise_not", "invert",
    "bitwise_left_shift", "left_shift", "bitwise_right_shift", "right_shift",
    "astype", "cast", "stop_gradient", "detach",
]  # fmt: skip

Unary: TypeAlias = Callable[[ArrayLike], Node]
Binary: TypeAlias = Callable[[ArrayLike, ArrayLike], Node]
P = ParamSpec("P")


# -- how public functions are made of operators -----------------------------------------------------


def _publish(function: Callable[P, Node], name: str, doc: str) -> Callable[P, Node]:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return public(function)


def _unary(op: Op, doc: str, rule: Rule = floating) -> Unary:
    """A function of one argument, whose dtype a rule may raise."""

    def function(x: ArrayLike, /) -> Node:
        return op(*promote(op.name, x, rule=rule))

    return _publish(function, op.name, doc)


def _binary(op: Op, doc: str, rule: Rule = any_kind) -> Binary:
    """A function of two arguments, which promote and broadcast."""

    def function(x1: ArrayLike, x2: ArrayLike, /) -> Node:
        return op(*broadcast(op.name, *promote(op.name, x1, x2, rule=rule)))

    return _publish(function, op.name, doc)


def _rounding(op: Op, doc: str) -> Unary:
    """A function that leaves integers as they are."""

    def function(x: ArrayLike, /) -> Node:
        node = as_node(op.name, x)
        return op(node) if node.dtype.kind == "f" else node

    return _publish(function, op.name, doc)


def _predicate(op: Op, doc: str, integers: bool) -> Unary:
    """A question about floats, whose answer for integers is always the same."""

    def function(x: ArrayLike, /) -> Node:
        node = as_node(op.name, x)
        return op(node) if node.dtype.kind == "f" else broadcast_node(constant(integers), node.shape)

    return _publish(function, op.name, doc)


def _logical(name: str, op: Op, doc: str) -> Binary:
    """A function of truth values."""

    def function(x1: ArrayLike, x2: ArrayLike, /) -> Node:
        return op(*broadcast(name, _truth(name, x1), _truth(name, x2)))

    return _publish(function, name, doc)


def _truth(name: str, x: ArrayLike) -> Node:
    """Whether x is not zero."""
    node = as_node(name, x)
    return node if node.dtype == BOOL else ops.CAST(node, dtype=BOOL)


# -- arithmetic -------------------------------------------------------------------------------------

add = _binary(ops.ADD, "x1 + x2; of bools, whether either holds.")
subtract = _binary(ops.SUBTRACT, "x1 − x2.", numeric)
multiply = _binary(ops.MULTIPLY, "x1 × x2; of bools, whether both hold.")
divide = true_divide = _binary(ops.DIVIDE, "x1 / x2, a float for integers too.", floating)
floor_divide = _binary(ops.FLOOR_DIVIDE, "x1 / x2 rounded down; an integer by zero is 0.", counting)
remainder = mod = _binary(
    ops.REMAINDER, "What x1 // x2 leaves, with the sign of x2; 0 for an integer by zero.", counting
)
negative = _unary(ops.NEGATIVE, "−x.", numeric)
abs = absolute = _unary(ops.ABS, "The absolute value; its derivative at 0 is 0.", any_kind)
sign = _unary(ops.SIGN, "1, 0 or −1; NaN for a NaN.", numeric)
sqrt = _unary(ops.SQRT, "The square root; its derivative at 0 is infinite.")
maximum = _binary(ops.MAXIMUM, "The greater, NaN if either is; equal arguments share the derivative.")
minimum = _binary(ops.MINIMUM, "The lesser, NaN if either is; equal arguments share the derivative.")
copysign = _binary(ops.COPYSIGN, "x1 with the sign of x2.", floating)


@public
def power(x1: ArrayLike, x2: ArrayLike, /) -> Node:
    """x1 to the power x2. An integer to a negative power is truncated: 0, unless the base is 1 or −1.

    The derivative in x1 is 0 where x2 is 0, that in x2 is 0 where x1 is 0.
    """
    base, exponent = promote("power", x1, x2, rule=counting)
    if base.dtype.kind != "f" and isinstance(x2, int) and x2 < 0:
        raise DTypeError(offence("power", f"{base.type} to the power {x2} is no integer", "cast it to a float"))
    return ops.POWER(*broadcast("power", base, exponent))


@public
def positive(x: ArrayLike, /) -> Node:
    """x itself."""
    return as_node("positive", x)


@public
def square(x: ArrayLike, /) -> Node:
    """x × x."""
    (node,) = promote("square", x, rule=counting)
    return multiply(node, node)


@public
def reciprocal(x: ArrayLike, /) -> Node:
    """1 / x, a float for integers too."""
    return divide(1, x)


@public(method=True)
def clip(x: ArrayLike, min: ArrayLike | None = None, max: ArrayLike | None = None) -> Node:
    """x kept within bounds; None is no bound. On a bound the derivative is shared with it."""
    above = x if min is None else maximum(x, min)
    return as_node("clip", above if max is None else minimum(above, max))


# -- rounding ---------------------------------------------------------------------------------------

floor = _rounding(ops.FLOOR, "The greatest integer not above x.")
ceil = _rounding(ops.CEIL, "The least integer not below x.")
trunc = _rounding(ops.TRUNC, "x without its fraction.")
rint = _unary(ops.RINT, "The nearest integer, a float for integers too; a half goes to the even one.")


@public(method=True)
def round(x: ArrayLike, decimals: int = 0) -> Node:
    """x with this many decimals, which may be negative; a half goes to the even digit."""
    node = as_node("round", x)
    if node.dtype.kind != "f":
        return node if decimals >= 0 else astype(round(divide(node, 1), decimals), node.dtype)
    if decimals == 0:
        return rint(node)
    if decimals > 0:
        return rint(node * 10.0**decimals) / 10.0**decimals
    return rint(node / 10.0**-decimals) * 10.0**-decimals


# -- transcendental functions -----------------------------------------------------------------------

exp = _unary(ops.EXP, "e to the power x.")
exp2 = _unary(ops.EXP2, "2 to the power x.")
expm1 = _unary(ops.EXPM1, "exp(x) − 1, accurate near 0.")
log = _unary(ops.LOG, "The natural logarithm.")
log2 = _unary(ops.LOG2, "The logarithm to base 2.")
log10 = _unary(ops.LOG10, "The logarithm to base 10.")
log1p = _unary(ops.LOG1P, "log(1 + x), accurate near 0.")
logaddexp = _binary(ops.LOGADDEXP, "log(exp(x1) + exp(x2)), without overflow.", floating)
sigmoid = _unary(ops.SIGMOID, "1 / (1 + exp(−x)).")
softplus = _unary(ops.SOFTPLUS, "log(1 + exp(x)), without overflow.")

rsqrt = _unary(ops.RSQRT, "1 / sqrt(x).")
cbrt = _unary(ops.CBRT, "The cube root, of negative numbers too; its derivative at 0 is infinite.")
hypot = _binary(ops.HYPOT, "sqrt(x1² + x2²), without overflow; its derivative at the origin is 0.", floating)

sin = _unary(ops.SIN, "The sine of an angle in radians.")
cos = _unary(ops.COS, "The cosine of an angle in radians.")
tan = _unary(ops.TAN, "The tangent of an angle in radians.")
arcsin = asin = _unary(ops.ARCSIN, "The angle in [−π/2, π/2] of this sine.")
arccos = acos = _unary(ops.ARCCOS, "The angle in [0, π] of this cosine.")
arctan = atan = _unary(ops.ARCTAN, "The angle in (−π/2, π/2) of this tangent.")
arctan2 = atan2 = _binary(ops.ARCTAN2, "The angle of the point (x2, x1); its derivative at the origin is 0.", floating)

sinh = _unary(ops.SINH, "The hyperbolic sine.")
cosh = _unary(ops.COSH, "The hyperbolic cosine.")
tanh = _unary(ops.TANH, "The hyperbolic tangent.")
arcsinh = asinh = _unary(ops.ARCSINH, "The inverse of sinh.")
arccosh = acosh = _unary(ops.ARCCOSH, "The inverse of cosh, not below 0.")
arctanh = atanh = _unary(ops.ARCTANH, "The inverse of tanh.")

erf = _unary(ops.ERF, "The error function.")
erfc = _unary(ops.ERFC, "1 − erf(x), accurate where it is small.")

pow = power


# -- comparisons and logic --------------------------------------------------------------------------

equal = _binary(ops.EQUAL, "Whether x1 = x2.")
not_equal = _binary(ops.NOT_EQUAL, "Whether x1 ≠ x2.")
less = _binary(ops.LESS, "Whether x1 < x2.")
less_equal = _binary(ops.LESS_EQUAL, "Whether x1 ≤ x2.")
greater = _binary(ops.GREATER, "Whether x1 > x2.")
greater_equal = _binary(ops.GREATER_EQUAL, "Whether x1 ≥ x2.")

isnan = _predicate(ops.ISNAN, "Whether x is a NaN.", False)
isinf = _predicate(ops.ISINF, "Whether x is infinite.", False)
isfinite = _predicate(ops.ISFINITE, "Whether x is neither infinite nor a NaN.", True)

logical_and = _logical("logical_and", ops.BITWISE_AND, "Whether both are true; what is not zero is true.")
logical_or = _logical("logical_or", ops.BITWISE_OR, "Whether either is true; what is not zero is true.")
logical_xor = _logical("logical_xor", ops.BITWISE_XOR, "Whether just one is true; what is not zero is true.")


@public
def logical_not(x: ArrayLike, /) -> Node:
    """Whether x is zero."""
    return ops.BITWISE_INVERT(_truth("logical_not", x))


@public
def where(condition: ArrayLike, x: ArrayLike, y: ArrayLike, /) -> Node:
    """x where the condition is true, else y; the derivative of the other is 0 there, whatever it is made of."""
    return ops.WHERE(*broadcast("where", _truth("where", condition), *promote("where", x, y)))


bitwise_and = _binary(ops.BITWISE_AND, "x1 and x2, bit by bit.", whole)
bitwise_or = _binary(ops.BITWISE_OR, "x1 or x2, bit by bit.", whole)
bitwise_xor = _binary(ops.BITWISE_XOR, "Either x1 or x2, bit by bit.", whole)
bitwise_invert = bitwise_not = invert = _unary(ops.BITWISE_INVERT, "Not x, bit by bit.", whole)
bitwise_left_shift = left_shift = _binary(
    ops.LEFT_SHIFT, "The bits of x1 moved up by x2 places, the rest 0.", shiftable
)
bitwise_right_shift = right_shift = _binary(
    ops.RIGHT_SHIFT, "The bits of x1 moved down by x2 places, the rest its sign.", shiftable
)


# -- dtypes, and the end of a derivative ------------------------------------------------------------


@public(method=True)
def astype(x: ArrayLike, dtype: object) -> Node:
    """x in another dtype: floats become integers by truncation, those out of range the nearest, a NaN 0."""
    node, wanted = as_node("astype", x), as_dtype(dtype)
    return node if node.dtype == wanted else ops.CAST(node, dtype=wanted)


@public
def stop_gradient(x: ArrayLike, /) -> Node:
    """x, whose derivative is taken as 0.

    >>> from graphc import grad, sym
    >>> x = sym.var('x', shape=())
    >>> grad(sym.stop_gradient(x) * x, x).eval(x=3.0)
    array(3.)
    """
    return ops.STOP_GRADIENT(as_node("stop_gradient", x))


cast, detach = astype, stop_gradient
PUBLIC["detach"] = detach  # a method, too, by the name that is known
METHODS.add("detach")
