"""Running totals and differences against NumPy's: values, dtypes, derivatives, instances."""

import numpy as np
import pytest

import graphc
from graphc import sym
from graphc.errors import ShapeError
from graphc.graph import Graph
from graphc.interpret import interpret
from graphc.io.json import from_json, to_json
from tests.batching.programs import check
from tests.sym.test_reduction import DTYPES, assert_like_numpy

SHAPES = [((5,), 0), ((2, 3, 4), 0), ((2, 3, 4), 1), ((2, 3, 4), -1), ((2, 3), None), ((), None)]
SHAPES += [((0, 3), 0), ((3, 0), 0), ((1,), 0)]
TOTALS = {"cumsum": np.cumsum, "cumprod": np.cumprod, "logcumsumexp": lambda x, axis: np.logaddexp.accumulate(x, axis)}


def draw(shape, dtype):
    return np.random.default_rng(0).integers(0, 4, shape).astype(dtype)


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
@pytest.mark.parametrize("name", ["cumsum", "cumprod"])
def test_running_total_is_numpys(name, shape, axis):
    for dtype in DTYPES:
        data = draw(shape, dtype)
        expected = getattr(np, name)(data, axis=axis)
        named = tuple(f"n{n}" for n in shape)
        for declared in ({"shape": shape, "dtype": dtype}, {"shape": named, "dtype": dtype}, {}):
            x = sym.var("x", **declared)
            node = getattr(x, name)(axis=axis)
            assert_like_numpy(interpret(node, {x: data}), expected)
            assert_like_numpy(graphc.compile(x, node)(data), expected)


@pytest.mark.parametrize("name", ["cumulative_sum", "cumulative_prod"])
def test_total_of_none_comes_first_if_asked(name):
    for shape, axis in (((2, 3), 0), ((2, 3), -1), ((4,), None), ((0,), None)):
        for include in (False, True):
            data = draw(shape, "int16")
            node = getattr(sym, name)(data, axis=axis, include_initial=include)
            assert_like_numpy(interpret(node, {}), getattr(np, name)(data, axis=axis, include_initial=include))


def test_given_dtype_of_a_running_total_is_the_one_computed_in():
    data = draw((3, 4), "int8")
    for dtype in ("float32", "int8"):
        assert_like_numpy(interpret(sym.cumsum(data, 1, dtype), {}), np.cumsum(data, 1, dtype))


def test_logcumsumexp_does_not_overflow():
    data = np.array([[-np.inf, 1000.0, 1000.0], [-1e300, 0.0, 1.0]])
    for axis in (0, 1):
        found = interpret(sym.logcumsumexp(data, axis), {})
        np.testing.assert_allclose(found, np.logaddexp.accumulate(data, axis), rtol=1e-14)
    x = sym.var("x", shape=3)
    gradient = interpret(graphc.grad(sym.logcumsumexp(x).sum(), x), {x: data[0]})
    np.testing.assert_allclose(gradient, [1, 1.5, 0.5])


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
@pytest.mark.parametrize("name", TOTALS)
def test_derivatives_and_instances_of_running_totals_are_those_of_a_loop(name, shape, axis):
    data = np.random.default_rng(0).normal(size=(2, *shape))
    check(lambda x: getattr(sym, name)(x, axis=axis) ** 2, data, second=True)


def test_gradient_of_cumprod_is_right_at_zeros():
    x = sym.var("x", shape=("n",))
    gradient = graphc.compile(x, graphc.grad(sym.cumprod(x).sum(), x))(np.array([2.0, 0.0, 3.0, 0.0]))
    np.testing.assert_array_equal(gradient, [1, 2 + 6, 0, 0])


def test_gradient_of_cumsum_keeps_no_stack():
    x, head = sym.var("x", shape=(1000,)), sym.var("head", shape=(1000,))
    f = graphc.compile([x, head], graphc.grad(sym.cumsum(x), x, head=head))
    data = np.arange(1000.0)
    np.testing.assert_array_equal(f(data, data), np.cumsum(data[::-1])[::-1])
    assert f.cost().workspace < 1000


@pytest.mark.parametrize(("shape", "axis"), [((5,), -1), ((2, 3, 4), 1), ((2, 3), 0), ((1, 3), 0), ((0, 3), 1)])
def test_differences_are_numpys(shape, axis):
    for n in (0, 1, 2, 5):
        for dtype in DTYPES:
            data, x = draw(shape, dtype), sym.var("x")
            expected = np.diff(data, n, axis)
            assert_like_numpy(interpret(sym.diff(data, n, axis), {}), expected)
            assert_like_numpy(interpret(sym.diff(x, n, axis), {x: data}), expected)
    check(lambda x: sym.diff(x, axis=axis) ** 2, np.random.default_rng(0).normal(size=(2, *shape)), second=True)


def test_differences_undo_a_running_total():
    x = sym.var("x", shape=("n", 3))
    y = sym.diff(sym.cumulative_sum(x, axis=0, include_initial=True), axis=0)
    data = np.random.default_rng(0).normal(size=(4, 3))
    np.testing.assert_allclose(graphc.compile(x, y)(data), data)


def test_running_totals_are_saved_and_read_again():
    for x in (sym.var("x"), sym.var("x", shape=("n", 3))):
        again = from_json(to_json(sym.diff(sym.cumsum(x, axis=0), axis=1)))
        data = np.arange(6.0).reshape(2, 3)
        f = graphc.compile(Graph.of(again).inputs, again)
        np.testing.assert_allclose(f(data), np.diff(np.cumsum(data, 0), axis=1))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sym.cumsum(np.ones((2, 3)), 2), r"cumsum: float64\[2, 3\] has no axis 2 \(test_cumulative.py:\d+\)"),
        (lambda: sym.cumulative_sum(np.ones((2, 3))), r"cumulative_sum: .* has 2 axes .*; give one of them as axis="),
        (lambda: sym.diff(np.ones(3), -1), "diff: n=-1 is negative"),
        (lambda: sym.diff(1.0), "a scalar has no axes"),
    ],
)
def test_wrong_running_total_says_what_and_where(call, message):
    with pytest.raises(ShapeError, match=message):
        call()
