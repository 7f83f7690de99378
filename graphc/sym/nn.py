"""Functions of neural networks, made of the others: activations, softmax, layer norm, losses."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, TypeAlias

import numpy as np

from graphc.errors import DTypeError, ShapeError
from graphc.node import Node
from graphc.ops.creation import index_along
from graphc.ops.declare import offence
from graphc.ops.movement import spread
from graphc.sym.axes import AxisLike, as_axes, as_axis
from graphc.sym.elementwise import erfc, exp, expm1, log, rsqrt, sigmoid, softplus, stop_gradient, tanh, where
from graphc.sym.movement import expand_dims
from graphc.sym.promote import ArrayLike, as_node, broadcast_node, floating, promote
from graphc.sym.record import public
from graphc.sym.reduction import max, mean, sum
from graphc.types import INT32, INT64

__all__ = [
    "relu", "leaky_relu", "elu", "gelu", "silu", "mish", "softmax", "log_softmax", "layer_norm", "mse",
    "cross_entropy",
]  # fmt: skip

Reduction: TypeAlias = Literal["mean", "sum", "none"]

REDUCTIONS: dict[str, Callable[[Node], Node]] = {"mean": mean, "sum": sum, "none": lambda x: x}


# -- activations ------------------------------------------------------------------------------------


def _float(name: str, x: ArrayLike) -> Node:
    (node,) = promote(name, x, rule=floating)
    return node


@public
def relu(x: ArrayLike) -> Node:
    """x where it is positive, else 0; its derivative at 0 is 0."""
    node = as_node("relu", x)
    return where(node <= 0, 0, node)  # a NaN is neither, and stays


@public
def leaky_relu(x: ArrayLike, slope: float = 0.01) -> Node:
    """x where it is positive, else slope × x; its derivative at 0 is the slope."""
    node = _float("leaky_relu", x)
    return where(node > 0, node, slope * node)


@public
def elu(x: ArrayLike, alpha: float = 1.0) -> Node:
    """x where it is positive, else alpha × (exp(x) − 1)."""
    node = _float("elu", x)
    return where(node > 0, node, alpha * expm1(node))


@public
def gelu(x: ArrayLike, approximate: bool = False) -> Node:
    """x times the normal distribution function of x; approximated through tanh if asked."""
    node = _float("gelu", x)
    if approximate:
        return 0.5 * node * (1 + tanh(math.sqrt(2 / math.pi) * (node + 0.044715 * node * node * node)))
    return 0.5 * node * erfc(-math.sqrt(0.5) * node)  # 1 + erf(x/√2), accurate in the left tail too


@public
def silu(x: ArrayLike) -> Node:
    """x × sigmoid(x), also named swish."""
    node = _float("silu", x)
    return node * sigmoid(node)


@public
def mish(x: ArrayLike) -> Node:
    """x × tanh(softplus(x))."""
    node = _float("mish", x)
    return node * tanh(softplus(node))


# -- along an axis ----------------------------------------------------------------------------------


@public
def softmax(x: ArrayLike, axis: AxisLike = -1) -> Node:
    """exp(x), scaled to a sum of 1 along the axes."""
    e = exp(_below_greatest("softmax", x, axis))
    return e / sum(e, axis, keepdims=True)


@public
def log_softmax(x: ArrayLike, axis: AxisLike = -1) -> Node:
    """log(softmax(x)), accurate where that is near 0 or 1."""
    d = _below_greatest("log_softmax", x, axis)
    return d - log(sum(exp(d), axis, keepdims=True))


def _below_greatest(name: str, x: ArrayLike, axis: AxisLike) -> Node:
    """x less its greatest along the axes: a shift that changes no softmax, so it needs no derivative."""
    node = _float(name, x)
    as_axes(name, axis, node.typed)  # an error names the function that the user called
    return node - stop_gradient(max(node, axis, keepdims=True))


@public
def layer_norm(
    x: ArrayLike,
    gamma: ArrayLike | None = None,
    beta: ArrayLike | None = None,
    axis: AxisLike = -1,
    eps: float = 1e-5,
) -> Node:
    """x brought to mean 0 and variance 1 along the axes, times gamma, plus beta, which have just these axes."""
    node = _float("layer_norm", x)
    axes = tuple(sorted(as_axes("layer_norm", axis, node.typed)))
    d = node - mean(node, axes, keepdims=True)
    y = d * rsqrt(mean(d * d, axes, keepdims=True) + eps)
    if gamma is not None:
        y = y * laid_along("layer_norm", "a parameter", gamma, y, axes)
    return y if beta is None else y + laid_along("layer_norm", "a parameter", beta, y, axes)


def laid_along(name: str, what: str, parameter: ArrayLike, x: Node, axes: tuple[int, ...]) -> Node:
    """A parameter that has these axes of x, with the others inserted; a single number stays one."""
    node = as_node(name, parameter)
    wanted = tuple([x.shape[k] for k in axes])
    if node.shape not in (wanted, ()):
        shown = f"{what} {node.type} for axes {axes} of {x.type}"
        raise ShapeError(offence(name, shown, f"give it the shape {wanted}"))
    return spread(node, x.typed, tuple([k for k in range(x.ndim) if k not in axes])) if node.shape else node


# -- losses -----------------------------------------------------------------------------------------


def _reduce(name: str, x: Node, reduction: Reduction) -> Node:
    if reduction not in REDUCTIONS:
        raise ValueError(offence(name, f"no reduction is named {reduction!r}", "take 'mean', 'sum' or 'none'"))
    return REDUCTIONS[reduction](x)


@public
def mse(prediction: ArrayLike, target: ArrayLike, reduction: Reduction = "mean") -> Node:
    """The squared difference: its mean, its sum, or each."""
    x, y = promote("mse", prediction, target, rule=floating)
    d = x - y
    return _reduce("mse", d * d, reduction)


@public
def cross_entropy(logits: ArrayLike, labels: ArrayLike, axis: int = -1, reduction: Reduction = "mean") -> Node:
    """−log of the probability that softmax(logits) gives the labels: its mean, its sum, or each.

    Labels are integers (the class of each row, with no class axis), or probabilities of the logits' shape,
    one-hot for instance. A class that does not exist has loss 0.
    """
    x, y = _float("cross_entropy", logits), as_node("cross_entropy", labels)
    k = as_axis("cross_entropy", axis, x.typed)
    p = log_softmax(x, k)
    gains = _expected(y, p) if y.shape == x.shape else where(_is_class(x, y, k), p, 0)
    return _reduce("cross_entropy", -sum(gains, k), reduction)


def _expected(weight: Node, p: Node) -> Node:
    """weight × p, and 0 for a weight of 0, though p may be -inf there."""
    return where(weight == 0, 0, weight * p)


def _is_class(x: Node, labels: Node, axis: int) -> Node:
    """For every element of x, whether its index along the axis is the label."""
    rows = x.shape[:axis] + x.shape[axis + 1 :]
    if labels.shape != rows:
        shown = f"labels {labels.type} for logits {x.type}"
        way_out = f"give classes of shape {rows}, or probabilities of {x.shape}"
        raise ShapeError(offence("cross_entropy", shown, way_out))
    if labels.dtype.kind not in "iu":
        shown = f"labels {labels.type} are no classes"
        raise DTypeError(offence("cross_entropy", shown, "give integers, or probabilities for every class"))
    dtype = INT32 if np.can_cast(labels.dtype, INT32) else INT64
    label = broadcast_node(expand_dims(as_node("cross_entropy", labels, dtype), axis), x.shape)
    return label == index_along(x.typed, axis, dtype)
