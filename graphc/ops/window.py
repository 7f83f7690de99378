"""Windows: places that slide along axes, and the way back. Each of the two operators is the other's derivative.

For each axis that windows slide along, another holds their elements. Sliding reads `x[…, o*stride + k*dilation, …,
k]`; so the windows of an array are that array, expanded along k, and slid. Sliding back puts `g[…, o, …, k]` there
again, and zeros elsewhere; summed over k, that is the sum of windows which overlap.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias, cast

import numpy as np
from numpy.lib.stride_tricks import as_strided

from graphc.errors import ShapeError
from graphc.node import Node, Sample, constant
from graphc.ops.declare import offence
from graphc.ops.logic import WHERE
from graphc.ops.movement import EXPAND, RESHAPE, Array, Axes, Index, Read, behind, movement, permuted
from graphc.ops.scalar import Guard, inside
from graphc.types import Extent, Shape, Type

Sliding: TypeAlias = "tuple[Axes, Axes, Shape, Axes, Axes]"
PARAMS = ("axes", "windows", "extents", "strides", "dilations")  # axes slid along, those of windows, places along each


def windows(x: Node, axes: Axes, sizes: Shape, strides: Axes, dilations: Axes, at: Axes | None = None) -> Node:
    """The windows of x along some of its axes; new axes hold them, at these places of the result or last."""
    at = at or tuple(range(x.ndim, x.ndim + len(axes)))
    kept = [axis for axis in range(x.ndim + len(at)) if axis not in at]
    if set(dilations) <= {1} and all(
        x.shape[axis] == size for axis, size in zip(axes, sizes)
    ):  # one window, which is x
        return _whole(x, axes, at)
    extents = tuple(places(x.shape[axis], *window) for axis, window in zip(axes, zip(sizes, strides, dilations)))
    copies, along = EXPAND(x, axes=at, extents=sizes), tuple(kept[axis] for axis in axes)
    return SLIDE(copies, axes=along, windows=at, extents=extents, strides=strides, dilations=dilations)


def _whole(x: Node, axes: Axes, at: Axes) -> Node:
    """x as its only window along these axes, which stay with one place each."""
    held, kept = dict(zip(at, axes)), iter(range(x.ndim))
    order = [held[k] if k in held else next(kept) for k in range(x.ndim + len(at))]  # whose elements an axis has
    moved = [k in held or axis not in axes for k, axis in enumerate(order)]
    found = permuted(x, tuple(axis for axis, full in zip(order, moved) if full))
    return RESHAPE(found, shape=tuple(x.shape[axis] if full else 1 for axis, full in zip(order, moved)))


def places(extent: Extent, size: Extent, stride: int, dilation: int) -> Extent:
    """How many windows fit along an axis."""
    return (extent - (size - 1) * dilation - 1) // stride + 1


def _check(name: str, long: Type, short: Type, slides: Sequence[tuple[int, int, int, int]]) -> None:
    """Whether the last window lies within the axis that it slides along."""
    for axis, window, stride, dilation in slides:
        n, count, size = long.shape[axis], short.shape[axis], long.shape[window]
        beyond = n - 1 - (count - 1) * stride - (size - 1) * dilation
        if stride < 1 or dilation < 1 or (isinstance(beyond, int) and beyond < 0 and 0 not in (count, size)):
            what = f"{count} windows of {size} elements, {stride} apart, leave axis {axis} of {long}"
            raise ShapeError(offence(name, what, "keep within the axis, or pad it"))


def _resized(x: Type, axes: Axes, extents: Shape) -> Type:
    found = dict(zip(axes, extents, strict=True))
    return x.with_shape(tuple(found.get(axis, n) for axis, n in enumerate(x.shape)))


def _batch(x: Type, axes: Axes, windows: Axes, extents: Shape, strides: Axes, dilations: Axes) -> Sliding:
    return behind(axes), behind(windows), extents, strides, dilations


# -- slide ------------------------------------------------------------------------------------------


def _slide_type(x: Type, axes: Axes, windows: Axes, extents: Shape, strides: Axes, dilations: Axes) -> Type:
    y = _resized(x, axes, extents)
    _check("slide", x, y, list(zip(axes, windows, strides, dilations, strict=True)))
    return y


def _slide_source(
    index: Index, x: Type, axes: Axes, windows: Axes, extents: Shape, strides: Axes, dilations: Axes
) -> Index:
    at = list(index)
    for axis, window, stride, dilation in zip(axes, windows, strides, dilations):
        at[axis] = index[axis] * stride + index[window] * dilation
    return tuple(at)


def _slide_vjp(g: Node, x: Type, axes: Axes, windows: Axes, extents: Shape, strides: Axes, dilations: Axes) -> Node:
    along = tuple(x.shape[axis] for axis in axes)
    return UNSLIDE(g, axes=axes, windows=windows, extents=along, strides=strides, dilations=dilations)


def _diagonal(x: Array, axes: Axes, windows: Axes, extents: Axes, strides: Axes, dilations: Axes) -> Array:
    """The view of x that slides."""
    shape, steps = list(x.shape), list(x.strides)
    for axis, window, extent, stride, dilation in zip(axes, windows, extents, strides, dilations):
        shape[axis] = extent
        steps[window] = x.strides[window] + dilation * x.strides[axis]
        steps[axis] = stride * x.strides[axis]
    return as_strided(x, shape, steps) if 0 not in shape else np.zeros(shape, x.dtype)


def _sample(shape: tuple[int, ...], axes: Axes, windows: Axes, extents: Axes, strides: Axes, dilations: Axes) -> Sample:
    return Sample((shape,), dict(zip(PARAMS, (axes, windows, extents, strides, dilations), strict=True)))


SLIDE = movement(
    "slide",
    PARAMS,
    infer=_slide_type,
    source=_slide_source,
    vjp=_slide_vjp,
    batch=_batch,
    numpy=_diagonal,
    samples=(
        _sample((7, 3), (0,), (1,), (5,), (1,), (1,)),
        _sample((3, 8), (1,), (0,), (2,), (3,), (2,)),
        _sample((2, 6, 5, 2, 3), (1, 2), (3, 4), (3, 3), (2, 1), (1, 1)),
        _sample((4, 3), (0,), (1,), (0,), (1,), (1,)),
    ),
)


# -- and back ---------------------------------------------------------------------------------------


def _unslide_type(g: Type, axes: Axes, windows: Axes, extents: Shape, strides: Axes, dilations: Axes) -> Type:
    x = _resized(g, axes, extents)
    _check("unslide", x, g, list(zip(axes, windows, strides, dilations, strict=True)))
    return x


def _places(index: Index, axes: Axes, windows: Axes, strides: Axes, dilations: Axes) -> Iterator[tuple[Extent, Extent]]:
    """For each axis, the window that has the element as its k-th, and how far it is from being so."""
    for axis, window, stride, dilation in zip(axes, windows, strides, dilations):
        offset = index[axis] - index[window] * dilation
        yield offset // stride, offset - offset // stride * stride


def _unslide_source(
    index: Index, g: Type, axes: Axes, windows: Axes, extents: Shape, strides: Axes, dilations: Axes
) -> Index:
    found = dict(zip(axes, _places(index, axes, windows, strides, dilations)))
    return tuple(found[axis][0] if axis in found else i for axis, i in enumerate(index))


def _unslide_pull(read: Read, y: Node, index: Index) -> Node:
    g, params = y.args[0].typed, cast("Sliding", y.params)
    axes, windows, _, strides, dilations = params
    guards: list[Guard] = []
    for axis, (place, rest) in zip(axes, _places(index, axes, windows, strides, dilations)):
        guards += [(place, 0, g.shape[axis]), (rest, 0, 1)]
    element = read(0, _unslide_source(index, g, *params), tuple(guards))
    return WHERE(inside(tuple(guards)), element, constant(0, y.dtype))


def _unslide_vjp(g: Node, x: Type, axes: Axes, windows: Axes, extents: Shape, strides: Axes, dilations: Axes) -> Node:
    along = tuple(x.shape[axis] for axis in axes)
    return SLIDE(g, axes=axes, windows=windows, extents=along, strides=strides, dilations=dilations)


def _unslide_numpy(g: Array, axes: Axes, windows: Axes, extents: Axes, strides: Axes, dilations: Axes) -> Array:
    x = np.zeros(_resized(Type(g.dtype, g.shape), axes, extents).shape, g.dtype)  # type: ignore[arg-type]
    if g.size:
        _diagonal(x, axes, windows, tuple(g.shape[axis] for axis in axes), strides, dilations)[...] = g
    return x


UNSLIDE = replace(
    movement(
        "unslide",
        PARAMS,
        infer=_unslide_type,
        source=_unslide_source,
        vjp=_unslide_vjp,
        batch=_batch,
        numpy=_unslide_numpy,
        samples=(
            _sample((5, 3), (0,), (1,), (7,), (1,), (1,)),
            _sample((3, 2), (1,), (0,), (9,), (3,), (2,)),
            _sample((2, 3, 4, 2, 3), (1, 2), (3, 4), (6, 8), (2, 1), (1, 2)),
            _sample((0, 3), (0,), (1,), (4,), (1,), (1,)),
        ),
    ),
    pull=_unslide_pull,
)
