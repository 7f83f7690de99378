"""The executor: arrays shared with the caller, storage of gradients, values kept for the backward pass."""

import re
from contextlib import contextmanager

import numpy as np
import pytest

import graphc
from graphc import sym
from graphc.autodiff.api import grad
from graphc.errors import BindError, DTypeError, GradientError, ShapeError
from graphc.executor import bind, simple_bind
from graphc.executor.programs import boundary
from graphc.node import topological
from graphc.ops.note import UPDATING


@contextmanager
def refused(kind, match):
    """An error of this text, which names a line of this file."""
    with pytest.raises(kind, match=match) as caught:
        yield
    assert re.search(r"\(test_executor\.py:\d+\)", str(caught.value))


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
    assert not idle.grad_dict and not idle._programs(False).kept


def test_argument_without_a_gradient_array_gets_no_gradient(arrays):
    ex = product().bind(arrays, {"a": np.empty(3)})
    assert list(ex.grad_dict) == ["a"]
    assert list(product().bind(arrays, [None, np.empty(3)]).grad_dict) == ["b"]


def test_integers_get_no_gradient_unless_asked_which_is_an_error(arrays):
    arrays["b"] = np.array([1, 2, 3])
    assert list(product().bind(arrays).grad_dict) == ["a"]
    with refused(GradientError, match="has no gradient"):
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
    _, gradients = ex._programs(False).backward_graph([True])
    assert any(node.op.transcendental for node in topological([h]))
    assert not any(node.op.transcendental for node in topological(gradients))


def test_wrong_bindings_are_errors_that_say_what(arrays):
    y = product()
    with refused(BindError, match=r"argument b \(test_executor.py:\d+\) has no array"):
        y.bind({"a": np.ones(3)})
    with refused(BindError, match="names c .*; the arguments are a, b"):
        y.bind(arrays | {"c": np.ones(3)})
    with refused(BindError, match="3 entries .*; the arguments are a, b"):
        y.bind([np.ones(3)] * 3)
    with refused(BindError, match="'adds' .*; use 'write', 'add' or 'null'"):
        y.bind(arrays, grad_req="adds")
    with refused(BindError, match=r"is float64\[4\] .*; give an array float64\[3\]"):
        y.bind(arrays, {"a": np.ones(4)})
    x = sym.var("x", shape=(3,), dtype="float64")
    with refused(BindError, match="not float32; convert"):
        sym.exp(x).bind({"x": np.ones(3, np.float32)})
    with refused(BindError, match="4 elements along axis 0 instead of 3"):
        sym.exp(x).bind({"x": np.ones(4)})
    with refused(BindError, match=r"nothing says the shape of a .*, b .*; give a="):
        simple_bind(y)
    with refused(BindError, match=r"nothing says what n is in x .* give x="):
        sym.var("x", shape=("n", 2)).sum().simple_bind()


def test_what_is_no_binding_at_all_is_an_error(arrays):
    y, fixed = product(), np.ones(3)
    fixed.flags.writeable = False
    with refused(BindError, match=r"args is int .*; give a dict by name, or a list; the arguments are a, b"):
        y.bind(5)
    with refused(BindError, match="grad_req is int"):
        y.bind(arrays, grad_req=3)
    with refused(DTypeError, match=r"bind: a \(.*\): dtype <U1 is not supported"):
        y.bind(arrays | {"a": "x"})
    with refused(DTypeError, match=r"simple_bind: a \(.*\): dtype float16 is not supported"):
        y.simple_bind(a=(3,), type_dict={"a": "float16"})
    with refused(ShapeError, match=r"simple_bind: a \(.*\): an extent is a non-negative integer"):
        y.simple_bind(a=(-3,))
    with refused(BindError, match=r"args_grad of a is not writeable .*; give an array to write into"):
        y.bind(arrays, {"a": fixed})
    with refused(BindError, match=r"forward: a is bound to an array that is not writeable .*; bind a copy"):
        y.bind(arrays | {"a": fixed}).forward(a=np.ones(3))
    with refused(BindError, match="list holds no argument by name .*; give a dict"):
        y.bind(arrays).copy_params_from([np.ones(3)])


def test_wrong_calls_are_errors_that_say_what(arrays):
    ex = product().bind(arrays)
    with refused(BindError, match=r"no intermediate values \(test_executor.py:\d+\); call forward"):
        ex.backward(np.ones(3))
    with refused(BindError, match="no argument is named 'c'"):
        ex.forward(c=1)
    with refused(BindError, match=r"a is bound as float64\[3\], not float64\[2\] .*; convert the value, or reshape"):
        ex.forward(a=np.ones(2))
    with refused(BindError, match="convert"):
        ex.forward(a=np.ones(3, complex))
    ex.forward()
    with refused(GradientError, match=r"multiply\d_output is .* no scalar; give its head gradient"):
        ex.backward()
    with refused(GradientError, match="2 head gradients for 1 outputs"):
        ex.backward([np.ones(3), np.ones(3)])
    with refused(GradientError, match=r"head gradient of multiply0_output is float64\[4\] .* output is, float64\[3\]"):
        ex.backward(np.ones(4))


def test_heads_of_several_outputs_may_be_numbers():
    a = sym.var("a", shape=())
    ex = bind([a * a, 3 * a], {"a": np.array(2.0)})
    ex.forward()
    ex.backward([1.0, 10])
    assert ex.grad_dict["a"] == 34


def test_eval_gives_the_value_for_data_by_name():
    np.testing.assert_array_equal((2 * sym.var("a") + sym.var("b")).eval(a=np.arange(3.0), b=np.ones(3)), [1, 3, 5])


# -- training and inference ---------------------------------------------------------------------------


X = np.array([[0.0, 1], [2, 5], [4, 3]])


def batch_norm(**attributes):
    net = sym.BatchNorm(sym.var("x"), name="bn", eps=0.0, momentum=0.75, fix_gamma=False, **attributes)
    arguments = {"x": X.copy(), "bn_gamma": np.array([1.0, 2]), "bn_beta": np.array([0.0, 1])}
    return net.bind(arguments, aux_states={"bn_moving_mean": np.ones(2), "bn_moving_var": np.full(2, 4.0)})


def test_inference_takes_the_moving_statistics_and_keeps_them():
    ex = batch_norm()
    np.testing.assert_allclose(ex.forward()[0], (X - 1) / 2 * [1, 2] + [0, 1])
    np.testing.assert_array_equal(ex.aux_dict["bn_moving_mean"], [1, 1])
    ex.backward(np.ones((3, 2)))
    np.testing.assert_allclose(ex.grad_dict["x"], np.full((3, 2), [0.5, 1]))


def test_training_takes_the_statistics_of_the_batch_and_moves_those_kept():
    ex = batch_norm()
    mean, variance = X.mean(0), X.var(0)
    np.testing.assert_allclose(ex.forward(is_train=True)[0], (X - mean) / np.sqrt(variance) * [1, 2] + [0, 1])
    np.testing.assert_allclose(ex.aux_dict["bn_moving_mean"], 0.75 + 0.25 * mean)
    np.testing.assert_allclose(ex.aux_dict["bn_moving_var"], 0.75 * 4 + 0.25 * variance)
    ex.backward(np.ones((3, 2)))
    np.testing.assert_allclose(ex.grad_dict["x"], 0, atol=1e-15)  # the batch's mean takes up what all of them share
    np.testing.assert_allclose(ex.grad_dict["bn_beta"], [3, 3])


def test_backward_is_of_the_mode_of_the_last_forward():
    ex = batch_norm()
    g = np.array([[1.0, 0], [0, 0], [0, 0]])
    ex.forward(is_train=True)
    mean = ex.aux_dict["bn_moving_var"].copy()
    ex.forward()
    ex.backward(g)
    np.testing.assert_allclose(ex.grad_dict["x"], g / np.sqrt(mean))


def test_statistics_that_are_to_stay_are_not_updated():
    ex = batch_norm(use_global_stats=True)
    np.testing.assert_allclose(ex.forward(is_train=True)[0], (X - 1) / 2 * [1, 2] + [0, 1])
    np.testing.assert_array_equal(ex.aux_arrays[1], [4, 4])


def test_what_training_does_not_change_runs_in_one_program(arrays):
    ex = product().bind(arrays)
    assert ex._programs(True) is ex._programs(False)
    assert batch_norm()._trains


def test_dropout_is_the_identity_in_inference_and_its_gradient_has_the_mask_in_training():
    ex = sym.Dropout(sym.var("x"), p=0.5, name="drop").bind({"x": np.ones(200)})
    np.testing.assert_array_equal(ex.forward()[0], 1)
    (first,) = ex.forward(is_train=True)
    ex.backward(np.ones(200))
    np.testing.assert_array_equal(ex.grad_dict["x"], first)
    (second,) = ex.forward(is_train=True)
    assert set(first) == {0, 2} and (first != second).any()
    ex.backward(np.ones(200))
    np.testing.assert_array_equal(ex.grad_dict["x"], second)


def test_a_state_that_training_updates_is_kept_as_it_was_for_backward():
    count = graphc.state(1.0)
    x = sym.var("x", shape=())
    y = UPDATING(x * x * count, count, count + 1)
    ex = y.bind({"x": np.array(3.0)})
    assert ex.forward(is_train=True)[0] == 9 and count.get() == 2
    ex.backward()
    assert ex.grad_dict["x"] == 6
    assert ex.forward()[0] == 18 and count.get() == 2


def test_surrogates_say_the_gradient():
    x = sym.var("x", shape=(2,))
    ex = sym.with_gradient_of(sym.round(x), 3 * x).bind({"x": np.array([0.4, 1.6])})
    np.testing.assert_array_equal(ex.forward()[0], [0, 2])
    ex.backward(np.ones(2))
    np.testing.assert_array_equal(ex.grad_dict["x"], [3, 3])


# -- head gradients -----------------------------------------------------------------------------------


def classifier():
    return sym.SoftmaxOutput(sym.FullyConnected(sym.var("data"), num_hidden=3, name="fc"), name="softmax")


def bound_classifier(**options):
    rng = np.random.default_rng(0)
    ex = classifier().simple_bind(data=(4, 2), **options)
    ex.copy_params_from({"fc_weight": rng.normal(size=(3, 2)), "softmax_label": np.array([0, 2, 1, 1])})
    return ex, rng.normal(size=(4, 2))


def test_losses_need_no_head_gradient():
    ex, data = bound_classifier()
    (p,) = ex.forward(is_train=True, data=data)
    ex.backward()
    slope = p - np.eye(3)[[0, 2, 1, 1]]
    np.testing.assert_allclose(p.sum(1), 1)
    np.testing.assert_allclose(ex.grad_dict["fc_weight"], slope.T @ data)
    np.testing.assert_allclose(ex.grad_dict["fc_bias"], slope.sum(0), atol=1e-15)
    np.testing.assert_array_equal(ex.grad_dict["softmax_label"], 0)


def test_a_loss_and_what_has_no_gradient_need_no_heads_together():
    x = sym.var("x")
    group = sym.Group([sym.MakeLoss(x * x, name="loss"), sym.BlockGrad(sym.exp(x)), sym.argmax(x, axis=0)])
    ex = group.bind({"x": np.array([1.0, 2])})
    ex.forward()
    ex.backward()
    np.testing.assert_array_equal(ex.grad_dict["x"], [2, 4])


def test_a_loss_has_its_own_gradient_beside_heads_of_others():
    x = sym.var("x")
    ex = sym.Group([sym.MakeLoss(x * x, name="loss"), 3 * x]).bind({"x": np.array([1.0, 2])})
    ex.forward()
    with refused(GradientError, match=r"multiply\d_output is .* no scalar; give its head gradient"):
        ex.backward()
    for heads in ([None, np.ones(2)], {"multiply1_output": np.ones(2)}):
        ex.backward(heads)
        np.testing.assert_array_equal(ex.grad_dict["x"], [5, 7])
    with refused(GradientError, match=r"no output is named 'y' .*; there are loss_output, multiply1_output"):
        ex.backward({"y": np.ones(2)})


# -- arrays by name and in order ----------------------------------------------------------------------


def test_arrays_are_listed_in_the_order_of_the_arguments():
    ex, data = bound_classifier(grad_req={"fc_bias": "add", "fc_weight": "write"})
    assert list(ex.arg_dict) == classifier().list_arguments()
    assert all(array is ex.arg_dict[name] for name, array in zip(ex.arg_dict, ex.arg_arrays))
    assert [g is not None for g in ex.grad_arrays] == [False, True, True, False]
    (p,) = ex.forward(data=data)
    assert ex.output_dict["softmax_output"] is p
    norm = batch_norm()
    assert [*norm.aux_dict] == ["bn_moving_mean", "bn_moving_var"]
    assert norm.aux_arrays[0] is norm.aux_dict["bn_moving_mean"]


@pytest.mark.parametrize("grad_req", [["null", "add"], {"a": "null", "b": "add"}, {"b": "add"}])
def test_grad_req_may_be_a_list_or_a_dict(arrays, grad_req):
    ex = product().bind(arrays, grad_req=grad_req)
    assert list(ex.grad_dict) == ["b"]
    for _ in range(2):
        ex.forward()
        ex.backward(np.ones(3))
    np.testing.assert_array_equal(ex.grad_dict["b"], 2 * arrays["a"])


def test_dtypes_are_made_as_told_and_the_others_follow():
    ex = classifier().simple_bind(type_dict={"data": "float32", "softmax_label": "int32"}, data=(4, 2))
    assert [a.dtype for a in ex.arg_arrays] == [np.float32, np.float32, np.float32, np.int32]
    assert "softmax_label" not in ex.grad_dict
    assert ex.forward()[0].dtype == np.float32


def test_parameters_are_copied_by_name_and_rounded():
    ex = batch_norm()
    ex.copy_params_from({"bn_gamma": np.ones(2, np.float32)}, {"bn_moving_mean": [3, 4], "other": 1}, True)
    np.testing.assert_array_equal(ex.arg_dict["bn_gamma"], [1, 1])
    np.testing.assert_array_equal(ex.aux_dict["bn_moving_mean"], [3, 4])
    with refused(BindError, match="no argument is named other, there are x, bn_gamma, bn_beta"):
        ex.copy_params_from({"bn_gamma": np.zeros(2), "other": 1})
    with refused(BindError, match=r"bn_beta is bound as float64\[2\], not float64\[3\]"):
        ex.copy_params_from({"bn_gamma": np.zeros(2), "bn_beta": np.zeros(3)})
    with refused(BindError, match=r"not complex128\[2\]"):
        ex.copy_params_from({"bn_gamma": np.zeros(2), "bn_beta": np.zeros(2, complex)})
    np.testing.assert_array_equal(ex.arg_dict["bn_gamma"], [1, 1])  # a call that fails copies nothing


def test_bind_infers_what_arrays_say_of_each_other():
    with refused(ShapeError, match=r"fc_bias .* is \(5,\), as given, but \(3,\), as FullyConnected fc"):
        classifier().bind([np.ones((4, 2)), np.ones((3, 2)), np.ones(5), np.ones(4)])
    with refused(BindError, match=r"fc_weight \(test_executor.py:\d+\) has no array; give one of float32\[3, 2\]"):
        classifier().bind({"data": np.ones((4, 2), np.float32)})
    x = np.ones((3, 2))
    with refused(BindError, match=r"auxiliary state bn_moving_mean .* give one of float64\[2\] in aux_states"):
        sym.BatchNorm(sym.var("x"), name="bn").bind([x, np.ones(2), np.ones(2)])
    with refused(BindError, match="aux_states names w .*; there are no auxiliary states"):
        product().bind([x, x], aux_states={"w": x})


# -- reshape ------------------------------------------------------------------------------------------


def test_reshape_shares_the_arrays_whose_shape_stays():
    ex, data = bound_classifier()
    small = ex.reshape(data=(1, 2), softmax_label=(1,))
    assert small.arg_dict["fc_weight"] is ex.arg_dict["fc_weight"]
    assert small.grad_dict["fc_bias"] is ex.grad_dict["fc_bias"]
    assert np.shares_memory(small.arg_dict["data"], ex.arg_dict["data"])
    np.testing.assert_allclose(small.forward(data=data[:1])[0], ex.forward(data=data)[0][:1])
    small.backward()
    np.testing.assert_allclose(ex.grad_dict["fc_bias"], small.outputs[0][0] - [1, 0, 0])


def test_reshape_to_what_is_larger_must_be_allowed():
    ex, _ = bound_classifier()
    with refused(BindError, match=r"data .* changes from \(4, 2\) to \(9, 2\), which is larger; .*allow_up_sizing"):
        ex.reshape(data=(9, 2), softmax_label=(9,))
    large = ex.reshape(allow_up_sizing=True, data=(9, 2), softmax_label=(9,))
    assert large.arg_dict["data"].shape == large.grad_dict["data"].shape == (9, 2)
    assert ex.arg_dict["data"].shape == (4, 2)


def test_reshape_changes_what_is_not_named_only_if_allowed():
    ex, _ = bound_classifier()
    with refused(BindError, match=r"softmax_label .* from \(4,\) to \(2,\), but was not named; .*partial_shaping"):
        ex.reshape(data=(2, 2))
    assert ex.reshape(partial_shaping=True, data=(2, 2)).arg_dict["softmax_label"].shape == (2,)
    with refused(BindError, match="fc_weight"):
        ex.reshape(data=(4, 1))
    with refused(BindError, match="no argument is named image .*; there are data, fc_weight"):
        ex.reshape(image=(4, 2))


def test_reshape_of_declared_dimensions():
    x, w = sym.var("x", shape=("n", 2)), sym.var("w", shape=(2,))
    ex = sym.dot(x, w).bind([np.ones((4, 2)), np.ones(2)])
    assert ex.reshape(x=(3, 2)).forward()[0].shape == (3,)
    with refused(ShapeError, match="3 elements along axis 1 instead of 2"):
        ex.reshape(x=(4, 3))


def test_reshape_keeps_auxiliary_states_and_requests():
    ex = batch_norm()
    small = ex.reshape(x=(2, 2))
    small.forward(is_train=True)
    assert small.aux_dict["bn_moving_mean"] is ex.aux_dict["bn_moving_mean"]
    assert list(small.grad_dict) == list(ex.grad_dict)


# -- looking inside -----------------------------------------------------------------------------------


def seen_by(ex, *options, **data):
    seen = {}
    ex.set_monitor_callback(seen.__setitem__, *options)
    ex.forward(**data)
    return seen


def test_a_monitor_sees_the_result_of_every_call():
    ex, data = bound_classifier()
    seen = seen_by(ex, data=data)
    assert list(seen) == ["fc_output", "softmax_output"]
    np.testing.assert_allclose(seen["fc_output"], data @ ex.arg_dict["fc_weight"].T)
    np.testing.assert_array_equal(seen["softmax_output"], ex.outputs[0])


def test_a_monitor_of_all_sees_operands_too():
    ex, data = bound_classifier()
    assert list(seen_by(ex, True, data=data)) == [
        "fc_data", "fc_weight", "fc_bias", "fc_output", "softmax_data", "softmax_label", "softmax_output"
    ]  # fmt: skip


def test_a_monitor_sees_training_and_backward_goes_on_from_it():
    ex = batch_norm()
    seen = seen_by(ex, is_train=True)
    np.testing.assert_allclose(seen["bn_output"].mean(0), [0, 1], atol=1e-15)
    ex.backward(np.ones((3, 2)))
    np.testing.assert_allclose(ex.grad_dict["bn_beta"], [3, 3])


def test_without_a_monitor_the_program_is_the_same_as_ever(arrays):
    ex = sym.exp(product()).bind(arrays)
    ex.forward()
    before = ex._programs(False).forward
    assert list(seen_by(ex)) == ["multiply0_output", "exp0_output"]
    ex.set_monitor_callback(None)
    ex.forward()
    assert ex._programs(False).forward is before and len(before.outputs) == 1 + len(ex._programs(False).kept)


def test_debug_str_tells_the_calls_and_the_memory():
    ex, _ = bound_classifier(grad_req="null")
    text = ex.debug_str()
    assert "Op:SoftmaxOutput, Name=softmax" in text
    assert text.endswith("Total 168 bytes in 4 arrays")


def test_a_forward_that_is_refused_writes_nothing(arrays):
    ex = product().bind(arrays)
    ex.forward()
    with refused(BindError, match="convert"):
        ex.forward(a=np.ones(3), b=np.ones(4))
    np.testing.assert_array_equal(arrays["a"], [0, 1, 2])
    ex.backward(np.ones(3))
    np.testing.assert_array_equal(ex.grad_dict["b"], arrays["a"])


def test_a_monitor_that_fails_leaves_no_half_done_forward(arrays):
    ex = product().bind(arrays)
    ex.forward()
    ex.set_monitor_callback(lambda name, value: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        ex.forward(a=np.ones(3))
    with refused(BindError, match=r"no intermediate values \(test_executor.py:\d+\); call forward"):
        ex.backward(np.ones(3))


def test_named_dimensions_bind_beside_arguments_without_a_type():
    x, label = sym.var("x", shape=("n", 2)), sym.var("label")
    loss = sym.sum((sym.FullyConnected(x, num_hidden=1, name="fc") - label) ** 2)
    data, w, labels = X, np.array([[1.0, -1]]), np.ones((3, 1))
    ex = loss.bind({"x": data, "fc_weight": w, "fc_bias": np.zeros(1), "label": labels})
    residual = data @ w.T - 1
    np.testing.assert_allclose(ex.forward()[0], (residual**2).sum())
    ex.backward()
    np.testing.assert_allclose(ex.grad_dict["fc_weight"], 2 * residual.T @ data)
