"""arcsinh, arccosh and arctanh: logarithms that keep their accuracy where the logarithm's argument nears 1.

All are written k ln 2 + 2 arctanh(u/2) with a small u, for log(v) = 2 arctanh((v-1) / (v+1)).
"""

from __future__ import annotations

import math

from graphc.codegen.emit import Emitter, Value
from graphc.codegen.vmath.polynomial import (
    LN2,
    paired,
    power_of_two,
    quick_two_sum,
    split_exponent,
    two_product,
    two_sum,
)

__all__ = ["arccosh", "arcsinh", "arctanh"]

# 2 arctanh(u/2) = u + u³ P(u²) for |u| <= 0.9245: Remez, relative error 2^-56.4 and 2^-26.9
_ARCTANH = {
    8: (
        0.08333333333333089, 0.012500000000192607, 0.0022321428518635336, 0.0004340278502044496,
        8.877782842821487e-05, 1.8783000449996726e-05, 4.059055872562362e-06, 9.202887313982264e-07,
        1.657281951954213e-07, 8.106284586807879e-08, -1.1994194062896541e-08, 9.661995912660394e-09,
    ),
    4: (0.08333373, 0.012493563, 0.002265576, 0.00036001744, 0.0001588681),
}  # fmt: skip

# from here √(x² ± 1) rounds to x
_LARGE = {8: 2.0**28, 4: 2.0**13}


def arcsinh(e: Emitter, x: Value) -> Value:
    """log(x + w) with w = √(x² + 1), and 2 arctanh(x / (1 + w)) where that is below 1."""
    with e.strict():
        size = e.abs(x)
        square, square_low = two_product(e, size, size)
        radicand, radicand_low = two_sum(e, square, 1.0)
        w = e.sqrt(radicand)
        back, back_low = two_product(e, w, w)
        w_low = e.sub(e.sub(radicand, back), e.sub(back_low, e.add(radicand_low, square_low)))  # (w² less this) · 2w
        below, below_low = quick_two_sum(e, w, 1.0)
        u = e.div(e.add(size, size), below)
        rest = e.mul(u, e.mul(e.fma(w_low, 0.5, below_low), -0.45))  # 1 / (1 + w) is 0.45 closely enough
        far_u, k = _reduce(e, size, w, size)
        near = e.lt(size, math.sinh(1.0))
        value = _logarithm(e, e.select(near, u, far_u), e.select(near, 0.0, k), e.select(near, rest, 0.0))
        return e.copysign(e.select(e.lt(size, math.inf), value, size), x)


def arccosh(e: Emitter, x: Value) -> Value:
    """log(x + w) with w = √(x² - 1), and 2 arctanh(√((x-1) / (x+1))) where that is below log 2."""
    with e.strict():
        above = e.sub(x, 1.0)
        near = e.lt(x, 1.25)
        w = e.sqrt(e.select(near, e.div(above, e.add(x, 1.0)), e.fma(above, above, e.add(above, above))))
        u, k = _reduce(e, x, x, w)
        value = _logarithm(e, e.select(near, e.add(w, w), u), e.select(near, 0.0, k), None)
        value = e.select(e.lt(x, math.inf), value, x)
        return e.select(e.ge(x, 1.0), value, math.nan)


def arctanh(e: Emitter, x: Value) -> Value:
    """½ log((1+x) / (1-x)), with 1-x = 2^-k m: u/2 = (1+x-m) / (1+x+m), which is x for k = 0."""
    with e.strict():
        size = e.abs(x)
        _, exponent = split_exponent(e, e.sub(1.0, size))
        k = e.neg(exponent)
        power = power_of_two(e, k)
        rest = e.fma(size, power, e.sub(1.0, power))  # 1 - m, exactly
        u = e.div(e.add(size, rest), e.fma(e.sub(size, rest), 0.5, 1.0))
        value = e.mul(_logarithm(e, u, k, None), 0.5)
        value = e.select(e.eq(size, 1.0), math.inf, value)
        return e.copysign(e.select(e.gt(size, 1.0), math.nan, value), x)


def _reduce(e: Emitter, x: Value, greater: Value, lesser: Value) -> tuple[Value, Value]:
    """u and k with log(greater + lesser) = k ln 2 + 2 arctanh(u/2); a large x stands for both of them."""
    total, low = quick_two_sum(e, greater, lesser)
    large = e.gt(x, _LARGE[x.dtype.itemsize])
    m, k = split_exponent(e, e.select(large, x, total))
    low = e.select(large, 0.0, e.mul(low, power_of_two(e, e.neg(k))))
    above = e.add(e.sub(m, 1.0), low)
    u = e.div(e.add(above, above), e.add(m, 1.0))
    return u, e.add(k, e.select(large, 1.0, e.const(0.0, x)))


def _logarithm(e: Emitter, u: Value, k: Value, rest: Value | None) -> Value:
    """k ln 2 + 2 arctanh(u/2) + rest."""
    high, low = LN2[u.dtype.itemsize]
    square = e.mul(u, u)
    cubic = e.mul(u, e.mul(square, paired(e, square, _ARCTANH[u.dtype.itemsize])))
    small = e.fma(k, low, cubic)
    return e.add(e.mul(k, high), e.add(u, small if rest is None else e.add(small, rest)))
