"""Sliding windows as users ask for them: sizes, strides, dilations and padding, one for all axes or one each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import index
from typing import Any, SupportsIndex, TypeAlias

from graphc.errors import ShapeError
from graphc.node import Node
from graphc.ops.declare import offence
from graphc.ops.movement import Axes
from graphc.ops.parts import PAD
from graphc.ops.window import places, windows
from graphc.sym.axes import AxisLike, as_axes
from graphc.sym.promote import ArrayLike, as_node
from graphc.sym.record import public
from graphc.types import Extent, Shape

__all__ = ["sliding_window_view"]

Each: TypeAlias = "SupportsIndex | Sequence[SupportsIndex]"
Padding: TypeAlias = "SupportsIndex | str | Sequence[SupportsIndex | tuple[SupportsIndex, SupportsIndex]]"
Pair: TypeAlias = "tuple[Extent, Extent]"


@public
def sliding_window_view(x: ArrayLike, window_shape: Each, axis: AxisLike = None) -> Node:
    """Every window of x along some axes, or all of them, as NumPy's function of this name: new last axes hold them.

    An axis of n elements becomes one of n - size + 1 windows.

    >>> from graphc import sym
    >>> sym.sliding_window_view(sym.var('x', shape=(8, 5)), 3, axis=0).shape
    (6, 5, 3)
    """
    node = as_node("sliding_window_view", x)
    axes = as_axes("sliding_window_view", axis, node.typed)
    sizes = numbers("sliding_window_view", "window_shape", window_shape, len(axes), least=0)
    for axis, size in zip(axes, sizes):
        if isinstance(n := node.shape[axis], int) and n < size:
            what = f"a window of {size} elements is longer than axis {axis} of {node.type}"
            raise ShapeError(offence("sliding_window_view", what, "take a smaller window, or pad first"))
    ones = (1,) * len(axes)
    return windows(node, axes, sizes, ones, ones)


# -- what users write -------------------------------------------------------------------------------


def numbers(name: str, what: str, given: Any, count: int, least: int = 1) -> tuple[int, ...]:
    """One integer for each of so many axes, of one for all or a sequence."""
    try:
        found = tuple(map(index, [given] * count if isinstance(given, SupportsIndex) else given))
    except TypeError:
        found = None
    if found is None or len(found) != count or any(number < least for number in found):
        way_out = f"give one integer of at least {least}, or {count} of them"
        raise ShapeError(offence(name, f"{what}={given!r} does not suit {count} axes", way_out))
    return found


@dataclass(frozen=True)
class Frame:
    """Windows over the spatial axes of `[batch, channels, *spatial]`: how large, how far apart, with what around."""

    sizes: Shape
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    padding: tuple[Pair, ...]
    beyond: Shape  # behind the padding, for a last window that begins before it ends

    @staticmethod
    def of(name: str, extents: Shape, sizes: Shape, strides: Each, padding: Padding, dilation: Each) -> Frame:
        """What a call says, completed and checked against the extents of the spatial axes."""
        count = len(extents)
        steps, gaps = numbers(name, "strides", strides, count), numbers(name, "dilation", dilation, count)
        frame = Frame(sizes, steps, gaps, ((0, 0),) * count, (0,) * count)
        return replace(frame, padding=frame.pairs(name, extents, padding))

    @property
    def axes(self) -> Axes:
        return tuple(range(2, 2 + len(self.sizes)))

    def spans(self) -> Shape:
        """How many elements there are from the first of a window to its last."""
        return tuple((size - 1) * dilation + 1 for size, dilation in zip(self.sizes, self.dilations))

    def pairs(self, name: str, extents: Shape, padding: Padding) -> tuple[Pair, ...]:
        """The padding that a call asks for, before and after each axis."""
        match padding:
            case "valid":
                return ((0, 0),) * len(extents)
            case "same":
                return tuple([_same(name, n, span, s) for n, span, s in zip(extents, self.spans(), self.strides)])
            case SupportsIndex():
                found = [_pair(padding)] * len(extents)
            case _:
                found = [_pair(given) for given in padding]
        if len(found) != len(extents) or any(pair is None or min(pair) < 0 for pair in found):
            way_out = f"give 'same', 'valid', a number, or {len(extents)} numbers or pairs of them, none negative"
            raise ShapeError(offence(name, f"padding={padding!r} does not suit {len(extents)} axes", way_out))
        return tuple([pair for pair in found if pair is not None])

    def padded(self, extents: Shape) -> Shape:
        """The extents of the spatial axes with all that is around them."""
        return tuple(low + n + high + more for n, (low, high), more in zip(extents, self.padding, self.beyond))

    def counts(self, extents: Shape) -> Shape:
        """How many windows there are along each axis."""
        return tuple(map(places, self.padded(extents), self.sizes, self.strides, self.dilations))

    def with_last(self, extents: Shape) -> Frame:
        """With a last window that begins within the padded axis, but may end beyond it."""
        beyond: list[Extent] = []
        for n, span, stride in zip(self.padded(extents), self.spans(), self.strides):
            apart = isinstance(span, int) and span < stride  # then one more stride may pass the end
            steps = (n - 1) // stride if apart else -((span - n) // stride)  # rounded up
            missing = steps * stride + span - n
            beyond.append(max(missing, 0) if isinstance(missing, int) else missing)
        return replace(self, beyond=tuple(beyond))

    def check(self, name: str, x: Node) -> Frame:
        """The same; an error unless some window fits, as far as extents are known."""
        for axis, count in zip(self.axes, self.counts(x.shape[2:])):
            if (isinstance(count, int) and count < 1) or self.sizes[axis - 2] == 0:
                what = f"a window of {self.spans()[axis - 2]} elements does not fit axis {axis} of {x.type}, padded"
                raise ShapeError(offence(name, what, "take a smaller window, or pad more"))
        return self

    def pad(self, x: Node, value: float = 0) -> Node:
        """x with all that is around it."""
        low = (0, 0, *(low for low, _ in self.padding))
        high = (0, 0, *(high + more for (_, high), more in zip(self.padding, self.beyond)))
        return PAD(x, low=low, high=high, interior=(0,) * x.ndim, value=value) if any((*low, *high)) else x

    def windows(self, x: Node, at: Axes | None = None) -> Node:
        """`[batch, channels, *places, *window]` of x, whose padding is there; or the windows at these axes."""
        return windows(x, self.axes, self.sizes, self.strides, self.dilations, at)


def _pair(given: Any) -> tuple[int, int] | None:
    """A number on both sides, or two numbers; None for anything else."""
    sides = (given, given) if isinstance(given, SupportsIndex) else given
    match sides:
        case (SupportsIndex() as low, SupportsIndex() as high):
            return index(low), index(high)
        case _:
            return None


def _same(name: str, extent: Extent, span: Extent, stride: int) -> Pair:
    """What gives one window for each stride, the larger half behind."""
    if stride == 1:
        missing = span - 1
    elif isinstance(extent, int) and isinstance(span, int):
        missing = max((-(-extent // stride) - 1) * stride + span - extent, 0)
    else:
        what = f"padding='same' of {extent} elements in steps of {stride} is not known yet"
        raise ShapeError(offence(name, what, "give numbers"))
    return (missing // 2, missing - missing // 2)
