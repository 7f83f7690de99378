"""Derivatives of control flow: sub-graphs are differentiated, and the loop around them runs again, or backwards.

Forward, tangents are states beside the states. In reverse, a switch takes the same branch again for its cotangents. A
loop runs once more with what the backward body needs stacked up (`keep` says what that is), then backwards over these
stacks: the cotangents of states are states, those of xs are ys, those of what is captured add up. With checkpoints it
is the same, but the stacks are marked, and a pass has them computed again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from graphc.autodiff.activity import depending
from graphc.autodiff.keep import keep
from graphc.node import Node, make, topological, variable
from graphc.ops.arithmetic import ADD
from graphc.ops.checkpoint import KEPT, is_kept
from graphc.ops.contraction import CONTRACT, contract, pairing
from graphc.ops.control import SWITCH, Loop, LoopParams, items, iterations, subgraphs
from graphc.ops.movement import TRANSPOSE, behind, fill
from graphc.sym.trace import close
from graphc.types import INT64, Stack, Type, typical

Maybe: TypeAlias = "Node | None"
Push: TypeAlias = Callable[[Sequence[Node], Sequence[tuple[Node, Node]]], list[Maybe]]
Pull: TypeAlias = Callable[[Sequence[Node], Sequence[Maybe], Sequence[Node]], Mapping[Node, Node]]


def push_control(node: Node, tangents: Sequence[Maybe], push: Push) -> list[Maybe]:
    """The tangent of each result, given that of each argument; `push` differentiates a sub-graph."""
    return _push_switch(node, tangents, push) if node.op is SWITCH else _push_loop(node, tangents, push)


def pull_control(node: Node, cotangents: Sequence[Maybe], wanted: Sequence[bool], pull: Pull) -> list[Maybe]:
    """The cotangent of each wanted argument, given that of each result; `pull` differentiates a sub-graph."""
    return (_pull_switch if node.op is SWITCH else _pull_loop)(node, cotangents, wanted, pull)


def _beside(x: Node, prefix: str) -> Node:
    """A variable for a derivative: of the type of one value of x."""
    type = x.type.element if isinstance(x.type, Stack) else x.typed
    return variable(f"{prefix}{x.name}", type)


def _or_zero(derivative: Maybe, x: Node) -> Node:
    return fill(0, x.typed) if derivative is None else derivative


# -- switch -----------------------------------------------------------------------------------------


def _push_switch(node: Node, tangents: Sequence[Maybe], push: Push) -> list[Maybe]:
    branches, given = subgraphs(node), [k for k, t in enumerate(tangents[1:]) if t is not None]
    ts = [_beside(branches[0].inputs[k], "d") for k in given]
    pushed = [push(b.outputs, [(b.inputs[k], t) for k, t in zip(given, ts)]) for b in branches]
    moved = [k for k in range(len(branches[0].outputs)) if any(found[k] is not None for found in pushed)]
    graphs = tuple(
        [close([*b.inputs, *ts], [_or_zero(p[k], b.outputs[k]) for k in moved]) for b, p in zip(branches, pushed)]
    )
    found = items(SWITCH(*node.args, *[t for t in tangents[1:] if t is not None], branches=graphs))
    return _placed(dict(zip(moved, found)), len(branches[0].outputs))


def _pull_switch(node: Node, cotangents: Sequence[Maybe], wanted: Sequence[bool], pull: Pull) -> list[Maybe]:
    branches = subgraphs(node)
    heads = [None if g is None else _beside(y, "g") for g, y in zip(cotangents, branches[0].outputs)]
    asked = [k for k in range(len(node.args) - 1) if wanted[k + 1]]
    pulled = [pull(b.outputs, heads, [b.inputs[k] for k in asked]) for b in branches]
    reached = [k for k in asked if any(b.inputs[k] in found for b, found in zip(branches, pulled))]
    graphs = tuple(
        [
            close(
                [*b.inputs, *(h for h in heads if h is not None)],
                [_or_zero(found.get(b.inputs[k]), b.inputs[k]) for k in reached],
            )
            for b, found in zip(branches, pulled)
        ]
    )
    found = items(SWITCH(*node.args, *(g for g in cotangents if g is not None), branches=graphs))
    return _placed({k + 1: g for k, g in zip(reached, found)}, len(node.args))


def _placed(found: Mapping[int, Node], count: int) -> list[Maybe]:
    return [found.get(k) for k in range(count)]


# -- loop, forward ----------------------------------------------------------------------------------


def _push_loop(node: Node, tangents: Sequence[Maybe], push: Push) -> list[Maybe]:
    loop, given = Loop.of(node), list(tangents[len(node.args) - len(Loop.of(node).params.body.inputs) + 1 :])
    p = loop.params
    inputs, outputs = p.body.inputs[1:], p.body.outputs
    ts = [_beside(x, "d") for x in inputs]
    moving = {k for k, t in enumerate(given) if t is not None}
    while True:  # a state moves if it does so before or after an iteration
        pushed = push(outputs, [(inputs[k], ts[k]) for k in sorted(moving)])
        more = {k for k in range(p.states) if pushed[k] is not None} - moving
        if not more:
            break
        moving |= more
    states, xs, captured = ([k for k in sorted(moving) if a <= k < b] for a, b in _bounds(loop))
    ys = [k for k in range(p.states, len(outputs)) if pushed[k] is not None]
    extended = _extended(
        loop,
        states=[(_or_zero(given[k], inputs[k]), ts[k], _or_zero(pushed[k], outputs[k])) for k in states],
        xs=[(_given(given[k]), ts[k]) for k in xs],
        captured=[(_given(given[k]), ts[k]) for k in captured],
        ys=[_given(pushed[k]) for k in ys],
    )
    found = items(extended)
    first_y = p.states + len(states)
    places = {k: found[p.states + n] for n, k in enumerate(states)}
    places |= {k: found[first_y + loop.ys + n] for n, k in enumerate(ys)}
    return _placed(places, len(items(node)))


def _given(node: Maybe) -> Node:
    assert node is not None
    return node


def _bounds(loop: Loop) -> list[tuple[int, int]]:
    """Where states, xs and captured values stand among a body's inputs, the index left out."""
    p = loop.params
    return [(0, p.states), (p.states, p.states + p.xs), (p.states + p.xs, len(p.body.inputs) - 1)]


def _parts(loop: Loop) -> list[tuple[Node, ...]]:
    return [loop.params.body.inputs[1:][a:b] for a, b in _bounds(loop)]


def _extended(
    loop: Loop,
    states: Sequence[tuple[Node, Node, Node]] = (),
    xs: Sequence[tuple[Node, Node]] = (),
    captured: Sequence[tuple[Node, Node]] = (),
    ys: Sequence[Node] = (),
) -> Node:
    """The same loop doing more: each part after those there already, as (argument, variable, next value)."""
    p, (s, x, c) = loop.params, _parts(loop)
    outside = [variable for _, variable in captured]
    own = [variable for _, variable, _ in states]
    inputs = [p.body.inputs[0], *s, *own, *x, *(v for _, v in xs), *c, *outside]
    outputs = [*p.body.outputs[: p.states], *(after for _, _, after in states), *p.body.outputs[p.states :], *ys]
    cond = p.cond
    if cond is not None:
        cond = close([*cond.inputs[: p.states], *own, *cond.inputs[p.states :], *outside], cond.outputs)
    params = p._replace(body=close(inputs, outputs), cond=cond, states=p.states + len(states), xs=p.xs + len(xs))
    return Loop(
        loop.count,
        (*loop.init, *(value for value, _, _ in states)),
        (*loop.xs, *(value for value, _ in xs)),
        (*loop.captured, *(value for value, _ in captured)),
        params,
    ).make()


# -- loop, in reverse ---------------------------------------------------------------------------------


def _pull_loop(node: Node, cotangents: Sequence[Maybe], wanted: Sequence[bool], pull: Pull) -> list[Maybe]:
    loop = Loop.of(node)
    p, (s, x, c), skipped = loop.params, _parts(loop), len(node.args) - len(loop.params.body.inputs) + 1
    outputs, places = p.body.outputs, {v: k + skipped for k, v in enumerate(p.body.inputs[1:])}
    active = _active(loop, {v for v, k in places.items() if wanted[k] and v.dtype.kind == "f"})
    carried = {k for k in range(p.states) if cotangents[k] is not None and s[k] in active}
    while True:  # a state carries a cotangent if it has one after or before an iteration
        heads = [
            _beside(x, "g") if (k in carried if k < p.states else cotangents[k] is not None) else None
            for k, x in enumerate((*s, *outputs[p.states :]))
        ]
        found = pull(outputs, heads, [v for v in places if v in active])
        more = {k for k in range(p.states) if s[k] in found} - carried
        if not more:
            break
        carried |= more
    gs = [(_or_zero(cotangents[k], s[k]), _given(heads[k]), _or_zero(found.get(s[k]), s[k])) for k in sorted(carried)]
    products = {v: None for v in c if v in found and _is_summed_better_after(found[v], p)}
    sums = [(v, _beside(v, "sum_")) for v in c if v in found and v not in products]
    gs += [(fill(0, v.typed), total, ADD(total, found[v])) for v, total in sums]
    stacked = [v for v in x if v in found]
    g_ys = [(_given(cotangents[k]), _given(heads[k])) for k in range(p.states, len(outputs)) if heads[k] is not None]
    factors = [factor for v in products for factor in _before_transpose(found[v]).args]
    g_xs = [KEPT(found[v]) if is_kept(node.args[places[v]]) else found[v] for v in stacked]
    results = items(_backward(node, loop, gs, g_ys, [*g_xs, *factors]))
    order = [*(s[k] for k in sorted(carried)), *(v for v, _ in sums), *stacked]
    parts = {places[v]: g for v, g in zip(order, results)}
    for v, a, b in zip(products, results[len(order) :: 2], results[len(order) + 1 :: 2]):
        parts[places[v]] = _sum_of_products(a, b, found[v])
    return _placed(parts, len(node.args))


def _before_transpose(x: Node) -> Node:
    return x.args[0] if x.op is TRANSPOSE else x


def _is_summed_better_after(x: Node, p: LoopParams) -> bool:
    """Whether it is a product of factors smaller than it: stacked, all of them are one product after the loop."""
    product = _before_transpose(x)
    sizes = [typical(x.size) for x in (product, *product.args[:2])]
    stacked = p.trip is not None and not p.checkpoint
    return product.op is CONTRACT and stacked and sizes[0] >= sizes[1] + sizes[2]


def _sum_of_products(a: Node, b: Node, x: Node) -> Node:
    """The sum of a contraction over all iterations, from stacks of its factors."""
    axes_a, axes_b, *batch = map(behind, pairing(_before_transpose(x)))
    total = contract(a, b, (0, *axes_a), (0, *axes_b), *batch)
    return make(TRANSPOSE, (total,), x.params) if x.op is TRANSPOSE else total


def _active(loop: Loop, wanted: set[Node]) -> set[Node]:
    """The inputs of the body that depend on a wanted one, in whatever iteration."""
    p, order = loop.params, topological(loop.params.body.outputs)
    active = wanted
    while True:
        below = depending(order, active)
        more = {
            v for v, y in zip(p.body.inputs[1 : p.states + 1], p.body.outputs) if y in below and v.dtype.kind == "f"
        }
        if more <= active:
            return active
        active = active | more


def _backward(
    node: Node, loop: Loop, states: list[tuple[Node, Node, Node]], xs: list[tuple[Node, Node]], ys: list[Node]
) -> Node:
    """The loop backwards, over what a loop forwards has kept for it."""
    p, (_, x, c) = loop.params, _parts(loop)
    outputs = [*(after for _, _, after in states), *ys]
    own = [variable for _, variable, _ in states]
    heads = [variable for _, variable in xs]
    kept = keep(outputs, {*own, *heads}, {p.body.inputs[0], *x}, set(c))
    stops = {*kept, *own, *heads}
    read = set(topological(outputs, stop=stops.__contains__))
    forward = _extended(loop, ys=[KEPT(v) for v in kept] if p.checkpoint else kept) if kept else node
    stacks = items(forward)[len(p.body.outputs) :][: len(kept)]
    again = [(value, v) for value, v in zip(loop.xs, x) if v in read]
    outside = [(value, v) for value, v in zip(loop.captured, c) if v in read]
    inputs = [p.body.inputs[0], *own, *heads, *kept, *(v for _, v in again), *(v for _, v in outside)]
    params = LoopParams(
        close(inputs, outputs),
        cond=None,
        states=len(states),
        xs=len(inputs) - 1 - len(own) - len(outside),
        trip=p.trip,
        reverse=not p.reverse,
        checkpoint=p.checkpoint,
    )
    values = (*(g for g, _ in xs), *stacks, *(value for value, _ in again))
    init, captured = tuple(init for init, _, _ in states), tuple(v for v, _ in outside)
    return Loop(iterations(forward), init, values, captured, params).make()


def add_stacks(a: Node, b: Node) -> Node:
    """The sum of what two loops of the same iterations stack for others, element by element: a loop itself."""
    (node,) = a.args
    loop = Loop.of(node)
    p, type = loop.params, loop.element(a.typed)
    i, x, y = variable("i", Type(INT64)), variable("x", type), variable("y", type)
    total = KEPT(ADD(x, y)) if p.checkpoint else ADD(x, y)
    params = LoopParams(close([i, x, y], [total]), None, 0, 2, p.trip, checkpoint=p.checkpoint)
    return items(Loop(iterations(node), (), (a, b), (), params).make())[0]
