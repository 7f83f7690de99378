"""The error function and its complement."""

from __future__ import annotations

from graphc.codegen.emit import Emitter, Value
from graphc.codegen.vmath.exponential import split_exactly
from graphc.codegen.vmath.polynomial import horner, least, quick_two_sum, scale, two_product, two_sum

__all__ = ["erf", "erfc"]

# Minimax polynomials by Remez exchange; errors relative to erf, after rounding.

# erf a = a + a p(a²) below the bound, 2^-29.9 and 2^-55.8
_NEAR = {4: 1.17, 8: 1.5}
_ERF_NEAR = {
    4: (
        0.12837917, -0.37612635, 0.11283735, -0.026862904, 0.005214572, -0.000839903, 0.00010708628,
        -8.226071e-06,
    ),
    8: (
        0.12837916709551256, -0.37612638903183476, 0.1128379167094686, -0.026866170644150766, 0.005223977619326614,
        -0.000854832679294167, 0.00012055327293266045, -1.4925553804938784e-05, 1.6460952492589336e-06,
        -1.6355763129334858e-07, 1.4743733678846236e-08, -1.2002039099950897e-09, 8.490187628232806e-11,
        -4.631758221937668e-12, 1.4121604527143316e-13,
    ),
}  # fmt: skip

# erf a = 1 - p(a)^(2^squarings) from there to where erf rounds to 1, 2^-27.4 and 2^-56.8: a root of
# erfc is nearly straight where erfc itself spans all magnitudes
_ONE = {4: 3.95, 8: 5.95}
_SQUARINGS = {4: 3, 8: 4}
_ERF_FAR = {
    4: (1.0012676, -0.14663771, -0.059074618, -0.0132089155, 0.0137158735, -0.0026474302, 0.00016615716),
    8: (
        0.9999999183134023, -0.07052249270917695, -0.037308270596563296, -0.003657245109688949,
        0.0023070029658552355, 0.0001624119930402446, -0.00020481035841932453, 7.05063270667795e-05,
        -1.94899385156253e-05, 4.262500026528401e-06, -6.893714315022686e-07, 7.994173396539487e-08,
        -6.375264156229204e-09, 3.1606893645127653e-10, -7.368967680681528e-12,
    ),
}  # fmt: skip

# (1 + 2a) e^(a²) erfc a = p((a - c) / (a + c)) up to where erfc underflows, 2^-27.8 and 2^-56.6; a centre c
# whose p(0) happens to be nearly a number of the dtype
_ZERO = {4: 10.2, 8: 27.4}
_CENTRE = {4: 2.8671875, 8: 2.9609375}
_ERFC = {
    4: (
        1.2560521, -0.13319458, -0.05969807, 0.13794866, -0.1174697, 0.060324654, -0.016625935, -0.0006176952,
        0.0021522064, -0.0002908711, -0.00024047264,
    ),
    8: (
        1.2538947150559872, -0.13497511373365728, -0.05102214054335787, 0.13212104952341677, -0.11890233143869218,
        0.06607922727131782, -0.021661554803457213, 0.0015335091004297704, 0.0020243469857442104,
        -0.0006684154314821755, -0.00015662257158552883, 0.0001156790264876115, 1.533139992827395e-05,
        -1.913525810508439e-05, -2.741917330952609e-06, 3.2473628033900158e-06, 7.518490084938463e-07,
        -5.271825512671038e-07, -2.128703938869325e-07, 6.521818846022597e-08, 4.879977183589357e-08,
        -1.0935098174902018e-09, -6.401008851585772e-09, -1.2587247105161587e-09,
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


def erfc(e: Emitter, x: Value) -> Value:
    """1 - erf x near 0, else e^(-a²) times a quotient for a = |x|, taken from 2 for a negative x."""
    size = x.dtype.itemsize
    with e.strict():
        a = least(e, e.abs(x), _ZERO[size])
        square, square_low = two_product(e, a, a)
        n, r, rest = split_exactly(e, e.neg(square), e.neg(square_low))
        quotient, quotient_low = _tail_quotient(e, a)
        p = e.add(r, rest)
        value = scale(e, e.add(quotient, e.fma(quotient, p, e.fma(quotient_low, p, quotient_low))), n)
        value = e.select(e.lt(x, 0.0), e.sub(2.0, value), value)
        near = e.sub(1.0, e.fma(x, horner(e, square, _ERF_NEAR[size]), x))
        return e.select(e.lt(a, 0.6), near, value)


def _tail_quotient(e: Emitter, a: Value) -> tuple[Value, Value]:
    """e^(a²) erfc a, and what its roundings lost."""
    size = a.dtype.itemsize
    first, *coefficients = _ERFC[size]
    t = e.div(e.sub(a, _CENTRE[size]), e.add(a, _CENTRE[size]))
    p, p_low = quick_two_sum(e, e.const(first, a), e.mul(t, horner(e, t, coefficients)))
    divisor, divisor_low = two_sum(e, 1.0, e.add(a, a))
    inverse = e.div(e.const(1.0, a), divisor)
    quotient = e.mul(p, inverse)
    product, product_low = two_product(e, quotient, divisor)
    left = e.sub(e.sub(p, product), e.fma(quotient, divisor_low, product_low))
    return quotient, e.mul(e.add(left, p_low), inverse)
