"""The order of rows: a function for each dtype, which sorts by keys, unsigned integers in the order of the elements.

Short rows are ranked: the place of a key is how many come before it, all compared with all, in vectors. Long ones are
sorted by one digit of the keys after another, the last digit first, each time keeping the order that is there; a digit
that is the same in all keys is left out. Neither branches on what it compares.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from graphc.codegen.emit import ADDRESS, BOOL, INT64, Emitter, Pointer, Value, mangle
from graphc.node import Node
from graphc.ops.sorting import is_descending
from graphc.types import Extent, product

SHORT = {1: 32, 2: 48, 4: 64, 8: 96}  # by bytes of a key: elements of a row up to which they are ranked
DIGIT = 8  # bits
DIGITS = 1 << DIGIT  # how many values a digit has


def emit_argsort(
    e: Emitter, node: Node, x: Pointer, result: Pointer, room: Pointer, evaluate: Callable[[Extent], Value | int]
) -> None:
    """The order of each row, in turn."""
    rows, n = evaluate(product(node.shape[:-1])), evaluate(node.shape[-1])
    name = _Argsort(x.dtype, is_descending(node)).defined(e)

    length = n if isinstance(n, Value) else e.const(n, INT64)

    def row(i: Value, _: list[Value]) -> list[Value]:
        start = e.mul(i, length)
        places = (e.offset(x, start), e.offset(result, start), room)
        e.do(name, [*(Value(place.text, ADDRESS) for place in places), length])
        return []

    e.loop(0, rows, 1, [], row)


@dataclass(frozen=True)
class _Argsort:
    """The function of one dtype and direction."""

    dtype: np.dtype
    descending: bool

    @property
    def name(self) -> str:
        return "_".join(["argsort", self.dtype.name, *["descending"] * self.descending])

    @property
    def key(self) -> np.dtype:
        return np.dtype(f"u{self.dtype.itemsize}")

    def defined(self, e: Emitter) -> str:
        """Its name, once it is in the module."""
        if self.name not in e.module.functions:
            self._emit(Emitter(e.module))
        return self.name

    def _emit(self, e: Emitter) -> None:
        n, result = Value("%n", INT64), Pointer("%result", INT64)
        spare = Pointer("%room", INT64)
        keys = Pointer(e.offset(spare, n).text, self.key)
        self._write_keys(e, Pointer("%x", self.dtype), keys, n)
        short = e.le(n, SHORT[self.key.itemsize])
        e.when(short, lambda: _rank(e, keys, result, n))
        e.when(e.not_(short), lambda: _by_digits(e, keys, result, spare, n))
        e.line("ret void")
        parameters = ["ptr noalias %x", "ptr noalias %result", "ptr noalias %room", "i64 %n"]
        e.define(self.name, parameters, linkage="internal", attributes="noinline alignstack(64)")

    def _write_keys(self, e: Emitter, x: Pointer, keys: Pointer, n: Value) -> None:
        """The keys, and after them as many of the greatest as make up whole vectors."""
        lanes = _lanes(e)

        def write(i: Value, _: list[Value]) -> list[Value]:
            there = e.lt(e.add(e.lane_numbers(lanes), i), n)
            key = self._key_of(e, e.load(e.offset(x, i), lanes, there))
            e.store(e.select(there, key, e.const(-1, self.key)), e.offset(keys, i))
            return []

        e.loop(0, n, lanes, [], write)

    def _key_of(self, e: Emitter, x: Value) -> Value:
        """NaNs have the greatest; of numbers below zero the other bits count the other way if they are floats."""
        key, sign = self.key, -(1 << (8 * self.dtype.itemsize - 1))
        match self.dtype.kind:
            case "f":
                bits = e.bitcast(e.add(x, 0.0), np.dtype(f"i{key.itemsize}"))  # -0.0 is equal to 0.0
                flipped = e.xor(bits, e.or_(e.shr(bits, 8 * key.itemsize - 1), sign))
                found = e.convert(e.select(e.is_nan(x), -1, flipped), key)
            case "i":
                found = e.xor(e.convert(x, key), sign)
            case _:
                found = e.convert(x, key)
        return e.not_(found) if self.descending else found


def _lanes(e: Emitter) -> int:
    return e.target.vector_bytes // INT64.itemsize


def _rank(e: Emitter, keys: Pointer, result: Pointer, n: Value) -> None:
    """Put each index where as many keys come before its own: those less than it, and equal ones with a lower index."""
    lanes = _lanes(e)

    def place(i: Value, _: list[Value]) -> list[Value]:
        key = e.load(e.offset(keys, i))

        def count(j: Value, counts: list[Value]) -> list[Value]:
            others, earlier = e.load(e.offset(keys, j), lanes), e.lt(e.add(e.lane_numbers(lanes), j), i)
            before = e.or_(e.lt(others, key), e.and_(e.eq(others, key), earlier))
            return [e.add(counts[0], e.convert(before, INT64))]

        (counts,) = e.loop(0, n, lanes, [e.splat(e.const(0, INT64), lanes)], count)
        rank = e.call(f"llvm.vector.reduce.add.{mangle(INT64, lanes)}", "i64", [counts], INT64)
        e.store(i, e.offset(result, rank))
        return []

    e.loop(0, n, 1, [], place)


def _by_digits(e: Emitter, keys: Pointer, result: Pointer, spare: Pointer, n: Value) -> None:
    """Sort keys and indices by each digit; there is room for both elsewhere: behind the keys, and to spare."""
    digits = 8 * keys.dtype.itemsize // DIGIT
    counts = _count_digits(e, keys, n, digits)

    def number(i: Value, _: list[Value]) -> list[Value]:
        e.store(i, e.offset(result, i))
        return []

    def sort(k: Value, places: list[Value]) -> list[Value]:
        count, shift = e.offset(counts, e.mul(k, DIGITS)), e.convert(e.mul(k, DIGIT), keys.dtype)
        first = e.load(Pointer(places[0].text, keys.dtype))
        alike = e.eq(e.load(e.offset(count, _digit(e, first, shift))), n)
        return e.if_else(alike, lambda: places, lambda: _deal(e, keys.dtype, places, count, shift, n))

    e.loop(0, n, 1, [], number)
    places = [Value(place.text, ADDRESS) for place in (keys, result, e.offset(keys, n), spare)]
    _, found, _, _ = e.loop(0, digits, 1, places, sort)
    copied = [places[1], found, e.mul(n, INT64.itemsize), e.const(False, BOOL)]
    e.when(e.ne(found, places[1]), lambda: e.do("llvm.memcpy.p0.p0.i64", copied))


def _digit(e: Emitter, key: Value, shift: Value) -> Value:
    return e.convert(e.and_(e.shr(key, shift), DIGITS - 1), INT64)


def _count_digits(e: Emitter, keys: Pointer, n: Value, digits: int) -> Pointer:
    """How many keys have each value of each digit."""
    counts, size = e.stack(INT64, digits * DIGITS), digits * DIGITS * INT64.itemsize
    zero = [e.const(0, np.dtype(np.uint8)), e.const(size, INT64), e.const(False, BOOL)]
    e.do("llvm.memset.p0.i64", [Value(counts.text, ADDRESS), *zero])

    def count(i: Value, _: list[Value]) -> list[Value]:
        key = e.load(e.offset(keys, i))
        for k in range(digits):
            place = e.offset(counts, e.add(_digit(e, key, e.const(k * DIGIT, keys.dtype)), k * DIGITS))
            e.store(e.add(e.load(place), 1), place)
        return []

    e.loop(0, n, 1, [], count)
    return counts


def _deal(e: Emitter, dtype: np.dtype, places: list[Value], count: Pointer, shift: Value, n: Value) -> list[Value]:
    """Keys and indices moved where their digit has them, in the order they are in; the places, exchanged."""
    keys, indices, new_keys, new_indices = (
        Pointer(place.text, kind) for place, kind in zip(places, (dtype, INT64) * 2, strict=True)
    )

    def start(digit: Value, before: list[Value]) -> list[Value]:
        place = e.offset(count, digit)
        found = e.load(place)
        e.store(before[0], place)
        return [e.add(before[0], found)]

    def move(i: Value, _: list[Value]) -> list[Value]:
        key, index = e.load(e.offset(keys, i)), e.load(e.offset(indices, i))
        place = e.offset(count, _digit(e, key, shift))
        to = e.load(place)
        e.store(e.add(to, 1), place)
        e.store(key, e.offset(new_keys, to))
        e.store(index, e.offset(new_indices, to))
        return []

    e.loop(0, DIGITS, 1, [e.const(0, INT64)], start)
    e.loop(0, n, 1, [], move)
    return [*places[2:], *places[:2]]
