"""Elementwise layers: of one operand, of two of one shape, of two that broadcast, and of one and a number.

They keep the dtype of their operands: a number takes that of the array, and a comparison is 1 or 0 in it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from math import pi

import numpy as np

from graphc.errors import ShapeError
from graphc.node import Node, constant
from graphc.ops.declare import offence
from graphc.sym import elementwise as np_named
from graphc.sym.creation import ones_like, zeros_like
from graphc.sym.mx.layer import Shapes, Values, layer
from graphc.sym.nn import relu

__all__ = [
    "add_n", "ElementWiseSum", "identity", "hard_sigmoid", "smooth_l1", "softsign", "degrees", "radians", "rcbrt",
    "fix",
    "elemwise_add", "elemwise_sub", "elemwise_mul", "elemwise_div",
    "broadcast_add", "broadcast_plus", "broadcast_sub", "broadcast_minus", "broadcast_mul", "broadcast_div",
    "broadcast_mod", "broadcast_power", "broadcast_maximum", "broadcast_minimum", "broadcast_hypot",
    "broadcast_equal", "broadcast_not_equal", "broadcast_greater", "broadcast_greater_equal", "broadcast_lesser",
    "broadcast_lesser_equal", "broadcast_logical_and", "broadcast_logical_or", "broadcast_logical_xor",
]  # fmt: skip

Unary = Callable[[Node], Node]
Binary = Callable[[Node, Node], Node]


# -- of one operand ---------------------------------------------------------------------------------


def _nearest(x: Node) -> Node:
    """The nearest integer, the lower of two."""
    low, high = np_named.floor(x), np_named.ceil(x)
    return np_named.where(x - low <= high - x, low, high)


def _away(x: Node) -> Node:
    """The nearest integer, of two the one away from 0."""
    whole = np_named.trunc(x)
    return np_named.where(abs(x - whole) < 0.5, whole, whole + np_named.sign(x))


def _not(x: Node) -> Node:
    return np_named.astype(np_named.equal(x, 0), x.dtype)


UNARY: dict[str, Unary] = {
    "abs": np_named.abs, "arccos": np_named.arccos, "arccosh": np_named.arccosh, "arcsin": np_named.arcsin,
    "arcsinh": np_named.arcsinh, "arctan": np_named.arctan, "arctanh": np_named.arctanh, "cbrt": np_named.cbrt,
    "ceil": np_named.ceil, "cos": np_named.cos, "cosh": np_named.cosh, "erf": np_named.erf, "exp": np_named.exp,
    "expm1": np_named.expm1, "floor": np_named.floor, "log": np_named.log, "log10": np_named.log10,
    "log1p": np_named.log1p, "log2": np_named.log2, "logical_not": _not, "negative": np_named.negative,
    "reciprocal": np_named.reciprocal, "relu": relu, "rint": _nearest, "round": _away, "rsqrt": np_named.rsqrt,
    "sigmoid": np_named.sigmoid, "sign": np_named.sign, "sin": np_named.sin, "sinh": np_named.sinh,
    "sqrt": np_named.sqrt, "square": np_named.square, "tan": np_named.tan, "tanh": np_named.tanh,
    "trunc": np_named.trunc, "zeros_like": zeros_like, "ones_like": ones_like,
}  # fmt: skip


def _unary(name: str, function: Unary, doc: str, aliases: tuple[str, ...] = ()) -> Callable[..., Node]:
    def body(data: Node) -> Node:
        return function(data)

    body.__doc__ = doc
    return layer(name=name, aliases=aliases)(body)


for _name, _function in UNARY.items():
    _unary(_name, _function, f"`sym.{_name}` as a layer.")

identity = _unary("_copy", lambda x: x, "The operand itself.", ("identity",))
softsign = _unary("softsign", lambda x: x / (1 + abs(x)), "x / (1 + |x|).")
degrees = _unary("degrees", lambda x: x * (180 / pi), "Radians as degrees.")
radians = _unary("radians", lambda x: x * (pi / 180), "Degrees as radians.")
rcbrt = _unary("rcbrt", lambda x: 1 / np_named.cbrt(x), "1 / ∛x.")
fix = _unary("fix", np_named.trunc, "Rounded towards 0.")


@layer()
def hard_sigmoid(data: Node, *, alpha: float = 0.2, beta: float = 0.5) -> Node:
    """alpha × x + beta, kept within 0 and 1."""
    return np_named.clip(alpha * data + beta, 0.0, 1.0)


@layer()
def smooth_l1(data: Node, *, scalar: float = 1.0) -> Node:
    """(scalar × x)² / 2 where |x| is below 1 / scalar², else |x| − 0.5 / scalar²."""
    bound = 1 / scalar**2
    return np_named.where(abs(data) < bound, 0.5 * scalar**2 * data * data, abs(data) - 0.5 * bound)


@layer(name="clip")
def _clip(data: Node, *, a_min: float, a_max: float) -> Node:
    """x kept within bounds; on a bound, the derivative is shared with it."""
    return np_named.clip(data, _number(a_min, data), _number(a_max, data))


# -- of two -----------------------------------------------------------------------------------------


def _number(scalar: float, x: Node) -> Node:
    """A number in the dtype of x."""
    return constant(np.array(scalar).astype(x.dtype))


def _compared(function: Binary) -> Binary:
    return lambda x, y: np_named.astype(function(x, y), x.dtype)


def _mod(x: Node, y: Node) -> Node:
    """What x // y leaves, and 0 where y is 0."""
    none = np_named.equal(y, 0)
    return np_named.where(none, 0, np_named.remainder(x, np_named.where(none, 1, y)))


BINARY: dict[str, Binary] = {
    "add": np_named.add, "sub": np_named.subtract, "mul": np_named.multiply, "div": np_named.divide, "mod": _mod,
    "power": np_named.power, "maximum": np_named.maximum, "minimum": np_named.minimum, "hypot": np_named.hypot,
    "equal": _compared(np_named.equal), "not_equal": _compared(np_named.not_equal),
    "greater": _compared(np_named.greater), "greater_equal": _compared(np_named.greater_equal),
    "lesser": _compared(np_named.less), "lesser_equal": _compared(np_named.less_equal),
    "logical_and": _compared(np_named.logical_and), "logical_or": _compared(np_named.logical_or),
    "logical_xor": _compared(np_named.logical_xor),
}  # fmt: skip


def _one_shape(known: Shapes, a: Values) -> Shapes:
    return {operand: shape for shape in [*known.values()][:1] for operand in ("lhs", "rhs")}


def _elementwise(name: str, function: Binary, doc: str, *aliases: str) -> Callable[..., Node]:
    def body(lhs: Node, rhs: Node) -> Node:
        return function(lhs, rhs)

    body.__doc__ = f"{doc}, of operands of one shape."
    return layer(name=name, aliases=aliases, shapes=_one_shape)(body)


elemwise_add = _elementwise("elemwise_add", np_named.add, "lhs + rhs", "_plus", "_add", "_Plus", "_grad_add")
elemwise_sub = _elementwise("elemwise_sub", np_named.subtract, "lhs − rhs", "_minus", "_sub", "_Minus")
elemwise_mul = _elementwise("elemwise_mul", np_named.multiply, "lhs × rhs", "_mul", "_Mul")
elemwise_div = _elementwise("elemwise_div", np_named.divide, "lhs / rhs", "_div", "_Div")
for _name, _binary in BINARY.items():
    if _name not in ("add", "sub", "mul", "div"):
        _elementwise(f"_{_name}", _binary, f"`broadcast_{_name}`", f"_{_name.title()}")


def _broadcasting(name: str, doc: str, *aliases: str) -> Callable[..., Node]:
    function = BINARY[name]

    def body(lhs: Node, rhs: Node) -> Node:
        return function(lhs, rhs)

    body.__doc__ = f"{doc}, of operands that broadcast."
    return layer(name=f"broadcast_{name}", aliases=aliases)(body)


broadcast_add = broadcast_plus = _broadcasting("add", "lhs + rhs", "broadcast_plus")
broadcast_sub = broadcast_minus = _broadcasting("sub", "lhs − rhs", "broadcast_minus")
broadcast_mul = _broadcasting("mul", "lhs × rhs")
broadcast_div = _broadcasting("div", "lhs / rhs")
broadcast_mod = _broadcasting("mod", "What lhs // rhs leaves, 0 where rhs is 0")
broadcast_power = _broadcasting("power", "lhs to the power rhs")
broadcast_maximum = _broadcasting("maximum", "The greater")
broadcast_minimum = _broadcasting("minimum", "The lesser")
broadcast_hypot = _broadcasting("hypot", "√(lhs² + rhs²)")
broadcast_equal = _broadcasting("equal", "1 where equal, else 0")
broadcast_not_equal = _broadcasting("not_equal", "1 where different, else 0")
broadcast_greater = _broadcasting("greater", "1 where lhs > rhs, else 0")
broadcast_greater_equal = _broadcasting("greater_equal", "1 where lhs ≥ rhs, else 0")
broadcast_lesser = _broadcasting("lesser", "1 where lhs < rhs, else 0")
broadcast_lesser_equal = _broadcasting("lesser_equal", "1 where lhs ≤ rhs, else 0")
broadcast_logical_and = _broadcasting("logical_and", "1 where both are not 0, else 0")
broadcast_logical_or = _broadcasting("logical_or", "1 where either is not 0, else 0")
broadcast_logical_xor = _broadcasting("logical_xor", "1 where just one is not 0, else 0")

# -- of one and a number ----------------------------------------------------------------------------

SCALAR: dict[str, tuple[Binary, str]] = {
    "_plus_scalar": (np_named.add, "_PlusScalar"), "_minus_scalar": (np_named.subtract, "_MinusScalar"),
    "_mul_scalar": (np_named.multiply, "_MulScalar"), "_div_scalar": (np_named.divide, "_DivScalar"),
    "_mod_scalar": (_mod, "_ModScalar"), "_power_scalar": (np_named.power, "_PowerScalar"),
    "_maximum_scalar": (np_named.maximum, "_MaximumScalar"), "_minimum_scalar": (np_named.minimum, "_MinimumScalar"),
    "_hypot_scalar": (np_named.hypot, "_HypotScalar"), "_equal_scalar": (BINARY["equal"], "_EqualScalar"),
    "_not_equal_scalar": (BINARY["not_equal"], "_NotEqualScalar"),
    "_greater_scalar": (BINARY["greater"], "_GreaterScalar"),
    "_greater_equal_scalar": (BINARY["greater_equal"], "_GreaterEqualScalar"),
    "_lesser_scalar": (BINARY["lesser"], "_LesserScalar"),
    "_lesser_equal_scalar": (BINARY["lesser_equal"], "_LesserEqualScalar"),
    "_logical_and_scalar": (BINARY["logical_and"], "_LogicalAndScalar"),
    "_logical_or_scalar": (BINARY["logical_or"], "_LogicalOrScalar"),
    "_logical_xor_scalar": (BINARY["logical_xor"], "_LogicalXorScalar"),
    "_rminus_scalar": (lambda x, s: s - x, "_RMinusScalar"), "_rdiv_scalar": (lambda x, s: s / x, "_RDivScalar"),
    "_rmod_scalar": (lambda x, s: _mod(s, x), "_RModScalar"),
    "_rpower_scalar": (lambda x, s: np_named.power(s, x), "_RPowerScalar"),
}  # fmt: skip


def _with_number(name: str, function: Binary, alias: str) -> None:
    def body(data: Node, *, scalar: float = 1.0) -> Node:
        return function(data, _number(scalar, data))

    body.__doc__ = "The operand and a number, which takes its dtype."
    layer(name=name, aliases=(alias,))(body)


for _name, (_binary, _alias) in SCALAR.items():
    _with_number(_name, _binary, _alias)


# -- of many ----------------------------------------------------------------------------------------


@layer(aliases=("ElementWiseSum", "_sum"))
def add_n(*args: Node) -> Node:
    """The sum of operands of one shape."""
    for x in args:
        if x.shape != args[0].shape:
            raise ShapeError(offence("add_n", f"{args[0].type} and {x.type} differ in shape", "broadcast one of them"))
    return reduce(np_named.add, args)


ElementWiseSum = add_n
