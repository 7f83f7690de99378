"""The text of MXNet's `symbol.json`: its entries, checked on reading, and written as MXNet 1.x does.

    {"nodes": [{"op": "null", "name": "x", "inputs": []}, {"op": "exp", "name": "exp0", "inputs": [[0, 0, 0]]}],
     "arg_nodes": [0], "node_row_ptr": [0, 1, 2], "heads": [[1, 0, 0]], "attrs": {"mxnet_version": ["int", 10700]}}

An input is an entry's number, which of its outputs, and a version, that graphs have no use for. Before 1.0 the
attributes were in "attr", before 0.9 those of the operator in "param" and no version stood in an input.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias, cast

from graphc.errors import GraphcError
from graphc.io.values import is_a

VARIABLE = "null"  # the operator of a variable's entry
VERSION = 10700

Output: TypeAlias = tuple[int, int]  # an entry's number, and which of its outputs


@dataclass(frozen=True)
class Entry:
    """A variable, or an operator on outputs of entries before it; attributes are text."""

    op: str
    name: str
    attrs: Mapping[str, str] = field(default_factory=dict[str, str])
    inputs: tuple[Output, ...] = ()
    outputs: int = 1
    aux: frozenset[int] = frozenset()  # which inputs are states that the operator changes

    def __str__(self) -> str:
        return f"{self.op} {self.name!r}"


class Symbol(NamedTuple):
    """The entries of a file, and those outputs that are the symbol's."""

    entries: tuple[Entry, ...]
    heads: tuple[Output, ...]


# -- writing ----------------------------------------------------------------------------------------


def write_text(symbol: Symbol) -> str:
    """The text of a symbol: one line for each entry."""
    rows = [0]
    for entry in symbol.entries:
        rows.append(rows[-1] + entry.outputs)
    written: dict[str, Any] = {
        "arg_nodes": [index for index, entry in enumerate(symbol.entries) if entry.op == VARIABLE],
        "node_row_ptr": rows,
        "heads": [[*head, 0] for head in symbol.heads],
        "attrs": {"mxnet_version": ["int", VERSION]},
    }
    nodes = ",\n".join([f"    {json.dumps(_written(entry))}" for entry in symbol.entries])
    rest = ",\n".join([f'  "{key}": {json.dumps(value)}' for key, value in written.items()])
    return f'{{\n  "nodes": [\n{nodes}\n  ],\n{rest}\n}}\n'


def _written(entry: Entry) -> dict[str, Any]:
    attrs = {"attrs": dict(entry.attrs)} if entry.attrs else {}
    inputs = [[*output, int(place in entry.aux)] for place, output in enumerate(entry.inputs)]
    return {"op": entry.op, "name": entry.name, **attrs, "inputs": inputs}


# -- reading ----------------------------------------------------------------------------------------


def read_text(text: str) -> Symbol:
    """The symbol that a text is of; an error that says what, if it is of none."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise GraphcError(f"this is no JSON text of a symbol: {type(error).__name__}: {error}") from error
    if not isinstance(data, dict) or not {"nodes", "heads"} <= cast("dict[str, Any]", data).keys():
        raise GraphcError("this is no symbol: it has no nodes and heads")
    nodes = is_a(list, data["nodes"])
    entries = tuple([_read_entry(index, node) for index, node in enumerate(nodes)])
    for index in is_a(list, cast("dict[str, Any]", data).get("arg_nodes", [])):
        if not 0 <= is_a(int, index) < len(entries) or entries[index].op != VARIABLE:
            raise GraphcError(f"arg_nodes has {index}, which is no variable")
    heads = tuple([_read_output(head, len(entries), "the heads") for head in is_a(list, data["heads"])])
    if not heads:
        raise GraphcError("the symbol has no heads, so nothing comes out of it")
    return Symbol(entries, heads)


def _read_entry(index: int, data: Any) -> Entry:
    node = is_a(dict, data)
    if not {"op", "name", "inputs"} <= node.keys():
        raise GraphcError(f"node {index} lacks one of op, name and inputs")
    op, name = is_a(str, node["op"]), is_a(str, node["name"])
    what = f"{op} {name!r}"
    if node.get("subgraphs"):
        raise GraphcError(f"{what} holds sub-graphs; build loops and branches with sym.while_loop, sym.scan, sym.cond")
    if node.get("control_deps"):
        raise GraphcError(f"{what} waits for nodes it does not read, which a graph of values cannot say")
    inputs = tuple([_read_output(each, index, what) for each in is_a(list, node["inputs"])])
    if op == VARIABLE and (inputs or not name):
        raise GraphcError(f"node {index} is a variable without a name, or with inputs")
    return Entry(op, name, _read_attrs(node, what), inputs)


def _read_attrs(node: Mapping[str, Any], what: str) -> dict[str, str]:
    """The attributes, wherever the format of their time has them."""
    found: dict[str, str] = {}
    for key in ("param", "attr", "attrs"):
        for name, value in is_a(dict, node.get(key) or {}).items():
            if not isinstance(value, str):
                raise GraphcError(f"{what}: the attribute {name!r:.60} is {value!r:.60}, which is no text")
            found[name] = value
    return found


def _read_output(data: Any, before: int, what: str) -> Output:
    """An output of one of the entries before; every order that has one is free of cycles."""
    numbers: Sequence[int] = [is_a(int, number) for number in is_a(list, data)]
    if len(numbers) not in (2, 3):
        raise GraphcError(f"{what}: {data!r:.60} is no output of a node; it is [node, output, version]")
    index, output = numbers[:2]
    if not 0 <= index < before or output < 0:
        raise GraphcError(f"{what}: {data!r:.60} is an output of no node that comes before it")
    return index, output
