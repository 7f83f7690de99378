"""The checker of graphs: what holds between any two passes. It runs after each while GRAPHC_CHECK=1."""

from __future__ import annotations

import os

from graphc.errors import GraphcError, InternalError
from graphc.graph import Graph
from graphc.node import VAR, Node
from graphc.source import show_source


def checking() -> bool:
    """Whether every stage is checked: GRAPHC_CHECK is set, and not to 0."""
    return os.environ.get("GRAPHC_CHECK", "0") not in ("", "0")


def check_pass(stage: str, before: Graph, after: Graph) -> None:
    """Raise `InternalError` unless a pass kept the inputs and the types of the outputs, and its result is a graph."""
    if not _same(before.inputs, after.inputs):
        raise InternalError(f"{stage}: the inputs are others than before")
    found, wanted = ([str(node.type) for node in graph.outputs] for graph in (after, before))
    if found != wanted:
        raise InternalError(f"{stage}: the outputs are {', '.join(found)} instead of {', '.join(wanted)}")
    check_graph(stage, after)


def check_graph(stage: str, graph: Graph) -> None:
    """Raise `InternalError` unless nodes come after their arguments, have the right types, and know all variables."""
    inputs, seen = set(graph.inputs), set[Node]()
    for node in graph.nodes:
        if wrong := _offence(node, inputs, seen):
            raise InternalError(f"{stage}: {node.name} ({show_source(node.source)}) {wrong}")
        seen.add(node)


def _offence(node: Node, inputs: set[Node], seen: set[Node]) -> str:
    """What is wrong with a node, if anything."""
    if not seen.issuperset(node.args):
        return "comes before an argument of it"
    if node.type is None:
        return "has no type"
    if node.op is VAR:
        return "" if node in inputs else "is no input"
    try:
        found = node.op.infer([arg.typed for arg in node.args], node.params)
    except GraphcError as error:
        return f"does not fit its arguments: {error}"
    return "" if found == node.type else f"is of type {node.type}, but its arguments give {found}"


def _same(a: tuple[Node, ...], b: tuple[Node, ...]) -> bool:
    return len(a) == len(b) and all(x is y for x, y in zip(a, b, strict=True))
