"""The pool: threads that run the parts of a step beside the thread that called.

`graphc_parallel` runs the parts of a step (see `codegen.parallel`): the caller takes its share, an atomic counter hands
the parts out, and the call returns when all are done. There is one job at a time: who finds the pool busy runs all
parts itself. Workers are threads of the system that know nothing of
Python and of signals. They start with the first job, look out for the next one for some microseconds before they
sleep, and at exit are left where they are. A forked child has none, and starts its own.

The word `JOB` is odd while a job is open. A worker is counted as inside before it reads the job, and the caller
closes the job before it waits for nobody to be inside. All words are read and written in one order (seq_cst), so
either the worker sees that the job is closed, or the caller that a worker is inside.
"""

from __future__ import annotations

import ctypes
import operator
import os
import signal
from collections.abc import Callable
from functools import cache, partial

import numpy as np

from graphc.codegen.emit import ADDRESS, INT32, INT64, Emitter, Module, Pointer, Value
from graphc.codegen.parallel import PARALLEL, call_part, count_parts, run_in_order
from graphc.codegen.target import Target
from graphc.runtime import engine
from graphc.runtime.cores import available
from graphc.runtime.words import require

LOOKS = 2048  # of a worker before it sleeps: some tens of microseconds
_PAUSES = 63  # between looks; then the core is yielded
_LINE = 64  # bytes: each word has a line of the cache to itself
_THREADS, _BUSY, _STARTED, _ALIVE, _JOB, _INSIDE, _SLEEPING, _NEXT, _WORK, _MUTEX = range(10)
_CONDITION, _LINES = 12, 14
_PART, _BUFFERS, _PLAN, _EXTENT, _LENGTH, _COUNT = range(0, 48, 8)  # bytes after the start of the work
_ROOMS = 128, 128, 128  # bytes of two sets of signals, and of what is said about a new thread, at most
_STACK = 1 << 20  # bytes of a worker's

_room = ctypes.create_string_buffer((_LINES + 1) * _LINE)
_start = -(-ctypes.addressof(_room) // _LINE) * _LINE
_threads, _started = (ctypes.c_int64.from_address(_start + word * _LINE) for word in (_THREADS, _STARTED))
_system: ctypes.CDLL | None = ctypes.CDLL(None) if os.name == "posix" else None  # else all runs on one thread


def threads() -> int:
    """How many threads a call may use: as `set_threads` said, else `OMP_NUM_THREADS`, else the cores there are.

    >>> import graphc
    >>> graphc.set_threads(2)
    >>> graphc.threads()
    2
    """
    if not _threads.value:
        _threads.value = available() if _system else 1
    return _threads.value


def set_threads(count: int) -> None:
    """Let calls use so many threads from now on; results are the same, to the last bit.

    Raises `ValueError` for less than one.

    >>> import graphc
    >>> graphc.set_threads(0)
    Traceback (most recent call last):
    ValueError: set_threads: 0 threads; give 1 to use only the thread that calls, or more
    """
    number = operator.index(count)
    if number < 1:
        raise ValueError(f"set_threads: {number} threads; give 1 to use only the thread that calls, or more")
    if _system is None:
        return
    _threads.value = number
    if _started.value:
        ctypes.CFUNCTYPE(None)(_library().address("graphc_stop"))()


def symbols() -> dict[str, int]:
    """Where `graphc_parallel` is; compiled when first asked for."""
    threads()
    return {PARALLEL: _library().address(PARALLEL)}


@cache
def _library() -> engine.Engine:
    module = Module(Target.host())
    if _system is None:
        run_in_order(Emitter(module))
        return engine.load(module.text(), module.target, [PARALLEL])
    for emit in (_emit_parallel, _emit_start, _emit_stop, _emit_worker, _emit_parts, _emit_wake):
        emit(Emitter(module))
    found = {name: ctypes.cast(getattr(_system, name), ctypes.c_void_p).value or 0 for name in _SYSTEM}
    exports = [PARALLEL, "graphc_stop"]
    loaded = engine.load(module.text(), module.target, exports, found | {"graphc_threads": _start})
    _forget_workers()
    os.register_at_fork(after_in_child=_forget_workers)
    # Workers are in this code and read these words for as long as the process is there: neither is ever freed.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object((loaded, _room)))
    return loaded


def _forget_workers() -> None:
    """No job, no workers, and nobody who holds the lock or waits."""
    assert _system is not None
    number = _threads.value
    ctypes.memset(_start, 0, _LINES * _LINE)
    _threads.value = number
    _system.pthread_mutex_init(ctypes.c_void_p(_start + _MUTEX * _LINE), None)
    _system.pthread_cond_init(ctypes.c_void_p(_start + _CONDITION * _LINE), None)


# -- the pool as native code --------------------------------------------------------------------------------

_SYSTEM = [
    *("pthread_attr_init", "pthread_attr_setstacksize", "pthread_create", "pthread_detach"),
    *("pthread_sigmask", "sigfillset", "sched_yield"),
    *("pthread_mutex_lock", "pthread_mutex_unlock", "pthread_cond_wait", "pthread_cond_signal"),
]
_ARM_PAUSE = "llvm.aarch64.hint", [Value("1", INT32)]
_PAUSE = {"x86_64": ("llvm.x86.sse2.pause", []), "aarch64": _ARM_PAUSE, "arm64": _ARM_PAUSE}
_NULL = Value("null", ADDRESS)


def _line(e: Emitter, line: int, offset: int = 0, dtype: np.dtype = INT64) -> Pointer:
    return e.member(e.module.external("graphc_threads"), line * _LINE + offset, dtype)


def _address(e: Emitter, line: int) -> Value:
    return Value(_line(e, line).text, ADDRESS)


def _read(e: Emitter, line: int) -> Value:
    return e.assign(f"load atomic i64, ptr {_line(e, line).text} seq_cst, align 8", INT64)


def _add(e: Emitter, line: int, amount: int) -> Value:
    """Add to a word; what it was."""
    return e.assign(f"atomicrmw add ptr {_line(e, line).text}, i64 {amount} seq_cst", INT64)


def _set(e: Emitter, line: int, value: int) -> None:
    e.line(f"store atomic i64 {value}, ptr {_line(e, line).text} seq_cst, align 8")


def _system_call(e: Emitter, name: str, *arguments: Value) -> Value:
    return e.call(name, "i32", arguments, INT32)


def _wait(e: Emitter, ready: Callable[[], Value], looks: int = 1 << 62) -> Value:
    """Look until it is ready, or so many times; whether it is. Now and then others may have the core."""
    look, rest, again, done = (e.new_label(stem) for stem in ("look", "rest", "again", "done"))
    count, following, before = Value(e.fresh(), INT64), Value(e.fresh(), INT64), e.block
    e.jump(look)
    e.label(look)
    e.line(f"{count.text} = phi i64 [ 0, %{before} ], [ {following.text}, %{again} ]")
    found = ready()
    e.branch(e.or_(found, e.eq(count, looks)), done, rest)
    e.label(rest)
    e.line(f"{following.text} = add i64 {count.text}, 1")
    e.if_else(e.eq(e.and_(count, _PAUSES), _PAUSES), partial(_yield, e), partial(_pause, e))
    e.jump(again)
    e.label(again)
    e.jump(look)
    e.label(done)
    return found


def _pause(e: Emitter) -> list[Value]:
    if pause := _PAUSE.get(e.target.triple.split("-")[0]):
        e.do(*pause)
    return []


def _yield(e: Emitter) -> list[Value]:
    _system_call(e, "sched_yield")
    return []


def _take(e: Emitter) -> Value:
    """Whether the pool was free, and is the caller's now."""
    taken, place = e.fresh(), _line(e, _BUSY).text
    e.line(f"{taken} = cmpxchg ptr {place}, i64 0, i64 1 seq_cst seq_cst")
    return e.eq(e.assign(f"extractvalue {{ i64, i1 }} {taken}, 0", INT64), 0)


def _emit_parallel(e: Emitter) -> None:
    require(e, e.gt(_read(e, _THREADS), 1), "alone")
    require(e, _take(e), "alone")
    e.when(e.eq(_read(e, _STARTED), 0), lambda: e.do("graphc_start", []))
    for argument, offset in (("part", _PART), ("buffers", _BUFFERS), ("plan", _PLAN)):
        e.store(Value(f"%{argument}", ADDRESS), _line(e, _WORK, offset, ADDRESS))
    count = count_parts(e)
    for word, offset in (("extent", _EXTENT), ("length", _LENGTH)):
        e.store(Value(f"%{word}", INT64), _line(e, _WORK, offset))
    e.store(count, _line(e, _WORK, _COUNT))
    _set(e, _NEXT, 0)
    _add(e, _JOB, 1)
    e.do("graphc_wake", [e.sub(count, 1)])
    e.do("graphc_parts", [])
    _add(e, _JOB, 1)
    _wait(e, lambda: e.eq(_read(e, _INSIDE), 0))
    _set(e, _BUSY, 0)
    e.line(f"ret i64 {count.text}")
    e.label("alone")
    run_in_order(e)


def _emit_parts(e: Emitter) -> None:
    """Run parts for as long as there are any left."""
    part, buffers, plan = (e.load(_line(e, _WORK, offset, ADDRESS)) for offset in (_PART, _BUFFERS, _PLAN))
    extent, length, count = (e.load(_line(e, _WORK, offset)) for offset in (_EXTENT, _LENGTH, _COUNT))
    e.jump("take")
    e.label("take")
    number = _add(e, _NEXT, 1)
    e.branch(e.lt(number, count), "run", "done")
    e.label("run")
    call_part(e, part, buffers, plan, number, length, extent)
    e.jump("take")
    e.label("done")
    e.line("ret void")
    e.define("graphc_parts", [])


def _emit_wake(e: Emitter) -> None:
    """Wake so many workers, or all that sleep."""
    sleeping = _read(e, _SLEEPING)
    mutex, condition = _address(e, _MUTEX), _address(e, _CONDITION)

    def wake_one(_: Value, held: list[Value]) -> list[Value]:
        _system_call(e, "pthread_cond_signal", condition)
        return held

    def wake() -> None:
        _system_call(e, "pthread_mutex_lock", mutex)
        _system_call(e, "pthread_mutex_unlock", mutex)  # who is about to sleep has seen the job, or sleeps
        e.loop(0, e.minimum(sleeping, Value("%most", INT64)), 1, [], wake_one)

    e.when(e.gt(sleeping, 0), wake)
    e.line("ret void")
    e.define("graphc_wake", ["i64 %most"])


def _emit_worker(e: Emitter) -> None:
    """What a worker does all its life: wait for a job that it has not seen, and run parts of it."""
    seen, job = Value(e.fresh(), INT64), Value(e.fresh(), INT64)

    def is_new() -> Value:
        now = _read(e, _JOB)
        return e.and_(e.eq(e.and_(now, 1), 1), e.ne(now, seen))

    e.jump("begin")
    e.label("begin")
    e.line(f"{seen.text} = phi i64 [ 0, %entry ], [ {job.text}, %leave ]")
    e.if_else(_wait(e, is_new, LOOKS), lambda: [], lambda: _sleep(e, is_new))
    _add(e, _INSIDE, 1)
    e.line(f"{job.text} = load atomic i64, ptr {_line(e, _JOB).text} seq_cst, align 8")
    e.branch(e.eq(e.and_(job, 1), 1), "open", "leave")
    e.label("open")
    e.branch(e.eq(e.load(_line(e, _WORK, _PART, ADDRESS)), 0), "quit", "work")
    e.label("work")
    e.do("graphc_parts", [])
    e.jump("leave")
    e.label("leave")
    _add(e, _INSIDE, -1)
    e.jump("begin")
    e.label("quit")
    _add(e, _INSIDE, -1)
    _add(e, _ALIVE, -1)
    e.line("ret ptr null")
    e.define("graphc_worker", ["ptr %none"], "ptr")


def _sleep(e: Emitter, ready: Callable[[], Value]) -> list[Value]:
    """Until it is ready, and somebody says so."""
    _system_call(e, "pthread_mutex_lock", _address(e, _MUTEX))
    _add(e, _SLEEPING, 1)
    e.jump("check")
    e.label("check")
    e.branch(ready(), "awake", "nap")
    e.label("nap")
    _system_call(e, "pthread_cond_wait", _address(e, _CONDITION), _address(e, _MUTEX))
    e.jump("check")
    e.label("awake")
    _add(e, _SLEEPING, -1)
    _system_call(e, "pthread_mutex_unlock", _address(e, _MUTEX))
    return []


def _emit_start(e: Emitter) -> None:
    """Start the workers; where the system gives none, there are fewer. Signals are left to other threads."""
    every, before, about = (Value(e.stack(np.dtype(np.uint8), size).text, ADDRESS) for size in _ROOMS)
    thread, how = e.stack(ADDRESS, 1), e.const(int(signal.SIG_SETMASK), INT32)
    _set(e, _STARTED, 1)
    _system_call(e, "pthread_attr_init", about)
    _system_call(e, "pthread_attr_setstacksize", about, e.const(_STACK, INT64))
    _system_call(e, "sigfillset", every)
    _system_call(e, "pthread_sigmask", how, every, before)

    def start(_: Value, held: list[Value]) -> list[Value]:
        _add(e, _ALIVE, 1)
        worker = Value("@graphc_worker", ADDRESS)
        status = _system_call(e, "pthread_create", Value(thread.text, ADDRESS), about, worker, _NULL)
        e.if_else(e.eq(status, 0), detach, forget)
        return held

    def detach() -> list[Value]:
        _system_call(e, "pthread_detach", e.load(thread))
        return []

    def forget() -> list[Value]:
        _add(e, _ALIVE, -1)
        return []

    e.loop(0, e.sub(_read(e, _THREADS), 1), 1, [], start)
    _system_call(e, "pthread_sigmask", how, before, _NULL)
    e.line("ret void")
    e.define("graphc_start", [])


def _emit_stop(e: Emitter) -> None:
    """End all workers, when the job is done that they are at: one without parts tells them."""
    _wait(e, lambda: _take(e))
    e.store(_NULL, _line(e, _WORK, _PART, ADDRESS))
    _add(e, _JOB, 1)
    e.do("graphc_wake", [_read(e, _ALIVE)])
    _wait(e, lambda: e.eq(_read(e, _ALIVE), 0))
    _add(e, _JOB, 1)
    _set(e, _STARTED, 0)
    _set(e, _BUSY, 0)
    e.line("ret void")
    e.define("graphc_stop", [])
