"""Layers that bring data to a common scale against NumPy, in inference and in training."""

import numpy as np
import pytest

from graphc import sym
from graphc.errors import ShapeError
from tests.sym.mx.cases import case, check_gradients, check_values, draws

normal = draws(5)
A, X = normal(2, 3), normal(2, 3, 4)
CHANNELS = (np.abs(normal(3)), normal(3), normal(3), np.abs(normal(3)))  # gamma, beta, moving mean and variance


def scaled(x, axes, eps, gamma=1.0, beta=0.0):
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps) * gamma + beta


def inferred(x, gamma, beta, mean, var, eps=1e-3):
    c = [v.reshape(3, 1) for v in (mean, var, beta)]
    return (x - c[0]) / np.sqrt(c[1] + eps) * np.reshape(gamma, (-1, 1)) + c[2]


def grouped(x, gamma, beta, eps=1e-3):
    """Normalised over each group of channels: as many as there are parameters; and the groups' statistics."""
    groups = x.reshape(len(x), len(gamma), -1)
    y = scaled(groups, 2, eps, gamma[:, None], beta[:, None])
    return y.reshape(x.shape), groups.mean(2), np.sqrt(groups.var(2) + eps)


def squares(x, size):
    """The sum of squares of neighbouring channels."""
    reach = np.abs(np.arange(x.shape[1])[:, None] - np.arange(x.shape[1])) <= size // 2
    return np.einsum("ck,nkp->ncp", reach, x * x)


CASES = [
    case("BatchNorm", [X, *CHANNELS], lambda x, g, b, m, v: inferred(x, 1.0, b, m, v)),
    case("BatchNorm", [X, *CHANNELS], inferred, fix_gamma=False),
    case("BatchNorm", [X, *CHANNELS], inferred, fix_gamma=False, use_global_stats=True, training=True),
    case(
        "BatchNorm",
        [X, *CHANNELS],
        lambda x, g, b, m, v: scaled(x, (0, 2), 0.01, g[:, None], b[:, None]),
        fix_gamma=False,
        eps=0.01,
        training=True,
    ),
    case("BatchNorm", [A, *CHANNELS], lambda x, g, b, m, v: scaled(x, 0, 1e-3, 1.0, b), axis=-1, training=True),
    case(
        "BatchNorm",
        [X, *CHANNELS],
        lambda x, g, b, m, v: (
            scaled(x, (0, 2), 1e-3, g[:, None], b[:, None]),
            x.mean((0, 2)),
            1 / np.sqrt(x.var((0, 2)) + 1e-3),
        ),
        fix_gamma=False,
        output_mean_var=True,
        training=True,
    ),
    case("InstanceNorm", [X, *CHANNELS[:2]], lambda x, g, b: scaled(x, 2, 1e-3, g[:, None], b[:, None])),
    case("GroupNorm", [normal(2, 6, 3), normal(2), normal(2)], grouped, num_groups=2, eps=1e-3, output_mean_var=True),
    case("GroupNorm", [X, normal(1), normal(1)], lambda *x: grouped(*x, 1e-5)[0]),
    case("LayerNorm", [A, *CHANNELS[:2]], lambda x, g, b: scaled(x, 1, 1e-5, g, b)),
    case(
        "LayerNorm",
        [X, *CHANNELS[:2]],
        lambda x, g, b: (
            scaled(x, 1, 1e-5, g[:, None], b[:, None]),
            x.mean(1, keepdims=True),
            np.sqrt(x.var(1, keepdims=True) + 1e-5),
        ),
        axis=1,
        output_mean_var=True,
    ),
    case("L2Normalization", [X], lambda x: x / np.sqrt((x * x).sum((1, 2), keepdims=True) + 1e-10)),
    case("L2Normalization", [X], lambda x: x / np.sqrt((x * x).sum(1, keepdims=True) + 1e-10), mode="channel"),
    case("L2Normalization", [X], lambda x: x / np.sqrt((x * x).sum(2, keepdims=True) + 1e-10), mode="spatial"),
    case(
        "LRN",
        [normal(2, 5, 3)],
        lambda x: x / (1 + 0.1 / 3 * squares(x, 3)) ** 0.5,
        nsize=3,
        alpha=0.1,
        beta=0.5,
        knorm=1.0,
    ),
    case("Dropout", [X], lambda x: x),
    case("Dropout", [X], lambda x: x, p=0.0, training=True),
]


@pytest.mark.parametrize("typed", [True, False], ids=["typed", "untyped"])
def test_values_are_those_of_numpy(typed):
    check_values(CASES, typed)


def test_gradients_agree_with_differences():
    check_gradients(CASES)


def test_groups_of_a_norm_divide_the_channels():
    with pytest.raises(ShapeError, match=r"num_groups=2 does not divide the channels of float64\[2, 3, 4\]"):
        sym.GroupNorm(sym.var("x", shape=(2, 3, 4)), num_groups=2)
