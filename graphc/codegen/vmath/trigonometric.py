"""Sine, cosine, tangent and their inverses.

The argument is reduced by multiples of π or π/2, and one odd polynomial evaluated on what is left. The inverses
halve or invert their argument until such a polynomial converges. A number called `shifted` is n + 1.5·2^mantissa:
its lowest bits are n in two's complement.
"""

from __future__ import annotations

import functools

import numpy as np

from graphc.codegen.emit import Emitter, Value
from graphc.codegen.vmath.polynomial import horner, paired, quick_two_sum
from graphc.codegen.vmath.reduction import PI, reduce_by_half_pi, reduce_by_pi

__all__ = ["arccos", "arcsin", "arctan", "arctan2", "cos", "sin", "tan"]

# sin(r) = r + r³ P(r²) for |r| <= π/2 (and the slack of the reduction): Remez, relative error 2^-61.2 and 2^-27.2
_SIN = {
    8: (
        -0.16666666666666666, 0.008333333333333207, -0.0001984126984121248, 2.7557319211569482e-06,
        -2.5052106904422962e-08, 1.6058941002324074e-10, -7.643019371628911e-13, 2.7214194708892916e-15,
    ),
    4: (-0.16666659712791443, 0.008333068, -0.00019809659, 2.6057492e-06),
}  # fmt: skip

# tan(r) = r + r³ P(r²) for |r| <= π/4 (and slack): Remez, relative error 2^-56.2 and 2^-29.3
_TAN = {
    8: (
        0.3333333333333278, 0.13333333333414132, 0.05396825392688355, 0.02186948960411843, 0.00886321923017136,
        0.0035922885041221983, 0.0014547613582089737, 0.0005950508245329267, 0.00022242004941266951,
        0.00013644384982171686, -2.6272234371081416e-05, 8.93484493703512e-05, -4.482080986056213e-05,
        2.084991231471437e-05,
    ),
    4: (0.33333352, 0.13332577, 0.054069865, 0.021229936, 0.010973615, -8.8211455e-05, 0.004465463),
}  # fmt: skip

# arctan(x) = x + x³ P(x²) for |x| <= 1: Remez, relative error 2^-57.3 and 2^-27.6
_ARCTAN = {
    8: (
        -0.3333333333333307, 0.19999999999951748, -0.14285714282587975, 0.11111111007338309, -0.0909090700772975,
        0.0769227988808875, -0.06666404416572683, 0.058805297686030454, -0.05253526613129698, 0.0472234783108552,
        -0.04219242317134327, 0.036643137340478846, -0.02990571653214777, 0.021987045617477885,
        -0.01390255164805276, 0.007197868284561803, -0.002885600918824953, 0.0008315565669485773,
        -0.00015221049666223427, 1.3229937870214104e-05,
    ),
    4: (
        -0.333333, 0.1999853, -0.14264043, 0.109512806, -0.08401551, 0.057943407, -0.031187253, 0.010934815,
        -0.0018019878,
    ),
}  # fmt: skip

# arcsin(x) = x + x³ P(x²) for |x| <= 1/2: Remez, relative error 2^-55.8 and 2^-27.6
_ARCSIN = {
    8: (
        0.16666666666665408, 0.07500000000337141, 0.04464285682823234, 0.030381959140448223, 0.0223717579781054,
        0.017359705705010404, 0.01388522742610116, 0.012169257445945204, 0.006527802309409677, 0.01952868287113328,
        -0.016224842695739063, 0.03191264656613195,
    ),
    4: (0.16666752, 0.074953094, 0.04546915, 0.02418478, 0.0421583),
}  # fmt: skip


def sin(e: Emitter, x: Value) -> Value:
    """sin(nπ + r) = (-1)^n sin(r)."""
    with e.strict():
        r, shifted = reduce_by_pi(e, e.abs(x), 0.0)
        return _flip(e, _sin_reduced(e, r), _parity(e, shifted), e.bitcast(x, _integer(x)))


def cos(e: Emitter, x: Value) -> Value:
    """cos((n + 1/2)π + r) = -(-1)^n sin(r)."""
    with e.strict():
        r, shifted = reduce_by_pi(e, e.abs(x), 0.5)
        return _flip(e, _sin_reduced(e, r), _parity(e, e.add(shifted, 1.0)))


def _sin_reduced(e: Emitter, r: Value) -> Value:
    """sin(r) for |r| <= π/2."""
    first, *rest = _SIN[r.dtype.itemsize]
    square = e.mul(r, r)
    ratio = e.mul(e.mul(square, square), horner(e, square, rest))
    if not e.target.has_fma:
        ratio = e.fma(square, first + 1 / 8, ratio)
        first = -1 / 8  # times the square, that is exact
    ratio = e.fma(square, first, ratio)
    return e.fma(r, ratio, r)


def tan(e: Emitter, x: Value) -> Value:
    """tan(nπ/2 + r) is tan(r) for even n, -1 / tan(r) for odd n."""
    with e.strict():
        r, rest, shifted = reduce_by_half_pi(e, e.abs(x))
        square = e.mul(r, r)
        cubic = e.mul(r, e.mul(square, paired(e, square, _TAN[x.dtype.itemsize])))
        value, low = quick_two_sum(e, r, e.fma(rest, e.add(square, 1.0), cubic))
        inverse = e.div(-1.0, value)
        inverse = e.fma(inverse, e.fma(inverse, low, e.fma(inverse, value, 1.0)), inverse)
        value = e.select(e.lt(_parity(e, shifted), 0), inverse, value)
        return _flip(e, value, e.bitcast(x, _integer(x)))


def _flip(e: Emitter, value: Value, *signs: Value) -> Value:
    """The value, its sign changed by the top bit of each of these integers."""
    sign = e.and_(functools.reduce(e.xor, signs), -1 << _top_bit(value))
    return e.bitcast(e.xor(e.bitcast(value, _integer(value)), sign), value.dtype)


def _parity(e: Emitter, shifted: Value) -> Value:
    """An integer whose top bit is the lowest bit of n."""
    return e.shl(e.bitcast(shifted, _integer(shifted)), _top_bit(shifted))


def _top_bit(x: Value) -> int:
    return 8 * x.dtype.itemsize - 1


def _integer(x: Value) -> np.dtype:
    """The signed integers of x's size."""
    return np.dtype(f"i{x.dtype.itemsize}")


def arctan(e: Emitter, x: Value) -> Value:
    """arctan(x) = π/2 - arctan(1/x) beyond 1."""
    half_pi, half_pi_low = _half_pi(x)
    with e.strict():
        magnitude = e.abs(x)
        beyond = e.gt(magnitude, 1.0)
        value = _arctan_of_fraction(e, e.select(beyond, e.div(1.0, magnitude), magnitude))
        value = e.select(beyond, e.sub(half_pi, e.sub(value, half_pi_low)), value)
        return e.copysign(value, x)


def arctan2(e: Emitter, y: Value, x: Value) -> Value:
    """The angle of (x, y): of the lesser coordinate over the greater, then moved into its octant."""
    half_pi, half_pi_low = _half_pi(x)
    with e.strict():
        height, width = e.abs(y), e.abs(x)
        steep, left = e.gt(height, width), e.lt(e.bitcast(x, _integer(x)), 0)
        quotient = e.div(e.select(steep, width, height), e.select(steep, height, width))
        on_diagonal = e.select(e.eq(height, 0.0), 0.0, e.const(1.0, x))  # also 0/0 and inf/inf
        angle = _arctan_of_fraction(e, e.select(e.eq(height, width), on_diagonal, quotient))
        angle = e.select(e.xor(steep, left), e.neg(angle), angle)
        start = e.select(steep, half_pi, e.select(left, 2 * half_pi, e.const(0.0, x)))
        start_low = e.select(steep, half_pi_low, e.select(left, 2 * half_pi_low, e.const(0.0, x)))
        return e.copysign(e.add(start, e.add(angle, start_low)), y)


def _arctan_of_fraction(e: Emitter, x: Value) -> Value:
    """arctan(x) for 0 <= x <= 1."""
    square = e.mul(x, x)
    return e.fma(x, e.mul(square, paired(e, square, _ARCTAN[x.dtype.itemsize])), x)


def arcsin(e: Emitter, x: Value) -> Value:
    """arcsin(x) = π/2 - 2 arcsin(√((1-x)/2)) beyond 1/2."""
    half_pi, half_pi_low = _half_pi(x)
    with e.strict():
        beyond, chord, cubic = _arcsin_parts(e, e.abs(x))
        quarter_pi = half_pi / 2  # twice, so that the greatest rounding is that of the last sum
        far = e.add(e.sub(e.sub(quarter_pi, chord), e.sub(cubic, half_pi_low)), quarter_pi)
        return e.copysign(e.select(beyond, far, e.add(chord, cubic)), x)


def arccos(e: Emitter, x: Value) -> Value:
    """π/2 - arcsin(x), and near 1 and -1 what is left of that without the π/2."""
    half_pi, half_pi_low = _half_pi(x)
    with e.strict():
        beyond, chord, cubic = _arcsin_parts(e, e.abs(x))
        negative = e.lt(x, 0.0)
        start = e.select(beyond, e.select(negative, 2 * half_pi, e.const(0.0, x)), half_pi)
        start_low = e.select(beyond, e.select(negative, 2 * half_pi_low, e.const(0.0, x)), half_pi_low)
        add = e.xor(beyond, negative)
        chord, cubic = (e.select(add, part, e.neg(part)) for part in (chord, cubic))
        return e.add(e.add(start, chord), e.add(cubic, start_low))


def _arcsin_parts(e: Emitter, x: Value) -> tuple[Value, Value, Value]:
    """Whether x is beyond 1/2, and two terms: their sum is arcsin(x), or 2 arcsin(√((1-x)/2)) beyond."""
    beyond = e.gt(x, 0.5)
    square = e.select(beyond, e.fma(x, -0.5, 0.5), e.mul(x, x))
    root = e.sqrt(square)
    chord = e.select(beyond, e.add(root, root), x)
    return beyond, chord, e.mul(chord, e.mul(square, paired(e, square, _ARCSIN[x.dtype.itemsize])))


def _half_pi(x: Value) -> tuple[float, float]:
    """π/2 in two parts."""
    first, second, _ = PI[x.dtype.itemsize]
    return first / 2, second / 2
