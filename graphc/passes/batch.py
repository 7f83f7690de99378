"""Batches of products that are summed become one contraction of more terms: each adds to what is there."""

from __future__ import annotations

from typing import cast

from graphc.graph import Graph, renewed
from graphc.node import Node
from graphc.ops.contraction import CONTRACT, Pairing, pairing
from graphc.ops.movement import Axes
from graphc.ops.reduction import SUM


def sum_batches(graph: Graph) -> Graph:
    """Sums over batch axes of contractions, of which nothing else is used, as contractions."""
    shared = {node for node, users in graph.uses().items() if len(users) > 1} | set(graph.outputs)

    def rule(node: Node, args: tuple[Node, ...]) -> Node:
        if node.op is SUM and args[0].op is CONTRACT and node.args[0] not in shared and _is_batch(node, args[0]):
            return _with_more_terms(args[0], cast("Axes", node.params[0]))
        return renewed(node, args)

    return graph.rebuild(rule)


def _is_batch(node: Node, y: Node) -> bool:
    """Whether it sums over axes of the batch alone, along which there is something, as far as is known now."""
    axes = cast("Axes", node.params[0])
    return all(
        axis < len(pairing(y).batch_a) and isinstance(y.shape[axis], int) and y.shape[axis] != 0 for axis in axes
    )


def _with_more_terms(y: Node, axes: Axes) -> Node:
    """These axes of the batch contracted as well, before the others."""
    pairs = pairing(y)
    kept = [k for k in range(len(pairs.batch_a)) if k not in axes]
    a, b = pairs.batch_a, pairs.batch_b
    moved = Pairing(
        (*(a[k] for k in axes), *pairs.axes_a),
        (*(b[k] for k in axes), *pairs.axes_b),
        tuple(a[k] for k in kept),
        tuple(b[k] for k in kept),
    )
    return CONTRACT(*y.args, **moved._asdict())
