"""Public functions in MXNet's words: which of its operators a recorded call is, with which operands and attributes.

A rule takes the arguments of the call, as `sym.sum` does; it gives nothing where MXNet has no operator that does the
same whatever the shapes are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from graphc.node import Node
from graphc.sym.promote import as_node
from graphc.types import as_dtype


class Words(NamedTuple):
    """One of MXNet's operators, with its operands in order, and attributes."""

    name: str
    operands: Sequence[Node]
    attributes: Mapping[str, Any]


Rule = Callable[..., Words | None]


def translated(function: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Words | None:
    """What MXNet calls a call, if it has words for it."""
    rule = RULES.get(function)
    return rule(*args, **kwargs) if rule else None


def _node(value: Any) -> Node:
    return value if isinstance(value, Node) else as_node("mx", value)


def _integers(value: Any) -> bool:
    """Whether a value is a sequence of integers above 0, or −1 for what they leave."""
    return isinstance(value, tuple | list) and all(isinstance(n, int) and (n > 0 or n == -1) for n in value)


def _axes(axis: Any) -> Any:
    return tuple(axis) if isinstance(axis, list) else axis


# -- elementwise ------------------------------------------------------------------------------------


def _unary(name: str, **attributes: Any) -> Rule:
    return lambda x: Words(name, [_node(x)], attributes)


def _binary(name: str, with_number: str, from_number: str) -> Rule:
    """An operator of two arrays, of an array and a number, and of a number and an array."""

    def rule(x: Any, y: Any) -> Words:
        if isinstance(y, Real):
            return Words(with_number, [_node(x)], {"scalar": float(y)})
        if isinstance(x, Real):
            return Words(from_number, [_node(y)], {"scalar": float(x)})
        return Words(name, [_node(x), _node(y)], {})

    return rule


def _logical(name: str) -> Rule:
    return lambda x, y: Words(f"broadcast_{name}", [_node(x), _node(y)], {})


def _where(condition: Any, x: Any, y: Any) -> Words | None:
    parts = [condition, x, y]
    return Words("where", parts, {}) if all(isinstance(part, Node) for part in parts) else None


def _clip(x: Any, min: Any = None, max: Any = None) -> Words | None:
    bounded = isinstance(min, Real) and isinstance(max, Real)
    return Words("clip", [_node(x)], {"a_min": float(min), "a_max": float(max)}) if bounded else None


def _cast(x: Any, dtype: Any) -> Words:
    return Words("Cast", [_node(x)], {"dtype": as_dtype(dtype).name})


def _leaky(act_type: str, default: float) -> Rule:
    def rule(x: Any, part: float = default) -> Words:
        return Words("LeakyReLU", [_node(x)], {"act_type": act_type, "slope": float(part)})

    return lambda x, *args, **kwargs: rule(x, *args, *kwargs.values())


def _gelu(x: Any, approximate: bool = False) -> Words | None:
    return None if approximate else Words("LeakyReLU", [_node(x)], {"act_type": "gelu"})


def _softmax(name: str) -> Rule:
    def rule(x: Any, axis: Any = -1) -> Words | None:
        return Words(name, [_node(x)], {"axis": axis}) if isinstance(axis, int) else None

    return rule


# -- over axes --------------------------------------------------------------------------------------


def _folding(name: str) -> Rule:
    def rule(x: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Words | None:
        told = {} if axis is None else {"axis": (axis,) if isinstance(axis, int) else tuple(axis)}
        told = {**told, **({"keepdims": True} if keepdims else {})}
        return Words(name, [_node(x)], told) if dtype is None and axis != () else None

    return rule


def _extreme(name: str) -> Rule:
    fold = _folding(name)
    return lambda x, axis=None, keepdims=False: fold(x, axis, None, keepdims)


def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Words | None:
    found = _folding("norm")(x, axis, None, keepdims)
    if found is None or ord not in (None, 1, 2):
        return None
    return found._replace(attributes={**found.attributes, "ord": ord or 2})


# -- shape ------------------------------------------------------------------------------------------


def _reshape(x: Any, shape: Any, *more: Any) -> Words | None:
    wanted = (shape, *more) if more or isinstance(shape, int) else shape
    return Words("Reshape", [_node(x)], {"shape": tuple(wanted)}) if _integers(wanted) and len(wanted) else None


def _ravel(x: Any) -> Words:
    return Words("Reshape", [_node(x)], {"shape": (-1,)})


def _transpose(x: Any, axes: Any = None, *more: int) -> Words:
    wanted = () if axes is None else (axes, *more) if isinstance(axes, int) else tuple(axes)
    return Words("transpose", [_node(x)], {"axes": wanted} if wanted else {})


def _expand_dims(x: Any, axis: Any = 0) -> Words | None:
    return Words("expand_dims", [_node(x)], {"axis": axis}) if isinstance(axis, int) else None


def _flip(x: Any, axis: Any = None) -> Words | None:
    axes = (axis,) if isinstance(axis, int) else axis
    return Words("reverse", [_node(x)], {"axis": tuple(axes)}) if axes else None


def _broadcast_to(x: Any, shape: Any) -> Words | None:
    fixed = _integers(shape) and -1 not in shape
    return Words("broadcast_to", [_node(x)], {"shape": tuple(shape)}) if fixed else None


def _concat(arrays: Sequence[Any], axis: Any = 0) -> Words | None:
    return None if axis is None else Words("Concat", [_node(x) for x in arrays], {"dim": axis})


def _split(x: Any, parts: Any, axis: int = 0) -> Words | None:
    return Words("SliceChannel", [_node(x)], {"num_outputs": parts, "axis": axis}) if isinstance(parts, int) else None


def _repeat(x: Any, repeats: int, axis: int | None = None) -> Words:
    return Words("repeat", [_node(x)], {"repeats": repeats, **({} if axis is None else {"axis": axis})})


def _getitem(x: Any, key: Any) -> Words | None:
    keys: Any = key if isinstance(key, tuple) else (key,)
    bounds = [(k.start, k.stop, k.step) for k in keys if isinstance(k, slice)]
    plain = all(n is None or isinstance(n, int) for each in bounds for n in each)
    if len(bounds) != len(keys) or not keys or not plain:
        return None
    begin, end, step = zip(*bounds)
    return Words("slice", [_node(x)], {"begin": begin, "end": end, **({"step": step} if any(step) else {})})


def _pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: float = 0) -> Words | None:
    if np.shape(pad_width)[1:] != (2,) or np.asarray(pad_width).dtype.kind != "i":
        return None
    told = {"mode": mode, "pad_width": tuple(int(n) for pair in pad_width for n in pair)}
    return Words("Pad", [_node(x)], {**told, **({"constant_value": float(constant_values)} if constant_values else {})})


def _layer_norm(x: Any, gamma: Any = None, beta: Any = None, axis: Any = -1, eps: float = 1e-5) -> Words | None:
    if gamma is None or beta is None or not isinstance(axis, int):
        return None
    return Words("LayerNorm", [_node(x), _node(gamma), _node(beta)], {"axis": axis, "eps": float(eps)})


# -- the table --------------------------------------------------------------------------------------

SAME = """
    abs arccos arccosh arcsin arcsinh arctan arctanh cbrt ceil cos cosh erf exp expm1 floor log log10 log1p log2
    logical_not negative ones_like reciprocal relu rsqrt sigmoid sign sin sinh sqrt square tan tanh trunc zeros_like
"""

RULES: dict[str, Rule] = {
    **{name: _unary(name) for name in SAME.split()},
    "softplus": _unary("Activation", act_type="softrelu"),
    "stop_gradient": _unary("BlockGrad"),
    "positive": _unary("_copy"),
    "add": _binary("broadcast_add", "_plus_scalar", "_plus_scalar"),
    "subtract": _binary("broadcast_sub", "_minus_scalar", "_rminus_scalar"),
    "multiply": _binary("broadcast_mul", "_mul_scalar", "_mul_scalar"),
    "divide": _binary("broadcast_div", "_div_scalar", "_rdiv_scalar"),
    "remainder": _binary("broadcast_mod", "_mod_scalar", "_rmod_scalar"),
    "power": _binary("broadcast_power", "_power_scalar", "_rpower_scalar"),
    "maximum": _binary("broadcast_maximum", "_maximum_scalar", "_maximum_scalar"),
    "minimum": _binary("broadcast_minimum", "_minimum_scalar", "_minimum_scalar"),
    "hypot": _binary("broadcast_hypot", "_hypot_scalar", "_hypot_scalar"),
    "equal": _binary("broadcast_equal", "_equal_scalar", "_equal_scalar"),
    "not_equal": _binary("broadcast_not_equal", "_not_equal_scalar", "_not_equal_scalar"),
    "greater": _binary("broadcast_greater", "_greater_scalar", "_lesser_scalar"),
    "greater_equal": _binary("broadcast_greater_equal", "_greater_equal_scalar", "_lesser_equal_scalar"),
    "less": _binary("broadcast_lesser", "_lesser_scalar", "_greater_scalar"),
    "less_equal": _binary("broadcast_lesser_equal", "_lesser_equal_scalar", "_greater_equal_scalar"),
    "logical_and": _logical("logical_and"),
    "logical_or": _logical("logical_or"),
    "logical_xor": _logical("logical_xor"),
    "where": _where,
    "clip": _clip,
    "astype": _cast,
    "leaky_relu": _leaky("leaky", 0.01),
    "elu": _leaky("elu", 1.0),
    "gelu": _gelu,
    "softmax": _softmax("softmax"),
    "log_softmax": _softmax("log_softmax"),
    "layer_norm": _layer_norm,
    "sum": _folding("sum"),
    "mean": _folding("mean"),
    "prod": _folding("prod"),
    "max": _extreme("max"),
    "min": _extreme("min"),
    "norm": _norm,
    "dot": lambda a, b: Words("dot", [_node(a), _node(b)], {}),  # as NumPy's, of matrices and vectors
    "matmul": lambda a, b: Words("_linalg_gemm2", [_node(a), _node(b)], {}),
    "reshape": _reshape,
    "ravel": _ravel,
    "transpose": _transpose,
    "swapaxes": lambda x, axis1, axis2: Words("SwapAxis", [_node(x)], {"dim1": axis1, "dim2": axis2}),
    "expand_dims": _expand_dims,
    "squeeze": lambda x, axis=None: Words("squeeze", [_node(x)], {} if axis is None else {"axis": _axes(axis)}),
    "flip": _flip,
    "broadcast_to": _broadcast_to,
    "concat": _concat,
    "stack": lambda arrays, axis=0: Words("stack", [_node(x) for x in arrays], {"axis": axis}),
    "split": _split,
    "tile": lambda x, reps: Words("tile", [_node(x)], {"reps": (reps,) if isinstance(reps, int) else tuple(reps)}),
    "repeat": _repeat,
    "getitem": _getitem,
    "pad": _pad,
}
