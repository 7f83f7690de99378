"""Calls of layers that a file tells of: checked before anything is built that would fail later, or take for ever."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graphc.errors import GraphcError
from graphc.io.values import is_a
from graphc.node import Node
from graphc.sym.mx.layer import LAYERS, SCOPE, Layer
from graphc.sym.record import Template

MOST = {"num_outputs": 4096, "num_layers": 256}  # what is built this many times over


def layer_of(name: str) -> Layer:
    """The layer of one of MXNet's operators."""
    try:
        return LAYERS[name]
    except KeyError:
        raise GraphcError(f"graphc has no layer {name:.60}; dir(sym.mx) names those it has") from None


def complete(layer: Layer, told: Mapping[str, Any], operands: int) -> dict[str, Any]:
    """All attributes of a layer that has so many operands, from those that a file tells."""
    attributes = layer.complete(told)
    if layer.variadic and int(told.get("num_args", operands)) != operands:
        raise GraphcError(f"num_args is {told['num_args']}, but there are {operands} inputs")
    for name, most in MOST.items():
        if attributes.get(name, 0) > most:
            raise GraphcError(f"{name} is {attributes[name]}, and may be {most} at most")
    return attributes


def check_layer(function: str, template: Template, operands: Sequence[Node], index: object = 0) -> None:
    """Raise an error unless a call that was recorded, or noted, is one of a layer on these operands."""
    layer = layer_of(function.removeprefix(SCOPE))
    args, kwargs = template.fill(operands)
    told = {key: value for key, value in kwargs.items() if key not in ("name", "attr")}
    attributes = complete(layer, told, len(args))
    if len(args) != len(operands) or not all(isinstance(arg, Node) for arg in args):
        raise GraphcError(f"{layer.name} has operands that are no nodes, or attributes that are")
    names = layer.needed(attributes)
    if not layer.variadic and not len(names) <= len(args) <= len(names) + len(layer.hidden):
        raise GraphcError(f"{layer.name} has {len(args)} operands; it takes {', '.join(names) or 'none'}")
    is_a(str, kwargs.get("name", ""))
    if not all(isinstance(word, str) for item in is_a(dict, kwargs.get("attr", {})).items() for word in item):
        raise GraphcError(f"what is attached to {layer.name} is no text")
    if not 0 <= is_a(int, index) < len(layer.outputs(attributes)):
        raise GraphcError(f"{layer.name} has no output {index}")
