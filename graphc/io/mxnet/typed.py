"""Typed nodes in MXNet's words: the public call that makes just this node, or layers of the same value."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias, cast

from graphc.errors import GraphcError
from graphc.node import CONST, PUBLIC, Node
from graphc.ops.arithmetic import MULTIPLY
from graphc.ops.contraction import CONTRACT, pairing
from graphc.ops.creation import IOTA
from graphc.ops.declare import uniform
from graphc.ops.logic import CAST
from graphc.ops.movement import EXPAND, FLIP, RESHAPE, TRANSPOSE
from graphc.ops.parts import CONCAT, PAD, SLICE
from graphc.ops.reduction import MAX, MIN, PROD, SUM
from graphc.sym import elementwise
from graphc.sym.mx.layer import LAYERS
from graphc.sym.mx.words import Words, translated
from graphc.types import BOOL, product

PublicCall: TypeAlias = tuple[str, tuple[Any, ...], dict[str, Any]]
Form: TypeAlias = Callable[[Node], PublicCall]

LOGIC = {
    "bitwise_and": "logical_and", "bitwise_or": "logical_or", "bitwise_xor": "logical_xor",
    "bitwise_invert": "logical_not",
}  # fmt: skip


def public_call(node: Node) -> tuple[PublicCall, Words] | None:
    """A call that gives this very node and that MXNet has words for, and those, if there is one.

    Of several it is one on numbers instead of constants, and on what was broadcast.
    """
    for call in _calls(node):
        if _gives(call, node) and (words := _in_words(*call)):
            return call, words
    return None


def _in_words(function: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Words | None:
    return FROM_NOTHING[function](*args, **kwargs) if function in FROM_NOTHING else translated(function, args, kwargs)


def _gives(call: PublicCall, node: Node) -> bool:
    function, args, kwargs = call
    try:
        return PUBLIC[function](*args, **kwargs) is node
    except GraphcError:
        return False


def _calls(node: Node) -> Iterator[PublicCall]:
    if node.op is CONST or (node.op is EXPAND and uniform(node) is not None):
        yield "full", (node.shape, uniform(node)), {"dtype": node.dtype.name}
    elif node.op.kind == "elementwise" and node.op is not CAST:
        name = LOGIC.get(node.op.name, node.op.name) if node.dtype == BOOL else node.op.name
        choices = itertools.product(*map(list, map(_plainer, node.args))) if name in PUBLIC else ()
        yield from ((name, args, {}) for args in choices if any(isinstance(x, Node) for x in args))
    elif node.op is EXPAND:
        yield from (("broadcast_to", (x, node.shape), {}) for x in _stretched_from(node) if x.ndim == node.ndim)
    elif node.op is CONTRACT:
        yield from ((name, node.args, {}) for name in ("dot", "matmul"))
    elif node.op in FORMS:
        yield FORMS[node.op](node)


def _plainer(x: Node) -> Iterator[Node | bool | int | float]:
    """The number that x is all over, what it was broadcast from, or x itself."""
    number = uniform(x)
    yield from _stretched_from(x) if number is None else (number,)
    yield x


def _stretched_from(x: Node) -> Iterator[Node]:
    """What an expansion may have been made of: axes of extent 1 were dropped first."""
    if x.op is EXPAND:
        (inner,) = x.args
        yield from inner.args if inner.op is RESHAPE else ()
        yield inner


def _sliced(node: Node) -> PublicCall:
    starts, extents, steps = cast("tuple[tuple[Any, ...], ...]", node.params)
    key = tuple([slice(a, a + k * (n - 1) + 1, k) for a, n, k in zip(starts, extents, steps, strict=True)])
    return "getitem", (node.args[0], key), {}


def _padded(node: Node) -> PublicCall:
    low, high, _, value = cast("tuple[Any, ...]", node.params)
    return "pad", (node.args[0], tuple(zip(low, high, strict=True)), "constant", value), {}


def _folded(node: Node) -> PublicCall:
    return node.op.name, node.args, {"axis": node.params[0]}


FROM_NOTHING: dict[str, Callable[..., Words]] = {  # calls that are never recorded, for want of operands
    "full": lambda shape, value, dtype: Words("_full", (), {"shape": shape or (1,), "value": value, "dtype": dtype}),
    "arange": lambda stop, dtype: Words("_arange", (), {"start": 0, "stop": stop, "dtype": dtype}),
}

FORMS: dict[Any, Form] = {
    CAST: lambda x: ("astype", (x.args[0], x.dtype.name), {}),
    RESHAPE: lambda x: ("reshape", (x.args[0], x.shape), {}),
    TRANSPOSE: lambda x: ("transpose", (x.args[0], x.params[0]), {}),
    FLIP: lambda x: ("flip", (x.args[0], x.params[0]), {}),
    CONCAT: lambda x: ("concat", (x.args, x.params[0]), {}),
    SLICE: _sliced,
    PAD: _padded,
    IOTA: lambda x: ("arange", (x.shape[0],), {"dtype": x.dtype.name}),
    SUM: _folded,
    PROD: _folded,
    MAX: _folded,
    MIN: _folded,
}

TYPED = {  # all that a call found here may be of: each makes few nodes
    *elementwise.__all__, "full", "broadcast_to", "dot", "matmul", "reshape", "transpose", "flip", "concat", "getitem",
    "pad", "arange", "sum", "prod", "max", "min",
}  # fmt: skip


# -- layers of the same value -----------------------------------------------------------------------


def as_layers(node: Node) -> Node | None:
    """Layers, or calls, of the value of a node; None, if MXNet has none, or some extent is no number above 0."""
    known = all(isinstance(extent, int) and extent > 0 for x in (node, *node.args) for extent in x.shape)
    return LAYERED[node.op](node) if known and node.op in LAYERED else None


def _stretched(node: Node) -> Node:
    """An expansion: axes of extent 1 put in, then stretched."""
    axes, extents = cast("tuple[tuple[int, ...], ...]", node.params)
    thin = tuple([1 if axis in axes else extent for axis, extent in enumerate(node.shape)])
    return _layer("broadcast_axis", _layer("Reshape", node.args[0], shape=thin), axis=axes, size=extents)


def _multiplied(node: Node) -> Node:
    """A contraction: axes ordered and merged to those of a product of matrices, or of as many as the batch has."""
    (a, b), pairs = node.args, pairing(node)
    axes_a, axes_b, batch_a, batch_b = pairs
    if not node.shape:  # MXNet's product of matrices has axes
        paired = tuple([axes_b[axes_a.index(axis)] for axis in range(a.ndim)])
        return SUM(MULTIPLY(a, PUBLIC["transpose"](b, paired)), axes=tuple(range(a.ndim)))
    left = _merged(a, batch_a, pairs.free_a(a.ndim), axes_a)
    right = _merged(b, batch_b, axes_b, pairs.free_b(b.ndim))
    return _layer("Reshape", _layer("batch_dot" if batch_a else "dot", left, right), shape=node.shape)


def _merged(x: Node, *groups: Any) -> Node:
    """x with its axes in this order, and one for each group; an empty first group gives none."""
    turned = _layer("transpose", x, axes=tuple([axis for group in groups for axis in group]))
    extents = [product([x.shape[axis] for axis in group]) for group in groups if group or group is not groups[0]]
    return _layer("Reshape", turned, shape=tuple(extents))


def _layer(name: str, *operands: Node, **attributes: Any) -> Node:
    layer = LAYERS[name]
    return layer.apply(*operands, **layer.explicit(layer.complete(attributes)))


LAYERED: dict[Any, Callable[[Node], Node]] = {EXPAND: _stretched, CONTRACT: _multiplied}
