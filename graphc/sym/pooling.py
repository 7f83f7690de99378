"""Pooling: every window of an image folded to one number; and the way back, upsampling."""

from __future__ import annotations

from typing import Literal

import numpy as np

from graphc.errors import ShapeError
from graphc.node import Node, constant
from graphc.ops.contraction import contract
from graphc.ops.creation import IOTA
from graphc.ops.declare import offence
from graphc.ops.movement import spread
from graphc.ops.parts import CONCAT, part
from graphc.ops.reduction import MAX, SUM, lowest
from graphc.ops.window import windows
from graphc.sym.elementwise import abs, clip, power, sqrt, where
from graphc.sym.movement import moveaxis, repeat, reshaped
from graphc.sym.promote import ArrayLike, as_node, floating, promote
from graphc.sym.record import public
from graphc.sym.reduction import max, mean
from graphc.sym.window import Each, Frame, Padding, numbers
from graphc.types import INT64, Extent

__all__ = ["max_pool", "avg_pool", "sum_pool", "lp_pool", "global_max_pool", "global_avg_pool", "upsample"]


@public
def max_pool(
    x: ArrayLike,
    size: Each,
    strides: Each | None = None,
    padding: Padding = 0,
    dilation: Each = 1,
    ceil_mode: bool = False,
) -> Node:
    """The greatest element of each window of an image `[batch, channels, *spatial]`, NaN if there is one.

    `size`, `strides` (those of `size` if None) and `dilation` are one integer, or one for each spatial axis;
    `padding` is as in `conv`, by the lowest value there is: what a window of nothing else gives. With `ceil_mode`
    there is a last window for every stride that begins, though it may end beyond the padding. Elements of a window
    that tie share its derivative equally, as for `sym.max`.

    >>> from graphc import sym
    >>> sym.max_pool(sym.var('x', shape=('n', 64, 112, 112)), 3, strides=2, padding=1).shape
    (n, 64, 56, 56)
    """
    node = as_node("max_pool", x)
    frame = _frame("max_pool", node, size, strides, padding, dilation, ceil_mode)
    return _folded(MAX, frame.windows(frame.pad(node, lowest(node.dtype))), frame)  # type: ignore[arg-type]


@public
def sum_pool(
    x: ArrayLike, size: Each, strides: Each | None = None, padding: Padding = 0, ceil_mode: bool = False
) -> Node:
    """The sum of each window; arguments as in `max_pool`, and padding by zeros.

    >>> from graphc import interpret, sym
    >>> print(interpret(sym.sum_pool([[[1.0, 2, 3, 4]]], 2), {}))
    [[[3. 7.]]]
    """
    node = as_node("sum_pool", x)
    frame = _frame("sum_pool", node, size, strides, padding, 1, ceil_mode)
    return _folded(SUM, frame.windows(frame.pad(node)), frame)


@public
def avg_pool(
    x: ArrayLike,
    size: Each,
    strides: Each | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Node:
    """The mean of each window; arguments as in `max_pool`, and padding by zeros.

    Padding counts as elements of a window unless `count_include_pad` is False; what `ceil_mode` puts beyond it
    never does.

    >>> from graphc import interpret, sym
    >>> print(interpret(sym.avg_pool([[[1.0, 2, 3]]], 2, padding=1, count_include_pad=False), {}))
    [[[1.  2.5]]]
    """
    (node,) = promote("avg_pool", x, rule=floating)
    frame = _frame("avg_pool", node, size, strides, padding, 1, ceil_mode)
    total = _folded(SUM, frame.windows(frame.pad(node)), frame)
    count: Node | Extent = 1
    for axis in frame.axes:
        count = count * _elements(total, axis, node.shape[axis], frame, count_include_pad)
    return total / count


def _elements(y: Node, axis: int, extent: Extent, frame: Frame, include: bool) -> Node | Extent:
    """How many elements count in the windows along an axis."""
    k = axis - 2
    size, (low, high), beyond = frame.sizes[k], frame.padding[k], frame.beyond[k]
    if beyond == 0 and (include or (low, high) == (0, 0)):
        return size
    first = IOTA(extent=y.shape[axis], dtype=INT64) * frame.strides[k] - low
    start, stop = (-low, extent + high) if include else (0, extent)
    count = clip(first + size, start, stop) - clip(first, start, stop)
    return as_node("avg_pool", spread(count, y.typed, tuple(k for k in range(y.ndim) if k != axis)), y.dtype)


@public
def lp_pool(
    x: ArrayLike,
    size: Each,
    strides: Each | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    p: float = 2,
) -> Node:
    """The p-norm of each window, (Σ |x|ᵖ)^(1/p), whose derivative at zero is taken as 0; else as `sum_pool`.

    >>> from graphc import interpret, sym
    >>> print(interpret(sym.lp_pool([[[3.0, 4, 5, 12]]], 2), {}))
    [[[ 5. 13.]]]
    """
    (node,) = promote("lp_pool", x, rule=floating)
    if not p > 0:
        raise ValueError(offence("lp_pool", f"p={p} is no order of a norm", "give a positive number"))
    frame = _frame("lp_pool", node, size, strides, padding, 1, ceil_mode)
    powers = node * node if p == 2 else power(abs(node), p)
    total = _folded(SUM, frame.windows(frame.pad(powers)), frame)
    nonzero = where(total == 0, 1, total)
    return where(total == 0, 0, sqrt(nonzero) if p == 2 else power(nonzero, 1 / p))


def _frame(
    name: str, x: Node, size: Each, strides: Each | None, padding: Padding, dilation: Each, ceil_mode: bool
) -> Frame:
    if x.ndim < 3:
        raise ShapeError(offence(name, f"{x.type} has no spatial axes", "give [batch, channels, *spatial]"))
    sizes = numbers(name, "size", size, x.ndim - 2)
    frame = Frame.of(name, x.shape[2:], sizes, sizes if strides is None else strides, padding, dilation)
    return (frame.with_last(x.shape[2:]) if ceil_mode else frame).check(name, x)


def _folded(op: object, view: Node, frame: Frame) -> Node:
    count = len(frame.sizes)
    return op(view, axes=tuple(range(2 + count, 2 + 2 * count)))  # type: ignore[operator, no-any-return]


@public
def global_max_pool(x: ArrayLike) -> Node:
    """The greatest element of each channel; the spatial axes stay with extent 1.

    >>> from graphc import sym
    >>> sym.global_max_pool(sym.var('x', shape=('n', 8, 5, 5))).shape
    (n, 8, 1, 1)
    """
    return max(x, _spatial("global_max_pool", x), keepdims=True)


@public
def global_avg_pool(x: ArrayLike) -> Node:
    """The mean of each channel; the spatial axes stay with extent 1.

    >>> from graphc import sym
    >>> sym.global_avg_pool(sym.var('x', shape=('n', 8, 5, 5))).shape
    (n, 8, 1, 1)
    """
    return mean(x, _spatial("global_avg_pool", x), keepdims=True)


def _spatial(name: str, x: ArrayLike) -> tuple[int, ...]:
    return tuple(range(2, as_node(name, x).ndim))


# -- upsampling -------------------------------------------------------------------------------------


@public
def upsample(x: ArrayLike, scale: Each, method: Literal["nearest", "bilinear"] = "nearest") -> Node:
    """An image `[batch, channels, *spatial]` with its spatial axes this many times as long.

    'nearest' repeats each element. 'bilinear' interpolates linearly along each axis between the centres of
    elements, and beyond the outermost repeats these (as `align_corners=False` elsewhere).

    >>> from graphc import sym
    >>> sym.upsample(sym.var('x', shape=('n', 8, 5, 5)), (2, 3)).shape
    (n, 8, 10, 15)
    """
    node = as_node("upsample", x)
    if method not in ("nearest", "bilinear"):
        raise ValueError(offence("upsample", f"no method is named {method!r}", "take 'nearest' or 'bilinear'"))
    if method == "bilinear":
        (node,) = promote("upsample", node, rule=floating)
    for axis, times in zip(_spatial("upsample", node), numbers("upsample", "scale", scale, node.ndim - 2)):
        if times > 1:
            node = repeat(node, times, axis) if method == "nearest" else _interpolated(node, times, axis)
    return node


def _interpolated(x: Node, times: int, axis: int) -> Node:
    """Place `times` i + r lies (r + ½) / times - ½ behind element i: a weighted sum of that and its neighbours."""
    ends = [part(x, axis, place, 1) for place in (0, x.shape[axis] - 1)]
    view = windows(CONCAT(ends[0], x, ends[1], axis=axis), (axis,), (3,), (1,), (1,))
    shift = (np.arange(times) + 0.5) / times - 0.5
    weights = np.stack([np.maximum(-shift, 0), 1 - np.abs(shift), np.maximum(shift, 0)], axis=1)
    found = contract(view, constant(weights.astype(x.dtype)), (x.ndim,), (1,))
    ordered = moveaxis(found, -1, axis + 1)
    return reshaped(ordered, tuple(n * times if k == axis else n for k, n in enumerate(x.shape)))
