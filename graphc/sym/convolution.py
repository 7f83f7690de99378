"""Convolution: windows contracted with weights, and the transpose of that.

Images are `[batch, channels, *spatial]` with any number of spatial axes. There is no operator behind these: a
convolution is one contraction, of the weights with the windows of the images laid out as the columns of a matrix,
and a transposed one is a contraction whose result slides back.
"""

from __future__ import annotations

from graphc.errors import ShapeError
from graphc.node import Node
from graphc.ops.declare import offence
from graphc.ops.movement import EXPAND, permuted, spread
from graphc.ops.parts import SLICE
from graphc.ops.reduction import SUM
from graphc.ops.window import UNSLIDE
from graphc.sym.contraction import contracted
from graphc.sym.movement import reshaped
from graphc.sym.promote import ArrayLike, floating, promote
from graphc.sym.record import public
from graphc.sym.window import Each, Frame, Padding, numbers
from graphc.types import Extent, Shape, product

__all__ = ["conv", "conv_transpose"]

SMALL_IMAGE = 256  # places below which all images make one matrix: each alone would be too narrow


@public
def conv(
    x: ArrayLike,
    w: ArrayLike,
    bias: ArrayLike | None = None,
    strides: Each = 1,
    padding: Padding = 0,
    dilation: Each = 1,
    groups: int = 1,
) -> Node:
    """The sum of products of w with every window of x, channels included; w is not flipped, as networks have it.

    x is `[batch, channels, *spatial]`, w `[features, channels / groups, *window]`, the bias `[features]`, and the
    result `[batch, features, *places]`. `strides` and `dilation` are one integer, or one for each spatial axis;
    `padding` by zeros is a number, one for each axis, a pair (before, after) for each, 'valid' (none), or 'same':
    one place for every stride. With groups, each group of features sees its own group of channels.

    >>> from graphc import sym
    >>> x = sym.var('x', shape=('n', 3, 32, 32))
    >>> sym.conv(x, sym.var('w', shape=(8, 3, 5, 5)), strides=2, padding=2).shape
    (n, 8, 16, 16)
    """
    image, weight, *biases = _operands("conv", x, w, bias)
    _check("conv", image, weight, biases, groups, weight.shape[1] * groups, weight.shape[0])
    frame = Frame.of("conv", image.shape[2:], weight.shape[2:], strides, padding, dilation).check("conv", image)
    return _biased(_contracted(image, weight, frame, groups), *biases)


def _contracted(image: Node, weight: Node, frame: Frame, groups: int) -> Node:
    """`[batch, features, *places]`: the weights against the windows of one image after the other, or of all at once."""
    (batch, channels), (features, inner) = image.shape[:2], weight.shape[:2]
    places, (group, g, k, p) = frame.counts(image.shape[2:]), _labels(groups, frame)
    matrix, of_matrix = reshaped(weight, (*group, features // groups, inner, *frame.sizes)), [*g, "f", "c", *k]
    x, window = frame.pad(image), (*group, channels // groups, *frame.sizes)
    if _is_small(batch, places):
        columns = reshaped(_windows(permuted(x, (1, 0, *frame.axes)), frame, 1), (*window, batch, *places))
        of_columns = [*g, "c", *k, "n", *p]
    else:
        columns, of_columns = reshaped(_windows(x, frame, 2), (batch, *window, *places)), ["n", *g, "c", *k, *p]
        matrix, of_matrix = EXPAND(matrix, axes=(0,), extents=(batch,)), ["n", *of_matrix]
    found = contracted("conv", matrix, of_matrix, columns, of_columns, ["n", *g, "f", *p])
    return reshaped(found, (batch, features, *places))


def _labels(groups: int, frame: Frame) -> tuple[tuple[int, ...], list[str], list[str], list[str]]:
    """The axis of groups, unless there is but one, and its label; the labels of windows and of places."""
    numbers = range(len(frame.sizes))
    group = () if groups == 1 else (groups,)
    return group, ["g"] * len(group), [f"k{i}" for i in numbers], [f"p{i}" for i in numbers]


def _is_small(batch: Extent, places: Shape) -> bool:
    size = product(places)
    return batch != 1 and isinstance(size, int) and size < SMALL_IMAGE


def _windows(x: Node, frame: Frame, at: int) -> Node:
    """The windows of x, whose spatial axes are the last; the axes that hold them stand at a place of the result."""
    if set(frame.sizes) != {1}:
        return frame.windows(x, tuple(range(at, at + len(frame.sizes))))
    if set(frame.strides) != {1}:  # no windows, just some elements
        kept = tuple((n - 1) // s + 1 for n, s in zip(x.shape[2:], frame.strides))
        x = SLICE(x, starts=(0,) * x.ndim, extents=(*x.shape[:2], *kept), steps=(1, 1, *frame.strides))
    return reshaped(x, (*x.shape[:at], *frame.sizes, *x.shape[at:]))


@public
def conv_transpose(
    x: ArrayLike,
    w: ArrayLike,
    bias: ArrayLike | None = None,
    strides: Each = 1,
    padding: Padding = 0,
    dilation: Each = 1,
    groups: int = 1,
    output_padding: Each = 0,
) -> Node:
    """The transpose of `conv` as a linear map of x: each element puts w, times itself, into its window of the result.

    x is `[batch, channels, *places]`, w `[channels, features / groups, *window]`, and the result
    `[batch, features, *spatial]`, where an extent is (places - 1) × stride + span of the window - padding +
    output_padding. `padding` is what `conv` would have added, so it is cut off here; `output_padding` tells apart
    the extents for which `conv` gives as many places, and is less than the stride or the dilation.

    >>> from graphc import sym
    >>> x = sym.var('x', shape=('n', 8, 16, 16))
    >>> sym.conv_transpose(x, sym.var('w', shape=(8, 3, 4, 4)), strides=2, padding=1).shape
    (n, 3, 32, 32)
    """
    image, weight, *biases = _operands("conv_transpose", x, w, bias)
    _check("conv_transpose", image, weight, biases, groups, weight.shape[0], weight.shape[1] * groups)
    if padding == "same":
        raise ShapeError(offence("conv_transpose", "padding='same' does not say what to cut off", "give numbers"))
    frame = Frame.of("conv_transpose", image.shape[2:], weight.shape[2:], strides, padding, dilation)
    extra = numbers("conv_transpose", "output_padding", output_padding, len(frame.sizes), least=0)
    if any(e >= max(s, d) for e, s, d in zip(extra, frame.strides, frame.dilations)):
        what = f"output_padding={output_padding!r} is not below strides {frame.strides} or dilation {frame.dilations}"
        raise ShapeError(offence("conv_transpose", what, "pad the result instead"))
    return _biased(_slid_back(_spread(image, weight, frame, groups), frame, extra), *biases)


def _spread(image: Node, weight: Node, frame: Frame, groups: int) -> Node:
    """`[batch, features, *window, *places]`: what each element puts into its window."""
    (batch, channels, *places), features = image.shape, weight.shape[1]
    group, g, k, p = _labels(groups, frame)
    x = reshaped(image, (batch, *group, channels // groups, *places))
    matrix = reshaped(weight, (*group, channels // groups, features, *frame.sizes))
    each, of_each = EXPAND(matrix, axes=(0,), extents=(batch,)), ["n", *g, "c", "f", *k]
    found = contracted("conv_transpose", each, of_each, x, ["n", *g, "c", *p], ["n", *g, "f", *k, *p])
    return reshaped(found, (batch, groups * features, *frame.sizes, *places))


def _slid_back(parts: Node, frame: Frame, extra: tuple[int, ...]) -> Node:
    """The sum of all parts in their places, without the padding."""
    count, spans = len(extra), frame.spans()
    held, axes = tuple(range(2, 2 + count)), tuple(range(2 + count, parts.ndim))
    whole = [(n - 1) * s + span for n, s, span in zip(parts.shape[2 + count :], frame.strides, spans)]
    along = tuple(n + e for n, e in zip(whole, extra))
    kept = tuple(n - low - high for n, (low, high) in zip(along, frame.padding))
    if any(isinstance(n, int) and n < 1 for n in kept):
        what = f"padding {frame.padding} leaves nothing of {tuple(along)} elements"
        raise ShapeError(offence("conv_transpose", what, "cut off less"))
    wide = UNSLIDE(parts, axes=axes, windows=held, extents=along, strides=frame.strides, dilations=frame.dilations)
    summed = SUM(wide, axes=held)
    if not any(map(any, frame.padding)):
        return summed
    starts = (0, 0, *(low for low, _ in frame.padding))
    return SLICE(summed, starts=starts, extents=(*summed.shape[:2], *kept), steps=(1,) * summed.ndim)


def _biased(y: Node, *biases: Node) -> Node:
    axes = (0, *range(2, y.ndim))
    return sum([spread(bias, y.typed, axes) for bias in biases], y)


# -- operands ---------------------------------------------------------------------------------------


def _operands(name: str, x: ArrayLike, w: ArrayLike, bias: ArrayLike | None) -> list[Node]:
    """Image, weights, and the bias if there is one, of one float dtype."""
    nodes = promote(name, x, w, *([] if bias is None else [bias]), rule=floating)
    image, weight, *_ = nodes
    if image.ndim < 3 or weight.ndim != image.ndim:
        way_out = "give [batch, channels, *spatial] and weights with as many spatial axes"
        raise ShapeError(offence(name, f"an image {image.type} and weights {weight.type}", way_out))
    return nodes


def _check(name: str, x: Node, w: Node, biases: list[Node], groups: int, channels: Extent, features: Extent) -> None:
    """Whether image, bias and groups fit the weights, which take so many channels and give so many features."""
    if groups < 1 or any(isinstance(extent, int) and extent % groups for extent in (channels, features)):
        what = f"groups={groups} does not divide {channels} channels and {features} features"
        raise ShapeError(offence(name, what, "take a common divisor"))
    if channels != x.shape[1]:
        what = f"weights {w.type} in groups={groups} take {channels} channels, not those of {x.type}"
        raise ShapeError(offence(name, what, "slice or reshape one of them"))
    for bias in biases:
        if bias.shape != (features,):
            raise ShapeError(offence(name, f"a bias {bias.type}", f"give one of shape ({features},)"))
