"""Steps in parts: how a part is called, and the call that has all of them run, by as many threads as there are.

The runtime gives programs `graphc_parallel(part, buffers, plan, extent, length, whole)`, which for every so many of an
extent calls `part(buffers, plan, first, last, number)`, and returns how many there were. On one thread, where it makes
no difference, the whole is one part. In the terms of plain C the module has its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from graphc.codegen.emit import ADDRESS, BOOL, INT64, Emitter, Module, Value
from graphc.codegen.indices import Evaluate
from graphc.kernel.chunks import WORTH, Chunks

PARALLEL = "graphc_parallel"
PARAMETERS = ["ptr %part", "ptr %buffers", "ptr %plan", "i64 %extent", "i64 %length", "i1 %whole"]

Span: TypeAlias = "tuple[Value, Value]"  # the first index, and that after the last
SPAN: Span = Value("%first", INT64), Value("%last", INT64)
NUMBER = Value("%number", INT64)
ALL = -1  # the number of a part that is all there is


def run_parts(e: Emitter, part: str, chunks: Chunks, evaluate: Evaluate, after: Callable[[Value], None]) -> None:
    """Have all parts run, then do what comes after so many; or run one that is all, if extents make it little work."""

    def value(extent: Value | int) -> Value:
        return extent if isinstance(extent, Value) else e.const(extent, INT64)

    same = Value("%buffers", ADDRESS), Value("%plan", ADDRESS)
    extent, work = value(evaluate(chunks.extent)), evaluate(chunks.work)

    def alone() -> list[Value]:
        e.do(part, [*same, e.const(0, INT64), extent, e.const(ALL, INT64)])
        return []

    def together() -> list[Value]:
        whole = e.const(not chunks.most, BOOL)  # parts that reduce have places of their own, and an order
        arguments = [Value(f"@{part}", ADDRESS), *same, extent, value(evaluate(chunks.length)), whole]
        after(e.call(PARALLEL, "i64", arguments, INT64))
        return []

    if isinstance(work, int):
        together()
    else:
        e.if_else(e.lt(work, WORTH), alone, together)


def call_part(e: Emitter, part: Value, buffers: Value, plan: Value, number: Value, length: Value, end: Value) -> None:
    """The part of this number."""
    first = e.mul(number, length)
    arguments = [buffers, plan, first, e.minimum(e.add(first, length), end), number]
    e.line(f"call void {part.text}({', '.join(f'{x.type} {x.text}' for x in arguments)})")


def count_parts(e: Emitter) -> Value:
    """How many parts `graphc_parallel` has to run."""
    extent, length = Value("%extent", INT64), Value("%length", INT64)
    return e.add(e.div(e.sub(extent, 1), length), 1)


def run_in_order(e: Emitter, linkage: str = "") -> None:
    """End `graphc_parallel` where there is one thread."""
    part, buffers, plan = (Value(f"%{name}", ADDRESS) for name in ("part", "buffers", "plan"))
    extent, length, whole = Value("%extent", INT64), Value("%length", INT64), Value("%whole", BOOL)
    count = e.select(whole, e.const(1, INT64), count_parts(e))
    length = e.select(whole, extent, length)

    def run(number: Value, held: list[Value]) -> list[Value]:
        call_part(e, part, buffers, plan, number, length, extent)
        return held

    e.loop(0, count, 1, [], run)
    e.line(f"ret i64 {count.text}")
    e.define(PARALLEL, PARAMETERS, "i64", linkage)


def define_in_c(module: Module) -> None:
    """Define what a module's steps call: it runs all parts in their order."""
    if PARALLEL in module.declarations:
        run_in_order(Emitter(module), "internal")
