"""Batching: a graph in, the same graph for many lanes at once out. Each operator says how, by its `batch` rule.

Nodes that depend on nothing with lanes stay as they are: what is the same in all lanes is computed once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import is_
from typing import cast

from graphc.batching.control import batch_control
from graphc.errors import GraphcError, InternalError
from graphc.node import Node, make, topological
from graphc.ops.control import ITEM
from graphc.ops.lanes import Lanes, has_lanes
from graphc.source import show_source


def batch(outputs: Sequence[Node], given: Mapping[Node, Node], lanes: Lanes) -> list[Node]:
    """The outputs for all lanes, nodes replaced as given by such that have lanes in front, or by such that have not."""
    new = dict(given)
    results: dict[Node, list[Node]] = {}  # those of nodes of several results
    for node in topological(outputs, stop=given.__contains__):
        if node in given:
            continue
        if node.op is ITEM:
            new[node] = results[node.args[0]][cast("int", node.params[0])]
            continue
        args = [new[arg] for arg in node.args]
        if node.op.kind == "control":
            results[node] = batch_control(node, args, lanes, batch)
        else:
            new[node] = _batched(node, args, lanes)
    return [new[y] for y in outputs]


def _batched(node: Node, args: Sequence[Node], lanes: Lanes) -> Node:
    """The node on these arguments in the place of its own."""
    if all(map(is_, args, node.args)):
        return node
    if not any(map(has_lanes, args, node.args)):
        return make(node.op, tuple(args), node.params)
    if node.op.batch is None:
        raise GraphcError(
            f"vmap: {node.op.name} ({show_source(node.source)}) has no batching rule; "
            "take it out of the mapped function, or give its Op a `batch`"
        )
    found = node.op.batch(node, args, lanes)
    expected = node.typed.with_shape((lanes.extent, *node.shape)) if has_lanes(found, node) else node.typed
    if found.type != expected:
        raise InternalError(f"vmap: {node.op.name} of all lanes is {found.type}, not {expected}")
    return found
