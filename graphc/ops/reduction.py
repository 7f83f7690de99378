"""Reductions: one operation folds the elements along some axes, which the result drops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np

from graphc.errors import DTypeError, ShapeError
from graphc.node import Node, Op, Params, Sample, make
from graphc.ops.declare import offence, through_mask
from graphc.ops.logic import CAST, WHERE
from graphc.ops.movement import Array, Axes, Tangents, behind, fill, moved, multilinear_jvp, spread
from graphc.ops.parts import CONCAT, part
from graphc.types import INT64, DType, Type

if TYPE_CHECKING:
    from graphc.codegen.emit import Emitter, Value


SAMPLES = (
    Sample(((5,),), {"axes": (0,)}),
    Sample(((3, 4),), {"axes": (0,)}),
    Sample(((2, 3, 4),), {"axes": (0, 2)}),
    Sample(((2, 1, 3),), {"axes": (1,)}),
    Sample(((2, 3),), {"axes": ()}),
    Sample(((0, 3),), {"axes": (1,)}),
)


def _reduction(
    name: str,
    element: Callable[[Emitter, Value, Value], Value],
    identity: Callable[[DType], object],
    ufunc: np.ufunc,
    *,
    vjp: Callable[[Node, Node, int], Node],
    jvp: Callable[[Node, Tangents], Node | None],
    chooses: bool,
) -> Op:
    """An operator that folds by `element`, from `identity`, over the sorted axes it is given.

    One that `chooses` an element takes booleans too, and no empty axis of numbers.
    """

    def infer(types: Sequence[Type], params: Params) -> Type:
        (x,), axes = types, _axes(params)
        if x.dtype.kind == "b" and not chooses:
            raise DTypeError(offence(name, f"{x} is not of numbers", "cast it to an integer dtype"))
        if x.dtype.kind != "b" and chooses and any(x.shape[axis] == 0 for axis in axes):
            raise ShapeError(offence(name, f"{x} has no elements to choose from", "reduce over axes that have some"))
        return x.with_shape(tuple(n for axis, n in enumerate(x.shape) if axis not in axes))

    def numpy(x: Array, axes: Axes) -> Array:
        return ufunc.reduce(x, axes, x.dtype, initial=identity(x.dtype))

    return Op(
        name=name,
        params=("axes",),
        infer=infer,
        element=element,
        identity=identity,
        numpy=numpy,
        vjp=vjp,
        jvp=jvp,
        batch=lambda y, args, lanes: make(y.op, tuple(args), (behind(_axes(y.params)),)),
        samples=SAMPLES,
        flops=1,
        kind="reduction",
    )


def _axes(params: Params) -> Axes:
    return cast("tuple[Axes]", params)[0]


# -- sum --------------------------------------------------------------------------------------------


def _sum_vjp(g: Node, y: Node, i: int) -> Node:
    return moved(lambda g: spread(g, y.args[0].typed, _axes(y.params)), g)


SUM = _reduction(
    "sum", lambda e, a, x: e.add(a, x), lambda dtype: 0, np.add, vjp=_sum_vjp, jvp=multilinear_jvp, chooses=False
)


# -- prod: the derivative is the product of the others ----------------------------------------------


def _prod_vjp(g: Node, y: Node, i: int) -> Node:
    (x,), axes = y.args, _axes(y.params)
    return through_mask(lambda g: g * product_of_others(x, axes), _sum_vjp(g, y, i))


def _prod_jvp(y: Node, tangents: Tangents) -> Node | None:
    ((x,), (t,)), axes = (y.args, tangents), _axes(y.params)
    return None if t is None else SUM(t * product_of_others(x, axes), axes=axes)


def product_of_others(x: Node, axes: Axes) -> Node:
    """At each place, the product of all the other elements along the axes; zeros among them do no harm."""
    if not axes:
        return fill(1, x.typed)
    *rest, axis = axes
    along = _others if isinstance(x.shape[axis], int) else _others_by_division
    if not rest:
        return along(x, axis)
    inner = PROD(x, axes=(axis,))
    return along(x, axis) * spread(product_of_others(inner, tuple(rest)), x.typed, (axis,))


def _others(x: Node, axis: int) -> Node:
    """By a tree: pairs are multiplied, and what a pair lacks is times what each one of it lacks."""
    n = cast("int", x.shape[axis])
    if n <= 1:
        return fill(1, x.typed)
    half = n // 2
    left, right = part(x, axis, 0, half), part(x, axis, half, half)
    last = [part(x, axis, 2 * half, 1)] if n % 2 else []
    lacking = _others(CONCAT(left * right, *last, axis=axis), axis)
    pairs = part(lacking, axis, 0, half)
    return CONCAT(pairs * right, pairs * left, *(part(lacking, axis, half, 1) for _ in last), axis=axis)


def _others_by_division(x: Node, axis: int) -> Node:
    """For an extent not known yet: the product over x, and by cases where one or more elements are 0.

    At zeros its own derivative is not exact, as it is blind to how the cases change.
    """
    zero, is_zero = fill(0, x.typed), x == 0
    nonzero, zeros = WHERE(is_zero, fill(1, x.typed), x), CAST(is_zero, dtype=INT64)
    product, count = (spread(op(v, axes=(axis,)), x.typed, (axis,)) for op, v in ((PROD, nonzero), (SUM, zeros)))
    return WHERE(count == zeros, product / nonzero, zero)  # no zero but perhaps itself


PROD = _reduction(
    "prod", lambda e, a, x: e.mul(a, x), lambda dtype: 1, np.multiply, vjp=_prod_vjp, jvp=_prod_jvp, chooses=False
)


# -- max and min: those equal to the extreme share its derivative equally ---------------------------


def _extreme_vjp(g: Node, y: Node, i: int) -> Node:
    (x,) = y.args
    share = through_mask(lambda g: g / _ties(y), g)
    return through_mask(lambda g: WHERE(_is_extreme(y), g, fill(0, x.typed)), _sum_vjp(share, y, i))


def _extreme_jvp(y: Node, tangents: Tangents) -> Node | None:
    (t,) = tangents
    if t is None:
        return None
    chosen = WHERE(_is_extreme(y), t, fill(0, t.typed))
    return SUM(chosen, axes=_axes(y.params)) / _ties(y)


def _is_extreme(y: Node) -> Node:
    (x,) = y.args
    return x == spread(y, x.typed, _axes(y.params))


def _ties(y: Node) -> Node:
    return SUM(CAST(_is_extreme(y), dtype=y.dtype), axes=_axes(y.params))


def lowest(dtype: DType) -> object:
    """The value below all others of a dtype; for booleans False."""
    match dtype.kind:
        case "f":
            return -np.inf
        case "b":
            return False
        case _:
            return int(np.iinfo(dtype).min)


def highest(dtype: DType) -> object:
    """The value above all others of a dtype; for booleans True."""
    match dtype.kind:
        case "f":
            return np.inf
        case "b":
            return True
        case _:
            return int(np.iinfo(dtype).max)


MAX = _reduction(
    "max", lambda e, a, x: e.maximum(a, x), lowest, np.maximum, vjp=_extreme_vjp, jvp=_extreme_jvp, chooses=True
)
MIN = _reduction(
    "min", lambda e, a, x: e.minimum(a, x), highest, np.minimum, vjp=_extreme_vjp, jvp=_extreme_jvp, chooses=True
)
