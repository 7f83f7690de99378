"""Loops of traced functions: the nodes they become, recorded while their operands have no type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, SupportsIndex

from graphc.errors import DTypeError, ShapeError
from graphc.node import Node
from graphc.ops.control import ITEM, LOOP, LoopParams, require_invariant
from graphc.ops.declare import offence
from graphc.ops.policy import Policy
from graphc.sym.promote import as_node
from graphc.sym.record import public
from graphc.sym.trace import Traced, close
from graphc.sym.weak import Number, state_types
from graphc.types import INT64, Extent, Type, as_shape

# -- what users say of a loop -------------------------------------------------------------------------


def as_length(name: str, length: Any) -> Extent | None:
    """How many iterations a loop has; None leaves it to what it runs along."""
    try:
        return None if length is None else as_shape((length,))[0]
    except (ShapeError, TypeError):
        what = f"length={length!r:.40} is no number of iterations"
        way_out = "give a whole number, 0 or more, or an extent; fori_loop takes nodes"
        raise ShapeError(offence(name, what, way_out)) from None


def as_limit(name: str, limit: Any) -> int | None:
    """The greatest number of iterations; None for any."""
    if limit is None:
        return None
    if isinstance(limit, SupportsIndex) and (number := limit.__index__()) >= 0:
        return number
    what = f"max_iterations={limit!r:.40} is no number of iterations"
    raise ShapeError(offence(name, what, "give a whole number, 0 or more, or None"))


@public
def as_bound(name: str, x: Node) -> Node:
    """Where a loop starts or ends, as a node of which others can be subtracted."""
    if x.shape or x.dtype.kind not in "iu":
        raise DTypeError(offence(name, f"a bound is {x.type}", "give integers, without axes"))
    return x.astype(INT64)


# -- what they are recorded as ------------------------------------------------------------------------


def element(name: str, x: Node) -> Type | None:
    """The type of one element along the first axis, if it is known."""
    if x.type is None:
        return None
    if not x.shape:
        raise ShapeError(offence(name, f"xs holds a scalar, {x.name}", "give what has an axis to run along"))
    return x.type.with_shape(x.shape[1:])


def _results(name: str, *args: Any) -> list[int]:
    body = next(arg for arg in reversed(args) if isinstance(arg, Traced))
    return [*range(len(body.outputs))]


@public(outputs=_results)
def run_while(
    name: str,
    condition: Traced,
    read: Sequence[Node],
    body: Traced,
    captured: Sequence[Node],
    states: Sequence[Node | Number],
    limit: int | None,
    checkpoint: Policy = None,
) -> list[Node]:
    """A loop as long as a condition holds."""
    types = state_types(name, body, captured, states, [])
    shared = list(dict.fromkeys([*read, *captured]))
    test = condition.retyped(types, read)
    graph = close([*test.bound, *shared], [as_node(name, y) for y in test.outputs])
    return _loop(
        name, body, captured, shared, (), states, (), {"cond": graph, "limit": limit, "checkpoint": checkpoint}
    )


@public(outputs=_results)
def run_count(
    name: str,
    body: Traced,
    captured: Sequence[Node],
    states: Sequence[Node | Number],
    count: Node,
    checkpoint: Policy = None,
) -> list[Node]:
    """A loop of as many iterations as a node says."""
    return _loop(name, body, captured, captured, (count,), states, (), {"checkpoint": checkpoint})


@public(outputs=_results)
def run_scan(
    name: str,
    body: Traced,
    captured: Sequence[Node],
    states: Sequence[Node | Number],
    xs: Sequence[Node],
    length: Any,
    reverse: bool,
    checkpoint: Policy = None,
) -> list[Node]:
    """A loop over the first axis of arrays."""
    trip: Extent = xs[0].shape[0] if length is None else length
    for x in xs:
        element(name, x)
        if x.shape[0] != trip:
            what = f"xs are of different lengths, {trip} and {x.shape[0]}"
            raise ShapeError(offence(name, what, "give as many of each"))
    more = {"trip": trip, "reverse": reverse, "checkpoint": checkpoint}
    return _loop(name, body, captured, captured, (), states, xs, more)


def _loop(
    name: str,
    body: Traced,
    captured: Sequence[Node],
    shared: Sequence[Node],
    count: Sequence[Node],
    states: Sequence[Node | Number],
    xs: Sequence[Node],
    more: dict[str, Any],
) -> list[Node]:
    """The loop's results, its counting left out."""
    elements = [x.typed.with_shape(x.shape[1:]) for x in xs]
    types = state_types(name, body, captured, states, elements)
    step = body.retyped([Type(INT64), *types, *elements], captured)
    after = [as_node(name, y, None if isinstance(y, Node) else type.dtype) for y, type in zip(step.outputs, types)]
    require_invariant(name, [x.name for x in step.bound[1:]], types, [y.typed for y in after])
    ys = [as_node(name, y) for y in step.outputs[len(types) :]]
    params = LoopParams(
        close([*step.bound, *shared], [*after, *ys]),
        **({"cond": None, "trip": None} | more),  # type: ignore[arg-type]
        states=len(types),
        xs=len(xs),
    )
    init = [x if isinstance(x, Node) else as_node(name, x, type.dtype) for x, type in zip(states, types)]
    node = LOOP(*count, *init, *xs, *shared, **params._asdict())
    return [ITEM(node, index=k) for k in range(len(step.outputs))]
