"""Batching of control flow: a choice that differs from lane to lane is every branch, computed, and a `where`.

Control that is the same in all lanes stays what it is, around batched sub-graphs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from graphc.batching.loop import Batch, batch_loop
from graphc.graph import Graph
from graphc.node import Node, make, variable
from graphc.ops.control import LOOP, SWITCH, Loop, items, subgraphs
from graphc.ops.elementwise import CAST
from graphc.ops.lanes import Lanes, has_lanes
from graphc.ops.movement import fill
from graphc.sym.trace import close
from graphc.types import BOOL, INT64


def batch_control(node: Node, args: Sequence[Node], lanes: Lanes, batch: Batch) -> list[Node]:
    """Each result for all lanes, given the arguments, some of which have lanes; `batch` does it for a sub-graph."""
    same = not any(map(has_lanes, args, node.args))
    if same and (lanes.active is None or _ends(node)):
        return items(make(node.op, tuple(args), node.params))
    return (_batch_switch if node.op is SWITCH else batch_loop)(node, args, lanes, batch)


def _ends(node: Node) -> bool:
    """Whether it surely ends and raises no error, so that it may run though no lane is active: no while is inside."""
    if node.op is LOOP and Loop.of(node).params.cond is not None:
        return False
    return all(_ends(inner) for graph in subgraphs(node) for inner in graph.nodes if inner.op.kind == "control")


def _batch_switch(node: Node, args: Sequence[Node], lanes: Lanes, batch: Batch) -> list[Node]:
    (index, *operands), branches = args, subgraphs(node)
    if has_lanes(index, node.args[0]):
        return _select(index, operands, branches, lanes, batch)
    inner, own = lanes.inside(), [variable(x.name, x.typed) for x in operands]
    results = [batch(b.outputs, dict(zip(b.inputs, own)), inner) for b in branches]
    graphs = [close([*own, *inner.operands], ys) for ys in _alike(branches, results, inner)]
    return items(SWITCH(index, *operands, *lanes.operands, branches=tuple(graphs)))


def _alike(branches: Sequence[Graph], results: Sequence[Sequence[Node]], lanes: Lanes) -> list[list[Node]]:
    """The results of branches; what has lanes in one of them has lanes in all."""
    firsts = branches[0].outputs
    moving = [any(map(has_lanes, column, [first] * len(column))) for first, *column in zip(firsts, *results)]
    return [
        [lanes.spread(y) if moves and not has_lanes(y, first) else y for y, first, moves in zip(ys, firsts, moving)]
        for ys in results
    ]


def _select(index: Node, operands: Sequence[Node], branches: Sequence[Graph], lanes: Lanes, batch: Batch) -> list[Node]:
    """The results of the branch that each lane takes, of all that are computed."""
    chosen, results = _chosen(index, len(branches)), list[list[Node]]()
    for taken, branch in zip(chosen, branches):
        region = lanes.where(taken)
        entering = [region.frozen(x) if has_lanes(x, own) else x for x, own in zip(operands, branch.inputs)]
        ys = batch(branch.outputs, dict(zip(branch.inputs, entering)), region)
        results.append([y if has_lanes(y, own) else region.spread(y) for y, own in zip(ys, branch.outputs)])
    found, *others = results
    for taken, ys in zip(chosen[1:], others):
        found = [replace(lanes, active=taken).kept(y, other) for y, other in zip(ys, found)]
    return found


def _chosen(index: Node, count: int) -> list[Node]:
    """For each branch, which lanes take it."""
    if count == 1:
        return [fill(True, index.typed.with_dtype(BOOL))]
    if index.dtype == BOOL and count == 2:
        return [~index, index]
    number, last = CAST(index, dtype=INT64), count - 1
    return [number <= 0, *(number == k for k in range(1, last)), number >= last]
