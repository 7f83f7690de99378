"""Layers that end a network for training: their value is the prediction, their derivative that of a loss.

The derivative asks for no head gradient: it is the loss's own, whatever comes from above.
"""

from __future__ import annotations

from typing import Literal

from graphc.node import Node
from graphc.ops.creation import extent_value, index_along
from graphc.ops.movement import fill
from graphc.ops.note import HEADED
from graphc.sym.elementwise import astype, equal, maximum, not_equal, sigmoid, sign, stop_gradient, where
from graphc.sym.movement import expand_dims, reshaped
from graphc.sym.mx.layer import Shapes, Values, layer
from graphc.sym.nn import cross_entropy, softmax
from graphc.sym.note import with_gradient_of
from graphc.sym.reduction import sum
from graphc.types import INT32, Extent, product

__all__ = [
    "BlockGrad", "LinearRegressionOutput", "LogisticRegressionOutput", "MAERegressionOutput", "MakeLoss",
    "SVMOutput", "SoftmaxOutput", "make_loss", "softmax_cross_entropy",
]  # fmt: skip

Normalization = Literal["null", "batch", "valid"]


# -- softmax ----------------------------------------------------------------------------------------


def _label_shapes(known: Shapes, a: Values) -> Shapes:
    if "data" not in known:
        return {}
    shape = known["data"]
    n, rest = shape[0], shape[2:]
    if a["multi_output"]:
        fitting = [(n, product(rest)), (n, *rest), (n, 1, *rest)]
    else:
        fitting = [shape[:-1]] if a["preserve_shape"] else [(n,)]
    return {"label": next((fit for fit in (shape, *fitting) if fit == known.get("label")), fitting[0])}


@layer(aliases=("Softmax",), shapes=_label_shapes, loss=True)
def SoftmaxOutput(
    data: Node,
    label: Node,
    *,
    grad_scale: float = 1.0,
    ignore_label: float = -1.0,
    multi_output: bool = False,
    use_ignore: bool = False,
    preserve_shape: bool = False,
    normalization: Normalization = "null",
    out_grad: bool = False,
    smooth_alpha: float = 0.0,
) -> Node:
    """softmax(data), with the derivative of its cross-entropy: the probabilities less the one-hot labels.

    Classes run along axis 1 with `multi_output`, along the last axis with `preserve_shape`, else along all axes but
    the first. Labels are class numbers, or probabilities of the data's shape. With `use_ignore`, what is labelled
    `ignore_label` has derivative 0. The derivative is multiplied by `grad_scale`, with `out_grad` by the head
    gradient as well, and divided by the number of labels ('batch') or of those not ignored ('valid'); with
    `multi_output` 'null' divides it by the places of an example, and 'batch' by those and the examples.
    `smooth_alpha` takes so much from the labelled class, and gives it to the others in equal parts.

    >>> from graphc import grad, sym
    >>> x = sym.var('x', shape=('n', 10))
    >>> y = SoftmaxOutput(x, name='softmax')
    >>> y.list_arguments(), grad(sym.sum(y), x).shape
    (['x', 'softmax_label'], (n, 10))
    """
    axis = 1 if multi_output else data.ndim - 1 if preserve_shape else None
    x = data if axis is not None else reshaped(data, (data.shape[0], product(data.shape[1:])))
    k = 1 if axis is None else axis
    p = softmax(x, k)
    if label.shape == data.shape:
        gradient = p - astype(reshaped(label, p.shape), p.dtype)
        gradient = gradient * grad_scale
    else:
        classes = astype(reshaped(label, (*p.shape[:k], *p.shape[k + 1 :])), INT32)
        gradient = p - _targets(classes, p, k, smooth_alpha)
        if use_ignore:
            gradient = where(expand_dims(equal(classes, int(ignore_label)), k), 0, gradient)
        gradient = gradient * (grad_scale / _count(classes, p, normalization, int(ignore_label), multi_output))
    value, slope = reshaped(p, data.shape), reshaped(gradient, data.shape)
    if out_grad:
        return with_gradient_of(value, data * stop_gradient(slope))
    return HEADED(value, data, slope)


def _targets(classes: Node, p: Node, axis: int, smooth: float) -> Node:
    """The probabilities that labels stand for."""
    hit = equal(expand_dims(classes, axis), index_along(p.typed, axis, INT32))
    rest = smooth / (extent_value(p.shape[axis], p.dtype) - 1) if smooth else 0.0
    return where(hit, 1 - smooth, rest) if smooth else astype(hit, p.dtype)


def _count(classes: Node, p: Node, normalization: str, ignored: int, several: bool) -> Node:
    """What the derivative is divided by."""
    places = p.shape[2:] if several else ()
    if normalization == "valid":
        return maximum(sum(astype(not_equal(classes, ignored), p.dtype)), 1)
    counted: Extent = product(classes.shape) if normalization == "batch" else product(places)
    return extent_value(counted, p.dtype)


def _row_labels(known: Shapes, a: Values) -> Shapes:
    return {"label": known["data"][:1]} if "data" in known else {}


@layer(shapes=_row_labels)
def softmax_cross_entropy(data: Node, label: Node) -> Node:
    """The cross-entropy of softmax(data) and the labels, summed over all rows; of shape `[1]`."""
    total = cross_entropy(data, astype(label, INT32), reduction="sum")
    return reshaped(total, (1,))


@layer(shapes=_row_labels, loss=True)
def SVMOutput(
    data: Node,
    label: Node,
    *,
    margin: float = 1.0,
    regularization_coefficient: float = 1.0,
    use_linear: bool = False,
) -> Node:
    """The data, with the derivative of the squared hinge loss of every class against the others, or of the hinge loss.

    A class is on the right side where its score, negative for classes that the label does not name, is above the
    margin. Labels are class numbers.
    """
    classes = astype(reshaped(label, data.shape[:1]), INT32)
    side = 2 * _targets(classes, data, 1, 0.0) - 1  # 1 for the class that is labelled, −1 for the others
    missing = margin - side * data
    pull = astype(missing > 0, data.dtype) if use_linear else 2 * maximum(missing, 0)
    return HEADED(data, data, -regularization_coefficient * side * pull)


# -- regression -------------------------------------------------------------------------------------


def _target_shape(known: Shapes, a: Values) -> Shapes:
    if "data" not in known:
        return {}
    shape = known["data"]
    given = known.get("label")
    if given and given[0] == shape[0] and product(given) == product(shape):
        return {"label": given}
    return {"label": shape[:1] if len(shape) == 2 and shape[1] == 1 else shape}


def _regression(value: Node, data: Node, gradient: Node, scale: float) -> Node:
    """A prediction, whose gradient is scaled, and divided by how many numbers make one example."""
    count = extent_value(product(data.shape[1:]), data.dtype)
    return HEADED(value, data, gradient * (scale / count))


def _target(label: Node, value: Node) -> Node:
    return astype(reshaped(label, value.shape), value.dtype)


@layer(shapes=_target_shape, loss=True)
def LinearRegressionOutput(data: Node, label: Node, *, grad_scale: float = 1.0) -> Node:
    """The data, with the derivative of the squared distance from the label: data − label, for each example's mean."""
    return _regression(data, data, data - _target(label, data), grad_scale)


@layer(shapes=_target_shape, loss=True)
def LogisticRegressionOutput(data: Node, label: Node, *, grad_scale: float = 1.0) -> Node:
    """sigmoid(data), with the derivative of its cross-entropy: sigmoid(data) − label, for each example's mean."""
    p = sigmoid(data)
    return _regression(p, data, p - _target(label, p), grad_scale)


@layer(shapes=_target_shape, loss=True)
def MAERegressionOutput(data: Node, label: Node, *, grad_scale: float = 1.0) -> Node:
    """The data, with the derivative of the absolute distance from the label, its sign, for each example's mean."""
    return _regression(data, data, sign(data - _target(label, data)), grad_scale)


# -- any loss ---------------------------------------------------------------------------------------


@layer(loss=True)
def MakeLoss(
    data: Node, *, grad_scale: float = 1.0, valid_thresh: float = 0.0, normalization: Normalization = "null"
) -> Node:
    """The data as a loss: its derivative in itself is `grad_scale`, whatever comes from above.

    It is divided by the number of examples ('batch'), or of elements above `valid_thresh` ('valid').
    """
    one = fill(1, data.typed)
    match normalization:
        case "batch":
            return HEADED(data, data, one * (grad_scale / extent_value(data.shape[0], data.dtype)))
        case "valid":
            count = maximum(sum(astype(data > valid_thresh, data.dtype)), 1)
            return HEADED(data, data, one * (grad_scale / count))
        case _:
            return HEADED(data, data, one * grad_scale)


@layer(loss=True)
def make_loss(data: Node) -> Node:
    """The data as a loss: its derivative in itself is 1, whatever comes from above."""
    return HEADED(data, data, fill(1, data.typed))


@layer(aliases=("stop_gradient",))
def BlockGrad(data: Node) -> Node:
    """The data, with no derivative."""
    return stop_gradient(data)
