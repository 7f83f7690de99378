"""Layers of images against their definitions in NumPy."""

import math
from itertools import product

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from graphc import sym
from graphc.errors import ShapeError
from tests.sym.mx.cases import case, check_gradients, check_values, draws

normal = draws(4)
IMAGE = normal(1, 2, 5, 6)


def convolved(x, w, b=None, stride=1, pad=0, dilate=1, groups=1):
    """Convolution by its definition, for any number of spatial axes."""
    axes = range(2, x.ndim)
    x = np.pad(x, [(0, 0), (0, 0), *[(pad, pad) for _ in axes]])
    wide = np.zeros((*w.shape[:2], *[(n - 1) * dilate + 1 for n in w.shape[2:]]))
    wide[(slice(None), slice(None), *[slice(None, None, dilate) for _ in axes])] = w
    windows = sliding_window_view(x, wide.shape[2:], tuple(axes))[
        (slice(None), slice(None), *[slice(None, None, stride) for _ in axes])
    ]
    per = w.shape[0] // groups
    parts = [
        np.tensordot(
            windows[:, g * w.shape[1] : (g + 1) * w.shape[1]],
            wide[g * per : (g + 1) * per],
            ([1, *range(windows.ndim - len(axes), windows.ndim)], [1, *axes]),
        )
        for g in range(groups)
    ]
    y = np.moveaxis(np.concatenate(parts, -1), -1, 1)
    return y if b is None else y + b.reshape(-1, *[1 for _ in axes])


def deconvolved(x, w, stride, pad, adj=0, groups=1):
    """Transposed convolution of images: every element puts the kernel, times itself, into the result."""
    n, c, height, width = x.shape
    size = [(k - 1) * stride + s for k, s in zip((height, width), w.shape[2:])]
    y = np.zeros((n, w.shape[1] * groups, size[0] + adj, size[1] + adj))
    per = c // groups
    for i, j, k in product(range(c), range(height), range(width)):
        g = i // per
        spot = y[
            :,
            g * w.shape[1] : (g + 1) * w.shape[1],
            j * stride : j * stride + w.shape[2],
            k * stride : k * stride + w.shape[3],
        ]
        spot += x[:, i, j, k][:, None, None, None] * w[i]
    return y[:, :, pad : y.shape[2] - pad, pad : y.shape[3] - pad]


def pooled(x, fold, size, stride, pad=0, convention="valid", counted=True):
    """Pooling by its definition: windows are cut off at the end of the padded image, and fold what is inside."""
    extents = x.shape[2:]
    count = {
        "valid": lambda n: 1 + (n + 2 * pad - size) // stride,
        "full": lambda n: 1 + math.ceil((n + 2 * pad - size) / stride),
        "same": lambda n: math.ceil((n + 2 * pad) / stride),
    }[convention]
    y = np.zeros((*x.shape[:2], *map(count, extents)))
    for place in np.ndindex(*y.shape[2:]):
        starts = [k * stride - pad for k in place]
        ends = [min(a + size, n + pad) for a, n in zip(starts, extents)]
        inside = x[(..., *[slice(max(a, 0), min(b, n)) for a, b, n in zip(starts, ends, extents)])]
        area = math.prod(b - a for a, b in zip(starts, ends)) if counted else inside[0, 0].size
        y[(..., *place)] = fold(inside.reshape(*x.shape[:2], -1), area)
    return y


def greatest(v, area):
    return v.max(-1)


def average(v, area):
    return v.sum(-1) / area


def total(v, area):
    return v.sum(-1)


def third_norm(v, area):
    return (np.abs(v) ** 3).sum(-1) ** (1 / 3)


CASES = [
    case("Convolution", [normal(2, 2, 6, 5), normal(3, 2, 3, 2), normal(3)], convolved, kernel=(3, 2), num_filter=3),
    case(
        "Convolution",
        [normal(1, 4, 6, 6), normal(4, 2, 2, 2)],
        lambda x, w: convolved(x, w, None, 2, 1, 2, 2),
        kernel=(2, 2),
        num_filter=4,
        stride=(2, 2),
        pad=(1, 1),
        dilate=(2, 2),
        num_group=2,
        no_bias=True,
    ),
    case("Convolution", [normal(2, 2, 7), normal(3, 2, 3), normal(3)], convolved, kernel=3, num_filter=3, layout="NCW"),
    case(
        "Convolution",
        [normal(1, 2, 3, 4, 3), normal(2, 2, 2, 2, 2), normal(2)],
        convolved,
        kernel=(2, 2, 2),
        num_filter=2,
    ),
    case(
        "Deconvolution",
        [normal(2, 2, 3, 3), normal(2, 3, 3, 3)],
        lambda x, w: deconvolved(x, w, 2, 1),
        kernel=(3, 3),
        num_filter=3,
        stride=(2, 2),
        pad=(1, 1),
    ),
    case(
        "Deconvolution",
        [normal(1, 4, 2, 3), normal(4, 1, 3, 3)],
        lambda x, w: deconvolved(x, w, 2, 1, 1, 2),
        kernel=(3, 3),
        num_filter=2,
        stride=(2, 2),
        pad=(1, 1),
        adj=(1, 1),
        num_group=2,
    ),
    case(
        "Deconvolution",
        [normal(1, 1, 2, 2), normal(1, 1, 4, 4)],
        lambda x, w: deconvolved(x, w, 2, 1),
        kernel=(4, 4),
        num_filter=1,
        stride=(2, 2),
        target_shape=(4, 4),
    ),
    case("Pooling", [IMAGE], lambda x: pooled(x, greatest, 2, 2), kernel=(2, 2), stride=(2, 2)),
    case(
        "Pooling",
        [IMAGE],
        lambda x: pooled(x, greatest, 3, 2, 1, "full"),
        kernel=(3, 3),
        stride=(2, 2),
        pad=(1, 1),
        pooling_convention="full",
    ),
    case(
        "Pooling",
        [IMAGE],
        lambda x: pooled(x, average, 3, 2, 1),
        kernel=(3, 3),
        stride=(2, 2),
        pad=(1, 1),
        pool_type="avg",
    ),
    case(
        "Pooling",
        [IMAGE],
        lambda x: pooled(x, average, 3, 2, 1, "full"),
        kernel=(3, 3),
        stride=(2, 2),
        pad=(1, 1),
        pool_type="avg",
        pooling_convention="full",
    ),
    case(
        "Pooling",
        [IMAGE],
        lambda x: pooled(x, average, 3, 2, 1, counted=False),
        kernel=(3, 3),
        stride=(2, 2),
        pad=(1, 1),
        pool_type="avg",
        count_include_pad=False,
    ),
    case(
        "Pooling",
        [IMAGE],
        lambda x: pooled(x, average, 3, 2, 1, "same"),
        kernel=(3, 3),
        stride=(2, 2),
        pad=(1, 1),
        pool_type="avg",
        pooling_convention="same",
    ),
    case(
        "Pooling",
        [IMAGE],
        lambda x: pooled(x, average, 3, 2, 0, "same", False),
        kernel=(3, 3),
        stride=(2, 2),
        pool_type="avg",
        pooling_convention="same",
        count_include_pad=False,
    ),
    case(
        "Pooling",
        [normal(1, 2, 5)],
        lambda x: pooled(x, greatest, 3, 2, 0, "same"),
        kernel=(3,),
        stride=(2,),
        pooling_convention="same",
    ),
    case("Pooling", [IMAGE], lambda x: pooled(x, total, 2, 1), kernel=(2, 2), pool_type="sum"),
    case("Pooling", [IMAGE], lambda x: pooled(x, third_norm, 2, 1), kernel=(2, 2), pool_type="lp", p_value=3),
    case("Pooling", [IMAGE], lambda x: x.max((2, 3), keepdims=True), global_pool=True, kernel=(9, 9)),
    case("Pooling", [IMAGE], lambda x: x.mean((2, 3), keepdims=True), global_pool=True, pool_type="avg"),
    case(
        "Pooling",
        [IMAGE],
        lambda x: np.sqrt((x * x).sum((2, 3), keepdims=True)),
        global_pool=True,
        pool_type="lp",
        p_value=2,
    ),
    case("UpSampling", [IMAGE], lambda x: x.repeat(2, 2).repeat(2, 3), scale=2, sample_type="nearest"),
    case(
        "UpSampling",
        [normal(1, 2, 2, 2), normal(1, 1, 4, 4)],
        lambda x, y: np.concatenate([x.repeat(4, 2).repeat(4, 3), y.repeat(2, 2).repeat(2, 3)], 1),
        scale=4,
        sample_type="nearest",
    ),
    case(
        "UpSampling",
        [normal(1, 2, 2, 2), normal(1, 2, 4, 4)],
        lambda x, y: x.repeat(2, 2).repeat(2, 3) + y,
        scale=2,
        sample_type="nearest",
        multi_input_mode="sum",
    ),
    case(
        "UpSampling",
        [normal(1, 2, 3, 3), normal(2, 1, 4, 4)],
        lambda x, w: deconvolved(x, w, 2, 1, 0, 2),
        scale=2,
        sample_type="bilinear",
        num_filter=2,
    ),
]


@pytest.mark.parametrize("typed", [True, False], ids=["typed", "untyped"])
def test_values_are_those_of_numpy(typed):
    check_values(CASES, typed)


def test_gradients_agree_with_differences():
    check_gradients(CASES)


@pytest.mark.parametrize("shape", [None, (1, 2, 3, 3)])
def test_the_weight_of_an_interpolation_is_made_and_shaped_like_any(shape):
    large = sym.UpSampling(sym.var("x", shape=shape), scale=3, sample_type="bilinear", num_filter=2, name="up")
    assert large.list_arguments() == ["x", "up_weight"]
    assert large.infer_shape(x=(1, 2, 3, 3))[:2] == ([(1, 2, 3, 3), (2, 1, 5, 5)], [(1, 2, 9, 9)])
    assert sym.load_json(large.tojson()).list_arguments() == ["x", "up_weight"]


def test_a_window_of_nothing_behind_the_data_is_an_error():
    x = sym.var("x", shape=(1, 1, 6))
    with pytest.raises(ShapeError, match=r"window of nothing behind 6 elements, padded by 0 \(.*\); take a"):
        sym.Pooling(x, kernel=(1,), stride=(3,), pool_type="sum", pooling_convention="full")
    assert sym.Pooling(x, kernel=(1,), stride=(3,), pool_type="sum").shape == (1, 1, 2)
