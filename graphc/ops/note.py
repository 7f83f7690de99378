"""Notes: what a graph says about itself, as operators whose value is one of their arguments.

    called(*operands, value)            a layer made the value of these operands; its name and attributes
    mode(training, inference)           the one while training, the other else
    surrogate(value, surrogate)         the value of the first, the derivative of the second
    headed(value, x, gradient)          the value; x gets the gradient, whatever the value's own cotangent is
    updating(value, state, new)         the value; a training step ends with the state at its new value

The first pass takes them away (`graphc.passes.notes`). Evaluated as they stand, they mean inference.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from graphc.errors import ShapeError
from graphc.node import Node, Op, Params, Sample
from graphc.ops.declare import each, offence, require_same
from graphc.ops.movement import fill
from graphc.types import Type

if TYPE_CHECKING:
    from graphc.ops.lanes import Lanes

Tangents = Sequence[Node | None]

PAIR = (Sample(((2, 3), (2, 3))), Sample(((), ())), Sample(((0,), (0,))))


def _first(*arrays: Any) -> Any:
    return arrays[0]


def _like(name: str, types: Sequence[Type], value: int, other: int) -> Type:
    """The type of the value; an error unless another argument has it too."""
    require_same(name, [types[value], types[other]])
    return types[value]


# -- what made a value ------------------------------------------------------------------------------

CALLED = Op(
    name="called",
    params=("function", "template", "index"),
    infer=lambda types, params: types[-1],  # the value stands last, so that walks meet operands in their order
    numpy=lambda *args: args[-4],  # three parameters follow
    vjp=lambda g, y, i: g if i == len(y.args) - 1 else None,
    jvp=lambda y, tangents: tangents[-1],
    batch=lambda y, args, lanes: lanes.all(y, args)[-1],  # made from more than one instance
    samples=(Sample(((4,), (2, 3)), {"function": "f", "template": "", "index": 0}),),
    kind="note",
)

# -- training or inference --------------------------------------------------------------------------


def _mode_vjp(g: Node, y: Node, i: int) -> Node:
    zero = fill(0, g.typed)
    return MODE(g, zero) if i == 0 else MODE(zero, g)


def _mode_jvp(y: Node, tangents: Tangents) -> Node:
    training, inference = (fill(0, y.typed) if t is None else t for t in tangents)
    return MODE(training, inference)


MODE = Op(
    name="mode",
    infer=lambda types, params: _like("mode", types, 0, 1),
    numpy=lambda training, inference: inference,
    vjp=_mode_vjp,
    jvp=_mode_jvp,
    batch=each,
    samples=PAIR,
    kind="note",
)

# -- derivatives that are not the value's own -------------------------------------------------------

SURROGATE = Op(
    name="surrogate",
    infer=lambda types, params: _like("surrogate", types, 0, 1),
    numpy=_first,
    vjp=lambda g, y, i: g if i == 1 else None,
    jvp=lambda y, tangents: tangents[1],
    batch=each,
    kind="note",
)

HEADED = Op(
    name="headed",
    infer=lambda types, params: _headed_type(types),
    numpy=_first,
    vjp=lambda g, y, i: y.args[2] if i == 1 else None,
    jvp=lambda y, tangents: tangents[0],
    batch=each,
    kind="note",
)


def _headed_type(types: Sequence[Type]) -> Type:
    _like("headed", types, 1, 2)
    return types[0]


# -- states -----------------------------------------------------------------------------------------


def _updating_type(types: Sequence[Type], params: Params) -> Type:
    _, state, new = types
    if state != new:
        raise ShapeError(offence("updating", f"the state is {state}, its new value {new}", "keep its shape and dtype"))
    return types[0]


def _updating_batch(y: Node, args: Sequence[Node], lanes: Lanes) -> Node:
    """The state is one for all instances: it becomes the mean of what they make of it."""
    value, state, new = args
    if state.ndim > y.args[1].ndim or (new.ndim > state.ndim and new.dtype.kind != "f"):
        raise ShapeError(offence("updating", f"{state.name} would be a state for each instance", "do not map over it"))
    return UPDATING(value, state, lanes.kept(new, state).mean(axis=0) if new.ndim > state.ndim else new)


UPDATING = Op(
    name="updating",
    infer=_updating_type,
    numpy=_first,
    vjp=lambda g, y, i: g if i == 0 else None,
    jvp=lambda y, tangents: tangents[0],
    batch=_updating_batch,
    samples=(Sample(((2, 3), (4,), (4,))),),
    kind="note",
)
