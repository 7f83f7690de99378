"""An epoch in one call is the same as its steps one by one, whatever the number of rows."""

import numpy as np
import pytest

import graphc
from graphc import optim, sym
from graphc.errors import BindError

RNG = np.random.default_rng(0)
START = {"w": RNG.normal(size=(3, 2)), "b": np.zeros(2)}
OPTIMISERS = [optim.sgd(0.1), optim.adam(optim.schedule.warmup(5, 0.1)), optim.lbfgs(0.1, history=2)]


def states():
    return {name: graphc.state(array, name) for name, array in START.items()}


def loss(p, rows):
    x, y = rows
    return sym.mean((sym.tanh(x @ p["w"]) + p["b"] - y) ** 2)


def variables(n):
    return sym.var("x", shape=(n, 3)), sym.var("y", shape=(n, 2))


def by_steps(optimiser, arrays, batch):
    """The mean loss of an epoch, and all states after it."""
    params, data, total = states(), variables("n"), 0.0
    value = loss(params, data)
    updates = optimiser.minimize(value, params)
    step = graphc.compile(data, value, updates=updates)
    for k in range(0, len(arrays[0]), batch):
        some = [array[k : k + batch] for array in arrays]
        total += step(*some) * len(some[0])
    return total / len(arrays[0]), [state.get() for state in updates]


@pytest.mark.parametrize("optimiser", OPTIMISERS, ids=["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("known", [False, True], ids=["n", "number"])
@pytest.mark.parametrize("rows", [12, 14, 3])
def test_epoch_is_its_steps(rows, known, optimiser):
    arrays = RNG.normal(size=(rows, 3)), RNG.normal(size=(rows, 2))
    data = variables(rows if known else "n")
    mean, updates = optimiser.epoch(loss, states(), data, batch=4)
    found = graphc.compile(data, mean, updates=updates)(*arrays)
    wanted, after = by_steps(optimiser, arrays, 4)
    np.testing.assert_allclose(found, wanted, rtol=1e-10)
    for state, array in zip(updates, after, strict=True):
        np.testing.assert_allclose(state.get(), array, rtol=1e-9, atol=1e-12)


def test_epochs_go_on_where_the_last_one_ended():
    arrays, data = (RNG.normal(size=(8, 3)), RNG.normal(size=(8, 2))), variables("n")
    mean, updates = optim.adam(0.1).epoch(loss, states(), data, batch=4)
    epoch = graphc.compile(data, mean, updates=updates)
    epoch(*arrays), epoch(*arrays)
    _, twice = by_steps(optim.adam(0.1), [np.concatenate([array, array]) for array in arrays], 4)
    for state, array in zip(updates, twice, strict=True):
        np.testing.assert_allclose(state.get(), array, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("data", "batch"),
    [
        ((sym.var("x", shape=(4, 3)), sym.var("y", shape=(5, 2))), 2),
        ((sym.var("x"), sym.var("y")), 2),
        ((sym.var("x", shape=()),), 2),
        ((), 2),
        (variables("n"), 0),
    ],
    ids=["different rows", "no types", "no axis", "no data", "no batch"],
)
def test_data_that_cannot_be_cut_is_an_error(data, batch):
    with pytest.raises(BindError, match=r"epoch: .* cannot be cut into batches"):
        optim.sgd(0.1).epoch(loss, states(), data, batch)


def test_parameters_of_an_epoch_are_states():
    with pytest.raises(BindError, match="a parameter to update is a state"):
        optim.sgd(0.1).epoch(lambda w, x: sym.mean(w * x), sym.var("w", shape=()), sym.var("x", shape=("n",)), 2)
