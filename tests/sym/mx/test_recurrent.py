"""Recurrent layers against cells computed gate by gate in NumPy."""

import math
from itertools import product

import numpy as np
import pytest

from tests.sym.mx.cases import case, check_gradients, check_values, draws

normal = draws(6)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def rnn_step(mode, x, h, c, w, r, b, d):
    """One step of a cell, gate by gate."""
    u, v, size = w @ x + b, r @ h + d, len(h)
    gates = [slice(k * size, (k + 1) * size) for k in range(4)]
    if mode == "lstm":
        i, f, g, o = ((u + v)[gate] for gate in gates)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c), c
    if mode == "gru":
        reset, z = sigmoid((u + v)[gates[0]]), sigmoid((u + v)[gates[1]])
        return (1 - z) * np.tanh(u[gates[2]] + reset * v[gates[2]]) + z * h, c
    return (np.tanh(u + v) if mode == "rnn_tanh" else np.maximum(u + v, 0)), c


def rnn(mode, layers, directions):
    """Recurrent layers by their definition, on one vector of parameters."""
    gates = {"lstm": 4, "gru": 3}.get(mode, 1)

    def run(x, packed, h0, c0=None):
        time, batch, features = x.shape
        size, rest = h0.shape[2], packed
        shapes = [
            s
            for k in range(layers * directions)
            for s in ((gates * size, features if k < directions else size * directions), (gates * size, size))
        ]
        shapes += [(gates * size,)] * (2 * layers * directions)
        parts = []
        for shape in shapes:
            parts.append(rest[: math.prod(shape)].reshape(shape))
            rest = rest[math.prod(shape) :]
        assert not rest.size
        biases, last_h, last_c = parts[2 * layers * directions :], np.zeros_like(h0), np.zeros_like(h0)
        for k in range(layers):
            y = np.zeros((time, batch, size * directions))
            for d, n in product(range(directions), range(batch)):
                j = k * directions + d
                h, c = h0[j, n], None if c0 is None else c0[j, n]
                for t in range(time)[:: -1 if d else 1]:
                    h, c = rnn_step(mode, x[t, n], h, c, *parts[2 * j : 2 * j + 2], *biases[2 * j : 2 * j + 2])
                    y[t, n, d * size : (d + 1) * size] = h
                last_h[j, n], last_c[j, n] = h, 0 if c is None else c
            x = y
        return (x, last_h) if c0 is None else (x, last_h, last_c)

    return run


def recurrent(mode, layers, directions, smooth=True):
    count = {"lstm": 4, "gru": 3}.get(mode, 1) * 2 * directions
    sizes = sum(count * ((3 if k == 0 else 2 * directions) + 2 + 2) for k in range(layers))
    states = [normal(layers * directions, 2, 2) for _ in range(2 if mode == "lstm" else 1)]
    told = {
        "state_size": 2,
        "num_layers": layers,
        "mode": mode,
        "bidirectional": directions == 2,
        "state_outputs": True,
    }
    return case("RNN", [normal(3, 2, 3), 0.5 * normal(sizes), *states], rnn(mode, layers, directions), smooth, **told)


CASES = [
    recurrent("rnn_tanh", 1, 1),
    recurrent("rnn_relu", 2, 1, smooth=False),
    recurrent("lstm", 2, 1),
    recurrent("lstm", 1, 2),
    recurrent("gru", 2, 2),
]


@pytest.mark.parametrize("typed", [True, False], ids=["typed", "untyped"])
def test_values_are_those_of_numpy(typed):
    check_values(CASES, typed)


def test_gradients_agree_with_differences():
    check_gradients(CASES)
