"""Arithmetic: operators that are one instruction or a few, on floats and integers alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from graphc.node import Node
from graphc.ops.declare import elementwise, select, uniform, where
from graphc.ops.transcendental import LOG

if TYPE_CHECKING:
    from graphc.codegen.emit import Emitter, Value

NUMBERS = "iuf"
ANYTHING = "biuf"
PAIR = ((-3.0, 3.0), (-3.0, 3.0))
QUOTIENT = ((-9.0, 9.0), (1.0, 4.0))


# -- sums and products ------------------------------------------------------------------------------

ADD = elementwise(
    "add",  # of bools: or
    lambda e, x, y: e.or_(x, y) if x.dtype.kind == "b" else e.add(x, y),
    lambda g, y, a, b: g,
    lambda g, y, a, b: g,
    numpy=np.add,
    kinds=ANYTHING,
    domains=PAIR,
)
SUBTRACT = elementwise(
    "subtract",
    lambda e, x, y: e.sub(x, y),
    lambda g, y, a, b: g,
    lambda g, y, a, b: -g,
    numpy=np.subtract,
    kinds=NUMBERS,
    domains=PAIR,
)
MULTIPLY = elementwise(
    "multiply",  # of bools: and
    lambda e, x, y: e.and_(x, y) if x.dtype.kind == "b" else e.mul(x, y),
    lambda g, y, a, b: g * b,
    lambda g, y, a, b: g * a,
    numpy=np.multiply,
    kinds=ANYTHING,
    domains=PAIR,
)
DIVIDE = elementwise(
    "divide",
    lambda e, x, y: e.div(x, y),
    lambda g, y, a, b: g / b,
    lambda g, y, a, b: -g * y / b,
    numpy=np.divide,
    domains=QUOTIENT,
)
NEGATIVE = elementwise("negative", lambda e, x: e.neg(x), lambda g, y, x: -g, numpy=np.negative, kinds=NUMBERS)
ABS = elementwise("abs", lambda e, x: e.abs(x), lambda g, y, x: g * SIGN(x), numpy=np.abs, kinds=ANYTHING)
SQRT = elementwise("sqrt", lambda e, x: e.sqrt(x), lambda g, y, x: g * 0.5 / y, numpy=np.sqrt, domains=((0.1, 9.0),))


# -- quotient and remainder, rounded down -----------------------------------------------------------


def _guard(e: Emitter, x: Value, y: Value) -> Value:
    """The integer divisor, or 1 where dividing by it traps: by 0, and the least integer by -1."""
    traps = e.eq(y, 0)
    if x.dtype.kind == "i":
        traps = e.or_(traps, e.and_(e.eq(y, -1), e.eq(x, int(np.iinfo(x.dtype).min))))
    return e.select(traps, 1, y)


def _wraps(e: Emitter, r: Value, y: Value) -> Value:
    """Whether a remainder truncated towards zero has the sign that the divisor has not."""
    return e.and_(e.ne(r, 0), e.xor(e.lt(r, 0), e.lt(y, 0)))


def _floor_divide(e: Emitter, x: Value, y: Value) -> Value:
    """Rounded down; an integer by zero is 0."""
    if x.dtype.kind == "f":
        return _float_quotient(e, x, y)
    d = _guard(e, x, y)
    q, r = e.div(x, d), e.rem(x, d)
    return e.select(e.eq(y, 0), 0, e.select(_wraps(e, r, d), e.sub(q, 1), q))


def _float_quotient(e: Emitter, x: Value, y: Value) -> Value:
    r = e.math("fmod", x, y)
    q = e.div(e.sub(x, r), y)  # an integer, but for rounding
    q = e.select(_wraps(e, r, y), e.sub(q, 1), q)
    f = e.floor(q)
    f = e.select(e.gt(e.sub(q, f), 0.5), e.add(f, 1), f)
    plain = e.div(x, y)
    f = e.select(e.eq(q, 0), e.copysign(e.const(0, x), plain), f)
    return e.select(e.eq(y, 0), plain, f)


def _remainder(e: Emitter, x: Value, y: Value) -> Value:
    """With the divisor's sign; an integer by zero is 0."""
    if x.dtype.kind == "f":
        r = e.math("fmod", x, y)
        r = e.select(_wraps(e, r, y), e.add(r, y), r)
        return e.select(e.eq(r, 0), e.copysign(e.const(0, x), y), r)
    d = _guard(e, x, y)
    r = e.rem(x, d)
    return e.select(e.eq(y, 0), 0, e.select(_wraps(e, r, d), e.add(r, d), r))


FLOOR_DIVIDE = elementwise(
    "floor_divide", _floor_divide, numpy=np.floor_divide, kinds=NUMBERS, domains=QUOTIENT, flops=8
)
REMAINDER = elementwise(
    "remainder",
    _remainder,
    lambda g, y, a, b: g,
    lambda g, y, a, b: -g * FLOOR_DIVIDE(a, b),
    numpy=np.remainder,
    kinds=NUMBERS,
    domains=QUOTIENT,
    flops=8,
)


# -- powers -----------------------------------------------------------------------------------------


def _power(e: Emitter, x: Value, y: Value) -> Value:
    if x.dtype.kind == "f":
        return e.math("pow", x, y)
    lanes = max(x.lanes, y.lanes)
    start = [e.splat(value, lanes) for value in (e.const(1, x), x, y)]

    def square_and_multiply(bit: Value, carried: list[Value]) -> list[Value]:
        result, base, exponent = carried
        odd = e.ne(e.and_(exponent, 1), 0)
        return [e.select(odd, e.mul(result, base), result), e.mul(base, base), e.shr(exponent, 1)]

    result, *_ = e.loop(0, 8 * x.dtype.itemsize, 1, start, square_and_multiply)
    if x.dtype.kind == "u":
        return result
    unit = e.or_(e.eq(x, 1), e.eq(x, -1))
    return e.select(e.or_(e.ge(y, 0), unit), result, 0)


def _power_numpy(x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> Any:
    """NumPy's, but an integer to a negative power is truncated: 0 unless the base is 1 or -1."""
    if x.dtype.kind != "i":
        return np.power(x, y)
    unit = np.abs(x) == 1  # whose powers depend on the exponent's last bit alone
    return np.where((y < 0) & ~unit, x.dtype.type(0), np.power(x, np.where(y < 0, y & 1, y)))


def _power_base(g: Node, y: Node, a: Node, b: Node) -> Node | None:
    """b * a**(b - 1), and 0 for b = 0 whatever a is."""
    match uniform(b):
        case None:
            zero = b == 0
            return select(~zero, g * b * POWER(a, where(zero, 1, b) - 1))
        case 0:
            return None
        case 1:
            return g
        case 2:
            return g * 2 * a
        case number:
            return g * number * a ** (number - 1)


def _power_exponent(g: Node, y: Node, a: Node, b: Node) -> Node:
    """y * log(a), and 0 for a = 0, where y is 0 or infinite but constant; and where y vanishes."""
    return select((a != 0) & (y != 0), g * y * LOG(a))


POWER = elementwise(
    "power",
    _power,
    _power_base,
    _power_exponent,
    numpy=_power_numpy,
    kinds=NUMBERS,
    domains=((0.3, 3.0), (-2.0, 3.0)),
    transcendental=True,
)


# -- order and sign ---------------------------------------------------------------------------------


def _sign(e: Emitter, x: Value) -> Value:
    """1, 0 or -1; a NaN stays."""
    match x.dtype.kind:
        case "u":
            return e.select(e.eq(x, 0), x, 1)
        case "i":
            return e.select(e.eq(x, 0), x, e.select(e.lt(x, 0), e.const(-1, x), 1))
        case _:
            zero_or_nan = e.select(e.eq(x, 0), 0, x)
            return e.select(e.gt(x, 0), 1, e.select(e.lt(x, 0), -1, zero_or_nan))


def _shared(g: Node, wins: Node, ties: Node) -> Node:
    """The whole of g to the argument that wins, half of it at a tie."""
    return select(wins, where(ties, g / 2, g))


SIGN = elementwise("sign", _sign, numpy=np.sign, kinds=NUMBERS, flops=2)
MAXIMUM = elementwise(
    "maximum",
    lambda e, x, y: e.maximum(x, y),
    lambda g, y, a, b: _shared(g, a >= b, a == b),
    lambda g, y, a, b: _shared(g, b >= a, a == b),
    numpy=np.maximum,
    kinds=ANYTHING,
    domains=PAIR,
)
MINIMUM = elementwise(
    "minimum",
    lambda e, x, y: e.minimum(x, y),
    lambda g, y, a, b: _shared(g, a <= b, a == b),
    lambda g, y, a, b: _shared(g, b <= a, a == b),
    numpy=np.minimum,
    kinds=ANYTHING,
    domains=PAIR,
)
COPYSIGN = elementwise(
    "copysign",
    lambda e, x, y: e.copysign(x, y),
    lambda g, y, a, b: g * SIGN(a) * SIGN(y),
    None,
    numpy=np.copysign,
    domains=PAIR,
)


# -- rounding ---------------------------------------------------------------------------------------

FLOOR = elementwise("floor", lambda e, x: e.floor(x), numpy=np.floor)
CEIL = elementwise("ceil", lambda e, x: e.ceil(x), numpy=np.ceil)
TRUNC = elementwise("trunc", lambda e, x: e.trunc(x), numpy=np.trunc)
RINT = elementwise("rint", lambda e, x: e.rint(x), numpy=np.rint)  # half to even
