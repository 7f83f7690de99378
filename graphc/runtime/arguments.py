"""Arguments: what a caller gives, by position or name, as arrays for native code; or an error that says why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphc.errors import BindError
from graphc.graph import Graph
from graphc.node import VAR, Node
from graphc.ops.declare import offence
from graphc.source import show_source
from graphc.tree import LEAF, TreeDef, flatten
from graphc.types import as_dtype, match_extents

Array = np.ndarray[Any, Any]


def check_variables(inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
    """Raise `BindError` unless the inputs are variables, and all that the outputs depend on."""
    known: set[Node] = set()
    for x in inputs:
        if not isinstance(x, Node) or x.op is not VAR:
            raise BindError(offence("compile", f"an input is a variable, not {x!r}", "make one by sym.var"))
        if x in known:
            raise BindError(f"input {x.name!r} ({show_source(x.source)}) is listed twice; once is enough")
        known.add(x)
    for y in outputs:
        if not isinstance(y, Node):
            raise BindError(offence("compile", f"an output is a node, not {y!r}", "make constants by sym.asarray"))
    graph = Graph(tuple(inputs), tuple(outputs))
    graph.check_names()
    if unknown := [n for n in graph.nodes if n.op is VAR and n not in known]:
        lines = ", ".join(f"{n.name!r} ({show_source(n.source)})" for n in unknown)
        what = f"the outputs depend on {lines}, not among the inputs {listed(inputs)}"
        raise BindError(offence("compile", what, "list all that they depend on"))


def arrange(inputs: Sequence[Node], args: Sequence[Any], named: Mapping[str, Any]) -> list[Array]:
    """One array for each input, from positional and named arguments. Raises `BindError` for what does not fit."""
    names = [x.name for x in inputs]
    if len(args) > len(names):
        raise BindError(offence("call", f"{len(args)} arrays are given", f"the inputs are {listed(inputs)}"))
    values = dict(zip(names, args, strict=False))
    for name, value in named.items():
        if name not in names:
            raise BindError(offence("call", f"no input is named {name!r}", f"the inputs are {listed(inputs)}"))
        if name in values:
            what = f"input {name!r} is given by position and by name"
            raise BindError(offence("call", what, "give it once"))
        values[name] = value
    if missing := [x for x in inputs if x.name not in values]:
        lines = ", ".join(f"{x.name!r} ({show_source(x.source)})" for x in missing)
        raise BindError(offence("call", f"there is no data for {lines}", f"the inputs are {listed(inputs)}"))
    return [_as_array(x, values[x.name]) for x in inputs]


def dimensions(inputs: Sequence[Node], arrays: Sequence[Array]) -> dict[str, int]:
    """The named dimensions, from the shapes of arrays that have been checked for rank and dtype."""
    dims: dict[str, int] = {}
    for x, array in zip(inputs, arrays, strict=True):
        if x.type is not None and (wrong := match_extents(x.shape, array.shape, dims)):
            raise BindError(_mismatch(x, array, wrong))
    return dims


def _as_array(x: Node, value: Any) -> Array:
    """The value as an array that native code takes, if it fits the variable; nothing is narrowed."""
    array = np.asarray(value)
    if x.type is None:
        return _native(array, as_dtype(array.dtype))
    weak = not isinstance(value, (np.ndarray, np.generic))
    if array.dtype != x.dtype and not _fits(array, x.dtype, weak):
        raise BindError(_mismatch(x, array, f"cannot become {x.dtype} unchanged; cast it"))
    if array.ndim != x.ndim:
        raise BindError(_mismatch(x, array, f"has {array.ndim} axes instead of {x.ndim}"))
    return _native(array, x.dtype)


def _native(array: Array, dtype: np.dtype) -> Array:
    """Contiguous, aligned, in the machine's byte order, and of NumPy's own object for the dtype."""
    if array.dtype is dtype and array.flags.c_contiguous and array.flags.aligned and type(array) is np.ndarray:
        return array
    return np.require(array, dtype, ["C", "A"]).reshape(array.shape).view(dtype)


def _fits(array: Array, dtype: np.dtype, weak: bool) -> bool:
    """Whether values survive: Python numbers if they are of the kind, arrays if every value of the dtype is."""
    if not weak:
        return np.can_cast(array.dtype, dtype, "safe")
    if not array.size:
        return True  # an empty list has no dtype
    order = "biuf"
    kinds = order.index(array.dtype.kind) <= order.index(dtype.kind) if array.dtype.kind in order else False
    return kinds and (dtype.kind == "f" or bool(np.all(array.astype(dtype) == array)))


def _mismatch(x: Node, array: Array, wrong: str) -> str:
    return f"input {x.name!r} is {x.type} ({show_source(x.source)}); the {describe(array)} given {wrong}"


def describe(value: Any) -> str:
    """An array's type, for messages."""
    return f"{value.dtype}{list(value.shape)}" if isinstance(value, np.ndarray) else type(value).__name__


def listed(inputs: Sequence[Node]) -> str:
    """The inputs' names, for messages."""
    return ", ".join(x.name for x in inputs) or "none"


def flat_buffers(out: Any, structure: TreeDef) -> list[Any]:
    """The arrays of an `out=` argument, in the order of the outputs."""
    if structure is LEAF:
        return [out]
    if structure.is_row and type(out) is structure.kind and len(out) == len(structure.children):
        return list(out)
    arrays, given = flatten(out)
    if given != structure:
        raise BindError(offence("call", "out= has another structure than the outputs", "give an array for each"))
    return arrays
