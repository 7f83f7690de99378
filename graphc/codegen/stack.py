"""Stacks that grow: an address, a capacity in bytes, and room for the first values, where the address points at first.

Loops call three functions, which the runtime gives them, or in the terms of plain C the module itself:

    i64  graphc_grow(stack, used, needed)     make room for so many bytes, and keep those used; the status
    void graphc_release(stack)                give back what the stack grew to
    i64  graphc_poll()                        a status other than 0 ends the program
"""

from __future__ import annotations

from collections.abc import Callable

from graphc.codegen.emit import ADDRESS, BOOL, INT32, INT64, Emitter, Module, Value
from graphc.kernel.program import STACK_HEAD

FAILED = 1  # a status: there is no memory, or a Python error is set
SMALLEST = 8192  # the fewest bytes that a stack grows to
GROW = ("graphc_grow", ["ptr %stack", "i64 %used", "i64 %needed"], "i64")
RELEASE = ("graphc_release", ["ptr %stack"], "void")
POLL = ("graphc_poll", list[str](), "i64")

_STACK = Value("%stack", ADDRESS)
_CAPACITY = 8  # bytes after the stack's start

Take = Callable[[Value], Value]
Give = Callable[[Value, Value], None]


def grow(e: Emitter, take: Take, give: Give) -> Value:
    """The body of `graphc_grow`, with memory by `take(size)` and `give(block, size)`: at least twice what there was."""
    twice = e.mul(e.load(e.member(_STACK, _CAPACITY, INT64)), 2)
    size = e.maximum(e.maximum(Value("%needed", INT64), twice), SMALLEST)
    block = take(size)

    def move() -> list[Value]:
        old = e.load(e.member(_STACK, 0, ADDRESS))
        e.do("llvm.memcpy.p0.p0.i64", [block, old, Value("%used", INT64), e.const(False, BOOL)])
        release(e, give)
        e.store(block, e.member(_STACK, 0, ADDRESS))
        e.store(size, e.member(_STACK, _CAPACITY, INT64))
        return [e.const(0, INT64)]

    return e.if_else(e.eq(block, 0), lambda: [e.const(FAILED, INT64)], move)[0]


def release(e: Emitter, give: Give) -> None:
    """The body of `graphc_release`: what lies in the stack itself is not given back."""
    block = e.load(e.member(_STACK, 0, ADDRESS))
    grown = e.ne(block, Value(e.member(_STACK, STACK_HEAD, ADDRESS).text, ADDRESS))
    e.when(grown, lambda: give(block, e.load(e.member(_STACK, _CAPACITY, INT64))))


def define_in_c(module: Module) -> None:
    """Define what the module's loops call by `malloc` and `free`; nothing interrupts them."""
    size_type = INT32 if module.target.triple.startswith("wasm32") else INT64  # C's size_t

    def take(e: Emitter) -> Take:
        return lambda size: e.call("malloc", "ptr", [e.convert(size, size_type)], ADDRESS)

    def give(e: Emitter) -> Give:
        return lambda block, size: e.do("free", [block])

    def define(function: tuple[str, list[str], str], body: Callable[[Emitter], str]) -> None:
        name, parameters, result = function
        if name in module.declarations:
            e = Emitter(module)
            e.line(f"ret {result} {body(e)}".strip())
            e.define(name, parameters, result, linkage="internal")

    define(GROW, lambda e: grow(e, take(e), give(e)).text)
    define(RELEASE, lambda e: release(e, give(e)) or "")
    define(POLL, lambda e: "0")
