"""Logarithms: x = m 2^k with m in [3/4, 3/2), and log m from a polynomial in f = m - 1."""

from __future__ import annotations

from graphc.codegen.emit import Emitter, Value
from graphc.codegen.vmath.polynomial import (
    LN2,
    horner,
    power_of_two,
    quick_two_sum,
    split_exponent,
    two_product,
    two_sum,
)

__all__ = ["log", "log10", "log1p", "log2"]

# Minimax polynomials by Remez exchange for f in [-1/4, 1/2]; errors relative to log(1 + f), after rounding.

# log(1 + f) = f + f² p(f), 2^-30.0
_LOG1P = (
    -0.5, 0.3333334, -0.25000167, 0.19999565, -0.16655163, 0.14277169, -0.12731314, 0.11695931, -0.090865985,
    0.0373876,
)  # fmt: skip

# log(1 + f) = 2 artanh s = 2s + s³ p(s²) with s = f / (2 + f), 2^-62.6
_ARTANH = (
    0.666666666666666, 0.4000000000005664, 0.2857142855584148, 0.22222224294685403, 0.1818166599362215,
    0.1539110786023587, 0.13173670629400003, 0.13842544979699106,
)  # fmt: skip

# log10 2 and log10 e, log2 e as sums; log10 2 = high + low with a high that any exponent multiplies exactly
_LOG10_2 = {4: (0.301025390625, 4.605039066518657e-06), 8: (0.30102999566383914, 1.42050232272661e-13)}
_LOG10_E = {4: (0.4342944920063019, -1.0103049952192578e-08), 8: (0.4342944819032518, 1.098319650216765e-17)}
_LOG2_E = {4: (1.4426950216293335, 1.925963033500011e-08), 8: (1.4426950408889634, 2.0355273740931033e-17)}


def log(e: Emitter, x: Value) -> Value:
    with e.strict():
        m, k = split_exponent(e, x)
        f = e.sub(m, 1.0)
        return _with_exponent(e, f, _rest(e, f), k)


def _rest(e: Emitter, f: Value) -> Value:
    """log(1 + f) - f, which is below f / 4."""
    if f.dtype.itemsize == 4:
        return e.mul(e.mul(f, f), horner(e, f, _LOG1P))
    s = e.div(f, e.add(f, 2.0))
    z = e.mul(s, s)
    half_square = e.mul(e.mul(f, f), 0.5)  # 2s = f - s f, and s f = f²/2 - s f²/2
    return e.fma(s, e.fma(z, horner(e, z, _ARTANH), half_square), e.neg(half_square))


def _with_exponent(e: Emitter, f: Value, rest: Value, k: Value) -> Value:
    """k ln 2 + f + rest, from the small to the large."""
    high, low = LN2[f.dtype.itemsize]
    return e.fma(k, high, e.add(f, e.fma(k, low, rest)))


def log2(e: Emitter, x: Value) -> Value:
    high, low = _LOG2_E[x.dtype.itemsize]
    with e.strict():
        m, k = split_exponent(e, x)
        f = e.sub(m, 1.0)
        return _sum(e, k, f, high, e.fma(f, low, e.mul(_rest(e, f), high)))


def log10(e: Emitter, x: Value) -> Value:
    (high, low), (high_2, low_2) = _LOG10_E[x.dtype.itemsize], _LOG10_2[x.dtype.itemsize]
    with e.strict():
        m, k = split_exponent(e, x)
        f = e.sub(m, 1.0)
        small = e.fma(k, low_2, e.fma(f, low, e.mul(_rest(e, f), high)))
        return _sum(e, e.mul(k, high_2), f, high, small)


def _sum(e: Emitter, whole: Value, f: Value, factor: float, small: Value) -> Value:
    """whole + f · factor + small, where the first two may cancel, and the first may be infinite."""
    product, lost = two_product(e, f, e.const(factor, f))
    total, rest = quick_two_sum(e, whole, product)
    lost = e.add(lost, rest)
    return e.add(total, e.add(small, e.select(e.is_nan(lost), 0.0, lost)))


def log1p(e: Emitter, x: Value) -> Value:
    """The logarithm of 1 + x = m 2^k, what that sum lost included. For k = 0, f is x itself."""
    with e.strict():
        total, lost = two_sum(e, 1.0, x)
        m, k = split_exponent(e, total)
        lost = e.mul(lost, power_of_two(e, e.neg(k)))
        f, left = quick_two_sum(e, e.sub(m, 1.0), e.select(e.lt(e.abs(x), 2.0**60), lost, 0.0))
        return e.copysign(_with_exponent(e, f, e.add(_rest(e, f), left), k), x)


def log1p_of_fraction(e: Emitter, x: Value) -> Value:
    """log(1 + x) for x in [0, 1], with no exponent to look for: 1 + x = (1 + f) or 2 (1 + f)."""
    high, low = LN2[x.dtype.itemsize]
    upper = e.ge(x, 0.5)
    f = e.select(upper, e.fma(x, 0.5, -0.5), x)
    small = e.add(_rest(e, f), e.select(upper, low, e.const(0.0, x)))
    return e.add(e.select(upper, high, e.const(0.0, x)), e.add(f, small))
