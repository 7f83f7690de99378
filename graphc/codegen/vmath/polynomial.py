"""Building blocks of elementary functions: polynomials, error-free sums and products, powers of two.

Whoever calls these is inside `e.strict()`, so that an error term stays what it is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphc.codegen.emit import Emitter, Number, Value
from graphc.codegen.vmath import avx512

MANTISSA_BITS = {4: 23, 8: 52}
EXPONENT_BIAS = {4: 127, 8: 1023}

# ln 2 = high + low; high ends in zeros, so that its product with any exponent is exact
LN2 = {4: (0.693145751953125, 1.428606765330187e-06), 8: (0.693147180559663, 2.8235290563031577e-13)}


def horner(e: Emitter, x: Value, coefficients: Sequence[float]) -> Value:
    """c0 + c1 x + c2 x² + …, from the highest power down."""
    *rest, value = (e.const(c, x) for c in coefficients)
    for c in reversed(rest):
        value = e.fma(value, x, c)
    return value


def paired(e: Emitter, x: Value, coefficients: Sequence[float]) -> Value:
    """The same as (c0 + c1 x) + (c2 + c3 x) x² + …: half the latency, which tells in long polynomials."""
    pairs = [horner(e, x, coefficients[i : i + 2]) for i in range(0, len(coefficients), 2)]
    square, value = e.mul(x, x), pairs.pop()
    for pair in reversed(pairs):
        value = e.fma(value, square, pair)
    return value


def two_sum(e: Emitter, a: Number, b: Number) -> tuple[Value, Value]:
    """a + b = sum + error, exactly."""
    total = e.add(a, b)
    part = e.sub(total, a)
    return total, e.add(e.sub(a, e.sub(total, part)), e.sub(b, part))


def quick_two_sum(e: Emitter, a: Number, b: Number) -> tuple[Value, Value]:
    """a + b = sum + error, exactly, for |a| >= |b| or a = 0."""
    total = e.add(a, b)
    return total, e.sub(b, e.sub(total, a))


def two_product(e: Emitter, a: Value, b: Value) -> tuple[Value, Value]:
    """a · b = product + error, exactly while neither overflows nor falls below the normal numbers."""
    product = e.mul(a, b)
    if e.target.has_fma:
        return product, e.fma(a, b, e.neg(product))
    (ah, al), (bh, bl) = _split(e, a), _split(e, b)  # Dekker: the halves' products are exact
    error = e.sub(e.mul(ah, bh), product)
    error = e.add(e.add(error, e.mul(ah, bl)), e.mul(al, bh))
    return product, e.add(error, e.mul(al, bl))


def minus_product(e: Emitter, x: Value, a: Value, b: Value) -> Value:
    """x - a · b, the product exact."""
    if e.target.has_fma:
        return e.fma(e.neg(a), b, x)
    product, error = two_product(e, a, b)
    return e.sub(e.sub(x, product), error)


def _split(e: Emitter, x: Value) -> tuple[Value, Value]:
    """x = high + low, each of half the mantissa (Veltkamp)."""
    wide = e.mul(x, float(2 ** ((MANTISSA_BITS[x.dtype.itemsize] + 2) // 2) + 1))
    high = e.sub(wide, e.sub(wide, x))
    return high, e.sub(x, high)


def least(e: Emitter, x: Value, bound: float) -> Value:
    """The lesser, NaN where x is one: a single instruction, unlike `e.minimum`."""
    return e.select(e.lt(e.const(bound, x), x), bound, x)


def clamp(e: Emitter, x: Value, low: float, high: float) -> Value:
    """x within [low, high], NaN where x is one."""
    return least(e, e.select(e.gt(e.const(low, x), x), low, x), high)


def round_multiple(e: Emitter, x: Value, factor: float) -> Value:
    """The integer nearest to x · factor, ties aside, for products below 2^(mantissa-1)."""
    magic = _magic(x)
    return e.sub(e.fma(x, factor, magic), magic)


def power_of_two(e: Emitter, n: Value) -> Value:
    """2^n for integers n in x's dtype, where that is a normal number."""
    size = n.dtype.itemsize
    shifted = e.bitcast(e.add(n, _magic(n)), np.dtype(f"i{size}"))  # its lowest bits are n in two's complement
    exponent = e.shl(shifted, MANTISSA_BITS[size])
    return e.bitcast(e.add(exponent, EXPONENT_BIAS[size] << MANTISSA_BITS[size]), n.dtype)


def _magic(x: Value) -> float:
    """1.5·2^mantissa: what is added to it is rounded to an integer."""
    return 1.5 * 2.0 ** MANTISSA_BITS[x.dtype.itemsize]


def scale(e: Emitter, x: Value, n: Value) -> Value:
    """x · 2^n, rounded once: also into the subnormals, and to infinity. n holds integers, in x's dtype.

    For |n| up to twice the exponent's range.
    """
    if avx512.fits(e, x):
        return avx512.scale(e, x, n)
    half = round_multiple(e, n, 0.5)
    return e.mul(e.mul(x, power_of_two(e, half)), power_of_two(e, e.sub(n, half)))


def split_exponent(e: Emitter, x: Value) -> tuple[Value, Value]:
    """x = m · 2^k with m in [0.75, 1.5), both in x's dtype, subnormals included.

    Logarithms get their special values for free: k is -inf at 0 and +inf at inf (with a finite m), and m is
    NaN for a negative x and for NaN.
    """
    if avx512.fits(e, x):
        return avx512.split_exponent(e, x)
    size = x.dtype.itemsize
    bits, bias, integer = MANTISSA_BITS[size], EXPONENT_BIAS[size], np.dtype(f"i{size}")
    subnormal = e.lt(x, 2.0 ** (1 - bias))
    normal = e.select(subnormal, e.mul(x, 2.0**bits), x)
    three_quarters = (bias << bits) - (1 << (bits - 1))
    lifted = e.add(e.bitcast(normal, integer), 1 << (bits - 1))  # carries into the exponent from 1.5 on
    fraction = e.and_(lifted, (1 << bits) - 1)
    m = e.bitcast(e.add(fraction, three_quarters), x.dtype)
    unsigned = np.dtype(f"u{size}")
    exponent = e.shr(e.bitcast(lifted, unsigned), bits)
    # an integer in the low bits of 2^mantissa becomes a float by one subtraction
    biased = e.bitcast(e.or_(exponent, (bias + bits) << bits), x.dtype)
    k = e.sub(biased, e.select(subnormal, float(2**bits + bias + bits), e.const(float(2**bits + bias), x)))
    k = e.select(e.eq(x, np.inf), np.inf, e.select(e.eq(x, 0.0), -np.inf, k))
    return e.select(e.ge(x, 0.0), m, np.nan), k
