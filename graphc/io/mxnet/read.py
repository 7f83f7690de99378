"""The nodes that entries of a `symbol.json` stand for: each a layer, or the call that its mark tells of."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from graphc.errors import BindError, GraphcError
from graphc.io.calls import read_call
from graphc.io.flat import check_call
from graphc.io.layers import complete, layer_of
from graphc.io.mxnet.text import VARIABLE, Entry, Symbol
from graphc.io.mxnet.typed import TYPED
from graphc.io.mxnet.write import MARK
from graphc.io.values import one_of, read_type
from graphc.node import PUBLIC, VAR, Node, make_untyped
from graphc.ops.control import ITEM
from graphc.sym.mx.flags import DTYPES
from graphc.sym.mx.layer import LAYERS, Layer
from graphc.sym.naming import attach, attached, checked
from graphc.sym.record import CALL
from graphc.sym.variable import var
from graphc.types import Type

HINTS = ("lr_mult", "wd_mult", "ctx_group", "force_mirroring", "mirror_stage")  # of an operand: `weight_lr_mult`
OFF = {"None", "False"}
IDLE = {"ctx", "is_int", "infer_range", "forward_stype", "workspace", "cudnn_off", "cudnn_tune"}
STRETCHING = {f"elemwise_{name}": f"broadcast_{name}" for name in ("add", "sub", "mul", "div")} | {
    f"_{name}": f"broadcast_{name}" for name in ("maximum", "minimum", "power", "hypot", "mod")
}


def read_symbol(symbol: Symbol, variables: Mapping[str, Node]) -> list[Node]:
    """The heads of a symbol, on new variables but for those given by name."""
    return _Reader(variables).read(symbol)


class _Reader:
    """The variables by name, and the results of every entry."""

    def __init__(self, given: Mapping[str, Node]) -> None:
        self.given = given
        self.variables: dict[str, Node] = {}
        self.thin: set[Node] = set()

    def read(self, symbol: Symbol) -> list[Node]:
        results: list[Sequence[Node]] = []

        def at(output: tuple[int, int]) -> Node:
            index, number = output
            if number >= len(results[index]):
                raise GraphcError(f"{symbol.entries[index]} has no output {number}, only {len(results[index])}")
            return results[index][number]

        for entry in symbol.entries:
            try:
                results.append(self._results(entry, [at(output) for output in entry.inputs]))
            except Exception as error:  # whatever a strange file may lead to
                what = str(error) if isinstance(error, GraphcError | TypeError | ValueError) else repr(error)
                raise GraphcError(f"{entry} cannot be read: {what}") from error
        if unknown := self.given.keys() - self.variables.keys():
            raise BindError(f"load: no variable is named {min(unknown)!r}; there are {', '.join(self.variables)}")
        return [at(head) for head in symbol.heads]

    def _results(self, entry: Entry, inputs: list[Node]) -> Sequence[Node]:
        if entry.op == VARIABLE:
            return (self._variable(entry.name, entry.attrs),)
        layer = layer_of(entry.op)
        told, attr = _told(layer, entry)
        _pass_hints(layer, told, inputs)
        attributes = complete(layer, told, len(inputs))
        if (mark := attr.pop(MARK, None)) is not None:
            return _marked(mark, inputs, len(layer.outputs(attributes)))
        operands = [*inputs, *self._states(entry, layer, attributes, len(inputs), attr)]
        return self._applied(layer, operands, attributes, entry.name, attr)

    def _applied(
        self, layer: Layer, operands: Sequence[Node], attributes: dict[str, Any], name: str, attr: Mapping[str, str]
    ) -> Sequence[Node]:
        """The results of a layer; see the note on extents that are not told."""
        untold, thin = not operands and 0 in attributes.get("shape", ()), [x in self.thin for x in operands]
        if untold:
            attributes["shape"] = tuple([extent or 1 for extent in attributes["shape"]])
        if any(thin) and not all(thin):
            layer = LAYERS[STRETCHING.get(layer.name, layer.name)]
        found = layer.apply(*operands, name=name, attr=attr, **layer.explicit(attributes))
        results: Sequence[Node] = found if isinstance(found, tuple) else (found,)
        if untold or (any(thin) and (all(thin) or layer.name not in STRETCHING.values())):
            self.thin.update(results)
        return results

    def _variable(self, name: str, attrs: Mapping[str, str]) -> Node:
        if name in self.variables:
            raise GraphcError("two variables have this name")
        self.variables[name] = self.given[name] if name in self.given else _new_variable(name, attrs)
        return self.variables[name]

    def _states(
        self, entry: Entry, layer: Layer, attributes: Mapping[str, Any], count: int, attrs: Mapping[str, str]
    ) -> Iterator[Node]:
        """The auxiliary states, which files before 0.9 leave out."""
        if layer.variadic:
            return
        needed = layer.needed(attributes)
        if count > len(needed) or not set(needed[count:]) <= set(layer.aux):
            raise GraphcError(f"it has {count} inputs; it takes {', '.join(needed) or 'none'}")
        for name in needed[count:]:
            yield self._variable(f"{entry.name}_{name}", attrs)


def _told(layer: Layer, entry: Entry) -> tuple[dict[str, str], dict[str, str]]:
    """The attributes that are the layer's own, and what a user attached to it."""
    attr = {k: v for k, v in checked(entry.op, entry.attrs).items() if k.startswith("__") and k.endswith("__")}
    told = {k: v for k, v in entry.attrs.items() if not {k, f"__{k}__"} & attr.keys() and _matters(layer, k, v)}
    return told, attr


def _matters(layer: Layer, name: str, value: str) -> bool:
    """Whether an attribute says something: not if the layer has none such and it is off, or about how to compute."""
    return name in layer.attributes or not (value in OFF or name in IDLE)


def _pass_hints(layer: Layer, told: dict[str, str], inputs: Sequence[Node]) -> None:
    """Hand what an old file says of an operand by its name on to the variable that it is."""
    for name, x in zip(layer.operands, inputs):
        hints = {f"__{hint}__": told.pop(f"{name}_{hint}") for hint in HINTS if f"{name}_{hint}" in told}
        if hints and x.op is VAR:
            attach(x, {**attached(x), **hints})


# -- marks ------------------------------------------------------------------------------------------


def _marked(mark: str, inputs: list[Node], count: int) -> Sequence[Node]:
    """The results of the public call that a mark tells of; on untyped nodes it is just recorded."""
    function, template = read_call(mark.removeprefix("*"))
    if any(x.type is None for x in inputs):
        check_call(inputs, function, template)
        call = make_untyped(CALL, tuple(inputs), (function, template))
        return [make_untyped(ITEM, (call,), (k,)) for k in range(count)] if mark.startswith("*") else (call,)
    if template.leaves.count(None) != len(inputs):
        raise GraphcError(f"a call of {function!r:.60} has {len(inputs)} nodes in its places")
    args, kwargs = template.fill(inputs)
    return (PUBLIC[one_of(TYPED, function)](*args, **kwargs),)


# -- variables --------------------------------------------------------------------------------------


def _new_variable(name: str, attrs: Mapping[str, str]) -> Node:
    """A variable, typed if its shape is told in full; what is told of an untyped one stays attached to it."""
    attrs = checked("var", attrs)
    type = read_type(json.loads(attrs.pop(MARK))) if MARK in attrs else _told_type(attrs)
    if type is None:
        return attach(var(name), attrs)
    rest = {key: value for key, value in attrs.items() if key not in ("__shape__", "__dtype__")}
    return attach(var(name, type.shape, type.dtype), rest)


def _told_type(attrs: Mapping[str, str]) -> Type | None:
    """The type, unless it is not known: in MXNet an extent of 0 or -1, or the dtype -1. Of no dtype, float32."""
    shape, dtype = _ints(attrs.get("__shape__", "()")), attrs.get("__dtype__", "0")
    if not shape or min(shape) < 1 or dtype == "-1":
        return None
    return Type(_told_dtype(dtype), shape)


def _told_dtype(text: str) -> np.dtype[Any]:
    if not text.isdecimal() or int(text) not in DTYPES:
        raise GraphcError(f"{text!r:.60} is the number of no dtype; there are 0 to {len(DTYPES) - 1}")
    return DTYPES[int(text)]


def _ints(text: str) -> tuple[int, ...]:
    """The shape that a text tells: `(64, 3)`, and in old files `[64L, 3L]`."""
    parts = text.strip().strip("()[]").replace("L", "").split(",")
    try:
        return tuple([int(part) for part in parts if part.strip()])
    except ValueError as error:
        raise GraphcError(f"{text!r:.60} is no shape") from error


# Extents that are not told
#
# The first state of an unrolled recurrent cell is `_zeros` of the shape (0, hidden), and MXNet infers the 0, the size
# of a batch. All rows are the same, so one row stands for them here, through all that is made of it alone, and where
# it meets a whole batch the layer is the one that broadcasts: `elemwise_add` becomes `broadcast_add`.
