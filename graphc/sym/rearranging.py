"""Arrays turned, rolled and put side by side, by NumPy's names: all of it slices and joins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, SupportsIndex

from graphc.errors import ShapeError
from graphc.node import Node
from graphc.ops.declare import offence
from graphc.ops.movement import spread
from graphc.sym.axes import AxisLike, as_axes
from graphc.sym.indexing import getitem
from graphc.sym.movement import concat, flip, ravel, reshaped, split, split_structure, swapaxes
from graphc.sym.promote import ArrayLike, as_node, broadcast
from graphc.sym.record import public
from graphc.types import Extent

__all__ = [
    "roll", "rot90", "fliplr", "flipud", "atleast_1d", "atleast_2d", "vstack", "hstack", "dstack", "column_stack",
    "append", "vsplit", "hsplit", "meshgrid", "broadcast_arrays",
]  # fmt: skip


@public
def roll(x: ArrayLike, shift: Extent | Sequence[Extent], axis: AxisLike = None) -> Node:
    """x moved along axes, or flattened along all of it; what leaves at one end comes in at the other.

    Along an axis known only when data is bound it is not moved by more than its extent.

    >>> from graphc import sym
    >>> roll(sym.var('x', shape=('n', 3)), (1, -1), axis=(0, 1)).shape
    (n, 3)
    """
    node = as_node("roll", x)
    if axis is None:
        return reshaped(roll(ravel(node), shift, 0), node.shape)
    given = axis if isinstance(axis, Sequence) else [axis]
    axes = [as_axes("roll", one, node.typed)[0] for one in given]
    shifts = list(shift) if isinstance(shift, Sequence) else [shift] * len(axes)
    if len(shifts) != len(axes):
        raise ShapeError(offence("roll", f"{len(shifts)} shifts along {len(axes)} axes", "give as many of both"))
    for k, by in zip(axes, shifts):
        node = _rolled(node, by, k)
    return node


def _rolled(x: Node, shift: Extent, axis: int) -> Node:
    n = x.shape[axis]
    if isinstance(n, int) and isinstance(shift, int):
        shift = shift % n if n else 0
    cut = -shift if isinstance(shift, int) and shift < 0 else n - shift
    before = [slice(None)] * axis
    return concat([getitem(x, (*before, slice(cut, None))), getitem(x, (*before, slice(0, cut)))], axis)


@public
def rot90(x: ArrayLike, k: int = 1, axes: tuple[SupportsIndex, SupportsIndex] = (0, 1)) -> Node:
    """x turned k times by a right angle, from the first of two axes towards the second.

    >>> from graphc import sym
    >>> rot90(sym.var('x', shape=('n', 3))).shape
    (3, n)
    """
    node = as_node("rot90", x)
    first, second = as_axes("rot90", axes, node.typed)
    match k % 4:
        case 0:
            return node
        case 1:
            return swapaxes(flip(node, second), first, second)
        case 2:
            return flip(node, (first, second))
        case _:
            return flip(swapaxes(node, first, second), second)


@public
def fliplr(x: ArrayLike) -> Node:
    """x with its columns, the second axis, in reverse.

    >>> from graphc import sym
    >>> fliplr(sym.var('x', shape=('n', 3))).shape
    (n, 3)
    """
    return flip(x, 1)


@public
def flipud(x: ArrayLike) -> Node:
    """x with its rows, the first axis, in reverse.

    >>> from graphc import sym
    >>> flipud(sym.var('x', shape=('n', 3))).shape
    (n, 3)
    """
    return flip(x, 0)


# -- side by side -----------------------------------------------------------------------------------


@public
def atleast_1d(x: ArrayLike) -> Node:
    """x, with an axis if it is a scalar.

    >>> from graphc import sym
    >>> atleast_1d(2.0).shape
    (1,)
    """
    node = as_node("atleast_1d", x)
    return node if node.ndim else reshaped(node, (1,))


@public
def atleast_2d(x: ArrayLike) -> Node:
    """x, with axes in front if it has less than two.

    >>> from graphc import sym
    >>> atleast_2d(sym.var('x', shape=('n',))).shape
    (1, n)
    """
    node = as_node("atleast_2d", x)
    return reshaped(node, (1,) * (2 - node.ndim) + node.shape)


@public
def vstack(arrays: Sequence[ArrayLike]) -> Node:
    """Arrays one below the other, along the first axis; vectors are rows.

    >>> from graphc import sym
    >>> vstack([sym.var('x', shape=('n', 3)), sym.var('y', shape=(3,))]).shape
    (n + 1, 3)
    """
    return concat([atleast_2d(x) for x in arrays], 0)


@public
def hstack(arrays: Sequence[ArrayLike]) -> Node:
    """Arrays one beside the other, along the second axis; vectors one behind the other.

    >>> from graphc import sym
    >>> hstack([sym.var('x', shape=('n', 3)), sym.var('y', shape=('n', 2))]).shape
    (n, 5)
    """
    nodes = [atleast_1d(x) for x in arrays]
    return concat(nodes, 0 if nodes and nodes[0].ndim == 1 else 1)


@public
def dstack(arrays: Sequence[ArrayLike]) -> Node:
    """Arrays one behind the other, along the third axis; vectors are rows.

    >>> from graphc import sym
    >>> dstack([sym.var('x', shape=('n', 3)), sym.var('y', shape=('n', 3))]).shape
    (n, 3, 2)
    """
    nodes = [atleast_2d(x) for x in arrays]
    return concat([reshaped(x, (*x.shape, 1)) if x.ndim == 2 else x for x in nodes], 2)


@public
def column_stack(arrays: Sequence[ArrayLike]) -> Node:
    """Arrays one beside the other, along the second axis; vectors are columns.

    >>> from graphc import sym
    >>> column_stack([sym.var('x', shape=('n',)), sym.var('y', shape=('n', 2))]).shape
    (n, 3)
    """
    nodes = [as_node("column_stack", x) for x in arrays]
    return concat([reshaped(x, (x.size, 1)) if x.ndim < 2 else x for x in nodes], 1)


@public
def append(x: ArrayLike, values: ArrayLike, axis: SupportsIndex | None = None) -> Node:
    """Values behind x along an axis; both flattened, if there is none.

    >>> from graphc import sym
    >>> append(sym.var('x', shape=('n', 3)), [[1, 2, 3]], axis=0).shape
    (n + 1, 3)
    """
    return concat([x, values], axis)


@public(outputs=split_structure)
def vsplit(x: ArrayLike, indices_or_sections: int | Sequence[Extent]) -> list[Node]:
    """x cut along the first axis.

    >>> from graphc import sym
    >>> [part.shape for part in vsplit(sym.var('x', shape=('n', 3)), [2])]
    [(2, 3), (n - 2, 3)]
    """
    return split(x, indices_or_sections, 0)


@public(outputs=split_structure)
def hsplit(x: ArrayLike, indices_or_sections: int | Sequence[Extent]) -> list[Node]:
    """x cut along the second axis; a vector along its only one.

    >>> from graphc import sym
    >>> [part.shape for part in hsplit(sym.var('x', shape=('n', 4)), 2)]
    [(n, 2), (n, 2)]
    """
    node = as_node("hsplit", x)
    return split(node, indices_or_sections, min(1, node.ndim - 1))


# -- grids ------------------------------------------------------------------------------------------


@public(outputs=lambda *arrays: list(range(len(arrays))))
def broadcast_arrays(*arrays: ArrayLike) -> list[Node]:
    """Arrays stretched to their common shape; each keeps its dtype.

    >>> from graphc import sym
    >>> [x.shape for x in broadcast_arrays(sym.var('x', shape=('n', 1)), [1.0, 2.0, 3.0])]
    [(n, 3), (n, 3)]
    """
    return broadcast("broadcast_arrays", *(as_node("broadcast_arrays", x) for x in arrays))


@public(outputs=lambda *arrays, indexing="xy": list(range(len(arrays))))
def meshgrid(*arrays: ArrayLike, indexing: Literal["xy", "ij"] = "xy") -> list[Node]:
    """For each vector an array over the grid of all, which varies along its own axis only.

    The vectors are the axes in order; with `xy` the first two change places.

    >>> from graphc import sym
    >>> x, y = meshgrid(sym.var('x', shape=('n',)), sym.var('y', shape=(3,)))
    >>> x.shape
    (3, n)
    """
    if indexing not in ("xy", "ij"):
        raise ShapeError(offence("meshgrid", f"indexing={indexing!r} is unknown", "use 'xy' or 'ij'"))
    nodes = [ravel(x) for x in arrays]
    places = list(range(len(nodes)))
    if indexing == "xy":
        places[:2] = reversed(places[:2])
    shape = tuple(nodes[k].shape[0] for k in places)
    types = [x.typed.with_shape(shape) for x in nodes]
    return [
        spread(x, t, tuple(k for k in range(len(places)) if k != places[i]))
        for i, (x, t) in enumerate(zip(nodes, types))
    ]
