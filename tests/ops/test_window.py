"""Windows: views that slide, what slides back, and which of it is stored."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from graphc import compile, grad, sym
from graphc.errors import ShapeError
from graphc.graph import Graph
from graphc.interpret import interpret
from graphc.ops.reduction import SUM
from graphc.ops.window import SLIDE, UNSLIDE, places, windows
from graphc.types import Dim

RNG = np.random.default_rng(0)
FRAMES = [
    ((7,), (0,), (3,), (1,), (1,)),
    ((8, 9), (0, 1), (3, 2), (2, 1), (1, 2)),
    ((2, 8, 3), (1,), (2,), (3,), (3,)),
    ((5, 4), (0, 1), (5, 4), (1, 1), (1, 1)),
    ((5, 4), (1,), (4,), (1,), (1,)),
    ((6,), (0,), (1,), (2,), (1,)),
]
every_frame = pytest.mark.parametrize(("shape", "axes", "sizes", "strides", "dilations"), FRAMES)


def view(x, axes, sizes, strides, dilations):
    """NumPy's windows of the spans, of which some elements are left."""
    spans = [(size - 1) * d + 1 for size, d in zip(sizes, dilations)]
    steps = dict(zip(axes, strides))
    chosen = [slice(None, None, steps.get(axis, 1)) for axis in range(x.ndim)]
    return sliding_window_view(x, spans, axes)[(*chosen, *(slice(None, None, d) for d in dilations))]


@every_frame
def test_windows_are_those_of_numpy(shape, axes, sizes, strides, dilations):
    x, data = sym.var(shape=shape), RNG.normal(size=shape)
    y = windows(x, axes, sizes, strides, dilations)
    expected = view(data, axes, sizes, strides, dilations)
    assert y.shape == expected.shape
    np.testing.assert_array_equal(interpret(y, {x: data}), expected)
    np.testing.assert_array_equal(compile(x, y)(data), expected)


@every_frame
def test_windows_stand_where_they_are_asked_for(shape, axes, sizes, strides, dilations):
    x, data = sym.var(shape=shape), RNG.normal(size=shape)
    at = tuple(range(len(axes)))
    y = windows(x, axes, sizes, strides, dilations, at)
    last = tuple(range(-len(axes), 0))
    expected = np.moveaxis(view(data, axes, sizes, strides, dilations), last, at)
    np.testing.assert_array_equal(interpret(y, {x: data}), expected)


@every_frame
def test_gradient_of_windows_adds_up_where_they_overlap(shape, axes, sizes, strides, dilations):
    x, data = sym.var(shape=shape), RNG.normal(size=shape)
    y = windows(x, axes, sizes, strides, dilations)
    weights = RNG.normal(size=y.shape)
    expected = np.zeros(shape)
    place = view(np.arange(data.size).reshape(shape), axes, sizes, strides, dilations)
    np.add.at(expected.reshape(-1), place, weights)
    np.testing.assert_allclose(compile(x, grad(sym.sum(y * weights), x))(data), expected, atol=1e-14)


@pytest.mark.parametrize(("op", "back"), [(SLIDE, UNSLIDE), (UNSLIDE, SLIDE)])
def test_gradient_of_one_way_is_the_other_way(op, back):
    for sample in op.samples:
        x = sym.var(shape=sample.shapes[0])
        gradient = grad(sym.sum(op(x, **sample.params) * RNG.normal(size=op(x, **sample.params).shape)), x)
        assert [node.op for node in Graph.of(gradient).nodes if node.op in (SLIDE, UNSLIDE)] == [back]


def test_symbolic_extents_stay_symbolic_and_one_code_serves_them():
    n = Dim.symbol("n")
    x = sym.var("x", shape=(n, 6))
    y = windows(x, (0,), (3,), (2,), (1,))
    assert y.shape == (places(n, 3, 2, 1), 6, 3)
    f = compile(x, [y, grad(sym.sum(y * y), x)])
    for length in (3, 8, 5):
        data = RNG.normal(size=(length, 6))
        value, gradient = f(data)
        np.testing.assert_array_equal(value, view(data, (0,), (3,), (2,), (1,)))
        count = np.array([sum(0 <= i - k < length - 2 and (i - k) % 2 == 0 for k in range(3)) for i in range(length)])
        np.testing.assert_allclose(gradient, 2 * data * count[:, None])


def test_window_longer_than_its_axis_is_an_error():
    x = sym.var("x", shape=(4, 3))
    with pytest.raises(ShapeError, match=r"slide: 3 windows of 3 elements, 1 apart, leave axis 0 .*test_window.py"):
        SLIDE(x, axes=(0,), windows=(1,), extents=(3,), strides=(1,), dilations=(1,))
    with pytest.raises(ShapeError, match="unslide: 4 windows"):
        UNSLIDE(x, axes=(0,), windows=(1,), extents=(5,), strides=(1,), dilations=(1,))


# -- what is stored -----------------------------------------------------------------------------------


def test_fold_of_windows_stores_no_window():
    x = sym.var("x", shape=(4, 50, 50))
    f = compile(x, sym.max(windows(x, (1, 2), (3, 3), (1, 1), (1, 1)), axis=(3, 4)))
    assert len(f.kernels) == 1 and f.cost().ratio == 1


def test_gradient_of_a_fold_of_windows_stores_no_window():
    x = sym.var("x", shape=(4, 50, 50))
    y = sym.max(windows(x, (1, 2), (3, 3), (2, 2), (1, 1)), axis=(3, 4))
    f = compile(x, grad(sym.sum(y * y), x))
    assert f.cost().workspace < 3 * 8 * 4 * 24 * 24


def test_costly_values_are_computed_once_for_all_windows():
    x = sym.var("x", shape=(64, 64))
    f = compile(x, sym.sum(windows(sym.exp(x), (0, 1), (3, 3), (1, 1), (1, 1)), axis=(2, 3)))
    assert f.cost().transcendentals == 64 * 64


def test_long_window_is_no_chain_of_slices():
    x = sym.var("x", shape=(1000,))
    y = windows(x, (0,), (100,), (1,), (1,))
    f = compile(x, sym.sum(y, axis=1))
    data = RNG.normal(size=1000)
    np.testing.assert_allclose(f(data), np.convolve(data, np.ones(100), "valid"))
    assert f.cost().flops == 901 * 100


def test_sum_of_products_of_windows_is_a_convolution():
    x, w = sym.var("x", shape=(40,)), sym.var("w", shape=(5,))
    y = SUM(windows(x, (0,), (5,), (1,), (1,)) * sym.broadcast_to(w, (36, 5)), axes=(1,))
    a, b = RNG.normal(size=40), RNG.normal(size=5)
    np.testing.assert_allclose(compile([x, w], y)(a, b), np.correlate(a, b), rtol=1e-12)


# -- sliding_window_view ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("window", "axis"), [((2, 3), None), (3, 0), ((2, 3), (1, 0)), ((3, 2), (-2, -1)), ((1, 1), None), ((4, 5), None)]
)
def test_sliding_window_view_is_that_of_numpy(window, axis):
    x, data = sym.var(shape=(4, 5)), RNG.normal(size=(4, 5))
    expected = sliding_window_view(data, window, axis)
    np.testing.assert_array_equal(compile(x, sym.sliding_window_view(x, window, axis))(data), expected)


def test_sliding_window_view_of_an_untyped_variable():
    x, data = sym.var("x"), RNG.normal(size=6)
    expected = sliding_window_view(data, 2).max(1)
    np.testing.assert_array_equal(interpret(sym.max(sym.sliding_window_view(x, 2), axis=1), {x: data}), expected)


@pytest.mark.parametrize("window", [(2,), (2, 3, 4), (2, -1), 6])
def test_sliding_window_view_that_does_not_fit_is_an_error(window):
    with pytest.raises(ShapeError, match=r"(?s)(sliding_window_view|slide).*test_window.py"):
        sym.sliding_window_view(sym.var("x", shape=(4, 5)), window)
