"""Layers of neurons: the affine map, and activations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from graphc.node import Node
from graphc.sym import nn
from graphc.sym.contraction import dot
from graphc.sym.elementwise import abs, astype, sigmoid, softplus, tanh, where
from graphc.sym.mx.attribute import DTypeName
from graphc.sym.mx.layer import Shapes, Values, layer
from graphc.sym.mx.layers.shapes import along, collapsed
from graphc.sym.nn import elu, gelu, leaky_relu, relu
from graphc.types import Shape, product

__all__ = ["Activation", "FullyConnected", "LeakyReLU", "SoftmaxActivation"]

SELU_SCALE, SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717


# -- affine -----------------------------------------------------------------------------------------


def _parameters(known: Shapes, a: Values) -> Shapes:
    shapes: dict[str, Shape] = {"bias": (a["num_hidden"],)}
    if "data" in known:
        data = known["data"]
        shapes["weight"] = (a["num_hidden"], product(data[1:]) if a["flatten"] else data[-1])
    return shapes


@layer(shapes=_parameters, when={"bias": lambda a: not a["no_bias"]})
def FullyConnected(
    data: Node, weight: Node, bias: Node | None = None, *, num_hidden: int, no_bias: bool = False, flatten: bool = True
) -> Node:
    """data · weightᵀ + bias: `num_hidden` sums over the last axis, or with `flatten` over all but the first.

    The weight is `[num_hidden, inputs]`, the bias `[num_hidden]`.

    >>> from graphc import sym
    >>> x = sym.var('x', shape=(32, 28, 28))
    >>> FullyConnected(x, num_hidden=10, name='fc').shape
    (32, 10)
    """
    x = collapsed(data, 1) if flatten else data
    y = dot(x, weight.T)
    return y if bias is None else y + bias


# -- activations ------------------------------------------------------------------------------------

ACTIVATIONS = {
    "relu": relu,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "softrelu": softplus,
    "softsign": lambda x: x / (1 + abs(x)),
}


@layer()
def Activation(data: Node, *, act_type: Literal["relu", "sigmoid", "softrelu", "softsign", "tanh"]) -> Node:
    """A nonlinear function of each element; softrelu is log(1 + exp(x)), softsign x / (1 + |x|)."""
    return ACTIVATIONS[act_type](data)


def _slopes(known: Shapes, a: Values) -> Shapes:
    if "data" not in known:
        return {}
    shape = known["data"]
    channels = shape[1] if len(shape) > 1 else 1
    return {"gamma": known["gamma"] if known.get("gamma") == (1,) else (channels,)}


@layer(shapes=_slopes, when={"gamma": lambda a: a["act_type"] == "prelu"})
def LeakyReLU(
    data: Node,
    gamma: Node | None = None,
    *,
    act_type: Literal["elu", "gelu", "leaky", "prelu", "rrelu", "selu"] = "leaky",
    slope: float = 0.25,
    lower_bound: float = 0.125,
    upper_bound: float = 0.334,
) -> Node:
    """The data where it is positive; below 0 a part of it, or an exponential of it.

    'leaky' has the part `slope`, 'prelu' a learned one for each channel, 'rrelu' the mean of its bounds. 'elu' goes
    on with slope × (exp(x) − 1), 'selu' is the scaled one of Klambauer and others, 2017; 'gelu' is x times the
    normal distribution function of x.
    """
    if gamma is not None:
        parts = along(gamma, data, 1) if data.ndim > 1 else gamma
        return where(data > 0, data, parts * data)
    match act_type:
        case "elu":
            return elu(data, slope)
        case "selu":
            return SELU_SCALE * elu(data, SELU_ALPHA)
        case "gelu":
            return gelu(data)
        case "rrelu":
            return leaky_relu(data, (lower_bound + upper_bound) / 2)
        case _:
            return leaky_relu(data, slope)


# -- softmax ----------------------------------------------------------------------------------------


@layer()
def SoftmaxActivation(data: Node, *, mode: Literal["channel", "instance"] = "instance") -> Node:
    """softmax over the channels, axis 1, or over the last axis."""
    return nn.softmax(data, 1 if mode == "channel" else -1)


def _softmax(name: str, function: Callable[..., Node], sign: int, doc: str) -> None:
    def body(data: Node, *, axis: int = -1, temperature: float | None = None, dtype: DTypeName | None = None) -> Node:
        x = data if sign > 0 else -data
        found = function(x if temperature is None else x / temperature, axis)
        return found if dtype is None else astype(found, dtype)

    body.__doc__ = f"{doc} along an axis, of the data divided by the temperature."
    layer(name=name)(body)


_softmax("softmax", nn.softmax, 1, "softmax")
_softmax("log_softmax", nn.log_softmax, 1, "log(softmax)")
_softmax("softmin", nn.softmax, -1, "softmax of the negative")
