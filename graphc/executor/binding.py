"""Binding: the arrays of a symbol's variables and of their gradients, given by the caller or made, and checked."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from graphc.errors import BindError, DTypeError, GradientError
from graphc.graph import Graph
from graphc.node import Node
from graphc.ops.declare import offence
from graphc.runtime.arguments import describe
from graphc.source import show_source
from graphc.sym.infer import Inference, infer
from graphc.sym.symbol import variables
from graphc.types import Dim, DType, Shape, as_dtype, match_extents

Array: TypeAlias = NDArray[Any]
REQUESTS = ("write", "add", "null")


@dataclass(frozen=True)
class Binding:
    """The arrays of a symbol's variables, and for those that get a gradient, how it is stored and where.

    `typed` says what stands for each of the symbol's nodes once the arrays' types are known.
    """

    symbol: Graph
    typed: Mapping[Node, Any]
    arguments: Mapping[Node, Array]
    states: Mapping[Node, Array]
    gradients: Mapping[Node, tuple[str, Array]]

    @cached_property
    def graph(self) -> Graph:
        """The outputs as functions of all variables: arguments, then auxiliary states."""
        inputs = [self.typed[v] for v in (*self.arguments, *self.states)]
        return Graph(tuple(inputs), tuple([self.typed[y] for y in self.symbol.outputs]))

    @cached_property
    def sizes(self) -> dict[str, int]:
        """The named dimensions that are left in the types."""
        sizes: dict[str, int] = {}
        for v, array in {**self.arguments, **self.states}.items():
            match_extents(self.typed[v].shape, array.shape, sizes)
        return sizes


def bound(graph: Graph, args: Any, args_grad: Any, grad_req: Any, aux_states: Any) -> Binding:
    """The caller's own arrays; see `bind`."""
    arguments, states = variables(graph)
    values = _by_name("args", args, arguments) | _by_name("aux_states", aux_states or {}, states)
    arrays = {v: _as_array(v, values[v.name]) for v in (*arguments, *states) if v.name in values}
    _check(arrays)
    found = infer(graph, {v: a.shape for v, a in arrays.items()}, {v: _dtype(v, a) for v, a in arrays.items()})
    _require_all("argument", "args", arguments, arrays, found)
    _require_all("auxiliary state", "aux_states", states, arrays, found)
    given, kept = ({v: arrays[v] for v in nodes} for nodes in (arguments, states))
    return Binding(graph, found.typed, given, kept, _gradients(found.typed, given, args_grad, grad_req))


def made(graph: Graph, grad_req: Any, shapes: Mapping[Node, Shape], dtypes: Mapping[Node, DType]) -> Binding:
    """Arrays of zeros; see `simple_bind`."""
    found = infer(graph, shapes, dtypes)
    found.require(graph.inputs)
    arguments, states = ({v: _zeros(v, found) for v in nodes} for nodes in variables(graph))
    return Binding(graph, found.typed, arguments, states, _gradients(found.typed, arguments, None, grad_req))


def reshaped(old: Binding, shapes: Mapping[Node, Shape], partial: bool, larger: bool) -> Binding:
    """The same variables in other shapes, on the same arrays where the shape stays; see `Executor.reshape`."""
    arrays = {**old.arguments, **old.states}
    dtypes = {v: array.dtype for v, array in arrays.items()}
    told = infer(old.symbol, shapes, dtypes, suppose=False)
    wanted = {v: _concrete(told.shape(v), array.shape) for v, array in arrays.items()}
    found = infer(old.symbol, wanted, dtypes)
    for v, shape in wanted.items():
        _require_resizable(v, arrays[v].shape, shape, partial or v in shapes, larger)
    return replace(
        old,
        typed=found.typed,
        arguments={v: _resized(array, wanted[v]) for v, array in old.arguments.items()},
        states={v: _resized(array, wanted[v]) for v, array in old.states.items()},
        gradients={v: (request, _resized(array, wanted[v])) for v, (request, array) in old.gradients.items()},
    )


# -- by name ----------------------------------------------------------------------------------------


def _by_name(what: str, given: Any, variables: Sequence[Node]) -> dict[str, Any]:
    """What a dict or a list gives to each variable, by name; places that hold None are left out."""
    names = [v.name for v in variables]
    if not isinstance(given, Collection):
        wanted = f"give a dict by name, or a list; {_there_are(what, names)}"
        raise BindError(offence("bind", f"{what} is {type(given).__name__}", wanted))
    if not isinstance(given, Mapping):
        if len(given) != len(names):
            raise BindError(offence("bind", f"{what} has {len(given)} entries", _there_are(what, names)))
        given = dict(zip(names, given))
    if unknown := given.keys() - set(names):
        raise BindError(offence("bind", f"{what} names {', '.join(sorted(unknown))}", _there_are(what, names)))
    return {name: value for name, value in given.items() if value is not None}


def _there_are(what: str, names: Sequence[str]) -> str:
    kind = "auxiliary states" if what == "aux_states" else "arguments"
    return f"the {kind} are {', '.join(names)}" if names else f"there are no {kind}"


def _require_all(
    kind: str, where: str, variables: Sequence[Node], arrays: Mapping[Node, Array], found: Inference
) -> None:
    """Raise `BindError` unless each variable has an array."""
    for v in variables:
        if v not in arrays:
            wanted = f" of {found.typed[v].type}" if v in found.typed else ""
            raise BindError(
                f"bind: the {kind} {v.name} ({show_source(v.source)}) has no array; give one{wanted} in {where}"
            )


# -- arrays -----------------------------------------------------------------------------------------


def _as_array(v: Node, value: Any) -> Array:
    """The caller's own array, or a new one from numbers or a list."""
    if isinstance(value, np.ndarray):
        return value
    array = np.asarray(value)
    return array if v.type is None else array.astype(v.dtype, casting="same_kind")


def _dtype(v: Node, array: Array) -> DType:
    try:
        return as_dtype(array.dtype)
    except DTypeError as error:
        raise DTypeError(f"bind: {v.name} ({show_source(v.source)}): {error}") from error


def _zeros(v: Node, found: Inference) -> Array:
    shape = found.shape(v) or ()
    if unknown := [str(extent) for extent in shape if isinstance(extent, Dim)]:
        raise BindError(
            f"simple_bind: nothing says what {', '.join(unknown)} is in {v.name} ({show_source(v.source)}); "
            f"give {v.name}=(…)"
        )
    return np.zeros(cast("tuple[int, ...]", shape), found.typed[v].dtype)


def _check(arrays: Mapping[Node, Array]) -> None:
    """Raise `BindError` unless arrays are what their variables declare."""
    sizes: dict[str, int] = {}
    for v, array in arrays.items():
        if v.type is None:
            continue
        if array.dtype != v.dtype:
            raise BindError(
                f"bind: {v.name} is {v.type} ({show_source(v.source)}), not {array.dtype}; convert the array"
            )
        if wrong := match_extents(v.shape, array.shape, sizes):
            raise BindError(
                f"bind: {v.name} is {v.type} ({show_source(v.source)}), but the array {wrong}; give one of that shape"
            )


# -- gradients --------------------------------------------------------------------------------------


def _gradients(
    typed: Mapping[Node, Any], arguments: Mapping[Node, Array], args_grad: Any, grad_req: Any
) -> dict[Node, tuple[str, Array]]:
    """For every argument that gets a gradient, how and where."""
    arrays = None if args_grad is None else _by_name("args_grad", args_grad, tuple(arguments))
    if isinstance(grad_req, str):
        held = [v for v, a in arguments.items() if a.dtype.kind == "f" and (arrays is None or v.name in arrays)]
        requests = {v.name: grad_req for v in held}
    else:
        requests = _by_name("grad_req", grad_req, tuple(arguments))
    asked = [v for v in arguments if requests.get(v.name, "null") != "null"]
    return {v: (_request(typed[v], requests[v.name]), _gradient_array(v, arguments[v], arrays)) for v in asked}


def _request(v: Node, request: Any) -> str:
    if request not in REQUESTS:
        raise BindError(offence("bind", f"grad_req of {v.name} is {request!r}", "use 'write', 'add' or 'null'"))
    if v.dtype.kind != "f":
        raise GradientError(f"bind: {v.name} is {v.type} ({show_source(v.source)}) and has no gradient; ask for 'null'")
    return request


def _gradient_array(v: Node, argument: Array, arrays: Mapping[str, Any] | None) -> Array:
    if arrays is None:
        return np.zeros_like(argument)
    array = arrays.get(v.name)
    if not isinstance(array, np.ndarray) or (array.dtype, array.shape) != (argument.dtype, argument.shape):
        wanted = f"give an array {argument.dtype}{list(argument.shape)} to write into, as the argument is"
        raise BindError(offence("bind", f"args_grad of {v.name} is {describe(array)}", wanted))
    if not array.flags.writeable:
        raise BindError(offence("bind", f"args_grad of {v.name} is not writeable", "give an array to write into"))
    return cast("Array", array)


# -- other shapes -----------------------------------------------------------------------------------


def _concrete(shape: Shape | None, otherwise: tuple[int, ...]) -> tuple[int, ...]:
    """A shape if it is known, without names; else another."""
    if shape is None or any(isinstance(extent, Dim) for extent in shape):
        return otherwise
    return cast("tuple[int, ...]", shape)


def _require_resizable(v: Node, old: Shape, new: Shape, asked: bool, larger: bool) -> None:
    if new == old:
        return
    change = f"reshape: {v.name} ({show_source(v.source)}) changes from {old} to {new}"
    if not asked:
        raise BindError(f"{change}, but was not named; give {v.name}=…, or partial_shaping=True")
    if math.prod(cast("Any", new)) > math.prod(cast("Any", old)) and not larger:
        raise BindError(f"{change}, which is larger; give allow_up_sizing=True, or bind the largest shape first")


def _resized(array: Array, shape: tuple[int, ...]) -> Array:
    """The array itself; in a smaller shape, the beginning of its memory; in a larger one, new zeros."""
    size = math.prod(shape)
    if shape == array.shape:
        return array
    if size > array.size or not array.flags.c_contiguous:
        return np.zeros(shape, array.dtype)
    return array.reshape(-1)[:size].reshape(shape)
