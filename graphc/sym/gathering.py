"""Elements at places that are computed: along one axis, along several, or one for each place of the others.

Negative indices count from the end. What is known is checked at once; of what is computed, an index beyond an end
stands for that end.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphc.errors import DTypeError, ShapeError
from graphc.node import CONST, Literal, Node, constant
from graphc.ops.creation import IOTA, extent_value, index_along
from graphc.ops.declare import offence
from graphc.ops.gather import GATHER
from graphc.ops.logic import CAST
from graphc.ops.movement import EXPAND, Axes, permuted
from graphc.sym.elementwise import add, less, where
from graphc.sym.movement import one_axis
from graphc.sym.promote import ArrayLike, as_node, broadcast, broadcast_node, common_shape
from graphc.sym.record import public
from graphc.types import INT64, Type

__all__ = ["take", "take_along_axis"]


@public(method=True)
def take(x: ArrayLike, indices: ArrayLike, axis: int | None = None) -> Node:
    """The elements at these indices along an axis, in whose place the axes of the indices come; by default, of x as
    one row.

    The indices are integers of any shape: `shape = x.shape[:axis] + indices.shape + x.shape[axis + 1:]`. Of what is
    computed, negative ones count from the end, and those beyond an end stand for that end, whatever they are;
    a constant beyond an end is a `ShapeError`. The derivative adds up what comes from one place.

    >>> import graphc
    >>> from graphc import sym
    >>> table, words = sym.var('table', shape=('n', 3)), sym.var('words', shape=(2, 5), dtype='int32')
    >>> sym.take(table, words, axis=0).shape
    (2, 5, 3)
    >>> graphc.compile([words], sym.take([10, 20, 30], words))([[0, 1, 2, -1, 9]] * 2)[0]
    array([10, 20, 30, 30, 30])
    """
    node, k = one_axis("take", as_node("take", x), axis)
    return gathered(node, (k,), [as_index("take", indices, node.typed, k)], k)


@public(method=True)
def take_along_axis(x: ArrayLike, indices: ArrayLike, axis: int | None = -1) -> Node:
    """For every place of the indices, x at that place, but with the index along the axis: as by `argmax` with its
    axis kept, or by `argsort`.

    Both have as many axes; those beside the axis broadcast. With `axis=None`, x is taken as one row. Indices are as
    in `take`.

    >>> from graphc import sym
    >>> x = sym.var('x', shape=('n', 5))
    >>> sym.take_along_axis(x, sym.argmax(x, axis=1, keepdims=True), axis=1).shape
    (n, 1)
    """
    node, k = one_axis("take_along_axis", as_node("take_along_axis", x), axis)
    index = as_indices("take_along_axis", indices)
    if index.ndim != node.ndim:
        what = f"{index.type} has not as many axes as {node.type}"
        raise ShapeError(offence("take_along_axis", what, "add axes of extent 1"))
    return gathered_along(node, from_front("take_along_axis", index, node.typed, k), k)


def gathered_along(x: Node, index: Node, axis: int) -> Node:
    """x at each place of an index of as many axes, which tells the place along one of them; the others broadcast."""
    others = [each.typed.with_shape((*each.shape[:axis], 1, *each.shape[axis + 1 :])) for each in (x, index)]
    shape = common_shape("take_along_axis", others)
    wide, at = (broadcast_node(each, (*shape[:axis], each.shape[axis], *shape[axis + 1 :])) for each in (x, index))
    return GATHER(wide, *(at if k == axis else index_along(at.typed, k) for k in range(at.ndim)))


def gathered(x: Node, axes: Axes, indices: Sequence[Node], place: int) -> Node:
    """x at indices that broadcast, one for each of the axes; theirs are then the axes from that place on."""
    indices = broadcast("getitem", *indices)
    rest = tuple([axis for axis in range(x.ndim) if axis not in axes])
    y, new = GATHER(permuted(x, (*axes, *rest)), *indices), indices[0].ndim
    return permuted(y, (*range(new, new + place), *range(new), *range(new + place, y.ndim)))


# -- indices ----------------------------------------------------------------------------------------


def as_index(name: str, index: ArrayLike, x: Type, axis: int) -> Node:
    """Indices along an axis of x as int64, all counted from the front."""
    return from_front(name, as_indices(name, index), x, axis)


def as_indices(name: str, index: ArrayLike) -> Node:
    """A node of integers; no numbers at all are integers too."""
    node = as_node(name, np.zeros(0, INT64) if isinstance(index, list | tuple) and not index else index)
    if node.dtype.kind not in "iu":
        raise DTypeError(offence(name, f"the index {node.type} is not of integers", "cast it"))
    return node if node.dtype == INT64 else CAST(node, dtype=INT64)


def from_front(name: str, index: Node, x: Type, axis: int) -> Node:
    """The same places, without negative indices; `ShapeError` for one that is known to be beyond an end."""
    n = x.shape[axis]
    if index.op is CONST and isinstance(n, int):
        return constant(_checked(name, index, x, axis, n))
    if _counts(index):
        return index
    return where(less(index, 0), add(index, extent_value(n, INT64)), index)


def _checked(name: str, index: Node, x: Type, axis: int, n: int) -> np.ndarray:
    literal = index.params[0]
    assert isinstance(literal, Literal)
    given = literal.array
    if outside := given[(given < -n) | (given >= n)].tolist():
        way_out = f"indices run from {-n} to {n - 1}" if n else "it has no elements"
        raise ShapeError(offence(name, f"index {outside[0]} is out of range for axis {axis} of {x}", way_out))
    return np.where(given < 0, given + n, given)


def _counts(index: Node) -> bool:
    """Whether an index is plainly 0, 1, 2, … along an axis."""
    return index.op is IOTA or (index.op is EXPAND and index.args[0].op is IOTA)
