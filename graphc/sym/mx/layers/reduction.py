"""Layers that fold: sums and extremes over axes, and products of matrices.

What is folded over all axes has the shape `[1]`, as MXNet knows no scalars.
"""

from __future__ import annotations

from collections.abc import Callable

from graphc.errors import ShapeError
from graphc.node import Node
from graphc.ops.declare import offence
from graphc.sym import contraction, elementwise, statistics
from graphc.sym import reduction as np_named
from graphc.sym.axes import as_axes
from graphc.sym.movement import reshaped, swapaxes, transpose
from graphc.sym.mx.attribute import Ints
from graphc.sym.mx.layer import layer

__all__ = ["argmax_channel", "batch_dot", "moments"]

Fold = Callable[..., Node]


def _at_least_one_axis(x: Node) -> Node:
    return x if x.ndim else reshaped(x, (1,))


# -- over axes --------------------------------------------------------------------------------------


def _chosen(name: str, x: Node, axis: Ints | None, exclude: bool) -> tuple[int, ...]:
    """The axes to fold over; of none given all, and with `exclude` all but those given."""
    axes = as_axes(name, axis or None, x.typed)  # type: ignore[arg-type]
    return tuple([k for k in range(x.ndim) if k not in axes]) if exclude and axis else axes


def _folding(name: str, function: Fold, doc: str, *aliases: str) -> Callable[..., Node]:
    def body(data: Node, *, axis: Ints | None = None, keepdims: bool = False, exclude: bool = False) -> Node:
        found = function(data, _chosen(name, data, axis, exclude), keepdims=keepdims)
        return _at_least_one_axis(elementwise.astype(found, data.dtype))

    body.__doc__ = f"{doc} over these axes, over all, or with `exclude` over all others."
    return layer(name=name, aliases=aliases)(body)


_folding("sum", np_named.sum, "The sum", "sum_axis")
_folding("mean", np_named.mean, "The mean")
_folding("prod", np_named.prod, "The product")
_folding("max", np_named.max, "The greatest element, whose derivative those that tie share,", "max_axis")
_folding("min", np_named.min, "The least element, whose derivative those that tie share,", "min_axis")
_folding("nansum", statistics.nansum, "The sum of what is no NaN")
_folding("nanprod", statistics.nanprod, "The product of what is no NaN")


@layer(name="norm")
def _norm(data: Node, *, ord: int = 2, axis: Ints | None = None, keepdims: bool = False) -> Node:
    """The root of the squares' sum (`ord=2`), or the sum of absolute values (`ord=1`), over these axes or all."""
    if ord not in (1, 2):
        raise ShapeError(offence("norm", f"ord={ord} is not supported", "take 1 or 2"))
    axes = _chosen("norm", data, axis, False)
    if ord == 1:
        return _at_least_one_axis(np_named.sum(elementwise.abs(data), axes, keepdims=keepdims))
    return _at_least_one_axis(np_named.norm(data, None, axes, keepdims))


@layer(outputs=lambda a: ("output0", "output1"))
def moments(data: Node, *, axes: Ints | None = None, keepdims: bool = False) -> tuple[Node, Node]:
    """The mean and the variance over these axes or all."""
    chosen = _chosen("moments", data, axes, False)
    mean, variance = (
        _at_least_one_axis(fold(data, chosen, keepdims=keepdims)) for fold in (np_named.mean, np_named.var)
    )
    return mean, variance


def _extreme(name: str, function: Fold) -> None:
    def body(data: Node, *, axis: int | None = None, keepdims: bool = False) -> Node:
        return _at_least_one_axis(elementwise.astype(function(data, axis, keepdims), data.dtype))

    body.__doc__ = "The index of the extreme element along an axis, the first of several, in the data's dtype."
    layer(name=name)(body)


_extreme("argmax", np_named.argmax)
_extreme("argmin", np_named.argmin)


@layer()
def argmax_channel(data: Node) -> Node:
    """The index of each row's greatest element, in the data's dtype."""
    return elementwise.astype(np_named.argmax(data, 1), data.dtype)


# -- products of matrices ---------------------------------------------------------------------------


@layer(name="dot")
def _dot(lhs: Node, rhs: Node, *, transpose_a: bool = False, transpose_b: bool = False) -> Node:
    """The left operand's last axis summed over with the right one's first; `transpose_…` reverses axes before."""
    a, b = transpose(lhs) if transpose_a else lhs, transpose(rhs) if transpose_b else rhs
    if not a.ndim or not b.ndim:
        raise ShapeError(offence("dot", f"{lhs.type} and {rhs.type}: a scalar is no matrix", "multiply"))
    return _at_least_one_axis(contraction.tensordot(a, b, 1))


@layer()
def batch_dot(lhs: Node, rhs: Node, *, transpose_a: bool = False, transpose_b: bool = False) -> Node:
    """Products of the matrices in the last two axes; `transpose_…` swaps those."""
    if lhs.ndim < 3 or lhs.ndim != rhs.ndim or lhs.shape[:-2] != rhs.shape[:-2]:
        what = f"{lhs.type} and {rhs.type}"
        raise ShapeError(offence("batch_dot", what, "give batches of matrices, as many of both"))
    a, b = swapaxes(lhs, -1, -2) if transpose_a else lhs, swapaxes(rhs, -1, -2) if transpose_b else rhs
    return contraction.matmul(a, b)


def _product(name: str, A: Node, B: Node, transpose_a: bool, transpose_b: bool, alpha: float, axis: int) -> Node:
    """alpha times products of the matrices in the last two axes; `transpose_…` swaps those."""
    if axis != -2:
        raise ShapeError(offence(name, f"axis={axis} is not supported", "take -2"))
    a, b = swapaxes(A, -1, -2) if transpose_a else A, swapaxes(B, -1, -2) if transpose_b else B
    y = contraction.matmul(a, b)
    return y if alpha == 1 else alpha * y


@layer(name="_linalg_gemm2", aliases=("linalg_gemm2",))
def _gemm2(
    A: Node, B: Node, *, transpose_a: bool = False, transpose_b: bool = False, alpha: float = 1.0, axis: int = -2
) -> Node:
    """alpha times products of the matrices in the last two axes; `transpose_…` swaps those."""
    return _product("_linalg_gemm2", A, B, transpose_a, transpose_b, alpha, axis)


@layer(name="_linalg_gemm", aliases=("linalg_gemm",))
def _gemm(
    A: Node,
    B: Node,
    C: Node,
    *,
    transpose_a: bool = False,
    transpose_b: bool = False,
    alpha: float = 1.0,
    beta: float = 1.0,
    axis: int = -2,
) -> Node:
    """The same plus beta times C."""
    y = _product("_linalg_gemm", A, B, transpose_a, transpose_b, alpha, axis)
    return y + (C if beta == 1 else beta * C)


@layer(name="_linalg_syrk", aliases=("linalg_syrk",))
def _syrk(A: Node, *, transpose: bool = False, alpha: float = 1.0) -> Node:
    """alpha times the products of matrices with their transposes, or of these with those."""
    return _product("_linalg_syrk", A, A, transpose, not transpose, alpha, -2)
