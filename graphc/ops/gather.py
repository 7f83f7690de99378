"""Gather and scatter: elements at computed indices, read or added up. Each is the derivative of the other.

    gather(x, i, j)[k, …, rest, …] = x[i[k, …], j[k, …], rest, …]
    scatter(g, i, j)[a, b, rest, …] = the sum of g[k, …, rest, …] over all places k, … with i = a and j = b

There is one index array for each of the leading axes; all are int64 and of one shape. An index beyond an end of its
axis stands for that end, so that no index reaches outside.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from graphc.errors import DTypeError, ShapeError
from graphc.node import Node, Op, Params, Sample
from graphc.ops.creation import index_along
from graphc.ops.declare import offence
from graphc.ops.lanes import Lanes, has_lanes
from graphc.ops.logic import CAST, WHERE
from graphc.ops.movement import Array, Tangents, fill
from graphc.ops.reduction import MAX, MIN, SUM
from graphc.types import INT64, Shape, Type

REDUCTIONS = {op.name: op for op in (SUM, MAX, MIN)}  # how a scatter combines what meets at one place
_UFUNCS = {"sum": np.add, "max": np.maximum, "min": np.minimum}


def _check_indices(name: str, indices: Sequence[Type]) -> None:
    first = indices[0] if indices else Type(INT64)
    if any(index.shape != first.shape for index in indices):
        what = f"the indices {' and '.join(map(str, indices))} have different shapes"
        raise ShapeError(offence(name, what, "broadcast them"))
    if wrong := [index for index in indices if index.dtype != INT64]:
        raise DTypeError(offence(name, f"the index {wrong[0]} is not of int64", "cast it"))


def _check_extents(name: str, extents: Shape, indices: Sequence[Type]) -> None:
    for extent, index in zip(extents, indices):
        if extent == 0 and index.size != 0:
            raise ShapeError(offence(name, f"{index} points into an axis without elements", "index one that has some"))


def _within(indices: Sequence[Array], extents: Sequence[int]) -> tuple[Array, ...]:
    return tuple([np.clip(index, 0, max(0, n - 1)) for index, n in zip(indices, extents)])


# -- gather -----------------------------------------------------------------------------------------


def _gather_type(types: Sequence[Type], params: Params) -> Type:
    x, *indices = types
    if not 0 < len(indices) <= x.ndim:
        raise ShapeError(offence("gather", f"{len(indices)} indices into {x}", "give one for each leading axis"))
    _check_indices("gather", indices)
    _check_extents("gather", x.shape, indices)
    return x.with_shape((*indices[0].shape, *x.shape[len(indices) :]))


def _gather_vjp(g: Node, y: Node, i: int) -> Node | None:
    x, *indices = y.args
    return SCATTER(g, *indices, extents=x.shape[: len(indices)], reduction="sum") if i == 0 else None


def _gather_jvp(y: Node, tangents: Tangents) -> Node | None:
    t = tangents[0]
    return None if t is None else GATHER(t, *y.args[1:])


def _gather_batch(y: Node, args: Sequence[Node], lanes: Lanes) -> Node:
    x, own = args[0], y.args[0]
    indices = [i if has_lanes(i, o) else lanes.spread(i) for i, o in zip(args[1:], y.args[1:], strict=True)]
    return GATHER(x, *_counted(indices)) if has_lanes(x, own) else lanes.frozen(GATHER(x, *indices))


def _counted(indices: Sequence[Node]) -> list[Node]:
    """Indices that have lanes, and before them which lane that is."""
    return [index_along(indices[0].typed, 0), *indices]


GATHER = Op(
    name="gather",
    infer=_gather_type,
    vjp=_gather_vjp,
    jvp=_gather_jvp,
    batch=_gather_batch,
    numpy=lambda x, *indices: x[_within(indices, x.shape)],
    kind="gather",
    samples=(
        Sample(((5,), (4,)), {}, ((-3, 3), (-2, 7))),
        Sample(((4, 3), (2, 3)), {}, ((-3, 3), (-1, 4))),
        Sample(((3, 4, 2), (5,), (5,)), {}, ((-3, 3), (0, 2), (0, 3))),
        Sample(((3,), ()), {}, ((-3, 3), (0, 2))),
        Sample(((3, 2), (0,)), {}, ((-3, 3), (0, 2))),
    ),
)


# -- scatter ----------------------------------------------------------------------------------------


def _scatter_type(types: Sequence[Type], params: Params) -> Type:
    (g, *indices), (extents, reduction) = types, cast("tuple[Shape, str]", params)
    if len(indices) != len(extents) or reduction not in REDUCTIONS:
        what = f"{len(indices)} indices into {extents}, combined by {reduction!r}"
        raise ShapeError(offence("scatter", what, f"give one for each extent, and one of {', '.join(REDUCTIONS)}"))
    _check_indices("scatter", indices)
    shape = indices[0].shape if indices else ()
    if g.shape[: len(shape)] != shape:
        raise ShapeError(offence("scatter", f"{g} does not begin with the axes of the index {indices[0]}", "expand it"))
    if g.dtype.kind == "b":
        raise DTypeError(offence("scatter", f"{g} is not of numbers", "cast it to an integer dtype"))
    _check_extents("scatter", extents, indices)
    return g.with_shape((*extents, *g.shape[len(shape) :]))


def _scatter_numpy(g: Array, *rest: object) -> Array:
    *indices, extents, reduction = cast("tuple[Array, ...]", rest)
    ufunc, op = _UFUNCS[cast("str", reduction)], REDUCTIONS[cast("str", reduction)]
    shape = (*extents, *g.shape[indices[0].ndim :])
    assert op.identity is not None
    y = np.full(shape, op.identity(g.dtype), g.dtype)
    ufunc.at(y, _within(indices, cast("Sequence[int]", extents)), g)
    return y


def _scatter_vjp(g: Node, y: Node, i: int) -> Node | None:
    if i:
        return None
    indices, (_, reduction) = y.args[1:], y.params
    if reduction == "sum":
        return GATHER(g, *indices)
    return WHERE(_met(y), GATHER(g / _ties(y), *indices), fill(0, y.args[0].typed))


def _scatter_jvp(y: Node, tangents: Tangents) -> Node | None:
    t, (_, reduction) = tangents[0], y.params
    if t is None:
        return None
    if reduction == "sum":
        return _added(t, y)
    return _added(WHERE(_met(y), t, fill(0, t.typed)), y) / _ties(y)


def _added(g: Node, y: Node) -> Node:
    """The sum of g at the places of a scatter."""
    return SCATTER(g, *y.args[1:], extents=y.params[0], reduction="sum")


def _met(y: Node) -> Node:
    """Which elements of what is scattered are the extreme at their place."""
    return y.args[0] == GATHER(y, *y.args[1:])


def _ties(y: Node) -> Node:
    """How many of them there are at each place; 1 where there is none."""
    count = _added(CAST(_met(y), dtype=y.dtype), y)
    return WHERE(count == 0, fill(1, y.typed), count)


def _scatter_batch(y: Node, args: Sequence[Node], lanes: Lanes) -> Node:
    extents, reduction = y.params
    g, *indices = lanes.all(y, args)
    return SCATTER(g, *_counted(indices), extents=(lanes.extent, *cast("Shape", extents)), reduction=reduction)


SCATTER = Op(
    name="scatter",
    params=("extents", "reduction"),  # the extents of the axes pointed into, and the name of a reduction
    infer=_scatter_type,
    vjp=_scatter_vjp,
    jvp=_scatter_jvp,
    batch=_scatter_batch,
    numpy=_scatter_numpy,
    flops=1,
    kind="scatter",
    samples=(
        Sample(((6,), (6,)), {"extents": (4,), "reduction": "sum"}, ((-3, 3), (-2, 5))),
        Sample(((2, 3, 5), (2, 3)), {"extents": (4,), "reduction": "sum"}, ((-3, 3), (0, 3))),
        Sample(((4, 2), (4,), (4,)), {"extents": (3, 2), "reduction": "sum"}, ((-3, 3), (0, 2), (0, 1))),
        Sample(((9,), (9,)), {"extents": (3,), "reduction": "max"}, ((-3, 3), (0, 2))),
        Sample(((9, 2), (9,)), {"extents": (4,), "reduction": "min"}, ((-3, 3), (0, 3))),
        Sample(((0, 2), (0,)), {"extents": (3,), "reduction": "sum"}, ((-3, 3), (0, 2))),
    ),
)
