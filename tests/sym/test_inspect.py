"""Questions about a graph: arguments, outputs, and the shapes and dtypes that given ones imply."""

import numpy as np
import pytest

from graphc import sym
from graphc.errors import BindError, DTypeError, ShapeError


@pytest.fixture
def c():
    return 2 * sym.var("a") + sym.var("b")


def test_arguments_are_listed_in_call_order(c):
    assert c.list_arguments() == ["a", "b"]
    assert (sym.var("b") - sym.var("a")).list_arguments() == ["b", "a"]


def test_output_is_named_after_its_operator_typed_or_not(c):
    assert c.list_outputs() == ["add0_output"]
    assert sym.exp(sym.var("x", shape=(3,))).list_outputs() == ["exp0_output"]
    assert sym.var("x").list_outputs() == ["x"]


def test_shapes_follow_from_those_given(c):
    assert c.infer_shape(a=(2, 3), b=(3,)) == ([(2, 3), (3,)], [(2, 3)], [])


def test_a_shape_that_nothing_says_is_that_of_what_it_meets(c):
    assert c.infer_shape(a=(2, 3)) == ([(2, 3), (2, 3)], [(2, 3)], [])
    x, w, b = sym.var("x"), sym.var("w"), sym.var("b")
    assert sym.tanh(sym.dot(x, w) + b).infer_shape(x=(8, 4), w=(4, 2))[0] == [(8, 4), (4, 2), (8, 2)]
    with pytest.raises(BindError, match=r"nothing says the shape of a \(test_inspect.py:\d+\), b \(.*\); give a="):
        c.infer_shape()


def test_shapes_and_dtypes_may_be_given_in_the_order_of_the_arguments(c):
    assert c.infer_shape((2, 3), (3,)) == c.infer_shape(a=(2, 3), b=(3,))
    assert c.infer_shape(None, [3]) == ([(3,), (3,)], [(3,)], [])
    assert c.infer_type(None, "int8") == c.infer_type(b="int8")
    net = sym.BatchNorm(sym.FullyConnected(sym.var("data"), num_hidden=2, name="fc"), name="bn")
    assert net.infer_shape((5, 3)) == net.infer_shape(data=(5, 3))
    assert net.infer_shape_partial(None, (2, 3)) == net.infer_shape_partial(fc_weight=(2, 3))
    with pytest.raises(BindError, match=r"6 are given \(test_.*\); the arguments are data, fc_weight"):
        net.infer_shape(*[(2,)] * 6)  # auxiliary states have no place
    with pytest.raises(BindError, match=r"a is given by place and by name \(test_.*\); give it once"):
        c.infer_shape((3,), a=(3,))


def test_declared_shapes_need_not_be_given():
    x, w = sym.var("x", shape=("n", 4)), sym.var("w", shape=(4, 2))
    y = sym.matmul(x, w)
    assert y.infer_shape(x=(8, 4)) == ([(8, 4), (4, 2)], [(8, 2)], [])
    assert y.infer_shape()[1] == [y.shape]
    with pytest.raises(ShapeError, match="5 elements along axis 1 instead of 4"):
        y.infer_shape(x=(8, 5))


def test_dtypes_follow_from_those_given(c):
    assert c.infer_type(a="float32", b="int8") == ([np.float32, np.int8], [np.float32], [])
    assert c.infer_type() == ([np.float64] * 2, [np.float64], [])


def test_dtypes_of_functions_that_need_extents_ask_for_shapes():
    with pytest.raises(BindError, match=r"reshape \(test_inspect.py:\d+\) depends on shapes; declare those of a \("):
        sym.reshape(sym.var("a"), (2, 3)).infer_type()


def test_dtypes_of_functions_that_need_axes_follow_from_any_that_have_them():
    a = sym.var("a")
    assert a.sum(axis=1).infer_type(a="int32")[1] == [np.int64]
    assert sym.argmax(sym.exp(a), axis=2).infer_type()[1] == [np.int64]
    assert sym.dot(a, sym.var("b").T).infer_type("float32", "float32")[1] == [np.float32]


def test_wrong_questions_are_errors(c):
    with pytest.raises(BindError, match=r"no argument is named d \(test_inspect.py:\d+\); there are a, b"):
        c.infer_shape(d=(3,))
    with pytest.raises(BindError, match=r"nothing says the shape of b \(.*\); give b="):
        sym.dot(sym.var("a"), sym.var("b")).infer_shape(a=(3,))
    with pytest.raises(DTypeError, match=r"infer_type: b \(test_inspect.py:\d+\): 'zzz' is no dtype"):
        c.infer_type(b="zzz")
    with pytest.raises(BindError, match=r"x is float64\[3\] .* not int32; declare it so, or leave x= out"):
        sym.exp(sym.var("x", shape=(3,), dtype="float64")).infer_type(x="int32")


# -- inference of operands ----------------------------------------------------------------------------


def shapes_of(symbol, **given):
    """The inferred shapes by name, outputs under `out`."""
    arguments, outputs, states = symbol.infer_shape(**given)
    names = [*symbol.list_arguments(), *symbol.list_auxiliary_states()]
    return dict(zip(names, arguments + states, strict=True)) | {"out": outputs}


def data():
    return sym.var("data")


@pytest.mark.parametrize(
    ("symbol", "given", "expected"),
    [
        (sym.FullyConnected(data(), num_hidden=5, name="f"), (4, 7),
         {"f_weight": (5, 7), "f_bias": (5,), "out": [(4, 5)]}),
        (sym.FullyConnected(data(), num_hidden=5, name="f"), (4, 7, 2), {"f_weight": (5, 14), "out": [(4, 5)]}),
        (sym.FullyConnected(data(), num_hidden=5, flatten=False, name="f"), (4, 7, 2), {"f_weight": (5, 2)}),
        (sym.Convolution(data(), kernel=(3, 3), num_filter=8, name="c"), (2, 3, 9, 9),
         {"c_weight": (8, 3, 3, 3), "c_bias": (8,), "out": [(2, 8, 7, 7)]}),
        (sym.Convolution(data(), kernel=(3, 3), num_filter=8, num_group=2, name="c"), (2, 4, 9, 9),
         {"c_weight": (8, 2, 3, 3)}),
        (sym.Deconvolution(data(), kernel=(3, 3), num_filter=8, no_bias=True, name="d"), (2, 4, 5, 5),
         {"d_weight": (4, 8, 3, 3), "out": [(2, 8, 7, 7)]}),
        (sym.BatchNorm(data(), name="b"), (2, 6, 3, 3),
         {"b_gamma": (6,), "b_beta": (6,), "b_moving_mean": (6,), "b_moving_var": (6,)}),
        (sym.LayerNorm(data(), name="l"), (2, 6), {"l_gamma": (6,), "l_beta": (6,)}),
        (sym.Embedding(data(), input_dim=9, output_dim=4, name="e"), (2, 3), {"e_weight": (9, 4), "out": [(2, 3, 4)]}),
        (sym.SoftmaxOutput(data(), name="s"), (4, 3), {"s_label": (4,)}),
        (sym.SoftmaxOutput(data(), multi_output=True, name="s"), (4, 3, 5), {"s_label": (4, 5)}),
        (sym.LinearRegressionOutput(data(), name="s"), (4, 3), {"s_label": (4, 3)}),
    ],
)  # fmt: skip
def test_layers_say_the_shapes_of_their_operands(symbol, given, expected):
    found = shapes_of(symbol, data=given)
    assert {name: found[name] for name in expected} == expected


def test_inference_passes_through_a_network():
    net = sym.FullyConnected(data(), num_hidden=5, name="fc1")
    net = sym.relu(net) * sym.var("scale") + sym.var("shift")
    net = sym.SoftmaxOutput(sym.FullyConnected(net, num_hidden=3, name="fc2"), name="softmax")
    found = shapes_of(net, data=(8, 4))
    assert found["scale"] == found["shift"] == (8, 5)
    assert found["fc2_weight"] == (3, 5) and found["softmax_label"] == (8,)


def test_a_weight_that_is_computed_is_inferred_through_elementwise_functions():
    w, mask = sym.var("w"), sym.var("mask")
    net = sym.FullyConnected(data(), sym.tanh(w) * mask, num_hidden=5, name="fc")
    found = shapes_of(net, data=(8, 4))
    assert found["w"] == found["mask"] == (5, 4)
    assert shapes_of(net, data=(8, 4), mask=(1, 4))["w"] == (5, 4)


def test_a_weight_of_two_layers_has_one_shape():
    w = sym.var("w")
    net = sym.FullyConnected(data(), w, num_hidden=4, name="a")
    assert shapes_of(sym.FullyConnected(net, w, num_hidden=4, name="b"), data=(8, 4))["w"] == (4, 4)
    with pytest.raises(ShapeError, match=r"w \(test_inspect.py:\d+\) is \(4, 5\), as FullyConnected a .* but \(4, 4\)"):
        sym.FullyConnected(net, w, num_hidden=4, name="b").infer_shape(data=(8, 5))


def test_what_follows_from_rules_is_not_guessed():
    w, x = sym.var("w"), sym.var("x")
    scaled = x * w  # met first, but the layer knows better
    net = sym.FullyConnected(data(), w, num_hidden=4, no_bias=True, name="fc")
    assert shapes_of(sym.Group([scaled, net]), x=(1, 3), data=(8, 3))["w"] == (4, 3)


def test_a_result_that_is_known_says_what_nobody_else_does():
    a, b = sym.var("a"), sym.var("b")
    assert shapes_of(sym.FullyConnected(data(), a + b, num_hidden=4, name="fc"), data=(8, 3))["a"] == (4, 3)


def test_dimensions_are_told_by_any_variable_that_has_them():
    x, y = sym.var("x", shape=("n", 4)), sym.var("y", shape=("n",))
    net = sym.FullyConnected(x, num_hidden=3, name="fc")
    assert net.infer_shape(x=(8, 4))[1] == [(8, 3)]
    assert sym.Group([net, y]).infer_shape(y=(8,))[1] == [(8, 3), (8,)]
    assert net.infer_shape()[1] == [net.shape]


def test_named_dimensions_become_numbers_where_they_meet_what_has_no_type():
    x, label = sym.var("x", shape=("n", 4)), sym.var("label")
    loss = sym.sum(sym.FullyConnected(x, num_hidden=2, name="fc")[1:] * label)
    assert loss.infer_shape(x=(8, 4), label=(7, 1)) == ([(8, 4), (2, 4), (2,), (7, 1)], [()], [])
    assert loss.infer_shape(x=(8, 4))[0][-1] == (7, 2)
    with pytest.raises(ShapeError, match=r"float64\[7, 2\] and float64\[8, 1\] differ at axis 0"):
        loss.infer_shape(x=(8, 4), label=(8, 1))


def test_partial_inference_tells_what_is_known():
    net = sym.FullyConnected(sym.FullyConnected(data(), num_hidden=5, name="fc1"), num_hidden=3, name="fc2")
    assert net.infer_shape_partial() == ([None, None, (5,), None, (3,)], [None], [])
    assert net.infer_shape_partial(fc1_weight=(5, 7)) == ([None, (5, 7), (5,), None, (3,)], [None], [])
    assert net.infer_shape_partial(data=(4, 7)) == net.infer_shape(data=(4, 7))


def test_shapes_that_contradict_each_other_are_errors_with_both_lines():
    net = sym.FullyConnected(data(), num_hidden=5, name="fc")
    where = r"\(test_inspect.py:\d+\)"
    with pytest.raises(ShapeError, match=rf"fc_weight {where} is \(5, 6\), as given, but \(5, 7\), as Full.* {where}"):
        net.infer_shape(data=(4, 7), fc_weight=(5, 6))
    w = sym.var("w", shape=(5, 6))
    with pytest.raises(ShapeError, match=rf"w {where} is \(5, 6\), as declared, but \(5, 7\)"):
        sym.FullyConnected(data(), w, num_hidden=5).infer_shape(data=(4, 7))
    with pytest.raises(ShapeError, match=r"float64\[3\] and float64\[4\] differ"):
        (sym.var("a") + sym.var("b")).infer_shape(a=(3,), b=(4,))


def test_dtypes_of_layers_need_no_shapes():
    net = sym.FullyConnected(data(), num_hidden=5, name="fc")
    net = sym.SoftmaxOutput(sym.BatchNorm(net, name="bn"), name="softmax")
    assert net.infer_type(data="float32") == ([np.float32] * 6, [np.float32], [np.float32] * 2)
    assert sym.Group(sym.SliceChannel(net, num_outputs=2)).infer_type(data="float32")[1] == [np.float32] * 2


def test_a_dtype_that_nobody_says_is_the_float_of_the_others():
    a, b = sym.var("a"), sym.var("b")
    assert (a * b).infer_type(a="float32")[0] == [np.float32, np.float32]
    assert (a * b).infer_type(a="int32")[0] == [np.int32, np.float64]
    c = sym.var("c", shape=(), dtype="float32")
    assert (a * b * c).infer_type(a="float64")[0] == [np.float64, np.float64, np.float32]


def test_inference_of_a_long_chain_needs_no_recursion():
    x, b = sym.var("x"), sym.var("b")
    y = x
    for _ in range(3000):
        y = sym.tanh(y) + b
    assert y.infer_shape(x=(3,)) == ([(3,), (3,)], [(3,)], [])


def test_a_dtype_that_nobody_says_is_that_of_the_layers_it_meets():
    start = sym.mx._zeros(shape=(2, 3), dtype="float32")
    assert (sym.var("a") * start).infer_type()[0] == [np.float32]
