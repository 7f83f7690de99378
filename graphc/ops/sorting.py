"""The order of elements: where in each row they stand, sorted. What else has to do with order is made of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from graphc.errors import ShapeError
from graphc.node import Node, Op, Params, Sample, make
from graphc.ops.declare import offence
from graphc.ops.movement import Array
from graphc.types import INT64, Extent, Type

VECTOR = 64  # the most bytes of one


def _argsort_type(types: Sequence[Type], params: Params) -> Type:
    (x,) = types
    if not x.shape:
        raise ShapeError(offence("argsort", f"{x} is a scalar", "give it an axis: x[None]"))
    return x.with_dtype(INT64)


def _argsort_numpy(x: Array, descending: bool) -> Array:
    if not descending:
        return np.argsort(x, kind="stable").astype(np.int64)
    backward = np.argsort(np.flip(x, -1), kind="stable")  # so that equal elements keep their order
    return (x.shape[-1] - 1 - np.flip(backward, -1)).astype(np.int64)


ARGSORT = Op(  # along the last axis; equal elements keep their order, NaNs are greatest
    name="argsort",
    params=("descending",),
    infer=_argsort_type,
    numpy=_argsort_numpy,
    batch=lambda y, args, lanes: make(y.op, tuple(args), y.params),
    kind="sorting",
    samples=(
        Sample(((7,),), {"descending": False}),
        Sample(((2, 3, 4),), {"descending": True}),
        Sample(((2, 100),), {"descending": False}),
        Sample(((3, 1),), {"descending": True}),
        Sample(((2, 0),), {"descending": False}),
    ),
)


def room(node: Node) -> Extent:
    """Bytes that sorting a row takes beside its result: twice its keys, once its places, and a vector beyond them."""
    (x,) = node.args
    return x.shape[-1] * (2 * x.dtype.itemsize + INT64.itemsize) + VECTOR


def is_descending(node: Node) -> bool:
    """Whether the greatest element comes first."""
    return cast("tuple[bool]", node.params)[0]
