"""Sine, cosine, tangent and their inverses.

Forward functions reduce the argument by multiples of π or π/2 and evaluate one odd polynomial on what is left;
see the note on reduction at the end. Inverse functions halve or invert the argument until a polynomial converges.
"""

from __future__ import annotations

import functools
import math
from fractions import Fraction

import numpy as np

from graphc.codegen.emit import FLOAT64, INT64, Emitter, Value
from graphc.codegen.vmath.polynomial import MANTISSA_BITS, horner, quick_two_sum, round_multiple, two_product, two_sum

# sin(r) = r + r³ P(r²) for |r| <= π/2 (and the slack of the reduction): Remez, relative error 2^-61.2 and 2^-27.2
_SIN = {
    8: (
        -0.16666666666666666,
        0.008333333333333207,
        -0.0001984126984121248,
        2.7557319211569482e-06,
        -2.5052106904422962e-08,
        1.6058941002324074e-10,
        -7.643019371628911e-13,
        2.7214194708892916e-15,
    ),
    4: (-0.16666659712791443, 0.00833306834101677, -0.00019809658988378942, 2.6057491559565807e-06),
}

# tan(r) = r + r³ P(r²) for |r| <= π/4 (and slack): Remez, relative error 2^-56.2 and 2^-29.3
_TAN = {
    8: (
        0.3333333333333278, 0.13333333333414132, 0.05396825392688355, 0.02186948960411843, 0.00886321923017136,
        0.0035922885041221983, 0.0014547613582089737, 0.0005950508245329267, 0.00022242004941266951,
        0.00013644384982171686, -2.6272234371081416e-05, 8.93484493703512e-05, -4.482080986056213e-05,
        2.084991231471437e-05,
    ),
    4: (
        0.3333335220813751, 0.13332577049732208, 0.05406986549496651, 0.021229935809969902, 0.010973614640533924,
        -8.821145456749946e-05, 0.004465463105589151,
    ),
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
        -0.33333298563957214, 0.1999852955341339, -0.14264042675495148, 0.1095128059387207, -0.08401551097631454,
        0.05794340744614601, -0.031187253072857857, 0.010934814810752869, -0.0018019877607002854,
    ),
}  # fmt: skip

# arcsin(x) = x + x³ P(x²) for |x| <= 1/2: Remez, relative error 2^-55.8 and 2^-27.6
_ARCSIN = {
    8: (
        0.16666666666665408, 0.07500000000337141, 0.04464285682823234, 0.030381959140448223, 0.0223717579781054,
        0.017359705705010404, 0.01388522742610116, 0.012169257445945204, 0.006527802309409677, 0.01952868287113328,
        -0.016224842695739063, 0.03191264656613195,
    ),
    4: (0.16666752099990845, 0.074953094124794, 0.04546914994716644, 0.024184780195355415, 0.04215829819440842),
}  # fmt: skip

# π as a sum of numbers of the dtype, each the nearest to what the ones before leave
_PI = {
    8: (3.141592653589793, 1.2246467991473532e-16, -2.9947698097183397e-33),
    4: (3.1415927410125732, -8.742277657347586e-08, -3.4302490200117637e-15),
}

# arguments up to here are reduced by π's three parts; those beyond by the digits of 1/π
_FAST_LIMIT = {8: 2.0**30, 4: 2.0**16}


def sin(e: Emitter, x: Value) -> Value:
    """sin(nπ + r) = (-1)^n sin(r)."""
    with e.strict():
        r, _, n = _reduce(e, e.abs(x), math.pi, 0.0)
        return _flip(e, _sin_reduced(e, r), n, x)


def cos(e: Emitter, x: Value) -> Value:
    """cos((n + 1/2)π + r) = -(-1)^n sin(r)."""
    with e.strict():
        r, _, n = _reduce(e, e.abs(x), math.pi, 0.5)
        return _flip(e, _sin_reduced(e, r), e.add(n, 1.0), None)


def tan(e: Emitter, x: Value) -> Value:
    """tan(nπ/2 + r) is tan(r) for even n, -1 / tan(r) for odd n."""
    with e.strict():
        r, rest, shifted = _reduce(e, e.abs(x), math.pi / 2, 0.0)
        square = e.mul(r, r)
        cubic = e.mul(r, e.mul(square, horner(e, square, _TAN[x.dtype.itemsize])))
        value, low = quick_two_sum(e, r, e.fma(rest, e.add(square, 1.0), cubic))
        inverse = e.div(-1.0, value)
        inverse = e.fma(inverse, e.fma(inverse, low, e.fma(inverse, value, 1.0)), inverse)
        odd = e.ne(e.and_(e.bitcast(shifted, _integer(x)), 1), 0)
        return _flip(e, e.select(odd, inverse, value), None, x)


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
    return e.fma(x, e.mul(square, horner(e, square, _ARCTAN[x.dtype.itemsize])), x)


def arcsin(e: Emitter, x: Value) -> Value:
    """arcsin(x) = π/2 - 2 arcsin(√((1-x)/2)) beyond 1/2."""
    half_pi, half_pi_low = _half_pi(x)
    with e.strict():
        beyond, chord, cubic = _arcsin_parts(e, e.abs(x))
        far = e.sub(e.sub(half_pi, chord), e.sub(cubic, half_pi_low))
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
    return beyond, chord, e.mul(chord, e.mul(square, horner(e, square, _ARCSIN[x.dtype.itemsize])))


def _half_pi(x: Value) -> tuple[float, float]:
    """π/2 in two parts."""
    first, second, _ = _PI[x.dtype.itemsize]
    return first / 2, second / 2


def _sin_reduced(e: Emitter, r: Value) -> Value:
    """sin(r) for |r| <= π/2."""
    first, *rest = _SIN[r.dtype.itemsize]
    square = e.mul(r, r)
    ratio = e.fma(square, first, e.mul(e.mul(square, square), horner(e, square, rest)))
    return e.fma(r, ratio, r)


def _flip(e: Emitter, value: Value, shifted: Value | None, x: Value | None) -> Value:
    """The value with its sign changed for an odd n, and for a negative x."""
    top = 8 * value.dtype.itemsize - 1
    bits = e.bitcast(value, _integer(value))
    if shifted is not None:
        bits = e.xor(bits, e.shl(e.bitcast(shifted, _integer(value)), top))
    if x is not None:
        bits = e.xor(bits, e.and_(e.bitcast(x, _integer(value)), -1 << top))
    return e.bitcast(bits, value.dtype)


def _integer(x: Value) -> np.dtype:
    """The signed integers of x's size."""
    return np.dtype(f"i{x.dtype.itemsize}")


def _reduce(e: Emitter, x: Value, period: float, phase: float) -> list[Value]:
    """x = (n + phase) · period + r for x >= 0: r, and n + 1.5·2^mantissa, whose lowest bits are n."""
    size = x.dtype.itemsize
    magic = _magic(x)
    shifted = e.add(e.fma(x, 1 / period, -phase), magic) if phase else e.fma(x, 1 / period, magic)
    steps = e.add(e.sub(shifted, magic), phase) if phase else e.sub(shifted, magic)
    first, second, third = (part * (period / math.pi) for part in _PI[size])
    near = _minus_product(e, x, steps, first)
    r = _minus_product(e, near, steps, second)
    rest = _minus_product(e, e.sub(near, r), steps, second)
    rest = e.select(e.gt(e.abs(near), 1 / 16), rest, 0.0)
    r = _minus_product(e, r, steps, third)
    far = e.gt(x, _FAST_LIMIT[size])

    def with_digits() -> list[Value]:
        reduced = _reduce_far(e, x, period, phase)
        return [e.select(far, a, b) for a, b in zip(reduced, (r, rest, shifted), strict=True)]

    return e.if_else(e.any(far), with_digits, lambda: [r, rest, shifted])


def _magic(x: Value) -> float:
    return 1.5 * 2.0 ** MANTISSA_BITS[x.dtype.itemsize]


def _minus_product(e: Emitter, x: Value, n: Value, p: float) -> Value:
    """x - n·p, the product exact."""
    if e.target.has_fma:
        return e.fma(n, -p, x)
    product, error = two_product(e, n, e.const(p, x))
    return e.sub(e.sub(x, product), error)


def _reduce_far(e: Emitter, x: Value, period: float, phase: float) -> list[Value]:
    """The same for any x >= 1, by the digits of 1/π that matter at its exponent."""
    wide = e.convert(x, FLOAT64)
    exponent = e.and_(e.shr(e.bitcast(wide, INT64), 52), 0x7FF)
    group = e.shr(e.sub(exponent, 1023 + 52), _GROUP_SHIFT)
    group = e.select(e.lt(group, 0), 0, group)
    down = e.shl(e.sub(1023, e.shl(group, _GROUP_SHIFT)), 52)
    scaled = e.mul(e.mul(wide, e.bitcast(down, FLOAT64)), math.pi / period)
    digits = e.module.constant_table("reciprocal_pi", _reciprocal_pi())
    products = [two_product(e, scaled, e.gather(digits, e.add(e.shl(group, 2), i))) for i in range(_PARTS)]
    terms = [_modulo_two(e, term) for pair in products for term in pair]
    high, *errors = _distil(e, [*terms, e.const(-phase, FLOAT64)])
    n = round_multiple(e, high, 1.0)
    high, *errors = _distil(e, _distil(e, [e.sub(high, n), *errors]))
    low = functools.reduce(e.add, errors)
    pi, pi_low, _ = (part * (period / math.pi) for part in _PI[8])
    product, error = two_product(e, high, e.const(pi, FLOAT64))
    r, rest = quick_two_sum(e, product, e.add(error, e.fma(high, pi_low, e.mul(low, pi))))
    narrow = e.convert(r, x.dtype)
    rest = e.add(e.sub(r, e.convert(narrow, FLOAT64)), rest)
    return [narrow, e.convert(rest, x.dtype), e.add(e.convert(n, x.dtype), _magic(x))]


def _modulo_two(e: Emitter, x: Value) -> Value:
    """x less an even number, and less than 2^18 (not more than 1 while x < 2^52)."""
    return e.sub(x, e.mul(round_multiple(e, x, 0.5), 2.0))


def _distil(e: Emitter, terms: list[Value]) -> list[Value]:
    """Terms of the same sum: first what adding them gives, then the errors of the additions."""
    total, errors = terms[0], list[Value]()
    for term in terms[1:]:
        total, error = two_sum(e, total, term)
        errors.append(error)
    return [total, *errors]


_GROUP_SHIFT = 4
_PARTS = 4


@functools.cache
def _reciprocal_pi() -> np.ndarray:
    """Row g: 2^(16g) / π modulo 2, in four parts of 53 bits."""
    digits = _reciprocal_pi_digits(1300)
    return np.array(
        [_parts(Fraction((digits << 16 * g) % (2 << 1300), 1 << 1300)) for g in range(((1023 - 52) >> _GROUP_SHIFT) + 1)]
    )


def _parts(rest: Fraction) -> list[float]:
    parts: list[float] = []
    for _ in range(_PARTS):
        parts.append(float(rest))
        rest -= Fraction(parts[-1])
    return parts


def _reciprocal_pi_digits(bits: int) -> int:
    """floor(2^bits / π), by Machin's formula π = 16 arctan(1/5) - 4 arctan(1/239)."""
    one = 1 << bits + 64

    def arctan_of_reciprocal(n: int) -> int:
        total, power, k = 0, one // n, 0
        while power:
            total += (-power if k % 2 else power) // (2 * k + 1)
            power, k = power // (n * n), k + 1
        return total

    return (one << bits) // (16 * arctan_of_reciprocal(5) - 4 * arctan_of_reciprocal(239))
