"""Elementwise functions: dtypes, NumPy's values at the edges, and derivatives at kinks."""

import math

import numpy as np
import pytest

from graphc import compile, grad, interpret, sym
from graphc.errors import DTypeError, ShapeError
from graphc.ops.declare import accumulate
from graphc.ops.elementwise import ADD, LOG, WHERE
from graphc.types import BOOL, Dim

FLOATS = [np.dtype(np.float32), np.dtype(np.float64)]
INTEGERS = [np.dtype(name) for name in ["int8", "uint8", "int32", "int64", "uint64"]]
ALIASES = {
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "atan2": "arctan2", "asinh": "arcsinh", "acosh": "arccosh",
    "atanh": "arctanh", "pow": "power", "mod": "remainder", "absolute": "abs", "true_divide": "divide",
    "invert": "bitwise_invert", "bitwise_not": "bitwise_invert", "left_shift": "bitwise_left_shift",
    "right_shift": "bitwise_right_shift", "cast": "astype", "detach": "stop_gradient",
}  # fmt: skip


def evaluate(function, *arrays):
    """The function of arrays, compiled; the interpreter must agree."""
    xs = [sym.var(shape=np.shape(a), dtype=np.asarray(a).dtype) for a in arrays]
    node = function(*xs)
    result = compile(xs, node)(*arrays)
    np.testing.assert_array_equal(result, interpret(node, dict(zip(xs, arrays))))
    return result


def slopes(function, *numbers):
    """The derivatives of a function of scalars, by the interpreter."""
    xs = [sym.var(shape=()) for _ in numbers]
    return [float(g) for g in interpret(grad(function(*xs), xs), dict(zip(xs, numbers)))]


def pairs(values, dtype):
    return [grid.ravel() for grid in np.meshgrid(np.array(values, dtype), np.array(values, dtype))]


def extremes(dtype):
    info = np.iinfo(dtype)
    return [int(info.min), int(info.min) + 1, 0, 1, 2, 3, 7, int(info.max), *([-1, -2, -7] if info.min else [])]


# -- names and dtypes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted({*sym.elementwise.__all__} - {"cast", "detach"}))
def test_public_functions_are_named_as_in_numpy_or_the_array_standard(name):
    extra = {"rsqrt", "sigmoid", "softplus", "erf", "erfc", "stop_gradient"}
    assert hasattr(np, name) or name in extra


@pytest.mark.parametrize("alias, name", ALIASES.items())
def test_aliases_are_the_same_function(alias, name):
    assert getattr(sym, alias) is getattr(sym, name)


@pytest.mark.parametrize(
    "function", [sym.exp, sym.sqrt, sym.tanh, sym.reciprocal, sym.sigmoid], ids=lambda f: f.__name__
)
@pytest.mark.parametrize("dtype", ["bool", "int8", "int64", "uint32"])
def test_float_functions_of_integers_give_the_default_float(function, dtype):
    assert function(sym.var(shape=3, dtype=dtype)).dtype == np.float64


def test_true_division_of_integers_is_a_float():
    k = sym.var("k", shape=3, dtype="int32")
    assert (k / k).dtype == np.float64


@pytest.mark.parametrize("name", ["floor", "ceil", "trunc", "round", "abs"])
def test_rounding_leaves_integers_as_they_are(name):
    assert getattr(sym, name)(sym.var(shape=3, dtype="int8")).dtype == np.int8


def test_rint_of_integers_is_a_float_as_numpy_has_it():
    assert sym.rint(sym.var(shape=3, dtype="int64")).dtype == np.rint(np.arange(3)).dtype == np.float64


def test_square_of_bools_counts():
    assert sym.square(sym.var(shape=3, dtype="bool")).dtype == np.square([True]).dtype == np.int8


@pytest.mark.parametrize("name", ["floor_divide", "remainder", "power", "left_shift", "right_shift"])
def test_counting_with_bools_gives_int8_as_numpy_does(name):
    b = sym.var(shape=3, dtype="bool")
    assert getattr(sym, name)(b, b).dtype == getattr(np, name)([True], [True]).dtype == np.int8


def test_comparisons_and_predicates_give_bools():
    x, k = sym.var(shape=3), sym.var(shape=3, dtype="int64")
    assert {(x < k).dtype, (k == 1).dtype, sym.isnan(x).dtype, sym.isfinite(k).dtype} == {BOOL}


def test_integers_are_finite_and_no_nan():
    k = np.array([0, 1, 2])
    assert evaluate(sym.isfinite, k).all() and not evaluate(sym.isnan, k).any() and not evaluate(sym.isinf, k).any()


def test_sum_and_product_of_bools_are_or_and_and():
    a, b = pairs([False, True], bool)
    np.testing.assert_array_equal(evaluate(sym.add, a, b), a | b)
    np.testing.assert_array_equal(evaluate(sym.multiply, a, b), a & b)


@pytest.mark.parametrize("name", ["subtract", "negative", "sign"])
def test_bools_are_no_numbers(name):
    b = sym.var(shape=3, dtype="bool")
    with pytest.raises(DTypeError, match=rf"{name}: bools are no numbers \(test_elementwise\.py:\d+\)"):
        getattr(sym, name)(*[b, b][: 2 if name == "subtract" else 1])


def test_bits_of_floats_are_an_error():
    with pytest.raises(DTypeError, match="bitwise_and: float64 has no bits"):
        sym.var(shape=3) & 1


def test_integer_to_a_negative_number_is_an_error():
    with pytest.raises(DTypeError, match=r"power: int64\[3\] to the power -1 is no integer"):
        sym.var(shape=3, dtype="int64") ** -1


def test_logical_functions_take_numbers():
    a, b = pairs([0.0, 2.0, -1.0], float)
    np.testing.assert_array_equal(evaluate(sym.logical_xor, a, b), np.logical_xor(a, b))
    np.testing.assert_array_equal(evaluate(sym.logical_not, a), a == 0)


def test_cast_to_the_own_dtype_is_nothing():
    x = sym.var(shape=3)
    assert x.astype(float) is x


def test_core_operators_refuse_what_public_functions_would_mend():
    x, k = sym.var(shape=3), sym.var(shape=3, dtype="int64")
    with pytest.raises(DTypeError, match=r"add: float64\[3\] and int64\[3\] have different dtypes"):
        ADD(x, k)
    with pytest.raises(ShapeError, match=r"add: float64\[3\] and float64\[4\] have different shapes"):
        ADD(x, sym.var(shape=4))
    with pytest.raises(DTypeError, match=r"log: int64\[3\] is not of floats"):
        LOG(k)
    with pytest.raises(DTypeError, match="where: int64.* is no condition"):
        WHERE(k, x, x)


def test_elementwise_functions_keep_symbolic_extents():
    x = sym.var(shape=("n", 3))
    assert sym.where(x > 0, sym.exp(x), 0).shape == (Dim.symbol("n"), 3)


# -- values at the edges ------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
@pytest.mark.parametrize("name", ["floor_divide", "remainder", "left_shift", "right_shift"])
def test_integer_operators_agree_with_numpy_at_extremes_and_never_trap(name, dtype):
    a, b = pairs(extremes(dtype), dtype)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(evaluate(getattr(sym, name), a, b), getattr(np, name)(a, b))


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_integer_power_wraps_as_numpys_and_truncates_at_negative_exponents(dtype):
    a, b = pairs(extremes(dtype), dtype)
    result = evaluate(sym.power, a, b)
    positive = b >= 0
    np.testing.assert_array_equal(result[positive], a[positive] ** b[positive])
    bases, odd = a[~positive].tolist(), (b[~positive] % 2).tolist()
    assert result[~positive].tolist() == [x**k if x in (1, -1) else 0 for x, k in zip(bases, odd)]


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("name", ["floor_divide", "remainder", "maximum", "minimum", "copysign"])
def test_float_operators_agree_with_numpy_at_special_values(name, dtype):
    a, b = pairs([-np.inf, -7.5, -1.0, -0.0, 0.0, 0.5, 2.0, 3.0, 1e30, np.inf, np.nan], dtype)
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(a, b)
    result = evaluate(getattr(sym, name), a, b)
    np.testing.assert_array_equal(result, expected)
    numbers = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(result)[numbers], np.signbit(expected)[numbers])


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_floats_become_integers_by_truncation_and_saturate(dtype):
    x = np.array([-np.inf, -1e30, -2.7, -0.5, 0.5, 2.7, 1e30, np.inf, np.nan])
    info = np.iinfo(dtype)
    expected = [0 if math.isnan(v) else int(np.clip(v, -2e19, 2e19)) for v in x.tolist()]
    expected = [min(max(v, int(info.min)), int(info.max)) for v in expected]
    assert evaluate(lambda x: sym.cast(x, dtype), x).tolist() == expected


@pytest.mark.parametrize("decimals", [-2, -1, 0, 1, 2])
def test_round_is_numpys(decimals):
    x = np.array([-250.0, -0.5, 0.5, 1.5, 2.5, 2.25, 2.675, 1234.5678])
    np.testing.assert_array_equal(evaluate(lambda x: sym.round(x, decimals), x), np.round(x, decimals))
    k = np.array([-250, 15, 25, 1234])
    np.testing.assert_array_equal(evaluate(lambda k: sym.round(k, decimals), k), np.round(k, decimals))


@pytest.mark.parametrize("bounds", [(0, None), (None, 1), (-1, 0.5), ([0, 1, 2], 5)])
def test_clip_is_numpys(bounds):
    x = np.array([-2.0, 1.0, np.nan])
    np.testing.assert_array_equal(evaluate(lambda x: sym.clip(x, *bounds), x), np.clip(x, *bounds))


def test_sign_of_nan_is_nan():
    np.testing.assert_array_equal(evaluate(sym.sign, np.array([np.nan, -0.0, -3.0])), [np.nan, 0, -1])


# -- derivatives at kinks -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "function, point, expected",
    [
        (sym.abs, (0,), [0]),
        (sym.sqrt, (0,), [math.inf]),
        (sym.maximum, (1, 1), [0.5, 0.5]),
        (sym.minimum, (1, 1), [0.5, 0.5]),
        (sym.maximum, (1, 2), [0, 1]),
        (sym.minimum, (1, 2), [1, 0]),
        (sym.hypot, (0, 0), [0, 0]),
        (sym.arctan2, (0, 0), [0, 0]),
        (sym.arctan2, (1e-200, 0), [0, -1e200]),
        (sym.arctan2, (0, 1e200), [1e-200, 0]),
        (sym.power, (0, 0), [0, 0]),
        (sym.power, (0, 2), [0, 0]),
        (sym.power, (0, 1), [1, 0]),
        (sym.power, (0, -1), [-math.inf, 0]),
        (sym.power, (-2, 3), [12, math.nan]),
        (sym.logaddexp, (-math.inf, 1), [0, 1]),
        (sym.logaddexp, (-math.inf, -math.inf), [0.5, 0.5]),
        (sym.logaddexp, (math.inf, 1), [1, 0]),
        (sym.copysign, (2, -1), [-1, 0]),
        (sym.floor, (1.5,), [0]),
        (lambda x: x**0, (0,), [0]),
        (lambda x: x**1, (0,), [1]),
        (lambda x: x**2, (0,), [0]),
        (lambda x: x**0.5, (4,), [0.25]),
        (lambda x: 0**x, (2,), [0]),
        (lambda x: sym.clip(x, 0, 1), (0.5,), [1]),
        (lambda x: sym.clip(x, 0, 1), (2,), [0]),
        (lambda x: sym.where(x > 0, sym.sqrt(x), 0), (0,), [0]),
        (lambda x: sym.where(x < 0, sym.sqrt(-x), 0), (0,), [0]),
        (lambda x: sym.where(x == 0, 1, sym.sin(x) / x), (0,), [0]),
        (lambda x: sym.where(x > 0, sym.log(x) * sym.log(x), x), (0,), [1]),
        (lambda x: sym.where(x > 0, sym.where(x > 1, x, sym.rsqrt(x)), x), (0,), [1]),
        (lambda x: sym.cast(sym.where(x > 0, sym.cast(sym.sqrt(x), "float32"), 0), "float64"), (0,), [0]),
    ],
)
def test_derivative_at_a_kink(function, point, expected):
    np.testing.assert_allclose(slopes(function, *point), expected, rtol=1e-6)


@pytest.mark.parametrize(
    "function, point, expected",
    [
        (lambda x: x**1, 0, 0),
        (lambda x: x**2, 0, 2),
        (lambda x: x**3, 0, 0),
        (sym.abs, 0, 0),
        (lambda x: sym.logaddexp(x, 1), 1, 0.25),
        (lambda x: sym.where(x > 0, sym.sqrt(x), 0), 0, 0),
        (lambda x: sym.where(x > 0, sym.log(x), x * x), 0, 2),
        (lambda x: sym.where(x == 0, 0, x * sym.log(x)), 0, 0),
    ],
)
def test_second_derivative_at_a_kink(function, point, expected):
    x = sym.var(shape=())
    second = grad(grad(function(x), x), x)
    assert float(interpret(second, {x: point})) == expected


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0, 3.0])
def test_derivative_of_a_power_with_an_exponent_that_is_data_is_finite_at_zero(exponent):
    x, p = sym.var(shape=()), sym.var(shape=())
    first = grad(x**p, x)
    values = interpret([first, grad(first, x)], {x: 0.0, p: exponent})
    assert [float(v) for v in values] == {0: [0, 0], 1: [1, 0], 2: [0, 2], 3: [0, 0]}[int(exponent)]


def test_derivative_of_a_constant_power_is_a_product():
    x = sym.var(shape=())
    assert grad(x**3, x) is sym.ones(()) * 3 * x**2.0


def test_sum_of_cotangents_with_one_mask_stays_masked():
    x, c = sym.var(shape=3), sym.var(shape=3, dtype="bool")
    g, h = sym.exp(x), sym.cos(x)
    assert accumulate(sym.where(c, g, 0), sym.where(c, h, 0)) is sym.where(c, g + h, 0)
    assert accumulate(sym.where(c, g, 0), h) is sym.where(c, g, 0) + h


def test_cast_has_a_derivative_between_floats_only():
    x = sym.var(shape=())
    assert slopes(lambda x: sym.cast(sym.cast(x, "float32"), "float64"), 2.0) == [1]
    assert slopes(lambda x: sym.cast(sym.cast(x, "int64"), "float64"), 2.0) == [0]
    assert grad(sym.cast(x, "float32"), x).dtype == np.float64


def test_stop_gradient_is_a_constant_for_derivatives():
    x = sym.var("x", shape=())
    assert grad(x.detach() * x, x) is sym.ones(()) * x.detach()
