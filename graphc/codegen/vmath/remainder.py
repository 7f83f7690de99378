"""The remainder of a division, exact however large the quotient."""

from __future__ import annotations

import numpy as np

from graphc.codegen.emit import Emitter, Value
from graphc.codegen.vmath.polynomial import MANTISSA_BITS, power_of_two, round_multiple

__all__ = ["fmod"]

# A quotient below 2^bits, rounded to an integer n, leaves x - n·y exact: with one fma, or, where there is none,
# with each half of y. Multiples of three, for `_lower`.
_BITS = {(8, True): 48, (8, False): 24, (4, True): 21, (4, False): 9}
# no quotient is beyond 2^span
_SPAN = {8: 1024 + 1074, 4: 128 + 149}


def fmod(e: Emitter, x: Value, y: Value) -> Value:
    """x - y·trunc(x/y): C's remainder, with the sign of x."""
    bits = _BITS[x.dtype.itemsize, e.target.has_fma]
    with e.strict():
        dividend, divisor = e.abs(x), e.abs(y)
        quotient = e.div(dividend, divisor)
        value = _subtract_multiple(e, dividend, divisor, quotient)
        value = e.if_else(
            e.any(e.ge(quotient, 2.0**bits)),
            lambda: [_remainder(e, _lower(e, dividend, divisor, bits), divisor)],
            lambda: [value],
        )[0]
        return e.copysign(e.select(e.lt(dividend, divisor), dividend, value), x)


def _remainder(e: Emitter, x: Value, y: Value) -> Value:
    """The remainder of a quotient below 2^bits."""
    return e.select(e.lt(x, y), x, _subtract_multiple(e, x, y, e.div(x, y)))


def _subtract_multiple(e: Emitter, x: Value, y: Value, quotient: Value) -> Value:
    """x less the multiple of y at or below it."""
    n = round_multiple(e, quotient, 1.0)
    if e.target.has_fma:
        rest = e.fma(e.neg(n), y, x)
    else:
        integer = np.dtype(f"i{x.dtype.itemsize}")
        low_half = (1 << (MANTISSA_BITS[x.dtype.itemsize] + 1) // 2) - 1
        high = e.bitcast(e.and_(e.bitcast(y, integer), ~low_half), x.dtype)
        half = e.mul(e.mul(n, 0.5), high)  # n · high may overflow
        rest = e.sub(e.sub(e.sub(x, half), half), e.mul(n, e.sub(y, high)))
    return e.select(e.lt(rest, 0.0), e.add(rest, y), rest)


def _lower(e: Emitter, x: Value, y: Value, bits: int) -> Value:
    """x less multiples of y, and below y·2^bits: long division, `bits` binary digits a step."""
    steps = -(-_SPAN[x.dtype.itemsize] // bits)

    def step(i: Value, rest: list[Value]) -> list[Value]:
        third = power_of_two(e, e.convert(e.mul(e.sub(steps, i), bits // 3), x.dtype))  # no power overflows
        return [_remainder(e, rest[0], e.mul(e.mul(e.mul(y, third), third), third))]

    return e.loop(0, steps, 1, [x], step)[0]
