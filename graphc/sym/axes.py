"""Axes as users write them, negative or None or one alone, turned into the sorted tuples that operators take."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import SupportsIndex, TypeAlias

from graphc.errors import ShapeError
from graphc.ops.declare import offence
from graphc.types import Type

AxisLike: TypeAlias = "SupportsIndex | Sequence[SupportsIndex] | None"


def as_axis(name: str, axis: SupportsIndex, x: Type | int) -> int:
    """One axis of a value of this type (or of this many axes), counted from the front."""
    ndim = x if isinstance(x, int) else x.ndim
    number = index(axis)
    if not -ndim <= number < ndim:
        shown = f"{ndim} axes" if isinstance(x, int) else str(x)
        way_out = f"axes run from {-ndim} to {ndim - 1}" if ndim else "a scalar has no axes"
        raise ShapeError(offence(name, f"{shown} has no axis {number}", way_out))
    return number % ndim


def as_axes(name: str, axis: AxisLike, x: Type | int) -> tuple[int, ...]:
    """Axes in the order given, counted from the front; all of them for None."""
    if axis is None:
        return tuple(range(x if isinstance(x, int) else x.ndim))
    given = axis if isinstance(axis, Sequence) else (axis,)
    axes = tuple([as_axis(name, one, x) for one in given])
    if len(set(axes)) < len(axes):
        raise ShapeError(offence(name, f"axis={tuple(given)} names an axis twice", "name each axis once"))
    return axes
