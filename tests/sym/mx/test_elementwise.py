"""Elementwise layers against NumPy."""

import math

import numpy as np
import pytest

from tests.sym.mx.cases import case, check_gradients, check_values, draws

normal = draws(0)
A, B, ROW = normal(2, 3), normal(2, 3) + 3, normal(3)
TIES = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.49999999999999994, 3.2, -3.7])


def half_away(x):
    return np.sign(x) * np.where(np.abs(x) % 1 >= 0.5, np.ceil(np.abs(x)), np.floor(np.abs(x)))


def half_down(x):
    return np.where(x - np.floor(x) <= np.ceil(x) - x, np.floor(x), np.ceil(x))


def modulo(x, y):
    """What x // y leaves, and 0 where y is 0."""
    return np.where(y == 0, 0, x % np.where(y == 0, 1, y))


SMOOTH = (
    "arccos arcsin arctan arctanh cbrt cos cosh exp expm1 log log10 log1p log2 negative sin sinh sqrt square tan tanh"
)
PIECEWISE = "ceil floor sign trunc zeros_like ones_like"
COMPARED = {
    "equal": np.equal,
    "not_equal": np.not_equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "lesser": np.less,
    "lesser_equal": np.less_equal,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
}
COMBINED = {"power": np.power, "maximum": np.maximum, "minimum": np.minimum, "hypot": np.hypot, "mod": modulo}
PART = np.array([[0.25, 0.45, 0.7], [0.6, 0.35, 0.8]])  # within the domain of every function
OTHER = np.array([[0.5, 0.3, 0.3], [0.4, 0.6, 0.55]])
WHOLE, DIGITS = np.array([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]), np.array([0.0, 1.0, 1.0])


def as_float(compare):
    return lambda *xs: compare(*xs).astype(float)


UNARY = [
    *(case(name, [PART], getattr(np, name)) for name in SMOOTH.split()),
    *(case(name, [4 * A], getattr(np, name), smooth=False) for name in PIECEWISE.split()),
    case("_copy", [A], lambda x: x),
    case("abs", [A], np.abs),
    case("arccosh", [B], np.arccosh),
    case("arcsinh", [A], np.arcsinh),
    case("erf", [A], np.vectorize(math.erf)),
    case("reciprocal", [A], lambda x: 1 / x),
    case("rsqrt", [B], lambda x: 1 / np.sqrt(x)),
    case("relu", [A], lambda x: np.maximum(x, 0)),
    case("sigmoid", [A], lambda x: 1 / (1 + np.exp(-x))),
    case("softsign", [A], lambda x: x / (1 + np.abs(x))),
    case("degrees", [A], np.degrees),
    case("radians", [A], np.radians),
    case("rcbrt", [B], lambda x: 1 / np.cbrt(x)),
    case("rint", [TIES], half_down, smooth=False),
    case("round", [TIES], half_away, smooth=False),
    case("fix", [TIES], np.trunc, smooth=False),
    case("logical_not", [DIGITS], as_float(np.logical_not), smooth=False),
    case("hard_sigmoid", [4 * A], lambda x: np.clip(0.3 * x + 0.5, 0, 1), alpha=0.3),
    case("smooth_l1", [A], lambda x: np.where(abs(x) < 0.25, 2 * x * x, abs(x) - 0.125), scalar=2.0),
    case("clip", [A], lambda x: np.clip(x, -0.5, 0.7), a_min=-0.5, a_max=0.7),
]

BINARY = [
    *(case(f"_{name}", [PART, OTHER], f) for name, f in COMBINED.items()),
    *(case(f"broadcast_{name}", [PART, OTHER[0]], f) for name, f in COMBINED.items()),
    *(case(f"_{name}", [WHOLE, WHOLE.T.reshape(2, 3)], as_float(f), smooth=False) for name, f in COMPARED.items()),
    *(case(f"broadcast_{name}", [WHOLE, DIGITS], as_float(f), smooth=False) for name, f in COMPARED.items()),
    case("broadcast_mod", [A, np.array([2.0, -2.0, 0.0])], modulo, smooth=False),
    case("elemwise_add", [A, B], np.add),
    case("elemwise_sub", [A, B], np.subtract),
    case("elemwise_mul", [A, B], np.multiply),
    case("elemwise_div", [A, B], np.divide),
    case("broadcast_add", [A, ROW], np.add),
    case("broadcast_sub", [A, ROW], np.subtract),
    case("broadcast_mul", [A, ROW], np.multiply),
    case("broadcast_div", [A, ROW], np.divide),
    case("add_n", [A, B, A + B], lambda *xs: sum(xs)),
]

WITH_NUMBER = [
    *(case(f"_{name}_scalar", [PART], lambda x, f=f: f(x, 0.55), scalar=0.55) for name, f in COMBINED.items()),
    *(
        case(f"_{name}_scalar", [WHOLE], lambda x, f=f: as_float(f)(x, 1.0), smooth=False, scalar=1.0)
        for name, f in COMPARED.items()
    ),
    case("_plus_scalar", [A], lambda x: x + 2.5, scalar=2.5),
    case("_minus_scalar", [A], lambda x: x - 2.5, scalar=2.5),
    case("_rminus_scalar", [A], lambda x: 2.5 - x, scalar=2.5),
    case("_mul_scalar", [A], lambda x: x * 2.5, scalar=2.5),
    case("_div_scalar", [A], lambda x: x / 2.5, scalar=2.5),
    case("_rdiv_scalar", [B], lambda x: 2.5 / x, scalar=2.5),
    case("_rpower_scalar", [A], lambda x: 2.5**x, scalar=2.5),
    case("_rmod_scalar", [PART], lambda x: 0.99 % x, scalar=0.99),
    case("_plus_scalar", [np.arange(4)], lambda x: x + 2, smooth=False, scalar=2.5),
]

every_kind = pytest.mark.parametrize("cases", [UNARY, BINARY, WITH_NUMBER], ids=["one", "two", "one and a number"])


@every_kind
@pytest.mark.parametrize("typed", [True, False], ids=["typed", "untyped"])
def test_values_are_those_of_numpy(cases, typed):
    check_values(cases, typed)


@every_kind
def test_gradients_agree_with_differences(cases):
    check_gradients(cases)
