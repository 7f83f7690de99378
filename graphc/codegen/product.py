"""A product of matrices as code of its own: tiles of the result held in registers, operands read where they lie.

A tile takes one term after another, `c[i, :] += a[i, k] * b[k, :]`: so many that a strip of b, a tile wide, stays near
while rows pass over it, and so many rows that these stay near while strip after strip is taken. High tiles are
functions that know how their operands lie, and low ones, for what is left, are shared by all products.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from graphc.codegen.emit import ADDRESS, BOOL, INT64, Emitter, Pointer, Value
from graphc.codegen.indices import Evaluate
from graphc.codegen.parallel import Span
from graphc.ops.product import TERMS, Lying, Product

VECTORS = 2  # a tile's width
HIGH = {64: 14, 32: 6, 16: 6}  # by bytes of a vector: a tile's height, such that its sums fit into the registers
LOW = (4, 1)  # the heights of what is left
TILES = 8  # of rows over which the strips pass

Operands = tuple[Pointer, Pointer, Pointer]
Size = Value | int


def emit_product(
    e: Emitter, product: Product, at: Operands, evaluate: Evaluate, added: Value, part: Mapping[str, Span]
) -> None:
    """c = a b; or, if `added` is not 0, c += a b; or some rows or columns of it. The number of columns is known."""
    k, n = evaluate(product.k), int(product.n)  # type: ignore[arg-type]
    (top, rows), (left, columns) = _taken(e, part, "rows", evaluate(product.m)), _taken(e, part, "columns", n)
    a, b = (_Matrix(e, x, lying, evaluate) for x, lying in zip(at, (product.left, product.right)))
    c, dtype = at[2], at[2].dtype
    high, lanes = HIGH[e.target.vector_bytes], e.target.vector_bytes // dtype.itemsize
    width = VECTORS * lanes
    a_row, a_term = a.steps
    steps = (a_row, a_term, e.mul(a_row, TILES * high), b.lead, e.const(n, INT64))

    def some_terms(first: Value, _: list[Value]) -> list[Value]:
        more, terms = e.ne(e.or_(first, added), 0), e.minimum(e.sub(k, first), TERMS)

        def block(start: Value, count: Size) -> None:
            def strip(j: Value, wide: int) -> None:
                j = e.add(j, left)

                def tile(i: Value, height: int) -> None:
                    i = e.add(e.add(start, i), top)
                    places = [a.at(i, first), b.at(first, j), e.offset(c, e.add(e.mul(i, n), j))]
                    known = steps if height == high and all(step.is_constant for step in steps) else ()
                    name = _Tile(dtype, height, -(-wide // lanes), bool(wide % lanes), known).defined(e)
                    sizes = [*steps, e.const(wide, INT64), terms]
                    e.do(name, [*(Value(place.text, ADDRESS) for place in places), *sizes, more])

                _tiled(e, count, (high, *LOW), tile)

            _tiled(e, columns, (width,), strip)
            if isinstance(columns, Value) and n % width:
                rest = e.rem(columns, width)
                e.when(e.ne(rest, 0), lambda: strip(e.sub(columns, rest), n % width))

        _blocks(e, rows, TILES * high, block)
        return []

    e.loop(0, max(1, k) if isinstance(k, int) else e.maximum(k, 1), TERMS, [], some_terms)  # no terms sum up to zero


def _taken(e: Emitter, part: Mapping[str, Span], along: str, extent: Size) -> tuple[Size, Size]:
    """The first of the rows or columns that a part takes, and how many."""
    if along not in part:
        return 0, extent
    first, last = part[along]
    return first, e.sub(last, first)


class _Matrix:
    """An operand: where it starts, and how it lies."""

    def __init__(self, e: Emitter, start: Pointer, lying: Lying, evaluate: Evaluate) -> None:
        lead = evaluate(lying.lead)
        self.e, self.start, self.flipped = e, start, lying.flipped
        self.lead = lead if isinstance(lead, Value) else e.const(lead, INT64)

    @property
    def steps(self) -> tuple[Value, Value]:
        """Elements from a row to the next, and from a column to the next."""
        one = self.e.const(1, INT64)
        return (one, self.lead) if self.flipped else (self.lead, one)

    def at(self, i: Value, j: Value) -> Pointer:
        """Where row i has its element j."""
        row, column = self.steps
        return self.e.offset(self.start, self.e.add(self.e.mul(i, row), self.e.mul(j, column)))


def _blocks(e: Emitter, extent: Size, step: int, body: Callable[[Value, Size], None]) -> None:
    """Parts of an extent of so many each, the last of what is left."""

    def part(start: Value, _: list[Value]) -> list[Value]:
        body(start, e.minimum(e.sub(extent, start), step))
        return []

    if isinstance(extent, int):
        _tiled(e, extent, (step,), body)
    else:
        e.loop(0, extent, step, [], part)


def _tiled(e: Emitter, extent: Size, steps: tuple[int, ...], body: Callable[[Value, int], None]) -> None:
    """Parts of an extent, as many of the first size as there are, then of the others; or, of one size, a part less."""
    start: Size = 0
    for step in steps:

        def part(i: Value, _: list[Value], step: int = step) -> list[Value]:
            body(i, step)
            return []

        if isinstance(extent, int):
            stop: Size = extent - (extent - int(start)) % step  # type: ignore[arg-type]
        else:
            stop = e.sub(extent, e.rem(e.sub(extent, start), step))
        e.loop(start, stop, step, [], part)
        start = stop
    if isinstance(extent, int) and start != extent:
        body(e.const(start, INT64), extent - int(start))  # type: ignore[arg-type]


_STEPS = ("a_row", "a_term", "ahead", "b_row", "c_row")  # in elements; `ahead` lie the rows of a that come next
_SIZES = (*_STEPS, "columns", "count")


@dataclass(frozen=True)
class _Tile:
    """The function of a tile: the sums of `count` terms, added to c if there are `more`."""

    dtype: np.dtype
    rows: int
    vectors: int
    masked: bool  # its last vector is partly used
    known: tuple[Value, ...]  # the steps, if they are constants of the code

    @property
    def name(self) -> str:
        how = ["product", self.dtype.name, f"{self.rows}x{self.vectors}", *["masked"] * self.masked]
        return "_".join([*how, *(step.text for step in self.known)])

    def defined(self, e: Emitter) -> str:
        """Its name, once it is in the module."""
        if self.name not in e.module.functions:
            self._emit(Emitter(e.module))
        return self.name

    def _emit(self, e: Emitter) -> None:
        a, b, c = (Pointer(f"%{operand}", self.dtype) for operand in "abc")
        *steps, columns, count = (Value(f"%{name}", INT64) for name in _SIZES)
        a_row, a_term, ahead, b_row, c_row = self.known or steps
        lanes = e.target.vector_bytes // self.dtype.itemsize
        *whole, last = (v * lanes for v in range(self.vectors))
        mask = e.lt(e.lane_numbers(lanes), e.sub(columns, last)) if self.masked else None
        vectors = [*((j, None) for j in whole), (last, mask)]
        corners = [e.offset(c, e.mul(c_row, i)) for i in range(self.rows)]
        places = [(e.offset(corner, j), mask) for corner in corners for j, mask in vectors]

        def term(k: Value, sums: list[Value]) -> list[Value]:
            left, right = e.offset(a, e.mul(k, a_term)), e.offset(b, e.mul(k, b_row))
            if self.known and a_term.text != "1":  # lines that no processor foresees
                e.prefetch(e.offset(left, ahead))
            ys = [e.load(e.offset(right, j), lanes, mask) for j, mask in vectors]
            xs = [e.load(e.offset(left, e.mul(a_row, i))) for i in range(self.rows)]
            terms = [(x, y) for x in xs for y in ys]
            return [e.fma(x, y, total) for (x, y), total in zip(terms, sums, strict=True)]

        more = e.splat(Value("%more", BOOL), lanes)
        held = [e.load(place, lanes, more if mask is None else e.and_(more, mask)) for place, mask in places]
        held = e.loop(0, count, 1, held, term)
        for (place, mask), value in zip(places, held, strict=True):
            e.store(value, place, mask)
        e.line("ret void")
        parameters = [*(f"ptr noalias %{x}" for x in "abc"), *(f"i64 %{x}" for x in _SIZES), "i1 %more"]
        e.define(self.name, parameters, linkage="internal", attributes="noinline alignstack(64)")
