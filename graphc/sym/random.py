"""Random numbers as functions of a key: the same for every thread count, compilation and derivative.

A key is two 32-bit words. Drawing does not change it: the same key gives the same numbers, and `split` or `fold_in`
make new keys, whose numbers have nothing to do with each other. A number is the block of a counter, its place in
the result, under the key: Threefry-2x32 in twenty rounds, which is arithmetic like any other, computed where it is
read. (Salmon, Moraes, Dror and Shaw, Parallel Random Numbers: As Easy as 1, 2, 3, 2011.)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import ParamSpec, TypeAlias

import numpy as np

from graphc.errors import DTypeError
from graphc.node import Node, constant
from graphc.ops.creation import extent_value, index_along
from graphc.ops.declare import offence
from graphc.ops.elementwise import CAST
from graphc.settings import default_float
from graphc.sym.creation import DTypeLike
from graphc.sym.elementwise import cos, log, sqrt, where
from graphc.sym.movement import ShapeLike, stack
from graphc.sym.promote import ArrayLike, as_node, broadcast_node, floating, promote
from graphc.sym.record import public
from graphc.types import FLOAT32, FLOAT64, INT32, INT64, DType, Extent, Shape, Type, as_dtype, as_shape, product

__all__ = ["key", "split", "fold_in", "bits", "uniform", "normal", "bernoulli", "randint", "dropout"]

P = ParamSpec("P")
Words: TypeAlias = "tuple[Node, Node]"

UINT32, UINT64 = np.dtype(np.uint32), np.dtype(np.uint64)
PARITY = 0x1BD11BDA
ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
FIRST, SECOND, SPLIT, FOLD = (tag << 28 for tag in (0, 1, 14, 15))  # in the upper word of counters: never the same


def _public(function: Callable[P, Node]) -> Callable[P, Node]:
    """Register it as `random_…`: its own name may be another function's."""
    function.__name__ = f"random_{function.__name__}"
    return public(function)


# -- keys -------------------------------------------------------------------------------------------


@_public
def key(seed: ArrayLike) -> Node:
    """The key, `uint32[2]`, of a seed: an integer, or an integer node, of up to 64 bits.

    Wherever a key is taken, so is a seed.

    >>> from graphc.sym import random
    >>> random.uniform(random.key(7), 3) is random.uniform(7, 3)
    True
    """
    return _key("key", seed)


@_public
def split(key: ArrayLike, count: Extent = 2) -> Node:
    """So many new keys, `uint32[count, 2]`: index it to get one.

    >>> from graphc.sym import random
    >>> keys = random.split(7, 3)
    >>> keys.type, keys[0].type
    (Type(dtype=dtype('uint32'), shape=(3, 2)), Type(dtype=dtype('uint32'), shape=(2,)))
    """
    return stack(_blocks("split", key, as_shape(count), SPLIT), 1)


@_public
def fold_in(key: ArrayLike, number: ArrayLike) -> Node:
    """The new key that belongs to a number under a key: that of a step or a layer, for instance.

    >>> from graphc import sym
    >>> step = sym.var('step', shape=(), dtype='int64')
    >>> sym.random.fold_in(7, step).shape
    (2,)
    """
    high, low = _words("fold_in", number)
    block = _threefry(_words("fold_in", key), low, high)
    return stack(_threefry(block, constant(0, UINT32), constant(FOLD, UINT32)))


def _key(name: str, key: ArrayLike) -> Node:
    """What is given as a key, or the upper and the lower word of a seed."""
    node = as_node(name, np.array(divmod(key % 2**64, 2**32), UINT32) if isinstance(key, int) else key)
    if node.shape == (2,) and node.dtype == UINT32:
        return node
    if node.shape or node.dtype.kind not in "iu":
        way_out = "give an integer, or what random.key, split or fold_in made"
        raise DTypeError(offence(name, f"{node.type} is no key", way_out))
    wide = CAST(node, dtype=UINT64)
    return stack([CAST(wide >> 32, dtype=UINT32), CAST(wide, dtype=UINT32)])


def _words(name: str, key: ArrayLike) -> Words:
    node = _key(name, key)
    return node[0], node[1]


# -- blocks -----------------------------------------------------------------------------------------


def _threefry(key: Words, x: Node, y: Node) -> Words:
    """Twenty rounds: additions, rotations and exclusive ors, with the key mixed in after every fourth."""
    schedule = (*key, key[0] ^ key[1] ^ PARITY)
    x, y = x + schedule[0], y + schedule[1]
    for group in range(5):
        for places in ROTATIONS[group % 2]:
            x = x + y
            y = (y << places | y >> 32 - places) ^ x
        x, y = x + schedule[(group + 1) % 3], y + (schedule[(group + 2) % 3] + (group + 1))
    return x, y


def _blocks(name: str, key: ArrayLike, shape: Shape, tag: int = FIRST) -> Words:
    """Two random words for each place of a shape."""
    size = product(shape)
    if isinstance(size, int) and size <= 2**32:
        low, high = _place(shape, UINT32), constant(tag, UINT32)
    else:
        place = _place(shape, INT64)
        low, high = CAST(place, dtype=UINT32), CAST(place >> 32, dtype=UINT32) + tag
    return _threefry(_words(name, key), low, broadcast_node(high, shape))


def _place(shape: Shape, dtype: DType) -> Node:
    """For every element its place in row-major order."""
    place = broadcast_node(constant(0, dtype), shape)
    for axis, extent in enumerate(shape):
        along = index_along(Type(dtype, shape), axis, dtype)
        place = place * extent_value(extent, dtype) + along if axis else along
    return place


def _wide(upper: Node, lower: Node) -> Node:
    """Two words as one of 64 bits."""
    return CAST(upper, dtype=UINT64) << 32 | CAST(lower, dtype=UINT64)


# -- draws ------------------------------------------------------------------------------------------


@_public
def bits(key: ArrayLike, shape: ShapeLike = (), dtype: DTypeLike = UINT32) -> Node:
    """Random bits: every uint32, or every uint64, is equally likely.

    >>> from graphc import interpret, sym
    >>> print(interpret(sym.random.bits(7, 2), {}))
    [3625411723 1830345032]
    """
    upper, lower = _blocks("bits", key, as_shape(shape))
    match as_dtype(dtype):
        case wanted if wanted == UINT32:
            return upper
        case wanted if wanted == UINT64:
            return _wide(upper, lower)
        case wanted:
            raise DTypeError(offence("bits", f"{wanted} holds no whole words", "take uint32 or uint64, and cast"))


@_public
def uniform(
    key: ArrayLike, shape: ShapeLike = (), dtype: DTypeLike = None, low: ArrayLike = 0, high: ArrayLike = 1
) -> Node:
    """Numbers between low and high, low included: multiples of 2⁻²⁴ of the range for float32, of 2⁻⁵³ for float64.

    `low` and `high` broadcast to the shape, and have derivatives.

    >>> from graphc import interpret, sym
    >>> print(interpret(sym.random.uniform(7, 3, low=10, high=20), {}).round(3))
    [18.441 14.262 16.505]
    """
    extents, wanted = as_shape(shape), _float("uniform", dtype)
    u = _unit(_blocks("uniform", key, extents), wanted)
    if isinstance(low, int | float) and isinstance(high, int | float) and (low, high) == (0, 1):
        return u
    a, b = (broadcast_node(as_node("uniform", bound, wanted), extents) for bound in (low, high))
    return a + u * (b - a)


def _float(name: str, dtype: DTypeLike) -> DType:
    wanted = default_float() if dtype is None else as_dtype(dtype)
    if wanted.kind != "f":
        raise DTypeError(offence(name, f"draws floats, not {wanted}", "take float32 or float64; or randint"))
    return wanted


def _unit(words: Words, dtype: DType) -> Node:
    """Random words as a number of [0, 1): the upper bits, as many as the dtype has places."""
    upper, lower = words
    if dtype == FLOAT32:
        return CAST(CAST(upper >> 8, dtype=INT32), dtype=FLOAT32) * 2.0**-24
    high, low = (CAST(CAST(part, dtype=INT32), dtype=FLOAT64) for part in (upper >> 5, lower >> 6))
    return (high * 2.0**26 + low) * 2.0**-53


@_public
def normal(key: ArrayLike, shape: ShapeLike = (), dtype: DTypeLike = None) -> Node:
    """Numbers of mean 0 and variance 1 from the normal distribution, by the method of Box and Muller.

    >>> from graphc import interpret, sym
    >>> print(interpret(sym.random.normal(7, 3), {}).round(3))
    [ 1.822 -0.733  0.123]
    """
    extents, wanted = as_shape(shape), _float("normal", dtype)
    upper, lower = first = _blocks("normal", key, extents)
    second = (lower, upper) if wanted == FLOAT32 else _blocks("normal", key, extents, SECOND)  # each needs its own bits
    u, v = _unit(first, wanted), _unit(second, wanted)
    return sqrt(-2 * log(1 - u)) * cos(2 * math.pi * v)


@_public
def bernoulli(key: ArrayLike, p: ArrayLike = 0.5, shape: ShapeLike | None = None) -> Node:
    """True with probability p, else False; of p's shape, unless one is given that p broadcasts to.

    >>> from graphc import interpret, sym
    >>> print(interpret(sym.random.bernoulli(7, [0.0, 0.5, 1.0]), {}))
    [False  True  True]
    """
    chance = as_node("bernoulli", p, FLOAT32 if isinstance(p, int | float) else None)
    (chance,) = promote("bernoulli", chance, rule=floating)
    extents = chance.shape if shape is None else as_shape(shape)
    return _unit(_blocks("bernoulli", key, extents), chance.dtype) < broadcast_node(chance, extents)


@_public
def randint(key: ArrayLike, shape: ShapeLike, low: ArrayLike, high: ArrayLike, dtype: DTypeLike = INT64) -> Node:
    """Integers from low up to, but without, high; which broadcast to the shape.

    Of n integers none is likelier than another by more than n / 2⁶⁴.

    >>> from graphc import interpret, sym
    >>> print(interpret(sym.random.randint(7, 8, 1, 7), {}))
    [1 5 2 5 2 3 1 6]
    """
    extents, wanted = as_shape(shape), as_dtype(dtype)
    if wanted.kind not in "iu":
        raise DTypeError(offence("randint", f"draws integers, not {wanted}", "take an integer dtype; or uniform"))
    if isinstance(low, int) and isinstance(high, int) and low >= high:
        raise ValueError(offence("randint", f"no integer is from {low} below {high}", "take low < high"))
    first, end = (broadcast_node(as_node("randint", bound, wanted), extents) for bound in (low, high))
    drawn = _wide(*_blocks("randint", key, extents))
    return first + CAST(drawn % CAST(end - first, dtype=UINT64), dtype=wanted)


@_public
def dropout(x: ArrayLike, key: ArrayLike, rate: float = 0.5) -> Node:
    """x with elements set to 0 with probability `rate`, and the others divided by 1 - rate: the expectation stays.

    >>> from graphc import sym
    >>> sym.random.dropout(sym.var('x', shape=('n', 100)), sym.var('key', shape=2, dtype='uint32'), 0.2).shape
    (n, 100)
    """
    (node,) = promote("dropout", x, rule=floating)
    if not 0 <= rate <= 1:
        raise ValueError(offence("dropout", f"rate={rate} is no probability", "give a number from 0 to 1"))
    kept = _unit(_blocks("dropout", key, node.shape), FLOAT32) >= rate
    return where(kept, node / (1 - rate), 0) if rate < 1 else where(kept, node, 0)
