"""Nodes as entries of a `symbol.json`: variables, layers, and other public calls that MXNet has an operator for.

A layer is its entry. Another call, recorded or typed, is the entry of the operator that MXNet has for it, with a
mark: the attribute `__graphc__`, which MXNet keeps and passes over, says what was called, `multiply(2, _)`, so that
reading gives the same node again and no layer in its stead.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import is_
from typing import Any, cast

from graphc.errors import GraphcError
from graphc.graph import Graph
from graphc.io.calls import write_call
from graphc.io.mxnet.text import VARIABLE, Entry, Output, Symbol
from graphc.io.mxnet.typed import as_layers, public_call
from graphc.io.values import write_type
from graphc.node import CONST, VAR, Node
from graphc.ops.control import ITEM
from graphc.source import show_source
from graphc.sym.mx.called import Called, called
from graphc.sym.mx.flags import FLAGS, type_told
from graphc.sym.mx.layer import LAYERS, SCOPE, Layer
from graphc.sym.naming import attached
from graphc.sym.record import CALL, Template, record
from graphc.sym.symbol import calls, numbered

MARK = "__graphc__"
ARRAYS = "make a variable of it, and write its value by save_params"
ALWAYS = {"scalar", "start"}  # attributes whose defaults not all versions know
INTERNAL = {  # results that MXNet counts, but shows to nobody
    "BatchNorm": 2, "LayerNorm": 2, "InstanceNorm": 2, "GroupNorm": 2, "Dropout": 1, "LRN": 1, "L2Normalization": 1,
    "Pooling": 1, "CTCLoss": 1, "ROIPooling": 1, "BilinearSampler": 1,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Step:
    """One entry to be, but for its name, with its operands as nodes.

    Results of one call have the same `key`; `index` says which of them a node is.
    """

    op: str
    attrs: Mapping[str, str]
    operands: tuple[Node, ...]
    outputs: int
    aux: frozenset[int]
    key: Hashable
    index: int


def write_symbol(outputs: Sequence[Node]) -> Symbol:
    """The entries of all that the outputs depend on, operands first."""
    Graph.of(outputs)  # raises an error if two variables have one name
    steps = _steps(outputs)
    names = numbered([*calls(outputs), *steps])
    entries: list[Entry] = []
    places: dict[Node, Output] = {}
    numbers: dict[Hashable, int] = {}
    for node, step in steps.items():
        if step.key not in numbers:
            numbers[step.key] = len(entries)
            inputs = tuple([places[x] for x in step.operands])
            entries.append(Entry(step.op, names[node], step.attrs, inputs, step.outputs, step.aux))
        places[node] = numbers[step.key], step.index
    return Symbol(tuple(entries), tuple([places[y] for y in outputs]))


def _steps(roots: Iterable[Node]) -> dict[Node, Step]:
    """What every node is in MXNet's words, operands first."""
    known: dict[Node, Step] = {}
    done: dict[Node, Step] = {}
    stack = list(roots)[::-1]
    while stack:
        node = stack[-1]
        if node not in known:
            known[node] = _step(node)
            stack.extend([x for x in reversed(known[node].operands) if x not in done])
        else:
            done.setdefault(stack.pop(), known[node])
    return done


# -- what a node is ---------------------------------------------------------------------------------


def _step(node: Node) -> Step:
    if node.op is VAR:
        return Step(VARIABLE, _variable_attrs(node), (), 1, frozenset(), node, 0)
    call = called(node)
    if call is None:
        return _typed_step(node)
    if call.layer is None:
        raise GraphcError(_no_operator(node, call.function))
    return _call_step(node, call, call.layer)


def _call_step(node: Node, call: Called, layer: Layer) -> Step:
    """A call that was recorded, or that a note tells of."""
    operands = tuple(call.operands.values())
    made = node.args[0] if node.op is ITEM else node
    function, template = cast("tuple[str, Template]", made.params[:2])
    plain = not function.startswith(SCOPE) and _same(operands, made.args)
    mark = _mark(function, template, node.op is ITEM) if plain else {}
    key = made if made.op is CALL else (function, template, node.args[:-1])
    return _made(node, layer, operands, call.attributes, {**call.attr, **mark}, key, call.index)


def _typed_step(node: Node) -> Step:
    """What operators alone made, as the public call that makes it."""
    if node.op is CONST and node.shape:
        raise GraphcError(f"tojson: a symbol holds no arrays ({show_source(node.source)}); {ARRAYS}")
    found = public_call(node)
    if found is None:
        return _layers_step(node)
    (function, args, kwargs), words = found
    nodes, (_, template) = record(function, args, kwargs)
    operands = tuple(words.operands)
    mark = _mark(function, cast("Template", template)) if _same(operands, nodes) else {}
    return _made(node, LAYERS[words.name], operands, words.attributes, mark, node, 0)


def _layers_step(node: Node) -> Step:
    """What operators alone made, as layers of the same value."""
    layers = as_layers(node)
    if layers is None:
        raise GraphcError(_no_operator(node, node.op.name))
    return _step(layers)


def _made(
    node: Node,
    layer: Layer,
    operands: tuple[Node, ...],
    attributes: Mapping[str, Any],
    attr: Mapping[str, str],
    key: Hashable,
    index: int,
) -> Step:
    try:
        full = layer.complete(attributes)
    except (TypeError, ValueError) as error:
        raise GraphcError(f"{_no_operator(node, layer.name)}: {error}") from error
    outputs = len(layer.outputs(full)) + INTERNAL.get(layer.name, 0)
    aux = frozenset([k for k, x in enumerate(layer.needed(full)) if x in layer.aux])
    return Step(layer.name, _attrs(node, layer, full, operands, attr), operands, outputs, aux, key, index)


def _attrs(
    node: Node, layer: Layer, full: Mapping[str, Any], operands: Sequence[Node], attr: Mapping[str, str]
) -> dict[str, str]:
    """The attributes of a layer that are not as they are anyway, and those attached to it."""
    if foreign := [key for key in attr if not (key.startswith("__") and key.endswith("__"))]:
        raise GraphcError(
            f"tojson: MXNet takes {foreign[0]!r} for an attribute of {layer.name} ({show_source(node.source)}); "
            f"call what you attach __{foreign[0]}__"
        )
    told = layer.explicit(full) | {k: v for k, v in full.items() if k in ALWAYS}
    return {**layer.spelled(told), **({"num_args": str(len(operands))} if layer.variadic else {}), **attr}


def _no_operator(node: Node, name: str) -> str:
    return (
        f"tojson: MXNet has no operator for {name} as it is called here ({show_source(node.source)}); "
        "use one of its layers, or graphc.save, which writes every graph"
    )


def _same(nodes: Sequence[Node], others: Sequence[Node]) -> bool:
    return len(nodes) == len(others) and all(map(is_, nodes, others))


# -- attributes -------------------------------------------------------------------------------------


def _mark(function: str, template: Template, several: bool = False) -> dict[str, str]:
    """The call in graphc's words, a star before it if it has several results; none, if it has no words for it."""
    text = write_call(function, template)
    return {} if text is None else {MARK: f"*{text}" if several else text}


def _variable_attrs(node: Node) -> dict[str, str]:
    """What is attached to a variable, and its type; a mark tells types that MXNet has no words for."""
    type = node.type
    if type is None:
        return attached(node)
    if type.dtype not in FLAGS:
        raise GraphcError(f"tojson: MXNet has no {type.dtype}, as {node.name} is ({show_source(node.source)}); cast it")
    plain = type.shape and all(isinstance(extent, int) and extent for extent in type.shape)
    return {**attached(node), **type_told(node), **({} if plain else {MARK: json.dumps(write_type(type))})}
