"""Sorted values, the largest, medians, quantiles and places between: NumPy's, with derivatives and instances."""

import warnings

import numpy as np
import pytest

import graphc
from graphc import sym
from graphc.errors import ShapeError
from graphc.graph import Graph
from graphc.interpret import interpret
from graphc.io.json import from_json, to_json
from tests.batching.programs import check, check_values
from tests.sym.test_reduction import DTYPES, assert_like_numpy

RNG = np.random.default_rng(0)
X = RNG.permutation(60).reshape(3, 4, 5) * 0.5
SHARES = (0.3, 0, 1, [0.1, 0.5, 0.77], [[0.25, 0.5], [0.9, 1.0]])


def declared(shape, dtype="float64"):
    """A variable of a known type, one of named extents, and one without a type."""
    named = tuple(f"n{n}" for n in shape)
    return [sym.var("x", shape=shape, dtype=dtype), sym.var("x", shape=named, dtype=dtype), sym.var("x")]


def assert_compiled(function, data, expected):
    for x in declared(data.shape, data.dtype):
        assert_like_numpy(graphc.compile(x, function(x))(data), np.asarray(expected), rtol=1e-14)


# -- sort and topk ------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1, -1, None])
def test_sort_is_numpys(axis):
    for dtype in DTYPES:
        data = RNG.integers(0, 9, (3, 4, 5)).astype(dtype)
        x = sym.var("x", shape=data.shape, dtype=dtype)
        both = [sym.sort(x, axis), x.sort(axis=axis, descending=True)]
        up, down = graphc.compile(x, both)(data)
        expected = np.sort(data, axis)
        assert_like_numpy(up, expected)
        assert_like_numpy(down, np.flip(expected, -1 if axis is None else axis))
    assert_compiled(lambda x: sym.sort(x, axis), X, np.sort(X, axis))


def test_nan_is_greatest():
    data = np.array([np.nan, 1.0, -np.inf, np.nan, np.inf])
    np.testing.assert_array_equal(interpret(sym.sort(data), {}), np.sort(data))
    values, places = interpret(list(sym.topk(data, 3)), {})
    np.testing.assert_array_equal(values, [np.nan, np.nan, np.inf])
    np.testing.assert_array_equal(places, [0, 3, 4])


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_topk_are_the_first_of_the_sorted(axis):
    for k in (0, 1, 3):
        for largest in (True, False):
            for x in declared(X.shape):
                values, places = graphc.compile(x, [*sym.topk(x, k, axis, largest)])(X)
                order = np.argsort(-X if largest else X, axis, kind="stable").take(range(k), axis)
                np.testing.assert_array_equal(places, order)
                np.testing.assert_array_equal(values, np.take_along_axis(X, order, axis))


def test_a_sort_of_rows_is_two_steps():
    x = sym.var("x", shape=("n", 100))
    f = graphc.compile(x, sym.sort(x))
    assert [type(step).__name__ for step in f.program.steps] == ["Sorting", "Kernel"]


def test_a_partition_is_sorted_wholly():
    for axis in (0, -1, None):
        np.testing.assert_array_equal(interpret(sym.partition(X, 1, axis), {}), np.sort(X, axis))
        np.testing.assert_array_equal(interpret(sym.argpartition(X, 1, axis), {}), np.argsort(X, axis, kind="stable"))


# -- searchsorted -------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["left", "right"])
def test_places_in_a_sorted_vector_are_numpys(side):
    for n in (1, 2, 7, 8, 9, 100):
        for dtype in ("int8", "float32", "float64"):
            row = np.sort(RNG.integers(0, 10, n)).astype(dtype)
            wanted = RNG.integers(-1, 11, (4, 5)).astype(dtype)
            if dtype != "int8" and n > 3:
                row[-2:], wanted[0, 0] = np.nan, np.nan
            for a, v in zip(declared(row.shape, dtype), declared(wanted.shape, dtype)):
                v = sym.var("v", shape=v.shape, dtype=dtype) if v.type else sym.var("v")
                found = graphc.compile([a, v], sym.searchsorted(a, v, side))(row, wanted)
                assert_like_numpy(found, np.searchsorted(row, wanted, side))
    assert interpret(sym.searchsorted(np.zeros(0), np.ones(2), side), {}).tolist() == [0, 0]
    assert interpret(sym.searchsorted(np.arange(5), 2.5, side), {}) == 3


def test_bins_are_numpys():
    bins, data = np.array([0.0, 1.0, 2.5]), np.array([[-1.0, 0.0, 0.5], [1.0, 2.5, 9.0]])
    for right in (False, True):
        assert_compiled(lambda x, right=right: sym.digitize(x, bins, right), data, np.digitize(data, bins, right))


@pytest.mark.parametrize("among", [[], [3], [7, 1, 1, 40], [0.5, np.nan, -2.0]])
def test_membership_is_numpys(among):
    data = np.array([[1.0, 3.0, np.nan], [40.0, 0.5, -7.0]])
    for invert in (False, True):
        expected = np.isin(data, among, invert=invert)
        assert_compiled(lambda x, invert=invert: sym.isin(x, among, invert=invert), data, expected)


@pytest.mark.parametrize("ends", [{}, {"left": -7.0}, {"right": 9.0}, {"left": 0.0, "right": 1.0}])
def test_interpolation_is_numpys(ends):
    for n in (1, 2, 5):
        places, values = np.cumsum(RNG.uniform(0.5, 1, n)), RNG.normal(size=n)
        data = np.concatenate([RNG.uniform(-1, 5, 9), places, [np.inf, -np.inf, np.nan if n > 1 else 0]])[:, None]
        expected = np.interp(data, places, values, **ends)
        assert_like_numpy(interpret(sym.interp(data, places, values, **ends), {}), expected)
        xs = [sym.var("x"), sym.var("xp", shape=("n",)), sym.var("fp", shape=("n",))]
        assert_like_numpy(graphc.compile(xs, sym.interp(*xs, **ends))(data, places, values), expected)


def test_derivatives_of_interpolation_are_those_of_a_loop():
    places = np.cumsum(RNG.uniform(0.5, 1, (2, 4)), axis=1)
    check(lambda x, xp, fp: sym.interp(x, xp, fp) ** 2, RNG.uniform(0, 4, (2, 3)), places, RNG.normal(size=(2, 4)))


# -- medians and quantiles ----------------------------------------------------------------------------


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [0, 1, -1, None, (0, 2), (2, 1)])
def test_median_and_quantiles_are_numpys(axis, keepdims):
    assert_compiled(lambda x: sym.median(x, axis, keepdims), X, np.median(X, axis, keepdims=keepdims))
    for q in SHARES:
        expected = np.quantile(X, q, axis, keepdims=keepdims)
        assert_compiled(lambda x, q=q: sym.quantile(x, q, axis, keepdims), X, expected)
    percent = np.percentile(X, [10, 99], axis, keepdims=keepdims)
    assert_compiled(lambda x: sym.percentile(x, [10, 99], axis, keepdims), X, percent)


def test_medians_of_even_and_odd_counts_of_every_dtype():
    for dtype in ("int8", "uint16", "int64", "float32", "float64"):
        for n in (1, 2, 5, 6):
            data = RNG.integers(0, 9, n).astype(dtype)
            assert_compiled(sym.median, data, np.median(data))
            with_share = sym.quantile(data, 0.3)
            assert_like_numpy(interpret(with_share, {}), np.quantile(data, 0.3))


def test_a_row_with_a_nan_has_no_median_and_infinities_count():
    data = np.array([[1.0, np.nan, 2.0], [np.inf, 3.0, -np.inf], [np.inf, np.inf, 1.0]])
    np.testing.assert_array_equal(interpret(sym.median(data, 1), {}), [np.nan, 3, np.inf])
    assert np.isnan(interpret(sym.quantile(data[0], 0.0), {}))


@pytest.mark.parametrize("axis", [0, 1, None])
def test_a_median_without_nans_is_numpys(axis):
    data = np.where(RNG.random((4, 5)) < 0.4, np.nan, RNG.normal(size=(4, 5)))
    data[:, 0] = np.nan
    with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
        expected = np.nanmedian(data, axis, keepdims=True)
    assert_compiled(lambda x: sym.nanmedian(x, axis, keepdims=True), data, expected)


def test_shares_may_be_computed():
    q = sym.var("q", shape=(2,))
    found = graphc.compile(q, sym.quantile(X, q * q, axis=1))(np.array([0.5, 0.9]))
    np.testing.assert_allclose(found, np.quantile(X, [0.25, 0.81], axis=1))


# -- derivatives, instances, files --------------------------------------------------------------------

FUNCTIONS = {
    "sort": lambda x: sym.sort(x, 0) ** 2,
    "descending": lambda x: sym.sort(x, None, descending=True) ** 3,
    "topk": lambda x: sym.topk(x, 2, 1, largest=False)[0] ** 2,
    "median": lambda x: sym.median(x, 1) ** 2,
    "nanmedian": lambda x: sym.nanmedian(sym.where(abs(x - 1.5) < 0.2, np.nan, x), 1) ** 2,
    "odd": lambda x: sym.median(x, 0) ** 2,
    "quantile": lambda x: sym.quantile(x, [0.2, 0.9], 1) ** 2,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives_and_instances_are_those_of_a_loop(name):
    check(FUNCTIONS[name], RNG.permutation(24).reshape(2, 3, 4) * 0.1, second=True)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_agree_with_differences(name):
    x = sym.var("x", shape=(3, 4))
    graphc.check_gradient(sym.sum(FUNCTIONS[name](x)), [x], {"x": RNG.permutation(12).reshape(3, 4) * 0.3})


def test_instances_search_rows_of_their_own():
    rows, wanted = np.sort(RNG.normal(size=(3, 7))), RNG.normal(size=(3, 2))
    check_values(sym.searchsorted, rows, wanted)
    check_values(lambda v: sym.searchsorted(rows[0], v), wanted)


def test_gradient_of_a_median_goes_to_the_middle():
    x = sym.var("x", shape=(4,))
    f = graphc.compile(x, graphc.grad(sym.median(x), x))
    np.testing.assert_array_equal(f(np.array([3.0, 1.0, 2.0, 5.0])), [0.5, 0, 0.5, 0])
    np.testing.assert_array_equal(f(np.array([3.0, 1.0, 3.0, 5.0])), [0.5, 0, 0.5, 0])


def test_gradient_of_a_quantile_reaches_the_share():
    q = sym.var("q", shape=())
    gradient = graphc.grad(sym.quantile(np.array([1.0, 3.0, 9.0]), q), q)
    np.testing.assert_allclose(interpret(gradient, {q: np.array(0.7)}), 2 * (9 - 3))


def test_functions_of_order_are_saved_and_read_again():
    for x in (sym.var("x"), sym.var("x", shape=("n", 4))):
        again = from_json(to_json([sym.sort(x), sym.median(x, 1), *sym.topk(x, 2), sym.searchsorted(x[0], 0.5)]))
        data = np.sort(RNG.normal(size=(3, 4)))
        found = graphc.compile(Graph.of(again).inputs, again)(data)
        np.testing.assert_array_equal(found[0], data)
        assert found[4] == np.searchsorted(data[0], 0.5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sym.sort(X, 3), r"sort: float64\[3, 4, 5\] has no axis 3 \(test_sorting.py:\d+\)"),
        (lambda: sym.topk(X, 6), r"topk: axis 2 has 5 elements, not 6 .*; ask for so many at most"),
        (lambda: sym.topk(X, -1), "topk: axis 2 has 5 elements, not -1"),
        (lambda: sym.searchsorted(X, 1), r"searchsorted: float64\[3, 4, 5\] is no vector .*; use vmap"),
        (lambda: sym.searchsorted(X[0, 0], 1, "middle"), "side='middle' is unknown"),
        (lambda: sym.interp(X, np.ones(2), np.ones(3)), r"interp: float64\[3\] at float64\[2\] .*; give vectors"),
        (lambda: sym.median(np.zeros((2, 0)), 1), r"median: float64\[2, 0\] has no elements to choose from"),
        (lambda: sym.quantile(X, 1.5), "quantile: q=1.5 is not from 0 to 1"),
        (lambda: sym.percentile(X, [0, 101]), r"percentile: q=\[0, 101\] is not from 0 to 100"),
    ],
)
def test_wrong_order_says_what_and_where(call, message):
    with pytest.raises(ShapeError, match=message):
        call()
