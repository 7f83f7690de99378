"""Methods that tell what users attached to variables and layers, as text."""

from __future__ import annotations

from typing import Any

from graphc.errors import BindError
from graphc.graph import Graph, method
from graphc.node import VAR, Node, topological
from graphc.ops.declare import offence
from graphc.sym.mx.called import called
from graphc.sym.mx.flags import type_told
from graphc.sym.naming import attached
from graphc.sym.symbol import Symbol, as_graph, call_key, output_names
from graphc.tree import flatten


@method
def attr(symbol: Symbol, key: str) -> str | None:
    """One attribute of a variable or layer, or its name by the key `name`; None if it has none such.

    >>> from graphc import sym
    >>> sym.var('w', lr_mult=2).attr('lr_mult')
    '2'
    """
    if key == "name":
        return _name(_one(symbol))
    attributes = list_attr(symbol)
    return attributes.get(key, attributes.get(f"__{key}__"))


@method
def list_attr(symbol: Symbol) -> dict[str, str]:
    """The attributes of a variable or layer as MXNet writes them: those attached by the user, and its type or its own.

    >>> from graphc import sym
    >>> sym.Activation(sym.var('x'), act_type='relu', attr={'mood': 'calm'}).list_attr()
    {'act_type': 'relu', 'mood': 'calm'}
    """
    node = _one(symbol)
    if node.op is VAR:
        return type_told(node) | attached(node)
    call = called(node)
    if call is None:
        return {}
    return {**({} if call.layer is None else call.layer.spelled(call.attributes)), **call.attr}


@method
def attr_dict(outputs: Any) -> dict[str, dict[str, str]]:
    """The attributes of all named variables and layers below some nodes, by name.

    >>> from graphc import sym
    >>> sym.FullyConnected(sym.var('x', lr_mult=0), num_hidden=2, no_bias=True, name='fc').attr_dict()
    {'x': {'__lr_mult__': '0'}, 'fc': {'num_hidden': '2', 'no_bias': 'True'}}
    """
    roots = outputs.outputs if isinstance(outputs, Graph) else flatten(outputs)[0]
    found = {_name(node): list_attr(node) for node in topological(roots)}
    return {name: attributes for name, attributes in found.items() if name and attributes}


def _one(symbol: Symbol) -> Node:
    """The node whose attributes are asked for; of a layer's results each has the same."""
    outputs = as_graph(symbol).outputs
    if len({call_key(y) for y in outputs}) > 1:
        what = f"the outputs {', '.join(output_names(outputs))} have attributes of their own"
        raise BindError(offence("attr", what, "choose one of them, or ask for attr_dict()"))
    return outputs[0]


def _name(node: Node) -> str | None:
    if node.op is VAR:
        return node.name
    call = called(node)
    return None if call is None else call.name or None
