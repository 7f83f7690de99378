"""What loops call from native code: stacks that grow, and the look whether the user wants the program to end.

Programs may run without the GIL, which is the lock of memory and signals: each function takes it.
"""

from __future__ import annotations

from functools import cache, partial

from graphc.codegen.emit import INT32, INT64, Emitter, Module, Value
from graphc.codegen.stack import FAILED, GROW, POLL, RELEASE, grow, release
from graphc.codegen.target import Target
from graphc.runtime import capi, engine, memory
from graphc.runtime.words import call

_EXPORTS = (GROW[0], RELEASE[0], POLL[0])


def symbols() -> dict[str, int]:
    """Where the functions are that `codegen.stack` names; compiled when first asked for."""
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


def _give(e: Emitter, block: Value, size: Value) -> None:
    e.do("graphc_give", [block, size])


def _emit_grow(e: Emitter) -> None:
    state = _locked(e)
    status = grow(e, lambda size: call(e, "graphc_take", size), partial(_give, e))
    e.when(e.ne(status, 0), lambda: e.do("PyErr_NoMemory", []))
    _unlock(e, state)
    e.line(f"ret i64 {status.text}")
    e.define(*GROW)


def _emit_release(e: Emitter) -> None:
    state = _locked(e)
    release(e, partial(_give, e))
    _unlock(e, state)
    e.line("ret void")
    e.define(*RELEASE)


def _emit_poll(e: Emitter) -> None:
    """Let other threads run, and signal handlers, whose exception ends the program."""
    state = _locked(e)
    thread = call(e, "PyEval_SaveThread")
    e.do("PyEval_RestoreThread", [thread])
    found = e.call("PyErr_CheckSignals", "i32", [], INT32)
    _unlock(e, state)
    status = e.select(e.eq(found, 0), e.const(0, INT64), e.const(FAILED, INT64))
    e.line(f"ret i64 {status.text}")
    e.define(*POLL)
