"""The executor: arrays shared with the caller, storage of gradients, values kept for the backward pass."""

import numpy as np
import pytest

from graphc import sym
from graphc.autodiff.api import grad
from graphc.errors import BindError, GradientError
from graphc.executor import bind, boundary, simple_bind
from graphc.node import topological


@pytest.fixture
def arrays():
    return {"a": np.arange(3.0), "b": np.array([2.0, -1, 4])}


def product():
    a, b = sym.var("a"), sym.var("b")
    return a * b


def test_forward_and_backward_of_a_product(arrays):
    ex = product().bind(arrays)
    (y,) = ex.forward()
    np.testing.assert_array_equal(y, arrays["a"] * arrays["b"])
    assert ex.outputs[0] is y
    ex.backward(np.array([1.0, 10, 100]))
    np.testing.assert_array_equal(ex.grad_dict["a"], [2, -10, 400])
    np.testing.assert_array_equal(ex.grad_dict["b"], [0, 10, 200])


def test_scalar_output_needs_no_head():
    x = sym.var("x", shape=(4,), dtype="float64")
    ex = (2 * sym.dot(x, x)).bind([np.arange(4.0)])
    assert ex.forward()[0] == 28
    ex.backward()
    np.testing.assert_array_equal(ex.grad_dict["x"], [0, 4, 8, 12])


def test_arrays_are_the_callers_own(arrays):
    grads = {"a": np.empty(3), "b": np.empty(3)}
    ex = product().bind(arrays, grads)
    assert ex.arg_dict["a"] is arrays["a"] and ex.grad_dict["b"] is grads["b"]
    arrays["a"][:] = 7
    np.testing.assert_array_equal(ex.forward()[0], 7 * arrays["b"])
    ex.backward(np.ones(3))
    np.testing.assert_array_equal(grads["b"], [7, 7, 7])


def test_forward_writes_new_data_into_the_arguments(arrays):
    ex = product().bind(arrays)
    np.testing.assert_array_equal(ex.forward(a=[1, 1, 1])[0], arrays["b"])
    np.testing.assert_array_equal(arrays["a"], [1, 1, 1])


def test_write_overwrites_and_add_accumulates(arrays):
    ex = product().bind(arrays, grad_req={"a": "write", "b": "add"})
    ex.forward()
    for _ in range(3):
        ex.backward(np.ones(3))
    np.testing.assert_array_equal(ex.grad_dict["a"], arrays["b"])
    np.testing.assert_array_equal(ex.grad_dict["b"], 3 * arrays["a"])
    ex.zero_grad()
    np.testing.assert_array_equal(ex.grad_dict["b"], np.zeros(3))


def test_null_computes_and_allocates_nothing(arrays):
    ex = sym.exp(product()).bind(arrays, grad_req={"a": "write", "b": "null"})
    assert list(ex.grad_dict) == ["a"]
    ex.forward()
    ex.backward(np.ones(3))
    np.testing.assert_allclose(ex.grad_dict["a"], arrays["b"] * np.exp(arrays["a"] * arrays["b"]))
    idle = sym.exp(product()).bind(arrays, grad_req="null")
    assert not idle.grad_dict and not idle._kept


def test_argument_without_a_gradient_array_gets_no_gradient(arrays):
    ex = product().bind(arrays, {"a": np.empty(3)})
    assert list(ex.grad_dict) == ["a"]
    assert list(product().bind(arrays, [None, np.empty(3)]).grad_dict) == ["b"]


def test_integers_get_no_gradient_unless_asked_which_is_an_error(arrays):
    arrays["b"] = np.array([1, 2, 3])
    assert list(product().bind(arrays).grad_dict) == ["a"]
    with pytest.raises(GradientError, match="has no gradient"):
        product().bind(arrays, grad_req={"b": "write"})


def test_unused_argument_gets_a_gradient_of_zero(arrays):
    a, b = sym.var("a"), sym.var("b")
    ex = (a + sym.stop_gradient(b)).bind(arrays, {"a": np.full(3, 9.0), "b": np.full(3, 9.0)})
    ex.forward()
    ex.backward(np.ones(3))
    np.testing.assert_array_equal(ex.grad_dict["b"], np.zeros(3))


def test_backward_of_several_outputs_adds_their_parts(arrays):
    a, b = sym.var("a"), sym.var("b")
    ex = bind([a * b, a.sum()], arrays)
    ex.forward()
    ex.backward([np.ones(3), np.array(5.0)])
    np.testing.assert_array_equal(ex.grad_dict["a"], arrays["b"] + 5)
    ex.backward([None, np.array(5.0)])
    np.testing.assert_array_equal(ex.grad_dict["a"], [5, 5, 5])
    np.testing.assert_array_equal(ex.grad_dict["b"], [0, 0, 0])


def test_same_formula_binds_twice_with_different_shapes():
    y = product()
    for shape in [(3,), (2, 2)]:
        ex = y.simple_bind(a=shape, b=shape)
        assert ex.forward(a=np.ones(shape), b=np.ones(shape))[0].shape == shape
        ex.backward(np.ones(shape))
        np.testing.assert_array_equal(ex.grad_dict["a"], np.ones(shape))


def test_forward_again_is_seen_by_backward(arrays):
    ex = sym.exp(product()).bind(arrays)
    for scale in (1.0, 0.5):
        ex.forward(a=scale * np.arange(3.0))
        ex.backward(np.ones(3))
        np.testing.assert_allclose(ex.grad_dict["b"], arrays["a"] * np.exp(arrays["a"] * arrays["b"]))


def test_outputs_stay_the_callers_after_the_next_forward(arrays):
    ex = product().bind(arrays)
    (first,) = ex.forward()
    before = first.copy()
    ex.forward(a=np.ones(3))
    np.testing.assert_array_equal(first, before)


def test_accumulation_in_float32_keeps_the_dtype():
    x = sym.var("x", shape=(3,), dtype="float32")
    ex = (x * x).sum().bind({"x": np.ones(3, np.float32)}, grad_req="add")
    for _ in range(2):
        ex.forward()
        ex.backward()
    assert ex.grad_dict["x"].dtype == np.float32
    np.testing.assert_array_equal(ex.grad_dict["x"], [4, 4, 4])


def test_gradients_of_transposed_views_are_written_through(arrays):
    x = sym.var("x", shape=(2, 3), dtype="float64")
    buffer = np.zeros((3, 2))
    ex = (x * x).sum().bind({"x": np.arange(6.0).reshape(3, 2).T}, {"x": buffer.T})
    ex.forward()
    ex.backward()
    np.testing.assert_array_equal(buffer, 2 * np.arange(6.0).reshape(3, 2))


def test_symbolic_extents_take_those_of_the_arrays():
    x = sym.var("x", shape=("n", 2), dtype="float64")
    y = sym.mean(sym.tanh(x) ** 2)
    for n in (1, 5):
        data = np.linspace(-1, 1, 2 * n).reshape(n, 2)
        ex = y.bind({"x": data})
        ex.forward()
        ex.backward()
        t = np.tanh(data)
        np.testing.assert_allclose(ex.grad_dict["x"], 2 * t * (1 - t * t) / (2 * n), rtol=1e-13)


def test_backward_uses_what_forward_kept(arrays):
    a, b = (sym.var(name, shape=(3,), dtype="float64") for name in "ab")
    hidden = sym.tanh(a * b)
    y = (hidden * hidden).sum()
    kept = boundary(grad(y, [a, b]), [y], {})
    assert len(kept) == 1 and kept[0] is hidden
    ex = y.bind(arrays)
    ex.forward()
    ex.backward()
    t = np.tanh(arrays["a"] * arrays["b"])
    np.testing.assert_allclose(ex.grad_dict["a"], 2 * t * (1 - t * t) * arrays["b"])


def test_broadcasts_are_not_kept_but_made_again():
    a, b = sym.var("a", shape=(100, 1)), sym.var("b", shape=(100, 50))
    inner = sym.exp(a)
    y = (inner * b).sum()
    kept = boundary(grad(y, [a, b]), [y], {})
    assert len(kept) == 1 and kept[0] is inner


def test_nothing_of_the_forward_graph_runs_again_in_backward():
    parameters = [sym.var(f"p{k}", shape=(3,)) for k in range(4)]
    h = parameters[0]
    for p in parameters[1:]:
        h = sym.tanh(sym.exp(h) * p)
    ex = h.sum().simple_bind()
    _, gradients = ex._backward_graph([True])
    assert any(node.op.transcendental for node in topological([h]))
    assert not any(node.op.transcendental for node in topological(gradients))


def test_wrong_bindings_are_errors_that_say_what(arrays):
    y = product()
    with pytest.raises(BindError, match=r"argument b \(test_executor.py:\d+\) has no array"):
        y.bind({"a": np.ones(3)})
    with pytest.raises(BindError, match="names c; the arguments are a, b"):
        y.bind(arrays | {"c": np.ones(3)})
    with pytest.raises(BindError, match="3 entries for the arguments a, b"):
        y.bind([np.ones(3)] * 3)
    with pytest.raises(BindError, match="'adds'; use 'write', 'add' or 'null'"):
        y.bind(arrays, grad_req="adds")
    with pytest.raises(BindError, match=r"must be an array float64\[3\]"):
        y.bind(arrays, {"a": np.ones(4)})
    x = sym.var("x", shape=(3,), dtype="float64")
    with pytest.raises(BindError, match="not float32; convert"):
        sym.exp(x).bind({"x": np.ones(3, np.float32)})
    with pytest.raises(BindError, match="4 elements along axis 0 instead of 3"):
        sym.exp(x).bind({"x": np.ones(4)})
    with pytest.raises(BindError, match="no shape is declared for a, b; give a="):
        simple_bind(y)
    with pytest.raises(BindError, match=r"nothing says what n is in x .* give x="):
        sym.var("x", shape=("n", 2)).sum().simple_bind()


def test_wrong_calls_are_errors_that_say_what(arrays):
    ex = product().bind(arrays)
    with pytest.raises(BindError, match="call it first"):
        ex.backward(np.ones(3))
    with pytest.raises(BindError, match="no argument is named 'c'"):
        ex.forward(c=1)
    with pytest.raises(BindError, match=r"bound to shape \(3,\), not \(2,\)"):
        ex.forward(a=np.ones(2))
    with pytest.raises(BindError, match="convert"):
        ex.forward(a=np.ones(3, complex))
    ex.forward()
    with pytest.raises(GradientError, match="multiply is .* no scalar; give its head gradient"):
        ex.backward()
    with pytest.raises(GradientError, match="2 head gradients for 1 outputs"):
        ex.backward([np.ones(3), np.ones(3)])
    with pytest.raises(GradientError, match=r"head gradient of multiply .* has shape \(4,\); .* the output, \(3,\)"):
        ex.backward(np.ones(4))


def test_heads_of_several_outputs_may_be_numbers():
    a = sym.var("a", shape=())
    ex = bind([a * a, 3 * a], {"a": np.array(2.0)})
    ex.forward()
    ex.backward([1.0, 10])
    assert ex.grad_dict["a"] == 34


def test_eval_gives_the_value_for_data_by_name():
    np.testing.assert_array_equal((2 * sym.var("a") + sym.var("b")).eval(a=np.arange(3.0), b=np.ones(3)), [1, 3, 5])
