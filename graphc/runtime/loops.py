"""What loops call from native code: stacks that grow, and the look whether the user wants the program to end.

Programs may run without the GIL, which is the lock of memory and signals: each function takes it.
"""

from __future__ import annotations

from functools import cache

from graphc.codegen.control import FAILED
from graphc.codegen.emit import ADDRESS, BOOL, INT32, INT64, Emitter, Module, Value
from graphc.codegen.target import Target
from graphc.kernel.program import STACK_HEAD
from graphc.runtime import capi, engine, memory
from graphc.runtime.words import call, read, require

_EXPORTS = ("graphc_grow", "graphc_release", "graphc_poll")
_STACK, _CAPACITY = Value("%stack", ADDRESS), 8  # a stack starts with an address, then comes its capacity


def symbols() -> dict[str, int]:
    """Where the functions are; compiled when first asked for.

    `graphc_grow(stack, used, needed) -> status`, `graphc_release(stack)`, `graphc_poll() -> status`.
    """
    loaded = _library()
    return {name: loaded.address(name) for name in _EXPORTS}


@cache
def _library() -> engine.Engine:
    module = Module(Target.host())
    for emit in (_emit_grow, _emit_release, _emit_poll):
        emit(Emitter(module))
    return engine.load(module.text(), module.target, _EXPORTS, capi.symbols() | memory.symbols())


def _locked(e: Emitter) -> Value:
    return e.call("PyGILState_Ensure", "i32", [], INT32)


def _unlock(e: Emitter, state: Value) -> None:
    e.do("PyGILState_Release", [state])


def _give_old(e: Emitter) -> None:
    """Give back what the stack grew to before, if it did."""
    block, own = read(e, _STACK, 0), Value(e.member(_STACK, STACK_HEAD, ADDRESS).text, ADDRESS)
    e.when(e.ne(block, own), lambda: e.do("graphc_give", [block, read(e, _STACK, _CAPACITY, INT64)]))


def _emit_grow(e: Emitter) -> None:
    """Make room for so many bytes, at least twice as many as before; those used are kept."""
    state = _locked(e)
    twice = e.mul(read(e, _STACK, _CAPACITY, INT64), 2)
    size = e.maximum(e.maximum(Value("%needed", INT64), twice), 2 * memory.SMALLEST)
    block = call(e, "graphc_take", size)
    require(e, e.ne(block, 0), "no_memory")
    e.do("llvm.memcpy.p0.p0.i64", [block, read(e, _STACK, 0), Value("%used", INT64), e.const(False, BOOL)])
    _give_old(e)
    e.store(block, e.member(_STACK, 0, ADDRESS))
    e.store(size, e.member(_STACK, _CAPACITY, INT64))
    _unlock(e, state)
    e.line("ret i64 0")
    e.label("no_memory")
    call(e, "PyErr_NoMemory")
    _unlock(e, state)
    e.line(f"ret i64 {FAILED}")
    e.define("graphc_grow", ["ptr %stack", "i64 %used", "i64 %needed"], "i64")


def _emit_release(e: Emitter) -> None:
    state = _locked(e)
    _give_old(e)
    _unlock(e, state)
    e.line("ret void")
    e.define("graphc_release", ["ptr %stack"])


def _emit_poll(e: Emitter) -> None:
    """Let other threads run, and signal handlers, whose exception ends the program."""
    state = _locked(e)
    thread = call(e, "PyEval_SaveThread")
    e.do("PyEval_RestoreThread", [thread])
    found = e.call("PyErr_CheckSignals", "i32", [], INT32)
    _unlock(e, state)
    status = e.select(e.eq(found, 0), e.const(0, INT64), e.const(FAILED, INT64))
    e.line(f"ret i64 {status.text}")
    e.define("graphc_poll", [], "i64")
