"""Creation: what comes from no argument. An iota is its own index; a constant's values are its parameter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from graphc.node import Node, Op, Params, Sample, constant
from graphc.ops.logic import CAST
from graphc.ops.movement import Array, Index, Read, spread
from graphc.ops.scalar import index_value
from graphc.types import FLOAT64, INT64, DType, Extent, Type


def _iota_type(types: Sequence[Type], params: Params) -> Type:
    extent, dtype = cast("tuple[Extent, DType]", params)
    return Type(dtype, (extent,))


def _iota_pull(read: Read, y: Node, index: Index) -> Node:
    i = index_value(index[0])
    return i if y.dtype == INT64 else CAST(i, dtype=y.dtype)


def _iota_numpy(extent: int, dtype: DType) -> Array:
    return np.arange(extent).astype(dtype)


IOTA = Op(
    name="iota",
    params=("extent", "dtype"),
    infer=_iota_type,
    pull=_iota_pull,
    numpy=_iota_numpy,
    kind="creation",
    samples=(Sample((), {"extent": 5, "dtype": INT64}), Sample((), {"extent": 0, "dtype": FLOAT64})),
)


def index_along(x: Type, axis: int, dtype: DType = INT64) -> Node:
    """For every element of x its index along an axis."""
    others = tuple(k for k in range(x.ndim) if k != axis)
    return spread(IOTA(extent=x.shape[axis], dtype=dtype), x, others)


def _extent_type(types: Sequence[Type], params: Params) -> Type:
    return Type(INT64)


def _extent_pull(read: Read, y: Node, index: Index) -> Node:
    (extent,) = cast("tuple[Extent]", y.params)
    return index_value(extent)


EXTENT = Op(  # a polynomial of dimensions, as a number to compute with
    name="extent",
    params=("extent",),
    infer=_extent_type,
    pull=_extent_pull,
    numpy=np.int64,
    kind="creation",
    samples=(Sample((), {"extent": 5}),),
)


def extent_value(extent: Extent, dtype: DType) -> Node:
    """An extent as a scalar node: a constant, unless it is known only when data is bound."""
    if isinstance(extent, int):
        return constant(extent, dtype)
    value = EXTENT(extent=extent)
    return value if dtype == INT64 else CAST(value, dtype=dtype)
