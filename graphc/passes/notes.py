"""Notes taken away: the graph as it runs, in training or in inference; and the updates that training asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import is_

from graphc.errors import BindError
from graphc.graph import Graph
from graphc.node import Node, Op, make, make_untyped
from graphc.ops.control import subgraphs
from graphc.ops.note import CALLED, HEADED, MODE, SURROGATE, UPDATING
from graphc.passes.control import inside_control
from graphc.source import show_source

KEPT = {CALLED: -1, SURROGATE: 0, HEADED: 0, UPDATING: 0}  # which argument is the value


def resolve(graph: Graph, training: bool) -> Graph:
    """The same graph without notes, in the mode given; inside loops and branches too."""
    return _taken_away(graph, {**KEPT, MODE: 0 if training else 1})


def choose(graph: Graph, training: bool) -> Graph:
    """The same graph in one mode, with the notes that say what its derivatives are."""
    return _taken_away(graph, {MODE: 0 if training else 1})


def _taken_away(graph: Graph, kept: Mapping[Op, int]) -> Graph:
    """The same graph with one argument in the place of each node of these operators."""
    if not _noted(graph):
        return graph

    def rule(node: Node, args: tuple[Node, ...]) -> Node:
        if node.op in kept:
            return args[kept[node.op]]
        if all(map(is_, args, node.args)):
            return node
        return (make_untyped if node.type is None else make)(node.op, args, node.params)

    return inside_control(graph.rebuild(rule), lambda inner: _taken_away(inner, kept))


def _noted(graph: Graph) -> bool:
    """Whether there are notes in the graph or in its sub-graphs."""
    return any(node.op.kind == "note" or any(map(_noted, subgraphs(node))) for node in graph.nodes)


def updates(outputs: Sequence[Node]) -> dict[Node, Node]:
    """What states become after a training step that computes the outputs: of several updates the last holds.

    Raises `BindError` for an update inside a loop or branch, which no step would see.
    """
    nodes = Graph((), tuple(outputs)).nodes
    if hidden := [found for node in nodes for inner in subgraphs(node) for found in _updating(inner)]:
        state, source = hidden[0].args[1], show_source(hidden[0].source)
        raise BindError(
            f"training changes the state {state.name!r} inside a loop or branch ({source}), where no step sees it; "
            "call the layer outside, or let the loop carry the state"
        )
    return {node.args[1]: node.args[2] for node in nodes if node.op is UPDATING}


def _updating(graph: Graph) -> list[Node]:
    """The updates in a graph and in its sub-graphs."""
    inner = [found for node in graph.nodes for each in subgraphs(node) for found in _updating(each)]
    return [*(node for node in graph.nodes if node.op is UPDATING), *inner]
