"""Learning rates over time, and gradients clipped, against their formulas."""

import numpy as np
import pytest

import graphc
from graphc import optim, sym
from graphc.optim import schedule


@pytest.mark.parametrize(
    ("made", "formula"),
    [
        (schedule.constant(0.3), lambda t: 0.3),
        (schedule.steps(0.3, every=10, factor=0.5), lambda t: 0.3 * 0.5 ** (t // 10)),
        (schedule.exponential(0.3, 0.9), lambda t: 0.3 * 0.9**t),
        (schedule.cosine(0.3, 40, 0.1), lambda t: 0.1 + 0.2 * (1 + np.cos(np.pi * min(t / 40, 1))) / 2),
        (schedule.polynomial(0.3, 40, 2.0, 0.1), lambda t: 0.1 + 0.2 * (1 - min(t / 40, 1)) ** 2),
        (schedule.warmup(5, 0.3), lambda t: 0.3 * min((t + 1) / 5, 1)),
        (
            schedule.warmup(5, schedule.exponential(0.3, 0.9)),
            lambda t: 0.3 * (t + 1) / 5 if t < 5 else 0.3 * 0.9 ** (t - 5),
        ),
    ],
)
def test_schedule_is_its_formula(made, formula):
    w = graphc.state(0.0)
    step = graphc.compile([], [], updates=optim.sgd(made).updates(w, sym.asarray(-1.0)))
    total = 0.0
    for t in range(50):
        step()
        total += formula(t)
        np.testing.assert_allclose(w.get(), total, rtol=1e-12)


GRADIENTS = {"a": np.array([3.0, -4.0]), "b": [np.array([[0.5]])]}


@pytest.mark.parametrize(
    ("clip", "a", "b"),
    [
        (lambda g: optim.clip_by_value(g, 1), [1, -1], [[0.5]]),
        (lambda g: optim.clip_by_norm(g, 1), [0.6, -0.8], [[0.5]]),
        (lambda g: optim.clip_by_global_norm(g, 1), np.array([3, -4]) / 25.25**0.5, [[0.5 / 25.25**0.5]]),
        (lambda g: optim.clip_by_global_norm(g, 6), [3, -4], [[0.5]]),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_clipped_gradients(clip, a, b, dtype):
    grads = {"a": sym.asarray(GRADIENTS["a"].astype(dtype)), "b": [sym.asarray(GRADIENTS["b"][0].astype(dtype))]}
    got = graphc.compile([], clip(grads))()
    assert got["a"].dtype == dtype
    np.testing.assert_allclose(got["a"], a, rtol=1e-6)
    np.testing.assert_allclose(got["b"][0], b, rtol=1e-6)


def test_zero_gradients_stay_zero_when_clipped():
    zeros = sym.asarray(np.zeros(3))
    for clip in (optim.clip_by_norm, optim.clip_by_global_norm):
        assert not graphc.compile([], clip(zeros, 1.0))().any()


def test_optimiser_clips_all_gradients_together():
    w, b = graphc.state(np.zeros(2)), graphc.state(np.zeros((1, 1)))
    grads = [sym.asarray(GRADIENTS["a"]), sym.asarray(GRADIENTS["b"][0])]
    optimiser = optim.sgd(1.0, clip=lambda g: optim.clip_by_global_norm(g, 1.0))
    graphc.compile([], [], updates=optimiser.updates([w, b], grads))()
    np.testing.assert_allclose(np.hypot(np.linalg.norm(w.get()), b.get()), 1)
