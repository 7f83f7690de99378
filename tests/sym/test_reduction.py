"""Reductions by NumPy's names: values, dtypes, axes, and derivatives at the delicate places."""

import numpy as np
import pytest
from scipy.special import logsumexp, softmax

from graphc import sym
from graphc.autodiff.api import grad
from graphc.errors import DTypeError, ShapeError
from graphc.interpret import interpret
from graphc.types import Dim

NAMES = ("sum", "prod", "max", "min", "amax", "amin", "any", "all", "mean", "var", "std", "argmax", "argmin")
AXES = (None, 0, -1, (0, 2), (1, -3), ())
DTYPES = ("bool", "int8", "uint16", "int64", "float32", "float64")
DATA = np.random.default_rng(0).integers(0, 5, (2, 3, 4))
variable = {"var": sym.variance}


def assert_like_numpy(got, expected, rtol=1e-6):
    assert got.dtype == expected.dtype and got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=rtol, atol=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_reduction_is_numpys(name, dtype):
    for axis in AXES if "arg" not in name else (None, 0, -1):
        if axis == () and name in ("mean", "var", "std") and np.dtype(dtype).kind != "f":
            continue
        for keepdims in (False, True):
            expected = getattr(np, name)(DATA.astype(dtype), axis=axis, keepdims=keepdims)
            for shape in (DATA.shape, ("a", 3, "b")):
                x = sym.var("x", shape=shape, dtype=dtype)
                node = variable.get(name, getattr(sym, name))(x, axis=axis, keepdims=keepdims)
                assert_like_numpy(interpret(node, {x: DATA.astype(dtype)}), np.asarray(expected))


@pytest.mark.parametrize("name", ["sum", "prod", "mean"])
def test_given_dtype_is_the_one_computed_in(name):
    for dtype in ("float32", "float64"):
        expected = getattr(np, name)(DATA, axis=1, dtype=dtype)
        assert_like_numpy(interpret(getattr(sym, name)(DATA, axis=1, dtype=dtype), {}), expected)


def test_mean_of_integers_is_of_the_default_float():
    assert sym.mean(np.arange(3)).dtype == np.float64
    assert sym.mean(np.arange(3, dtype=np.float32)).dtype == np.float32


@pytest.mark.parametrize("ddof", [0, 1, 0.5, 24, 30])
def test_variance_divides_by_the_count_less_ddof(ddof):
    data = DATA.astype(float)
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning) if ddof >= 24 else np.errstate():
        expected = np.var(data, ddof=ddof)
    for shape in (data.shape, ("n", 3, 4)):
        x = sym.var("x", shape=shape)
        for node in (x.var(ddof=ddof), x.var(correction=ddof), x.std(ddof=ddof) ** 2):
            np.testing.assert_allclose(interpret(node, {x: data}), expected)


def test_variance_of_large_numbers_keeps_its_digits():
    data = 1e9 + np.array([1.0, 2.0, 4.0])
    np.testing.assert_allclose(interpret(sym.variance(data), {}), np.var(data), rtol=1e-12)


def test_reductions_of_nothing_are_identities():
    empty = np.zeros((0, 3))
    for name in ("sum", "prod", "any", "all"):
        assert_like_numpy(interpret(getattr(sym, name)(empty, axis=0), {}), getattr(np, name)(empty, axis=0))
    assert np.isnan(interpret(sym.mean(empty, axis=0), {})).all()


@pytest.mark.parametrize("name", ["max", "min", "argmax", "argmin"])
def test_extreme_of_nothing_is_an_error(name):
    with pytest.raises(ShapeError, match=r"has no elements to choose from \(test_reduction.py:\d+\)"):
        getattr(sym, name)(np.zeros((0, 3)), axis=0)


@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_first_of_equal_extremes_wins_and_nan_is_extreme(name):
    nan = np.nan
    for data in ([3, 5, 5, 1, 1], [nan, 1, nan], [1, nan, 2, nan], [np.inf, np.inf], [-np.inf, 0], [True, False, True]):
        array = np.array(data)
        assert interpret(getattr(sym, name)(array), {}) == getattr(np, name)(array)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda x: sym.sum(x, axis=2),
            r"sum: float64\[n, 3\] has no axis 2 \(test_reduction.py:\d+\); axes run from -2",
        ),
        (lambda x: x.mean(axis=(0, -2)), r"mean: axis=\(0, -2\) names an axis twice"),
        (lambda x: sym.argmax(x, axis=-3), "argmax: .* has no axis -3"),
        (lambda x: sym.any(sym.sum(x), axis=0), r"any: bool\[\] has no axis 0 .*; a scalar has no axes"),
        (lambda x: sym.norm(x, 2), "ord=2 over 2 axes is a norm of matrices .*; give one axis"),
        (lambda x: sym.norm(x, 3, axis=0), "ord=3 is not supported"),
    ],
)
def test_wrong_reduction_says_what_and_where(call, message):
    with pytest.raises(ShapeError, match=message):
        call(sym.var("x", shape=("n", 3)))


def test_sum_in_bool_is_an_error():
    with pytest.raises(DTypeError, match="sum: .* is not of numbers"):
        sym.sum(np.ones(3), dtype="bool")


def test_reductions_before_typing_are_replayed():
    x = sym.var("x")
    got = interpret([x.sum(axis=0), x.std(), sym.norm(x), x.argmax(axis=1)], {x: DATA[0] * 1.0})
    data = DATA[0] * 1.0
    for a, b in zip(got, [data.sum(axis=0), data.std(), np.linalg.norm(data), data.argmax(axis=1)], strict=True):
        np.testing.assert_allclose(a, b)


# -- logsumexp and norms ------------------------------------------------------------------------------

ROWS = np.array([[0.0, 1.0, 2.0], [1000.0, 1001.0, 999.0], [-np.inf, 0.0, -np.inf], [-1e300, -1e300, -1e300]])
EMPTY_ROW = np.full((1, 3), -np.inf)


@pytest.mark.parametrize("axis", [None, 0, -1, (0, 1)])
def test_logsumexp_is_scipys(axis):
    for keepdims in (False, True):
        for data in (ROWS, np.vstack([ROWS, EMPTY_ROW]), ROWS * np.array([1, 1, np.inf]) if axis == -1 else ROWS):
            with np.errstate(all="ignore"):
                expected = logsumexp(data, axis=axis, keepdims=keepdims)
            np.testing.assert_allclose(interpret(sym.logsumexp(data, axis, keepdims), {}), expected, rtol=1e-14)


def test_gradient_of_logsumexp_is_softmax_and_zero_where_all_is_lost():
    x = sym.var("x", shape=("n", 3))
    data = np.vstack([ROWS, EMPTY_ROW])
    gradient = interpret(grad(sym.logsumexp(x, axis=1).sum(), x), {x: data})
    np.testing.assert_allclose(gradient[:-1], softmax(ROWS, axis=1), rtol=1e-12)
    np.testing.assert_array_equal(gradient[-1], 0)


def test_second_derivative_of_logsumexp_is_that_of_softmax():
    x, data = sym.var("x", shape=3), np.array([0.5, -1.0, 2.0])
    p = softmax(data)
    first = grad(sym.logsumexp(x), x)
    np.testing.assert_allclose(interpret(grad(first[0], x), {x: data}), p[0] * ((np.arange(3) == 0) - p))


@pytest.mark.parametrize("ord", [None, 2, 1, np.inf])
def test_norm_is_numpys(ord):
    data = np.arange(-4.0, 8).reshape(3, 4)
    for axis in (0, -1):
        for keepdims in (False, True):
            expected = np.linalg.norm(data, ord, axis, keepdims)
            np.testing.assert_allclose(interpret(sym.norm(data, ord, axis, keepdims), {}), expected)
    np.testing.assert_allclose(interpret(sym.norm(data.ravel(), ord), {}), np.linalg.norm(data.ravel(), ord))
    np.testing.assert_allclose(interpret(sym.norm(data), {}), np.linalg.norm(data))


@pytest.mark.parametrize("ord", [None, 1, np.inf])
def test_derivatives_of_norm_at_zero_are_zero(ord):
    x = sym.var("x", shape=3)
    first = grad(sym.norm(x, ord), x)
    second = grad(first.sum(), x)
    for gradient in interpret([first, second], {x: np.zeros(3)}):
        np.testing.assert_array_equal(gradient, np.zeros(3))


def test_derivative_of_std_of_equal_elements_is_zero():
    x = sym.var("x", shape=("n",))
    np.testing.assert_array_equal(interpret(grad(x.std(), x), {x: np.full(4, 3.0)}), np.zeros(4))
    assert np.isnan(interpret(x.std(), {x: np.array([1.0, np.nan])}))


def test_gradient_of_mean_shares_the_count_of_a_symbolic_axis():
    x = sym.var("x", shape=("n", 2))
    gradient = grad((x * x).mean(), x)
    assert gradient.shape == (Dim.symbol("n"), 2)
    np.testing.assert_allclose(interpret(gradient, {x: np.ones((5, 2))}), np.full((5, 2), 0.2))
