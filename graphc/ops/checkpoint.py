"""What a loop with checkpoints stacks for other loops: it is marked, so that a pass may have it computed again."""

from __future__ import annotations

from graphc.node import Node, Op, Sample
from graphc.ops.control import ITEM, LOOP, Loop
from graphc.ops.declare import SHAPES, each

# A value of a loop's body, as it is
KEPT = Op(
    name="kept",
    infer=lambda types, params: types[0],
    numpy=lambda x: x,
    element=lambda e, x: x,
    vjp=lambda g, y, i: g,
    jvp=lambda y, tangents: None if tangents[0] is None else KEPT(tangents[0]),
    batch=each,
    samples=tuple([Sample((shape,), {}, ((-3, 3),)) for shape in SHAPES]),
    kind="elementwise",
)


def is_kept(item: Node) -> bool:
    """Whether a result of a loop is a stack that is there only for other loops."""
    if item.op is not ITEM or item.args[0].op is not LOOP:
        return False
    outputs, (k,) = Loop.of(item.args[0]).params.body.outputs, item.params
    return isinstance(k, int) and k < len(outputs) and outputs[k].op is KEPT
