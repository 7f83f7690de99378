"""Diagonals against NumPy's: values, gradients, instances, and what is refused."""

import numpy as np
import pytest

import graphc
from graphc import sym
from graphc.errors import ShapeError
from graphc.interpret import interpret
from tests.batching.programs import check
from tests.sym.test_reduction import assert_like_numpy

CALLS = [
    ("diagonal", (3, 3), {}),
    ("diagonal", (3, 5), {"offset": 1}),
    ("diagonal", (5, 3), {"offset": -1}),
    ("diagonal", (2, 3), {"offset": 4}),
    ("diagonal", (2, 3, 4), {"offset": -1, "axis1": 2, "axis2": 0}),
    ("diagonal", (0, 3), {}),
    ("trace", (3, 4), {}),
    ("trace", (2, 3, 3), {"offset": 1, "axis1": -2, "axis2": -1}),
    ("trace", (0, 0), {}),
    ("diag", (3, 4), {"k": 1}),
    ("diag", (3,), {}),
    ("diag", (3,), {"k": 2}),
    ("diag", (3,), {"k": -1}),
    ("diag", (0,), {}),
    ("tril", (3, 4), {}),
    ("tril", (2, 4, 3), {"k": 1}),
    ("triu", (3, 4), {"k": -1}),
    ("triu", (2, 3, 3), {"k": 5}),
]

every_call = pytest.mark.parametrize(("name", "shape", "kwargs"), CALLS)


@every_call
def test_diagonals_are_numpys(name, shape, kwargs):
    for dtype in ("float64", "float32", "int8", "bool"):
        data = np.random.default_rng(0).integers(0, 5, shape).astype(dtype)
        expected = np.asarray(getattr(np, name)(data, **kwargs))
        x, untyped = sym.var("x", shape=shape, dtype=dtype), sym.var("y")
        assert_like_numpy(graphc.compile(x, getattr(sym, name)(x, **kwargs))(data), expected)
        assert_like_numpy(interpret(getattr(sym, name)(untyped, **kwargs), {untyped: data}), expected)


@every_call
def test_derivatives_and_instances_of_diagonals_are_those_of_a_loop(name, shape, kwargs):
    data = np.random.default_rng(0).normal(size=(2, *shape))
    check(lambda x: getattr(sym, name)(x, **kwargs) ** 2, data, second=True)


@pytest.mark.parametrize("name", ["diagonal", "trace", "tril", "triu"])
def test_a_square_of_any_size_has_diagonals(name):
    data = np.arange(16.0).reshape(4, 4)
    x = sym.var("x", shape=("n", "n"))
    assert_like_numpy(graphc.compile(x, getattr(sym, name)(x))(data), np.asarray(getattr(np, name)(data)))


def test_a_diagonal_is_read_in_the_kernel_that_needs_it():
    x = sym.var("x", shape=("n", "n"))
    (kernel,) = graphc.compile(x, sym.trace(sym.exp(x))).kernels
    assert [axis.extent for axis in kernel.axes] == list(x.shape[:1])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sym.diagonal(np.ones(3)), r"diagonal: float64\[3\] has no axis 1 \(test_diagonals.py:\d+\)"),
        (lambda: sym.diagonal(np.ones((3, 3)), 0, 1, 1), "diagonal: .* names an axis twice"),
        (lambda: sym.diagonal(sym.var("x", shape=("n", "m"))), "which one of n and m is less is not known"),
        (lambda: sym.diag(np.ones((2, 2, 2))), "is no vector and no matrix"),
        (lambda: sym.tril(np.ones(3)), r"tril: float64\[3\] is no matrix"),
    ],
)
def test_wrong_diagonals_say_what_and_where(call, message):
    with pytest.raises(ShapeError, match=message):
        call()
