"""Logic: comparisons, predicates, bits, the choice between two values, and the change of a dtype."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from graphc.errors import DTypeError
from graphc.node import Node, Op, Params, Sample
from graphc.ops.declare import each, elementwise, offence, require_same, select, through_mask
from graphc.types import BOOL, DType, Type

if TYPE_CHECKING:
    from graphc.codegen.emit import Emitter, Value

Array: TypeAlias = "np.ndarray[Any, Any]"

ANYTHING = "biuf"
BITS = "biu"
INTEGERS = "iu"
PAIR = ((-3.0, 3.0), (-3.0, 3.0))


# -- comparisons and predicates ---------------------------------------------------------------------


def _comparison(name: str, instruction: str, numpy: np.ufunc) -> Op:
    return elementwise(
        name,
        lambda e, x, y: getattr(e, instruction)(x, y),
        numpy=numpy,
        kinds=ANYTHING,
        result=BOOL,
        domains=PAIR,
    )


EQUAL = _comparison("equal", "eq", np.equal)
NOT_EQUAL = _comparison("not_equal", "ne", np.not_equal)
LESS = _comparison("less", "lt", np.less)
LESS_EQUAL = _comparison("less_equal", "le", np.less_equal)
GREATER = _comparison("greater", "gt", np.greater)
GREATER_EQUAL = _comparison("greater_equal", "ge", np.greater_equal)

ISNAN = elementwise("isnan", lambda e, x: e.is_nan(x), numpy=np.isnan, result=BOOL)
ISINF = elementwise("isinf", lambda e, x: e.eq(e.abs(x), math.inf), numpy=np.isinf, result=BOOL)
ISFINITE = elementwise("isfinite", lambda e, x: e.lt(e.abs(x), math.inf), numpy=np.isfinite, result=BOOL)


# -- bits -------------------------------------------------------------------------------------------


def _fits(e: Emitter, x: Value, count: Value) -> Value:
    """Whether a shift leaves any bit: the count, read as unsigned, is below the width."""
    unsigned = np.dtype(f"u{x.dtype.itemsize}")
    return e.lt(e.convert(count, unsigned), 8 * x.dtype.itemsize)


def _left_shift(e: Emitter, x: Value, count: Value) -> Value:
    return e.select(_fits(e, x, count), e.shl(x, count), 0)


def _right_shift(e: Emitter, x: Value, count: Value) -> Value:
    """All bits out leaves the sign."""
    gone = e.const(0, x) if x.dtype.kind == "u" else e.shr(x, 8 * x.dtype.itemsize - 1)
    return e.select(_fits(e, x, count), e.shr(x, count), gone)


BITWISE_AND = elementwise("bitwise_and", lambda e, x, y: e.and_(x, y), numpy=np.bitwise_and, kinds=BITS, domains=PAIR)
BITWISE_OR = elementwise("bitwise_or", lambda e, x, y: e.or_(x, y), numpy=np.bitwise_or, kinds=BITS, domains=PAIR)
BITWISE_XOR = elementwise("bitwise_xor", lambda e, x, y: e.xor(x, y), numpy=np.bitwise_xor, kinds=BITS, domains=PAIR)
BITWISE_INVERT = elementwise("bitwise_invert", lambda e, x: e.not_(x), numpy=np.bitwise_not, kinds=BITS)
LEFT_SHIFT = elementwise(
    "bitwise_left_shift", _left_shift, numpy=np.left_shift, kinds=INTEGERS, domains=((-9.0, 9.0), (0.0, 70.0))
)
RIGHT_SHIFT = elementwise(
    "bitwise_right_shift", _right_shift, numpy=np.right_shift, kinds=INTEGERS, domains=((-99.0, 99.0), (0.0, 70.0))
)


# -- choice -----------------------------------------------------------------------------------------


def _where_type(types: Sequence[Type], params: Params) -> Type:
    condition, x, y = types
    if condition.dtype != BOOL:
        raise DTypeError(offence("where", f"{condition} is no condition", "compare it with something"))
    require_same("where", [condition.with_dtype(x.dtype), x, y])
    return x


WHERE = elementwise(
    "where",
    lambda e, c, x, y: e.select(c, x, y),
    None,
    lambda g, y, c, a, b: select(c, g),
    lambda g, y, c, a, b: select(~c, g),
    numpy=np.where,
    infer=_where_type,
    domains=((0.0, 2.0), *PAIR),
)


# -- dtypes, and the end of a derivative ------------------------------------------------------------


def _cast_type(types: Sequence[Type], params: Params) -> Type:
    (dtype,) = params
    assert isinstance(dtype, np.dtype)
    return types[0].with_dtype(dtype)


def _cast_numpy(x: Array, dtype: DType) -> Array:
    """Floats become integers by truncation, saturating; a NaN becomes 0."""
    if x.dtype.kind != "f" or dtype.kind not in INTEGERS:
        return x.astype(dtype)
    least, most = np.iinfo(dtype).min, np.iinfo(dtype).max
    inside = (x > float(least)) & (x < float(most))  # false for a NaN
    limits = np.where(np.isnan(x), dtype.type(0), np.where(x > 0, dtype.type(most), dtype.type(least)))
    return np.where(inside, np.where(inside, x, 0).astype(dtype), limits)


def _as_float(g: Node, y: Node, dtype: DType) -> Node | None:
    """A derivative across a cast, which exists between floats only."""
    return CAST(g, dtype=dtype) if y.dtype.kind == y.args[0].dtype.kind == "f" else None


CAST = Op(
    name="cast",
    infer=_cast_type,
    numpy=_cast_numpy,
    params=("dtype",),
    vjp=lambda g, y, i: through_mask(lambda g: _as_float(g, y, y.args[0].dtype), g),
    jvp=lambda y, tangents: None if tangents[0] is None else _as_float(tangents[0], y, y.dtype),
    element=lambda e, x, dtype: e.convert(x, dtype),
    batch=each,
    samples=tuple(
        [Sample(((2, 3),), {"dtype": np.dtype(name)}, ((0.0, 100.0),)) for name in ("bool", "int8", "uint32", "int64")]
        + [Sample(((2, 3),), {"dtype": np.dtype(name)}, ((-9.0, 9.0),)) for name in ("float32", "float64")]
    ),
    kind="elementwise",
)
STOP_GRADIENT = elementwise("stop_gradient", lambda e, x: x, numpy=lambda x: x, kinds=ANYTHING, flops=0)
