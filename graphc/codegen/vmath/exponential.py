"""Exponentials: exp and its kin, the hyperbolic functions, and what machine learning makes of them.

All write x = n ln 2 + r with an integer n and |r| <= ln 2 / 2, so that e^x = 2^n e^r, and e^r is a polynomial.
"""

from __future__ import annotations

import math

from graphc.codegen.emit import Emitter, Value
from graphc.codegen.vmath.logarithm import log1p_of_fraction
from graphc.codegen.vmath.polynomial import (
    LN2,
    clamp,
    horner,
    least,
    power_of_two,
    quick_two_sum,
    round_multiple,
    scale,
    two_sum,
)

__all__ = ["cosh", "exp", "exp2", "expm1", "logaddexp", "sigmoid", "sinh", "softplus", "tanh"]

# Minimax polynomials (Remez exchange, then coefficients rounded one by one and the rest fitted again), on
# |r| <= 1.001 ln 2 / 2. The errors given are those of the rounded coefficients.

# e^r = 1 + r + r² p(r), relative errors 2^-28.2 and 2^-57.9
_EXP = {
    4: (0.49999994, 0.16666517, 0.041668106, 0.00836914, 0.0013836754),
    8: (
        0.5000000000000011, 0.16666666666666433, 0.04166666666652572, 0.008333333333477943, 0.0013888888944897048,
        0.0001984126955000937, 2.4801491691601685e-05, 2.755754086088849e-06, 2.7630781162699726e-07,
        2.5016553832898202e-08,
    ),
}  # fmt: skip

# e^r - 1 = r + r² p(r), errors relative to e^r - 1: 2^-28.7 and 2^-61.4
_EXPM1 = {
    4: (0.5, 0.16666667, 0.041666355, 0.008333273, 0.0013941101, 0.00019914306),
    8: (
        0.5, 0.16666666666666677, 0.04166666666666667, 0.00833333333332148, 0.001388888888887882,
        0.00019841269886299305, 2.48015873492704e-05, 2.755724417394554e-06, 2.755724158174334e-07,
        2.5109023139070995e-08, 2.0927755453316016e-09,
    ),
}  # fmt: skip

# 2^r = 1 + r ln 2 + r² p(r) on |r| <= 1/2, relative errors 2^-28.2 and 2^-57.9
_EXP2 = {
    4: (0.24022648, 0.055503614, 0.009618483, 0.0013390607, 0.00015338279),
    8: (
        0.24022650695910122, 0.05550410866482074, 0.009618129107597038, 0.001333355814668553,
        0.00015403530453988873, 1.5252733547280987e-05, 1.3215436650159546e-06, 1.0178184583315823e-07,
        7.073572058643781e-09, 4.436294988499071e-10,
    ),
}  # fmt: skip

# sinh r = r + r³ p(r²), relative errors 2^-34.3 and 2^-61.7
_SINH = {
    4: (0.16666667, 0.008333175, 0.00019973947),
    8: (
        0.16666666666666677, 0.008333333333321372, 0.0001984126988688232, 2.755724335610119e-06,
        2.5109363632959965e-08,
    ),
}  # fmt: skip

# cosh r = 1 + r² p(r²), relative errors 2^-33.3 and 2^-58.0
_COSH = {
    4: (0.5, 0.04166646, 0.0013935439),
    8: (
        0.5000000000000013, 0.04166666666651006, 0.0013888888948557188, 2.4801488211405702e-05,
        2.7631942722251906e-07,
    ),
}  # fmt: skip

# tanh a = a - a³ / q(a²) for a < 0.55, relative errors 2^-28.8 and 2^-61.2
_TANH_NEAR = 0.55
_TANH = {
    4: (3.0000012, 1.1999753, -0.005570325),
    8: (
        3.000000000000001, 1.199999999999925, -0.005714285712145127, 0.00025396822508826745,
        -1.2203461062705664e-05, 5.979398457688276e-07, -2.785702361427569e-08,
    ),
}  # fmt: skip

# e^x rounds to zero below the first, to infinity above the second; tanh (x / 2) rounds to 1 above the third
_LEAST = {4: -104.0, 8: -746.0}
_GREATEST = {4: 89.0, 8: 710.0}
_TANH_ONE = {4: 18.5, 8: 38.5}
# sinh and cosh are infinite from here, where n still leaves 2^(n-2) finite
_COSH_GREATEST = {4: 89.5, 8: 710.6}
# below, e^x - 1 rounds to x and sinh x to x
_LINEAR = {4: 2.0**-25, 8: 2.0**-54}


def exp(e: Emitter, x: Value) -> Value:
    with e.strict():
        return _exp(e, x)


def _exp(e: Emitter, x: Value) -> Value:
    size = x.dtype.itemsize
    n, p = _split(e, clamp(e, x, _LEAST[size], _GREATEST[size]))
    return scale(e, e.add(p, 1.0), n)


def _split(e: Emitter, x: Value) -> tuple[Value, Value]:
    """n and p with e^x = 2^n (1 + p)."""
    high, low = LN2[x.dtype.itemsize]
    n = round_multiple(e, x, 1 / math.log(2))
    r = e.fma(n, -low, e.fma(n, -high, x))
    return n, e.fma(e.mul(r, r), horner(e, r, _EXP[x.dtype.itemsize]), r)


def split_exactly(e: Emitter, x: Value, low: Value | None = None) -> tuple[Value, Value, Value]:
    """n, r and p with e^(x + low) = 2^n (1 + r + p), where p holds what the rounding of r lost."""
    n, r, lost = _reduce(e, x, low)
    return n, r, e.fma(e.mul(r, r), horner(e, r, _EXPM1[x.dtype.itemsize]), lost)


def _reduce(e: Emitter, x: Value, low: Value | None = None) -> tuple[Value, Value, Value]:
    """x + low = n ln 2 + r + lost."""
    ln2_high, ln2_low = LN2[x.dtype.itemsize]
    n = round_multiple(e, x, 1 / math.log(2))
    small = e.mul(n, -ln2_low) if low is None else e.fma(n, -ln2_low, low)
    r, lost = quick_two_sum(e, e.fma(n, -ln2_high, x), small)
    return n, r, lost


def exp2(e: Emitter, x: Value) -> Value:
    size = x.dtype.itemsize
    with e.strict():
        x = clamp(e, x, _LEAST[size] / math.log(2) - 1, _GREATEST[size] / math.log(2) + 1)
        n = round_multiple(e, x, 1.0)
        r = e.sub(x, n)
        p = e.fma(r, math.log(2), e.mul(e.mul(r, r), horner(e, r, _EXP2[size])))
        return scale(e, e.add(p, 1.0), n)


def expm1(e: Emitter, x: Value) -> Value:
    size = x.dtype.itemsize
    with e.strict():
        n, r, p = split_exactly(e, clamp(e, x, _LEAST[size] / 2, _GREATEST[size]))
        half = power_of_two(e, e.sub(n, 1.0))  # 2^n may be infinite where the result is not
        value = e.mul(e.fma(half, p, e.fma(half, r, e.sub(half, 0.5))), 2.0)
        return e.select(e.lt(e.abs(x), _LINEAR[size]), x, value)


def tanh(e: Emitter, x: Value) -> Value:
    """a - a³ / q(a²) or 1 - 2 / (e^2a + 1) for a = |x|: one division, of whichever numerator and divisor."""
    size = x.dtype.itemsize
    with e.strict():
        a = e.abs(x)
        z = e.mul(a, a)
        near = e.lt(a, _TANH_NEAR)
        n, p = _split(e, least(e, e.add(a, a), _TANH_ONE[size]))
        power = power_of_two(e, n)
        above = e.select(near, e.mul(a, z), 2.0)
        below = e.select(near, horner(e, z, _TANH[size]), e.fma(power, p, e.add(power, 1.0)))
        return e.copysign(e.sub(e.select(near, a, 1.0), e.div(above, below)), x)


def sigmoid(e: Emitter, x: Value) -> Value:
    """1 / (1 + e^-x), above and below multiplied by a small power of two, so that e^-x need not overflow."""
    size = x.dtype.itemsize
    one = {4: 2.0**-32, 8: 2.0**-64}[size]
    with e.strict():
        n, p = _split(e, clamp(e, e.neg(x), -40.0, -_LEAST[size]))  # 1 + e^-40 rounds to 1
        power = power_of_two(e, e.add(n, math.log2(one)))
        total = e.add(power, one)
        lost = e.sub(one, e.sub(total, power))
        return e.div(e.const(one, x), e.add(total, e.fma(power, p, lost)))


def softplus(e: Emitter, x: Value) -> Value:
    """log(1 + e^x) = max(x, 0) + log(1 + e^-|x|)."""
    with e.strict():
        return e.add(e.select(e.gt(x, 0.0), x, e.const(0.0, x)), log1p_of_fraction(e, _exp(e, e.neg(e.abs(x)))))


def logaddexp(e: Emitter, x: Value, y: Value) -> Value:
    """log(e^x + e^y) = max + log(1 + e^-|x - y|).

    Where the two terms cancel (a result near 0), within 2 ulp of the greater argument rather than of the result.
    """
    size = x.dtype.itemsize
    with e.strict():
        first = e.gt(x, y)
        greater, lesser = e.select(first, x, y), e.select(first, y, x)
        difference, low = two_sum(e, lesser, e.neg(greater))
        difference = e.select(e.eq(x, y), 0.0, clamp(e, difference, _LEAST[size], 0.0))  # equal infinities too
        n, r, p = split_exactly(e, difference, e.select(e.lt(e.abs(low), 1.0), low, 0.0))
        return e.add(greater, log1p_of_fraction(e, scale(e, e.add(e.add(r, p), 1.0), n)))


def sinh(e: Emitter, x: Value) -> Value:
    """sinh r cosh(n ln 2) + cosh r sinh(n ln 2)."""
    with e.strict():
        r, s, c, up, down = _hyperbolic_parts(e, x)
        plus, minus = e.add(up, down), e.sub(up, down)
        half = e.add(e.fma(plus, r, minus), e.fma(minus, c, e.mul(plus, s)))
        value = e.copysign(e.mul(half, 2.0), x)
        return e.select(e.lt(e.abs(x), _LINEAR[x.dtype.itemsize]), x, value)


def cosh(e: Emitter, x: Value) -> Value:
    """(2^n e^r + 2^-n e^-r) / 2."""
    with e.strict():
        r, s, c, up, down = _hyperbolic_parts(e, x)
        odd = e.add(r, s)
        falling = e.mul(down, e.add(e.sub(c, odd), 1.0))
        return e.mul(e.add(up, e.fma(up, e.add(odd, c), falling)), 2.0)


def _hyperbolic_parts(e: Emitter, x: Value) -> tuple[Value, Value, Value, Value, Value]:
    """Of |x| = n ln 2 + r: r, sinh r - r, cosh r - 1, and a quarter of 2^n and 2^-n."""
    size = x.dtype.itemsize
    n, r, low = _reduce(e, least(e, e.abs(x), _COSH_GREATEST[size]))
    z = e.mul(r, r)
    s = e.fma(e.mul(z, r), horner(e, z, _SINH[size]), low)
    c = e.mul(z, horner(e, z, _COSH[size]))
    up = power_of_two(e, e.sub(n, 2.0))
    down = power_of_two(e, e.sub(-2.0, e.select(e.lt(n, 64.0), n, 64.0)))  # beyond, it no longer counts
    return r, s, c, up, down
