"""Each optimiser follows the formulas of its paper, written in NumPy, for several steps."""

import numpy as np
import pytest

import graphc
from graphc import optim, sym

STEPS = 6
SHAPES = {"w": (3, 4), "b": (4,)}


def sgd(w, g, s, t):
    return w - 0.1 * (g + 0.01 * w)


def momentum(w, g, s, t):
    s["v"] = 0.9 * s.get("v", 0) + g
    return w - 0.1 * s["v"]


def nesterov(w, g, s, t):
    s["v"] = 0.9 * s.get("v", 0) + g
    return w - 0.1 * (g + 0.9 * s["v"])


def adagrad(w, g, s, t):
    s["s"] = s.get("s", 0) + g**2
    return w - 0.1 * g / (np.sqrt(s["s"]) + 1e-10)


def rmsprop(w, g, s, t):
    s["s"] = 0.9 * s.get("s", 0) + 0.1 * g**2
    return w - 0.1 * g / (np.sqrt(s["s"]) + 1e-8)


def direction(g, s, t, epsilon):
    s["m"] = 0.9 * s.get("m", 0) + 0.1 * g
    s["v"] = 0.999 * s.get("v", 0) + 0.001 * g**2
    return s["m"] / (1 - 0.9**t) / (np.sqrt(s["v"] / (1 - 0.999**t)) + epsilon)


def adam(w, g, s, t):
    return w - 0.1 * direction(g, s, t, 1e-8)


def adam_decayed(w, g, s, t):
    return w - 0.1 * direction(g + 0.2 * w, s, t, 1e-8)


def adamw(w, g, s, t):
    return w - 0.1 * (direction(g, s, t, 1e-8) + 0.2 * w)


def lamb(w, g, s, t):
    r = direction(g, s, t, 1e-6) + 0.2 * w
    lengths = np.linalg.norm(w.ravel()), np.linalg.norm(r.ravel())
    return w - 0.1 * (lengths[0] / lengths[1] if all(lengths) else 1) * r


CASES = {
    sgd: optim.sgd(0.1, weight_decay=0.01),
    momentum: optim.momentum(0.1),
    nesterov: optim.nesterov(0.1),
    adagrad: optim.adagrad(0.1),
    rmsprop: optim.rmsprop(0.1),
    adam: optim.adam(0.1),
    adam_decayed: optim.adam(0.1, weight_decay=0.2),
    adamw: optim.adamw(0.1, weight_decay=0.2),
    lamb: optim.lamb(0.1, weight_decay=0.2),
}


def start(dtype):
    random = np.random.default_rng(0)
    return {name: random.standard_normal(shape).astype(dtype) * (name != "b") for name, shape in SHAPES.items()}


def gradients(w):
    return {name: np.tanh(3 * value) + 0.1 for name, value in w.items()}


def follow(formula, dtype):
    """The parameters after every step, in float64."""
    w, slots = {name: value.astype(np.float64) for name, value in start(dtype).items()}, {name: {} for name in SHAPES}
    for t in range(1, STEPS + 1):
        w = {name: formula(w[name], g, slots[name], t) for name, g in gradients(w).items()}
        yield w


def graph_gradients(w):
    return {name: sym.tanh(3 * node) + 0.1 for name, node in w.items()}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("formula", CASES, ids=lambda f: f.__name__)
def test_states_follow_the_formula(formula, dtype):
    params = {name: graphc.state(value, name) for name, value in start(dtype).items()}
    step = graphc.compile([], [], updates=CASES[formula].updates(params, graph_gradients(params)))
    tolerance = 1e-12 if dtype == "float64" else 2e-5
    for expected in follow(formula, dtype):
        step()
        for name, w in params.items():
            assert w.get().dtype == dtype
            np.testing.assert_allclose(w.get(), expected[name], rtol=tolerance, atol=tolerance)


def test_pure_update_gives_what_states_give():
    optimiser = optim.adam(0.1)
    params = {name: sym.var(name, shape=shape) for name, shape in SHAPES.items()}
    slots = optimiser.slots(params)
    step = sym.var("step", shape=(), dtype="int64")
    moments = {k: {n: sym.var(f"{k}.{n}", shape=SHAPES[n]) for n in SHAPES} for k in ("mean", "square")}
    results = optimiser.update(params, graph_gradients(params), {"step": step, **moments})
    inputs = [*params.values(), step, *(node for each in moments.values() for node in each.values())]
    f, w = graphc.compile(inputs, results), start("float64")
    for expected in follow(adam, "float64"):
        values = [*w.values(), slots["step"], *(a for k in ("mean", "square") for a in slots[k].values())]
        w, slots = f(*map(np.asarray, values))
        np.testing.assert_allclose(w["w"], expected["w"], rtol=1e-12)
    assert slots["step"] == STEPS


def test_lamb_steps_by_the_rate_where_a_parameter_is_zero():
    w = graphc.state(np.zeros(3))
    graphc.compile([], [], updates=optim.lamb(0.5).updates(w, sym.asarray(np.ones(3))))()
    np.testing.assert_allclose(w.get(), -0.5, rtol=1e-5)


@pytest.mark.parametrize(
    "optimiser",
    [optim.adam(0.1), optim.lbfgs(history=2), optim.sgd(0.5, clip=lambda g: optim.clip_by_global_norm(g, 1.0))],
    ids=["adam", "lbfgs", "clipped sgd"],
)
def test_minimize_goes_down_the_loss_of_an_untyped_model(optimiser):
    x, w = sym.var("x"), graphc.state(np.zeros(2), "w")
    loss = sym.mean(sym.square(x @ w - 1))
    f = graphc.compile(x, loss, updates=optimiser.minimize(loss, [w]))
    losses = [float(f(np.eye(2))) for _ in range(30)]
    assert losses[0] == 1
    assert losses[-1] < 0.01


def test_learning_rate_may_be_a_state():
    rate, w = graphc.state(1.0), graphc.state(np.float32(0))
    step = graphc.compile([], [], updates=optim.sgd(rate).updates(w, sym.asarray(np.float32(1))))
    step()
    rate.set(0.5)
    step()
    assert w.get() == -1.5
    assert w.dtype == np.float32


def test_parameters_are_states_and_gradients_match_them():
    x, w = sym.var("x", shape=3), graphc.state(np.ones(3))
    with pytest.raises(graphc.BindError, match="a parameter to update is a state"):
        optim.sgd(0.1).minimize(sym.sum(x), x)
    with pytest.raises(graphc.BindError, match="1 gradients in another structure than the 2 parameters"):
        optim.sgd(0.1).updates([w, w], [w])


# -- L-BFGS -------------------------------------------------------------------------------------------


def two_loops(g, pairs):
    """Nocedal and Wright, Numerical Optimization, algorithm 7.4."""
    q, alphas = g.copy(), []
    for s, y in reversed(pairs):
        alphas.append(s @ q / (y @ s))
        q -= alphas[-1] * y
    r = q * (pairs[-1][0] @ pairs[-1][1] / (pairs[-1][1] @ pairs[-1][1]) if pairs else 1 / max(1, np.linalg.norm(g)))
    for (s, y), alpha in zip(pairs, reversed(alphas)):
        r += s * (alpha - y @ r / (y @ s))
    return r


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_lbfgs_follows_the_two_loop_recursion(dtype):
    matrix = np.diag([1.0, 3.0, 10.0, 30.0, 2.0])
    params = [graphc.state(np.array([1, 2], dtype)), graphc.state(np.array([[3], [-1], [2]], dtype))]
    x = sym.concat([params[0], sym.ravel(params[1])], axis=0)
    loss = sym.sum((x @ matrix.astype(dtype)) * x) / 2
    step = graphc.compile([], [], updates=optim.lbfgs(0.9, history=3).minimize(loss, params))
    tolerance = 1e-9 if dtype == "float64" else 1e-3
    w, seen, pairs = np.array([1.0, 2, 3, -1, 2]), [], []
    for _ in range(8):
        g = matrix @ w
        if seen and (w - seen[-1][0]) @ (g - seen[-1][1]) > 0:
            pairs = [*pairs, (w - seen[-1][0], g - seen[-1][1])][-3:]
        seen.append((w, g))
        w = w - 0.9 * two_loops(g, pairs)
        step()
        got = np.concatenate([p.get().ravel() for p in params])
        np.testing.assert_allclose(got, w, rtol=tolerance, atol=tolerance)
    assert np.linalg.norm(w) < 1


def test_lbfgs_leaves_out_a_pair_without_curvature():
    w = graphc.state(np.array([1.0]))
    step = graphc.compile([], [], updates=optim.lbfgs(0.5).minimize(-sym.sum(w * w) / 2, w))
    for expected in (1.5, 2.0, 2.5):  # the identity, and steps no longer than the rate
        step()
        np.testing.assert_allclose(w.get(), [expected])


def test_lbfgs_takes_parameters_of_two_dtypes():
    a, b = graphc.state(np.float64(1)), graphc.state(np.ones(2, np.float32))
    loss = a * a + sym.sum(sym.astype(b, "float64") ** 2)
    step = graphc.compile([], loss, updates=optim.lbfgs().minimize(loss, [a, b]))
    assert [float(step()) for _ in range(5)][-1] < 1e-6
    assert b.get().dtype == np.float32
