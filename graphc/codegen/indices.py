"""Indices in IR: polynomials of loop axes as int64 values, at one place or along the lanes; guards as masks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from graphc.codegen.emit import INT32, INT64, Emitter, Pointer, Value
from graphc.kernel.collapse import coefficient
from graphc.node import Node
from graphc.ops.scalar import Guards
from graphc.types import Dim, Extent, Quotient, extent_symbols, product

Symbols = Mapping[str, Value | int]
Evaluate = Callable[[Extent], Value | int]


@dataclass
class Lanes:
    """Where along the lane axis one vector is: its first index, its width, its mask and its values so far.

    `axes` are the values of all loop axes and named dimensions; `records` vectors of whole records loaded.
    """

    start: Value | int
    width: int
    mask: Value | None
    axes: dict[str, Value | int]
    values: dict[Node, Value]
    records: dict[tuple[Pointer, Extent], Value] = field(default_factory=dict[tuple[Pointer, Extent], Value])


class Indices:
    """Evaluates index polynomials of one kernel whose vectors run along the axis `lane`."""

    def __init__(self, e: Emitter, lane: str) -> None:
        self.e, self.lane = e, lane

    def step(self, index: Extent, at: Lanes) -> Extent | None:
        """What one lane adds to an index: 0 for a single lane, None where it is not linear."""
        if at.width == 1:
            return 0
        varying = any(isinstance(x := at.axes[s], Value) and x.lanes > 1 for s in extent_symbols(index))
        return None if varying else coefficient(index, self.lane)

    def along(self, index: Extent, at: Lanes) -> Value:
        """An index at each lane."""
        e, step = self.e, self.step(index, at)
        if step is None:
            numbers = e.add(e.splat(self.number(at.start), at.width), e.lane_numbers(at.width))
            return e.splat(self.number(self.evaluate(index, {**at.axes, self.lane: numbers})), at.width)
        first = self.number(self.evaluate(index, at.axes))
        if step == 0:
            return first
        return e.add(first, e.mul(e.lane_numbers(at.width), self.evaluate(step, at.axes)))

    def guard(self, guards: Guards, at: Lanes) -> Value:
        """Where every guard holds."""
        first, *rest = [self._one_guard(index, low, high, at) for index, low, high in guards]
        for mask in rest:
            first = self.e.and_(first, mask)
        return first

    def _one_guard(self, index: Extent, low: Extent, high: Extent, at: Lanes) -> Value:
        e = self.e
        if self.step(index, at) == 1:  # the lanes from `first` up to `last`, compared as small numbers
            start = self.number(self.evaluate(index, at.axes))
            bounds = [self.number(self.evaluate(bound, at.axes)) for bound in (low, high)]
            first, last = (self._lane_count(e.sub(bound, start), at) for bound in bounds)
            numbers = e.lane_numbers(at.width, INT32)
            return e.and_(e.ge(numbers, first), e.lt(numbers, last))
        value = self.along(index, at)
        bounds = [self.number(self.evaluate(bound, at.axes)) for bound in (low, high)]
        return e.and_(e.ge(value, bounds[0]), e.lt(value, bounds[1]))

    def first_lanes(self, count: Value, width: int) -> Value:
        """The mask of the first so many lanes."""
        bounded = self.e.convert(self.e.minimum(self.e.maximum(count, 0), width), INT32)
        return self.e.lt(self.e.lane_numbers(width, INT32), bounded)

    def _lane_count(self, count: Value, at: Lanes) -> Value:
        return self.e.convert(self.e.minimum(self.e.maximum(count, 0), at.width), INT32)

    def number(self, number: Value | int) -> Value:
        """An index as a value."""
        return number if isinstance(number, Value) else self.e.const(number, INT64)

    def evaluate(self, extent: Extent, symbols: Symbols) -> Value | int:
        """An index polynomial, given the values of its symbols; an int where all is known."""
        if not isinstance(extent, Dim):
            return extent
        total: Value | int = 0
        for monomial, c in extent.terms:
            factors = [self._quotient(a, symbols) if isinstance(a, Quotient) else symbols[a] for a in monomial]
            total = self._plus(total, self._times([c, *factors]))
        return total

    def _quotient(self, quotient: Quotient, symbols: Symbols) -> Value | int:
        a, b = self.evaluate(quotient.dividend, symbols), self.evaluate(quotient.divisor, symbols)
        if isinstance(a, int) and isinstance(b, int):
            return a // b
        return self._floor_div(self.number(a), self.number(b))

    def _floor_div(self, a: Value, b: Value) -> Value:
        """Rounded down; divisors are positive."""
        e = self.e
        quotient, rest = e.div(a, b), e.rem(a, b)
        return e.sub(quotient, e.select(e.lt(rest, 0), e.const(1, INT64), e.const(0, INT64)))

    def _times(self, factors: Sequence[Value | int]) -> Value | int:
        number = product(f for f in factors if isinstance(f, int))
        assert isinstance(number, int)
        values = [f for f in factors if isinstance(f, Value)]
        if not values or number == 0:
            return number
        result = values[0]
        for value in values[1:]:
            result = self.e.mul(result, value)
        return result if number == 1 else self.e.mul(result, number)

    def _plus(self, a: Value | int, b: Value | int) -> Value | int:
        if isinstance(a, int) and isinstance(b, int):
            return a + b
        return self.e.add(a, b) if isinstance(a, Value) else self.e.add(b, a)


def evaluator(e: Emitter, symbols: Symbols) -> Evaluate:
    """Evaluates extents, given the values of their symbols."""
    indices = Indices(e, "")
    return lambda extent: indices.evaluate(extent, symbols)
