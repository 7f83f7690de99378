"""Numerical derivatives: they agree with right gradients and reject wrong ones."""

import numpy as np
import pytest

from graphc import sym
from graphc.check import check_gradient, differences
from graphc.errors import BindError, GradientError


@pytest.fixture
def x():
    return sym.var("x", shape=(3,), dtype="float64")


def test_right_gradient_passes_with_a_small_error(x):
    w = sym.var("w", shape=(3, 2), dtype="float64")
    y = sym.sum(sym.tanh(sym.matmul(x, w)) ** 2)
    rng = np.random.default_rng(0)
    assert check_gradient(y, [x, w], {"x": rng.normal(size=3), "w": rng.normal(size=(3, 2))}) < 1e-9


def test_float32_is_checked_within_its_accuracy():
    x = sym.var("x", shape=(3,), dtype="float32")
    assert check_gradient(sym.sum(sym.sin(x)), x, {"x": [0.1, 1, 2]}) < 1e-2


def test_variables_take_the_types_of_the_data():
    x, w = sym.var("x"), sym.var("w")
    assert check_gradient(sym.sum(x**2 * w), {"x": x}, {"x": [1.0, 2.0], "w": np.ones(2)}) < 1e-9


def test_wrong_gradient_is_an_error_that_names_the_element(x):
    y = sym.sum(x * sym.stop_gradient(x))
    with pytest.raises(GradientError, match=r"d/dx\[\d\] is .*, but differences give"):
        check_gradient(y, x, {"x": np.array([1.0, 2, 3])})


def test_callers_data_is_left_alone(x):
    data = np.array([1.0, 2, 3])
    check_gradient(sym.sum(x * x), x, {"x": data})
    np.testing.assert_array_equal(data, [1, 2, 3])


def test_error_falls_with_the_fourth_power_of_the_step():
    point = np.array([1.0])
    errors = [abs(differences(lambda: np.exp(point[0]), [point], h)[0][0] - np.e) for h in (0.1, 0.05)]
    assert 15 < errors[0] / errors[1] < 17


def test_wrong_questions_are_errors(x):
    with pytest.raises(GradientError, match="variables only"):
        check_gradient(x.sum(), x * x, {"x": np.ones(3)})
    with pytest.raises(BindError, match="no value to x"):
        check_gradient(x.sum(), x, {})
