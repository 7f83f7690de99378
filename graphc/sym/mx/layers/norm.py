"""Layers that bring their data to a common scale, and dropout: those that train otherwise than they infer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal
from zlib import crc32

import numpy as np

from graphc.errors import ShapeError
from graphc.node import Node
from graphc.ops.declare import offence
from graphc.ops.note import MODE, UPDATING
from graphc.state import state
from graphc.sym import normalisation, random
from graphc.sym.axes import as_axis
from graphc.sym.elementwise import rsqrt, sqrt, where
from graphc.sym.movement import repeat, reshaped
from graphc.sym.mx.attribute import Ints
from graphc.sym.mx.layer import Shapes, Values, layer
from graphc.sym.nn import layer_norm
from graphc.sym.reduction import mean, var
from graphc.types import Extent, product

__all__ = ["LRN", "BatchNorm", "Dropout", "GroupNorm", "InstanceNorm", "L2Normalization", "LayerNorm"]


# -- by statistics ----------------------------------------------------------------------------------


def _channels(known: Shapes, a: Values) -> Shapes:
    if "data" not in known:
        return {}
    count: Extent = known["data"][a.get("axis", 1)]
    return dict.fromkeys(("gamma", "beta", "moving_mean", "moving_var"), (count,))


def _statistics(*names: str) -> Callable[[Values], tuple[str, ...]]:
    return lambda a: names if a["output_mean_var"] else names[:1]


@layer(
    aliases=("BatchNorm_v1",),
    aux=("moving_mean", "moving_var"),
    shapes=_channels,
    outputs=_statistics("output", "mean", "var"),
)
def BatchNorm(
    data: Node,
    gamma: Node,
    beta: Node,
    moving_mean: Node,
    moving_var: Node,
    *,
    eps: float = 1e-3,
    momentum: float = 0.9,
    fix_gamma: bool = True,
    use_global_stats: bool = False,
    output_mean_var: bool = False,
    axis: int = 1,
    cudnn_off: bool = False,
) -> tuple[Node, ...]:
    """(data − mean) / √(variance + eps) × gamma + beta for each channel, along `axis`.

    In training the mean and the variance are the batch's, and `moving_mean` and `moving_var` become `momentum` times
    themselves plus the rest of these; in inference, and with `use_global_stats`, the moving ones serve. With
    `fix_gamma` gamma is 1. With `output_mean_var` the results are three: the last two are the mean and
    1 / √(variance + eps).

    >>> from graphc import sym
    >>> y = BatchNorm(sym.var('x', shape=('n', 8, 5, 5)), name='bn')
    >>> y.list_arguments(), y.list_auxiliary_states()
    (['x', 'bn_gamma', 'bn_beta'], ['bn_moving_mean', 'bn_moving_var'])
    """
    centre, variance = moving_mean, moving_var
    if not use_global_stats:
        batch = normalisation.batch_moments(data, axis)
        centre, variance = (MODE(own, moving) for own, moving in zip(batch, (moving_mean, moving_var)))
    y = normalisation.batch_norm(data, None if fix_gamma else gamma, beta, centre, variance, axis, eps)
    if not use_global_stats:
        for moving, new in ((moving_mean, centre), (moving_var, variance)):
            y = UPDATING(y, moving, moving * momentum + new * (1 - momentum))
    return (y, centre, rsqrt(variance + eps)) if output_mean_var else (y,)


@layer(shapes=_channels)
def InstanceNorm(data: Node, gamma: Node, beta: Node, *, eps: float = 1e-3) -> Node:
    """Each channel of each example brought to mean 0 and variance 1, times gamma, plus beta."""
    return normalisation.instance_norm(data, gamma, beta, eps)


@layer(shapes=_channels, outputs=_statistics("output", "mean", "std"))
def LayerNorm(
    data: Node, gamma: Node, beta: Node, *, axis: int = -1, eps: float = 1e-5, output_mean_var: bool = False
) -> tuple[Node, ...]:
    """The data brought to mean 0 and variance 1 along an axis, times gamma, plus beta.

    With `output_mean_var` the mean and √(variance + eps) come second and third.
    """
    y = layer_norm(data, gamma, beta, axis, eps)
    if not output_mean_var:
        return (y,)
    return y, mean(data, axis, keepdims=True), sqrt(var(data, axis, keepdims=True) + eps)


def _groups(known: Shapes, a: Values) -> Shapes:
    return dict.fromkeys(("gamma", "beta"), (a["num_groups"],))


@layer(shapes=_groups, outputs=_statistics("output", "mean", "std"))
def GroupNorm(
    data: Node, gamma: Node, beta: Node, *, num_groups: int = 1, eps: float = 1e-5, output_mean_var: bool = False
) -> tuple[Node, ...]:
    """Each example's groups of channels brought to mean 0 and variance 1, times gamma, plus beta: one for each group.

    With `output_mean_var` the mean and √(variance + eps) of each group come second and third.
    """
    n, channels = data.shape[:2]
    if not isinstance(channels, int) or channels % num_groups:
        what = f"num_groups={num_groups} does not divide the channels of {data.type}"
        raise ShapeError(offence("GroupNorm", what, "take a divisor"))
    scale, shift = (repeat(x, channels // num_groups, 0) for x in (gamma, beta))
    y = normalisation.group_norm(data, num_groups, scale, shift, eps)
    if not output_mean_var:
        return (y,)
    groups = reshaped(data, (n, num_groups, product(data.shape[1:]) // num_groups))
    return y, mean(groups, 2), sqrt(var(groups, 2) + eps)


# -- by length --------------------------------------------------------------------------------------


@layer()
def L2Normalization(
    data: Node, *, eps: float = 1e-10, mode: Literal["channel", "instance", "spatial"] = "instance"
) -> Node:
    """data / √(Σ data² + eps), with the sum over each example, over its channels, or over its places."""
    axes = {"channel": (1,), "instance": range(1, data.ndim), "spatial": range(2, data.ndim)}[mode]
    return normalisation.l2_normalize(data, tuple(axes), eps)


@layer()
def LRN(data: Node, *, nsize: int, alpha: float = 1e-4, beta: float = 0.75, knorm: float = 2.0) -> Node:
    """data / (knorm + alpha / nsize × Σ data²)^beta, with the sum over `nsize` neighbouring channels."""
    return normalisation.local_response_norm(data, nsize, alpha, beta, knorm)


# -- dropout ----------------------------------------------------------------------------------------


def fresh_key(name: str) -> Node:
    """The state of a layer's random numbers: which they are, its name says."""
    return state(np.array([0, crc32(name.encode())], np.uint32), name=f"{name}_key")


@layer(when={"key": lambda a: a["p"] > 0}, hidden={"key": fresh_key})
def Dropout(
    data: Node,
    key: Node | None = None,
    *,
    p: float = 0.5,
    mode: Literal["always", "training"] = "training",
    axes: Ints = (),
    cudnn_off: bool = False,
) -> Node:
    """The data with elements set to 0 with probability p in training, and the others divided by 1 − p.

    Along `axes` whole slices are kept or dropped. Random numbers come from `key`, a state of two uint32 that each
    training step moves on; if none is given the layer makes its own from its name. With `mode='always'` inference
    drops as well, always the same elements between two training steps.
    """
    if key is None:
        return data
    y = dropped(data, key, p, [as_axis("Dropout", k or 0, data.typed) for k in axes])
    new = random.fold_in(key, 1)
    return UPDATING(y if mode == "always" else MODE(y, data), key, new)


def dropped(x: Node, key: Node, p: float, axes: list[int]) -> Node:
    """x, some of it dropped; what is of one index along the other axes together."""
    if not axes:
        return random.dropout(x, key, p)
    kept = random.bernoulli(key, 1 - p, tuple([1 if k in axes else n for k, n in enumerate(x.shape)]))
    return where(kept, x / (1 - p), 0)
