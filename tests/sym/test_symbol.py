"""Symbols as MXNet has them: groups, internals, names of outputs, composition, attributes, the text of a graph."""

import json

import numpy as np
import pytest

import graphc
from graphc import sym
from graphc.errors import BindError
from graphc.graph import Graph


def perceptron():
    """MXNet's classic."""
    net = sym.FullyConnected(sym.var("data"), num_hidden=5, name="fc1")
    net = sym.Activation(net, act_type="relu", name="relu1")
    net = sym.FullyConnected(net, num_hidden=3, name="fc2")
    return sym.SoftmaxOutput(net, name="softmax")


PARAMETERS = ["fc1_weight", "fc1_bias", "fc2_weight", "fc2_bias"]


# -- what MXNet 1.9 answers ---------------------------------------------------------------------------


def normalised():
    return sym.BatchNorm(sym.FullyConnected(sym.var("data"), num_hidden=5, name="fc1"), name="bn")


@pytest.mark.parametrize(
    ("symbol", "arguments", "outputs", "states"),
    [
        (sym.var("data"), ["data"], ["data"], []),
        (perceptron(), ["data", *PARAMETERS, "softmax_label"], ["softmax_output"], []),
        (normalised(), ["data", "fc1_weight", "fc1_bias", "bn_gamma", "bn_beta"], ["bn_output"],
         ["bn_moving_mean", "bn_moving_var"]),
        (sym.Group([normalised(), sym.var("x")]), ["data", "fc1_weight", "fc1_bias", "bn_gamma", "bn_beta", "x"],
         ["bn_output", "x"], ["bn_moving_mean", "bn_moving_var"]),
        (sym.FullyConnected(sym.var("data"), no_bias=True, num_hidden=2, name="fc"), ["data", "fc_weight"],
         ["fc_output"], []),
        (sym.Group(sym.SliceChannel(sym.var("data"), num_outputs=2, name="sp")), ["data"],
         ["sp_output0", "sp_output1"], []),
        (sym.Dropout(sym.var("data"), name="drop"), ["data"], ["drop_output"], []),
        (sym.Group(sym.RNN(sym.var("data"), mode="lstm", state_size=5, num_layers=1, state_outputs=True, name="rnn")),
         ["data", "rnn_parameters", "rnn_state", "rnn_state_cell"],
         ["rnn_output", "rnn_state_output", "rnn_statecell_output"], []),
    ],
)  # fmt: skip
def test_names_are_those_of_mxnet(symbol, arguments, outputs, states):
    assert symbol.list_arguments() == arguments
    assert symbol.list_outputs() == outputs
    assert symbol.list_auxiliary_states() == states


def test_internals_are_variables_and_results_of_calls_operands_first():
    assert perceptron().get_internals().list_outputs() == [
        "data", "fc1_weight", "fc1_bias", "fc1_output", "relu1_output", "fc2_weight", "fc2_bias", "fc2_output",
        "softmax_label", "softmax_output",
    ]  # fmt: skip
    assert normalised().get_internals().list_outputs()[-3:] == ["bn_moving_mean", "bn_moving_var", "bn_output"]


def test_internals_of_typed_layers_are_the_same():
    def net(x):
        return sym.BatchNorm(sym.FullyConnected(x, num_hidden=5, name="fc"), name="bn")

    typed, untyped = net(sym.var("x", shape=("n", 3))), net(sym.var("x"))
    assert typed.get_internals().list_outputs() == untyped.get_internals().list_outputs()
    assert typed.list_auxiliary_states() == untyped.list_auxiliary_states()


def test_children_are_what_the_last_call_was_made_on():
    assert perceptron().get_children().list_outputs() == ["fc2_output", "softmax_label"]
    assert sym.var("x").get_children() is None


def test_numbers_are_no_internals():
    x = sym.var("x", shape=(3,))
    assert (2 * x + 1).get_internals().list_outputs() == ["x", "multiply0_output", "add0_output"]


# -- groups -------------------------------------------------------------------------------------------


def test_outputs_of_a_group_are_found_by_number_name_and_slice():
    net = perceptron()
    features = net.get_internals()["relu1_output"]
    group = sym.Group([features, net])
    assert group[0] is features and group[-1] is net and group["softmax_output"] is net
    assert group[1:] == sym.Group([net])
    assert features.list_arguments() == ["data", "fc1_weight", "fc1_bias"]
    with pytest.raises(IndexError):
        group[2]


def test_a_group_of_groups_is_flat():
    a, b, c = (sym.var(name) for name in "abc")
    assert sym.Group([sym.Group([a, b]), c]).outputs == (a, b, c)


def test_iterating_over_a_graph_gives_its_outputs():
    group = sym.Group([sym.exp(sym.var("a")), sym.var("b")])
    first, second = group
    assert len(group) == 2 and (first, second) == group.outputs and len(group.nodes) == 3
    assert repr(group) == "<Graph of exp0_output, b>"


# -- layers of several results ------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [None, (2, 6)])
def test_a_layer_of_several_results_is_a_graph_of_them(shape):
    parts = sym.SliceChannel(sym.var("x", shape=shape), num_outputs=3, name="sp")
    assert isinstance(parts, Graph) and len(parts) == 3 and parts.list_arguments() == ["x"]
    assert parts.list_outputs() == ["sp_output0", "sp_output1", "sp_output2"]
    assert parts[1] is parts["sp_output1"] is [*parts][1] and parts[1].list_outputs() == ["sp_output1"]
    assert parts.infer_shape(x=(2, 6))[1] == [(2, 2)] * 3
    assert parts.attr("name") == "sp" and parts.list_attr() == {"num_outputs": "3"}
    assert parts(x=sym.var("z", shape=shape)).list_arguments() == ["z"]


def test_a_graph_is_a_head_an_operand_of_several_and_a_structure_of_outputs():
    x = sym.var("x")
    parts = sym.SliceChannel(x, num_outputs=2, name="sp")
    data = np.arange(4.0).reshape(1, 4)
    assert sym.Group([parts, x]).list_outputs() == ["sp_output0", "sp_output1", "x"]
    for joined in (sym.Concat(*parts), sym.concat(parts, 1), sym.concat([*parts], axis=1)):
        np.testing.assert_array_equal(joined.eval(x=data), data)
    np.testing.assert_array_equal(np.concatenate(parts.eval(x=data), 1), data)
    f = graphc.compile(x, {"parts": parts, "sum": sym.sum(x)})
    (left, right), total = f(data).values()
    np.testing.assert_array_equal(left, [[0, 1]])
    assert right.tolist() == [[2, 3]] and total == 6
    ex = parts.bind({"x": data})
    ex.forward()
    ex.backward([np.ones((1, 2)), np.full((1, 2), 3.0)])
    np.testing.assert_array_equal(ex.grad_dict["x"], [[1, 1, 3, 3]])


def test_one_value_is_needed_where_several_are_given():
    parts = sym.SliceChannel(sym.var("x", shape=(2, 4)), num_outputs=2, name="sp")
    for call in (sym.exp, lambda x: sym.Activation(x, act_type="relu"), lambda x: sym.add(1, x)):
        with pytest.raises(TypeError, match=r"several nodes are no array \(test_symbol.py:\d+\); choose one"):
            call(parts)


def test_functions_are_numbered_in_the_order_of_their_calls():
    a, b = sym.var("a"), sym.var("b")
    group = sym.Group([sym.exp(a), sym.log(a), sym.exp(b), sym.exp(a)])
    assert group.list_outputs() == ["exp0_output", "log0_output", "exp1_output", "exp0_output"]
    assert group["exp1_output"] is sym.exp(b)
    assert sym.exp(sym.log(sym.exp(a))).list_outputs() == ["exp1_output"]


def test_a_number_makes_a_name_that_nothing_else_has():
    y = sym.exp(sym.FullyConnected(sym.var("exp0"), num_hidden=2, name="exp1"))
    assert y.list_outputs() == ["exp2_output"]


def test_internals_files_and_outputs_say_the_same_names():
    x = sym.var("x")
    net = sym.Group([2 * sym.exp(sym.exp(x) + x), sym.SliceChannel(sym.exp(x), num_outputs=2, name="sp")[1]])
    internals = net.get_internals().list_outputs()
    assert set(net.list_outputs()) == {"multiply0_output", "sp_output1"} and set(net.list_outputs()) < set(internals)
    names = [node["name"] for node in json.loads(net.tojson())["nodes"]]
    assert names == list(dict.fromkeys(name.partition("_")[0] for name in internals))


def test_results_of_one_function_share_its_number():
    parts = sym.split(sym.var("a"), 2)
    assert sym.Group(parts).list_outputs() == ["split0_output0", "split0_output1"]


def test_wrong_names_of_outputs_are_errors():
    net = perceptron()
    with pytest.raises(BindError, match=r"no output is named 'fc3_output' .* fc2_output"):
        net.get_internals()["fc3_output"]
    with pytest.raises(BindError, match="2 outputs are named 'softmax_output'"):
        sym.Group([net, net])["softmax_output"]
    with pytest.raises(BindError, match="3 is none"):
        sym.Group([net, 3])


def test_two_variables_of_one_name_do_not_group():
    with pytest.raises(BindError, match=r"two variables are named 'x' \(test_symbol.py:\d+ and test_symbol.py:\d+\)"):
        sym.Group([sym.exp(sym.var("x")), sym.var("x")])


def test_a_graph_answers_for_all_its_outputs():
    a, b = sym.var("a"), sym.var("b")
    group = sym.Group([a + b, a * b])
    assert group.infer_shape(a=(3,)) == ([(3,), (3,)], [(3,), (3,)], [])
    assert group.infer_type(a="float32")[1] == [np.float32, np.float32]
    total, product = group.eval(a=np.arange(3.0), b=np.ones(3))
    np.testing.assert_array_equal(total, [1, 2, 3])
    np.testing.assert_array_equal(product, [0, 1, 2])
    assert "infer_shape" in dir(group) and not hasattr(group, "sum")


# -- composition --------------------------------------------------------------------------------------


def test_composition_puts_a_symbol_in_the_place_of_an_argument():
    pre = sym.FullyConnected(sym.var("x"), num_hidden=9, name="pre")
    assert perceptron()(data=pre).list_arguments() == [
        "x", "pre_weight", "pre_bias", *PARAMETERS, "softmax_label"
    ]  # fmt: skip


def test_composition_by_place_is_that_by_name():
    net, x, w = perceptron(), sym.var("x"), sym.var("w")
    assert net(x, w) is net(data=x, fc1_weight=w)


def test_compositions_share_the_other_arguments():
    net = perceptron()
    twice = sym.Group([net(data=sym.var("x")), net(data=sym.var("y"))])
    assert twice.list_arguments() == ["x", *PARAMETERS, "softmax_label", "y"]


def test_composition_with_the_argument_itself_is_the_same_symbol():
    net = perceptron()
    (data,) = [v for v in graphc.Graph.of(net).inputs if v.name == "data"]
    assert net(data=data) is net


def test_name_of_a_composition_is_that_of_its_last_layer():
    renamed = perceptron()(data=sym.var("x"), name="other")
    assert renamed.list_outputs() == ["other_output"]
    assert renamed.get_internals().list_outputs()[3:5] == ["fc1_output", "relu1_output"]
    with pytest.raises(BindError, match=r"exp \(test_symbol.py:\d+\) is no layer and has no name"):
        sym.exp(sym.var("x"))(name="other")


def test_a_graph_composes_to_a_graph():
    x, y = sym.var("x"), sym.var("y")
    group = sym.Group([x + 1, 2 * x])(x=y)
    assert isinstance(group, Graph)
    assert group[0] is y + 1 and group[1] is 2 * y


def test_composition_computes_the_composed_function():
    x, y = sym.var("x"), sym.var("y")
    np.testing.assert_array_equal((x * x + 1)(x=sym.exp(y)).eval(y=np.zeros(2)), [2, 2])


def test_typed_symbols_compose_with_values_of_the_same_type():
    x, y = sym.var("x", shape=(3,)), sym.var("y", shape=(3,))
    assert (2 * x)(x=sym.exp(y)) is 2 * sym.exp(y)
    with pytest.raises(BindError, match=r"x \(test_symbol.py:\d+\) is float64\[3\], but exp .* is float64\[4\]"):
        (2 * x)(x=sym.exp(sym.var("z", shape=(4,))))
    with pytest.raises(BindError, match="is untyped"):
        (2 * x)(x=sym.var("z"))


def test_composing_a_gradient_gives_that_of_the_composed_function():
    x, y = sym.var("x"), sym.var("y")
    slope = graphc.grad(sym.sum(x**3), x)
    assert slope(x=y) is graphc.grad(sym.sum(y**3), y)


def test_wrong_compositions_are_errors():
    net, x = perceptron(), sym.var("x")
    with pytest.raises(BindError, match=r"no argument is named 'dta' \(test_symbol.py:\d+\); there are data, fc1_w"):
        net(dta=x)
    with pytest.raises(BindError, match="data is given by place and by name"):
        net(x, data=x)
    with pytest.raises(BindError, match="2 symbols for the arguments a"):
        sym.exp(sym.var("a"))(x, x)
    with pytest.raises(BindError, match="data is one value, not 2 outputs"):
        net(data=sym.Group([x, sym.exp(x)]))
    with pytest.raises(BindError, match="3 is none"):
        net(data=3)


# -- attributes and text ------------------------------------------------------------------------------


def test_attributes_of_variables_can_be_set_later():
    w = sym.var("w", attr={"mood": "calm"}, lr_mult=2.0)
    w._set_attr(mood="angry", size="7")
    assert w.list_attr() == {"mood": "angry", "__lr_mult__": "2.0", "size": "7"}
    assert w.attr("lr_mult") == w.attr("__lr_mult__") == "2.0" and w.attr("none") is None
    with pytest.raises(BindError, match=r"fc \(test_symbol.py:\d+\) is made"):
        sym.FullyConnected(w, num_hidden=2, name="fc")._set_attr(mood="calm")
    with pytest.raises(TypeError, match="'size' is 7"):
        w._set_attr(size=7)


def test_the_attributes_of_a_variable_tell_its_type_and_all_that_was_said_of_it():
    class Xavier:
        def dumps(self):
            return '["xavier", {}]'

    w = sym.var("w", shape=(2, 3), dtype="float64", lr_mult=2, wd_mult=0.5, init=Xavier(), attr={"mood": "calm"})
    assert w.list_attr() == {
        "__shape__": "(2, 3)",
        "__dtype__": "1",
        "__lr_mult__": "2",
        "__wd_mult__": "0.5",
        "__init__": '["xavier", {}]',
        "mood": "calm",
    }
    assert sym.exp(w).attr_dict() == {"w": w.list_attr()}
    assert sym.var("x", shape=("n", 3), dtype="int16").list_attr() == {"__shape__": "(0, 3)"}
    kept = sym.var("w", shape=(2, 3), lr_mult=2)
    assert sym.load_json(sym.exp(kept).tojson()).attr_dict() == {"w": kept.list_attr()}


def test_attributes_are_listed_by_name():
    net = sym.FullyConnected(sym.var("x", lr_mult=0.5), num_hidden=2, name="fc", attr={"mood": "calm"})
    found = net.attr_dict()
    assert found["x"] == {"__lr_mult__": "0.5"} and found["fc"] == {"num_hidden": "2", "mood": "calm"}


def test_debug_str_lists_every_call_with_operands_and_attributes():
    a = sym.var("a")
    text = sym.Group([sym.FullyConnected(sym.exp(a), num_hidden=2, no_bias=True, name="fc"), sym.exp(a)]).debug_str()
    assert text.replace("\t", "  ").splitlines() == [
        "Symbol Outputs:",
        "  output[0]=fc(0)",
        "  output[1]=exp0(0)",
        "Variable:a",
        "-" * 20,
        "Op:exp, Name=exp0",
        "Inputs:",
        "  arg[0]=a(0)",
        "Variable:fc_weight",
        "-" * 20,
        "Op:FullyConnected, Name=fc",
        "Inputs:",
        "  arg[0]=exp0(0)",
        "  arg[1]=fc_weight(0)",
        "Attrs:",
        "  num_hidden=2",
        "  no_bias=True",
    ]


def test_debug_str_tells_the_results_of_a_call_apart():
    first, second = sym.SliceChannel(sym.var("x"), num_outputs=2, name="sp")
    assert "arg[0]=sp(1)" in sym.exp(second).debug_str()
    assert "output[0]=sp(0)" in first.debug_str()


@pytest.mark.parametrize("shape", [None, (4, 6)])
def test_internals_hold_all_results_of_a_layer(shape):
    first, second = sym.SliceChannel(sym.var("x", shape=shape), num_outputs=2, name="sp")
    internals = sym.exp(second).get_internals()
    assert internals.list_outputs() == ["x", "sp_output0", "sp_output1", "exp0_output"]
    assert internals["sp_output0"] is first and internals["sp_output1"] is second


def test_a_layer_without_operands_is_named_as_any_layer():
    start = sym.mx._zeros(shape=(2, 3), name="start")
    assert start.list_outputs() == ["start_output"]
    assert "Op:_zeros, Name=start" in start.debug_str()
