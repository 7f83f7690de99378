"""Layers in graphc's own files: saved and loaded like any node, and checked."""

import json

import pytest

from graphc import sym
from graphc.errors import GraphcError
from graphc.graph import Graph
from graphc.io.json import from_json, to_json

A = sym.var("a")
X = sym.var("x", shape=(2, 3, 4, 4), dtype="float32")


def block(x):
    x = sym.Convolution(x, kernel=(3, 3), num_filter=2, name="conv", attr={"__mood__": "calm"})
    x = sym.BatchNorm(x, fix_gamma=False, name="bn")
    return sym.concat(sym.SliceChannel(x, num_outputs=2, name="cut"), axis=0)


@pytest.mark.parametrize("x", [A, X], ids=["untyped", "typed"])
def test_layers_come_back_as_the_same_nodes(x):
    y = block(x)
    assert from_json(to_json(y), {v.name: v for v in Graph.of(y).inputs}) is y


def told(edit) -> str:
    """The text of a layer, changed in what it says of it."""
    data = json.loads(to_json(sym.FullyConnected(A, num_hidden=3, name="fc")))
    edit(data["nodes"][-1], data["nodes"][-1]["params"]["template"]["template"])
    return json.dumps(data)


@pytest.mark.parametrize(
    ("edit", "what"),
    [
        (lambda node, call: node["params"].update(function="mx.Frobnicate"), "no layer Frobnicate"),
        (lambda node, call: node.update(args=node["args"][:-1]), "2 nodes in 3 places"),
        (lambda node, call: call["leaves"].__setitem__(3, {"is": "many"}), "num_hidden='many'"),
        (lambda node, call: call["leaves"].__setitem__(4, {"is": 7}), "7 stands where a str should"),
    ],
    ids=["function", "count", "attribute", "name"],
)
def test_a_layer_that_is_none_is_an_error(edit, what):
    with pytest.raises(GraphcError, match=what):
        from_json(told(edit))
