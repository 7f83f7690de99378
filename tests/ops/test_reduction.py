"""Reductions: types, identities, and derivatives where they are delicate: ties, zeros, several axes."""

import itertools

import numpy as np
import pytest

from graphc import sym
from graphc.autodiff.api import grad, jvp
from graphc.errors import DTypeError, ShapeError
from graphc.interpret import interpret
from graphc.ops.reduction import MAX, MIN, PROD, SUM, highest, lowest
from graphc.types import Dim

n = Dim.symbol("n")


def test_reduced_axes_are_dropped_and_symbolic_ones_stay():
    x = sym.var("x", shape=("n", 3, "m"))
    assert SUM(x, axes=(1, 2)).shape == (n,)
    assert MAX(x, axes=(0,)).shape == (3, Dim.symbol("m"))


def test_sum_of_booleans_needs_a_cast():
    with pytest.raises(DTypeError, match=r"sum: bool\[3\] is not of numbers"):
        SUM(sym.var("x", shape=3, dtype="bool"), axes=(0,))


@pytest.mark.parametrize("op", [MAX, MIN], ids=str)
def test_extreme_of_nothing_is_an_error_but_no_axis_of_nothing_is_not(op):
    x = sym.var("x", shape=(0, 3))
    with pytest.raises(ShapeError, match=f"{op}: .* has no elements to choose from"):
        op(x, axes=(0,))
    assert op(x, axes=(1,)).shape == (0,)


def test_identities_bound_every_value():
    for name in ("bool", "int8", "uint16", "int64", "float32"):
        dtype = np.dtype(name)
        values = np.array([0, 1]).astype(dtype)
        assert (values >= lowest(dtype)).all() and (values <= highest(dtype)).all()
        assert dtype.type(lowest(dtype)) == lowest(dtype)


def test_ties_share_the_derivative_of_max_equally():
    x = sym.var("x", shape=(2, 3))
    data = np.array([[1.0, 5.0, 5.0], [5.0, 2.0, 0.0]])
    np.testing.assert_allclose(interpret(grad(x.max(), x), {x: data}), (data == 5) / 3)
    ones = jvp(x.min(axis=1), x, np.arange(6.0).reshape(2, 3))
    np.testing.assert_allclose(interpret(ones, {x: np.zeros((2, 3))}), [1.0, 4.0])


# -- products: derivatives of any order are products of fewer elements ------------------------------


def others(data, *places):
    return np.prod([v for k, v in enumerate(data.ravel()) if k not in places])


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("zeros", [0, 1, 2, 3])
def test_gradient_of_prod_is_the_product_of_the_others(size, zeros):
    data = np.arange(1.0, size + 1)
    data[:zeros] = 0
    for shape in ((size,), ("n",)):
        x = sym.var("x", shape=shape)
        gradient = interpret(grad(x.prod(), x), {x: data})
        np.testing.assert_allclose(gradient, [others(data, k) for k in range(size)])


@pytest.mark.parametrize("zeros", [0, 1, 2, 3])
def test_second_and_third_derivatives_of_prod_are_exact_at_zeros(zeros):
    data = np.array([0.0] * zeros + [2.0, 3.0, 5.0, 7.0][zeros:])
    x = sym.var("x", shape=4)
    first = grad(x.prod(), x)
    second = [grad(first[i], x) for i in range(4)]
    third = grad(second[0][1], x)
    got = interpret([second, third], {x: data})
    expected = [[0 if i == k else others(data, i, k) for k in range(4)] for i in range(4)]
    np.testing.assert_array_equal(got[0], expected)
    np.testing.assert_array_equal(got[1], [0, 0, others(data, 0, 1, 2), others(data, 0, 1, 3)])


def test_derivative_of_prod_over_several_axes_runs_along_each():
    data = np.arange(12.0).reshape(2, 3, 2)
    for shape in ((2, 3, 2), ("n", 3, "m"), (2, "n", 2)):
        x = sym.var("x", shape=shape)
        gradient = interpret(grad(x.prod(axis=(0, 2)).sum(), x), {x: data})
        for i, j, k in itertools.product(range(2), range(3), range(2)):
            assert gradient[i, j, k] == pytest.approx(others(data[:, j, :], 2 * i + k))


def test_prod_over_no_axis_has_a_gradient_of_ones():
    x = sym.var("x", shape=3)
    np.testing.assert_array_equal(interpret(grad(PROD(x, axes=()).sum(), x), {x: np.zeros(3)}), np.ones(3))
