"""A loop as a loop over segments of its iterations, around a loop that runs the iterations of one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

from graphc.node import Node, constant, variable
from graphc.ops.checkpoint import KEPT
from graphc.ops.control import SWITCH, Loop, LoopParams, items
from graphc.ops.parts import part
from graphc.ops.policy import GROWING, Policy
from graphc.sym.elementwise import logical_and, maximum, minimum
from graphc.sym.movement import concat
from graphc.sym.promote import as_node
from graphc.sym.record import replay
from graphc.sym.trace import close
from graphc.types import INT64, Extent, Stack, Type

COUNT = Type(INT64)


@dataclass
class Group:
    """Loops of the same iterations, which read each other's stacks, and how these iterations are cut."""

    again: frozenset[Node]  # the stacks that are computed again
    length: int  # of a segment, or GROWING
    inside: Policy  # for the loops of a segment
    members: dict[Node, Member] = field(default_factory=dict["Node", "Member"])
    total: Node | None = None  # how many iterations, and how many segments, where only nodes tell
    segments: Node | None = None

    def start(self, number: Node) -> Node:
        """The first iteration of a segment."""
        return number * (number + 1) // 2 if self.length == GROWING else number * self.length

    def longest(self, number: Node) -> Node:
        """How many iterations a segment has, if there are enough."""
        return number + 1 if self.length == GROWING else constant(self.length, INT64)


@dataclass
class Member:
    """A loop on its new arguments; its states where whole segments start, and where what is left over starts."""

    loop: Loop
    again: frozenset[int]  # which of the ys are computed again
    checkpoints: list[Node] = field(default_factory=list["Node"])
    left_over: list[Node] = field(default_factory=list["Node"])

    def fresh_states(self) -> list[Node]:
        p = self.loop.params
        return [variable(x.name, x.type) for x in p.body.inputs[1 : 1 + p.states]]

    def values(self, inside: Policy) -> list[Node]:
        """What the body makes; stacks stay marked if there may be segments inside a segment."""
        outputs = self.loop.params.body.outputs
        marked = {k + self.loop.params.states for k in self.again} if inside else set[int]()
        return [y.args[0] if y.op is KEPT and k not in marked else y for k, y in enumerate(outputs)]


def number_of(item: Node) -> int:
    """Which of the ys of a loop it is."""
    return cast("int", item.params[0]) - Loop.of(item.args[0]).params.states


# -- one segment ---------------------------------------------------------------------------------------------


@dataclass
class Place:
    """A segment, where it runs: its iterations, and how what is outside is read there."""

    group: Group
    first: Node  # iteration
    trip: Extent | None
    count: Node | None
    fixed: Callable[[Node], Node]
    along: Callable[[Node], Node]
    entry: Callable[[Member], list[Node]]
    found: dict[Node, list[Node]] = field(default_factory=dict["Node", "list[Node]"])

    def run(self, member: Member, states: Sequence[Node]) -> tuple[list[Node], list[Node]]:
        """The states after a loop's iterations of this segment, and all its ys."""
        loop, p, inside = member.loop, member.loop.params, self.group.inside
        i, first = variable("i", COUNT), variable("first", COUNT)
        inputs = [variable(x.name, x.type) for x in p.body.inputs[1:]]
        outputs = replay(member.values(inside), dict(zip(p.body.inputs, (first + i, *inputs))))
        split = p.states + p.xs
        body = close([i, *inputs[:split], first, *inputs[split:]], outputs)
        params = LoopParams(body, None, p.states, p.xs, self.trip, p.reverse, checkpoint=inside, whole=True)
        captured = (self.first, *map(self.fixed, loop.captured))
        found = items(Loop(self.count, tuple(states), tuple(map(self._part, loop.xs)), captured, params).make())
        return found[: p.states], found[p.states :]

    def _part(self, x: Node) -> Node:
        """This segment's part of an array or a stack, which is computed again if it is not there."""
        if x not in self.group.again:
            return self.along(x)
        (node,) = x.args
        if node not in self.found:
            member = self.group.members[node]
            _, self.found[node] = self.run(member, self.entry(member))
        return self.found[node][number_of(x)]


@dataclass
class _Operands:
    """What a loop over segments reads from outside, by the variables that stand for it in its body."""

    xs: dict[Node, Node] = field(default_factory=dict["Node", "Node"])
    captured: dict[Node, Node] = field(default_factory=dict["Node", "Node"])

    def fixed(self, value: Node) -> Node:
        return self.captured.setdefault(value, variable(value.name, value.type))

    def along(self, value: Node, rows: int = 1) -> Node:
        type = value.typed
        element = type.element if isinstance(type, Stack) else type.with_shape((rows, *type.shape[1:]))
        return self.xs.setdefault(value, variable(value.name, element))

    def entry(self, member: Member) -> list[Node]:
        """A loop's states where this segment starts."""
        states = [(x, self.along(x)) for x in member.checkpoints]
        return [y if isinstance(x.type, Stack) else y.reshape(x.shape[1:]) for x, y in states]


# -- all segments, where the trip is an extent -----------------------------------------------------------------


def over_extent(group: Group, member: Member) -> tuple[list[Node], dict[int, Node]]:
    """The last states and the ys: whole segments, then what is left over; in reverse it comes first."""
    loop, trip = member.loop, member.loop.params.trip
    assert trip is not None
    whole = trip // group.length
    done = whole * group.length
    left = trip - done

    def segments(states: Sequence[Node]) -> tuple[list[Node], list[Node]]:
        def place(number: Node, operands: _Operands) -> Place:
            along = lambda x: operands.along(part(x, 0, 0, done) if left else x, group.length)  # noqa: E731
            return Place(group, number * group.length, group.length, None, operands.fixed, along, operands.entry)

        return _over_segments(member, states, place, whole, None)

    def left_over(states: Sequence[Node]) -> tuple[list[Node], list[Node]]:
        member.left_over = list(states)
        along = lambda x: part(x, 0, done, left)  # noqa: E731
        first = as_node("loop", done)
        return Place(group, first, left, None, lambda x: x, along, lambda other: other.left_over).run(member, states)

    wanted = [k for k in range(loop.ys) if k not in member.again]
    if left == 0:
        states, ys = segments(loop.init)
        return states, dict(zip(wanted, ys))
    if loop.params.reverse:
        states, last = left_over(loop.init)
        states, ys = segments(states)
    else:
        states, ys = segments(loop.init)
        states, last = left_over(states)
    return states, {k: _joined(y, last[k]) for k, y in zip(wanted, ys)}


def _joined(y: Node, z: Node) -> Node:
    """Both in one array: as the only branch of a switch, because those who read it must find an array, as before."""
    a, b = variable("whole", y.type), variable("left_over", z.type)
    return items(SWITCH(constant(0), y, z, branches=(close([a, b], [concat([a, b])]),)))[0]


def _over_segments(
    member: Member,
    init: Sequence[Node],
    place_of: Callable[[Node, _Operands], Place],
    trip: Extent | None,
    count: Node | None,
) -> tuple[list[Node], list[Node]]:
    """A loop over segments, which keeps its states for those who compute its stacks again."""
    p, number, operands = member.loop.params, variable("segment", COUNT), _Operands()
    own = member.fresh_states()
    after, found = place_of(number, operands).run(member, own)
    ys = [y for k, y in enumerate(found) if k not in member.again]
    kept = [x if trip is None else x.reshape((1, *x.shape)) for x in own] if member.again else []
    body = close([number, *own, *operands.xs.values(), *operands.captured.values()], [*after, *ys, *kept])
    params = LoopParams(body, None, p.states, len(operands.xs), trip, p.reverse, joined=trip is not None)
    results = items(Loop(count, tuple(init), tuple(operands.xs), tuple(operands.captured), params).make())
    member.checkpoints = results[p.states + len(ys) :]
    return results[: p.states], results[p.states :][: len(ys)]


# -- where a node says how many iterations there are, or a condition --------------------------------------------


def counted(group: Group, member: Member) -> list[Node]:
    """The last states of a loop of as many iterations as a node says."""
    assert member.loop.count is not None
    if group.total is None:
        group.total = maximum(member.loop.count, 0)
        group.segments = _count_segments(group, group.total)
    total = group.total

    def place(number: Node, operands: _Operands) -> Place:
        first = group.start(number)
        count = minimum(group.longest(number), operands.fixed(total) - first)
        return Place(group, first, None, count, operands.fixed, operands.along, operands.entry)

    return _over_segments(member, member.loop.init, place, None, group.segments)[0]


def _count_segments(group: Group, total: Node) -> Node:
    """How many segments so many iterations are; where segments grow, by counting them."""
    if group.length != GROWING:
        return (total + (group.length - 1)) // group.length
    number, start, end = (variable(name, COUNT) for name in ("segment", "start", "end"))
    body = close([number, start, end], [group.start(number + 1)])
    params = LoopParams(body, close([start, end], [start < end]), states=1, xs=0, trip=None)
    return items(Loop(None, (constant(0, INT64),), (), (total,), params).make())[-1]


def as_long_as(group: Group, member: Member) -> list[Node]:
    """The last states of a while loop: segments follow each other as long as its condition holds, as in a segment."""
    p, number, operands = member.loop.params, variable("segment", COUNT), _Operands()
    own, n = member.fresh_states(), variable("n", COUNT)
    captured = [operands.fixed(x) for x in member.loop.captured]
    before, end = n, n + group.longest(number)
    if p.limit is not None:
        before, end = _within_limit(n, p.limit), minimum(end, p.limit)
    after = _until(group, member, [*own, before], captured, end)
    body = close([number, *own, n, *captured], [*after, *own])
    cond = close([*own, n, *captured], [_holds(p, own, captured)])
    params = LoopParams(body, cond, p.states + 1, 0, None)
    init = (*member.loop.init, constant(0, INT64))
    found = items(Loop(None, init, (), tuple(operands.captured), params).make())
    group.total, group.segments = found[p.states], found[-1]
    member.checkpoints = found[p.states + 1 : -1]
    return found[: p.states]


def _until(group: Group, member: Member, init: Sequence[Node], captured: Sequence[Node], end: Node) -> list[Node]:
    """The states of a while loop before the iteration numbered `end`, and the number of the next iteration."""
    p, own, n = member.loop.params, member.fresh_states(), variable("n", COUNT)
    outside, stop = [variable(x.name, x.type) for x in captured], variable("end", COUNT)
    values = replay(member.values(group.inside), dict(zip(p.body.inputs, (n, *own, *outside))))
    inputs = [*own, n, *outside, stop]
    body = close([variable("i", COUNT), *inputs], [*values[: p.states], n + 1, *values[p.states :]])
    cond = close(inputs, [logical_and(_holds(p, own, outside), n < stop)])
    params = LoopParams(body, cond, p.states + 1, 0, None, checkpoint=group.inside, whole=True)
    return items(Loop(None, tuple(init), (), (*captured, end), params).make())[: p.states + 1]


def _holds(p: LoopParams, states: Sequence[Node], captured: Sequence[Node]) -> Node:
    assert p.cond is not None
    return replay(p.cond.outputs, dict(zip(p.cond.inputs, (*states, *captured))))[0]


def _within_limit(n: Node, limit: int) -> Node:
    """n; but a loop without end, which is an error, if it is the limit, for there is one more segment to run."""
    state = variable("n", COUNT)
    body = close([variable("i", COUNT), state], [maximum(state, limit)])
    params = LoopParams(body, close([state], [state >= limit]), states=1, xs=0, trip=None, limit=limit)
    return items(Loop(None, (n,), (), (), params).make())[0]
