"""Outputs: each gets a place of its own, so that no result is an argument, a constant or another result."""

from __future__ import annotations

from graphc.graph import Graph
from graphc.node import Node
from graphc.ops.copy import COPY


def separate_outputs(graph: Graph) -> Graph:
    """Copy the outputs that are variables or constants, or that came before."""
    outputs: dict[Node, None] = {}
    for number, node in enumerate(graph.outputs):
        shared = node.op.kind == "source" or node in outputs
        outputs[COPY(node, number=number) if shared else node] = None
    return Graph(graph.inputs, tuple(outputs))
