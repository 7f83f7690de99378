"""Basic indexing: integers, slices of any step, `None` and `...`, as one slice, one flip and one reshape.

NumPy's rules hold, with one difference: bounds of an axis whose extent is known only when data is bound are
not clamped. `x[1:-1]` then has two elements less than x, and x must have them.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from types import EllipsisType
from typing import Any, NoReturn, SupportsIndex, TypeAlias, cast

import numpy as np

from graphc.errors import ShapeError
from graphc.node import Node
from graphc.ops.declare import offence
from graphc.ops.movement import FLIP
from graphc.ops.parts import SLICE
from graphc.sym.movement import reshaped
from graphc.sym.promote import ArrayLike, as_node
from graphc.sym.record import public
from graphc.types import Dim, Extent

__all__ = ["getitem"]

Key: TypeAlias = "SupportsIndex | Dim | slice | EllipsisType | None"
Run: TypeAlias = "tuple[Extent, Extent, int]"  # start, extent and step, which may be negative


@public
def getitem(x: ArrayLike, key: Any) -> Node:
    """x[key]: elements by integers, slices, `None` and `...`.

    Along an axis whose extent is a dimension `n`, bounds may be integers or polynomials of dimensions;
    they are not clamped: start and stop must lie within the axis.
    """
    node = as_node("getitem", x)
    keys = _one_for_each_axis(node, key if isinstance(key, tuple) else (key,))
    axes = [k for k in keys if k is not None]
    runs = [_run(node, axis, k) for axis, k in enumerate(axes)]
    extents = iter([None if isinstance(k, (SupportsIndex, Dim)) else n for k, (_, n, _) in zip(axes, runs)])
    shape = [1 if k is None else next(extents) for k in keys]
    return reshaped(_taken(node, runs), tuple(n for n in shape if n is not None))


def _one_for_each_axis(x: Node, keys: tuple[Any, ...]) -> list[Key]:
    """The keys with `...` and what was left out as full slices: one for each axis, and the `None`s between."""
    for key in keys:
        _check(key)
    missing = x.ndim - sum(key is not None and key is not Ellipsis for key in keys)
    if missing < 0 or keys.count(Ellipsis) > 1:
        what = f"{x.type} has {x.ndim} axes" if missing < 0 else "`...` stands twice"
        raise ShapeError(offence("getitem", f"too many indices: {what}", "index each axis once"))
    place = keys.index(Ellipsis) if Ellipsis in keys else len(keys)
    return [*keys[:place], *[slice(None)] * missing, *keys[place + 1 :]]


def _check(key: object) -> None:
    match key:
        case None | slice() | EllipsisType() | Dim():
            return
        case Node():
            _refuse("a node", "sym.where(sym.arange(n) == i, x, 0).sum() picks an element by a computed index")
        case bool() | np.bool_():
            _refuse("a boolean", "sym.where(mask, x, 0) keeps the shape")
        case list() | np.ndarray() if np.asarray(cast(Any, key)).dtype == bool:
            _refuse("a boolean mask", "sym.where(mask, x, 0) keeps the shape")
        case list() | np.ndarray() if np.ndim(cast(Any, key)):
            _refuse("an array of integers", "sym.stack([x[i] for i in indices]) picks a few")
        case SupportsIndex():
            return
        case _:
            _refuse(f"{key!r}", "use integers, slices, None and ...")


def _refuse(what: str, way_out: str) -> NoReturn:
    raise ShapeError(offence("getitem", f"{what} is not supported as an index", way_out))


# -- one axis ---------------------------------------------------------------------------------------


def _run(x: Node, axis: int, key: Key) -> Run:
    n = x.shape[axis]
    if isinstance(key, slice):
        return _slice_run(n, *_bounds(key))
    place = _bound(key)
    if isinstance(n, int) and isinstance(place, int) and not -n <= place < n:
        way_out = f"indices run from {-n} to {n - 1}" if n else "it has no elements"
        raise ShapeError(offence("getitem", f"index {place} is out of range for axis {axis} of {x.type}", way_out))
    return _from_front(place, n), 1, 1


def _bounds(key: slice) -> tuple[Extent | None, Extent | None, int]:
    start, stop = (None if bound is None else _bound(bound) for bound in (key.start, key.stop))
    step = 1 if key.step is None else _bound(key.step)
    if not isinstance(step, int) or step == 0:
        raise ShapeError(offence("getitem", f"the step {step} is no integer beside 0", "give a number"))
    return start, stop, step


def _bound(bound: object) -> Extent:
    if isinstance(bound, Dim):
        return bound
    if isinstance(bound, SupportsIndex):
        return index(bound)
    _refuse(f"{bound!r}", "bounds are integers or dimensions")


def _slice_run(n: Extent, start: Extent | None, stop: Extent | None, step: int) -> Run:
    if not (isinstance(n, Dim) or isinstance(start, Dim) or isinstance(stop, Dim)):
        run = range(n)[start:stop:step]
        return (run.start, len(run), step) if len(run) > 1 else (run.start if run else 0, len(run), 1)
    first, end = (0, n) if step > 0 else (n - 1, -1)
    first = first if start is None else _from_front(start, n)
    end = end if stop is None else _from_front(stop, n)
    count = run_length(first, end, step)
    return (0, 0, 1) if isinstance(count, int) and count <= 0 else (first, count, step)


def run_length(first: Extent, end: Extent, step: int) -> Extent:
    """How many of first, first + step, … lie before the end; below 0 if it lies the other way."""
    return (end - first + step - 1) // step if step > 0 else (first - end - step - 1) // -step


def _from_front(place: Extent, n: Extent) -> Extent:
    return n + place if isinstance(place, int) and place < 0 else place


# -- all axes ---------------------------------------------------------------------------------------


def _taken(x: Node, runs: Sequence[Run]) -> Node:
    """The elements of a run along each axis; a backward run is a forward one, flipped."""
    forward = [(a + k * (n - 1), n, -k) if k < 0 else (a, n, k) for a, n, k in runs]
    starts, extents, steps = (tuple([run[part] for run in forward]) for part in range(3))
    backward = tuple([axis for axis, (_, _, k) in enumerate(runs) if k < 0])
    taken = x if extents == x.shape else SLICE(x, starts=starts, extents=extents, steps=steps)
    return FLIP(taken, axes=backward) if backward else taken
