"""Batching of loops: one that some lanes leave before others goes on as long as any lane is in it.

Lanes that have left are not active: they keep their states. A loop that all lanes leave together stays what it is,
around a batched body.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, zip_longest
from typing import TypeAlias

from graphc.node import Node
from graphc.ops.arithmetic import ADD
from graphc.ops.control import Loop, items
from graphc.ops.elementwise import CAST, LESS
from graphc.ops.lanes import Lanes, has_lanes
from graphc.ops.movement import TRANSPOSE, fill
from graphc.ops.parts import CONCAT
from graphc.ops.reduction import MAX
from graphc.sym.trace import close
from graphc.types import BOOL, INT64, Stack, Type

Batch: TypeAlias = Callable[[Sequence[Node], Mapping[Node, Node], Lanes], list[Node]]


def batch_loop(node: Node, args: Sequence[Node], lanes: Lanes, batch: Batch) -> list[Node]:
    """Each result for all lanes, given the arguments, some of which have lanes; `batch` does it for a sub-graph."""
    old, loop = Loop.of(node), _with_arguments(node, args)
    p, body = loop.params, loop.params.body
    pairs = zip((*loop.init, *loop.xs, *loop.captured), (*old.init, *old.xs, *old.captured))
    moving = {k for k, (x, own) in enumerate(pairs) if has_lanes(x, own)}
    changing = moving | {k for k in range(p.states) if body.outputs[k] is not body.inputs[1 + k]}
    if loop.count is not None and loop.count.ndim:
        return _counted(loop, changing, lanes, batch)
    if p.cond is not None and lanes.active is not None:
        return _while(loop, changing, lanes, batch)
    inside, outputs = _reached(loop, moving, lanes.inside(), batch)
    if p.cond is not None and inside.holds(inside.states, inside.captured).ndim:
        return _while(loop, changing, lanes, batch)
    return _even(inside, outputs, lanes)


def _with_arguments(node: Node, args: Sequence[Node]) -> Loop:
    """The loop taken apart, with other arguments, which its body does not fit."""
    old, rest = Loop.of(node), iter(args)
    count = None if old.count is None else next(rest)
    init, xs, captured = (tuple(islice(rest, len(part))) for part in (old.init, old.xs, old.captured))
    return Loop(count, init, xs, captured, old.params)


@dataclass(frozen=True)
class _Inside:
    """What the body of a loop becomes: `own` are its inputs, the index left out, with lanes where `moving` says."""

    loop: Loop
    moving: set[int]
    own: list[Node]
    lanes: Lanes
    batch: Batch

    @staticmethod
    def of(loop: Loop, moving: set[int], lanes: Lanes, batch: Batch) -> _Inside:
        inputs = enumerate(loop.params.body.inputs[1:])
        own = [lanes.variable(x.name, x.typed) if k in moving else x for k, x in inputs]
        return _Inside(loop, moving, own, lanes, batch)

    @property
    def states(self) -> list[Node]:
        return self.own[: self.loop.params.states]

    @property
    def xs(self) -> list[Node]:
        return self.own[self.loop.params.states :][: self.loop.params.xs]

    @property
    def captured(self) -> list[Node]:
        return self.own[self.loop.params.states + self.loop.params.xs :]

    def results(self, inputs: Sequence[Node]) -> list[Node]:
        """What an iteration makes of inputs like its own: next states and ys."""
        body, states = self.loop.params.body, self.loop.params.states
        outputs = self.batch(body.outputs, dict(zip(body.inputs[1:], inputs, strict=True)), self.lanes)
        return [*self.spread(outputs[:states], self.lanes), *outputs[states:]]

    def holds(self, states: Sequence[Node], captured: Sequence[Node], lanes: Lanes | None = None) -> Node:
        """The condition on states and captured values, inside or, with other lanes, outside."""
        cond = self.loop.params.cond
        assert cond is not None
        values = dict(zip(cond.inputs, (*states, *captured), strict=True))
        return self.batch(cond.outputs, values, lanes or self.lanes)[0]

    def spread(self, states: Sequence[Node], lanes: Lanes) -> list[Node]:
        """States before or after an iteration; those that have lanes in it have them."""
        pairs = enumerate(zip(states, self.loop.params.body.inputs[1:]))
        return [lanes.spread(y) if k in self.moving and not has_lanes(y, x) else y for k, (y, x) in pairs]


# -- a loop that all lanes leave together -----------------------------------------------------------


def _reached(loop: Loop, moving: set[int], lanes: Lanes, batch: Batch) -> tuple[_Inside, list[Node]]:
    """The batched body and its results: a state has lanes if it does so before or after an iteration."""
    p = loop.params
    while True:
        inside = _Inside.of(loop, moving, lanes, batch)
        outputs = inside.results(inside.own)
        more = {k for k in range(p.states) if has_lanes(outputs[k], p.body.outputs[k])} - moving
        if not more:
            return inside, outputs
        moving = moving | more


def _even(inside: _Inside, outputs: Sequence[Node], lanes: Lanes) -> list[Node]:
    loop, p, cond = inside.loop, inside.loop.params, inside.loop.params.cond
    if cond is not None:
        cond = close([*inside.states, *inside.captured], [inside.holds(inside.states, inside.captured)])
    node = replace(
        loop,
        init=tuple(inside.spread(loop.init, lanes)),
        xs=tuple([_swapped(x) if p.states + k in inside.moving else x for k, x in enumerate(loop.xs)]),
        captured=(*loop.captured, *lanes.operands),
        params=p._replace(
            body=close([p.body.inputs[0], *inside.own, *inside.lanes.operands], outputs),
            cond=cond,
        ),
    ).make()
    stacked = [k >= p.states and has_lanes(y, own) for k, (y, own) in enumerate(zip(outputs, p.body.outputs))]
    return [_swapped(y) if swaps else y for y, swaps in zip_longest(items(node), stacked)]


def _swapped(x: Node) -> Node:
    """Iterations before lanes, or lanes before iterations; a stack has its iterations in front of either."""
    axes = (1, 0, *range(2, x.ndim))
    if isinstance(x.type, Stack):
        return x
    return x.args[0] if x.op is TRANSPOSE and x.params == (axes,) else TRANSPOSE(x, axes=axes)


# -- loops that some lanes leave before others ------------------------------------------------------


def _step(inside: _Inside) -> tuple[list[Node], list[Node]]:
    """The next states and the ys; lanes that are not active keep their states."""
    p, lanes = inside.loop.params, inside.lanes
    outputs = inside.results([lanes.frozen(x) if k in inside.moving else x for k, x in enumerate(inside.own)])
    before, after, inputs = inside.states, outputs[: p.states], p.body.inputs[1:]
    same = [y is x for y, x in zip(p.body.outputs, inputs)]
    return [x if is_same else lanes.kept(y, x) for x, y, is_same in zip(before, after, same)], outputs[p.states :]


def _counted(loop: Loop, moving: set[int], lanes: Lanes, batch: Batch) -> list[Node]:
    """As many iterations as the lane with most of them has; a lane is active in those of a number below its own."""
    assert loop.count is not None
    p, i, own = loop.params, loop.params.body.inputs[0], lanes.variable("count", Type(INT64))
    running = replace(lanes, active=LESS(Lanes(lanes.extent).spread(i), own))
    inside = _Inside.of(loop, moving, running, batch)
    after, ys = _step(inside)
    counts = lanes.cleared(loop.count)
    most = MAX(CONCAT(fill(0, Type(INT64, (1,))), counts, axis=0), axes=(0,))  # 0 if there are no lanes
    init, captured = tuple(inside.spread(loop.init, lanes)), (*loop.captured, counts)
    body = close([i, *inside.own, own], [*after, *ys])
    return items(Loop(most, init, loop.xs, captured, p._replace(body=body)).make())


def _while(loop: Loop, moving: set[int], lanes: Lanes, batch: Batch) -> list[Node]:
    """Iterations as long as any lane is active: as long as its condition has always held. Each counts its own."""
    p, i = loop.params, loop.params.body.inputs[0]
    active, taken = lanes.variable("active", Type(BOOL)), lanes.variable("taken", Type(INT64))
    inside = _Inside.of(loop, moving, replace(lanes, active=active), batch)
    after, ys = _step(inside)
    more = [_going(inside.holds(after, inside.captured), inside.lanes), ADD(taken, CAST(active, dtype=INT64))]
    init = inside.spread(loop.init, lanes)
    start = [_going(inside.holds(init, loop.captured, lanes), lanes), fill(0, taken.typed)]
    params = p._replace(
        body=close([i, *inside.states, active, taken, *inside.xs, *inside.captured], [*after, *more, *ys]),
        cond=close([*inside.states, active, taken, *inside.captured], [MAX(active, axes=(0,))]),
        states=p.states + 2,
    )
    found = items(replace(loop, init=(*init, *start), params=params).make())
    return [*found[: p.states], *found[p.states + 2 : -1], found[p.states + 1]]


def _going(holds: Node, lanes: Lanes) -> Node:
    """Which of the active lanes go on: those where a condition holds."""
    (going,) = lanes.where(holds if holds.ndim else lanes.spread(holds)).operands
    return going
