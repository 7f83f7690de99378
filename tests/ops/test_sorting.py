"""Argsort: every dtype and length against NumPy's, ties and special values, and the steps of programs."""

import numpy as np
import pytest

import graphc
from graphc import sym
from graphc.errors import ShapeError
from graphc.interpret import interpret
from graphc.kernel.fuse import Sorting
from graphc.ops.sorting import ARGSORT
from tests.conformance.test_operators import DTYPES

LENGTHS = (0, 1, 2, 7, 8, 9, 33, 64, 96, 97, 300)  # ranked up to some, sorted by digits beyond
SPECIAL = [np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 5e-324, -5e-324, 1e38, -1e38]


def rows(dtype, n, kind):
    """Three rows of elements from the whole range of a dtype, or of a few that come often."""
    rng = np.random.default_rng([n, kind == "few"])
    if dtype.kind == "b":
        return rng.random((3, n)) < 0.5
    if dtype.kind != "f":
        info = np.iinfo(dtype)
        low, high = (max(info.min, -2), 2) if kind == "few" else (info.min, info.max)
        return rng.integers(low, high, (3, n), dtype=dtype, endpoint=True)
    drawn = rng.choice(SPECIAL, (3, n)) if kind == "few" else rng.normal(size=(3, n))
    return drawn.astype(dtype)


@pytest.mark.parametrize("kind", ["few", "all"])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("dtype", [*DTYPES, *map(np.dtype, ("int16", "uint16", "uint32", "uint64"))], ids=str)
def test_rows_of_every_length_are_sorted_and_equal_elements_keep_their_order(dtype, descending, kind):
    x = sym.var("x", shape=("b", "n"), dtype=dtype)
    f = graphc.compile(x, sym.argsort(x, descending=descending))
    for n in LENGTHS:
        data = rows(dtype, n, kind)
        np.testing.assert_array_equal(f(data), ARGSORT.numpy(data, descending))


@pytest.mark.parametrize("axis", [0, 1, 2, -1, None])
def test_argsort_is_numpys_along_every_axis(axis):
    data = np.random.default_rng(0).integers(0, 4, (3, 4, 5)).astype("float32")
    expected = np.argsort(data, axis, kind="stable")
    for declared in ({"shape": (3, 4, 5), "dtype": "float32"}, {"shape": ("a", "b", "c"), "dtype": "float32"}, {}):
        x = sym.var("x", **declared)
        for node in (sym.argsort(x, axis), x.argsort(axis=axis)):
            np.testing.assert_array_equal(interpret(node, {x: data}), expected)
            np.testing.assert_array_equal(graphc.compile(x, node)(data), expected)


def test_what_is_sorted_is_stored_and_its_order_is_used_in_kernels():
    x = sym.var("x", shape=("n", 100))
    f = graphc.compile(x, sym.argsort(-x * x) + 1)
    assert [type(step).__name__ for step in f.program.steps] == ["Kernel", "Sorting", "Kernel"]
    data = np.random.default_rng(0).normal(size=(4, 100))
    np.testing.assert_array_equal(f(data), np.argsort(-data * data, kind="stable") + 1)
    assert f.cost(n=4).workspace >= 4 * 100 * 16


def test_a_sort_is_shown_as_a_step_of_its_own():
    x = sym.var("x", shape=("n", 100), dtype="float32")
    assert str(graphc.compile(x, sym.argsort(x, descending=True)).program).splitlines() == [
        "argsort 0: x float32[n, 100] -> y int64[n, 100]",
        "           reads 400*n B, writes 800*n B",
        "  y = argsort(x) along rows of 100, the greatest first    (generated)",
    ]


def test_reshaped_and_constant_rows_are_sorted_where_they_lie():
    x = sym.var("x", shape=(6,))
    f = graphc.compile(x, [sym.argsort(x.reshape((2, 3))), sym.argsort(np.array([3, 1, 2]))])
    assert all(isinstance(step, Sorting) for step in f.program.steps)
    first, second = f(np.array([3.0, 1.0, 2.0, 5.0, 7.0, 6.0]))
    np.testing.assert_array_equal(first, [[1, 2, 0], [0, 2, 1]])
    np.testing.assert_array_equal(second, [1, 2, 0])


def test_rows_are_sorted_inside_a_loop():
    x = sym.var("x", shape=("n", 5))
    y = sym.map(lambda row: sym.argsort(row) * 2, x)
    data = np.random.default_rng(0).normal(size=(4, 5))
    np.testing.assert_array_equal(graphc.compile(x, y)(data), np.argsort(data) * 2)


def test_an_order_has_no_derivative():
    x = sym.var("x", shape=(4,))
    gradient = graphc.grad(sym.sum(x * sym.argsort(x)), x)
    np.testing.assert_array_equal(interpret(gradient, {x: np.array([2.0, 0.0, 3.0, 1.0])}), [1, 3, 0, 2])


def test_a_scalar_has_no_order():
    with pytest.raises(ShapeError, match=r"argsort: float64\[\] has no axis -1 \(test_sorting.py:\d+\)"):
        sym.argsort(1.0)
    with pytest.raises(ShapeError, match="is a scalar .*; give it an axis"):
        ARGSORT(sym.asarray(1.0), descending=False)
