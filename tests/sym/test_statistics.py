"""Weighted averages, covariances, and what leaves out NaNs: NumPy's values, and derivatives."""

import warnings

import numpy as np
import pytest

from graphc import compile, grad, interpret, sym
from graphc.errors import ShapeError
from tests.sym.calls import call, check_derivatives, check_values

NAN = ("nansum", "nanprod", "nanmax", "nanmin", "nanmean", "nanvar", "nanstd")
AXES = (None, 0, (1, 0))
CALLS = [
    *(call(name, (3, 4), axis=axis, keepdims=axis == 0) for name in ("ptp", "count_nonzero", *NAN) for axis in AXES),
    call("average", (3, 4), axis=1),
    call("cov", (3, 5)),
    call("cov", (5,)),
    call("cov", (3, 5), bias=True),
    call("cov", (3, 5), rowvar=False),
    call("cov", (3, 5), (2, 5), ddof=2),
    call("corrcoef", (3, 5)),
    call("corrcoef", (5,), (5,)),
]
HOLES = np.array([[1.0, np.nan, 3.0], [np.nan] * 3, [2.0, 5.0, np.inf]])


def test_values_are_numpys():
    check_values(CALLS, [("float64",)])
    check_values([each for each in CALLS if each.name not in ("cov", "corrcoef")], [("float32",), ("int8",)])
    assert sym.cov(np.ones((3, 2), np.float32)).dtype == np.float32  # NumPy's is of double precision always


@pytest.mark.parametrize("name", NAN)
def test_nan_is_left_out(name):
    x = sym.var("x", shape=("n", 3))
    for axis in (None, 0, 1):
        with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
            expected = getattr(np, name)(HOLES, axis)
        np.testing.assert_allclose(compile(x, getattr(sym, name)(x, axis))(HOLES), expected)


@pytest.mark.parametrize(
    ("axis", "shape"), [(None, (2, 3, 4)), (1, (3,)), ((0, 2), (2, 4)), ((2, 0), (4, 2)), (0, (2, 3, 4))]
)
def test_weights_are_of_the_whole_shape_or_of_the_axes(axis, shape):
    x, w = np.random.default_rng(0).normal(size=(2, 3, 4)), np.random.default_rng(1).uniform(1, 2, shape)
    for keepdims in (False, True):
        found = interpret(sym.average(x, axis, w, keepdims), {})
        np.testing.assert_allclose(found, np.average(x, axis, w, keepdims=keepdims))


@pytest.mark.parametrize("each", [each for each in CALLS if each.name not in ("count_nonzero", "nanstd")], ids=str)
def test_derivatives_and_instances_are_those_of_a_loop(each):
    check_derivatives(each)


def test_counts_are_numpys_as_far_as_the_length_goes():
    data, weights = np.array([1, 4, 1, 0, 6, 2]), np.array([0.5, 1.0, 2.0, 3.0, 4.0, 5.0])
    for x in (sym.var("x", shape=(6,), dtype="int64"), sym.var("x")):
        found = compile(x, [sym.bincount(x, length=k) for k in (7, 9, 3)])(data)
        for counts, k in zip(found, (7, 9, 3), strict=True):
            np.testing.assert_array_equal(counts, np.bincount(data, minlength=k)[:k])
        weighted = compile(x, sym.bincount(x, weights, length=7))(data)
        np.testing.assert_array_equal(weighted, np.bincount(data, weights))
    w = sym.var("w", shape=(6,))
    gradient = interpret(grad(sym.bincount(data, w, length=3)[1], w), {w: weights})
    np.testing.assert_array_equal(gradient, [1, 0, 1, 0, 0, 0])
    with pytest.raises(ShapeError, match="bincount: .* is no vector of integers"):
        sym.bincount(weights, length=3)


def test_numpys_sum_without_nan_is_no_layer():
    assert sym.nansum(np.ones(3)).shape == () and sym.mx.nansum(sym.var("x", shape=(3,))).shape == (1,)


def test_weights_that_do_not_fit_are_an_error():
    with pytest.raises(ShapeError, match=r"average: weights of float64\[2\] do not fit float64\[2, 3\] along \(1,\)"):
        sym.average(np.ones((2, 3)), 1, np.ones(2))
