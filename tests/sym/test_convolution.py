"""Convolutions against sums over windows, written out; and that they are contractions of what is in place."""

import numpy as np
import pytest

from graphc import check_gradient, compile, grad, sym
from graphc.errors import DTypeError, ShapeError
from graphc.interpret import interpret
from graphc.sym.record import replay
from graphc.types import Dim

RNG = np.random.default_rng(0)

# shapes of x and w, strides, padding, dilation, groups
CASES = [
    ((2, 3, 11), (4, 3, 3), (1,), ((0, 0),), (1,), 1),
    ((3, 4, 12), (2, 2, 4), (3,), ((2, 1),), (2,), 2),
    ((2, 3, 8, 9), (4, 3, 3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 1),
    ((2, 4, 8, 9), (6, 2, 3, 2), (2, 1), ((0, 1), (2, 1)), (1, 2), 2),
    ((1, 4, 20, 20), (4, 1, 3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 4),
    ((2, 3, 7, 8), (6, 1, 2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1), 3),
    ((2, 5, 17, 17), (6, 5, 1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
    ((2, 4, 18, 19), (6, 4, 1, 1), (2, 3), ((0, 0), (0, 0)), (1, 1), 1),
    ((2, 3, 5, 4), (4, 3, 5, 4), (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
    ((2, 2, 5, 6, 7), (3, 2, 2, 2, 3), (1, 2, 1), ((0, 0), (1, 1), (1, 0)), (1, 1, 1), 1),
    ((2, 3, 20, 20), (4, 3, 3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 1),
    ((0, 3, 8, 9), (4, 3, 3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 1),
]
every_case = pytest.mark.parametrize("case", CASES, ids=str)


def conv(x, w, strides, padding, dilation, groups):
    """For every place in the window, its weight times the elements there."""
    n, (features, inner, *sizes) = x.ndim - 2, w.shape
    x = np.pad(x, [(0, 0), (0, 0), *padding])
    places = [(x.shape[2 + i] - (sizes[i] - 1) * dilation[i] - 1) // strides[i] + 1 for i in range(n)]
    y = np.zeros((x.shape[0], groups, features // groups, *places))
    for k in np.ndindex(*sizes):
        first = [k[i] * dilation[i] for i in range(n)]
        moved = tuple(slice(a, a + (p - 1) * s + 1, s) for a, p, s in zip(first, places, strides))
        part = x[(slice(None), slice(None), *moved)].reshape(x.shape[0], groups, inner, *places)
        weights = w[(slice(None), slice(None), *k)].reshape(groups, features // groups, inner)
        y += np.einsum("ngc...,gfc->ngf...", part, weights)
    return y.reshape(x.shape[0], features, *places)


def draw(*shapes, dtype="float64"):
    return [RNG.normal(size=shape).astype(dtype) for shape in shapes]


def variables(*shapes, dtype="float64"):
    return [sym.var(f"v{k}", shape=shape, dtype=dtype) for k, shape in enumerate(shapes)]


# -- conv ---------------------------------------------------------------------------------------------


@every_case
def test_convolution_is_a_sum_over_windows(case):
    shapes, how = case[:2], case[2:]
    x, w, b = variables(*shapes, shapes[1][:1])
    data = draw(*shapes, shapes[1][:1])
    y = sym.conv(x, w, b, *how)
    expected = conv(*data[:2], *how) + data[2].reshape(-1, *[1] * (x.ndim - 2))
    assert y.shape == expected.shape
    np.testing.assert_allclose(compile([x, w, b], y)(*data), expected, atol=1e-12)
    np.testing.assert_allclose(interpret(y, dict(zip((x, w, b), data))), expected, atol=1e-12)


@every_case
def test_gradients_of_a_convolution_are_its_transposes(case):
    """In x and in w it is linear: the slope along a direction is the convolution of that."""
    shapes, how = case[:2], case[2:]
    x, w, b = variables(*shapes, shapes[1][:1])
    (a, v, c), (da, dv, dc) = (draw(*shapes, shapes[1][:1]) for _ in range(2))
    y = sym.conv(x, w, b, *how)
    (g,) = draw(y.shape)
    dx, dw, db = compile([x, w, b], grad(sym.sum(y * g), [x, w, b]))(a, v, c)
    np.testing.assert_allclose((dx * da).sum(), (g * conv(da, v, *how)).sum(), atol=1e-10)
    np.testing.assert_allclose((dw * dv).sum(), (g * conv(a, dv, *how)).sum(), atol=1e-10)
    np.testing.assert_allclose((db * dc).sum(), (g.sum(axis=(0, *range(2, y.ndim))) * dc).sum(), atol=1e-10)


def test_second_derivative_of_a_convolution():
    x, w = variables((2, 2, 5, 5), (3, 2, 3, 3))
    data = dict(zip(("v0", "v1"), draw(x.shape, w.shape)))
    slope = grad(sym.sum(sym.sin(sym.conv(x, w, strides=2, padding=1))), x)
    check_gradient(sym.sum(slope * slope), [x, w], data)


@pytest.mark.parametrize("padding", ["same", "valid", 2, (1, 2), ((0, 1), (2, 0))])
@pytest.mark.parametrize("strides", [1, (2, 3)])
def test_padding_may_be_written_in_every_way(padding, strides):
    x, w = variables((1, 2, 9, 10), (3, 2, 3, 4))
    steps = (strides, strides) if isinstance(strides, int) else strides
    match padding:
        case "valid":
            pairs = ((0, 0), (0, 0))
        case "same":
            total = [max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zip((9, 10), (3, 4), steps)]
            pairs = tuple((t // 2, t - t // 2) for t in total)
        case int():
            pairs = ((padding, padding),) * 2
        case _:
            pairs = tuple(p if isinstance(p, tuple) else (p, p) for p in padding)
    a, v = draw(x.shape, w.shape)
    y = sym.conv(x, w, strides=strides, padding=padding)
    np.testing.assert_allclose(compile([x, w], y)(a, v), conv(a, v, steps, pairs, (1, 1), 1), atol=1e-12)
    if padding == "same":
        assert y.shape[2:] == tuple(-(-n // s) for n, s in zip((9, 10), steps))


def test_one_code_serves_every_batch_and_image():
    x, w = variables(("n", 3, "h", "h"), (4, 3, 3, 3))
    y = sym.conv(x, w, padding=1)
    h, n = Dim.symbol("h"), Dim.symbol("n")
    assert y.shape == (n, 4, h, h)
    f = compile([x, w], [y, *grad(sym.sum(y * y), [x, w])])
    for shape in ((2, 3, 8, 8), (1, 3, 20, 20), (0, 3, 8, 8)):
        a, v = draw(shape, w.shape)
        value, dx, dw = f(a, v)
        expected = conv(a, v, (1, 1), ((1, 1), (1, 1)), (1, 1), 1)
        np.testing.assert_allclose(value, expected, atol=1e-12)
        np.testing.assert_allclose((dx * a).sum(), 2 * (expected**2).sum(), rtol=1e-10)  # y is linear in each
        np.testing.assert_allclose((dw * v).sum(), 2 * (expected**2).sum(), rtol=1e-10)


def test_convolution_of_untyped_variables():
    x, w = sym.var("x"), sym.var("w")
    y = sym.conv(x, w, strides=2)
    typed = variables((2, 3, 9, 9), (4, 3, 3, 3))
    assert replay([y], dict(zip((x, w), typed)))[0] is sym.conv(*typed, strides=2)


def test_dtypes_promote_to_floats():
    x, w = sym.var(shape=(1, 1, 4), dtype="float32"), sym.var(shape=(1, 1, 2), dtype="int32")
    assert sym.conv(x, w).dtype == np.result_type("float32", "int32")
    assert sym.conv(*variables((1, 1, 4), (1, 1, 2), dtype="float32")).dtype == np.float32


@pytest.mark.parametrize(
    ("shapes", "how", "message"),
    [
        (((2, 3), (4, 3)), {}, r"\[batch, channels, \*spatial\]"),
        (((2, 3, 8), (4, 3, 3, 3)), {}, "as many spatial axes"),
        (((2, 3, 8), (4, 2, 3)), {}, "take 2 channels"),
        (((2, 4, 8), (3, 2, 3)), {"groups": 2}, "groups=2 does not divide 4 channels and 3 features"),
        (((2, 4, 8), (4, 4, 3)), {"groups": 0}, "groups=0"),
        (((2, 3, 8), (4, 3, 9)), {}, "a window of 9 elements does not fit axis 2"),
        (((2, 3, 8), (4, 3, 3)), {"strides": 0}, "strides=0"),
        (((2, 3, 8), (4, 3, 3)), {"strides": (1, 1)}, "1 axes"),
        (((2, 3, 8), (4, 3, 3)), {"dilation": -1}, "dilation=-1"),
        (((2, 3, 8), (4, 3, 3)), {"padding": -1}, "padding=-1"),
        (((2, 3, 8), (4, 3, 3)), {"padding": ((1, 2, 3),)}, "padding="),
        (((2, 3, 8), (4, 3, 3)), {"strides": 1.5}, "strides=1.5"),
        (((2, 3, 8), (4, 3, 0)), {}, "does not fit axis 2"),
        (((2, 3, 8), (4, 3, 3)), {"padding": "full"}, "padding='full' does not suit"),
        (((2, 3, "n"), (4, 3, 3)), {"padding": "same", "strides": 2}, "not known yet"),
        (((2, 3, 8), (4, 3, 3), (3,)), {}, "a bias float64"),
    ],
)
def test_what_does_not_fit_is_an_error_on_the_users_line(shapes, how, message):
    with pytest.raises(ShapeError, match=f"conv: .*{message}.*|conv: .*{message}") as caught:
        sym.conv(*variables(*shapes), **how)
    assert "test_convolution.py" in str(caught.value)


def test_weights_of_text_are_an_error():
    with pytest.raises(DTypeError, match="conv"):
        sym.conv(sym.var(shape=(1, 1, 4)), "w")


# -- conv_transpose -----------------------------------------------------------------------------------


@every_case
def test_transposed_convolution_is_the_transpose_of_a_convolution(case):
    shapes, (strides, padding, dilation, groups) = case[:2], case[2:]
    x, w = variables(*shapes)
    g = sym.var("g", shape=sym.conv(x, w, None, strides, padding, dilation, groups).shape)
    pairs = zip(g.shape[2:], strides, shapes[1][2:], dilation, padding)
    extents = [(n - 1) * s + (k - 1) * d + 1 - sum(p) for n, s, k, d, p in pairs]
    extra = [n - m for n, m in zip(shapes[0][2:], extents)]
    y = sym.conv_transpose(g, w, None, strides, padding, dilation, groups, extra)
    assert y.shape == x.shape
    (a, v), (t,) = draw(*shapes), draw(g.shape)
    left = (compile([g, w], y)(t, v) * a).sum()
    np.testing.assert_allclose(left, (t * conv(a, v, strides, padding, dilation, groups)).sum(), atol=1e-10)


def test_bias_of_a_transposed_convolution_is_added_everywhere():
    x, w, b = variables((1, 2, 3, 3), (2, 4, 2, 2), (4,))
    bias = RNG.normal(size=4)
    y = compile([x, w, b], sym.conv_transpose(x, w, b, strides=2))(np.zeros(x.shape), np.zeros(w.shape), bias)
    np.testing.assert_array_equal(y, np.broadcast_to(bias[:, None, None], (1, 4, 6, 6)))


def test_gradients_of_a_transposed_convolution():
    x, w, b = variables((2, 4, 3, 4), (4, 3, 3, 2), (6,))
    y = sym.conv_transpose(x, w, b, strides=2, padding=1, groups=2, output_padding=1)
    data = {node.name: array for node, array in zip((x, w, b), draw(x.shape, w.shape, b.shape))}
    check_gradient(sym.sum(sym.sin(y)), [x, w, b], data)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"padding": "same"}, "does not say what to cut off"),
        ({"output_padding": 2, "strides": 2}, "output_padding=2"),
        ({"padding": 3}, "leaves nothing"),
    ],
)
def test_transposed_convolution_that_does_not_fit_is_an_error(how, message):
    with pytest.raises(ShapeError, match=message):
        sym.conv_transpose(*variables((1, 2, 4), (2, 3, 3)), **how)


# -- what is stored -----------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [1, 8])
def test_convolution_of_single_elements_copies_nothing(batch):
    x, w, b = variables((batch, 32, 28, 28), (16, 32, 1, 1), (16,), dtype="float32")
    f = compile([x, w, b], sym.relu(sym.conv(x, w, b)))
    assert len(f.kernels) == 1  # bias and relu, after the product
    assert f.cost().workspace == 4 * batch * 16 * 28 * 28


def test_depthwise_convolution_is_one_kernel_at_the_floor():
    x, w, b = variables((8, 32, 28, 28), (32, 1, 3, 3), (32,), dtype="float32")
    f = compile([x, w, b], sym.relu(sym.conv(x, w, b, padding=1, groups=32)))
    assert len(f.kernels) == 1 and f.cost().ratio == 1


def test_convolution_is_one_copy_of_windows_and_one_product():
    x, w, b = variables((4, 16, 28, 28), (32, 16, 3, 3), (32,), dtype="float32")
    f = compile([x, w, b], sym.relu(sym.conv(x, w, b, padding=1)))
    assert len(f.kernels) == 2 and len(f.cost().steps) == 3
    assert f.cost().workspace <= 4 * 4 * 28 * 28 * (16 * 9 + 32) + 64


def test_weights_gradient_adds_up_over_the_batch_in_place():
    x, w, g = variables((8, 16, 28, 28), (32, 16, 1, 1), (8, 32, 28, 28), dtype="float32")
    f = compile([x, w, g], grad(sym.sum(sym.conv(x, w) * g), w))
    assert f.cost().written < 2 * 4 * 8 * 32 * 28 * 28  # at most a copy of one operand
