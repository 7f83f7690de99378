"""How layers are called and what they leave behind; losses and their gradients; what training changes."""

import inspect
import pickle

import numpy as np
import pytest

import graphc
from graphc import compile, grad, interpret, sym
from graphc.errors import ShapeError
from graphc.graph import Graph
from graphc.node import PUBLIC
from graphc.sym.mx import layers
from graphc.sym.mx.attribute import REQUIRED
from graphc.sym.mx.called import called
from graphc.sym.mx.layer import FUNCTIONS, LAYERS, SCOPE

RNG = np.random.default_rng(3)
X = RNG.normal(size=(4, 3))


def var(name="x", shape=(4, 3), dtype="float64"):
    return sym.var(name, shape=shape, dtype=dtype)


# -- calls --------------------------------------------------------------------------------------------


def test_operands_that_are_not_given_are_made_and_typed_by_those_that_are():
    y = sym.FullyConnected(var(shape=("n", 3)), num_hidden=5, name="fc")
    assert [(x.name, str(x.type)) for x in Graph.of(y).inputs] == [
        ("x", "float64[n, 3]"),
        ("fc_weight", "float64[5, 3]"),
        ("fc_bias", "float64[5]"),
    ]


def test_operands_made_take_the_dtype_of_the_data_but_are_floats():
    y = sym.FullyConnected(var(dtype="float32"), num_hidden=5)
    assert {x.dtype for x in Graph.of(y).inputs} == {np.dtype("float32")}
    z = sym.Embedding(var(dtype="int64"), input_dim=5, output_dim=2)
    assert Graph.of(z).inputs[1].dtype == np.dtype("float64")


def test_even_the_data_may_be_left_out():
    y = sym.FullyConnected(num_hidden=5, name="fc")
    assert y.list_arguments() == ["fc_data", "fc_weight", "fc_bias"]


def test_operands_are_given_by_place_or_by_name_and_attributes_too():
    x, w = var(), var("w", (5, 3))
    with sym.NameManager():
        first = sym.FullyConnected(x, w, num_hidden=5, no_bias=True, name="fc")
        second = sym.FullyConnected(no_bias=1, num_hidden="5", weight=w, data=x, name="fc")
        third = sym.FullyConnected(x, w, None, 5, True, name="fc")
    assert first is second is third


def test_parameters_may_be_shared():
    w = var("w", (3, 3))
    y = sym.FullyConnected(sym.FullyConnected(var(), w, num_hidden=3, no_bias=True), w, num_hidden=3, no_bias=True)
    assert y.list_arguments() == ["x", "w"]


def test_an_array_may_be_an_operand():
    y = sym.FullyConnected(X, np.ones((2, 3)), num_hidden=2, no_bias=True)
    np.testing.assert_allclose(interpret(y, {}), X @ np.ones((3, 2)))


def test_a_layer_knows_its_signature():
    parameters = inspect.signature(sym.FullyConnected).parameters
    assert [*parameters][:4] == ["data", "weight", "bias", "num_hidden"]
    assert [*parameters][-2:] == ["name", "attr"]


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: sym.FullyConnected(var()), "attribute num_hidden is missing"),
        (lambda: sym.FullyConnected(var(), num_hidden=2.5), "num_hidden=2.5 is not an integer"),
        (lambda: sym.FullyConnected(var(), num_hidden="(2"), "num_hidden='\\(2' is not an integer"),
        (lambda: sym.FullyConnected(var(), num_hidden=2, hidden=3), "no attribute 'hidden'"),
        (lambda: sym.FullyConnected(var(), num_hidden=2, no_bias=2), "no_bias=2 is not True or False"),
        (lambda: sym.FullyConnected(var(), bias=var("b"), num_hidden=2, no_bias=True), "bias is given, but takes no"),
        (lambda: sym.FullyConnected(var(), data=var(), num_hidden=2), "data is given twice"),
        (lambda: sym.Flatten(var(), 1, 2), "3 arguments are too many"),
        (lambda: sym.Concat(dim=1), "nothing to take"),
        (lambda: sym.Pooling(var(), kernel="(2, x)"), "kernel='\\(2, x\\)' is not a tuple of integers"),
        (lambda: sym.Cast(var(), dtype="float17"), "dtype='float17' is not a dtype"),
    ],
)
def test_a_wrong_call_is_an_error_that_names_the_layer_the_line_and_the_fault(call, message):
    with pytest.raises(TypeError, match=rf"{message}.*test_layers.py:\d+\); \w+"):
        call()


def test_an_unknown_word_is_an_error_that_lists_the_known():
    with pytest.raises(ValueError, match="act_type='selu' is unknown .*; take relu, sigmoid"):
        sym.Activation(var(), act_type="selu")


def test_an_operand_of_a_wrong_shape_is_an_error_that_says_the_right_one():
    with pytest.raises(ShapeError, match=r"weight is float64\[5, 4\], which does not fit data.*shape \(5, 3\)"):
        sym.FullyConnected(var(), var("w", (5, 4)), num_hidden=5)


def test_a_call_that_fails_takes_no_name():
    with sym.NameManager():
        with pytest.raises(TypeError):
            sym.Activation(var())
        assert sym.Activation(var(), act_type="relu").attr("name") == "activation0"


def test_text_is_read_as_the_files_of_mxnet_have_it():
    full = LAYERS["Convolution"].complete({"kernel": "(3L, 3L)", "num_filter": "8", "no_bias": "true", "pad": "[1, 1]"})
    assert (full["kernel"], full["num_filter"], full["no_bias"], full["pad"]) == ((3, 3), 8, True, (1, 1))
    assert full["layout"] is None and full["stride"] == ()
    assert LAYERS["BatchNorm"].complete({"eps": "2e-05"})["eps"] == 2e-05


def test_spelled_attributes_are_read_again():
    for layer in {id(each): each for each in LAYERS.values()}.values():
        for attribute in layer.attributes.values():
            if attribute.default is not REQUIRED:
                assert attribute.read(layer.name, attribute.spell(attribute.default)) == attribute.default


# -- what is left behind ------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(4, 3), None], ids=["typed", "untyped"])
def test_a_call_is_told_before_and_after_typing(shape):
    x = sym.var("x", shape=shape)
    y = sym.FullyConnected(x, num_hidden=5, name="fc", attr={"mood": "calm"})
    call = called(y)
    assert (call.function, call.name, call.output) == ("FullyConnected", "fc", "fc_output")
    assert [*call.operands] == ["data", "weight", "bias"] and call.operands["data"] is x
    assert call.attributes == {"num_hidden": 5} and call.attr == {"mood": "calm"}
    assert call.layer is LAYERS["FullyConnected"]


@pytest.mark.parametrize("shape", [(4, 3), None], ids=["typed", "untyped"])
def test_each_of_several_results_is_told_with_its_number(shape):
    parts = sym.SliceChannel(sym.var("x", shape=shape), num_outputs=3, name="cut")
    assert [called(part).output for part in parts] == ["cut_output0", "cut_output1", "cut_output2"]
    y, mean, var = sym.BatchNorm(sym.var("x", shape=shape), name="bn", output_mean_var=True)
    assert [called(each).output for each in (y, mean, var)] == ["bn_output", "bn_mean", "bn_var"]


def test_operands_of_a_layer_of_many_are_numbered():
    call = called(sym.Concat(var("a"), var("b"), num_args=2, name="c"))
    assert [*call.operands] == ["arg0", "arg1"] and call.attributes == {}


def test_the_key_of_random_numbers_is_no_operand():
    y = sym.Dropout(var(), name="drop")
    assert [*called(y).operands] == ["data"] and y.list_arguments() == ["x"]


def test_a_layer_applied_to_what_a_call_tells_is_that_call_again():
    x = sym.var("x")
    y = sym.FullyConnected(x, num_hidden=5, name="fc", attr={"mood": "calm"})
    call = called(y)
    assert call.layer.apply(*call.operands.values(), name=call.name, attr=call.attr, **call.attributes) is y


def test_variables_and_what_operators_made_are_no_calls():
    x = var()
    assert called(x) is None and called(2 * x) is None


def test_text_shows_layers_as_they_were_called():
    x = sym.var("x")
    y = sym.Activation(x, act_type="tanh", name="a")
    assert "mx.Activation(x, act_type='tanh', name='a')" in str(y)
    assert "called(%0, mx.Activation(x, act_type='tanh', name='a'))" in str(
        sym.Activation(var(), act_type="tanh", name="a")
    )
    assert "mx.Activation" in y.to_dot()


def test_a_layer_runs_without_a_note():
    y = sym.Activation(sym.FullyConnected(var(), num_hidden=2), act_type="relu")
    f = compile(list(Graph.of(y).inputs), y)
    assert not [node for node in f.graph.nodes if node.op.kind == "note"]


# -- plain functions in MXNet's words -----------------------------------------------------------------

U, V = sym.var("u"), sym.var("v")
WORDS = {
    "exp": (sym.exp(U), "exp", ["data"], {}),
    "2 * u": (2 * U, "_mul_scalar", ["data"], {"scalar": 2.0}),
    "2 - u": (2 - U, "_rminus_scalar", ["data"], {"scalar": 2.0}),
    "u + 1": (U + 1, "_plus_scalar", ["data"], {}),
    "u / v": (U / V, "broadcast_div", ["lhs", "rhs"], {}),
    "2 > u": (U < 2, "_lesser_scalar", ["data"], {"scalar": 2.0}),
    "u + array": (U + np.ones(3), "broadcast_add", ["lhs", "rhs"], {}),
    "sum": (sym.sum(U, axis=1, keepdims=True), "sum", ["data"], {"axis": (1,), "keepdims": True}),
    "softmax": (sym.softmax(U, 0), "softmax", ["data"], {"axis": 0}),
    "reshape": (sym.reshape(U, (3, -1)), "Reshape", ["data"], {"shape": (3, -1)}),
    "slice": (U[1:, ::2], "slice", ["data"], {"begin": (1, None), "end": (None, None), "step": (None, 2)}),
    "concat": (sym.concat([U, V], 0), "Concat", ["arg0", "arg1"], {"dim": 0}),
    "where": (sym.where(U > 0, U, V), "where", ["condition", "x", "y"], {}),
    "matmul": (U @ V, "_linalg_gemm2", ["A", "B"], {}),
    "elu": (sym.elu(U, alpha=0.5), "LeakyReLU", ["data"], {"act_type": "elu", "slope": 0.5}),
    "astype": (sym.astype(U, "int32"), "Cast", ["data"], {"dtype": "int32"}),
    "pad": (sym.pad(U, [(1, 2)]), "Pad", ["data"], {"mode": "constant", "pad_width": (1, 2)}),
    "T": (U.T, "transpose", ["data"], {}),
    "layer_norm": (sym.layer_norm(U, V, V), "LayerNorm", ["data", "gamma", "beta"], {}),
}


@pytest.mark.parametrize("node, function, operands, attributes", WORDS.values(), ids=WORDS)
def test_a_plain_function_is_told_in_mxnets_words(node, function, operands, attributes):
    call = called(node)
    assert (call.function, [*call.operands], call.attributes, call.name) == (function, operands, attributes, "")
    assert call.layer is LAYERS[function]


def test_a_part_of_several_is_told_in_mxnets_words():
    call = called(sym.split(U, 3, axis=1)[2])
    assert (call.function, call.attributes, call.index) == ("SliceChannel", {"num_outputs": 3}, 2)


@pytest.mark.parametrize("node", [sym.cumsum(U) if hasattr(sym, "cumsum") else sym.logsumexp(U), U[0], sym.round(U)])
def test_what_mxnet_has_no_words_for_is_told_by_its_own_name(node):
    call = called(node)
    assert call.layer is None and call.function == node.params[0]


def test_words_mean_what_the_function_means():
    x, y = np.abs(X) + 0.5, np.abs(RNG.normal(size=(4, 3))) + 0.5
    for name, (node, _, _, _) in WORDS.items():
        if name in ("matmul", "pad", "layer_norm"):
            continue
        call = called(node)
        again = call.layer.apply(*call.operands.values(), **call.attributes)
        data = {v: {"u": x, "v": y}[v.name] for v in Graph.of([node]).inputs}
        np.testing.assert_allclose(*interpret([node, again], data), err_msg=name)


# -- the table ----------------------------------------------------------------------------------------


def test_names_of_numpy_keep_their_meaning():
    assert sym.mx.sum is not sym.sum and sym.sum(var()).shape == () and sym.mx.sum(var()).shape == (1,)
    assert PUBLIC["sum"] is sym.sum


def test_every_layer_is_found_by_mxnets_name():
    assert set(dir(sym.mx)) == set(LAYERS) == set(FUNCTIONS)
    assert sym.mx.FullyConnected is sym.FullyConnected
    assert all(PUBLIC[each.recorded_as].__self__ is each for each in LAYERS.values())
    with pytest.raises(AttributeError, match="no layer 'Softmin'"):
        sym.mx.Softmin  # noqa: B018


def test_layers_of_sym_are_those_of_mxnet():
    assert all(getattr(sym, name) in FUNCTIONS.values() for name in layers.__all__)
    assert not any(name.startswith(SCOPE) for name in LAYERS)


def test_every_layer_says_what_it_does():
    assert all(function.__doc__ for function in FUNCTIONS.values())


# -- shapes backwards ---------------------------------------------------------------------------------


def test_an_untyped_network_is_typed_from_its_data():
    x = sym.var("data")
    y = sym.Convolution(x, kernel=(3, 3), num_filter=4, num_group=2, name="conv")
    y = sym.FullyConnected(sym.LeakyReLU(y, act_type="prelu", name="act"), num_hidden=3, name="fc")
    y = sym.SoftmaxOutput(y, name="sm")
    arguments, outputs, _ = y.infer_shape(data=(2, 4, 6, 6))
    assert dict(zip(y.list_arguments(), arguments)) == {
        "data": (2, 4, 6, 6),
        "conv_weight": (4, 2, 3, 3),
        "conv_bias": (4,),
        "act_gamma": (4,),
        "fc_weight": (3, 64),
        "fc_bias": (3,),
        "sm_label": (2,),
    }
    assert outputs == [(2, 3)]


@pytest.mark.parametrize(
    "name, attributes, data, wanted",
    [
        ("Deconvolution", {"kernel": (2, 2), "num_filter": 6, "num_group": 2}, (1, 4, 3, 3), {"weight": (4, 3, 2, 2)}),
        ("BatchNorm", {"axis": -1}, (2, 5, 7), {"gamma": (7,), "beta": (7,), "moving_mean": (7,), "moving_var": (7,)}),
        ("LayerNorm", {}, (2, 5, 7), {"gamma": (7,), "beta": (7,)}),
        ("InstanceNorm", {}, (2, 5, 7), {"gamma": (5,), "beta": (5,)}),
        ("Embedding", {"input_dim": 9, "output_dim": 4}, (2, 5), {"weight": (9, 4)}),
        ("SequenceMask", {"use_sequence_length": True}, (6, 2, 5), {"sequence_length": (2,)}),
        ("LinearRegressionOutput", {}, (6, 1), {"label": (6,)}),
        ("MAERegressionOutput", {}, (6, 2), {"label": (6, 2)}),
        ("SoftmaxOutput", {"multi_output": True}, (2, 3, 4, 5), {"label": (2, 20)}),
        ("SoftmaxOutput", {"preserve_shape": True}, (2, 3, 4), {"label": (2, 3)}),
        ("elemwise_add", {}, (2, 3), {"rhs": (2, 3)}),
        ("RNN", {"state_size": 4, "num_layers": 1, "mode": "lstm"}, (7, 2, 3),
         {"parameters": (144,), "state": (1, 2, 4), "state_cell": (1, 2, 4)}),
    ],
)  # fmt: skip
def test_shapes_of_operands_follow_from_the_data(name, attributes, data, wanted):
    layer = LAYERS[name]
    full = layer.complete(attributes)
    first = layer.operands[0]
    found = layer.inferred({first: data}, full)
    assert {k: v for k, v in found.items() if k != first}.items() >= wanted.items()
    y = FUNCTIONS[name](var(shape=data), **attributes)
    y = y[0] if isinstance(y, tuple) else y
    made = {k: x.shape for k, x in called(y).operands.items() if k != first}
    assert made == wanted | ({"bias": made["bias"]} if "bias" in made else {})


# -- losses -------------------------------------------------------------------------------------------


def slope(layer, x, label, scale=1.0, **attributes):
    """Value and gradient of a loss layer, under a head gradient of `scale` everywhere."""
    a, b = var("x", x.shape, x.dtype), var("label", label.shape, label.dtype)
    y = FUNCTIONS[layer](a, b, **attributes)
    return interpret([y, grad(scale * sym.sum(y), a)], {a: x, b: label})


def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


LABELS = np.array([2.0, 0.0, -1.0, 1.0])
ONE_HOT = np.array([[0, 0, 1], [1, 0, 0], [0, 0, 0], [0, 1, 0]])


@pytest.mark.parametrize("scale", [1.0, 50.0])
def test_softmax_output_has_the_gradient_of_cross_entropy_whatever_the_head_gradient(scale):
    p, g = slope("SoftmaxOutput", X, LABELS, scale)
    np.testing.assert_allclose(p, softmax(X))
    np.testing.assert_allclose(g, softmax(X) - ONE_HOT)


def test_gradient_of_softmax_output_is_that_of_the_cross_entropy_function():
    x, label = var(), np.array([2, 0, 1, 1])
    loss = grad(sym.cross_entropy(x, label, reduction="sum"), x)
    np.testing.assert_allclose(slope("SoftmaxOutput", X, label)[1], interpret(loss, {x: X}), atol=1e-15)


@pytest.mark.parametrize(
    "attributes, wanted",
    [
        ({"grad_scale": 3.0}, 3 * (softmax(X) - ONE_HOT)),
        ({"use_ignore": True}, (softmax(X) - ONE_HOT) * [[1], [1], [0], [1]]),
        ({"use_ignore": True, "ignore_label": 0}, (softmax(X) - ONE_HOT) * [[1], [0], [1], [1]]),
        ({"normalization": "batch"}, (softmax(X) - ONE_HOT) / 4),
        ({"normalization": "valid", "use_ignore": True}, (softmax(X) - ONE_HOT) * [[1], [1], [0], [1]] / 3),
        ({"smooth_alpha": 0.1}, softmax(X) - np.where(ONE_HOT, 0.9, 0.05)),
    ],
)
def test_attributes_of_softmax_output(attributes, wanted):
    np.testing.assert_allclose(slope("SoftmaxOutput", X, LABELS, **attributes)[1], wanted, atol=1e-15)


def test_labels_of_softmax_output_may_be_probabilities():
    q = softmax(RNG.normal(size=X.shape))
    np.testing.assert_allclose(slope("SoftmaxOutput", X, q, grad_scale=2.0)[1], 2 * (softmax(X) - q))


def test_softmax_output_takes_the_head_gradient_if_asked():
    _, g = slope("SoftmaxOutput", X, LABELS, 5.0, out_grad=True)
    np.testing.assert_allclose(g, 5 * (softmax(X) - ONE_HOT))


def test_softmax_output_of_images_has_its_classes_along_axis_1():
    x, label = RNG.normal(size=(2, 3, 4)), RNG.integers(0, 3, (2, 4)).astype(float)
    hot = np.moveaxis(np.eye(3)[label.astype(int)], -1, 1)
    p, g = slope("SoftmaxOutput", x, label, multi_output=True)
    np.testing.assert_allclose(p, softmax(x, 1))
    np.testing.assert_allclose(g, (softmax(x, 1) - hot) / 4)
    valid = slope("SoftmaxOutput", x, label, multi_output=True, normalization="valid")[1]
    np.testing.assert_allclose(valid, (softmax(x, 1) - hot) / 8)


def test_softmax_output_of_rows_of_rows():
    x, label = RNG.normal(size=(2, 3, 4)), RNG.integers(0, 4, (2, 3)).astype(float)
    _, g = slope("SoftmaxOutput", x, label, preserve_shape=True)
    np.testing.assert_allclose(g, softmax(x) - np.eye(4)[label.astype(int)])
    flat = softmax(x.reshape(2, 12)).reshape(x.shape)
    np.testing.assert_allclose(slope("SoftmaxOutput", x, np.zeros(2))[0], flat)


def test_second_derivative_of_softmax_output_is_that_of_its_gradient():
    x, label = var(), var("label", (4,))
    first = grad(sym.sum(sym.SoftmaxOutput(x, label)), x)
    v = RNG.normal(size=X.shape)
    p = softmax(X)
    second = interpret(grad(sym.sum(first * v), x), {x: X, label: LABELS})
    np.testing.assert_allclose(second, p * (v - (p * v).sum(1, keepdims=True)), atol=1e-15)


TARGET = RNG.normal(size=X.shape)
REGRESSIONS = {
    "LinearRegressionOutput": (X, X - TARGET),
    "LogisticRegressionOutput": (1 / (1 + np.exp(-X)), 1 / (1 + np.exp(-X)) - TARGET),
    "MAERegressionOutput": (X, np.sign(X - TARGET)),
}


@pytest.mark.parametrize("layer", REGRESSIONS)
def test_regressions_predict_and_have_the_gradient_of_their_loss_for_each_number_of_an_example(layer):
    value, gradient = REGRESSIONS[layer]
    y, g = slope(layer, X, TARGET, 9.0, grad_scale=2.0)
    np.testing.assert_allclose(y, value)
    np.testing.assert_allclose(g, 2 * gradient / 3)


def test_a_regression_of_one_number_takes_labels_of_one_axis():
    _, g = slope("LinearRegressionOutput", X[:, :1], TARGET[:, 0])
    np.testing.assert_allclose(g, X[:, :1] - TARGET[:, :1])


@pytest.mark.parametrize(
    "attributes, factor",
    [
        ({}, 1),
        ({"grad_scale": 3.0}, 3),
        ({"normalization": "batch"}, 1 / 4),
        ({"normalization": "valid"}, 1 / (X > 0).sum()),
        ({"normalization": "valid", "valid_thresh": 100.0}, 1),
    ],
)
def test_make_loss_has_a_constant_gradient(attributes, factor):
    x = var()
    g = interpret(grad(sym.sum(7 * sym.MakeLoss(x, **attributes)), x), {x: X})
    np.testing.assert_allclose(g, np.full(X.shape, factor))


@pytest.mark.parametrize("linear", [True, False])
def test_svm_output_has_the_gradient_of_the_hinge_loss(linear):
    x, label = var(), np.array([2, 0, 1, 1])
    side = np.where(np.eye(3)[label] == 1, 1.0, -1.0)
    hinge = sym.maximum(0.7 - side * x, 0)
    loss = 3 * sym.sum(hinge if linear else hinge * hinge)
    told = {"margin": 0.7, "regularization_coefficient": 3.0, "use_linear": linear}
    y, g = slope("SVMOutput", X, label, 9.0, **told)
    np.testing.assert_array_equal(y, X)
    np.testing.assert_allclose(g, interpret(grad(loss, x), {x: X}), atol=1e-15)


@pytest.mark.parametrize("linear", [True, False])
def test_svm_output_keeps_single_precision(linear):
    y, g = slope("SVMOutput", X.astype(np.float32), np.array([2, 0, 1, 1]), use_linear=linear)
    assert y.dtype == g.dtype == np.float32


def test_losses_ask_for_no_head_gradient_and_others_do():
    regressions = {"LinearRegressionOutput", "LogisticRegressionOutput", "MAERegressionOutput"}
    others = {"SoftmaxOutput", "SVMOutput", "MakeLoss", "make_loss"}
    assert {each.name for each in LAYERS.values() if each.loss} == regressions | others


def test_block_grad_stops_derivatives():
    x = var()
    np.testing.assert_array_equal(interpret(grad(sym.sum(x * sym.BlockGrad(x)), x), {x: X}), X)


def test_softmax_cross_entropy_is_the_sum_over_rows():
    x, label = var(), np.array([2, 0, 1, 1])
    y = interpret(sym.softmax_cross_entropy(x, label), {x: X})
    np.testing.assert_allclose(y, [-np.log(softmax(X)[range(4), label]).sum()])


# -- training -----------------------------------------------------------------------------------------


def test_batch_norm_moves_its_statistics_in_training_only():
    x, mean, variance = var(), graphc.state(np.zeros(3)), graphc.state(np.ones(3))
    y = sym.BatchNorm(x, np.ones(3), np.zeros(3), mean, variance, momentum=0.75)
    compile(x, y)(X)
    assert mean.get().tolist() == [0, 0, 0]
    train = compile(x, y, training=True)
    np.testing.assert_allclose(train(X), (X - X.mean(0)) / np.sqrt(X.var(0) + 1e-3))
    np.testing.assert_allclose(mean.get(), 0.25 * X.mean(0))
    np.testing.assert_allclose(variance.get(), 0.75 + 0.25 * X.var(0))
    train(X)
    np.testing.assert_allclose(mean.get(), (0.75 * 0.25 + 0.25) * X.mean(0))
    np.testing.assert_allclose(compile(x, y)(X), (X - mean.get()) / np.sqrt(variance.get() + 1e-3))


def test_batch_norm_with_global_statistics_moves_nothing():
    x, mean, variance = var(), graphc.state(np.zeros(3)), graphc.state(np.ones(3))
    y = sym.BatchNorm(x, np.ones(3), np.zeros(3), mean, variance, use_global_stats=True)
    compile(x, y, training=True)(X)
    assert mean.get().tolist() == [0, 0, 0] and variance.get().tolist() == [1, 1, 1]


def test_a_fixed_gamma_has_no_gradient():
    x, gamma = var(), var("gamma", (3,))
    y = sym.BatchNorm(x, gamma, np.zeros(3), np.zeros(3), np.ones(3))
    assert interpret(grad(sym.sum(y * X), gamma), {x: X, gamma: np.ones(3)}).tolist() == [0, 0, 0]


def test_dropout_keeps_the_expectation_and_draws_anew_at_every_step():
    x = var(shape=(100, 100))
    f = compile(x, sym.Dropout(x, p=0.25, name="drop"), training=True)
    first, second = f(np.ones((100, 100))), f(np.ones((100, 100)))
    assert set(np.unique(first)) == {0, 1 / 0.75} and abs(first.mean() - 1) < 0.03
    assert 0.55 < (first == second).mean() < 0.7


def test_gradient_of_dropout_has_the_mask_of_its_value():
    x = var(shape=(50,))
    y = sym.Dropout(x, p=0.5)
    value, gradient = compile(x, [y, grad(sym.sum(y), x)], training=True)(np.ones(50))
    np.testing.assert_array_equal(value, gradient)


def test_dropout_along_axes_drops_whole_slices():
    x = var(shape=(20, 30))
    y = compile(x, sym.Dropout(x, p=0.5, axes=(1,)), training=True)(np.ones((20, 30)))
    assert (y == y[:, :1]).all() and {0.0, 2.0} == set(np.unique(y))


def test_dropout_that_is_always_on_drops_in_inference():
    x = var(shape=(50,))
    y = compile(x, sym.Dropout(x, p=0.5, mode="always"))(np.ones(50))
    assert set(np.unique(y)) == {0, 2}


def test_layers_of_different_names_drop_different_elements_and_the_same_ones_each_run():
    x = var(shape=(64,))
    first, second = (sym.Dropout(x, name=name) for name in ("a", "b"))
    a, b = compile(x, [first, second], training=True)(np.ones(64))
    again = compile(x, sym.Dropout(x, name="a"), training=True)(np.ones(64))
    assert (a != b).any() and (a == again).all()


def test_the_key_of_dropout_may_be_given():
    x, key = var(shape=(64,)), graphc.state(np.array([1, 2], "uint32"))
    f = compile(x, sym.Dropout(x, key=key), training=True)
    first = f(np.ones(64))
    key.set(np.array([1, 2], "uint32"))
    np.testing.assert_array_equal(f(np.ones(64)), first)


def test_inference_with_dropout_has_no_state_and_may_be_pickled():
    x = var()
    f = compile(x, sym.Dropout(2 * x))
    assert f.states == ()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(f))(X), 2 * X)


def test_dropout_between_recurrent_layers_is_of_training_only():
    x = var(shape=(3, 2, 4))
    y = sym.RNN(x, state_size=5, num_layers=2, mode="gru", p=0.5, name="r")
    inputs = list(Graph.of(y).inputs)
    data = [RNG.normal(size=v.shape) for v in inputs]
    plain = sym.RNN(*inputs, state_size=5, num_layers=2, mode="gru")
    infer, train, reference = compile(inputs, y), compile(inputs, y, training=True), compile(inputs, plain)
    np.testing.assert_array_equal(infer(*data), reference(*data))
    assert (train(*data) != reference(*data)).any() and (train(*data) != train(*data)).any()


# -- whole networks -----------------------------------------------------------------------------------


def test_a_network_learns_through_the_executor():
    x = sym.var("data")
    h = sym.Activation(sym.FullyConnected(x, num_hidden=16, name="fc1"), act_type="tanh")
    net = sym.SoftmaxOutput(sym.FullyConnected(h, num_hidden=2, name="fc2"), name="softmax")
    points = RNG.normal(size=(64, 2))
    labels = (points[:, 0] * points[:, 1] > 0).astype(float)
    shapes, _, _ = net.infer_shape(data=points.shape)
    args = {name: 0.5 * RNG.normal(size=shape) for name, shape in zip(net.list_arguments(), shapes)}
    executor = net.bind(args | {"data": points, "softmax_label": labels})
    for _ in range(300):
        executor.forward(is_train=True)
        executor.backward()
        for name in args.keys() - {"data", "softmax_label"}:
            executor.arg_dict[name][...] -= 0.05 * executor.grad_dict[name]
    (p,) = executor.forward()
    assert (p.argmax(1) == labels).mean() > 0.95
