"""Layers of neurons against NumPy."""

import math

import numpy as np
import pytest

from tests.sym.mx.cases import case, check_gradients, check_values, draws

normal = draws(1)
A = normal(2, 3)
X = normal(2, 3, 4)


def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def slope(x, part):
    return np.where(x > 0, x, part * x)


ERF = np.vectorize(math.erf)
CASES = [
    case("FullyConnected", [X, normal(5, 12), normal(5)], lambda x, w, b: x.reshape(2, 12) @ w.T + b, num_hidden=5),
    case("FullyConnected", [X, normal(5, 4)], lambda x, w: x @ w.T, num_hidden=5, flatten=False, no_bias=True),
    case("FullyConnected", [normal(3), normal(2, 1), normal(2)], lambda x, w, b: x[:, None] @ w.T + b, num_hidden=2),
    case("Activation", [A], lambda x: np.maximum(x, 0), act_type="relu"),
    case("Activation", [A], lambda x: 1 / (1 + np.exp(-x)), act_type="sigmoid"),
    case("Activation", [A], np.tanh, act_type="tanh"),
    case("Activation", [A], lambda x: np.log1p(np.exp(x)), act_type="softrelu"),
    case("Activation", [A], lambda x: x / (1 + np.abs(x)), act_type="softsign"),
    case("LeakyReLU", [A], lambda x: slope(x, 0.25)),
    case("LeakyReLU", [A], lambda x: slope(x, 0.1), slope=0.1),
    case("LeakyReLU", [X, normal(3)], lambda x, g: slope(x, g[:, None]), act_type="prelu"),
    case("LeakyReLU", [X, normal(1)], slope, act_type="prelu"),
    case("LeakyReLU", [A], lambda x: np.where(x > 0, x, 0.25 * np.expm1(x)), act_type="elu"),
    case(
        "LeakyReLU",
        [A],
        lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)),
        act_type="selu",
    ),
    case("LeakyReLU", [A], lambda x: 0.5 * x * (1 + ERF(x / np.sqrt(2))), act_type="gelu"),
    case("LeakyReLU", [A], lambda x: slope(x, 0.3), act_type="rrelu", lower_bound=0.2, upper_bound=0.4),
    case("SoftmaxActivation", [X], lambda x: softmax(x, -1)),
    case("SoftmaxActivation", [X], lambda x: softmax(x, 1), mode="channel"),
    case("softmax", [X], lambda x: softmax(x / 2, 1), axis=1, temperature=2.0),
    case("log_softmax", [X], lambda x: np.log(softmax(x))),
    case("softmin", [X], lambda x: softmax(-x)),
]


@pytest.mark.parametrize("typed", [True, False], ids=["typed", "untyped"])
def test_values_are_those_of_numpy(typed):
    check_values(CASES, typed)


def test_gradients_agree_with_differences():
    check_gradients(CASES)
