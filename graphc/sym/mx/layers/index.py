"""Layers that read at computed places: embeddings, picks, sequences of several lengths."""

from __future__ import annotations

from typing import Literal

import numpy as np

from graphc.errors import ShapeError
from graphc.node import Node, constant
from graphc.ops.creation import IOTA, extent_value, index_along
from graphc.ops.declare import offence
from graphc.ops.gather import SCATTER
from graphc.sym import elementwise
from graphc.sym.axes import as_axis
from graphc.sym.elementwise import astype, equal, less, remainder
from graphc.sym.gathering import gathered, gathered_along
from graphc.sym.indexing import getitem
from graphc.sym.movement import expand_dims, flip, one_axis, reshaped, squeeze
from graphc.sym.mx.attribute import SINGLE, DTypeName
from graphc.sym.mx.layer import Shapes, Values, layer
from graphc.types import INT64, Extent

__all__ = [
    "Embedding", "SequenceLast", "SequenceMask", "SequenceReverse", "batch_take", "gather_nd", "one_hot", "pick",
    "scatter_nd",
]  # fmt: skip

Mode = Literal["clip", "wrap"]


def _places(index: Node, extent: Extent, mode: str) -> Node:
    """An index as an integer; what reads there takes one beyond an end for that end, as 'clip' asks."""
    k = astype(index, INT64)
    return k if mode == "clip" else remainder(k, extent_value(extent, INT64))


# -- tables -----------------------------------------------------------------------------------------


@layer(shapes=lambda known, a: {"weight": (a["input_dim"], a["output_dim"])})
def Embedding(
    data: Node,
    weight: Node,
    *,
    input_dim: int,
    output_dim: int,
    dtype: DTypeName = SINGLE,
    sparse_grad: bool = False,
) -> Node:
    """The rows of the weight, `[input_dim, output_dim]`, whose numbers are the data; beyond the ends, the outermost.

    >>> from graphc import sym
    >>> Embedding(sym.var('words', shape=('n', 20)), input_dim=100, output_dim=8).shape
    (n, 20, 8)
    """
    return gathered(weight, (0,), [_places(data, input_dim, "clip")], 0)


@layer(name="take")
def _take(a: Node, indices: Node, *, axis: int = 0, mode: Mode = "clip") -> Node:
    """The elements at these places along an axis; beyond the ends the outermost ('clip'), or counted anew ('wrap')."""
    k = as_axis("take", axis, a.typed)
    return gathered(a, (k,), [_places(indices, a.shape[k], mode)], k)


@layer()
def pick(data: Node, index: Node, *, axis: int | None = -1, keepdims: bool = False, mode: Mode = "clip") -> Node:
    """One element from along the axis, for every place of the others; the index may have the axis with extent 1."""
    x, k = one_axis("pick", data, axis)
    kept = (*x.shape[:k], 1, *x.shape[k + 1 :])
    if index.shape not in (kept, (*x.shape[:k], *x.shape[k + 1 :])):
        what = f"the index {index.type} does not fit {data.type}"
        raise ShapeError(offence("pick", what, f"give it the shape {kept}"))
    found = gathered_along(x, reshaped(_places(index, x.shape[k], mode), kept), k)
    return found if keepdims else squeeze(found, k)


@layer()
def batch_take(a: Node, indices: Node) -> Node:
    """One element of each row."""
    return squeeze(gathered_along(a, expand_dims(_places(indices, a.shape[1], "clip"), 1), 1), 1)


@layer()
def gather_nd(data: Node, indices: Node) -> Node:
    """The elements at places whose coordinates, along the leading axes, lie along the first axis of the indices."""
    places = [astype(place, INT64) for place in indices]
    if len(places) > data.ndim:
        what = f"{indices.type} has more coordinates than {data.type} has axes"
        raise ShapeError(offence("gather_nd", what, "index each axis once"))
    return gathered(data, tuple(range(len(places))), places, 0)


@layer()
def scatter_nd(data: Node, indices: Node, *, shape: tuple[int, ...]) -> Node:
    """Zeros with the data at these places, given as for `gather_nd`; where several meet, their sum."""
    places = [astype(place, INT64) for place in indices]
    return SCATTER(data, *places, extents=shape[: len(places)], reduction="sum")


@layer()
def one_hot(
    indices: Node,
    *,
    depth: int,
    on_value: float = 1.0,
    off_value: float = 0.0,
    dtype: DTypeName = SINGLE,
) -> Node:
    """A new last axis, where `on_value` stands at the index, and `off_value` elsewhere."""
    index = expand_dims(astype(indices, INT64), indices.ndim)
    hit = equal(index, IOTA(extent=depth, dtype=INT64))
    on, off = (constant(np.asarray(value).astype(dtype)) for value in (on_value, off_value))
    return elementwise.where(hit, on, off)


@layer(name="where")
def _where(condition: Node, x: Node, y: Node) -> Node:
    """x where the condition is not 0, else y; a condition of one axis chooses rows."""
    if x.shape != y.shape or condition.shape not in (x.shape, x.shape[:1]):
        what = f"{condition.type}, {x.type} and {y.type}"
        raise ShapeError(offence("where", what, "give x and y of one shape, and a condition of that or of one axis"))
    rows = reshaped(condition, (*condition.shape, *[1] * (x.ndim - condition.ndim)))
    return elementwise.where(rows != 0, x, y)


# -- sequences --------------------------------------------------------------------------------------


def _lengths(known: Shapes, a: Values) -> Shapes:
    return {"sequence_length": (known["data"][1 - a["axis"]],)} if "data" in known else {}


def _measured(a: Values) -> bool:
    return a["use_sequence_length"]


def _beside(length: Node, x: Node, axis: int) -> Node:
    """Lengths laid along the axis of the batch, 0 or 1, beside the axis of time."""
    return reshaped(astype(length, INT64), tuple([n if k == 1 - axis else 1 for k, n in enumerate(x.shape)]))


@layer(shapes=_lengths, when={"sequence_length": _measured})
def SequenceMask(
    data: Node,
    sequence_length: Node | None = None,
    *,
    use_sequence_length: bool = False,
    value: float = 0.0,
    axis: int = 0,
) -> Node:
    """The data, with the value in the place of all that comes after the end of each sequence along the axis."""
    if sequence_length is None:
        return data
    inside = less(index_along(data.typed, axis), _beside(sequence_length, data, axis))
    return elementwise.where(inside, data, value)


@layer(shapes=_lengths, when={"sequence_length": _measured})
def SequenceLast(
    data: Node, sequence_length: Node | None = None, *, use_sequence_length: bool = False, axis: int = 0
) -> Node:
    """The last element of each sequence along the axis."""
    if sequence_length is None:
        return getitem(data, (*[slice(None)] * axis, -1))
    return squeeze(gathered_along(data, _beside(sequence_length, data, axis) - 1, axis), axis)


@layer(shapes=_lengths, when={"sequence_length": _measured})
def SequenceReverse(
    data: Node, sequence_length: Node | None = None, *, use_sequence_length: bool = False, axis: int = 0
) -> Node:
    """Each sequence along the first axis from its end to its beginning; what comes after the end stays."""
    if axis != 0:
        raise ShapeError(offence("SequenceReverse", f"axis={axis} is not supported", "take 0"))
    if sequence_length is None:
        return flip(data, 0)
    time = index_along(data.typed.with_shape(data.shape[:2]), 0)
    length = expand_dims(astype(sequence_length, INT64), 0)
    source = elementwise.where(time < length, length - 1 - time, time)
    return gathered_along(data, reshaped(source, (*source.shape, *[1] * (data.ndim - 2))), 0)
