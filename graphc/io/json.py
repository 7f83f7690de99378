"""Graphs as JSON text, with their parameters beside it: written, shipped, and read without trust.

    {"format": "graphc", "version": 1, "nodes": [...], "roots": [5], "structure": "leaf", "weights": "model.npz"}

Nodes and roots are those of a flat graph (see `flat`), `structure` puts the roots together again. The whole format
is described in docs/format.md, and by the JSON schema in `schema.json` beside this file.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import numpy as np

from graphc.errors import BindError, GraphcError
from graphc.graph import Graph
from graphc.io.flat import read_flat, write_flat
from graphc.io.values import Data, is_a, one_of, read_structure, write_structure
from graphc.io.weights import Arrays, PathLike, elements, load_arrays, replace_file, save_arrays
from graphc.node import Node, variable
from graphc.tree import Tree, flatten, unflatten
from graphc.types import SUPPORTED, Type, match_extents

FORMAT = "graphc"
VERSION = 1
FEW = 16  # elements of an array that are written one by one
NAMES = {dtype.name for dtype in SUPPORTED}


class Loaded(NamedTuple):
    """What a file held: the outputs, in the structure they were saved in, and the parameters by name."""

    outputs: Tree
    params: Arrays


def save(
    path: PathLike,
    outputs: Tree,
    params: Mapping[str, Any] | None = None,
    weights: Literal["npz", "safetensors"] = "npz",
) -> None:
    """Write nodes, in any structure, to a JSON file; parameters, by the names of variables, to a file beside it."""
    path = Path(path)
    beside = path.with_suffix(f".{one_of({'npz', 'safetensors'}, weights)}")
    text = to_json(outputs, None if params is None else beside.name)
    if beside == path:
        raise GraphcError(f"save: {path.name} is where the parameters go; name the graph {path.stem}.json")
    if params is not None:
        given = {name: np.asarray(value) for name, value in params.items()}
        _check_params(given, {x.name: x.type for x in Graph.of(_nodes(outputs)).inputs})
        save_arrays(beside, given)
    replace_file(path, text.encode())


def load(path: PathLike, variables: Mapping[str, Node] | None = None) -> Loaded:
    """The outputs and the parameters that `save` wrote; nothing in the files is trusted, and no code is run.

    Variables are new ones, except those given by name: on the variables that were saved, the very same nodes
    come back.
    """
    path = Path(path)
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise GraphcError(f"{path.name} is no text: {error}") from error
    data = _parsed(text)
    outputs, found = _read(data, variables or {})
    if data.get("weights") is None:
        return Loaded(outputs, {})
    params = load_arrays(path.with_name(_beside(path, data["weights"])))
    _check_params(params, {name: x.type for name, x in found.items()})
    return Loaded(outputs, params)


def to_json(outputs: Tree, weights: str | None = None) -> str:
    """Nodes, in any structure, as JSON text: one line for each node."""
    flat, (_, definition) = write_flat(_nodes(outputs)), flatten(outputs)
    entries = {"format": FORMAT, "version": VERSION, **_without_folders(flat)}
    entries |= {"structure": write_structure(definition)} | ({"weights": weights} if weights else {})
    return "{\n" + ",\n".join(f' "{key}": {_lines(value)}' for key, value in entries.items()) + "\n}\n"


def from_json(text: str, variables: Mapping[str, Node] | None = None) -> Tree:
    """The outputs that `to_json` wrote; see `load`."""
    return _read(_parsed(text), variables or {})[0]


# -- writing ----------------------------------------------------------------------------------------


def _nodes(outputs: Tree) -> list[Node]:
    leaves, _ = flatten(outputs)
    for leaf in leaves:
        if not isinstance(leaf, Node):
            raise BindError(f"save: {leaf!r:.60} is no node; give a node, or nested lists, tuples and dicts of nodes")
    Graph.of(leaves)  # raises an error if two variables have one name
    return leaves


def _without_folders(data: Data) -> Data:
    """Flat graphs whose sources are names of files: their folders are this machine's own business."""
    if isinstance(data, list):
        return [_without_folders(item) for item in cast("list[Data]", data)]
    if not isinstance(data, dict):
        return data
    found = {key: _without_folders(value) for key, value in cast("dict[str, Data]", data).items()}
    return found | ({"source": [Path(found["source"][0]).name, found["source"][1]]} if "source" in found else {})


def _lines(value: Data) -> str:
    if not isinstance(value, list) or not value or not isinstance(value[0], dict):
        return _compact(value)
    return "[\n" + ",\n".join(f"  {_compact(item)}" for item in value) + "\n ]"


def _compact(value: Data) -> str:
    return json.dumps(value, default=_write_array, allow_nan=False)


def _write_array(array: np.ndarray) -> Data:
    """Few elements as they are, many, or such as JSON has no numbers for, as bytes."""
    head = {"dtype": array.dtype.name, "shape": list(array.shape)}
    if array.size <= FEW and np.isfinite(array).all():
        return head | {"values": array.ravel().tolist()}
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return head | {"base64": base64.b64encode(little.tobytes()).decode()}


# -- reading ----------------------------------------------------------------------------------------


def _parsed(text: str) -> dict[str, Data]:
    try:
        data = json.loads(text, object_pairs_hook=_object, parse_constant=_no_number)
    except GraphcError:
        raise
    except Exception as error:  # nested too deeply, or no JSON
        raise GraphcError(f"this is no JSON text of a graph: {type(error).__name__}: {error}") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise GraphcError(f"this is no graph: its format is not {FORMAT!r}")
    if data.get("version") != VERSION:
        raise GraphcError(f"this graph is of version {data.get('version')!r:.20}; this graphc reads version {VERSION}")
    if unknown := data.keys() - {"format", "version", "nodes", "roots", "structure", "weights"}:
        raise GraphcError(f"a graph has no entry {min(unknown)!r:.60}")
    return data


def _object(pairs: list[tuple[str, Data]]) -> Data:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise GraphcError(f"an object has one of its keys twice: {', '.join(key for key, _ in pairs)}")
    return _read_array(found) if found.keys() & {"values", "base64"} and "shape" in found else found


def _no_number(text: str) -> None:
    raise GraphcError(f"{text} is no number in JSON")


def _read_array(data: dict[str, Data]) -> np.ndarray:
    dtype = np.dtype(one_of(NAMES, data["dtype"]))
    shape = tuple([is_a(int, extent) for extent in is_a(list, data["shape"])])
    if data.keys() == {"dtype", "shape", "base64"}:
        return elements(base64.b64decode(is_a(str, data["base64"]), validate=True), dtype.newbyteorder("<"), shape)
    values = is_a(list, data["values"])
    if len(data) != 3 or len(values) != math.prod(shape):
        raise GraphcError(f"an array of the shape {shape} has {len(values)} values")
    return np.array([_element(value, dtype) for value in values], dtype).reshape(shape)


def _element(value: Data, dtype: np.dtype) -> Any:
    """A number that is one of the dtype, exactly."""
    kind = {"b": bool, "f": float}.get(dtype.kind, int)
    with np.errstate(over="ignore"):
        number = dtype.type(is_a(kind, value))
    if number != value:
        raise GraphcError(f"{value} is no {dtype}")
    return number


def _read(data: dict[str, Data], variables: Mapping[str, Node]) -> tuple[Tree, dict[str, Node]]:
    """The outputs, and the variables by name."""
    found: dict[str, Node] = {}

    def make_variable(name: str, type: Type | None) -> Node:
        if name in found:
            raise GraphcError(f"two variables are named {name!r}")
        found[name] = variables[name] if name in variables else variable(name, type)
        return found[name]

    roots = read_flat(data, make_variable)
    if unknown := variables.keys() - found.keys():
        raise BindError(f"load: no variable is named {min(unknown)!r}; there are {', '.join(found) or 'none'}")
    try:
        return unflatten(read_structure(data["structure"]), roots), found
    except Exception as error:
        raise GraphcError(f"the structure of the outputs cannot be read: {error}") from error


def _beside(path: Path, name: Data) -> str:
    if is_a(str, name) not in (path.with_suffix(suffix).name for suffix in (".npz", ".safetensors")):
        raise GraphcError(f"the weights of {path.name} are said to be in {name!r:.60}, which does not belong to it")
    return name


def _check_params(params: Mapping[str, np.ndarray], types: Mapping[str, Type | None]) -> None:
    """Every parameter is for a variable, and fits its type."""
    extents: dict[str, int] = {}
    for name, array in params.items():
        if name not in types:
            raise BindError(f"no variable is named {name!r}, as a parameter is; there are {', '.join(types) or 'none'}")
        if (type := types[name]) is None:
            continue
        if array.dtype != type.dtype:
            raise BindError(f"the parameter {name} is of {array.dtype} instead of {type.dtype}; cast it")
        if wrong := match_extents(type.shape, array.shape, extents):
            raise BindError(f"the parameter {name} {wrong}")
