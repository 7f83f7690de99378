"""Forward mode: against the derivative by hand, and against reverse mode."""

import numpy as np
import pytest

from graphc import sym
from graphc.autodiff.api import grad, hvp, jvp, vjp
from graphc.errors import GradientError
from graphc.interpret import interpret
from graphc.node import topological

X, T = np.linspace(-1, 2, 4), np.array([1.0, -2, 0.5, 3])


@pytest.fixture
def x():
    return sym.var("x", shape=(4,), dtype="float64")


def test_tangent_of_an_elementwise_function_is_its_derivative_times_the_tangent(x):
    np.testing.assert_allclose(interpret(jvp(sym.sin(x), x, T), {"x": X}), np.cos(X) * T)


def test_tangents_mirror_the_outputs(x):
    got = interpret(jvp({"sum": x.sum(), "parts": (x * x, x)}, x, T), {"x": X})
    assert got["sum"] == T.sum()
    np.testing.assert_allclose(got["parts"][0], 2 * X * T)
    np.testing.assert_array_equal(got["parts"][1], T)


def test_tangents_of_several_arguments_add_up(x):
    w = sym.var("w", shape=(4,), dtype="float64")
    got = interpret(jvp(x * w, {"x": x, "w": w}, {"x": T, "w": X}), {"x": X, "w": T})
    np.testing.assert_allclose(got, T * T + X * X)


def test_none_is_a_tangent_of_zero_and_makes_no_node(x):
    w = sym.var("w", shape=(4,), dtype="float64")
    y = x * sym.exp(w)
    assert jvp(y, [x, w], [T, None]) is jvp(y, [x], [T])


def test_output_that_depends_on_nothing_asked_has_a_zero_tangent(x):
    w = sym.var("w", shape=(2,), dtype="float64")
    zero = jvp(w * w, x, T)
    assert zero.type == w.type
    np.testing.assert_array_equal(interpret(zero, {}), np.zeros(2))


def test_tangent_of_an_inner_node_adds_to_what_flows_into_it(x):
    u = 2 * x
    got = interpret(jvp(sym.sin(u), [u, x], [X, T]), {"x": X})
    np.testing.assert_allclose(got, np.cos(2 * X) * (X + 2 * T))


def test_stop_gradient_blocks_the_tangent(x):
    np.testing.assert_array_equal(interpret(jvp(sym.stop_gradient(x) * x, x, T), {"x": X}), X * T)


def test_forward_mode_agrees_with_reverse_mode(x):
    w = sym.var("w", shape=(4, 3), dtype="float64")
    y = sym.softmax(sym.matmul(sym.tanh(x), w))
    rng = np.random.default_rng(0)
    W, dx, dw, g = rng.normal(size=(4, 3)), rng.normal(size=4), rng.normal(size=(4, 3)), rng.normal(size=3)
    forward = jvp(y, [x, w], [dx, dw])
    pushed, (gx, gw) = interpret([forward, vjp(y, [x, w], g)], {"x": X, "w": W})
    np.testing.assert_allclose(g @ pushed, gx @ dx + (gw * dw).sum(), rtol=1e-12)


def test_forward_over_reverse_agrees_with_reverse_over_reverse(x):
    y = (sym.sin(x) * sym.exp(x * x)).sum()
    by_forward = hvp(y, x, T)
    by_reverse = grad((grad(y, x) * T).sum(), x)
    a, b = interpret([by_forward, by_reverse], {"x": X})
    np.testing.assert_allclose(a, b, rtol=1e-12)


def test_forward_mode_is_recorded_before_typing():
    a = sym.var("a")
    np.testing.assert_allclose(interpret(jvp(sym.sin(a), a, T), {"a": X}), np.cos(X) * T)


def test_wrong_tangents_are_errors(x):
    with pytest.raises(GradientError, match=r"float64\[3\] was given for x"):
        jvp(x * x, x, np.ones(3))
    with pytest.raises(GradientError, match="mirror their structure"):
        jvp(x * x, [x, x], [T])
    with pytest.raises(GradientError, match="only floats"):
        jvp(sym.floor(x).astype("int64"), x, T)


def test_tangents_of_a_deep_chain_grow_linearly():
    x = sym.var("x", shape=(), dtype="float64")
    y = x
    for _ in range(20_000):
        y = sym.sin(y)
    assert len(topological([jvp(y, x, 1.0)])) < 4 * 20_000
