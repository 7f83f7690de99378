"""Normalisations against their formulas in NumPy, their derivatives, and what they read."""

import numpy as np
import pytest

from graphc import check_gradient, compile, grad, sym
from graphc.errors import ShapeError
from graphc.interpret import interpret
from graphc.sym.record import replay

RNG = np.random.default_rng(0)
X = RNG.normal(2, 3, size=(4, 6, 5, 3))
GAMMA, BETA = RNG.normal(size=6), RNG.normal(size=6)


def channels(parameter, x, axis=1):
    return parameter.reshape([-1 if k == axis else 1 for k in range(x.ndim)])


def batch_norm(x, gamma=None, beta=None, mean=None, var=None, axis=1, eps=1e-5):
    others = tuple(k for k in range(x.ndim) if k != axis % x.ndim)
    centre = x.mean(others) if mean is None else mean
    variance = x.var(others) if var is None else var
    y = (x - channels(centre, x, axis % x.ndim)) / np.sqrt(channels(variance, x, axis % x.ndim) + eps)
    y = y if gamma is None else y * channels(gamma, x, axis % x.ndim)
    return y if beta is None else y + channels(beta, x, axis % x.ndim)


def group_norm(x, groups, gamma=None, beta=None, eps=1e-5):
    rows = x.reshape(x.shape[0], groups, -1)
    y = (rows - rows.mean(2, keepdims=True)) / np.sqrt(rows.var(2, keepdims=True) + eps)
    y = y.reshape(x.shape)
    y = y if gamma is None else y * channels(gamma, x)
    return y if beta is None else y + channels(beta, x)


def local_response_norm(x, size, alpha=1e-4, beta=0.75, k=2.0):
    squares = np.pad(x * x, [(0, 0), (size // 2, (size - 1) // 2), *[(0, 0)] * (x.ndim - 2)])
    total = sum(squares[:, c : c + x.shape[1]] for c in range(size))
    return x / (k + alpha / size * total) ** beta


# function, its reference, arguments after x as arrays
CALLS = {
    "batch_norm": (sym.batch_norm, batch_norm, (GAMMA, BETA)),
    "batch_norm without parameters": (sym.batch_norm, batch_norm, ()),
    "group_norm": (
        lambda x, *p: sym.group_norm(x, 3, *p),
        lambda x, *p: group_norm(x, 3, *p),
        (GAMMA, BETA),
    ),
    "instance_norm": (sym.instance_norm, lambda x, *p: group_norm(x, 6, *p), (GAMMA, BETA)),
    "rms_norm": (
        lambda x, g: sym.rms_norm(x, g, axis=1),
        lambda x, g: x / np.sqrt((x * x).mean(1, keepdims=True) + 1e-6) * channels(g, x),
        (GAMMA,),
    ),
    "local_response_norm": (
        lambda x: sym.local_response_norm(x, 5, alpha=0.5),
        lambda x: local_response_norm(x, 5, alpha=0.5),
        (),
    ),
    "local_response_norm of an even size": (
        lambda x: sym.local_response_norm(x, 4, 0.3, 1.5, 1.0),
        lambda x: local_response_norm(x, 4, 0.3, 1.5, 1.0),
        (),
    ),
    "l2_normalize": (
        lambda x: sym.l2_normalize(x, (1, 2)),
        lambda x: x / np.sqrt((x * x).sum((1, 2), keepdims=True) + 1e-10),
        (),
    ),
}
every_call = pytest.mark.parametrize("name", CALLS)


def variables(arrays, dtype="float64"):
    return [sym.var(f"v{k}", shape=array.shape, dtype=dtype) for k, array in enumerate(arrays)]


@every_call
def test_normalisation_is_its_formula(name):
    function, reference, parameters = CALLS[name]
    arrays = (X, *parameters)
    inputs = variables(arrays)
    y, expected = function(*inputs), reference(*arrays)
    np.testing.assert_allclose(compile(inputs, y)(*arrays), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(interpret(y, dict(zip(inputs, arrays))), expected, rtol=1e-12, atol=1e-12)


@every_call
def test_gradient_of_a_normalisation(name):
    function, _, parameters = CALLS[name]
    arrays = (X[:2, :, :2, :2], *parameters)
    inputs = variables(arrays)
    loss = sym.sum(sym.sin(function(*inputs)))
    check_gradient(loss, inputs, {node.name: array for node, array in zip(inputs, arrays)}, tolerance=1e-6)


@every_call
def test_second_derivative_of_a_normalisation(name):
    """The variance's derivative leaves out a term that is zero, and whose own derivative is not."""
    function, _, parameters = CALLS[name]
    arrays = (X[:2, :, :1, :2], *parameters)
    inputs = variables(arrays)
    slope = grad(sym.sum(sym.sin(function(*inputs))), inputs[0])
    bindings = {node.name: array for node, array in zip(inputs, arrays)}
    check_gradient(sym.sum(slope * slope), inputs[0], bindings, tolerance=1e-5)


@every_call
def test_normalisation_keeps_float32(name):
    function, reference, parameters = CALLS[name]
    arrays = [array.astype("float32") for array in (X, *parameters)]
    inputs = variables(arrays, "float32")
    found = compile(inputs, function(*inputs))(*arrays)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, reference(X, *parameters), rtol=2e-5, atol=2e-5)


@every_call
def test_one_code_serves_every_batch_and_image(name):
    function, reference, parameters = CALLS[name]
    x, *inputs = sym.var("x", shape=("n", 6, "h", 3)), *variables(parameters)
    f = compile([x, *inputs], function(x, *inputs))
    for data in (X, X[:1, :, :2]):
        np.testing.assert_allclose(f(data, *parameters), reference(data, *parameters), rtol=1e-12, atol=1e-12)


@every_call
def test_normalisation_of_untyped_variables(name):
    function, _, parameters = CALLS[name]
    typed = variables((X, *parameters))
    untyped = [sym.var() for _ in typed]
    assert replay([function(*untyped)], dict(zip(untyped, typed)))[0] is function(*typed)


# -- batch norm ---------------------------------------------------------------------------------------


def test_given_statistics_are_used():
    mean, var = RNG.normal(size=6), RNG.uniform(0.5, 2, size=6)
    inputs = variables((X, mean, var))
    y = sym.batch_norm(inputs[0], mean=inputs[1], var=inputs[2])
    np.testing.assert_allclose(compile(inputs, y)(X, mean, var), batch_norm(X, None, None, mean, var), rtol=1e-12)


def test_one_statistic_may_be_given():
    (x,) = variables((X,))
    y = sym.batch_norm(x, mean=np.zeros(6))
    np.testing.assert_allclose(compile(x, y)(X), batch_norm(X, mean=np.zeros(6)), rtol=1e-12)


@pytest.mark.parametrize("axis", [0, -1, 2])
def test_channels_may_be_any_axis(axis):
    (x,) = variables((X,))
    np.testing.assert_allclose(compile(x, sym.batch_norm(x, axis=axis))(X), batch_norm(X, axis=axis), atol=1e-12)


def test_moments_are_those_that_batch_norm_takes():
    (x,) = variables((X,))
    mean, var = sym.batch_moments(x)
    assert sym.batch_norm(x, mean=mean, var=var) is sym.batch_norm(x)
    np.testing.assert_allclose(compile(x, mean)(X), X.mean((0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(compile(x, var)(X), X.var((0, 2, 3)), rtol=1e-12)


def test_variance_far_from_zero_is_accurate():
    data = (1e4 + RNG.normal(size=(64, 2, 8, 8))).astype("float32")
    (x,) = variables((data,), "float32")
    found = compile(x, sym.batch_moments(x)[1])(data)
    np.testing.assert_allclose(found, data.astype("float64").var((0, 2, 3)), rtol=1e-4)


def test_single_number_serves_all_channels():
    (x,) = variables((X,))
    np.testing.assert_array_equal(*interpret([sym.batch_norm(x, 2.0, 1.0), 2 * sym.batch_norm(x) + 1], {x: X}))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: sym.batch_norm(x, np.ones(5)), r"batch_norm: a parameter float64\[5\] for 6 channels"),
        (lambda x: sym.group_norm(x, 4), "group_norm: 6 channels make no 4 groups"),
        (lambda x: sym.group_norm(x, 0), "make no 0 groups"),
        (lambda x: sym.instance_norm(x, beta=np.ones((6, 1))), "instance_norm: a parameter"),
        (lambda x: sym.instance_norm(x[0, 0, 0]), "has no channels"),
        (lambda x: sym.rms_norm(x, np.ones(2)), r"rms_norm: gamma float64\[2\]"),
        (lambda x: sym.local_response_norm(x, 0), "size=0"),
        (lambda x: sym.l2_normalize(x, 7), "l2_normalize: .*no axis 7"),
    ],
)
def test_what_does_not_fit_is_an_error_on_the_users_line(call, message):
    with pytest.raises(ShapeError, match=message) as caught:
        call(*variables((X,)))
    assert "test_normalisation.py" in str(caught.value)


# -- what is read -------------------------------------------------------------------------------------

LARGE = (16, 32, 28, 28)  # more than a cache holds


def test_batch_norm_reads_its_input_once_for_each_moment_and_once_to_apply_them():
    x = sym.var("x", shape=LARGE, dtype="float32")
    cost = compile(x, sym.batch_norm(x)).cost()
    assert cost.ratio < 2.001  # three times read and once written, over once each


def test_value_and_gradient_of_batch_norm_read_twice_more():
    x, g = (sym.var(name, shape=LARGE, dtype="float32") for name in "xg")
    gamma, beta = (sym.var(name, shape=32, dtype="float32") for name in ("gamma", "beta"))
    y = sym.batch_norm(x, gamma, beta)
    f = compile([x, g, gamma, beta], [y, *grad(sym.sum(y * g), [x, gamma, beta])])
    size = 4 * 16 * 32 * 28 * 28
    assert f.cost().read < 6.01 * size and f.cost().written < 2.01 * size
    assert f.cost().workspace < 4 * 5 * 32 * 64  # statistics alone, by parts


def test_given_statistics_are_one_pass():
    x = sym.var("x", shape=LARGE, dtype="float32")
    parameters = [sym.var(shape=32, dtype="float32") for _ in range(4)]
    assert compile([x, *parameters], sym.relu(sym.batch_norm(x, *parameters))).cost().ratio < 1.01


@pytest.mark.parametrize("function", [sym.instance_norm, sym.rms_norm, lambda x: sym.group_norm(x, 8)])
def test_normalisation_of_rows_is_one_kernel_at_the_floor(function):
    x = sym.var("x", shape=LARGE, dtype="float32")
    f = compile(x, function(x))
    assert len(f.kernels) == 1 and f.cost().ratio == 1
