"""Layers that move elements against NumPy."""

from itertools import product

import numpy as np
import pytest

from tests.sym.mx.cases import case, check_gradients, check_values, draws

normal = draws(2)
A, B, X = normal(2, 3), normal(2, 3), normal(2, 3, 4)
Y = normal(2, 3, 4, 5)
IMAGE = normal(1, 2, 5, 6)


DEEP = normal(1, 8, 2, 3)


def unfolded(x, k=2):
    """Channels as blocks of k × k places."""
    y = np.zeros((x.shape[0], x.shape[1] // k**2, x.shape[2] * k, x.shape[3] * k))
    for i, j in product(range(k), repeat=2):
        y[:, :, i::k, j::k] = x[:, (i * k + j) * y.shape[1] : (i * k + j + 1) * y.shape[1]]
    return y


def padded(mode, *widths, **more):
    return lambda x: np.pad(x, list(zip(widths[::2], widths[1::2])), mode, **more)


CASES = [
    case("Flatten", [X], lambda x: x.reshape(2, 12)),
    case("Reshape", [Y], lambda x: x.reshape(2, 60), shape=(0, -1)),
    case("Reshape", [Y], lambda x: x.reshape(6, 4, 5), shape=(-3, -2)),
    case("Reshape", [Y], lambda x: x.reshape(2, 3, 2, 2, 5), shape=(0, 0, -4, -1, 2, 0)),
    case("Reshape", [Y], lambda x: x.reshape(1, 2, 3, 4, 5), shape=(-4, 1, 2, -2)),
    case("Reshape", [normal(10, 5, 4)], lambda x: x.reshape(50, 4), shape=(-1, 0), reverse=True),
    case("Reshape", [normal(10, 5, 4)], lambda x: x.reshape(40, 5), shape=(-1, 0)),
    case("Reshape", [Y], lambda x: x.reshape(2, 3, 20), target_shape=(2, 3, 0)),
    case("Reshape", [Y], lambda x: x.reshape(2, 60), target_shape=(9, 0), keep_highest=True),
    case("reshape_like", [X, normal(4, 6)], lambda x, y: x.reshape(4, 6)),
    case("expand_dims", [X], lambda x: x[:, None], axis=1),
    case("squeeze", [normal(1, 3, 1)], lambda x: x[:, :, 0], axis=(2,)),
    case("squeeze", [normal(1, 3, 1)], lambda x: x[0, :, 0]),
    case("Cast", [A], lambda x: x.astype("float32"), smooth=False, dtype="float32"),
    case("transpose", [X], lambda x: x.transpose(1, 0, 2), axes=(1, 0, 2)),
    case("transpose", [X], lambda x: x.T),
    case("depth_to_space", [normal(2, 8, 2, 3)], unfolded, block_size=2),
    case("space_to_depth", [unfolded(DEEP)], lambda y: DEEP, smooth=False, block_size=2),
    case("SwapAxis", [X], lambda x: x.swapaxes(0, 2), dim1=0, dim2=2),
    case("reverse", [X], lambda x: x[:, ::-1], axis=1),
    case("slice", [X], lambda x: x[1:, :2], begin=(1, 0), end=(None, 2)),
    case("slice", [X], lambda x: x[:, ::-2], begin=(None, None), end=(None, None), step=(1, -2)),
    case("slice_axis", [X], lambda x: x[:, :, 1:-1], axis=-1, begin=1, end=-1),
    case("slice_like", [X, normal(1, 2, 9)], lambda x, y: x[:1, :2], axes=(0, 1)),
    case("SliceChannel", [X], lambda x: tuple(x[:, k : k + 1] for k in range(3)), num_outputs=3),
    case("SliceChannel", [X], lambda x: tuple(x[..., k] for k in range(4)), num_outputs=4, axis=2, squeeze_axis=True),
    case("SliceChannel", [X], lambda x: x, num_outputs=1),
    case("Crop", [IMAGE], lambda x: x[:, :, 1:4, 2:4], h_w=(3, 2), offset=(1, 2)),
    case("Crop", [IMAGE, normal(1, 1, 3, 4)], lambda x, y: x[:, :, 1:4, 1:5], center_crop=True),
    case("Concat", [X, normal(2, 1, 4)], lambda x, y: np.concatenate([x, y], 1)),
    case("Concat", [X, X], lambda x, y: np.concatenate([x, y], 0), dim=0, num_args=2),
    case("stack", [A, B], lambda x, y: np.stack([x, y], 1), axis=1),
    case("tile", [A], lambda x: np.tile(x, (2, 3)), reps=(2, 3)),
    case("repeat", [A], lambda x: np.repeat(x, 2, 1), repeats=2, axis=1),
    case("repeat", [A], lambda x: np.repeat(x, 2), repeats=2),
    case("broadcast_to", [normal(2, 1)], lambda x: np.broadcast_to(x, (2, 5)), shape=(0, 5)),
    case("broadcast_axis", [normal(1, 2, 1)], lambda x: np.broadcast_to(x, (3, 2, 4)), axis=(0, 2), size=(3, 4)),
    case("broadcast_like", [normal(2, 1), A], lambda x, y: np.broadcast_to(x, (2, 3))),
    case(
        "broadcast_like",
        [normal(2, 1), normal(7, 2)],
        lambda x, y: np.broadcast_to(x, (2, 7)),
        lhs_axes=(1,),
        rhs_axes=(0,),
    ),
    case(
        "Pad",
        [IMAGE],
        padded("constant", 0, 0, 0, 0, 1, 2, 0, 3, constant_values=1.5),
        mode="constant",
        pad_width=(0, 0, 0, 0, 1, 2, 0, 3),
        constant_value=1.5,
    ),
    case("Pad", [IMAGE], padded("edge", 0, 0, 0, 0, 1, 2, 0, 3), mode="edge", pad_width=(0, 0, 0, 0, 1, 2, 0, 3)),
    case("Pad", [IMAGE], padded("reflect", 0, 0, 0, 0, 1, 2, 0, 3), mode="reflect", pad_width=(0, 0, 0, 0, 1, 2, 0, 3)),
    case("_zeros", [], lambda: np.zeros((2, 3), "float32"), smooth=False, shape=(2, 3)),
    case("_full", [], lambda: np.full((2, 3), 1.5, "float64"), smooth=False, shape=(2, 3), value=1.5, dtype="float64"),
    case(
        "_arange",
        [],
        lambda: np.repeat(np.arange(1, 7, 2.0, "float32"), 2),
        smooth=False,
        start=1,
        stop=7,
        step=2,
        repeat=2,
    ),
]


@pytest.mark.parametrize("typed", [True, False], ids=["typed", "untyped"])
def test_values_are_those_of_numpy(typed):
    check_values(CASES, typed)


def test_gradients_agree_with_differences():
    check_gradients(CASES)
