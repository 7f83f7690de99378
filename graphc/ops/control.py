"""Control flow: a choice between sub-graphs and a loop around one, nodes of several results; and the pick of a result.

    switch(index, *operands)             the results of one branch on the operands; out of range, the first or last
    loop(count?, *init, *xs, *captured)  body(i, *states, *x, *captured) gives the next states and, to be stacked, ys

A sub-graph reads nothing but its inputs: what it takes from outside is an operand. A loop runs `trip` times, an
extent, or as often as `count` says, or (a while loop) as long as cond(*states, *captured) holds. It gives the last
states, the stacked ys, and a while loop last its count. Where the trip is an extent, xs and ys are arrays with an
axis of iterations in front, else they are stacks. In reverse, iterations run from the last to the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from graphc.errors import DTypeError, ShapeError
from graphc.graph import Graph
from graphc.node import Node, Op, Params, make
from graphc.ops.declare import offence
from graphc.ops.policy import Policy, as_policy
from graphc.types import BOOL, INT64, Bundle, Extent, Stack, Type

# -- one of several results -------------------------------------------------------------------------


def _item_type(types: Sequence[Type], params: Params) -> Type:
    (bundle,), (index,) = types, cast("tuple[int]", params)
    assert isinstance(bundle, Bundle)
    return bundle.types[index]


ITEM = Op(name="item", infer=_item_type, params=("index",), kind="item")


def items(node: Node) -> list[Node]:
    """The results of a node that has several."""
    assert isinstance(node.type, Bundle)
    return [make(ITEM, (node,), (k,)) for k in range(len(node.type.types))]


# -- switch -----------------------------------------------------------------------------------------


def _switch_type(types: Sequence[Type], params: Params) -> Type:
    (index, *operands), (branches,) = types, cast("tuple[tuple[Graph, ...]]", params)
    if index.shape or index.dtype.kind not in "biu":
        raise DTypeError(offence("switch", f"{index} chooses no branch", "give an integer or a bool, without axes"))
    for branch in branches:
        _require_types("switch", operands, branch)
    results = [[y.typed for y in branch.outputs] for branch in branches]
    for number, other in enumerate(results):
        require_same_results("switch", results[0], other, number)
    return Bundle(types=tuple(results[0]))


def require_same_results(name: str, first: Sequence[Type], other: Sequence[Type], number: int) -> None:
    """Raise an error unless two branches give the same types."""
    if first != other:
        shown = [", ".join(map(str, types)) or "nothing" for types in (first, other)]
        what = f"branch 0 gives {shown[0]}, but branch {number} {shown[1]}"
        raise ShapeError(offence(name, what, "make shapes and dtypes of all branches equal"))


SWITCH = Op(name="switch", infer=_switch_type, params=("branches",), kind="control")

# -- loop -------------------------------------------------------------------------------------------


class LoopParams(NamedTuple):
    """What a loop is besides its arguments; `states` and `xs` say how many arguments are these."""

    body: Graph
    cond: Graph | None
    states: int
    xs: int
    trip: Extent | None
    reverse: bool = False
    limit: int | None = None
    checkpoint: Policy = None
    joined: bool = False  # an iteration reads and makes several elements of xs and ys
    whole: bool = False  # it computes all its results, whoever reads them: so that it rounds as another loop does


@dataclass(frozen=True)
class Loop:
    """A loop taken apart: its arguments by what they are for, and its parameters."""

    count: Node | None
    init: tuple[Node, ...]
    xs: tuple[Node, ...]
    captured: tuple[Node, ...]
    params: LoopParams

    @staticmethod
    def of(node: Node) -> Loop:
        params = LoopParams(*cast("tuple[Any, ...]", node.params))
        counted = params.trip is None and params.cond is None
        rest = node.args[counted:]
        x, c = params.states, params.states + params.xs
        return Loop(node.args[0] if counted else None, rest[:x], rest[x:c], rest[c:], params)

    @property
    def ys(self) -> int:
        """How many values are stacked."""
        return len(self.params.body.outputs) - self.params.states

    def make(self) -> Node:
        """The node."""
        count = () if self.count is None else (self.count,)
        return make(LOOP, (*count, *self.init, *self.xs, *self.captured), tuple(self.params))

    def element(self, x: Type) -> Type:
        """What one iteration reads of an argument."""
        if isinstance(x, Stack):
            return x.element
        trip, first, *others = self.params.trip, *x.shape
        return x.with_shape((first // trip, *others) if self.params.joined and trip is not None else tuple(others))

    def stacked(self, y: Type) -> Type:
        """What all iterations make of a result."""
        trip = self.params.trip
        if trip is None:
            return Stack(y.dtype, y.shape)
        return y.with_shape((trip * y.shape[0], *y.shape[1:]) if self.params.joined else (trip, *y.shape))


def iterations(node: Node) -> Node | None:
    """How many iterations a loop makes, where a node says: its last result, or what it was told; None for an extent."""
    loop = Loop.of(node)
    return items(node)[-1] if loop.params.cond is not None else loop.count


def _loop_type(types: Sequence[Type], params: Params) -> Type:
    body, cond, states, xs, trip, *_ = p = LoopParams(*cast("tuple[Any, ...]", params))
    if as_policy("loop", p.checkpoint) != p.checkpoint:
        raise DTypeError(offence("loop", f"{p.checkpoint!r:.40} is no policy", "give 'auto', a number or bytes"))
    counted = trip is None and cond is None
    if counted and types[0] != Type(INT64):
        raise DTypeError(offence("loop", f"{types[0]} counts no iterations", f"give {Type(INT64)}"))
    rest = list(types)[counted:]
    loop = Loop(None, (), (), (), p)
    init, captured = rest[:states], rest[states + xs :]
    for x in rest[states : states + xs]:
        if isinstance(x, Stack) is not (trip is None) or (trip is not None and not _is_for(x, trip, p.joined)):
            raise ShapeError(offence("loop", f"{x} has no element for each of {trip} iterations", "give one for each"))
    _require_types("loop", [Type(INT64), *init, *map(loop.element, rest[states : states + xs]), *captured], body)
    require_invariant("loop", [x.name for x in body.inputs[1:]], init, [y.typed for y in body.outputs[:states]])
    ys = [loop.stacked(y.typed) for y in body.outputs[states:]]
    if cond is None:
        return Bundle(types=(*init, *ys))
    _require_types("loop", [*init, *captured], cond)
    if [y.type for y in cond.outputs] != [Type(BOOL)]:
        shown = ", ".join(str(y.type) for y in cond.outputs)
        raise DTypeError(offence("loop", f"a condition of {shown} is no bool", "compare, or reduce by sym.any"))
    return Bundle(types=(*init, *ys, Type(INT64)))


def _is_for(x: Type, trip: Extent, joined: bool) -> bool:
    """Whether an array has elements for each of so many iterations."""
    return bool(x.shape) and x.shape[0] == (trip * (x.shape[0] // trip) if joined else trip)


def require_invariant(name: str, names: Sequence[str], before: Sequence[Type], after: Sequence[Type]) -> None:
    """Raise an error unless every state is of one type before and after an iteration."""
    for state, a, b in zip(names, before, after):
        if a != b:
            error, way_out = (ShapeError, "keep its shape") if a.shape != b.shape else (DTypeError, "cast one of them")
            raise error(offence(name, f"state {state} is {a} before an iteration and {b} after it", way_out))


def _require_types(name: str, types: Sequence[Type], graph: Graph) -> None:
    inputs = [x.typed for x in graph.inputs]
    if list(types) != inputs:
        shown = [", ".join(map(str, each)) or "nothing" for each in (types, inputs)]
        raise ShapeError(
            offence(name, f"the operands are {shown[0]}, but the sub-graph takes {shown[1]}", "match them")
        )


LOOP = Op(name="loop", infer=_loop_type, params=LoopParams._fields, kind="control")


def subgraphs(node: Node) -> tuple[Graph, ...]:
    """The graphs inside a node of control flow: the branches, or the body and then the condition."""
    if node.op is SWITCH:
        return cast("tuple[tuple[Graph, ...]]", node.params)[0]
    if node.op is LOOP:
        body, cond, *_ = cast("tuple[Any, ...]", node.params)
        return (body,) if cond is None else (body, cond)
    return ()


def inner_arguments(node: Node) -> list[tuple[Node | None, ...]]:
    """For each sub-graph, which argument of the node each of its inputs is at first; None for a loop's index."""
    if node.op is not LOOP:
        return [node.args[1:] for _ in subgraphs(node)]
    loop = Loop.of(node)
    body = (None, *loop.init, *loop.xs, *loop.captured)
    return [body] if loop.params.cond is None else [body, (*loop.init, *loop.captured)]
