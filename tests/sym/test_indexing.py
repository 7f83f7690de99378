"""Basic indexing against NumPy's, on known and on symbolic extents."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import basic_indices

from graphc import sym
from graphc.errors import DTypeError, ShapeError
from graphc.graph import Graph
from graphc.interpret import interpret
from graphc.types import Dim

n, m = Dim.symbol("n"), Dim.symbol("m")


def assert_like_numpy(shape, key, declared=None):
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    x = sym.var("x", shape=declared or shape, dtype="int64")
    got = interpret(x[key], {x: array})
    assert got.shape == array[key].shape
    np.testing.assert_array_equal(got, array[key])


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_basic_index_is_numpys(data):
    shape = data.draw(st.lists(st.integers(0, 5), max_size=4).map(tuple))
    key = data.draw(basic_indices(shape, allow_newaxis=True))
    assert_like_numpy(shape, key)


def inner(extent):
    """Integers and slices whose bounds lie within an axis of this extent and in order, as symbolic extents ask."""
    places = st.integers(-extent, extent - 1) if extent else st.nothing()
    forward = st.builds(slice, st.none() | places | st.just(extent), st.none() | places, st.integers(1, 4))
    backward = st.builds(slice, st.none() | places, st.none() | places, st.integers(-4, -1))
    return places | (forward | backward).filter(lambda s: in_order(*s.indices(extent)))


def in_order(start, stop, step):
    return (stop - start) * step >= 0


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_index_within_symbolic_extents_is_numpys(data):
    shape = data.draw(st.lists(st.integers(0, 5), min_size=1, max_size=3).map(tuple))
    key = tuple(data.draw(inner(extent)) for extent in shape)
    assert_like_numpy(shape, key, declared=tuple(f"n{axis}" for axis in range(len(shape))))


@pytest.mark.parametrize(
    ("key", "shape"),
    [
        (slice(1, None), (n - 1, m)),
        (slice(None, -1), (n - 1, m)),
        (slice(1, -1), (n - 2, m)),
        (-1, (m,)),
        (slice(None, None, -1), (n, m)),
        (slice(None, None, 2), ((n + 1) // 2, m)),
        ((..., slice(0, m - 1)), (n, m - 1)),
        ((None, slice(2, n), m - 1), (1, n - 2)),
        (slice(3, 1), (0, m)),
        ((slice(None), None), (n, 1, m)),
        ((n - 1, ...), (m,)),
    ],
)
def test_symbolic_extents_of_slices_are_polynomials(key, shape):
    x = sym.var("x", shape=("n", "m"))
    assert x[key].shape == shape


def test_index_that_takes_everything_adds_no_node():
    x = sym.var("x", shape=(3, "n"))
    for key in (..., slice(None), (slice(None), slice(None)), slice(0, 3), slice(-3, None), (slice(0, 5), ...)):
        assert x[key] is x


def test_index_is_at_most_slice_flip_and_reshape():
    x = sym.var("x", shape=(5, 6, 7))
    assert [node.op.name for node in Graph.of(x[1:3, ::-2, None, :1]).nodes] == ["var", "slice", "flip", "reshape"]


def test_iterating_gives_rows_and_unpacks():
    x = sym.var("x", shape=(2, 3))
    first, second = x
    np.testing.assert_array_equal(interpret(first - second, {x: np.eye(2, 3)}), [1, -1, 0])


def test_indexing_before_typing_is_replayed():
    x = sym.var("x")
    array = np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(interpret(x[1:, ::-1][..., None], {x: array}), array[1:, ::-1, None])


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (
            3,
            r"index 3 is out of range for axis 0 of float64\[3, n\] \(test_indexing.py:\d+\); indices run from -3 to 2",
        ),
        ((0, 0, 0), r"too many indices: float64\[3, n\] has 2 axes"),
        ((..., ...), "`...` stands twice"),
        (slice(0, 3, 0), "the step 0"),
        (slice(0.5), "0.5 is not supported as an index"),
        ("a", "'a' is not supported as an index"),
        (True, "a boolean is not supported"),
        ([0, -4], r"index -4 is out of range for axis 0 of float64\[3, n\] .*; indices run from -3 to 2"),
        (np.array([True, False]), r"the mask of shape \(2,\) does not fit float64\[3, n\] from axis 0 on"),
        (([0, 1], [0, 1, 2]), r"int64\[2\] and int64\[3\] differ at axis 0"),
    ],
)
def test_index_that_is_wrong_says_what_where_and_instead(key, message):
    with pytest.raises(ShapeError, match="getitem: .*" + message):
        sym.var("x", shape=(3, "n"))[key]


def test_index_that_is_no_integer_says_so():
    with pytest.raises(DTypeError, match=r"the index float64\[2\] is not of integers .*; cast it"):
        sym.var("x", shape=3)[[0.5, 1.0]]


def test_computed_mask_is_refused_since_its_result_has_no_shape():
    x = sym.var("x", shape=3)
    with pytest.raises(ShapeError, match="a computed mask is not supported as an index .*; sym.where"):
        x[x > 0]
