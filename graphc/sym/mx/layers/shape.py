"""Layers that move elements: reshape, reorder, cut, join, pad, spread."""

from __future__ import annotations

from builtins import slice as span
from collections.abc import Sequence
from typing import Any, Literal

from graphc.errors import ShapeError
from graphc.node import Node
from graphc.ops.declare import offence
from graphc.sym import movement as np_named
from graphc.sym.axes import as_axes, as_axis
from graphc.sym.creation import arange, full
from graphc.sym.elementwise import astype
from graphc.sym.indexing import getitem
from graphc.sym.movement import concat, flip, pad
from graphc.sym.mx.attribute import SINGLE, DTypeName, Ints
from graphc.sym.mx.layer import Values, layer
from graphc.sym.mx.layers.shapes import collapsed
from graphc.types import Extent, Shape

__all__ = [
    "Cast", "Concat", "Crop", "Flatten", "Pad", "Reshape", "SliceChannel", "SwapAxis", "broadcast_axes",
    "broadcast_axis", "broadcast_like", "depth_to_space", "reshape_like", "reverse", "slice", "slice_axis",
    "slice_like", "space_to_depth",
]  # fmt: skip


# -- one shape for another --------------------------------------------------------------------------


@layer(aliases=("flatten",))
def Flatten(data: Node) -> Node:
    """The data with all axes but the first merged."""
    return collapsed(data, 1)


@layer(aliases=("reshape",))
def Reshape(
    data: Node, *, shape: Ints = (), reverse: bool = False, target_shape: Ints = (), keep_highest: bool = False
) -> Node:
    """The data with another shape, whose numbers below 1 mean something.

    0 keeps the extent of the axis, −1 stands for what the others leave, −2 keeps all axes that are left, −3 merges
    two, −4 parts one into the two numbers that follow, of which one may be −1. With `reverse` they are read from the
    right. `target_shape` and `keep_highest` are older: there, 0 stands for what the others leave.

    >>> from graphc import sym
    >>> Reshape(sym.var('x', shape=('n', 3, 4)), shape=(0, -3)).shape
    (n, 12)
    """
    if not shape and target_shape:
        wanted: list[Any] = [-1 if n == 0 else n for n in target_shape]
        return np_named.reshape(data, [data.shape[0], *wanted[1:]] if keep_highest else wanted)
    codes = [n or 0 for n in shape]
    found = _decoded(data, codes[::-1], data.shape[::-1])[::-1] if reverse else _decoded(data, codes, data.shape)
    return np_named.reshape(data, found)


def _decoded(x: Node, codes: Sequence[int], extents: Sequence[Extent]) -> list[Any]:
    """A shape of extents and at most one −1."""
    rest, found = list(extents), list[Any]()
    asked = list(codes)

    def taken(count: int) -> list[Extent]:
        if len(rest) < count:
            what = f"shape={tuple(codes)} asks for more axes than {x.type} has"
            raise ShapeError(offence("Reshape", what, "drop some"))
        return [rest.pop(0) for _ in range(count)]

    while asked:
        match asked.pop(0):
            case 0:
                found += taken(1)
            case -2:
                found += taken(len(rest))
            case -3:
                n, m = taken(2)
                found.append(n * m)
            case -4:
                (n,) = taken(1)
                found += _parted(x, n, [asked.pop(0) for _ in range(min(2, len(asked)))])
            case code if code >= -1:
                found.append(code)
                del rest[:1]
            case code:
                raise ShapeError(offence("Reshape", f"{code} in shape={tuple(codes)} means nothing", "take 0 to -4"))
    return found


def _parted(x: Node, extent: Extent, parts: Sequence[int]) -> list[Extent]:
    """An extent as the product of two, one of which may be −1."""
    known = [n for n in parts if n > 0]
    if len(parts) == 2 and len(known) == 2 and known[0] * known[1] == extent:
        return list(known)
    if len(parts) == 2 and len(known) == 1 and -1 in parts and extent // known[0] * known[0] == extent:
        other = extent // known[0]
        return [other if n == -1 else n for n in parts]
    raise ShapeError(offence("Reshape", f"-4 does not part {extent} of {x.type} into {list(parts)}", "give divisors"))


@layer()
def reshape_like(lhs: Node, rhs: Node) -> Node:
    """The left operand in the shape of the right one."""
    return np_named.reshape(lhs, rhs.shape)


@layer(name="expand_dims")
def _expand_dims(data: Node, *, axis: int) -> Node:
    """A new axis of extent 1."""
    return np_named.expand_dims(data, axis)


@layer(name="squeeze")
def _squeeze(data: Node, *, axis: Ints | None = None) -> Node:
    """Without axes of extent 1; without these, or all."""
    return np_named.squeeze(data, axis)  # type: ignore[arg-type]


@layer(aliases=("cast", "amp_cast"))
def Cast(data: Node, *, dtype: DTypeName) -> Node:
    """The data in another dtype."""
    return astype(data, dtype)


# -- order ------------------------------------------------------------------------------------------


@layer(name="transpose")
def _transpose(data: Node, *, axes: Ints = ()) -> Node:
    """The axes in this order; reversed, if none is given."""
    return np_named.transpose(data, axes or None)  # type: ignore[arg-type]


@layer(aliases=("swapaxes",))
def SwapAxis(data: Node, *, dim1: int = 0, dim2: int = 0) -> Node:
    """Two axes exchanged."""
    return np_named.swapaxes(data, dim1, dim2)


@layer(aliases=("flip",))
def reverse(data: Node, *, axis: Ints) -> Node:
    """The order of elements reversed along these axes."""
    return flip(data, axis)  # type: ignore[arg-type]


@layer()
def depth_to_space(data: Node, *, block_size: int) -> Node:
    """Images with blocks of places in the stead of channels: `[batch, channels, height, width]`."""
    n, c, h, w = _image("depth_to_space", data)
    k = block_size
    blocks = np_named.reshape(data, (n, k, k, _divided("depth_to_space", data, c, k * k), h, w))
    return np_named.reshape(np_named.transpose(blocks, (0, 3, 4, 1, 5, 2)), (n, c // (k * k), h * k, w * k))


@layer()
def space_to_depth(data: Node, *, block_size: int) -> Node:
    """Images with channels in the stead of blocks of places: the inverse of `depth_to_space`."""
    n, c, h, w = _image("space_to_depth", data)
    k = block_size
    rows, columns = (_divided("space_to_depth", data, extent, k) for extent in (h, w))
    blocks = np_named.reshape(data, (n, c, rows, k, columns, k))
    return np_named.reshape(np_named.transpose(blocks, (0, 3, 5, 1, 2, 4)), (n, c * k * k, rows, columns))


def _image(name: str, x: Node) -> Shape:
    if x.ndim != 4:
        raise ShapeError(offence(name, f"{x.type} is no image", "give [batch, channels, height, width]"))
    return x.shape


def _divided(name: str, x: Node, extent: Extent, parts: int) -> Extent:
    if parts < 1 or extent // parts * parts != extent:
        raise ShapeError(offence(name, f"{extent} of {x.type} is no multiple of {parts}", "take another block_size"))
    return extent // parts


# -- cut --------------------------------------------------------------------------------------------


@layer(aliases=("crop",))
def slice(data: Node, *, begin: Ints, end: Ints, step: Ints = ()) -> Node:
    """The elements from `begin` up to `end` by `step` along the first axes; None leaves a side as it is."""
    steps = step or (None,) * len(begin)
    if not len(begin) == len(end) == len(steps) <= data.ndim:
        what = f"begin={begin}, end={end} and step={step} of {data.type}"
        raise ShapeError(offence("slice", what, "give as many of each, and no more than there are axes"))
    return getitem(data, tuple([span(*bounds) for bounds in zip(begin, end, steps)]))


@layer()
def slice_axis(data: Node, *, axis: int, begin: int, end: int | None) -> Node:
    """The elements from `begin` up to `end` along an axis; None is its end."""
    return _cut(data, as_axis("slice_axis", axis, data.typed), begin, end)


def _cut(x: Node, axis: int, begin: Extent | None, end: Extent | None) -> Node:
    return getitem(x, (*[span(None)] * axis, span(begin, end)))


@layer()
def slice_like(data: Node, shape_like: Node, *, axes: Ints = ()) -> Node:
    """The first elements along these axes, or all, as many as the other operand has."""
    for axis in as_axes("slice_like", axes or None, data.typed):  # type: ignore[arg-type]
        data = _cut(data, axis, None, shape_like.shape[axis])
    return data


def _parts(a: Values) -> tuple[str, ...]:
    return tuple([f"output{k}" for k in range(a["num_outputs"])])


@layer(aliases=("split",), outputs=_parts)
def SliceChannel(data: Node, *, num_outputs: int, axis: int = 1, squeeze_axis: bool = False) -> tuple[Node, ...]:
    """Equal parts along an axis, which goes away with `squeeze_axis` if it has as many elements."""
    parts = np_named.split(data, num_outputs, axis)
    return tuple([np_named.squeeze(part, axis) if squeeze_axis else part for part in parts])


@layer()
def Crop(*args: Node, offset: Ints = (0, 0), h_w: Ints = (0, 0), center_crop: bool = False) -> Node:
    """A part of images `[batch, channels, height, width]`: of the size `h_w`, or that of a second operand."""
    data = args[0]
    sizes = args[1].shape[2:] if len(args) == 2 else h_w
    if data.ndim != 4 or len(args) > 2 or len(sizes) != 2 or not sizes[0] or not sizes[1]:
        raise ShapeError(offence("Crop", f"{data.type} with h_w={h_w}", "give images, and a size or a second operand"))
    for axis, size, start in zip((2, 3), sizes, offset):
        begin: Any = (data.shape[axis] - size) // 2 if center_crop else start  # type: ignore[operator]
        data = _cut(data, axis, begin, begin + size)
    return data


# -- join and spread --------------------------------------------------------------------------------


@layer(aliases=("concat", "_rnn_param_concat"))
def Concat(*args: Node, dim: int = 1) -> Node:
    """Operands joined along an axis that all have."""
    return concat(args, dim)


@layer(name="stack")
def _stack(*args: Node, axis: int = 0) -> Node:
    """Operands of one shape joined along a new axis."""
    return np_named.stack(args, axis)


@layer(name="tile")
def _tile(data: Node, *, reps: Ints) -> Node:
    """The data repeated whole along its last axes."""
    return np_named.tile(data, reps)  # type: ignore[arg-type]


@layer(name="repeat")
def _repeat(data: Node, *, repeats: int, axis: int | None = None) -> Node:
    """Every element repeated along an axis; flattened first, if the axis is None."""
    return np_named.repeat(data, repeats, axis)


@layer(name="broadcast_to")
def _broadcast_to(data: Node, *, shape: Ints) -> Node:
    """Axes of extent 1 stretched to this shape, where 0 keeps an extent."""
    wanted = [n or own for n, own in zip(shape, data.shape)] if len(shape) == data.ndim else shape
    return np_named.broadcast_to(data, wanted)  # type: ignore[arg-type]


@layer(aliases=("broadcast_axes",))
def broadcast_axis(data: Node, *, axis: Ints = (), size: Ints = ()) -> Node:
    """Axes of extent 1 stretched to these sizes."""
    sizes = dict(zip(as_axes("broadcast_axis", axis, data.typed), size))  # type: ignore[arg-type]
    return np_named.broadcast_to(data, [sizes.get(k, n) for k, n in enumerate(data.shape)])  # type: ignore[arg-type]


broadcast_axes = broadcast_axis


@layer()
def broadcast_like(lhs: Node, rhs: Node, *, lhs_axes: Ints | None = None, rhs_axes: Ints | None = None) -> Node:
    """The left operand stretched to the shape of the right one, or along some of its axes to some of that."""
    if lhs_axes is None or rhs_axes is None:
        return np_named.broadcast_to(lhs, rhs.shape)
    mine, other = (as_axes("broadcast_like", axes, x.typed) for axes, x in ((lhs_axes, lhs), (rhs_axes, rhs)))  # type: ignore[arg-type]
    sizes = {k: rhs.shape[i] for k, i in zip(mine, other)}
    return np_named.broadcast_to(lhs, [sizes.get(k, n) for k, n in enumerate(lhs.shape)])


# -- pad --------------------------------------------------------------------------------------------


@layer(aliases=("pad",))
def Pad(
    data: Node, *, mode: Literal["constant", "edge", "reflect"], pad_width: Ints, constant_value: float = 0.0
) -> Node:
    """Elements put before and after along each axis: a number, the outermost ones again, or the data mirrored.

    `pad_width` counts them one after the other: before and after the first axis, before and after the second, ….
    """
    widths = [n or 0 for n in pad_width]
    if len(widths) != 2 * data.ndim:
        what = f"pad_width={pad_width} for {data.type}"
        raise ShapeError(offence("Pad", what, f"give {2 * data.ndim} counts, two for each axis"))
    pairs = list(zip(widths[::2], widths[1::2]))
    if mode == "constant":
        return pad(data, pairs, constant_values=constant_value)
    for axis, (low, high) in enumerate(pairs):
        data = concat(_continued(data, axis, low, high, mode), axis) if low or high else data
    return data


def _continued(x: Node, axis: int, low: int, high: int, mode: str) -> list[Node]:
    """x between what stands before and after it along an axis."""
    last = x.shape[axis] - 1
    if mode == "edge":
        sides = [np_named.repeat(_cut(x, axis, k, k + 1), n, axis) for k, n in ((0, low), (last, high)) if n]
    else:
        ends = [(1, low + 1)] * (low > 0) + [(last - high, last)] * (high > 0)
        sides = [flip(_cut(x, axis, a, b), axis) for a, b in ends]
    return [*sides[: low > 0], x, *sides[low > 0 :]]


# -- from nothing -----------------------------------------------------------------------------------


@layer(name="_zeros")
def _zeros(*, shape: Ints, dtype: DTypeName = SINGLE) -> Node:
    """Zeros."""
    return full(shape, 0, dtype)  # type: ignore[arg-type]


@layer(name="_ones")
def _ones(*, shape: Ints, dtype: DTypeName = SINGLE) -> Node:
    """Ones."""
    return full(shape, 1, dtype)  # type: ignore[arg-type]


@layer(name="_full")
def _full(*, shape: Ints, value: float, dtype: DTypeName = SINGLE) -> Node:
    """One number everywhere."""
    return full(shape, value, dtype)  # type: ignore[arg-type]


@layer(name="_arange")
def _arange(
    *,
    start: float = 0.0,
    stop: float | None = None,
    step: float = 1.0,
    repeat: int = 1,
    dtype: DTypeName = SINGLE,
) -> Node:
    """Numbers from start up to stop, each repeated."""
    first, end = (0.0, start) if stop is None else (start, stop)
    return np_named.repeat(arange(first, end, step, dtype), repeat)
