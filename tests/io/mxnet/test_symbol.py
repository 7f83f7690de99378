"""MXNet's `symbol.json`: files of every version read and run, what is written read back, and files that are none."""

import json
from contextlib import suppress

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

import graphc
from graphc import sym
from graphc.errors import BindError, GraphcError
from graphc.graph import Graph

LENET = """{"nodes": [
  {"op": "null", "name": "data", "inputs": []},
  {"op": "null", "name": "conv1_weight", "inputs": [],
   "attrs": {"__init__": "[\\"xavier\\", {}]", "__lr_mult__": "2.0"}},
  {"op": "null", "name": "conv1_bias", "inputs": []},
  {"op": "Convolution", "name": "conv1", "attrs": {"kernel": "(3, 3)", "num_filter": "2"},
   "inputs": [[0, 0, 0], [1, 0, 0], [2, 0, 0]]},
  {"op": "Activation", "name": "tanh1", "attrs": {"act_type": "tanh"}, "inputs": [[3, 0, 0]]},
  {"op": "Pooling", "name": "pool1", "attrs": {"kernel": "(2, 2)", "pool_type": "max", "stride": "(2, 2)"},
   "inputs": [[4, 0, 0]]},
  {"op": "Flatten", "name": "flatten1", "inputs": [[5, 0, 0]]},
  {"op": "null", "name": "fc1_weight", "attrs": {"__shape__": "(4, 18)", "__dtype__": "1"}, "inputs": []},
  {"op": "null", "name": "fc1_bias", "attrs": {"__shape__": "(0,)", "__dtype__": "1"}, "inputs": []},
  {"op": "FullyConnected", "name": "fc1", "attrs": {"num_hidden": "4"}, "inputs": [[6, 0, 0], [7, 0, 0], [8, 0, 0]]},
  {"op": "null", "name": "softmax_label", "inputs": []},
  {"op": "SoftmaxOutput", "name": "softmax", "inputs": [[9, 0, 0], [10, 0, 0]]}],
 "arg_nodes": [0, 1, 2, 7, 8, 10], "node_row_ptr": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], "heads": [[11, 0, 0]],
 "attrs": {"mxnet_version": ["int", 10700]}}"""

RESIDUAL = """{"nodes": [
  {"op": "null", "name": "data", "inputs": []},
  {"op": "null", "name": "conv_weight", "inputs": []},
  {"op": "Convolution", "name": "conv", "inputs": [[0, 0, 0], [1, 0, 0]], "attrs": {"kernel": "(3, 3)",
   "layout": "NCHW", "no_bias": "True", "num_filter": "3", "num_group": "1", "pad": "(1, 1)", "stride": "(1, 1)"}},
  {"op": "null", "name": "bn_gamma", "inputs": []},
  {"op": "null", "name": "bn_beta", "inputs": []},
  {"op": "null", "name": "bn_moving_mean", "inputs": []},
  {"op": "null", "name": "bn_moving_var", "inputs": []},
  {"op": "BatchNorm", "name": "bn", "inputs": [[2, 0, 0], [3, 0, 0], [4, 0, 0], [5, 0, 1], [6, 0, 1]],
   "attrs": {"axis": "1", "eps": "1e-05", "fix_gamma": "False", "momentum": "0.9", "use_global_stats": "False"}},
  {"op": "elemwise_add", "name": "_plus0", "inputs": [[7, 0, 0], [0, 0, 0]]},
  {"op": "Activation", "name": "relu", "attrs": {"act_type": "relu"}, "inputs": [[8, 0, 0]]},
  {"op": "Pooling", "name": "pool", "inputs": [[9, 0, 0]], "attrs": {"global_pool": "True", "kernel": "(1, 1)",
   "pool_type": "avg"}},
  {"op": "SliceChannel", "name": "split", "attrs": {"num_outputs": "3"}, "inputs": [[9, 0, 0]]}],
 "arg_nodes": [0, 1, 3, 4, 5, 6], "heads": [[10, 0, 0], [11, 2, 0]], "attrs": {"mxnet_version": ["int", 10500]}}"""

OLD = """{"nodes": [
  {"op": "null", "param": {}, "name": "data", "inputs": [], "backward_source_id": -1,
   "attr": {"ctx_group": "stage1", "lr_mult": "0.2"}},
  {"op": "null", "param": {}, "name": "fc1_weight", "inputs": [], "backward_source_id": -1},
  {"op": "null", "param": {}, "name": "fc1_bias", "inputs": [], "backward_source_id": -1},
  {"op": "FullyConnected", "param": {"no_bias": "False", "num_hidden": "4"}, "name": "fc1",
   "inputs": [[0, 0], [1, 0], [2, 0]], "backward_source_id": -1, "attr": {"weight_lr_mult": "1.2", "ctx_group": "a"}},
  {"op": "null", "param": {}, "name": "bn_gamma", "inputs": [], "backward_source_id": -1},
  {"op": "null", "param": {}, "name": "bn_beta", "inputs": [], "backward_source_id": -1},
  {"op": "BatchNorm", "param": {"eps": "0.001", "fix_gamma": "True", "momentum": "0.9", "use_global_stats": "False"},
   "name": "bn", "inputs": [[3, 0], [4, 0], [5, 0]], "backward_source_id": -1},
  {"op": "_MulScalar", "param": {"scalar": "2"}, "name": "twice", "inputs": [[6, 0]], "backward_source_id": -1},
  {"op": "Reshape", "param": {"shape": "[2L,-1L]"}, "name": "flat", "inputs": [[7, 0]], "backward_source_id": -1}],
 "arg_nodes": [0, 1, 2, 4, 5], "heads": [[8, 0]]}"""


def outputs_of(symbol) -> list:
    return list(symbol.outputs) if isinstance(symbol, Graph) else [symbol]


def value(symbol, **arrays):
    variables = Graph.of(outputs_of(symbol)).inputs
    return graphc.compile(list(variables), outputs_of(symbol))(*[arrays[v.name] for v in variables])


def variables_of(symbol) -> dict:
    return {v.name: v for v in Graph.of(outputs_of(symbol)).inputs}


def drawn(**shapes) -> dict:
    rng = np.random.default_rng(0)
    return {name: rng.uniform(-1, 1, shape) for name, shape in shapes.items()}


def convolved(x, w, pad=0):
    windows = sliding_window_view(np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad))), w.shape[2:], axis=(2, 3))
    return np.einsum("nchwij,ocij->nohw", windows, w)


# -- files of MXNet ---------------------------------------------------------------------------------


def test_a_convolutional_network_of_version_1_gives_its_values():
    p = drawn(data=(2, 1, 8, 8), conv1_weight=(2, 1, 3, 3), conv1_bias=2, fc1_weight=(4, 18), fc1_bias=4)
    x = np.tanh(convolved(p["data"], p["conv1_weight"]) + p["conv1_bias"][:, None, None])
    x = x.reshape(2, 2, 3, 2, 3, 2).max(axis=(3, 5)).reshape(2, -1) @ p["fc1_weight"].T + p["fc1_bias"]
    expected = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    (y,) = value(sym.load_json(LENET), **p, softmax_label=np.zeros(2))
    np.testing.assert_allclose(y, expected, rtol=1e-12)


def test_a_residual_block_gives_its_values_and_has_two_heads():
    p = drawn(data=(2, 3, 4, 4), conv_weight=(3, 3, 3, 3), bn_gamma=3, bn_beta=3, bn_moving_mean=3)
    p["bn_moving_var"] = np.array([0.5, 1, 2])
    scale = p["bn_gamma"] / np.sqrt(p["bn_moving_var"] + 1e-5)
    x = convolved(p["data"], p["conv_weight"], pad=1) - p["bn_moving_mean"][:, None, None]
    x = np.maximum(x * scale[:, None, None] + p["bn_beta"][:, None, None] + p["data"], 0)
    symbol = sym.load_json(RESIDUAL)
    pool, third = value(symbol, **p)
    np.testing.assert_allclose(pool, x.mean(axis=(2, 3), keepdims=True), rtol=1e-10)
    np.testing.assert_allclose(third, x[:, 2:], rtol=1e-10)
    assert symbol.list_auxiliary_states() == ["bn_moving_mean", "bn_moving_var"]
    assert symbol.list_outputs() == ["pool_output", "split_output2"]


def test_a_file_of_version_0_8_gives_its_values():
    p = drawn(data=(2, 3), fc1_weight=(4, 3), fc1_bias=4, bn_gamma=4, bn_beta=4, bn_moving_mean=4)
    p["bn_moving_var"] = np.array([0.5, 1, 2, 3])
    x = p["data"] @ p["fc1_weight"].T + p["fc1_bias"]
    x = 2 * ((x - p["bn_moving_mean"]) / np.sqrt(p["bn_moving_var"] + 1e-3) + p["bn_beta"])
    (y,) = value(sym.load_json(OLD), **p)
    np.testing.assert_allclose(y, x.reshape(2, -1), rtol=1e-10)


def test_attributes_of_version_0_8_are_where_they_belong():
    found = variables_of(sym.load_json(OLD))
    assert found["data"].list_attr() == {"__ctx_group__": "stage1", "__lr_mult__": "0.2"}
    assert found["fc1_weight"].attr("lr_mult") == "1.2"
    assert {"bn_moving_mean", "bn_moving_var"} < found.keys()


def test_variables_have_the_attributes_and_types_of_the_file():
    found = variables_of(sym.load_json(LENET))
    assert found["conv1_weight"].list_attr() == {"__init__": '["xavier", {}]', "__lr_mult__": "2.0"}
    assert found["fc1_weight"].type == graphc.Type(np.dtype("float64"), (4, 18))
    assert found["fc1_bias"].type is None, "an extent of 0 is one that is not known"
    assert found["fc1_bias"].attr("__shape__") == "(0,)"


def test_a_dtype_of_the_file_holds_though_the_shape_is_not_known():
    attrs = {"__shape__": "(4, 0)", "__dtype__": "0"}
    weight, fully = entry(name="w", attrs=attrs), {"num_hidden": "4", "no_bias": "True"}
    symbol = sym.load_json(text_of(entry(), weight, entry("FullyConnected", "y", (*IN, *ONE), attrs=fully), heads=TWO))
    executor = symbol.simple_bind(x=(2, 3))
    assert {array.dtype for array in executor.arg_dict.values()} == {np.dtype("float32")}


def cell(steps: int) -> str:
    """An LSTM cell unrolled as `mxnet.rnn.LSTMCell` does, from a state whose batch MXNet infers."""
    nodes = []

    def node(op, name, *inputs, **attrs):
        found = {"op": op, "name": name, "inputs": [[*(x if isinstance(x, tuple) else (x, 0)), 0] for x in inputs]}
        nodes.append(found | ({"attrs": attrs} if attrs else {}))
        return len(nodes) - 1

    data, iw, ib, hw, hb = (node("null", name) for name in ("data", "iw", "ib", "hw", "hb"))
    xs = node("SliceChannel", "xs", data, num_outputs=str(steps), axis="1", squeeze_axis="1")
    h, c = (node("_zeros", f"begin{k}", shape="(0, 3)", dtype="float64", __layout__="NC") for k in range(2))
    for t in range(steps):
        i2h = node("FullyConnected", f"i2h{t}", (xs, t), iw, ib, num_hidden="12")
        h2h = node("FullyConnected", f"h2h{t}", h, hw, hb, num_hidden="12")
        gates = node("SliceChannel", f"g{t}", node("elemwise_add", f"a{t}", i2h, h2h), num_outputs="4")
        i, f, o = (node("Activation", f"s{t}{k}", (gates, k), act_type="sigmoid") for k in (0, 1, 3))
        u = node("Activation", f"u{t}", (gates, 2), act_type="tanh")
        kept, new = node("elemwise_mul", f"k{t}", f, c), node("elemwise_mul", f"n{t}", i, u)
        c = node("elemwise_add", f"c{t}", kept, new)
        h = node("elemwise_mul", f"h{t}", o, node("Activation", f"t{t}", c, act_type="tanh"))
    return json.dumps({"nodes": nodes, "arg_nodes": [0, 1, 2, 3, 4], "heads": [[h, 0, 0]]})


def test_an_unrolled_recurrent_network_gives_its_values():
    p = drawn(data=(2, 3, 5), iw=(12, 5), ib=12, hw=(12, 3), hb=12)
    h = c = np.zeros((2, 3))
    for t in range(3):
        i, f, u, o = np.split(p["data"][:, t] @ p["iw"].T + p["ib"] + h @ p["hw"].T + p["hb"], 4, axis=1)
        i, f, o = (1 / (1 + np.exp(-x)) for x in (i, f, o))
        c = f * c + i * np.tanh(u)
        h = o * np.tanh(c)
    (y,) = value(sym.load_json(cell(3)), **p)
    np.testing.assert_allclose(y, h, rtol=1e-10)


# -- round trips ------------------------------------------------------------------------------------

A, B = sym.var("a"), sym.var("b")
X, Y = sym.var("x", shape=(2, 3), dtype="float32"), sym.var("y", shape=(3,), dtype="float32")
N = sym.var("n", shape=("rows", 3), dtype="float64")
Z = sym.var("z", shape=(), dtype="float64")


def network():
    x = sym.Activation(sym.FullyConnected(A, num_hidden=4, name="fc1"), act_type="relu", name="relu1")
    return sym.SoftmaxOutput(sym.FullyConnected(x, num_hidden=3, no_bias=True, name="fc2"), name="softmax")


SYMBOLS = {
    "a variable": lambda: A,
    "layers": network,
    "layers with attributes": lambda: sym.Activation(A, act_type="tanh", name="t", attr={"__mood__": "calm"}),
    "one layer twice": lambda: sym.FullyConnected(A, B, num_hidden=2, no_bias=True, name="fc") + 1,
    "Python's operators": lambda: 2 * A + B - 1 / A**2 + (A > B) * -A,
    "a number on either side": lambda: (2 * A) + (A * 2) + (2 - A) + (A - 2),
    "functions": lambda: sym.exp(A) + sym.tanh(sym.sqrt(abs(B))),
    "reductions": lambda: sym.sum(A, axis=1, keepdims=True) + A.mean(1) + A.max(),
    "movement": lambda: sym.transpose(A, (1, 0)) + sym.reshape(B, (2, 3)) + sym.concat([A, B], axis=1),
    "a typed formula": lambda: 2 * X + Y,
    "typed functions": lambda: sym.exp(X) / (1 + sym.exp(-X)) + sym.maximum(X, 0),
    "typed movement": lambda: X.T.reshape((3, 2)),
    "a typed reduction": lambda: X.sum(axis=1),
    "a typed product": lambda: sym.dot(X, Y),
    "a cast": lambda: sym.astype(X, "float64") * 2,
    "symbolic extents": lambda: sym.exp(N) + 1,
    "a scalar": lambda: sym.exp(Z),
    "typed layers": lambda: sym.FullyConnected(X, num_hidden=4, name="fc3"),
    "several outputs": lambda: sym.Group([2 * A, A + B, 2 * A]),
    "several results": lambda: sym.Group(list(sym.SliceChannel(A, num_outputs=3, name="cut"))[::2]),
}


@pytest.mark.parametrize("what", SYMBOLS)
def test_the_same_nodes_come_back(what):
    symbol = SYMBOLS[what]()
    found = sym.load_json(symbol.tojson(), variables_of(symbol))
    assert outputs_of(found) == [] or all(x is y for x, y in zip(outputs_of(found), outputs_of(symbol), strict=True))


@pytest.mark.parametrize("what", SYMBOLS)
def test_the_same_text_is_written_again(what):
    text = SYMBOLS[what]().tojson()
    assert sym.load_json(text).tojson() == text


@pytest.mark.parametrize("text", [LENET, RESIDUAL, OLD], ids=["LeNet", "residual", "old"])
def test_a_file_that_is_read_is_written_with_the_same_operators(text):
    symbol = sym.load_json(text)
    again = sym.load_json(symbol.tojson(), variables_of(symbol))
    assert all(x is y for x, y in zip(outputs_of(again), outputs_of(symbol), strict=True))
    names = {node["name"]: node["op"] for node in json.loads(text)["nodes"]}
    written = {node["name"]: node["op"] for node in json.loads(symbol.tojson())["nodes"]}
    assert written.items() >= {(name, op) for name, op in names.items() if op != "_MulScalar"}


P, Q, R = sym.var("p", shape=(2, 3, 4)), sym.var("q", shape=(2, 4, 5)), sym.var("r", shape=(4, 3))

TYPED = {
    "a batch of products": lambda: sym.matmul(P, Q),
    "a product over two axes": lambda: sym.tensordot(P, R, axes=((1, 2), (1, 0))),
    "a product over all axes": lambda: sym.tensordot(P, P, 3) * 2,
    "new axes": lambda: sym.broadcast_to(sym.sum(P, axis=(0, 2)), (4, 3)) + R,
    "tiles": lambda: sym.tile(R, (2, 3)),
    "statistics": lambda: sym.std(P, axis=1) + sym.norm(P),
    "parts": lambda: P[:, 1:, ::2] + P[:, :-1, 1::2],
    "choices": lambda: sym.where(P > 0, P, -1) * sym.clip(P, -0.5, 0.5),
    "a gradient": lambda: graphc.grad(sym.sum(sym.tanh(sym.matmul(P, R)) ** 2), R),
}


@pytest.mark.parametrize("what", TYPED)
def test_typed_nodes_come_back_with_the_same_values(what):
    symbol, arrays = TYPED[what](), drawn(p=(2, 3, 4), q=(2, 4, 5), r=(4, 3))
    (found,), (expected,) = value(sym.load_json(symbol.tojson()), **arrays), value(symbol, **arrays)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_what_is_written_is_what_mxnet_writes():
    data = json.loads(network().tojson())
    assert [node["op"] for node in data["nodes"]] == [
        "null", "null", "null", "FullyConnected", "Activation", "null", "FullyConnected", "null", "SoftmaxOutput",
    ]  # fmt: skip
    assert data["nodes"][3] == {
        "op": "FullyConnected", "name": "fc1", "attrs": {"num_hidden": "4"},
        "inputs": [[0, 0, 0], [1, 0, 0], [2, 0, 0]],
    }  # fmt: skip
    assert data["arg_nodes"] == [0, 1, 2, 5, 7]
    assert data["heads"] == [[8, 0, 0]]
    assert data["node_row_ptr"] == list(range(10))


def test_operators_of_python_are_written_as_mxnet_has_them():
    nodes = json.loads((2 * A + B).tojson())["nodes"]
    assert [node["op"] for node in nodes] == ["null", "_mul_scalar", "null", "broadcast_add"]
    assert float(nodes[1]["attrs"]["scalar"]) == 2
    assert len({node["name"] for node in nodes}) == 4


def test_auxiliary_states_are_marked_as_changing():
    symbol = sym.load_json(RESIDUAL)
    (norm,) = [node for node in json.loads(symbol.tojson())["nodes"] if node["op"] == "BatchNorm"]
    assert [version for _, _, version in norm["inputs"]] == [0, 0, 0, 1, 1]


def test_names_that_are_given_do_not_clash_with_new_ones():
    symbol = sym.Activation(A, act_type="relu", name="exp0") + sym.exp(sym.var("exp1"))
    names = [node["name"] for node in json.loads(symbol.tojson())["nodes"]]
    assert len(set(names)) == len(names)


# -- files ------------------------------------------------------------------------------------------


def test_a_file_is_written_and_read(tmp_path):
    symbol = network()
    symbol.save(tmp_path / "net-symbol.json")
    assert (tmp_path / "net-symbol.json").read_text() == symbol.tojson()
    assert sym.load(tmp_path / "net-symbol.json", variables_of(symbol)) is symbol


def test_a_checkpoint_is_written_and_read(tmp_path):
    symbol = sym.load_json(RESIDUAL)
    args = {"conv_weight": np.ones((3, 3, 3, 3), "float32"), "bn_gamma": np.ones(3), "bn_beta": np.zeros(3)}
    states = {"bn_moving_mean": np.zeros(3), "bn_moving_var": np.ones(3)}
    graphc.save_checkpoint(tmp_path / "net", 12, symbol, args, states)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net-0012.params", "net-symbol.json"]
    found, found_args, found_states = graphc.load_checkpoint(tmp_path / "net", 12)
    assert found.tojson() == symbol.tojson()
    assert {k: v.tolist() for k, v in found_args.items()} == {k: v.tolist() for k, v in args.items()}
    assert found_states.keys() == states.keys()


def test_parameters_of_no_checkpoint_are_an_error(tmp_path):
    network().save(tmp_path / "net-symbol.json")
    graphc.save_params(tmp_path / "net-0001.params", {"fc1_weight": np.ones(3)})
    with pytest.raises(GraphcError, match="begins with neither arg: nor aux:"):
        graphc.load_checkpoint(tmp_path / "net", 1)


def test_a_variable_that_is_not_there_is_an_error():
    with pytest.raises(BindError, match="no variable is named 'c'; there are a, b"):
        sym.load_json((A + B).tojson(), {"c": A})


# -- what cannot be written -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: sym.logaddexp(A, B), r"MXNet has no operator for logaddexp .*\(test_symbol.py:\d+\)"),
        (lambda: sym.var("k", shape=(2,), dtype="uint32") + 1, "MXNet has no uint32, as k is"),
        (lambda: A + np.arange(3.0), "MXNet has no operator for add as it is called here|holds no arrays"),
        (lambda: X + np.arange(3, dtype="float32"), "no operator|holds no arrays"),
        (lambda: sym.reshape(N, (3, "rows")), "MXNet has no operator for reshape"),
        (lambda: sym.broadcast_to(Y, ("rows", 3)), "MXNet has no operator for expand"),
        (lambda: sym.while_loop(lambda x: sym.sum(x) < 9, lambda x: 2 * x, X), "MXNet has no operator for"),
        (lambda: sym.Activation(A, act_type="relu", attr={"mood": "calm"}), "call what you attach __mood__"),
        (lambda: sym.exp(sym.var("a")) + A, "two variables are named 'a'"),
    ],
    ids=range(9),
)
def test_what_mxnet_has_no_word_for_is_an_error(make, what):
    with pytest.raises(GraphcError, match=what):
        make().tojson()


# -- files that are none ----------------------------------------------------------------------------


def text_of(*nodes, heads=((0, 0, 0),), **more) -> str:
    return json.dumps({"nodes": nodes, "arg_nodes": [], "heads": heads, **more})


def entry(op="null", name="x", inputs=(), **more) -> dict:
    return {"op": op, "name": name, "inputs": inputs, **more}


IN = ((0, 0, 0),)
ONE = ((1, 0, 0),)
TWO = ((2, 0, 0),)


def marked(call: str) -> str:
    return text_of(entry(), entry("exp", "y", IN, attrs={"__graphc__": call}), heads=ONE)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "no JSON text of a symbol"),
        ("[" * 100_000, "no JSON text of a symbol"),
        ("[]", "no nodes and heads"),
        ('{"nodes": []}', "no nodes and heads"),
        (text_of(), r"\[0, 0, 0\] is an output of no node"),
        (text_of(entry(), heads=()), "no heads"),
        (text_of(entry(), heads=((1, 0, 0),)), "is an output of no node"),
        (text_of(entry(), heads=((0, 1, 0),)), "has no output 1"),
        (text_of(entry(), heads=((0, -1, 0),)), "is an output of no node"),
        (text_of(entry(), heads=((10**30, 0, 0),)), "is an output of no node"),
        (text_of(entry(), heads=((0,),)), "is no output of a node"),
        (text_of(entry(), heads=(("0", 0, 0),)), "'0' stands where a int should"),
        (text_of(entry(), arg_nodes=[7]), "arg_nodes has 7"),
        (text_of(3), "3 stands where a dict should"),
        (text_of({"op": "null"}), "node 0 lacks"),
        (text_of(entry(name="")), "variable without a name"),
        (text_of(entry(), entry(), heads=ONE), "two variables have this name"),
        (text_of(entry(attrs={"a": 3})), "'a' is 3, which is no text"),
        (text_of(entry(), entry("exp", "y", ((1, 0, 0),)), heads=ONE), "no node that comes before"),
        (text_of(entry(), entry("Frobnicate", "y", IN), heads=ONE), "graphc has no layer Frobnicate"),
        (text_of(entry(), entry("_foreach", "y", IN, subgraphs=[{}]), heads=ONE), "holds sub-graphs"),
        (text_of(entry(), entry("exp", "y", IN, control_deps=[0]), heads=ONE), "waits for nodes"),
        (text_of(entry(), entry("exp", "y", (*IN, *IN)), heads=ONE), "2 inputs; it takes data"),
        (text_of(entry("exp", "y")), "0 inputs; it takes data"),
        (text_of(entry(), entry("FullyConnected", "y", IN), heads=ONE), "num_hidden is missing"),
        (text_of(entry(), entry("Activation", "y", IN, attrs={"act_type": "?"}), heads=ONE), "act_type='\\?'"),
        (text_of(entry(), entry("Activation", "y", IN, attrs={"act_tipe": "relu"}), heads=ONE), "'act_tipe'"),
        (text_of(entry(), entry("Concat", "y", IN, attrs={"num_args": "2"}), heads=ONE), "num_args"),
        (text_of(entry(), entry("SliceChannel", "y", IN, attrs={"num_outputs": "1" * 12}), heads=ONE), "at most"),
        (text_of(entry(attrs={"__shape__": "(3, x)"})), "is no shape"),
        (text_of(entry(attrs={"__shape__": "(3,)", "__dtype__": "99"})), "number of no dtype"),
        (text_of(entry(attrs={"__graphc__": "{}"})), "null 'x' cannot be read"),
        (marked("to_dot(_)"), "no function that is recorded"),
        (marked("exp(_, _)"), "1 nodes in 2 places"),
        (marked("exp"), "is no call"),
        (marked("exp(open('x'))"), r"open\('x'\) is no argument"),
        (marked("exp(*_)"), "is no call"),
        (marked("exp(" + "-" * 50_000 + "1)"), "is no call"),
    ],
    ids=range(38),
)
def test_a_text_that_is_no_symbol_is_an_error_that_says_what(text, what):
    with pytest.raises(GraphcError, match=what):
        sym.load_json(text)


def test_a_flipped_character_gives_an_error_or_a_symbol():
    rng = np.random.default_rng(1)
    for place, character in zip(rng.integers(0, len(LENET), 300), rng.integers(32, 127, 300)):
        with suppress(GraphcError):
            sym.load_json(LENET[:place] + chr(character) + LENET[place + 1 :])


def test_a_truncated_text_is_an_error():
    for end in range(0, len(LENET) - 1, 7):
        with pytest.raises(GraphcError):
            sym.load_json(LENET[:end])


def test_a_file_that_is_no_text_is_an_error(tmp_path):
    (tmp_path / "net-symbol.json").write_bytes(b"\xff\xfe")
    with pytest.raises(GraphcError, match=r"net-symbol.json: .*decode"):
        sym.load(tmp_path / "net-symbol.json")


def test_a_deep_symbol_does_not_recur():
    depth = 5_000
    nodes = [entry(), *[entry("exp", f"y{k}", ((k, 0, 0),)) for k in range(depth)]]
    symbol = sym.load_json(text_of(*nodes, heads=((depth, 0, 0),)))
    assert len(json.loads(symbol.tojson())["nodes"]) == depth + 1


# -- MXNet itself -----------------------------------------------------------------------------------


def test_mxnet_reads_what_is_written_and_gives_the_same_values(mx):
    x = sym.Convolution(A, kernel=(3, 3), num_filter=2, pad=(1, 1), name="conv")
    x = sym.Pooling(sym.BatchNorm(x, fix_gamma=False, name="bn"), kernel=(2, 2), stride=(2, 2), pool_type="avg")
    symbol = sym.SoftmaxOutput(2 * sym.FullyConnected(sym.exp(x), num_hidden=3, name="fc") - 1, name="softmax")
    theirs = mx.sym.load_json(symbol.tojson())
    assert theirs.list_arguments() == symbol.list_arguments()
    assert theirs.list_auxiliary_states() == symbol.list_auxiliary_states()
    assert theirs.list_outputs() == symbol.list_outputs()
    executor = theirs.simple_bind(mx.cpu(), a=(2, 1, 4, 4), grad_req="null")
    rng = np.random.default_rng(0)
    for array in (*executor.arg_arrays, *executor.aux_arrays):
        array[:] = rng.uniform(0.5, 1, array.shape)
    arrays = {name: array.asnumpy() for name, array in {**executor.arg_dict, **executor.aux_dict}.items()}
    (expected,) = [y.asnumpy() for y in executor.forward(is_train=False)]
    np.testing.assert_allclose(value(symbol, **arrays)[0], expected, rtol=1e-4, atol=1e-6)


def test_what_mxnet_writes_is_read_and_gives_the_same_values(mx):
    a, b = mx.sym.var("a"), mx.sym.var("b")
    theirs = mx.sym.Group([2 * a + b, mx.sym.exp(a) / b, (3 - a) ** 2, mx.sym.broadcast_maximum(a, b), mx.sym.sum(a)])
    arrays = {name: array.astype("float32") for name, array in drawn(a=(2, 3), b=(2, 3)).items()}
    executor = theirs.bind(mx.cpu(), {name: mx.nd.array(array) for name, array in arrays.items()})
    symbol = sym.load_json(theirs.tojson())
    for ours, expected in zip(value(symbol, **arrays), executor.forward(), strict=True):
        np.testing.assert_allclose(ours, expected.asnumpy(), rtol=1e-5)
    assert symbol.list_outputs() == theirs.list_outputs()
    assert mx.sym.load_json(symbol.tojson()).list_outputs() == theirs.list_outputs()
