"""Operators that live only inside kernels: an index as a number, a guard, a load, a fold over an axis.

An index is an `Extent`: an integer polynomial of loop axes (dimensions named `@0`, `@1`, …), of the graph's own
dimensions, and of what is computed (`$0`, `$1`, …: int64 scalars, the arguments of the node whose index it is).
A guard `(index, low, high)` holds where low <= index < high.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from graphc.node import Node, Op, Params, constant
from graphc.types import BOOL, INT64, DType, Extent, Type

Guard: TypeAlias = "tuple[Extent, Extent, Extent]"
Guards: TypeAlias = "tuple[Guard, ...]"


def _load_type(types: Sequence[Type], params: Params) -> Type:
    dtype = params[1]
    assert isinstance(dtype, DType)
    return Type(dtype)


INDEX = Op(name="index", params=("index",), infer=lambda types, params: Type(INT64), kind="kernel")
INSIDE = Op(name="inside", params=("guards",), infer=lambda types, params: Type(BOOL), kind="kernel")
LOAD = Op(name="load", params=("buffer", "dtype", "index", "guards"), infer=_load_type, kind="kernel")
FOLD = Op(name="fold", params=("reduction", "axis", "extent"), infer=lambda types, params: types[0], kind="kernel")


def index_value(index: Extent) -> Node:
    """An index as an int64 scalar."""
    return INDEX(index=index)


def inside(guards: Guards, computed: tuple[Node, ...] = ()) -> Node:
    """Whether all guards hold, as a bool scalar: a constant, if that is known."""
    unknown: list[Guard] = []
    for index, low, high in guards:
        if not (isinstance(index, int) and isinstance(low, int) and isinstance(high, int)):
            unknown.append((index, low, high))
        elif not low <= index < high:
            return constant(False)
    return INSIDE(*computed, guards=tuple(unknown)) if unknown else constant(True)
