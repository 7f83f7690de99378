"""Layers of order: sorted elements, their places, and the first few of them. Elements that tie keep their order."""

from __future__ import annotations

from typing import Literal

from graphc.node import Node
from graphc.sym import sorting
from graphc.sym.elementwise import astype
from graphc.sym.movement import one_axis, reshaped
from graphc.sym.mx.attribute import SINGLE, DTypeName
from graphc.sym.mx.layer import Values, layer

__all__: list[str] = []


@layer(name="sort", outputs=lambda attributes: ("output0",))
def _sort(data: Node, *, axis: int | None = -1, is_ascend: bool = True) -> Node:
    """The data sorted along an axis, or all of it, flattened."""
    return sorting.sort(data, axis, descending=not is_ascend)


@layer(name="argsort")
def _argsort(data: Node, *, axis: int | None = -1, is_ascend: bool = True, dtype: DTypeName = SINGLE) -> Node:
    """The indices that sort the data along an axis, or all of it, flattened."""
    return astype(sorting.argsort(data, axis, descending=not is_ascend), dtype)


def _results(a: Values) -> tuple[str, ...]:
    return {"both": ("output0", "output1"), "value": ("output0",)}.get(a["ret_typ"], ("output",))


@layer(name="topk", outputs=_results)
def _topk(
    data: Node,
    *,
    axis: int | None = -1,
    k: int = 1,
    ret_typ: Literal["both", "indices", "mask", "value"] = "indices",
    is_ascend: bool = False,
    dtype: DTypeName = SINGLE,
) -> tuple[Node, ...]:
    """The k largest elements along an axis, or of all, or the smallest, or where they are; with a k below 1 all.

    What is given are values, `indices`, `both`, or a `mask` of ones in the places of these elements.
    """
    x, along = one_axis("topk", data, axis)
    count = k if k > 0 else x.shape[along]
    if ret_typ == "mask":
        place = sorting.argsort(sorting.argsort(x, along, descending=not is_ascend), along)
        return (reshaped(astype(place < count, data.dtype), data.shape),)
    values, places = sorting.topk(x, count, along, largest=not is_ascend)
    indices = astype(places, dtype)
    return {"both": (values, indices), "value": (values,), "indices": (indices,)}[ret_typ]
