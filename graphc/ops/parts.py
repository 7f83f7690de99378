"""Parts: a slice, and what puts slices into something larger: pad and concat, whose derivatives they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np

from graphc.errors import DTypeError, ShapeError
from graphc.node import Node, Op, Params, Sample, constant, make
from graphc.ops.declare import offence
from graphc.ops.logic import WHERE
from graphc.ops.movement import Array, Axes, Index, Read, Tangents, behind, fill, moved, movement
from graphc.ops.scalar import Guard, Guards, inside
from graphc.types import Extent, Shape, Type

if TYPE_CHECKING:
    from graphc.ops.lanes import Lanes

Padding: TypeAlias = tuple[Index, Index, Axes, float]

# -- slice ------------------------------------------------------------------------------------------


def _slice_type(x: Type, starts: Index, extents: Shape, steps: Axes) -> Type:
    for axis, (n, start, extent, step) in enumerate(zip(x.shape, starts, extents, steps, strict=True)):
        last = start + step * (extent - 1)
        if step < 1 or any(isinstance(e, int) and e < 0 for e in (start, extent, n - start, extent and n - 1 - last)):
            what = f"{extent} elements from {start} in steps of {step} leave axis {axis} of {x}"
            raise ShapeError(offence("slice", what, "keep within the axis"))
    return x.with_shape(extents)


def _slice_source(index: Index, x: Type, starts: Index, extents: Shape, steps: Axes) -> Index:
    return tuple(start + step * i for i, start, step in zip(index, starts, steps))


def _slice_vjp(g: Node, x: Type, starts: Index, extents: Shape, steps: Axes) -> Node:
    # step*extent - (step - 1) elements lie from the first to the last that was read; see `_pad_type` for none
    high = tuple(n - a - (k * e - (k - 1)) for n, a, e, k in zip(x.shape, starts, extents, steps))
    return PAD(g, low=starts, high=high, interior=tuple(k - 1 for k in steps), value=0)


def _slice_numpy(x: Array, starts: Axes, extents: Axes, steps: Axes) -> Array:
    return x[tuple(slice(a, a + k * n, k) for a, n, k in zip(starts, extents, steps))]


SLICE = movement(
    "slice",
    ("starts", "extents", "steps"),  # element i along an axis is element start + step*i; steps are positive
    infer=_slice_type,
    source=_slice_source,
    vjp=_slice_vjp,
    batch=lambda x, starts, extents, steps: ((0, *starts), (x.shape[0], *extents), (1, *steps)),
    numpy=_slice_numpy,
    samples=(
        Sample(((5,),), {"starts": (1,), "extents": (3,), "steps": (1,)}),
        Sample(((7, 4),), {"starts": (1, 0), "extents": (3, 2), "steps": (2, 3)}),
        Sample(((3, 4),), {"starts": (3, 1), "extents": (0, 2), "steps": (1, 1)}),
        Sample(((4,),), {"starts": (0,), "extents": (0,), "steps": (3,)}),
    ),
)


def part(x: Node, axis: int, start: Extent, extent: Extent) -> Node:
    """A run of elements along one axis."""
    starts = tuple(start if k == axis else 0 for k in range(x.ndim))
    extents = tuple(extent if k == axis else n for k, n in enumerate(x.shape))
    return SLICE(x, starts=starts, extents=extents, steps=(1,) * x.ndim)


# -- pad --------------------------------------------------------------------------------------------


def _pad_type(x: Type, low: Index, high: Index, interior: Axes, value: float) -> Type:
    """Between neighbours go `interior` elements. An empty axis has -1 gaps: so `pad` undoes `slice` for every n."""
    return x.with_shape(tuple(a + n + k * (n - 1) + b for n, a, b, k in zip(x.shape, low, high, interior, strict=True)))


def _pad_source(index: Index, x: Type, low: Index, high: Index, interior: Axes, value: float) -> Index:
    return tuple((i - a) // (k + 1) if k else i - a for i, a, k in zip(index, low, interior))


def _pad_guards(index: Index, x: Type, low: Index, high: Index, interior: Axes, value: float) -> Guards:
    """Where an element is the argument's: its place is within, and no gap lies there."""
    guards: list[Guard] = []
    for i, q, n, a, b, k in zip(index, _pad_source(index, x, low, high, interior, value), x.shape, low, high, interior):
        guards += [(q, 0, n)] if (a, b, k) != (0, 0, 0) else []
        guards += [(i - a - q * (k + 1), 0, 1)] if k else []
    return tuple(guards)


def _pad_pull(read: Read, y: Node, index: Index) -> Node:
    x, padding = y.args[0].typed, cast("Padding", y.params)
    guards = _pad_guards(index, x, *padding)
    element = read(0, _pad_source(index, x, *padding), guards)
    return WHERE(inside(guards), element, constant(padding[-1], y.dtype)) if guards else element


def _pad_vjp(g: Node, x: Type, low: Index, high: Index, interior: Axes, value: float) -> Node:
    return SLICE(g, starts=low, extents=x.shape, steps=tuple(k + 1 for k in interior))


def _pad_jvp(y: Node, tangents: Tangents) -> Node | None:
    (t,) = tangents
    return None if t is None else make(PAD, (t,), (*y.params[:-1], 0))


def _pad_numpy(x: Array, low: Axes, high: Axes, interior: Axes, value: float) -> Array:
    padded = np.full(_pad_type(Type(x.dtype, x.shape), low, high, interior, value).shape, value, x.dtype)  # type: ignore[arg-type]
    padded[tuple(slice(a, a + (k + 1) * n, k + 1) for a, n, k in zip(low, x.shape, interior))] = x
    return padded


PAD = replace(
    movement(
        "pad",
        ("low", "high", "interior", "value"),
        infer=_pad_type,
        source=_pad_source,
        vjp=_pad_vjp,
        batch=lambda x, low, high, interior, value: ((0, *low), (0, *high), (0, *interior), value),
        numpy=_pad_numpy,
        samples=(
            Sample(((3,),), {"low": (1,), "high": (2,), "interior": (0,), "value": 0}),
            Sample(((2, 3),), {"low": (0, 1), "high": (1, 0), "interior": (1, 2), "value": 2}),
            Sample(((0, 2),), {"low": (2, 0), "high": (1, 0), "interior": (0, 0), "value": 1}),
        ),
    ),
    jvp=_pad_jvp,
    pull=_pad_pull,
)


# -- concat -----------------------------------------------------------------------------------------


def _concat_type(types: Sequence[Type], params: Params) -> Type:
    (axis,) = cast("Axes", params)
    first, *others = types
    for other in others:
        if other.dtype != first.dtype:
            raise DTypeError(offence("concat", f"{first} and {other} differ in dtype", "cast one of them"))
        if other.ndim != first.ndim or _beside(other, axis) != _beside(first, axis):
            what = f"{first} and {other} differ beside axis {axis}"
            raise ShapeError(offence("concat", what, "reshape, slice or pad one of them"))
    total = sum((other.shape[axis] for other in others), first.shape[axis])
    return first.with_shape((*first.shape[:axis], total, *first.shape[axis + 1 :]))


def _beside(x: Type, axis: int) -> Shape:
    """The extents of all axes but one."""
    return x.shape[:axis] + x.shape[axis + 1 :]


def _concat_runs(y: Node) -> list[tuple[Extent, Extent]]:
    """The first place and the extent of each argument along the axis."""
    (axis,) = cast("Axes", y.params)
    extents = [x.shape[axis] for x in y.args]
    return list(zip(accumulate(extents, initial=0), extents))


def _concat_vjp(g: Node, y: Node, i: int) -> Node:
    (axis,) = cast("Axes", y.params)
    return moved(lambda g: part(g, axis, *_concat_runs(y)[i]), g)


def _concat_jvp(y: Node, tangents: Tangents) -> Node | None:
    if all(t is None for t in tangents):
        return None
    return make(CONCAT, tuple(fill(0, x.typed) if t is None else t for x, t in zip(y.args, tangents)), y.params)


def _concat_batch(y: Node, args: Sequence[Node], lanes: Lanes) -> Node:
    return make(CONCAT, tuple(lanes.all(y, args)), behind(cast("Axes", y.params)))


def _concat_pull(read: Read, y: Node, index: Index) -> Node:
    (axis,) = cast("Axes", y.params)
    pieces: list[tuple[Guards, Node]] = []
    for i, (start, extent) in enumerate(_concat_runs(y)):
        place = index[axis] - start
        guards = ((place, 0, extent),)
        pieces.append((guards, read(i, (*index[:axis], place, *index[axis + 1 :]), guards)))
    *others, (_, element) = pieces
    for guards, own in reversed(others):
        element = WHERE(inside(guards), own, element)
    return element


def _concat_numpy(*operands: Any) -> Array:
    *arrays, axis = operands
    return np.concatenate(arrays, axis)


CONCAT = Op(
    name="concat",
    params=("axis",),
    infer=_concat_type,
    vjp=_concat_vjp,
    jvp=_concat_jvp,
    batch=_concat_batch,
    pull=_concat_pull,
    numpy=_concat_numpy,
    samples=(
        Sample(((2,), (3,)), {"axis": 0}),
        Sample(((2, 1, 3), (2, 4, 3), (2, 0, 3)), {"axis": 1}),
        Sample(((4,),), {"axis": 0}),
    ),
)
