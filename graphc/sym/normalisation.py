"""Normalisation: values brought to mean 0 and variance 1, or to length 1, over a batch, a group or a neighbourhood."""

from __future__ import annotations

from graphc.errors import ShapeError
from graphc.node import Node
from graphc.ops.declare import offence
from graphc.ops.movement import EXPAND, spread
from graphc.ops.parts import PAD
from graphc.ops.reduction import SUM
from graphc.ops.window import windows
from graphc.sym.axes import AxisLike, as_axes, as_axis
from graphc.sym.elementwise import power, rsqrt, stop_gradient
from graphc.sym.movement import reshaped
from graphc.sym.nn import laid_along
from graphc.sym.promote import ArrayLike, floating, promote
from graphc.sym.record import public
from graphc.sym.reduction import mean as average
from graphc.sym.reduction import sum
from graphc.types import product

__all__ = [
    "batch_norm", "batch_moments", "group_norm", "instance_norm", "rms_norm", "local_response_norm", "l2_normalize",
]  # fmt: skip


@public
def batch_norm(
    x: ArrayLike,
    gamma: ArrayLike | None = None,
    beta: ArrayLike | None = None,
    mean: ArrayLike | None = None,
    var: ArrayLike | None = None,
    axis: int = 1,
    eps: float = 1e-5,
) -> Node:
    """(x - mean) / √(var + eps) × gamma + beta, with one statistic and parameter for each channel, along `axis`.

    Statistics not given are those of the batch: over all axes but the channels', the variance without correction.
    `batch_norm(x, gamma, beta, *batch_moments(x))` is the same node, for who needs them too.
    Ioffe and Szegedy, Batch Normalization, 2015.

    >>> from graphc import sym
    >>> x, gamma = sym.var('x', shape=('n', 64, 8, 8)), sym.var('gamma', shape=64)
    >>> sym.batch_norm(x, gamma).shape
    (n, 64, 8, 8)
    """
    node, given = _promoted("batch_norm", x, gamma, beta, mean, var)
    k = as_axis("batch_norm", axis, node.typed)
    scale, shift, centre, variance = [_each_channel("batch_norm", p, node, k) for p in given]
    if centre is None or variance is None:
        found = batch_moments(node, k)
        centre, variance = (own if own is not None else batch for own, batch in zip((centre, variance), found))
    return _affine(node, centre, variance, scale, shift, eps, others=_but(node, k))


def _two(x: ArrayLike, axis: int = 1) -> tuple[int, int]:
    return (0, 1)


@public(outputs=_two)
def batch_moments(x: ArrayLike, axis: int = 1) -> tuple[Node, Node]:
    """The mean and the variance, without correction, of each channel along `axis`.

    >>> from graphc import interpret, sym
    >>> print(*interpret(sym.batch_moments([[1.0, 5], [3, 5]]), {}))
    [2. 5.] [1. 0.]
    """
    (node,) = promote("batch_moments", x, rule=floating)
    return _moments(node, _but(node, as_axis("batch_moments", axis, node.typed)))


@public
def group_norm(
    x: ArrayLike, groups: int, gamma: ArrayLike | None = None, beta: ArrayLike | None = None, eps: float = 1e-5
) -> Node:
    """x `[batch, channels, *spatial]` brought to mean 0 and variance 1 over each example's groups of channels.

    gamma and beta are one number for each channel. Wu and He, Group Normalization, 2018.

    >>> from graphc import interpret, sym
    >>> print(interpret(sym.group_norm([[1.0, 3, 5, 5]], 2), {}).round(3))
    [[-1.  1.  0.  0.]]
    """
    return _group_norm("group_norm", x, groups, gamma, beta, eps)


@public
def instance_norm(
    x: ArrayLike, gamma: ArrayLike | None = None, beta: ArrayLike | None = None, eps: float = 1e-5
) -> Node:
    """x `[batch, channels, *spatial]` brought to mean 0 and variance 1 over each channel of each example.

    gamma and beta are one number for each channel. Ulyanov, Vedaldi and Lempitsky, Instance Normalization, 2016.

    >>> from graphc import interpret, sym
    >>> print(interpret(sym.instance_norm([[[1.0, 3], [5, 5]]], beta=[0, 10]), {}).round(3))
    [[[-1.  1.]
      [10. 10.]]]
    """
    return _group_norm("instance_norm", x, None, gamma, beta, eps)


def _group_norm(
    name: str, x: ArrayLike, groups: int | None, gamma: ArrayLike | None, beta: ArrayLike | None, eps: float
) -> Node:
    node, given = _promoted(name, x, gamma, beta)
    if node.ndim < 2:
        raise ShapeError(offence(name, f"{node.type} has no channels", "give [batch, channels, *spatial]"))
    scale, shift = [_each_channel(name, p, node, 1) for p in given]
    batch, channels, *spatial = node.shape
    count = channels if groups is None else groups
    if groups is not None and (groups < 1 or channels // groups * groups != channels):
        raise ShapeError(offence(name, f"{channels} channels make no {groups} groups", "take a divisor"))
    rows = reshaped(node, (batch, count, product((channels // count, *spatial))))
    normal = reshaped(_affine(rows, *_moments(rows, (2,)), None, None, eps, others=(2,)), node.shape)
    return _parametrised(normal, scale, shift, _but(node, 1))


@public
def rms_norm(x: ArrayLike, gamma: ArrayLike | None = None, axis: AxisLike = -1, eps: float = 1e-6) -> Node:
    """x / √(mean(x²) + eps) along the axes, times gamma, which has just these.

    Zhang and Sennrich, Root Mean Square Layer Normalization, 2019.

    >>> from graphc import interpret, sym
    >>> print(interpret(sym.rms_norm([7.0, -1]), {}).round(3))
    [ 1.4 -0.2]
    """
    node, (scale,) = _promoted("rms_norm", x, gamma)
    axes = tuple(sorted(as_axes("rms_norm", axis, node.typed)))
    y = node * rsqrt(average(node * node, axes, keepdims=True) + eps)
    return y if scale is None else y * laid_along("rms_norm", "gamma", scale, node, axes)


@public
def local_response_norm(x: ArrayLike, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 2.0) -> Node:
    """x / (k + alpha / size × Σ x²)^beta, with the sum over `size` neighbouring channels of `[batch, channels, …]`.

    Krizhevsky, Sutskever and Hinton, ImageNet Classification with Deep Convolutional Neural Networks, 2012.

    >>> from graphc import interpret, sym
    >>> print(interpret(sym.local_response_norm([[1.0, 1, 1]], 3, alpha=3, beta=1, k=1), {}).round(3))
    [[0.333 0.25  0.333]]
    """
    (node,) = promote("local_response_norm", x, rule=floating)
    if node.ndim < 2 or size < 1:
        what = f"size={size} for {node.type}"
        raise ShapeError(offence("local_response_norm", what, "give channels as axis 1, and a size of at least 1"))
    rest = (0,) * (node.ndim - 2)
    low, high = (0, size // 2, *rest), (0, (size - 1) // 2, *rest)
    padded = PAD(node * node, low=low, high=high, interior=(0,) * node.ndim, value=0) if size > 1 else node * node
    squares = SUM(windows(padded, (1,), (size,), (1,), (1,)), axes=(node.ndim,))
    return node * power(k + alpha / size * squares, -beta)


@public
def l2_normalize(x: ArrayLike, axis: AxisLike = -1, eps: float = 1e-10) -> Node:
    """x / √(Σ x² + eps), with the sum along the axes.

    >>> from graphc import interpret, sym
    >>> print(interpret(sym.l2_normalize([3.0, 4]), {}).round(3))
    [0.6 0.8]
    """
    (node,) = promote("l2_normalize", x, rule=floating)
    axes = as_axes("l2_normalize", axis, node.typed)
    return node * rsqrt(sum(node * node, axes, keepdims=True) + eps)


# -- parts ------------------------------------------------------------------------------------------


def _moments(x: Node, axes: tuple[int, ...]) -> tuple[Node, Node]:
    """Mean and variance over axes.

    The variance about any constant c is mean((x - c)²) - (mean - c)². With the mean itself as the constant, the last
    term is 0 and so is its derivative, but not its second. So one needs no sum over x for it to find the first.
    """
    centre = average(x, axes)
    fixed = stop_gradient(centre)
    distance, moved = x - spread(fixed, x.typed, axes), centre - fixed
    return centre, average(distance * distance, axes) - moved * moved


def _affine(
    x: Node,
    centre: Node,
    variance: Node,
    scale: Node | None,
    shift: Node | None,
    eps: float,
    others: tuple[int, ...],
) -> Node:
    """(x - centre) / √(variance + eps) × scale + shift, each the same along the other axes."""
    factor = rsqrt(variance + eps)
    factor = factor if scale is None else factor * scale
    return _parametrised(x - spread(centre, x.typed, others), factor, shift, others)


def _parametrised(x: Node, scale: Node | None, shift: Node | None, others: tuple[int, ...]) -> Node:
    scaled = x if scale is None else x * spread(scale, x.typed, others)
    return scaled if shift is None else scaled + spread(shift, x.typed, others)


def _but(x: Node, axis: int) -> tuple[int, ...]:
    """All axes but one."""
    return tuple(k for k in range(x.ndim) if k != axis)


def _promoted(name: str, x: ArrayLike, *parameters: ArrayLike | None) -> tuple[Node, list[Node | None]]:
    """x and its parameters of one float dtype; those not given stay so."""
    node, *nodes = promote(name, x, *(p for p in parameters if p is not None), rule=floating)
    rest = iter(nodes)
    return node, [None if p is None else next(rest) for p in parameters]


def _each_channel(name: str, parameter: Node | None, x: Node, axis: int) -> Node | None:
    """A parameter that has one number for each channel; a single one serves all."""
    if parameter is None or parameter.shape == x.shape[axis : axis + 1]:
        return parameter
    if parameter.shape == ():
        return EXPAND(parameter, axes=(0,), extents=x.shape[axis : axis + 1])
    shown = f"a parameter {parameter.type} for {x.shape[axis]} channels of {x.type}"
    raise ShapeError(offence(name, shown, f"give it the shape ({x.shape[axis]},)"))
