"""Indexing: integers, slices of any step, `None` and `...`, as one slice, one flip and one reshape; arrays of indices
as one gather.

NumPy's rules hold, with one difference: bounds of an axis whose extent is known only when data is bound are
not clamped. `x[1:-1]` then has two elements less than x, and x must have them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import index
from types import EllipsisType
from typing import Any, NoReturn, SupportsIndex, TypeAlias, cast

import numpy as np

from graphc.errors import ShapeError
from graphc.node import Node
from graphc.ops.creation import extent_value
from graphc.ops.declare import offence
from graphc.ops.movement import FLIP
from graphc.ops.parts import SLICE
from graphc.sym.gathering import as_index, gathered
from graphc.sym.movement import reshaped
from graphc.sym.promote import ArrayLike, as_node
from graphc.sym.record import public
from graphc.types import INT64, Dim, Extent

__all__ = ["getitem"]

Array: TypeAlias = "np.ndarray[Any, Any]"
Key: TypeAlias = "SupportsIndex | Dim | slice | EllipsisType | Node | Array | None"
Run: TypeAlias = "tuple[Extent, Extent, int]"  # start, extent and step, which may be negative


@public
def getitem(x: ArrayLike, key: Any) -> Node:
    """x[key]: elements by integers, slices, `None`, `...`, and arrays of integers.

    Along an axis whose extent is a dimension `n`, bounds may be integers or polynomials of dimensions;
    they are not clamped: start and stop must lie within the axis.

    Arrays of integers, known or computed, broadcast; their axes stand where the first of them does, or in front if
    something stands between them. Computed indices beyond an end stand for that end. A mask must be known.

    >>> from graphc import sym
    >>> x, i = sym.var('x', shape=(4, 5, 6)), sym.var('i', shape=(7,), dtype='int64')
    >>> x[1:, i].shape, x[i, :, i].shape, x[..., [0, 2], None].shape
    ((3, 7, 6), (7, 5), (4, 5, 2, 1))
    """
    node = as_node("getitem", x)
    keys = _one_for_each_axis(node, [_checked(k) for k in (key if isinstance(key, tuple) else (key,))])
    if not any(map(_is_array, keys)):
        return _basic(node, keys)
    places = [place for place, k in enumerate(keys) if k is not None and not isinstance(k, slice)]
    parted = _basic(node, [slice(None) if place in places else k for place, k in enumerate(keys)])
    indices = [as_index("getitem", _as_array(keys[place]), parted.typed, place) for place in places]
    together = places == [*range(places[0], places[-1] + 1)]
    return gathered(parted, tuple(places), indices, places[0] if together else 0)


def _basic(x: Node, keys: Sequence[Key]) -> Node:
    axes = [k for k in keys if k is not None]
    runs = [_run(x, axis, k) for axis, k in enumerate(axes)]
    extents = iter([None if isinstance(k, (SupportsIndex, Dim)) else n for k, (_, n, _) in zip(axes, runs)])
    shape = [1 if k is None else next(extents) for k in keys]
    return reshaped(_taken(x, runs), tuple(n for n in shape if n is not None))


def _one_for_each_axis(x: Node, keys: Sequence[Any]) -> list[Key]:
    """The keys with `...` and what was left out as full slices, masks as the indices of what they choose: one for
    each axis, and the `None`s between."""
    dots = [place for place, key in enumerate(keys) if key is Ellipsis]
    missing = x.ndim - sum(map(_axes, keys))
    if missing < 0 or len(dots) > 1:
        what = f"{x.type} has {x.ndim} axes" if missing < 0 else "`...` stands twice"
        raise ShapeError(offence("getitem", f"too many indices: {what}", "index each axis once"))
    place = dots[0] if dots else len(keys)
    return list(_chosen(x, [*keys[:place], *[slice(None)] * missing, *keys[place + 1 :]]))


def _axes(key: Any) -> int:
    """How many axes a key is for."""
    return 0 if key is None or key is Ellipsis else key.ndim if _is_mask(key) else 1


def _chosen(x: Node, keys: Sequence[Any]) -> Iterator[Key]:
    axis = 0
    for key in keys:
        if _is_mask(key):
            if x.shape[axis : axis + key.ndim] != key.shape:
                what = f"the mask of shape {key.shape} does not fit {x.type} from axis {axis} on"
                raise ShapeError(offence("getitem", what, "give it the extents of the axes it is for"))
            yield from np.nonzero(key)
        else:
            yield key
        axis += _axes(key)


def _checked(key: Any) -> Key:
    """A key, if it is one; lists as arrays."""
    match key:
        case None | slice() | EllipsisType() | Dim():
            return key
        case Node():
            if key.dtype.kind == "b":
                _refuse("a computed mask", "sym.where(mask, x, 0) keeps the shape")
            return key
        case bool() | np.bool_():
            _refuse("a boolean", "sym.where(mask, x, 0) keeps the shape")
        case list() | np.ndarray() if np.ndim(cast(Any, key)):
            array: Array = np.asarray(cast(Any, key))
            return array if array.size else array.astype(int)
        case SupportsIndex():
            return key
        case _:
            _refuse(f"{key!r}", "use integers, slices, None, ... and arrays of integers")


def _is_mask(key: Any) -> bool:
    return isinstance(key, np.ndarray) and key.dtype == bool


def _is_array(key: Key) -> bool:
    return isinstance(key, Node) or (isinstance(key, np.ndarray) and key.ndim > 0)


def _as_array(key: Any) -> ArrayLike:
    return extent_value(key, INT64) if isinstance(key, Dim) else key if _is_array(key) else index(key)


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
