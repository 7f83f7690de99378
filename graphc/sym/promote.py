"""From what users write to what core operators take: nodes of one dtype and one shape.

Dtypes promote as NumPy's do; Python scalars are weak, they take the dtype of the arrays they meet. Shapes
broadcast as NumPy's do, but an extent known only at run time stretches to nothing: it equals the other or
is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from graphc.errors import DTypeError, ShapeError
from graphc.graph import Graph
from graphc.node import Node, constant
from graphc.ops.creation import extent_value
from graphc.ops.declare import offence
from graphc.ops.elementwise import CAST
from graphc.ops.movement import EXPAND, RESHAPE
from graphc.settings import default_float
from graphc.types import BOOL, INT64, Dim, DType, Extent, Shape, Type, as_dtype

INT8 = np.dtype(np.int8)

Array: TypeAlias = NDArray[Any]
Scalar: TypeAlias = "bool | int | float | Dim"
ArrayLike: TypeAlias = "Node | Array | np.generic | Sequence[ArrayLike] | Scalar"
Rule: TypeAlias = Callable[[str, DType], DType]


# -- rules: the dtype a function computes in, given that of its operands ----------------------------


def any_kind(name: str, dtype: DType) -> DType:
    """As it is."""
    return dtype


def floating(name: str, dtype: DType) -> DType:
    """Floats; everything else becomes the default float."""
    return dtype if dtype.kind == "f" else default_float()


def numeric(name: str, dtype: DType) -> DType:
    """Numbers; bools are refused."""
    if dtype == BOOL:
        raise DTypeError(offence(name, "bools are no numbers", "cast them, or use logical_not, logical_xor, …"))
    return dtype


def counting(name: str, dtype: DType) -> DType:
    """Numbers; bools become int8, as NumPy has it."""
    return INT8 if dtype == BOOL else dtype


def whole(name: str, dtype: DType) -> DType:
    """Bools and integers; floats are refused."""
    if dtype.kind == "f":
        raise DTypeError(offence(name, f"{dtype} has no bits to work on", "cast it to an integer"))
    return dtype


def shiftable(name: str, dtype: DType) -> DType:
    """Integers; bools become int8, floats are refused."""
    return counting(name, whole(name, dtype))


# -- dtypes -----------------------------------------------------------------------------------------


def as_node(name: str, operand: ArrayLike, dtype: DType | None = None) -> Node:
    """One operand as a node, of its own dtype or of a given one."""
    value = _strong(name, operand)
    return _converted(name, value, dtype or common_dtype([value]))


def promote(name: str, *operands: ArrayLike, rule: Rule = any_kind) -> list[Node]:
    """Operands as nodes of one dtype: their common one, which a rule may raise. Each keeps its shape."""
    values = [_strong(name, operand) for operand in operands]
    dtype = rule(name, common_dtype(values))
    return [_converted(name, value, dtype) for value in values]


def common_dtype(values: Sequence[Node | Array | Scalar]) -> DType:
    """The dtype that arrays promote to, raised to the kind of the Python scalars beside them."""
    dtype = reduce(np.promote_types, [value.dtype for value in values if isinstance(value, (Node, np.ndarray))], BOOL)
    if dtype.kind != "f" and any(isinstance(value, float) for value in values):
        return default_float()
    if dtype == BOOL and any(isinstance(value, int | Dim) and not isinstance(value, bool) for value in values):
        return INT64
    return dtype


def _strong(name: str, operand: ArrayLike) -> Node | Array | Scalar:
    """Nodes and Python scalars as they are, everything else as an array of a supported dtype."""
    if isinstance(operand, (Node, bool, int, float, Dim)) and not isinstance(operand, np.generic):
        return operand
    if _holds_node(operand):
        raise TypeError(
            offence(name, "several nodes are no array", "choose one, or join them by sym.stack or sym.concat")
        )
    try:
        array: Array = np.asarray(operand)
        dtype = as_dtype(array.dtype)
    except (DTypeError, ValueError) as error:
        raise DTypeError(offence(name, f"{type(operand).__name__} is no array of numbers", str(error))) from error
    if isinstance(operand, (list, tuple)) and dtype.kind == "f":
        dtype = default_float()  # Python floats in a list say no dtype
    return array.astype(dtype, copy=False)


def _holds_node(operand: object) -> bool:
    if isinstance(operand, (list, tuple, Graph)):
        return any(isinstance(item, Node) or _holds_node(item) for item in cast("Sequence[object]", operand))
    return False


def _converted(name: str, value: Node | Array | Scalar, dtype: DType) -> Node:
    if isinstance(value, Node):
        return value if value.dtype == dtype else CAST(value, dtype=dtype)
    if isinstance(value, np.ndarray):
        return constant(value.astype(dtype, copy=False))
    if isinstance(value, Dim):
        return extent_value(value, dtype)
    try:
        return constant(np.array(value, dtype))
    except OverflowError as error:
        raise DTypeError(offence(name, f"{value} does not fit {dtype}", "cast the array to a wider dtype")) from error


# -- shapes -----------------------------------------------------------------------------------------


def broadcast(name: str, *nodes: Node) -> list[Node]:
    """Nodes expanded to their common shape."""
    if len({node.shape for node in nodes}) == 1:
        return list(nodes)
    shape = common_shape(name, [node.typed for node in nodes])
    return [broadcast_node(node, shape) for node in nodes]


def common_shape(name: str, types: Sequence[Type]) -> Shape:
    """The shape that these broadcast to: extents are equal or literally 1."""
    ndim = max(type.ndim for type in types)
    return tuple([_common_extent(name, types, axis) for axis in range(-ndim, 0)])


def _common_extent(name: str, types: Sequence[Type], axis: int) -> Extent:
    """The extent along an axis, which is counted from the last."""
    extents = {type.shape[axis] for type in types if -axis <= type.ndim} - {1}
    if len(extents) > 1:
        raise ShapeError(_differ(name, types, axis, fixed=all(isinstance(extent, int) for extent in extents)))
    return extents.pop() if extents else 1


def _differ(name: str, types: Sequence[Type], axis: int, fixed: bool) -> str:
    ndims = {type.ndim for type in types}
    shown = axis + ndims.pop() if len(ndims) == 1 else axis
    way_out = "slice or pad one of them" if fixed else "an extent known only at run time stretches to nothing else"
    return offence(name, f"{' and '.join(map(str, types))} differ at axis {shown}", way_out)


def broadcast_node(node: Node, shape: Shape) -> Node:
    """A node expanded to a shape it broadcasts to: axes of extent 1 are dropped, then all that miss inserted."""
    if node.shape == shape:
        return node
    offset = len(shape) - node.ndim
    kept = [axis for axis in range(node.ndim) if node.shape[axis] == shape[axis + offset]]
    squeezed = tuple([node.shape[axis] for axis in kept])
    inner = node if squeezed == node.shape else RESHAPE(node, shape=squeezed)
    axes = tuple([axis for axis in range(len(shape)) if axis - offset not in kept])
    return EXPAND(inner, axes=axes, extents=tuple([shape[axis] for axis in axes]))
