"""Powers, roots and the hypotenuse."""

from __future__ import annotations

import math

import numpy as np

from graphc.codegen.emit import FLOAT64, Emitter, Value
from graphc.codegen.vmath.polynomial import (
    MANTISSA_BITS,
    horner,
    minus_product,
    paired,
    power_of_two,
    quick_two_sum,
    round_multiple,
    scale,
    split_exponent,
    two_product,
)

__all__ = ["cbrt", "hypot", "pow", "rsqrt"]

# log2(m) = s (C + D t + t² P(t)) with s = (m-1)/(m+1), t = s² <= 0.04, and C = 2 / ln 2 and D = C / 3 as sums of
# two float64: Remez, relative error 2^-68.7
_LOG2_FIRST = (2.8853900817779268, 4.0710547481862066e-17)
_LOG2_SECOND = (0.9617966939259756, 5.0577616648125907e-17)
_LOG2 = (
    0.5770780163555813, 0.4121985831133153, 0.32059889752176834, 0.2623082381107024, 0.2219500407248444,
    0.19247292100315577, 0.16722890199773852, 0.1814509817737592,
)  # fmt: skip

# log2(m) = s P(t) when float32 is computed in float64: Remez, relative error 2^-35.5
_LOG2_NARROW = (
    2.8853900818364346, 0.9617966212965233, 0.5770924180004797, 0.4112027039398483, 0.34844672022549933,
)  # fmt: skip

# 2^r = 1 + r P(r) for |r| <= 1/2: Remez, relative error 2^-56.9, and 2^-27.6 for float32
_EXP2 = {
    8: (
        0.6931471805599453, 0.2402265069591017, 0.055504108664824706, 0.00961812910757762, 0.0013333558145518618,
        0.00015403530478592673, 1.5252734795719102e-05, 1.321542447413983e-06, 1.0177629073801175e-07,
        7.075634690511548e-09, 4.5236792032052447e-10,
    ),
    4: (
        0.6931471997227692, 0.2402263501616188, 0.055503342210275135, 0.009620212857405226, 0.0013398850439903748,
        0.00014824070727590593,
    ),
}  # fmt: skip

# m^(-1/3) for 0.75 <= m <= 1.5: Remez, relative error 2^-11.9 and 2^-9.1
_RECIPROCAL_CBRT = {
    8: (1.6970662689783027, -1.1886359246159965, 0.6217550523096868, -0.13028202764276162),
    4: (1.5278643, -0.7092869, 0.18275143),
}
# (1 - d)^(-1/3) = 1 + d/3 + 2d²/9 + …
_CBRT_STEP = {8: (1 / 3, 2 / 9), 4: (1 / 3,)}

# powers of two of a greater exponent are 0 or infinite
_EXPONENT_LIMIT = {8: 1100.0, 4: 160.0}

# (greatest, its scale, least, its scale): squares of numbers outside leave the range unless scaled
_HYPOT_RANGE = {8: (2.0**500, 2.0**-600, 2.0**-450, 2.0**600), 4: (2.0**60, 2.0**-70, 2.0**-50, 2.0**90)}


def pow(e: Emitter, x: Value, y: Value) -> Value:
    """|x|^y = 2^(y log2|x|), and on a branch of their own the cases that overflow, or that C's Annex F lists."""
    limit = _EXPONENT_LIMIT[x.dtype.itemsize]
    with e.strict():
        exponent, rest = (_exponent_float64 if x.dtype == FLOAT64 else _exponent_float32)(e, e.abs(x), y)
        n = round_multiple(e, exponent, 1.0)
        r = e.sub(exponent, n) if rest is None else e.add(e.sub(exponent, n), rest)
        power = scale(e, e.fma(r, paired(e, r, _EXP2[x.dtype.itemsize]), 1.0), n)
        within = e.lt(e.abs(exponent), limit)

        def special() -> list[Value]:
            beyond = e.select(e.gt(exponent, 0.0), math.inf, e.select(e.lt(exponent, 0.0), 0.0, exponent))
            return [_pow_special(e, x, y, e.convert(e.select(within, power, beyond), x.dtype))]

        ordinary = e.and_(within, e.gt(x, 0.0))
        return e.if_else(e.any(e.not_(ordinary)), special, lambda: [e.convert(power, x.dtype)])[0]


def _exponent_float32(e: Emitter, x: Value, y: Value) -> tuple[Value, None]:
    """y log2(x) in float64, where it needs no low part."""
    m, k = (e.convert(part, FLOAT64) for part in split_exponent(e, x))
    s = e.div(e.sub(m, 1.0), e.add(m, 1.0))
    return e.mul(e.convert(y, FLOAT64), e.fma(s, horner(e, e.mul(s, s), _LOG2_NARROW), k)), None


def _exponent_float64(e: Emitter, x: Value, y: Value) -> tuple[Value, Value]:
    """y log2(x) in two parts."""
    high, low = _log2_parts(e, x)
    exponent, rest = two_product(e, high, y)
    if not e.target.has_fma:
        rest = e.select(e.eq(high, 0.0), 0.0, rest)  # the halves of a huge y are infinite
    return exponent, e.fma(low, y, rest)


def _log2_parts(e: Emitter, x: Value) -> tuple[Value, Value]:
    """log2(x) = high + low, to about 2^-65 of it."""
    m, k = split_exponent(e, x)
    above = e.sub(m, 1.0)
    reciprocal = e.div(1.0, e.add(m, 1.0))
    s = e.mul(above, reciprocal)
    # what s (2 + above) leaves of above: the difference is exact
    s_low = e.mul(reciprocal, minus_product(e, e.sub(above, e.add(s, s)), s, above))
    t, t_low = two_product(e, s, s)
    t_low = e.fma(e.add(s, s), s_low, t_low)
    rest = paired(e, t, _LOG2)
    product, error = two_product(e, t, rest)
    second, second_low = _add(e, _LOG2_SECOND, product, e.fma(t_low, rest, error))
    product, error = two_product(e, t, second)
    error = e.fma(t, second_low, e.fma(t_low, second, error))
    factor, factor_low = _add(e, _LOG2_FIRST, product, error)
    fraction, fraction_low = two_product(e, s, factor)
    fraction_low = e.fma(s, factor_low, e.fma(s_low, factor, fraction_low))
    high, low = quick_two_sum(e, k, fraction)
    return high, e.add(low, fraction_low)


def _add(e: Emitter, constant: tuple[float, float], high: Value, low: Value) -> tuple[Value, Value]:
    """constant + high + low, the constant being greater."""
    total, error = quick_two_sum(e, e.const(constant[0], high), high)
    return total, e.add(error, e.add(low, constant[1]))


def _pow_special(e: Emitter, x: Value, y: Value, value: Value) -> Value:
    """x^y from the value of |x|^y."""
    integer = np.dtype(f"i{x.dtype.itemsize}")
    bits = MANTISSA_BITS[x.dtype.itemsize]
    size = e.abs(y)
    size = e.select(e.lt(size, 2.0 ** (bits + 1)), size, 2.0 ** (bits + 1))  # from here all are even
    half = e.sub(e.add(e.mul(size, 0.5), 2.0**bits), 2.0**bits)
    beside_even = e.abs(e.sub(size, e.add(half, half)))  # to the nearest even number
    odd = e.eq(beside_even, 1.0)
    whole = e.or_(odd, e.eq(beside_even, 0.0))
    value = e.select(e.and_(e.eq(e.abs(x), 1.0), e.eq(y, y)), 1.0, value)
    below = e.and_(e.lt(x, 0.0), e.gt(x, -math.inf))
    value = e.select(e.and_(below, e.not_(whole)), math.nan, value)
    sign = e.select(odd, e.and_(e.bitcast(x, integer), -1 << (8 * integer.itemsize - 1)), 0)
    value = e.bitcast(e.xor(e.bitcast(value, integer), sign), x.dtype)
    return e.select(e.or_(e.eq(y, 0.0), e.eq(x, 1.0)), 1.0, value)


def cbrt(e: Emitter, x: Value) -> Value:
    """2^n ∛(2^j m) for an exponent 3n + j: from y near the reciprocal root, c = m y², and a Newton step on c³ - m."""
    size = x.dtype.itemsize
    with e.strict():
        m, k = split_exponent(e, e.abs(x))
        n = round_multiple(e, k, 1 / 3)
        j = e.fma(n, -3.0, k)
        up, down = e.gt(j, 0.5), e.lt(j, -0.5)
        root = e.select(up, 2 ** (-1 / 3), e.select(down, 2 ** (1 / 3), e.const(1.0, x)))
        y = e.mul(horner(e, m, _RECIPROCAL_CBRT[size]), root)
        m = e.mul(m, e.select(up, 2.0, e.select(down, 0.5, e.const(1.0, x))))
        d = e.fma(e.neg(e.mul(m, y)), e.mul(y, y), 1.0)
        y = e.fma(e.mul(y, d), horner(e, d, _CBRT_STEP[size]), y)
        c = e.mul(e.mul(m, y), y)
        residue = e.fma(e.neg(e.mul(c, c)), c, m)
        c = e.fma(e.mul(residue, 1 / 3), e.mul(y, y), c)
        value = e.copysign(e.mul(c, power_of_two(e, n)), x)
        return e.select(e.lt(e.abs(k), math.inf), value, x)


def rsqrt(e: Emitter, x: Value) -> Value:
    with e.strict():
        return e.div(1.0, e.sqrt(x))


def hypot(e: Emitter, x: Value, y: Value) -> Value:
    """√(x² + y²), scaled where the squares would leave the range."""
    greatest, shrink, least, grow = _HYPOT_RANGE[x.dtype.itemsize]
    with e.strict():
        a, b = e.abs(x), e.abs(y)
        first = e.gt(a, b)
        large, small = e.select(first, a, b), e.select(first, b, a)
        huge, tiny = e.gt(large, greatest), e.lt(large, least)
        factor = e.select(huge, shrink, e.select(tiny, grow, e.const(1.0, x)))
        inverse = e.select(huge, 1 / shrink, e.select(tiny, 1 / grow, e.const(1.0, x)))
        large, small = e.mul(large, factor), e.mul(small, factor)
        value = e.mul(e.sqrt(e.fma(large, large, e.mul(small, small))), inverse)
        infinite = e.or_(e.eq(a, math.inf), e.eq(b, math.inf))
        return e.select(infinite, math.inf, value)
