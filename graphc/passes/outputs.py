"""Outputs: each gets a place of its own, so that no result is an argument, a constant or another result."""

from __future__ import annotations

from graphc.graph import Graph
from graphc.node import Node
from graphc.ops.copy import COPY


def separate_outputs(graph: Graph) -> Graph:
    """Copy the outputs that are variables or constants, or that came before."""
    outputs: list[Node] = []
    for number, node in enumerate(graph.outputs):
        shared = node.op.kind == "source" or any(node is other for other in outputs)
        outputs.append(COPY(node, number=number) if shared else node)
    return Graph(graph.inputs, tuple(outputs))
