"""Elements at computed places, against NumPy's indexing; what is compiled against what is interpreted."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import basic_indices, integer_array_indices

import graphc
from graphc import sym
from graphc.errors import DTypeError, ShapeError
from graphc.interpret import interpret

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 5, 3))
I = np.array([0, 3, -1, 2, 2, -4])  # noqa: E741


def variables(**given_arrays):
    return [sym.var(name, shape=a.shape, dtype=a.dtype) for name, a in given_arrays.items()]


# -- values -------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_index_of_arrays_is_numpys(data):
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple))
    key = list(data.draw(integer_array_indices(shape)))
    basic = data.draw(basic_indices(shape[len(key) :], allow_newaxis=True, allow_ellipsis=False))
    key += basic if isinstance(basic, tuple) else (basic,)
    key.insert(data.draw(st.integers(0, len(key))), data.draw(st.sampled_from([None, Ellipsis])))
    if sum(k is Ellipsis for k in key) > 1:
        return
    array = np.arange(np.prod(shape)).reshape(shape)
    (x,), found = variables(x=array), [k for k in key if isinstance(k, np.ndarray)]
    indices = [sym.var(f"i{n}", shape=k.shape, dtype=k.dtype) for n, k in enumerate(found)]
    rest = iter(indices)
    computed = tuple(next(rest) if isinstance(k, np.ndarray) else k for k in key)
    for node in (x[computed], x[tuple(key)]):
        got = interpret(node, {x: array, **dict(zip(indices, found, strict=True))})
        np.testing.assert_array_equal(got, array[tuple(key)])


@pytest.mark.parametrize(
    "index",
    [
        lambda x, i: x[i],
        lambda x, i: x[:, i, 1:],
        lambda x, i: x[i, :, i % 3],
        lambda x, i: x[1, i],
        lambda x, i: x[0, :, i % 3],
        lambda x, i: x[i[:, None], i, 0],
        lambda x, i: x[..., i % 3, None],
        lambda x, i: x[::-1][i, ::2],
        lambda x, i: x.transpose(2, 0, 1)[:, i],
        lambda x, i: x[i][i % 4],
    ],
)
def test_compiled_index_is_numpys(index):
    x, i = variables(x=X, i=I)
    np.testing.assert_array_equal(graphc.compile([x, i], index(x, i))(X, I), index(X, I))


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64", "uint8", "uint64"])
def test_indices_are_of_any_integer_dtype(dtype):
    index = np.array([2, 0, 3], dtype)
    x, i = variables(x=X, i=index)
    np.testing.assert_array_equal(graphc.compile([x, i], x[i])(X, index), X[index])


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_take_is_numpys(axis):
    index = np.array([[0, 2], [-1, 1]])
    x, i = variables(x=X, i=index)
    f = graphc.compile([x, i], [sym.take(x, i, axis), x.take(index, axis=axis)])
    for got in f(X, index):
        np.testing.assert_array_equal(got, np.take(X, index, axis))


@pytest.mark.parametrize(
    ("axis", "shape"), [(0, (2, 5, 3)), (1, (4, 2, 3)), (2, (4, 5, 7)), (1, (1, 2, 1)), (None, (9,))]
)
def test_take_along_axis_is_numpys(axis, shape):
    extent = X.size if axis is None else X.shape[axis]
    index = RNG.integers(-extent, extent, shape)
    x, i = variables(x=X, i=index)
    got = graphc.compile([x, i], sym.take_along_axis(x, i, axis))(X, index)
    np.testing.assert_array_equal(got, np.take_along_axis(X.ravel() if axis is None else X, index, axis))


def test_known_mask_chooses_as_numpys():
    (x,) = variables(x=X)
    mask, rows = X > 0, np.array([True, False, True, True])
    for got, wanted in zip(
        graphc.compile([x], [x[mask], x[rows], x[:, [True] * 5, 1]])(X), [X[mask], X[rows], X[..., 1]]
    ):
        np.testing.assert_array_equal(got, wanted)


def test_one_code_serves_any_number_of_indices_and_rows():
    x, i = sym.var("x", shape=("n", "m")), sym.var("i", shape=("k",), dtype="int64")
    f = graphc.compile([x, i], [x[i], x[:, i], x[i, i], sym.take_along_axis(x, x.argmax(axis=1, keepdims=True), 1)])
    for shape in ((4, 4), (6, 9)):
        array = RNG.normal(size=shape)
        for index in (I, I[:0], I[1:3]):
            wanted = [array[index], array[:, index], array[index, index], array.max(1, keepdims=True)]
            for got, expected in zip(f(array, index), wanted, strict=True):
                np.testing.assert_array_equal(got, expected)


def test_index_before_typing_is_replayed():
    x, i = sym.var("x"), sym.var("i")
    f = graphc.compile([x, i], [x[1:, i], x.at[i].add(1.0)])
    np.testing.assert_array_equal(f(X, I)[0], X[1:, I])


def test_computed_index_beyond_an_end_stands_for_that_end():
    index = np.array([-100, -5, -4, 3, 4, 2**62])
    x, i = variables(x=X, i=index)
    np.testing.assert_array_equal(graphc.compile([x, i], x[i])(X, index), X[[0, 0, 0, 3, 3, 3]])
    gradient = graphc.compile([x, i], graphc.grad(x[i].sum(), x))(X, index)
    np.testing.assert_array_equal(gradient[:, 0, 0], [3, 0, 0, 3])


def test_what_is_computed_is_read_where_it_is_needed():
    """One kernel, which reads rows whole: neither x + 1 nor the indices are stored."""
    x, i = sym.var("x", shape=(100, 64)), sym.var("i", shape=(7,), dtype="int64")
    f = graphc.compile([x, i], (x + 1)[i % 100] * 2)
    (kernel,) = f.kernels
    assert "lanes j in 64:  y[i1, j] = 2*(1 + x[w, j])" in str(kernel)


def test_costly_value_is_stored_before_it_is_read_at_computed_places():
    x, i = sym.var("x", shape=(100,)), sym.var("i", shape=(5000,), dtype="int64")
    f = graphc.compile([x, i], sym.exp(x)[i])
    assert len(f.kernels) == 2
    assert f.cost().functions == {"exp": 100}


def test_large_scatter_is_in_parts_that_each_have_a_place_of_their_own():
    x, i = sym.var("x", shape=(4000, 100)), sym.var("i", shape=(4000,), dtype="int64")
    rows, index = RNG.normal(size=(4000, 100)), RNG.integers(0, 7, 4000)
    f = graphc.compile([x, i], sym.zeros((7, 100)).at[i].add(sym.tanh(x)))
    assert any("parallel" in str(kernel) for kernel in f.kernels)
    wanted = np.zeros((7, 100))
    np.add.at(wanted, index, np.tanh(rows))
    np.testing.assert_allclose(f(rows, index), wanted, rtol=1e-12)


def test_scatter_along_one_axis_is_not_cut():
    """Its buffer is filled before, and no part does that."""
    x = sym.var("x", shape=(2_000_000, 1))
    y = sym.take_along_axis(sym.exp(sym.sin(x)), sym.argmax(x, axis=1, keepdims=True), axis=1)
    f = graphc.compile(x, graphc.grad(y.sum(), x))
    (scatter,) = [str(kernel) for kernel in f.kernels if "+=" in str(kernel)]
    assert "parallel" not in scatter


def test_index_that_counts_is_no_computed_one():
    x = sym.var("x", shape=("n", 5))
    f = graphc.compile([x], sym.take_along_axis(x, sym.argmax(x, axis=1, keepdims=True), axis=1))
    assert "x[i, " in str(f.kernels[-1])


def test_loop_reads_and_writes_at_computed_places():
    """A permutation is followed from 0, and the places are numbered in the order in which they come."""
    p = sym.var("p", shape=(8,), dtype="int64")

    def step(state):
        at, order, k = state
        return p[at], order.at[at].set(k), k + 1

    _, order, _ = sym.fori_loop(0, 8, lambda _, state: step(state), (0, sym.zeros(8, "int64"), 0))
    f = graphc.compile([p], order)
    given_p = np.array([3, 0, 1, 5, 2, 7, 4, 6])
    at, wanted = 0, np.zeros(8, int)
    for k in range(8):
        wanted[at], at = k, given_p[at]
    np.testing.assert_array_equal(f(given_p), wanted)


# -- derivatives --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "index",
    [
        lambda x, i: x[i],
        lambda x, i: x[:, i, 1:],
        lambda x, i: x[i, :, i % 3],
        lambda x, i: x[i[:4] % 4, i[:4] % 5, :2],
        lambda x, i: x.transpose(2, 0, 1)[:, i],
    ],
)
def test_gradient_adds_up_what_comes_from_one_place(index):
    x, i = variables(x=X, i=I)
    y = index(x, i)
    weight = RNG.normal(size=y.shape)
    got = graphc.compile([x, i], graphc.grad((sym.sin(y) * weight).sum(), x))(X, I)
    wanted = np.zeros(X.size)
    places = index(np.arange(X.size).reshape(X.shape), I)
    np.add.at(wanted, places, np.cos(X.ravel()[places]) * weight)
    np.testing.assert_allclose(got, wanted.reshape(X.shape), rtol=1e-12, atol=1e-12)


def test_second_derivative_through_an_index_is_that_of_the_formula():
    x, i = variables(x=X[:, 0, 0], i=I)
    h = graphc.compile([x, i], graphc.hessian((x[i] ** 3).sum(), x))(X[:, 0, 0], I)
    wanted = np.zeros(4)
    np.add.at(wanted, I, 6 * X[I, 0, 0])
    np.testing.assert_allclose(h, np.diag(wanted), rtol=1e-12)


@pytest.mark.parametrize("axes", [(0, 0), (None, 0), (0, None)])
def test_vmap_of_an_index_is_the_index_of_each(axes):
    tables = RNG.normal(size=(3, 6)) if axes[0] == 0 else RNG.normal(size=6)
    rows = RNG.integers(0, 6, (3, 2)) if axes[1] == 0 else RNG.integers(0, 6, 2)
    x, i = variables(x=tables, i=rows)
    y = graphc.vmap(lambda x, i: x[i] ** 2, axes)(x, i)
    wide, at = np.broadcast_to(tables, (3, 6)), np.broadcast_to(rows, (3, 2))
    value, gradient = graphc.compile([x, i], [y, graphc.grad(y.sum(), x)])(tables, rows)
    np.testing.assert_allclose(value, np.take_along_axis(wide, at, 1) ** 2)
    wanted = np.zeros((3, 6))
    np.add.at(wanted, (np.arange(3)[:, None], at), 2 * np.take_along_axis(wide, at, 1))
    np.testing.assert_allclose(gradient, wanted if axes[0] == 0 else wanted.sum(0))


# -- arrays with some elements changed ----------------------------------------------------------------

KEYS = [
    lambda i: i,
    lambda i: (slice(None), i % 5),
    lambda i: (i, i % 5),
    lambda i: (slice(None, None, -2), slice(1, 4)),
    lambda i: 2,
    lambda i: (..., i % 3, None),
]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("how", ["set", "add", "max", "min"])
def test_update_is_numpys(key, how):
    x, i = variables(x=X, i=I)
    at = key(I)
    values = RNG.normal(size=X[at].shape)
    (v,) = variables(v=values)
    got = graphc.compile([x, i, v], getattr(x.at[key(i)], how)(v))(X, I, values)
    wanted = X.copy()
    if how == "set":
        wanted[at] = values
    else:
        {"add": np.add, "max": np.maximum, "min": np.minimum}[how].at(wanted, at, values)
    np.testing.assert_allclose(got, wanted, rtol=1e-12)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("how", ["set", "add", "max", "min"])
def test_gradient_of_an_update_agrees_with_differences(key, how):
    x, i = variables(x=X, i=I)
    values = RNG.normal(size=X[key(I)].shape)
    (v,) = variables(v=values)
    loss = (sym.sin(getattr(x.at[key(i)], how)(v)) * RNG.normal(size=X.shape)).sum()
    f, g = graphc.compile([x, i, v], loss), graphc.compile([x, i, v], graphc.grad(loss, [x, v]))
    dx, dv = RNG.normal(size=X.shape), RNG.normal(size=values.shape)
    slope = sum((a * b).sum() for a, b in zip(g(X, I, values), (dx, dv), strict=True))
    h = 1e-6
    far, near = (f(X + s * h * dx, I, values + s * h * dv) for s in (1, -1))
    np.testing.assert_allclose(slope, (far - near) / (2 * h), rtol=1e-6, atol=1e-7)


def test_update_leaves_x_and_takes_its_dtype():
    x = sym.var("x", shape=(3,), dtype="float32")
    y = x.at[[0, 0]].set([1.0, 2.0])
    assert y.dtype == np.float32
    array = np.zeros(3, np.float32)
    np.testing.assert_array_equal(graphc.compile([x], y)(array), [2, 0, 0])
    np.testing.assert_array_equal(array, 0)


def test_update_that_x_cannot_hold_is_an_error():
    x = sym.var("x", shape=(3,), dtype="int32")
    with pytest.raises(
        DTypeError, match=r"index_add: float64\[\] does not fit into int32\[3\] \(test_gathering.py:\d+\)"
    ):
        x.at[0].add(0.5)
    with pytest.raises(ShapeError, match=r"int32\[3\] and int32\[2\] differ"):
        x.at[:2].set([1, 2, 3])


def test_update_at_no_place_changes_nothing():
    x, i = variables(x=X, i=I[:0])
    got = graphc.compile([x, i], [x.at[i].set(1), x.at[i].add(1), x.at[2:2].set(1)])(X, I[:0])
    for y in got:
        np.testing.assert_array_equal(y, X)


# -- errors -------------------------------------------------------------------------------------------


def test_known_index_beyond_an_end_is_an_error_at_once():
    x = sym.var("x", shape=(3, "n"))
    with pytest.raises(ShapeError, match=r"take: index 3 is out of range for axis 0 of float64\[3, n\] \(test_gath"):
        sym.take(x, [0, 3], axis=0)


def test_index_into_nothing_is_an_error_even_when_it_is_known_late():
    i = sym.var("i", shape=(2,), dtype="int64")
    with pytest.raises(ShapeError, match="points into an axis without elements"):
        sym.var("x", shape=(0,))[i]
    x = sym.var("x", shape=("n",))
    f = graphc.compile([x, i], x[i])
    with pytest.raises(ShapeError, match="points into an axis without elements"):
        f(np.zeros(0), [0, 0])


def test_take_along_axis_of_other_rank_says_so():
    with pytest.raises(
        ShapeError, match=r"int64\[2\] has not as many axes as float64\[3, 4\] .*; add axes of extent 1"
    ):
        sym.take_along_axis(sym.var("x", shape=(3, 4)), [0, 1], axis=1)
