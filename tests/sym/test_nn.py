"""Composites of neural networks against their definitions, and where those overflow."""

import math

import numpy as np
import pytest

from graphc import Dim, compile, grad, interpret, sym
from graphc.errors import DTypeError, ShapeError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 5))
EDGES = np.array([-800.0, -30.0, -1.0, 0.0, 1.0, 30.0, 800.0])


def variable(shape=(4, 5), dtype="float64"):
    return sym.var(shape=shape, dtype=dtype)


def value(function, *arrays):
    """The function of arrays, compiled."""
    xs = [variable(a.shape, a.dtype) for a in arrays]
    return compile(xs, function(*xs))(*arrays)


def gradient(function, array):
    """The gradient of the sum of the function's values."""
    x = variable(array.shape)
    return interpret(grad(sym.sum(function(x)), x), {x: array})


def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


# -- activations --------------------------------------------------------------------------------------

REFERENCES = {
    sym.relu: lambda x: max(x, 0.0),
    sym.leaky_relu: lambda x: x if x > 0 else 0.01 * x,
    sym.elu: lambda x: x if x > 0 else math.expm1(x),
    sym.gelu: lambda x: 0.5 * x * math.erfc(-x / math.sqrt(2)),
    sym.silu: lambda x: x / (1 + math.exp(-x)) if x > -700 else 0.0,
    sym.mish: lambda x: x * math.tanh(math.log1p(math.exp(x))) if x < 700 else x,
}


@pytest.mark.parametrize("function, reference", REFERENCES.items(), ids=lambda f: getattr(f, "__name__", ""))
def test_activation_is_its_definition(function, reference):
    np.testing.assert_allclose(value(function, EDGES), [reference(x) for x in EDGES], rtol=1e-12, atol=1e-300)


def test_approximate_gelu_is_close_to_gelu():
    np.testing.assert_allclose(value(lambda x: sym.gelu(x, approximate=True), X), value(sym.gelu, X), atol=1e-3)


@pytest.mark.parametrize("function", REFERENCES, ids=lambda f: f.__name__)
def test_slope_of_an_activation_stays_between_0_and_1_at_the_ends(function):
    low, *_, high = gradient(function, EDGES)
    assert 0 <= low <= 0.01 and high == 1


@pytest.mark.parametrize("function, slope", [(sym.relu, 0), (sym.leaky_relu, 0.01), (sym.elu, 1), (sym.gelu, 0.5)])
def test_slope_of_an_activation_at_zero(function, slope):
    assert gradient(function, np.zeros(1)) == slope


@pytest.mark.parametrize("function", REFERENCES, ids=lambda f: f.__name__)
def test_activation_keeps_a_nan(function):
    assert np.isnan(value(function, np.array([np.nan])))


def test_relu_of_integers_stays_an_integer():
    assert sym.relu(variable(dtype="int32")).dtype == np.int32


# -- softmax ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [-1, 0, (0, 1), None])
def test_softmax_sums_to_one_and_is_the_exponential_of_log_softmax(axis):
    y, logs = value(lambda x: sym.softmax(x, axis), X), value(lambda x: sym.log_softmax(x, axis), X)
    np.testing.assert_allclose(y, softmax(X, axis), rtol=1e-14)
    np.testing.assert_allclose(np.exp(logs), y, rtol=1e-13)


def test_softmax_does_not_overflow():
    np.testing.assert_allclose(value(sym.softmax, np.array([1e4, 1e4, -1e4])), [0.5, 0.5, 0])
    np.testing.assert_allclose(value(sym.log_softmax, np.array([1e4, 0])), [0, -1e4])


def test_gradient_of_log_softmax_is_one_less_softmax_times_the_count():
    np.testing.assert_allclose(gradient(sym.log_softmax, X), 1 - 5 * softmax(X), rtol=1e-12, atol=1e-15)


def test_error_of_softmax_names_softmax():
    with pytest.raises(ShapeError, match=r"softmax: .* has no axis 2 \(test_nn\.py:\d+\)"):
        sym.softmax(variable(), 2)


# -- layer norm ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis, shape", [(-1, (5,)), (0, (4,)), ((0, 1), (4, 5)), (None, (4, 5))])
def test_layer_norm_is_its_definition(axis, shape):
    gamma, beta = RNG.normal(size=shape), RNG.normal(size=shape)
    d = X - X.mean(axis, keepdims=True)
    expected = d / np.sqrt((d * d).mean(axis, keepdims=True) + 1e-5)
    along = [p[:, None] if axis == 0 else p for p in (gamma, beta)]
    result = value(lambda x, g, b: sym.layer_norm(x, g, b, axis), X, gamma, beta)
    np.testing.assert_allclose(result, expected * along[0] + along[1], rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(value(lambda x: sym.layer_norm(x, axis=axis), X), expected, rtol=1e-12, atol=1e-13)


def test_layer_norm_keeps_symbolic_extents():
    assert sym.layer_norm(variable(("n", 5)), np.ones(5)).shape == (Dim.symbol("n"), 5)


def test_parameter_of_another_shape_is_an_error():
    with pytest.raises(ShapeError, match=r"layer_norm: a parameter .*float64\[4\] for axes \(1,\) .*give it the shape"):
        sym.layer_norm(variable(), variable((4,)))


# -- losses -------------------------------------------------------------------------------------------

LABELS = np.array([0, 4, 2, 2])


def expected_losses(x=X, labels=LABELS):
    return -np.log(softmax(x)[np.arange(len(labels)), labels])


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64", "uint64"])
def test_cross_entropy_of_classes(dtype):
    losses = value(lambda x, y: sym.cross_entropy(x, y, reduction="none"), X, LABELS.astype(dtype))
    np.testing.assert_allclose(losses, expected_losses(), rtol=1e-13)


@pytest.mark.parametrize("reduction, numpy", [("mean", np.mean), ("sum", np.sum)])
def test_cross_entropy_is_reduced(reduction, numpy):
    loss = value(lambda x, y: sym.cross_entropy(x, y, reduction=reduction), X, LABELS)
    np.testing.assert_allclose(loss, numpy(expected_losses()), rtol=1e-13)


@pytest.mark.parametrize("dtype", ["float64", "int64", "bool"])
def test_cross_entropy_of_one_hot_targets_is_that_of_classes(dtype):
    one_hot = np.eye(5, dtype=dtype)[LABELS]
    losses = value(lambda x, y: sym.cross_entropy(x, y, reduction="none"), X, one_hot)
    np.testing.assert_allclose(losses, expected_losses(), rtol=1e-13)


def test_cross_entropy_along_another_axis():
    losses = value(lambda x, y: sym.cross_entropy(x, y, axis=0, reduction="none"), X.T.copy(), LABELS)
    np.testing.assert_allclose(losses, expected_losses(), rtol=1e-13)


def test_cross_entropy_of_one_row():
    loss = value(lambda x, y: sym.cross_entropy(x, y), X[0], np.array(3))
    np.testing.assert_allclose(loss, expected_losses()[0] - X[0, 3] + X[0, 0], rtol=1e-13)


def test_cross_entropy_of_a_class_that_does_not_exist_is_zero():
    assert value(lambda x, y: sym.cross_entropy(x, y, reduction="none"), X[:1], np.array([7]))[0] == 0


def test_impossible_classes_do_not_spoil_the_loss_or_its_gradient():
    x = np.array([[0.0, -np.inf, 0.0]])
    loss = gradient(lambda x: sym.cross_entropy(x, np.array([0])), x)
    np.testing.assert_allclose(loss, [[-0.5, 0, 0.5]])
    one_hot = np.array([[1.0, 0.0, 0.0]])
    np.testing.assert_allclose(value(lambda x: sym.cross_entropy(x, one_hot), x), np.log(2))


def test_gradient_of_cross_entropy_is_softmax_less_one_hot():
    expected = (softmax(X) - np.eye(5)[LABELS]) / 4
    np.testing.assert_allclose(gradient(lambda x: sym.cross_entropy(x, LABELS), X), expected, rtol=1e-12, atol=1e-15)


def test_cross_entropy_of_symbolic_batches():
    loss = sym.cross_entropy(variable(("n", 5)), variable(("n",), "int64"), reduction="none")
    assert loss.shape == (Dim.symbol("n"),)


def test_labels_that_do_not_fit_are_an_error():
    with pytest.raises(ShapeError, match=r"cross_entropy: labels int64\[3\] for logits float64\[4, 5\]"):
        sym.cross_entropy(variable(), variable((3,), "int64"))
    with pytest.raises(DTypeError, match=r"cross_entropy: labels float64\[4\] are no classes"):
        sym.cross_entropy(variable(), variable((4,)))


def test_unknown_reduction_is_an_error():
    with pytest.raises(ValueError, match=r"mse: no reduction is named 'median' \(test_nn\.py:\d+\)"):
        sym.mse(variable(), variable(), reduction="median")


def test_mse_is_the_mean_of_squares():
    np.testing.assert_allclose(value(sym.mse, X, X[:1]), ((X - X[:1]) ** 2).mean(), rtol=1e-14)
