"""The checker of graphs: what holds between any two passes. It runs after each while GRAPHC_CHECK=1."""

from __future__ import annotations

import os

from graphc.errors import GraphcError, InternalError
from graphc.graph import Graph
from graphc.node import VAR, Node, show_source


def checking() -> bool:
    """Whether every stage is checked: GRAPHC_CHECK is set, and not to 0."""
    return os.environ.get("GRAPHC_CHECK", "0") not in ("", "0")


def check_pass(stage: str, before: Graph, after: Graph) -> None:
    """Raise `InternalError` unless a pass kept the inputs and the types of the outputs, and its result is a graph."""
    _require(_same(before.inputs, after.inputs), stage, "the inputs are others than before")
    found, wanted = ([str(node.type) for node in graph.outputs] for graph in (after, before))
    _require(found == wanted, stage, f"the outputs are {', '.join(found)} instead of {', '.join(wanted)}")
    check_graph(stage, after)


def check_graph(stage: str, graph: Graph) -> None:
    """Raise `InternalError` unless nodes come after their arguments, have the right types, and know all variables."""
    inputs, seen = set(graph.inputs), set[Node]()
    for node in graph.nodes:
        _require(seen.issuperset(node.args), stage, f"{_shown(node)} comes before an argument of it")
        _require(node.op is not VAR or node in inputs, stage, f"{_shown(node)} is no input")
        _check_type(stage, node)
        seen.add(node)


def _check_type(stage: str, node: Node) -> None:
    _require(node.type is not None, stage, f"{_shown(node)} has no type")
    if node.op is VAR:
        return
    try:
        found = node.op.infer([arg.typed for arg in node.args], node.params)
    except GraphcError as error:
        raise InternalError(f"{stage}: {_shown(node)} does not fit its arguments: {error}") from error
    _require(found == node.type, stage, f"{_shown(node)} is of type {node.type}, but its arguments give {found}")


def _same(a: tuple[Node, ...], b: tuple[Node, ...]) -> bool:
    return len(a) == len(b) and all(x is y for x, y in zip(a, b, strict=True))


def _shown(node: Node) -> str:
    return f"{node.name} ({show_source(node.source)})"


def _require(holds: bool, stage: str, what: str) -> None:
    if not holds:
        raise InternalError(f"{stage}: {what}")
