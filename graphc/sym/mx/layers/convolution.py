"""Layers over images `[batch, channels, *spatial]`, of one to three spatial axes: convolution, pooling, upsampling."""

from __future__ import annotations

from functools import reduce
from typing import Any, Literal

from graphc.errors import ShapeError
from graphc.node import Node
from graphc.ops.declare import offence
from graphc.ops.movement import fill
from graphc.sym import convolution, pooling
from graphc.sym import reduction as over_axes
from graphc.sym.elementwise import add
from graphc.sym.movement import concat
from graphc.sym.mx.attribute import Ints
from graphc.sym.mx.layer import Shapes, Values, layer
from graphc.types import Extent, Shape

__all__ = ["Convolution", "Deconvolution", "Pooling", "UpSampling"]

Layout = Literal["NCW", "NCHW", "NCDHW"]
Tune = Literal["off", "limited_workspace", "fastest"]


def _each(name: str, what: str, given: Ints, count: int, default: int) -> tuple[int, ...]:
    """One number for each spatial axis."""
    found = tuple([n or 0 for n in given]) if given else (default,) * count
    if len(found) != count:
        raise ShapeError(offence(name, f"{what}={given} for {count} spatial axes", "give one number for each"))
    return found


def _require_image(name: str, data: Node, a_kernel: Ints) -> int:
    """How many spatial axes there are."""
    if data.ndim != len(a_kernel) + 2:
        what = f"{data.type} with kernel={a_kernel}"
        raise ShapeError(offence(name, what, "give [batch, channels, *spatial] and one number for each spatial axis"))
    return len(a_kernel)


# -- convolution ------------------------------------------------------------------------------------


def _weights(known: Shapes, a: Values) -> Shapes:
    shapes: dict[str, Shape] = {"bias": (a["num_filter"],)}
    if "data" in known:
        shapes["weight"] = (a["num_filter"], known["data"][1] // a["num_group"], *a["kernel"])
    return shapes


def _transposed_weights(known: Shapes, a: Values) -> Shapes:
    shapes: dict[str, Shape] = {"bias": (a["num_filter"],)}
    if "data" in known:
        shapes["weight"] = (known["data"][1], a["num_filter"] // a["num_group"], *a["kernel"])
    return shapes


@layer(aliases=("Convolution_v1",), shapes=_weights, when={"bias": lambda a: not a["no_bias"]})
def Convolution(
    data: Node,
    weight: Node,
    bias: Node | None = None,
    *,
    kernel: Ints,
    num_filter: int,
    stride: Ints = (),
    dilate: Ints = (),
    pad: Ints = (),
    num_group: int = 1,
    workspace: int = 1024,
    no_bias: bool = False,
    cudnn_tune: Tune | None = None,
    cudnn_off: bool = False,
    layout: Layout | None = None,
) -> Node:
    """The sum of products of each filter with every window of the data, channels included, plus its bias.

    The weight is `[num_filter, channels / num_group, *kernel]`. `workspace` and what begins with `cudnn` is of no
    effect here.

    >>> from graphc import sym
    >>> y = Convolution(sym.var('x', shape=('n', 3, 32, 32)), kernel=(5, 5), num_filter=8, name='conv')
    >>> y.shape, y.list_arguments()
    ((n, 8, 28, 28), ['x', 'conv_weight', 'conv_bias'])
    """
    count = _require_image("Convolution", data, kernel)
    steps, holes = (_each("Convolution", what, n, count, 1) for what, n in (("stride", stride), ("dilate", dilate)))
    return convolution.conv(data, weight, bias, steps, _each("Convolution", "pad", pad, count, 0), holes, num_group)


@layer(shapes=_transposed_weights, when={"bias": lambda a: not a["no_bias"]})
def Deconvolution(
    data: Node,
    weight: Node,
    bias: Node | None = None,
    *,
    kernel: Ints,
    num_filter: int,
    stride: Ints = (),
    dilate: Ints = (),
    pad: Ints = (),
    adj: Ints = (),
    target_shape: Ints = (),
    num_group: int = 1,
    workspace: int = 512,
    no_bias: bool = True,
    cudnn_tune: Tune | None = None,
    cudnn_off: bool = False,
    layout: Layout | None = None,
) -> Node:
    """The transpose of a convolution: each element puts each filter, times itself, into a window of the result.

    The weight is `[channels, num_filter / num_group, *kernel]`. `pad` is cut off the result, `adj` added to its end;
    `target_shape` says its spatial extents instead of both.
    """
    count = _require_image("Deconvolution", data, kernel)
    steps, holes = (_each("Deconvolution", what, n, count, 1) for what, n in (("stride", stride), ("dilate", dilate)))
    cut, extra = (_each("Deconvolution", what, n, count, 0) for what, n in (("pad", pad), ("adj", adj)))
    if target_shape:
        spans = [(k or 0) * d - d + 1 for k, d in zip(kernel, holes)]
        wanted = _each("Deconvolution", "target_shape", target_shape, count, 0)
        over = [_surplus(*each) for each in zip(data.shape[2:], steps, spans, wanted)]
        cut, extra = tuple([(n + 1) // 2 for n in over]), tuple([n % 2 for n in over])
    return convolution.conv_transpose(data, weight, bias, steps, cut, holes, num_group, extra)


def _surplus(extent: Extent, stride: int, span: int, wanted: int) -> int:
    """How much longer than wanted a result is before anything is cut off."""
    if not isinstance(extent, int) or (extent - 1) * stride + span < wanted:
        what = f"target_shape asks for {wanted} from {extent} places"
        raise ShapeError(offence("Deconvolution", what, "take a smaller one, or pad and adj"))
    return (extent - 1) * stride + span - wanted


# -- pooling ----------------------------------------------------------------------------------------

WHOLE = {"max": over_axes.max, "avg": over_axes.mean, "sum": over_axes.sum}


@layer(aliases=("Pooling_v1",))
def Pooling(
    data: Node,
    *,
    kernel: Ints = (),
    pool_type: Literal["avg", "lp", "max", "sum"] = "max",
    global_pool: bool = False,
    pooling_convention: Literal["full", "same", "valid"] = "valid",
    stride: Ints = (),
    pad: Ints = (),
    p_value: int | None = None,
    count_include_pad: bool | None = None,
    cudnn_off: bool = False,
    layout: Layout | None = None,
) -> Node:
    """The greatest, mean or sum of the elements of each window, or their norm of order `p_value`.

    Windows end within the padded data ('valid'), a last one may stand beyond ('full'), or there is one for each
    stride ('same'). With `global_pool` one window takes all. Padding counts in a mean unless `count_include_pad` is
    False.

    >>> from graphc import sym
    >>> Pooling(sym.var('x', shape=('n', 8, 28, 28)), kernel=(2, 2), stride=(2, 2), pool_type='max').shape
    (n, 8, 14, 14)
    """
    if global_pool:
        return _globally(data, pool_type, p_value)
    count = _require_image("Pooling", data, kernel)
    sizes = _each("Pooling", "kernel", kernel, count, 1)
    steps, around = _each("Pooling", "stride", stride, count, 1), _each("Pooling", "pad", pad, count, 0)
    whole = pooling_convention == "full"
    if whole:
        _require_met(data.shape[2:], sizes, steps, around)
    padding: Any = around
    if pooling_convention == "same":
        padding = [_one_a_stride(*each) for each in zip(data.shape[2:], sizes, steps, around)]
    include = count_include_pad is not False
    match pool_type:
        case "max":
            return pooling.max_pool(data, sizes, steps, padding, ceil_mode=whole)
        case "avg" if pooling_convention == "same" and include:
            padded = data.typed.with_shape((1, 1, *(n + 2 * p for n, p in zip(data.shape[2:], around))))
            counts = pooling.sum_pool(fill(1, padded), sizes, steps, [(0, high - low) for low, high in padding])
            return pooling.sum_pool(data, sizes, steps, padding) / counts
        case "avg":
            return pooling.avg_pool(data, sizes, steps, padding, whole, include)
        case "sum":
            return pooling.sum_pool(data, sizes, steps, padding, whole)
        case _:
            return pooling.lp_pool(data, sizes, steps, padding, whole, p_value or 2)


def _require_met(extents: Shape, sizes: tuple[int, ...], steps: tuple[int, ...], around: tuple[int, ...]) -> None:
    """Raise `ShapeError` if a last window that may stand beyond the data lies there wholly: MXNet fills it anyhow."""
    for extent, size, step, pad in zip(extents, sizes, steps, around):
        if isinstance(extent, int) and -((size - extent - 2 * pad) // step) * step >= extent + 2 * pad:
            what = f"pooling_convention='full' has a window of nothing behind {extent} elements, padded by {pad}"
            raise ShapeError(offence("Pooling", what, f"take a stride up to the kernel, {size}, or 'valid'"))


def _globally(x: Node, pool_type: str, p: int | None) -> Node:
    axes = tuple(range(2, x.ndim))
    if pool_type != "lp":
        return WHOLE[pool_type](x, axes, keepdims=True)
    sizes: Any = x.shape[2:]
    return pooling.lp_pool(x, sizes, p=p or 2)


def _one_a_stride(extent: Extent, size: int, stride: int, pad: int) -> tuple[int, Any]:
    """Padding that gives as many windows as strides begin in the padded data."""
    places = -(-(extent + 2 * pad) // stride)
    behind: Any = (places - 1) * stride + size - extent - pad
    return (pad, max(behind, pad) if isinstance(behind, int) else behind)


# -- upsampling -------------------------------------------------------------------------------------


def _interpolating(known: Shapes, a: Values) -> Shapes:
    extent = 2 * a["scale"] - a["scale"] % 2
    return {"weight": (known["arg0"][1], 1, extent, extent)} if "arg0" in known else {}


@layer(shapes=_interpolating, behind=lambda a: ("weight",) if a["sample_type"] == "bilinear" else ())
def UpSampling(
    *args: Node,
    scale: int,
    sample_type: Literal["bilinear", "nearest"],
    num_filter: int = 0,
    multi_input_mode: Literal["concat", "sum"] = "concat",
    workspace: int = 512,
) -> Node:
    """Images with spatial axes `scale` times as long.

    'nearest' repeats each element; of several operands all become as large as the first, and are joined along their
    channels or added up. 'bilinear' is a transposed convolution of each channel, whose weight is the second operand,
    `[channels, 1, 2 scale − scale mod 2, …]`.
    """
    data = args[0]
    if sample_type == "bilinear":
        if len(args) != 2:
            what = f"{len(args)} operands of sample_type='bilinear'"
            raise ShapeError(offence("UpSampling", what, "give the data and the weight of the interpolation"))
        around, channels = scale // 2, data.shape[1]
        groups: Any = channels
        return convolution.conv_transpose(data, args[1], None, scale, around, 1, groups)
    large = [pooling.upsample(x, _times(x, data, scale)) for x in args]
    if len(large) == 1:
        return large[0]
    return concat(large, 1) if multi_input_mode == "concat" else reduce(add, large)


def _times(x: Node, first: Node, scale: int) -> Any:
    """How many times as long the axes of x become, to fit those of the first."""
    return [n * scale // m if m else scale for n, m in zip(first.shape[2:], x.shape[2:])]  # type: ignore[operator]
