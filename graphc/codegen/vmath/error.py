"""The error function and its complement."""

from __future__ import annotations

from graphc.codegen.emit import Emitter, Value
from graphc.codegen.vmath.polynomial import horner, least

__all__ = ["erf"]

# Minimax polynomials by Remez exchange; errors relative to erf, after rounding.

# erf a = a + a p(a²) below the bound, 2^-27.6 and 2^-55.8
_NEAR = {4: 1.1, 8: 1.5}
_ERF_NEAR = {
    4: (0.12837917, -0.3761261, 0.11283364, -0.026843518, 0.0051677315, -0.000782475, 7.236121e-05),
    8: (
        0.12837916709551256, -0.37612638903183476, 0.1128379167094686, -0.026866170644150766, 0.005223977619326614,
        -0.000854832679294167, 0.00012055327293266045, -1.4925553804938784e-05, 1.6460952492589336e-06,
        -1.6355763129334858e-07, 1.4743733678846236e-08, -1.2002039099950897e-09, 8.490187628232806e-11,
        -4.631758221937668e-12, 1.4121604527143316e-13,
    ),
}  # fmt: skip

# erf a = 1 - p(a)^(2^squarings) from there to where erf rounds to 1, 2^-26.8 and 2^-56.8: a root of
# erfc is nearly straight where erfc itself spans all magnitudes
_ONE = {4: 3.95, 8: 5.95}
_SQUARINGS = {4: 3, 8: 4}
_ERF_FAR = {
    4: (1.0010761, -0.1459579, -0.06006324, -0.012455788, 0.013399124, -0.0025777402, 0.00015989425),
    8: (
        0.9999999183134023, -0.07052249270917695, -0.037308270596563296, -0.003657245109688949,
        0.0023070029658552355, 0.0001624119930402446, -0.00020481035841932453, 7.05063270667795e-05,
        -1.94899385156253e-05, 4.262500026528401e-06, -6.893714315022686e-07, 7.994173396539487e-08,
        -6.375264156229204e-09, 3.1606893645127653e-10, -7.368967680681528e-12,
    ),
}  # fmt: skip


def erf(e: Emitter, x: Value) -> Value:
    size = x.dtype.itemsize
    with e.strict():
        a = e.abs(x)
        near = e.fma(a, horner(e, e.mul(a, a), _ERF_NEAR[size]), a)
        far = horner(e, least(e, a, _ONE[size]), _ERF_FAR[size])
        for _ in range(_SQUARINGS[size]):
            far = e.mul(far, far)
        return e.copysign(e.select(e.lt(a, _NEAR[size]), near, e.sub(1.0, far)), x)
