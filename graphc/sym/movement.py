"""Moving elements without computing: reshape, transpose, expand, flip, pad, join and part, by NumPy's names."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from math import copysign
from operator import index
from typing import Any, SupportsIndex, TypeAlias, cast

import numpy as np

from graphc.errors import DTypeError, ShapeError
from graphc.node import Node
from graphc.ops.declare import offence
from graphc.ops.movement import EXPAND, FLIP, RESHAPE, permuted
from graphc.ops.parts import CONCAT, PAD, part
from graphc.sym.axes import AxisLike, as_axes, as_axis
from graphc.sym.promote import ArrayLike, as_node, broadcast_node, common_shape, promote
from graphc.sym.record import public
from graphc.types import Dim, DType, Extent, Shape, Type, as_shape, product

__all__ = [
    "broadcast_to", "expand_dims", "squeeze", "reshape", "ravel", "flatten", "transpose", "permute_dims",
    "matrix_transpose", "swapaxes", "moveaxis", "flip", "pad", "concat", "concatenate", "stack", "split", "tile",
    "repeat",
]  # fmt: skip

ShapeLike: TypeAlias = "Extent | str | SupportsIndex | Sequence[Extent | str | SupportsIndex]"


# -- shape ------------------------------------------------------------------------------------------


@public
def broadcast_to(x: ArrayLike, shape: ShapeLike) -> Node:
    """x stretched to a shape: axes of extent 1, and new ones in front.

    An extent known only when data is bound is equal or an error; it is never taken for 1.
    """
    node, wanted = as_node("broadcast_to", x), as_shape(shape)
    if common_shape("broadcast_to", [node.typed, Type(node.dtype, wanted)]) != wanted:
        raise ShapeError(offence("broadcast_to", f"{node.type} does not stretch to {wanted}", "only 1 stretches"))
    return broadcast_node(node, wanted)


@public(method=True)
def reshape(x: ArrayLike, shape: ShapeLike, *more: Extent | str) -> Node:
    """x with another shape of equal size, its elements in row-major order.

    One extent may be -1: what the others leave. Named and computed extents are allowed where the size is
    equal, or divides exactly, whatever their values: `reshape(x, ('n', -1))`.
    """
    node = as_node("reshape", x)
    given = [shape, *more] if more or isinstance(shape, (str, Dim, SupportsIndex)) else list(shape)
    return reshaped(node, _fill_in(node, [_minus_one(extent) for extent in given]))


def _minus_one(extent: Any) -> Extent | None:
    """An extent, or None for -1."""
    return None if isinstance(extent, SupportsIndex) and index(extent) == -1 else as_shape(extent)[0]


def _fill_in(x: Node, extents: Sequence[Extent | None]) -> Shape:
    known = product(extent for extent in extents if extent is not None)
    if extents.count(None) == 0:
        return cast(Shape, tuple(extents))
    rest = x.size // known if known != 0 else 0
    if extents.count(None) > 1 or known == 0 or rest * known != x.size:
        shown = ", ".join("-1" if extent is None else str(extent) for extent in extents)
        way_out = "give one -1, beside extents whose product divides the size"
        raise ShapeError(offence("reshape", f"{x.type} does not divide into ({shown})", way_out))
    return tuple(rest if extent is None else extent for extent in extents)


def reshaped(x: Node, shape: Shape) -> Node:
    """The node of a reshape: none for the same shape, and one for several in a row."""
    while x.op is RESHAPE and x.shape != shape:
        (x,) = x.args
    return x if x.shape == shape else RESHAPE(x, shape=shape)


@public(method=True)
def ravel(x: ArrayLike) -> Node:
    """x as one axis, in row-major order."""
    node = as_node("ravel", x)
    return reshaped(node, (node.size,))


@public(method=True)
def flatten(x: ArrayLike) -> Node:
    """x as one axis, in row-major order: the method's other name for `ravel`."""
    return ravel(x)


@public
def expand_dims(x: ArrayLike, axis: AxisLike = 0) -> Node:
    """x with new axes of extent 1, at these places of the result."""
    node = as_node("expand_dims", x)
    count = len(axis) if isinstance(axis, Sequence) else 1
    new, kept = as_axes("expand_dims", axis, node.ndim + count), iter(node.shape)
    return reshaped(node, tuple(1 if k in new else next(kept) for k in range(node.ndim + count)))


@public(method=True)
def squeeze(x: ArrayLike, axis: AxisLike = None) -> Node:
    """x without axes of extent 1: those given, or all whose extent is known to be 1."""
    node = as_node("squeeze", x)
    ones = tuple(k for k, n in enumerate(node.shape) if n == 1)
    dropped = ones if axis is None else as_axes("squeeze", axis, node.typed)
    for k in dropped:
        if node.shape[k] != 1:
            raise ShapeError(offence("squeeze", f"axis {k} of {node.type} is not of extent 1", "index it instead"))
    return reshaped(node, tuple(n for k, n in enumerate(node.shape) if k not in dropped))


# -- order ------------------------------------------------------------------------------------------


def one_axis(name: str, x: Node, axis: SupportsIndex | None) -> tuple[Node, int]:
    """x and one of its axes, counted from the front; x as one row, and its only axis, if none is given."""
    return (ravel(x), 0) if axis is None else (x, as_axis(name, axis, x.typed))


@public(method=True)
def transpose(x: ArrayLike, axes: AxisLike = None, *more: SupportsIndex) -> Node:
    """x with its axes in this order; reversed, if none is given."""
    node = as_node("transpose", x)
    if axes is None:
        return permuted(node, tuple(reversed(range(node.ndim))))
    return permuted(node, as_axes("transpose", (cast(SupportsIndex, axes), *more) if more else axes, node.typed))


permute_dims = transpose


@public
def matrix_transpose(x: ArrayLike) -> Node:
    """x with its last two axes swapped."""
    return swapaxes(x, -1, -2)


@public(method=True)
def swapaxes(x: ArrayLike, axis1: SupportsIndex, axis2: SupportsIndex) -> Node:
    """x with two axes exchanged."""
    node = as_node("swapaxes", x)
    i, k = as_axis("swapaxes", axis1, node.typed), as_axis("swapaxes", axis2, node.typed)
    return permuted(node, tuple({i: k, k: i}.get(axis, axis) for axis in range(node.ndim)))


@public
def moveaxis(x: ArrayLike, source: AxisLike, destination: AxisLike) -> Node:
    """x with axes moved to new places; the others keep their order."""
    node = as_node("moveaxis", x)
    old, new = as_axes("moveaxis", source, node.typed), as_axes("moveaxis", destination, node.typed)
    if len(old) != len(new):
        raise ShapeError(offence("moveaxis", f"{len(old)} axes to {len(new)} places", "give as many of both"))
    moved, others = dict(zip(new, old)), iter(k for k in range(node.ndim) if k not in old)
    return permuted(node, tuple(moved[k] if k in moved else next(others) for k in range(node.ndim)))


@public
def flip(x: ArrayLike, axis: AxisLike = None) -> Node:
    """x with the order of elements reversed along these axes, or all."""
    node = as_node("flip", x)
    axes = tuple(sorted(as_axes("flip", axis, node.typed)))
    return FLIP(node, axes=axes) if axes else node


# -- pad, join, part --------------------------------------------------------------------------------


@public
def pad(x: ArrayLike, pad_width: Any, mode: str = "constant", constant_values: float = 0) -> Node:
    """x with constant elements put before and after: a number, (before, after), or such a pair for each axis."""
    node = as_node("pad", x)
    if mode != "constant":
        raise ShapeError(offence("pad", f"mode {mode!r} is not supported", "pad by 'constant', or concat slices of x"))
    value = _padding_value(node.dtype, constant_values)
    if value == 0 and copysign(1, value) < 0:  # parameters tell no -0.0 from 0.0
        return -pad(-node, pad_width)
    low, high = zip(*_pad_widths(node, pad_width)) if node.ndim else ((), ())
    if not any((*low, *high)):
        return node
    return PAD(node, low=low, high=high, interior=(0,) * node.ndim, value=value)


def _padding_value(dtype: DType, value: object) -> float:
    if not isinstance(value, (bool, int, float, np.generic)):
        raise DTypeError(offence("pad", f"constant_values={value!r} is not one number", "pad each side on its own"))
    converted = np.array(value).astype(dtype)
    if dtype.kind != "f" and converted != value:
        raise DTypeError(offence("pad", f"{value} does not fit {dtype}", "cast the array first"))
    return converted.item()


def _pad_widths(x: Node, pad_width: Any) -> list[tuple[Extent, Extent]]:
    try:
        pairs: list[tuple[Any, Any]] = np.broadcast_to(np.array(pad_width, object), (x.ndim, 2)).tolist()
        return [cast("tuple[Extent, Extent]", as_shape(pair)) for pair in pairs]
    except ValueError as error:
        way_out = "give a number, (before, after), or a pair of counts for each axis"
        raise ShapeError(offence("pad", f"{pad_width!r} is no padding of {x.type}", way_out)) from error


@public
def concat(arrays: Sequence[ArrayLike], axis: SupportsIndex | None = 0) -> Node:
    """Arrays joined along an axis that all have; flattened first, if the axis is None."""
    nodes = _several("concat", arrays)
    if axis is None:
        return concat([ravel(node) for node in nodes])
    first = nodes[0]
    return CONCAT(*nodes, axis=as_axis("concat", axis, first.typed)) if len(nodes) > 1 else first


concatenate = concat


@public
def stack(arrays: Sequence[ArrayLike], axis: SupportsIndex = 0) -> Node:
    """Arrays of one shape joined along a new axis of the result."""
    nodes = _several("stack", arrays)
    for other in nodes[1:]:
        if other.shape != nodes[0].shape:
            what = f"{nodes[0].type} and {other.type} differ in shape"
            raise ShapeError(offence("stack", what, "broadcast, slice or pad one of them"))
    place = as_axis("stack", axis, nodes[0].ndim + 1)
    return concat([expand_dims(node, place) for node in nodes], place)


def _several(name: str, arrays: Sequence[ArrayLike]) -> list[Node]:
    if isinstance(arrays, Node) or not arrays:
        raise ShapeError(offence(name, "takes a sequence of at least one array", f"write {name}([x, y])"))
    return promote(name, *arrays)


def split_structure(x: object, indices_or_sections: int | Sequence[Extent], axis: int = 0) -> list[int]:
    """One number for each part."""
    cuts = indices_or_sections
    return list(range(cuts if isinstance(cuts, int) else len(cuts) + 1))


@public(outputs=split_structure)
def split(x: ArrayLike, indices_or_sections: int | Sequence[Extent], axis: SupportsIndex = 0) -> list[Node]:
    """x cut along an axis: into equal parts, or before each of the given places."""
    node = as_node("split", x)
    k = as_axis("split", axis, node.typed)
    cuts = [0, *_cuts(node, indices_or_sections, k), node.shape[k]]
    return [part(node, k, start, _length(start, stop)) for start, stop in pairwise(cuts)]


def _length(start: Extent, stop: Extent) -> Extent:
    return max(0, stop - start) if isinstance(start, int) and isinstance(stop, int) else stop - start


def _clamped(cut: Extent, extent: Extent) -> Extent:
    """A place to cut at, counted from the front."""
    return slice(cut).indices(extent)[1] if isinstance(cut, int) and isinstance(extent, int) else cut


def _cuts(x: Node, given: int | Sequence[Extent], axis: int) -> list[Extent]:
    extent = x.shape[axis]
    if not isinstance(given, int):
        return [_clamped(cut, extent) for cut in given]
    each = extent // given if given > 0 else 0
    if each * given != extent or given < 1:
        way_out = "give a divisor of the extent, or the places to cut"
        raise ShapeError(offence("split", f"axis {axis} of {x.type} does not divide into {given}", way_out))
    return list(accumulate([each] * (given - 1)))


@public
def tile(x: ArrayLike, reps: int | Sequence[int]) -> Node:
    """x repeated whole, this many times along each of its last axes."""
    node = as_node("tile", x)
    times = as_shape(reps)
    ndim = max(node.ndim, len(times))
    times, shape = (1,) * (ndim - len(times)) + times, (1,) * (ndim - node.ndim) + node.shape
    tiled = EXPAND(reshaped(node, shape), axes=tuple(range(0, 2 * ndim, 2)), extents=times) if ndim else node
    return reshaped(tiled, tuple(k * n for k, n in zip(times, shape)))


@public(method=True)
def repeat(x: ArrayLike, repeats: int, axis: SupportsIndex | None = None) -> Node:
    """x with every element repeated along an axis; flattened first, if the axis is None."""
    (node, k), (times,) = one_axis("repeat", as_node("repeat", x), axis), as_shape(repeats)
    wide = EXPAND(node, axes=(k + 1,), extents=(times,))
    return reshaped(wide, (*node.shape[:k], node.shape[k] * times, *node.shape[k + 1 :]))
