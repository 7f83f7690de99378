"""Control flow made small: loops that do the same joined, what nobody needs left out, what never changes moved out.

A derivative's forward loop does all that the loop it came from does, and more: it takes that loop's place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from operator import is_
from typing import cast

from graphc.graph import Graph, renewed
from graphc.node import Node, make, topological, variable
from graphc.ops.control import ITEM, LOOP, SWITCH, Loop, LoopParams, items, subgraphs
from graphc.ops.movement import EXPAND, TRANSPOSE
from graphc.sym.record import replay
from graphc.sym.trace import close
from graphc.types import Bundle, Stack


def tidy_control(graph: Graph) -> Graph:
    """The same function, with less to do in its loops and switches."""
    if not any(node.op.kind == "control" for node in graph.nodes):
        return graph
    return _prune(_hoist(_sink(_share(graph))))


def inside_control(graph: Graph, run: Callable[[Graph], Graph]) -> Graph:
    """Every sub-graph replaced by what a pass makes of it."""

    def rule(node: Node, args: tuple[Node, ...]) -> Node:
        if node.op is SWITCH:
            return make(SWITCH, args, (tuple([run(branch) for branch in subgraphs(node)]),))
        if node.op is LOOP:
            body, cond, *rest = node.params
            found = (run(cast("Graph", body)), None if cond is None else run(cast("Graph", cond)), *rest)
            return make(LOOP, args, found)
        return renewed(node, args)

    return graph.rebuild(rule) if any(node.op.kind == "control" for node in graph.nodes) else graph


# -- loops that do the same ---------------------------------------------------------------------------


def _share(graph: Graph) -> Graph:
    """Each loop replaced by one that does all it does, and more, if there is one."""
    while True:
        loops = [node for node in graph.nodes if node.op is LOOP]
        pairs = ((small, big) for small in loops for big in loops if small is not big and _covers(big, small))
        found = next(pairs, None)
        if found is None:
            return graph
        graph = Graph(graph.inputs, tuple(replay(graph.outputs, _same_results(*found))))


def _same_results(small: Node, big: Node) -> dict[Node, Node]:
    a, b, results = Loop.of(small), Loop.of(big), items(big)
    ys = results[b.params.states :][: a.ys]
    return dict(zip(items(small), [*results[: a.params.states], *ys, results[-1]]))


def _covers(big: Node, small: Node) -> bool:
    """Whether the first states and ys of a loop are those of another, and the rest needs nothing from that."""
    a, b = Loop.of(small), Loop.of(big)
    p, q = a.params, b.params
    if (p.trip, p.reverse, p.limit) != (q.trip, q.reverse, q.limit) or a.count is not b.count:
        return False
    if not all(_begins(mine, other) for mine, other in ((a.init, b.init), (a.xs, b.xs), (a.captured, b.captured))):
        return False
    renamed = dict(zip(_inputs(a), _inputs(a, among=b)))
    wanted = replay(p.body.outputs, renamed)
    given = [*q.body.outputs[: p.states], *q.body.outputs[q.states :]]
    if not _begins(wanted, given) or small in set(topological(big.args)):
        return False
    if p.cond is None or q.cond is None:
        return p.cond is q.cond
    tested = q.cond.inputs
    renamed = dict(zip(p.cond.inputs, (*tested[: p.states], *tested[q.states :])))
    return replay(p.cond.outputs, renamed)[0] is q.cond.outputs[0]


def _begins(part: Sequence[Node], whole: Sequence[Node]) -> bool:
    return len(part) <= len(whole) and all(map(is_, part, whole))


def _inputs(loop: Loop, among: Loop | None = None) -> list[Node]:
    """The inputs of a body; or those that take their place in the body of a loop that does more."""
    body, p = (among or loop).params.body.inputs, (among or loop).params
    states, xs = loop.params.states, loop.params.xs
    captured = len(loop.captured)
    parts = (body[1 : 1 + states], body[1 + p.states :][:xs], body[1 + p.states + p.xs :][:captured])
    return [body[0], *(x for part in parts for x in part)]


# -- what never changes, moved out ----------------------------------------------------------------------


def _sink(graph: Graph) -> Graph:
    """Captured values taken before they are spread or transposed, and indices not at all: all this costs nothing
    where it is read."""
    return _with_loops(graph, _sunk)


def _sunk(loop: Loop) -> Node:
    bases = [x for x in dict.fromkeys(map(_before_movement, loop.captured)) if x.op.kind != "creation"]
    if len(bases) == len(loop.captured) and all(map(is_, bases, loop.captured)):
        return loop.make()
    own = {base: variable(base.name, base.type) for base in bases}
    inside, count = replay(loop.captured, own), len(loop.captured)

    def over(graph: Graph) -> Graph:
        start = len(graph.inputs) - count
        outputs = replay(graph.outputs, dict(zip(graph.inputs[start:], inside)))
        return close([*graph.inputs[:start], *own.values()], outputs)

    p = loop.params
    params = p._replace(body=over(p.body), cond=None if p.cond is None else over(p.cond))
    return replace(loop, captured=tuple(own), params=params).make()


def _hoist(graph: Graph) -> Graph:
    """What a body computes from captured values alone, computed once outside."""
    return _with_loops(graph, lambda loop: _moved_out(loop, _invariant(loop)))


def hoist_copies(graph: Graph) -> Graph:
    """Transposed copies of captured values, made once outside."""
    return _with_loops(graph, lambda loop: _moved_out(loop, _transposed(loop)))


def _with_loops(graph: Graph, change: Callable[[Loop], Node]) -> Graph:
    """Each loop replaced by what a function makes of it."""

    def rule(node: Node, args: tuple[Node, ...]) -> Node:
        node = renewed(node, args)
        return change(Loop.of(node)) if node.op is LOOP else node

    return graph.rebuild(rule) if any(node.op is LOOP for node in graph.nodes) else graph


def _captured(loop: Loop) -> tuple[Node, ...]:
    """What a body calls the captured values."""
    return loop.params.body.inputs[1 + loop.params.states + loop.params.xs :]


def _invariant(loop: Loop) -> list[Node]:
    body = loop.params.body
    captured = _captured(loop)
    order, fixed, varying = body.nodes, set(captured), set(body.inputs) - set(captured)
    for node in order:
        if not varying.isdisjoint(node.args):
            varying.add(node)
        elif not fixed.isdisjoint(node.args):
            fixed.add(node)
    reads = [arg for node in order if node in varying for arg in node.args]
    wanted = dict.fromkeys(_before_movement(node) for node in (*reads, *body.outputs) if node in fixed)
    return [node for node in wanted if node.args and not isinstance(node.type, Bundle | Stack)]


def _before_movement(node: Node) -> Node:
    """A value before it is spread over more axes or transposed, which costs nothing where it is read."""
    while node.op in (EXPAND, TRANSPOSE):
        (node, *_) = node.args
    return node


def _transposed(loop: Loop) -> list[Node]:
    captured = set(_captured(loop))
    return [node for node in loop.params.body.nodes if node.op is TRANSPOSE and not captured.isdisjoint(node.args)]


def _moved_out(loop: Loop, moved: Sequence[Node]) -> Node:
    """The loop with some values captured that its body computes from captured ones."""
    if not moved:
        return loop.make()
    body, p = loop.params.body, loop.params
    own = [variable(node.op.name, node.type) for node in moved]
    outputs = replay(body.outputs, dict(zip(moved, own)))
    outside = replay(moved, dict(zip(_captured(loop), loop.captured)))
    cond = p.cond if p.cond is None else close([*p.cond.inputs, *own], p.cond.outputs)
    params = p._replace(body=close([*body.inputs, *own], outputs), cond=cond)
    return replace(loop, captured=(*loop.captured, *outside), params=params).make()


# -- what nobody needs, left out ------------------------------------------------------------------------


def _prune(graph: Graph) -> Graph:
    """Control flow without the results that nobody reads, and without what only these need."""
    used: dict[Node, set[int]] = {}
    for node in graph.nodes:
        if node.op is ITEM:
            used.setdefault(node.args[0], set()).add(cast("int", node.params[0]))
    results: dict[Node, Mapping[int, Node]] = {}

    def rule(node: Node, args: tuple[Node, ...]) -> Node:
        if node.op.kind == "control":
            new = make(node.op, args, node.params)
            results[node] = _pruned_loop(new, used[node]) if node.op is LOOP else _pruned_switch(new, used[node])
            return new
        if node.op is ITEM:
            return results[node.args[0]][cast("int", node.params[0])]
        return renewed(node, args)

    return graph.rebuild(rule)


def _pruned_switch(node: Node, used: set[int]) -> Mapping[int, Node]:
    branches, kept = subgraphs(node), sorted(used)
    read = {k for b in branches for k in _read(b.inputs, [b.outputs[r] for r in kept])}
    args = [x for k, x in enumerate(node.args[1:]) if k in read]
    smaller = tuple([close([b.inputs[k] for k in sorted(read)], [b.outputs[r] for r in kept]) for b in branches])
    index = node.args[0]
    return dict(zip(kept, items(SWITCH(index, *args, branches=smaller))))


def _read(inputs: Sequence[Node], outputs: Iterable[Node]) -> set[int]:
    """The places of the inputs that outputs depend on."""
    places = {x: k for k, x in enumerate(inputs)}
    return {places[node] for node in topological(outputs) if node in places}


def _pruned_loop(node: Node, used: set[int]) -> Mapping[int, Node]:
    """A state that an iteration leaves as it is becomes a captured value, and what is stacked twice is stacked once."""
    loop = Loop.of(node)
    p, body = loop.params, loop.params.body
    if p.whole:
        return dict(enumerate(items(node)))
    fixed = {k for k in range(p.states) if body.outputs[k] is body.inputs[1 + k]}
    stacked = sorted(k for k in used if p.states <= k < len(body.outputs))
    given = dict(zip(body.inputs[1 + p.states :][: p.xs], loop.xs))
    first = {body.outputs[k]: k for k in reversed(stacked) if body.outputs[k] not in given}
    ys = sorted(first.values())
    states = {k for k in used if k < p.states}
    tests = () if p.cond is None else _over(body.inputs, p)
    while True:
        goals = [*(body.outputs[k] for k in (*sorted(states), *ys)), *tests]
        read = _read(body.inputs, goals)
        more = {k - 1 for k in read if 1 <= k <= p.states} - states
        if not more:
            break
        states |= more
    kept = sorted(states - fixed)
    xs = [k for k in range(p.xs) if 1 + p.states + k in read]
    captured = [k for k in range(len(loop.captured)) if 1 + p.states + p.xs + k in read]
    still = sorted(states & fixed)
    places = [*(1 + k for k in kept), *(1 + p.states + k for k in xs), *(1 + k for k in still)]
    inputs = [body.inputs[k] for k in (0, *places, *(1 + p.states + p.xs + k for k in captured))]
    cond = None if p.cond is None else close([*inputs[1 : 1 + len(kept)], *inputs[1 + len(kept) + len(xs) :]], tests)
    smaller = p._replace(
        body=close(inputs, [body.outputs[k] for k in (*kept, *ys)]), cond=cond, states=len(kept), xs=len(xs)
    )
    new = Loop(
        loop.count,
        tuple(loop.init[k] for k in kept),
        tuple(loop.xs[k] for k in xs),
        (*(loop.init[k] for k in still), *(loop.captured[k] for k in captured)),
        smaller,
    )
    found = items(new.make())
    results = dict(zip((*kept, *ys), found)) | {k: loop.init[k] for k in fixed}
    results |= {k: given[y] if y in given else results[first[y]] for k in stacked for y in [body.outputs[k]]}
    return results | {len(body.outputs): found[-1]} if found else results


def _over(inputs: Sequence[Node], p: LoopParams) -> list[Node]:
    """The condition over the inputs of the body."""
    assert p.cond is not None
    return replay(p.cond.outputs, dict(zip(p.cond.inputs, (*inputs[1 : 1 + p.states], *inputs[1 + p.states + p.xs :]))))
