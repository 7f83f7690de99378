"""Checkpoints: what loops stack for other loops is computed again, a segment at a time, from states kept now and then.

Derivatives are made as if there were memory for all iterations. Loops that read each other's stacks then become loops
over segments around loops of a segment's iterations:

    forwards     for each segment: keep the state, run its iterations
    backwards    for each segment, from the last: from the state kept, run its iterations again and stack what is read;
                 run those of the backward loop over it

Every sum is taken in the order that it had, and every body computes all that it did, in that order, even where a part
is not needed, so that results are the same to the last bit: products are contracted as they were.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import repeat
from typing import cast

from graphc.graph import Graph, renewed
from graphc.node import Node, make
from graphc.ops.checkpoint import is_kept
from graphc.ops.control import ITEM, LOOP, Loop, items, iterations
from graphc.ops.policy import AUTO, rest, segment
from graphc.passes.segment import Group, Member, as_long_as, counted, number_of, over_extent
from graphc.sym.record import called_from
from graphc.types import Type, typical


def segment_loops(graph: Graph) -> Graph:
    """The same function, with checkpoints in the place of stacks where loops ask for them."""
    while (rewriting := _Rewriting(graph)).groups:
        graph = rewriting.graph()  # where what is left over may be too long still
    return graph


# -- which loops, and what is computed again ---------------------------------------------------------------


def _computed_again(graph: Graph) -> set[Node]:
    """Stacks of loops that only loops of the same iterations read, one value for each iteration."""
    uses, outputs = graph.uses(), set(graph.outputs)
    loops = [node for node in graph.nodes if node.op is LOOP and Loop.of(node).params.checkpoint]
    stacks = [item for node in loops for item in items(node) if is_kept(item) and item not in outputs]
    return {item for item in stacks if all(_reads_along(user, item) for user in uses.get(item, ()))}


def _reads_along(user: Node, item: Node) -> bool:
    if user.op is not LOOP:
        return False
    loop, made = Loop.of(user), Loop.of(item.args[0])
    others = {*loop.init, *loop.captured}
    return bool(loop.params.checkpoint) and item not in others and _same_iterations(loop, made, item.args[0])


def _same_iterations(loop: Loop, made: Loop, node: Node) -> bool:
    if made.params.trip is not None:
        return loop.params.trip == made.params.trip
    return loop.count is iterations(node)


def _groups(graph: Graph, again: set[Node]) -> Iterator[list[Node]]:
    """Loops whose stacks are computed again, with those that read them; each group in order."""
    leader: dict[Node, Node] = {}

    def lead(node: Node) -> Node:
        while leader.setdefault(node, node) is not node:
            node = leader[node]
        return node

    for item in again:
        lead(item.args[0])
    for node in graph.nodes:
        if node.op is LOOP:
            for item in again.intersection(node.args):
                leader[lead(node)] = lead(item.args[0])
    joined: dict[Node, list[Node]] = {}
    for node in graph.nodes:
        if node in leader:
            joined.setdefault(lead(node), []).append(node)
    yield from joined.values()


def _group(nodes: list[Node], again: set[Node]) -> Group | None:
    """How a group of loops is cut; None if it is small enough as it is."""
    loops, members = [Loop.of(node) for node in nodes], set(nodes)
    stacks = [item for item in again if item.args[0] in members]
    makers = {item.args[0] for item in stacks}
    policy, trip = loops[0].params.checkpoint, loops[0].params.trip
    assert policy
    if trip is None and any(map(_has_other_stacks, nodes, repeat(again))):
        return None
    each = sum(_bytes(Loop.of(item.args[0]).element(item.typed)) for item in stacks)
    state = sum(_bytes(x.typed) for node in makers for x in Loop.of(node).init)
    known = typical(trip) if isinstance(trip, int) or (trip is not None and policy == AUTO) else None
    length = segment(policy, known, each, state)
    if length is None:
        return None
    inside = rest(policy, -(-known // length) * state) if known is not None else None
    return Group(frozenset(stacks), length, inside)


def _has_other_stacks(node: Node, again: set[Node]) -> bool:
    """Whether it reads or makes stacks that are not computed again: those cannot be cut into segments."""
    loop = Loop.of(node)
    made = items(node)[loop.params.states :][: loop.ys]
    return not again.issuperset((*loop.xs, *made))


def _bytes(type: Type) -> int:
    return type.dtype.itemsize * typical(type.size)


# -- the graph made anew ---------------------------------------------------------------------------------------


class _Rewriting:
    """A graph made anew, arguments first."""

    def __init__(self, graph: Graph) -> None:
        self.old = graph
        again = _computed_again(graph)
        found = [(nodes, _group(nodes, again)) for nodes in _groups(graph, again)]
        self.groups = {node: group for nodes, group in found if group for node in nodes}
        self.results: dict[Node, Mapping[int, Node]] = {}

    def graph(self) -> Graph:
        return self.old.rebuild(self._rule)

    def _rule(self, node: Node, args: tuple[Node, ...]) -> Node:
        if node in self.groups:
            self.results[node] = called_from(node.source, self._segmented, node, args)
            return node
        if node.op is ITEM and node.args[0] in self.results:
            return self.results[node.args[0]].get(cast("int", node.params[0]), node)
        return renewed(node, args)

    def _segmented(self, node: Node, args: tuple[Node, ...]) -> Mapping[int, Node]:
        """The results of a loop that are still needed, by loops over its segments."""
        group, old = self.groups[node], Loop.of(node)
        again = frozenset(number_of(item) for item in group.again if item.args[0] is node)
        member = group.members[node] = Member(Loop.of(make(LOOP, args, node.params)), again)
        if member.loop.params.trip is not None:
            states, ys = over_extent(group, member)
        elif member.loop.params.cond is not None:
            states, ys = as_long_as(group, member), {}
        else:
            states, ys = counted(group, member), {}
        results = dict(enumerate(states)) | {old.params.states + k: y for k, y in ys.items()}
        if old.params.cond is not None and group.total is not None:
            results[len(old.params.body.outputs)] = group.total
        return results
