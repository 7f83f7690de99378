"""Reverse mode: values, structure of results, pruning, errors, kinks, depth."""

import re

import numpy as np
import pytest

from graphc import sym
from graphc.autodiff.api import grad, hvp, vjp
from graphc.errors import GradientError
from graphc.graph import Graph
from graphc.interpret import interpret
from graphc.node import topological


def value(node, **bindings):
    return interpret(node, bindings)


@pytest.fixture
def x():
    return sym.var("x", shape=(4,), dtype="float64")


ARANGE = np.arange(4.0)


# -- the facts of the chapter -----------------------------------------------------------------------


def test_gradient_of_two_dot_x_x_is_four_x(x):
    y = 2 * sym.dot(x, x)
    assert value(y, x=ARANGE) == 28
    np.testing.assert_array_equal(value(grad(y, x), x=ARANGE), [0, 4, 8, 12])


def test_gradient_of_sum_is_ones(x):
    np.testing.assert_array_equal(value(grad(x.sum(), x), x=ARANGE), np.ones(4))


def test_head_of_ones_gives_the_gradient_of_the_sum(x):
    for g in (grad(x * x, x, head=np.ones(4)), grad((x * x).sum(), x)):
        np.testing.assert_array_equal(value(g, x=ARANGE), [0, 2, 4, 6])


def test_gradient_with_a_frozen_factor_is_that_factor(x):
    y = x * x
    z = sym.stop_gradient(y) * x
    np.testing.assert_array_equal(value(grad(z.sum(), x), x=ARANGE), ARANGE**2)
    np.testing.assert_array_equal(value(grad(y.sum(), x), x=ARANGE), 2 * ARANGE)


def test_what_only_a_frozen_factor_needs_is_not_differentiated(x):
    w = sym.var("w", shape=(4,), dtype="float64")
    z = (sym.stop_gradient(sym.sin(w)) * x).sum()
    np.testing.assert_array_equal(value(grad(z, w), w=ARANGE), np.zeros(4))
    with pytest.raises(GradientError, match="does not depend on w"):
        grad(z, w, unused="raise")


def test_derivative_of_a_polynomial():
    x = sym.var("x", shape=(), dtype="float64")
    assert value(grad(4 * x**3 + x**2 + 3, x), x=2.0) == 2 * 2 + 12 * 4


def test_chain_rule_is_the_product_of_jacobians():
    w, x = sym.var("w", shape=(3, 2)), sym.var("x", shape=(2,))
    v = sym.var("v", shape=(3,))
    y = sym.dot(v, sym.tanh(sym.matmul(w, x)))
    W, X, V = np.linspace(-1, 1, 6).reshape(3, 2), np.array([0.5, -2]), np.array([1.0, 2, 3])
    by_hand = V @ np.diag(1 - np.tanh(W @ X) ** 2) @ W
    np.testing.assert_allclose(value(grad(y, x), w=W, x=X, v=V), by_hand, rtol=1e-14)


def test_third_derivatives(x):
    def third(y):
        for _ in range(3):
            y = grad(y.sum(), x)
        return value(y, x=ARANGE)

    np.testing.assert_allclose(third(x**5), 60 * ARANGE**2, rtol=1e-14)
    np.testing.assert_allclose(third(sym.sin(x)), -np.cos(ARANGE), rtol=1e-14)


def test_hessian_vector_product_of_rosenbrock():
    x = sym.var("x", shape=(3,))
    y = sym.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)
    at, v = np.array([1.2, -0.7, 0.3]), np.array([1.0, 2, -1])
    h = np.zeros((3, 3))
    for i in range(2):
        h[i, i] += 1200 * at[i] ** 2 - 400 * at[i + 1] + 2
        h[i, i + 1] = h[i + 1, i] = -400 * at[i]
        h[i + 1, i + 1] += 200
    np.testing.assert_allclose(value(hvp(y, x, v), x=at), h @ v, rtol=1e-12)


# -- what may be asked, and how it is answered --------------------------------------------------------


def test_result_mirrors_the_structure_of_wrt(x):
    w = sym.var("w", shape=(4,), dtype="float64")
    found = grad((x * w).sum(), {"x": x, "rest": [w, (x,)]})
    got = value(found, x=ARANGE, w=np.ones(4))
    assert list(got) == ["x", "rest"] and isinstance(got["rest"][1], tuple)
    np.testing.assert_array_equal(got["x"], np.ones(4))
    np.testing.assert_array_equal(got["rest"][0], ARANGE)
    assert found["rest"][1][0] is found["x"]


def test_gradient_with_respect_to_an_inner_node(x):
    u = x * x
    y = sym.sin(u).sum()
    by_u, by_x = value(grad(y, [u, x]), x=ARANGE)
    np.testing.assert_allclose(by_u, np.cos(ARANGE**2))
    np.testing.assert_allclose(by_x, 2 * ARANGE * np.cos(ARANGE**2))


def test_gradient_with_respect_to_an_inner_node_flows_through_another(x):
    u = 2 * x
    v = sym.sin(u)
    by_u, by_v = value(grad((u * v).sum(), [u, v]), x=ARANGE)
    np.testing.assert_allclose(by_u, np.sin(2 * ARANGE) + 2 * ARANGE * np.cos(2 * ARANGE))
    np.testing.assert_allclose(by_v, 2 * ARANGE)


def test_gradient_of_a_node_with_respect_to_itself_is_the_head(x):
    np.testing.assert_array_equal(value(grad(x, x, head=ARANGE)), ARANGE)


def test_argument_used_in_several_places_sums_its_parts(x):
    y = (x * x * x + sym.exp(x)).sum()
    np.testing.assert_allclose(value(grad(y, x), x=ARANGE), 3 * ARANGE**2 + np.exp(ARANGE))


def test_unused_argument_has_a_zero_gradient_or_is_an_error(x):
    w = sym.var("w", shape=(2, 3), dtype="float32")
    zero = grad(x.sum(), w)
    assert zero.type == w.type
    np.testing.assert_array_equal(value(zero), np.zeros((2, 3)))
    with pytest.raises(GradientError, match=r"depend on w \(test_reverse.py:\d+\)"):
        grad(x.sum(), [x, w], unused="raise")
    with pytest.raises(GradientError, match="'zero' or 'raise'"):
        grad(x.sum(), x, unused="ignore")  # type: ignore[arg-type]


def test_output_with_axes_needs_a_head_and_the_error_names_both_ways(x):
    with pytest.raises(GradientError, match=re.escape("multiply is float64[4] (test_reverse.py:")) as error:
        grad(x * x, x)
    assert "head=" in str(error.value) and "sym.sum(y)" in str(error.value)


@pytest.mark.parametrize("head", [np.ones(3), np.ones((4, 1)), np.ones(4, np.float32), 1.0])
def test_head_of_another_type_is_an_error(x, head):
    with pytest.raises(GradientError, match=r"grad: .* was given for multiply .* which is float64\[4\]"):
        grad(x * x, x, head=head)


def test_head_may_be_a_node_or_a_list(x):
    h = sym.var("h", shape=(4,), dtype="float64")
    np.testing.assert_array_equal(value(grad(x * x, x, head=h), x=ARANGE, h=ARANGE), 2 * ARANGE**2)
    np.testing.assert_array_equal(value(grad(x * x, x, head=[1, 0, 1, 0]), x=ARANGE), [0, 0, 4, 0])


def test_integers_have_no_derivatives(x):
    n = sym.var("n", shape=(4,), dtype="int64")
    with pytest.raises(GradientError, match=r"grad: n is int64\[4\] .* cast it"):
        grad((x * n).sum(), n)
    with pytest.raises(GradientError, match="grad: sum is int64"):
        grad(n.sum(), x)
    with pytest.raises(GradientError, match="not 3"):
        grad(x.sum(), [3])


def test_gradient_through_a_cast_returns_to_the_dtype_of_its_argument(x):
    y = (x.astype("float32") ** 2).sum()
    g = grad(y, x)
    assert g.type == x.type
    np.testing.assert_allclose(value(g, x=ARANGE), 2 * ARANGE)


def test_gradient_through_an_integer_is_zero(x):
    whole = sym.floor(x).astype("int64").astype("float64")
    np.testing.assert_array_equal(value(grad((whole * x).sum(), x), x=ARANGE + 0.5), ARANGE)


def test_vjp_of_several_outputs_adds_their_parts(x):
    outputs = {"sin": sym.sin(x), "sum": x.sum()}
    got = value(vjp(outputs, [x], {"sin": ARANGE, "sum": 2.0}), x=ARANGE)
    np.testing.assert_allclose(got[0], ARANGE * np.cos(ARANGE) + 2)


def test_vjp_takes_none_for_zero_and_makes_nothing_of_it(x):
    s, c = sym.sin(x), sym.cos(x)
    (g,) = vjp([s, c], [x], [np.ones(4), None])
    (alone,) = vjp([s], [x], [np.ones(4)])
    assert g is alone


def test_cotangents_of_another_structure_are_an_error(x):
    with pytest.raises(GradientError, match="mirror their structure"):
        vjp([x, x * x], x, [np.ones(4)])
    with pytest.raises(GradientError, match="mirror their structure"):
        vjp({"a": x}, x, {"b": np.ones(4)})


def test_gradient_is_recorded_before_typing():
    a, b = sym.var("a"), sym.var("b")
    y = sym.sum(a * a * b)
    g = grad(y, {"a": a, "b": b})
    second = grad(sym.sum(g["a"]), a)
    assert g["a"].type is None and second.type is None
    A, B = np.array([1.0, 2]), np.array([3.0, 4])
    got, again = interpret([g, second], {"a": A, "b": B})
    np.testing.assert_array_equal(got["a"], 2 * A * B)
    np.testing.assert_array_equal(got["b"], A * A)
    np.testing.assert_array_equal(again, 2 * B)
    assert interpret(g, {"a": np.ones((2, 2)), "b": np.ones((2, 2))})["a"].shape == (2, 2)


def test_errors_before_typing_come_with_the_users_line():
    a = sym.var("a")
    g = grad(a * a, a)
    with pytest.raises(GradientError, match=r"test_reverse.py:\d+"):
        interpret(g, {"a": np.ones(3)})


def test_gradient_with_symbolic_extents():
    x = sym.var("x", shape=("n", 3), dtype="float64")
    g = grad((sym.mean(x, axis=0) ** 2).sum(), x)
    for n in (1, 4):
        X = np.arange(3.0 * n).reshape(n, 3)
        np.testing.assert_allclose(value(g, x=X), np.broadcast_to(2 * X.mean(0) / n, X.shape))


# -- pruning ----------------------------------------------------------------------------------------


def chain_model(depth):
    """h = tanh(p0 h + p1), twice two parameters a layer: the parameters, and the loss."""
    parameters = [sym.var(f"p{k}", shape=(5,)) for k in range(depth)]
    h = sym.var("x", shape=(5,))
    for p, q in zip(parameters[::2], parameters[1::2], strict=True):
        h = sym.tanh(p * h + q)
    return parameters, (h * h).sum()


def added(gradients, y):
    """How many nodes gradients add to the forward graph."""
    return len(set(topological(gradients)) - set(topological([y])))


def test_gradient_of_the_last_parameter_does_not_grow_with_the_model():
    counts = set()
    for depth in (20, 40):
        parameters, loss = chain_model(depth)
        counts.add(added([grad(loss, parameters[-1])], loss))
    assert len(counts) == 1


def test_gradient_of_all_parameters_grows_linearly():
    counts = []
    for depth in (20, 40, 60):
        parameters, loss = chain_model(depth)
        counts.append(added(grad(loss, parameters), loss))
    assert counts[1] - counts[0] == counts[2] - counts[1]


def test_gradient_reads_nothing_that_only_other_parameters_need():
    parameters = [sym.var(f"p{k}", shape=(5,)) for k in range(20)]
    loss = sum(sym.sin(p).sum() for p in parameters)
    g = grad(loss, parameters[7])
    assert Graph.of(g).inputs == (parameters[7],)
    assert added([g], loss) < 8


# -- kinks, ties, and zeros that must not become NaN ---------------------------------------------------


def at(y, x, point):
    return value(grad(y.sum(), x), x=np.asarray(point, np.float64))


def test_derivative_of_abs_at_zero_is_zero(x):
    np.testing.assert_array_equal(at(abs(x), x, [-2, 0, -0.0, 3]), [-1, 0, 0, 1])


def test_tied_maximum_shares_its_derivative(x):
    tied = [5.0, 1, 5, 2]
    np.testing.assert_array_equal(at(sym.max(x), x, tied), [0.5, 0, 0.5, 0])
    np.testing.assert_array_equal(at(sym.min(-x), x, tied), [-0.5, 0, -0.5, 0])


def test_tied_maximum_of_two_shares_its_derivative(x):
    np.testing.assert_array_equal(at(sym.maximum(x, 1.0), x, [0.0, 1, 2, 1]), [0, 0.5, 1, 0.5])
    np.testing.assert_array_equal(at(sym.minimum(x, x), x, ARANGE), np.ones(4))


def test_power_has_no_nan_at_zero(x):
    np.testing.assert_array_equal(at(x**0, x, [0.0, 1, -1, 2]), np.zeros(4))
    np.testing.assert_array_equal(at(x**1, x, [0.0, 1, -1, 2]), np.ones(4))
    np.testing.assert_array_equal(at(x**2, x, [0.0, 1, -1, 2]), [0, 2, -2, 4])
    y = sym.var("y", shape=(4,), dtype="float64")
    by_x, by_y = value(grad((x**y).sum(), [x, y]), x=np.array([0.0, 0, 0, -1]), y=np.array([0.0, 1, 2, 2]))
    np.testing.assert_array_equal(by_x, [0, 1, 0, -2])
    np.testing.assert_array_equal(by_y[1:3], [0, 0])


def test_zero_to_a_variable_power_has_derivative_zero(x):
    np.testing.assert_array_equal(at(0.0**x, x, [1.0, 2, 0.5, 3]), np.zeros(4))


def test_norm_at_zero_has_derivative_zero(x):
    np.testing.assert_array_equal(at(sym.norm(x), x, np.zeros(4)), np.zeros(4))
    np.testing.assert_allclose(at(sym.norm(x), x, [3.0, 0, 4, 0]), [0.6, 0, 0.8, 0])


def test_second_derivative_of_square_norm_at_zero(x):
    np.testing.assert_array_equal(at(grad((x * x).sum(), x), x, np.zeros(4)), np.full(4, 2))


def test_where_keeps_an_infinite_branch_out_of_the_derivative(x):
    point = [0.0, 1, 4, -1]
    np.testing.assert_array_equal(at(sym.where(x > 0, sym.log(x), 0.0), x, point), [0, 1, 0.25, 0])
    np.testing.assert_array_equal(at(sym.where(x > 0, sym.sqrt(x), 0.0), x, point), [0, 0.5, 0.25, 0])
    np.testing.assert_array_equal(at(sym.where(x > 0, 1 / x, 0.0), x, point), [0, -1, -1 / 16, 0])
    np.testing.assert_array_equal(at(sym.where(x > 0, x**0.5, x), x, point), [1, 0.5, 0.25, 1])


def test_masked_parts_that_meet_before_a_singular_operator_stay_masked(x):
    u = sym.sqrt(x)
    y = sym.where(x > 0, sym.sin(u) + sym.exp(u), 0.0)
    np.testing.assert_allclose(at(y, x, [0.0, 1, 4, 0]), [0, (np.cos(1) + np.e) / 2, (np.cos(2) + np.exp(2)) / 4, 0])


def test_many_masks_keep_an_infinite_branch_out_of_the_derivative(x):
    y = sym.sqrt(x)
    for _ in range(6):
        y = sym.where(x > 0, y, 0.0)
        y = sym.maximum(y, -1.0)
    np.testing.assert_array_equal(at(y, x, [0.0, 1, 4, 0]), [0, 0.5, 0.25, 0])


@pytest.mark.parametrize("fold", [sym.prod, sym.max, sym.min, sym.sum, sym.logsumexp])
def test_where_keeps_an_infinite_branch_out_through_reductions(x, fold):
    y = sym.where(x[3] > 0, fold(1 / x), 2 * x[0])
    np.testing.assert_array_equal(at(y, x, [0.0, 1, 4, -1]), [2, 0, 0, 0])


@pytest.mark.parametrize("axis", [0, 1, (0, 1)])
def test_rows_scaled_to_length_one_have_no_nan_where_they_are_zero(axis):
    x = sym.var("x", shape=(2, 3))
    length = sym.sqrt(sym.sum(x * x, axis, keepdims=True))
    y = sym.where(length > 0, x / length, 0.0)
    rows = value(grad((y * y[::-1, ::-1]).sum(), x), x=np.zeros((2, 3)))
    np.testing.assert_array_equal(rows, np.zeros((2, 3)))


def test_product_with_zeros_has_the_product_of_the_others():
    x = sym.var("x", shape=(3,))
    for point, expected in {(2.0, 0, 5): [0, 10, 0], (0.0, 0, 5): [0, 0, 0], (2.0, 3, 5): [15, 10, 6]}.items():
        np.testing.assert_array_equal(at(sym.prod(x), x, point), expected)


# -- depth --------------------------------------------------------------------------------------------


def test_chain_of_a_hundred_thousand_operators_differentiates_in_linear_size():
    x = sym.var("x", shape=(), dtype="float64")
    y = x
    for _ in range(100_000):
        y = sym.sin(y)
    assert len(topological([grad(y, x)])) <= 3 * 100_000 + 2  # a sine, a cosine and a product a step


def test_chain_of_masks_differentiates_in_linear_size():
    x = sym.var("x", shape=(3,), dtype="float64")
    counts = []
    for depth in (100, 200, 300):
        layers = [x]
        for k in range(depth):
            layers.append(sym.maximum(sym.sin(layers[-1]), k / 1000))
        y = layers[-1].sum()
        counts.append(added(grad(y, layers), y))
    assert counts[1] - counts[0] == counts[2] - counts[1]
