"""Pooling against a fold over windows, written out; and upsampling."""

import math

import numpy as np
import pytest

from graphc import check_gradient, compile, grad, sym
from graphc.errors import ShapeError
from graphc.interpret import interpret
from graphc.sym.record import replay

RNG = np.random.default_rng(0)

# shape of x, size, strides, padding, ceil_mode
CASES = [
    ((2, 3, 9), (3,), (2,), ((0, 0),), False),
    ((2, 3, 8, 9), (2, 2), (2, 2), ((0, 0), (0, 0)), False),
    ((2, 3, 8, 9), (3, 3), (2, 2), ((1, 1), (1, 1)), False),
    ((2, 3, 8, 9), (3, 2), (2, 2), ((1, 1), (1, 0)), True),
    ((1, 2, 7, 7), (3, 3), (2, 2), ((0, 0), (0, 0)), True),
    ((2, 2, 6, 5), (6, 5), (1, 1), ((0, 0), (0, 0)), False),
    ((1, 2, 40, 40), (9, 9), (1, 3), ((4, 4), (4, 4)), False),
    ((2, 2, 4, 5, 6), (2, 2, 3), (2, 1, 2), ((0, 0), (1, 1), (1, 0)), False),
    ((1, 2, 2, 2), (3, 3), (2, 2), ((0, 0), (0, 0)), True),
]
every_case = pytest.mark.parametrize("case", CASES, ids=str)


def pool(fold, x, size, strides, padding, ceil_mode, fill=0.0):
    """The fold of each window of x, padded: `fold(elements, whether each is padding or an element)`."""
    spatial = x.shape[2:]
    wide = [n + sum(p) for n, p in zip(spatial, padding)]
    rounded = math.ceil if ceil_mode else math.floor
    counts = [rounded((n - k) / s) + 1 for n, k, s in zip(wide, size, strides)]
    found = np.zeros((*x.shape[:2], *counts))
    for place in np.ndindex(*counts):
        starts = [o * s - p[0] for o, s, p in zip(place, strides, padding)]
        inner = tuple(slice(max(a, 0), min(a + k, n)) for a, k, n in zip(starts, size, spatial))
        stops = [min(a + k, n + p[1]) for a, k, n, p in zip(starts, size, spatial, padding)]
        padded = math.prod(stop - a for a, stop in zip(starts, stops))
        found[(slice(None), slice(None), *place)] = fold(x[(slice(None), slice(None), *inner)], padded)
    return found


def over_window(elements):
    return tuple(range(2, elements.ndim))


FOLDS = {
    "max_pool": ({}, lambda x, count: x.max(over_window(x))),
    "sum_pool": ({}, lambda x, count: x.sum(over_window(x))),
    "avg_pool": ({}, lambda x, count: x.sum(over_window(x)) / count),
    "avg_pool of elements alone": ({"count_include_pad": False}, lambda x, count: x.mean(over_window(x))),
    "lp_pool": ({}, lambda x, count: np.sqrt((x * x).sum(over_window(x)))),
    "lp_pool of 3": ({"p": 3}, lambda x, count: (abs(x) ** 3).sum(over_window(x)) ** (1 / 3)),
}


@every_case
@pytest.mark.parametrize("name", FOLDS)
def test_pooling_folds_every_window(name, case):
    shape, how = case[0], case[1:]
    options, fold = FOLDS[name]
    x, data = sym.var("x", shape=shape), RNG.normal(size=shape)
    y = getattr(sym, name.split()[0])(x, *how[:3], ceil_mode=how[3], **options)
    expected = pool(fold, data, *how)
    assert y.shape == expected.shape
    np.testing.assert_allclose(interpret(y, {x: data}), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(compile(x, y)(data), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("rows", [8, "rows"])
@pytest.mark.parametrize("name", FOLDS)
def test_no_last_window_begins_beyond_the_axis(name, rows):
    x, data = sym.var("x", shape=(1, 2, rows)), np.arange(16.0).reshape(1, 2, 8)
    y = getattr(sym, name.split()[0])(x, 1, strides=2, ceil_mode=True, **FOLDS[name][0])
    expected = pool(FOLDS[name][1], data, (1,), (2,), ((0, 0),), False)
    np.testing.assert_allclose(compile(x, y)(data), expected, rtol=1e-12)


@pytest.mark.parametrize("case", CASES[2:4], ids=str)
@pytest.mark.parametrize("name", FOLDS)
def test_gradient_of_pooling(name, case):
    shape, how = case[0], case[1:]
    x, data = sym.var("x", shape=shape), RNG.permutation(math.prod(shape)).reshape(shape) / 50 - 1.01
    y = getattr(sym, name.split()[0])(x, *how[:3], ceil_mode=how[3], **FOLDS[name][0])
    check_gradient(sym.sum(sym.sin(y)), x, {"x": data})


@pytest.mark.parametrize("shape", [(2, 3, 64, 64), (2, 3, 63, 65), (1, 2, 9, 9)])
def test_gradient_of_max_pooling_goes_to_the_greatest(shape):
    x, data = sym.var("x", shape=shape), RNG.normal(size=shape)
    y = sym.max_pool(x, 3, 2, 1)
    weights = RNG.normal(size=y.shape)
    expected = np.zeros(shape)
    for n, c, i, j in np.ndindex(*y.shape):
        rows, columns = (slice(max(2 * k - 1, 0), 2 * k + 2) for k in (i, j))
        window = data[n, c, rows, columns]
        row, column = np.unravel_index(window.argmax(), window.shape)
        expected[n, c, rows.start + row, columns.start + column] += weights[n, c, i, j]
    np.testing.assert_allclose(compile(x, grad(sym.sum(y * weights), x))(data), expected, atol=1e-14)


def test_elements_that_tie_share_the_derivative():
    x = sym.var("x", shape=(1, 1, 4))
    gradient = grad(sym.sum(sym.max_pool(x, 2)), x)
    np.testing.assert_array_equal(compile(x, gradient)(np.array([[[1.0, 1, 3, 2]]])), [[[0.5, 0.5, 1, 0]]])


def test_second_derivative_of_pooling():
    x = sym.var("x", shape=(1, 2, 5, 5))
    data = np.random.default_rng(0).permutation(50).reshape(x.shape) / 50 - 0.5  # no two elements so near as a step
    slope = grad(sym.sum(sym.max_pool(sym.sin(x), 3, 2, 1) ** 3 + sym.avg_pool(x, 3, 2, 1) ** 3), x)
    check_gradient(sym.sum(slope * slope), x, {"x": data})


def test_padding_is_never_the_greatest():
    x = sym.var("x", shape=(1, 1, 3))
    y = sym.max_pool(x, 2, 1, 1)
    np.testing.assert_array_equal(compile(x, y)(np.array([[[-5.0, -np.inf, -2]]])), [[[-5, -5, -2, -2]]])


@pytest.mark.parametrize("dtype", ["float32", "int32", "uint8", "bool"])
def test_max_pooling_keeps_the_dtype(dtype):
    x, data = sym.var("x", shape=(1, 1, 6), dtype=dtype), RNG.integers(0, 2, (1, 1, 6)).astype(dtype)
    found = compile(x, sym.max_pool(x, 2))(data)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, data.reshape(1, 1, 3, 2).max(3))


def test_nan_is_the_greatest_of_its_window():
    x = sym.var("x", shape=(1, 1, 4))
    np.testing.assert_array_equal(compile(x, sym.max_pool(x, 2))(np.array([[[np.nan, 1, 2, 3]]])), [[[np.nan, 3]]])


def test_one_code_serves_every_batch_and_image():
    x = sym.var("x", shape=("n", 2, "h", "h"))
    f = compile(x, [sym.max_pool(x, 3, 2, 1), sym.avg_pool(x, 3, 2, 1, ceil_mode=True, count_include_pad=False)])
    for shape in ((1, 2, 8, 8), (3, 2, 5, 5), (0, 2, 4, 4)):
        data = RNG.normal(size=shape)
        greatest, average = f(data)
        how = ((3, 3), (2, 2), ((1, 1), (1, 1)))
        np.testing.assert_array_equal(greatest, pool(FOLDS["max_pool"][1], data, *how, False))
        expected = pool(FOLDS["avg_pool of elements alone"][1], data, *how, True)
        np.testing.assert_allclose(average, expected, rtol=1e-12)


def test_pooling_of_an_untyped_variable():
    x, typed = sym.var("x"), sym.var("typed", shape=(1, 2, 6, 6))
    y = sym.avg_pool(sym.max_pool(x, 2), 3, 1)
    assert replay([y], {x: typed})[0] is sym.avg_pool(sym.max_pool(typed, 2), 3, 1)


@pytest.mark.parametrize(
    ("shape", "how", "message"),
    [
        ((2, 3), {"size": 2}, "no spatial axes"),
        ((2, 3, 4), {"size": (2, 2)}, "1 axes"),
        ((2, 3, 4), {"size": 5}, "does not fit axis 2"),
        ((2, 3, 4), {"size": 0}, "size=0"),
        ((2, 3, 4), {"size": 2, "padding": (1, 1)}, "padding"),
    ],
)
@pytest.mark.parametrize("name", ["max_pool", "avg_pool", "sum_pool", "lp_pool"])
def test_what_does_not_fit_is_an_error_on_the_users_line(name, shape, how, message):
    with pytest.raises(ShapeError, match=f"{name}: .*{message}.*") as caught:
        getattr(sym, name)(sym.var("x", shape=shape), **how)
    assert "test_pooling.py" in str(caught.value)


def test_norm_of_no_positive_order_is_an_error():
    with pytest.raises(ValueError, match="p=0 is no order"):
        sym.lp_pool(sym.var("x", shape=(1, 1, 4)), 2, p=0)


def test_derivative_of_a_norm_at_zero_is_zero():
    x = sym.var("x", shape=(1, 1, 4))
    for p in (1, 2, 3):
        gradient = compile(x, grad(sym.sum(sym.lp_pool(x, 2, p=p)), x))(np.zeros((1, 1, 4)))
        np.testing.assert_array_equal(gradient, np.zeros((1, 1, 4)))


# -- global pooling -----------------------------------------------------------------------------------


def test_global_pooling_folds_all_of_a_channel():
    x, data = sym.var("x", shape=(2, 3, 5, 7)), RNG.normal(size=(2, 3, 5, 7))
    greatest, average = compile(x, [sym.global_max_pool(x), sym.global_avg_pool(x)])(data)
    np.testing.assert_array_equal(greatest, data.max((2, 3), keepdims=True))
    np.testing.assert_allclose(average, data.mean((2, 3), keepdims=True))


# -- upsampling ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1, 3, (2, 1), (4, 3)])
def test_nearest_upsampling_repeats_elements(scale):
    x, data = sym.var("x", shape=(2, 3, 4, 5)), RNG.normal(size=(2, 3, 4, 5))
    h, w = (scale, scale) if isinstance(scale, int) else scale
    expected = data.repeat(h, 2).repeat(w, 3)
    np.testing.assert_array_equal(compile(x, sym.upsample(x, scale))(data), expected)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("length", [1, 2, 7])
def test_bilinear_upsampling_is_linear_between_centres(scale, length):
    x, data = sym.var("x", shape=(2, 1, length)), RNG.normal(size=(2, 1, length))
    centres = (np.arange(length * scale) + 0.5) / scale - 0.5
    expected = np.stack([[np.interp(centres, np.arange(length), row) for row in image] for image in data])
    np.testing.assert_allclose(compile(x, sym.upsample(x, scale, "bilinear"))(data), expected, atol=1e-14)


def test_bilinear_upsampling_of_images_is_that_of_rows_and_columns():
    x, data = sym.var("x", shape=(1, 2, 4, 5)), RNG.normal(size=(1, 2, 4, 5))
    rows = lambda y: sym.upsample(y.reshape(2, 4, 5).transpose(0, 2, 1), 2, "bilinear").transpose(0, 2, 1)  # noqa: E731
    columns = lambda y: sym.upsample(y, 3, "bilinear")  # noqa: E731
    expected = columns(rows(x)).reshape(1, 2, 8, 15)
    np.testing.assert_allclose(*interpret([sym.upsample(x, (2, 3), "bilinear"), expected], {x: data}), atol=1e-14)


def test_gradient_of_upsampling():
    x = sym.var("x", shape=(1, 2, 3, 4))
    y = sym.upsample(x, 2, "bilinear") + sym.upsample(x, 2)
    check_gradient(sym.sum(sym.sin(y)), x, {"x": RNG.normal(size=(1, 2, 3, 4))})


def test_unknown_method_of_upsampling_is_an_error():
    with pytest.raises(ValueError, match="no method is named 'cubic'"):
        sym.upsample(sym.var("x", shape=(1, 1, 4)), 2, "cubic")


# -- what is stored -----------------------------------------------------------------------------------


@pytest.mark.parametrize("pooling", [sym.max_pool, sym.avg_pool, sym.sum_pool])
def test_pooling_is_one_kernel_near_the_floor(pooling):
    x = sym.var("x", shape=(8, 16, 112, 112), dtype="float32")
    f = compile(x, pooling(sym.relu(x), 3, 2, 1))
    assert len(f.kernels) == 1 and f.cost().workspace == 0 and f.cost().ratio < 1.05


def test_value_and_gradient_of_max_pooling_store_one_number_a_window():
    x, g = sym.var("x", shape=(8, 16, 112, 112), dtype="float32"), sym.var("g", shape=(8, 16, 56, 56), dtype="float32")
    y = sym.max_pool(x, 3, 2, 1)
    f = compile([x, g], [y, grad(sym.sum(y * g), x)])
    assert len(f.kernels) == 2 and f.cost().workspace == 4 * 8 * 16 * 56 * 56
