"""The native code of every entry: one function, compiled once a process, that reads what differs from its `self`.

`self` is an array of words:
- the header: the slow path, the plans (newest first, ended by a zero), the definition of the function, the program…
- for each input and output its dtype, rank and flags,
- for each state where the reference to its array lies,
- the code that builds the result.

A plan there is again an array of words: the address of the program's plan, then for each input and output its bytes
and its extents. So all that depends on shapes is worked out when a plan is installed, and a call only compares.

A call that updates states is a transaction: it takes the arrays of its states under the GIL, and at the end, under
the GIL again, exchanges those it updates for new ones, if none has changed meanwhile. Otherwise it starts again.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from graphc.codegen.emit import ADDRESS, BOOL, INT32, INT64, Emitter, Module, Value
from graphc.codegen.target import Target
from graphc.runtime import capi, engine, memory
from graphc.runtime.result import emit_build, emit_drop
from graphc.runtime.signature import LONG, WORKSPACE
from graphc.runtime.words import after, at, call, read, require, word

MOST_PLANS = 8  # how many shapes an entry remembers
ON_STACK = memory.SMALLEST  # the most bytes of workspace that lie on the stack

ERROR_SET = 1  # the status of a program that ended with a Python error set

SLOW, PLANS, METHOD = 0, 1, MOST_PLANS + 2
PROGRAM, ARGUMENTS, INPUTS, BUFFERS, RESULTS, CODE, STEPS, FAIL = range(METHOD + 4, METHOD + 12)
STATES, UPDATES, CELLS, ARRAYS = range(METHOD + 12, METHOD + 16)
DTYPE, RANK, FLAGS, EACH = range(4)  # the words of an array, and their number


@cache
def library() -> engine.Engine:
    """The loaded code, which exports `graphc_entry`."""
    module = Module(Target.host())
    for emit in (_emit_entry, _emit_apart, emit_build, emit_drop):
        emit(Emitter(module))
    return engine.load(module.text(), module.target, ["graphc_entry"], capi.symbols() | memory.symbols())


def _emit_entry(e: Emitter) -> None:
    """`PyObject *graphc_entry(self, args, nargs, kwnames)`: check, allocate, run, build the result."""
    args, nargs, keywords = Value("%args", ADDRESS), Value("%nargs", INT64), Value("%kwnames", ADDRESS)
    state = read(e, Value("%self", ADDRESS), capi.DATA)
    arrays, inputs, results = after(e, state, ARRAYS), word(e, state, INPUTS), word(e, state, RESULTS)
    count, states, cells = word(e, state, BUFFERS), word(e, state, STATES), word(e, state, CELLS, ADDRESS)
    buffers = Value(e.stack(ADDRESS, e.add(count, 2)).text, ADDRESS)
    made = Value(e.stack(ADDRESS, e.add(results, 1)).text, ADDRESS)  # the results, then null
    taken = Value(e.stack(ADDRESS, e.add(states, 1)).text, ADDRESS)  # the arrays of the states, then null
    nearby = Value(e.stack(np.dtype(np.uint8), ON_STACK, align=64).text, ADDRESS)

    require(e, e.and_(e.eq(nargs, word(e, state, ARGUMENTS)), e.eq(keywords, 0)), "slow")
    _check_headers(e, args, nargs, arrays)
    holder, known, sizes = _find_known(e, state, args, nargs, arrays)
    _check_apart(e, args, nargs, inputs, arrays, known)
    e.do("Py_IncRef", [holder])

    _list_inputs(e, args, nargs, buffers)
    e.jump("begin")
    e.label("begin")
    _take_states(e, cells, states, taken, after(e, buffers, inputs))
    outputs = after(e, buffers, e.add(inputs, states))
    _make_results(e, results, after(e, arrays, e.mul(inputs, EACH)), sizes, made, outputs)
    status = _run(e, word(e, state, PROGRAM, ADDRESS), word(e, known, 0, ADDRESS), buffers, count, nearby)
    require(e, e.eq(status, 0), "ended")
    built = call(e, "graphc_build", word(e, state, CODE, ADDRESS), word(e, state, STEPS), made)
    require(e, e.ne(built, 0), "undo")
    _update_states(e, cells, states, taken, word(e, state, UPDATES), after(e, made, results))
    before = e.block
    e.jump("end")

    e.label("again")
    e.do("Py_DecRef", [built])
    e.do("graphc_drop", [made])
    e.do("graphc_drop", [taken])
    e.jump("begin")
    e.label("ended")
    _fail(e, status, word(e, state, FAIL, ADDRESS))
    e.jump("undo")
    e.label("no_memory")
    call(e, "PyErr_NoMemory")
    e.jump("undo")
    e.label("undo")
    e.jump("end")
    e.label("end")
    result = e.phi(ADDRESS, 1, [(built, before), (e.const(0, ADDRESS), "undo")])
    e.do("graphc_drop", [made])
    e.do("graphc_drop", [taken])
    e.do("Py_DecRef", [holder])
    e.line(f"ret ptr {result.text}")
    e.label("slow")
    e.line(f"ret ptr {call(e, 'PyObject_Vectorcall', word(e, state, SLOW, ADDRESS), args, nargs, keywords).text}")
    e.define("graphc_entry", ["ptr %self", "ptr %args", "i64 %nargs", "ptr %kwnames"], "ptr")


def _check_headers(e: Emitter, args: Value, nargs: Value, arrays: Value) -> None:
    """All arguments are arrays, of the right dtype, rank and flags."""

    def check(index: Value, _: list[Value]) -> list[Value]:
        array, wanted = word(e, args, index, ADDRESS), after(e, arrays, e.mul(index, EACH))
        require(e, e.eq(read(e, array, capi.TYPE), e.module.external("PyArray_Type")), "slow")
        rank, flags = (e.convert(read(e, array, offset, INT32), INT64) for offset in (capi.RANK, capi.FLAGS))
        needed = word(e, wanted, FLAGS)
        fits = e.eq(read(e, array, capi.DESCR), word(e, wanted, DTYPE, ADDRESS))
        fits = e.and_(fits, e.eq(rank, word(e, wanted, RANK)))
        require(e, e.and_(fits, e.eq(e.and_(flags, needed), needed)), "slow")
        return []

    e.loop(0, nargs, 1, [], check)


def _find_known(e: Emitter, state: Value, args: Value, nargs: Value, arrays: Value) -> tuple[Value, Value, Value]:
    """The first `_Known` with the arguments' extents: the object, its words, and those of what comes after them."""
    index, following, before = Value(e.fresh(), INT64), Value(e.fresh(), INT64), e.block
    e.jump("search")
    e.label("search")
    e.line(f"{index.text} = phi i64 [ {PLANS}, %{before} ], [ {following.text}, %next ]")
    holder = word(e, state, index, ADDRESS)
    require(e, e.ne(holder, 0), "slow")
    known = read(e, holder, capi.DATA)

    def same(index: Value, carried: list[Value]) -> list[Value]:
        extents = after(e, carried[0], 1)
        shape = read(e, word(e, args, index, ADDRESS), capi.SHAPE)
        rank = word(e, after(e, arrays, e.mul(index, EACH)), RANK)

        def equal(axis: Value, _: list[Value]) -> list[Value]:
            require(e, e.eq(word(e, shape, axis), word(e, extents, axis)), "next")
            return []

        e.loop(0, rank, 1, [], equal)
        return [after(e, extents, rank)]

    [rest] = e.loop(0, nargs, 1, [after(e, known, 1)], same)
    e.jump("found")
    e.label("next")
    e.line(f"{following.text} = add i64 {index.text}, 1")
    e.jump("search")
    e.label("found")
    return holder, known, rest


def _check_apart(e: Emitter, args: Value, nargs: Value, inputs: Value, arrays: Value, known: Value) -> None:
    """Where the caller gives the outputs: they share no memory."""

    def check() -> None:
        apart = e.call("graphc_apart", "i1", [args, nargs, inputs, arrays, known], BOOL)
        require(e, apart, "slow")

    e.when(e.ne(nargs, inputs), check)


def _emit_apart(e: Emitter) -> None:
    """Whether no output overlaps an input or another output: what is written there would be read here."""
    args, nargs, inputs = Value("%args", ADDRESS), Value("%nargs", INT64), Value("%inputs", INT64)
    starts, stops = (Value(e.stack(INT64, nargs).text, ADDRESS) for _ in range(2))

    def fill(index: Value, carried: list[Value]) -> list[Value]:
        start = read(e, word(e, args, index, ADDRESS), capi.DATA, INT64)
        e.store(start, at(e, starts, index))
        e.store(e.add(start, word(e, carried[0], 0)), at(e, stops, index))
        rank = word(e, after(e, Value("%arrays", ADDRESS), e.mul(index, EACH)), RANK)
        return [after(e, carried[0], e.add(rank, 1))]

    def check(later: Value, _: list[Value]) -> list[Value]:
        def pair(earlier: Value, _: list[Value]) -> list[Value]:
            below = e.le(word(e, stops, earlier), word(e, starts, later))
            above = e.le(word(e, stops, later), word(e, starts, earlier))
            require(e, e.or_(below, above), "overlap")
            return []

        e.loop(0, later, 1, [], pair)
        return []

    e.loop(0, nargs, 1, [after(e, Value("%known", ADDRESS), 1)], fill)
    e.loop(inputs, nargs, 1, [], check)
    e.line("ret i1 true")
    e.label("overlap")
    e.line("ret i1 false")
    e.define("graphc_apart", ["ptr %args", "i64 %nargs", "i64 %inputs", "ptr %arrays", "ptr %known"], "i1")


def _list_inputs(e: Emitter, args: Value, nargs: Value, buffers: Value) -> None:
    def put(index: Value, _: list[Value]) -> list[Value]:
        e.store(read(e, word(e, args, index, ADDRESS), capi.DATA), at(e, buffers, index, ADDRESS))
        return []

    e.loop(0, nargs, 1, [], put)


def _take_states(e: Emitter, cells: Value, states: Value, taken: Value, buffers: Value) -> None:
    """References to the arrays that the states have now: no update by others takes them away during the call."""

    def take(index: Value, _: list[Value]) -> list[Value]:
        array = read(e, word(e, cells, index, ADDRESS), 0)
        e.do("Py_IncRef", [array])
        e.store(array, at(e, taken, index, ADDRESS))
        e.store(read(e, array, capi.DATA), at(e, buffers, index, ADDRESS))
        return []

    e.loop(0, states, 1, [], take)
    e.store(e.const(0, ADDRESS), at(e, taken, states, ADDRESS))


def _update_states(e: Emitter, cells: Value, states: Value, taken: Value, updates: Value, end: Value) -> None:
    """Exchange the first states' arrays for the last results, if all states are as they were; else start again."""

    def compare(index: Value, _: list[Value]) -> list[Value]:
        array = read(e, word(e, cells, index, ADDRESS), 0)
        require(e, e.eq(array, word(e, taken, index, ADDRESS)), "again")
        return []

    def swap(index: Value, _: list[Value]) -> list[Value]:
        cell, place = word(e, cells, index, ADDRESS), e.sub(index, updates)
        old, new = read(e, cell, 0), word(e, end, place, ADDRESS)
        e.store(new, e.member(cell, 0, ADDRESS))
        e.store(old, at(e, end, place, ADDRESS))  # to be dropped in the place of the new one
        return []

    def commit() -> None:
        e.loop(0, states, 1, [], compare)
        e.loop(0, updates, 1, [], swap)

    e.when(e.ne(updates, 0), commit)


def _make_results(e: Emitter, results: Value, arrays: Value, sizes: Value, made: Value, buffers: Value) -> None:
    """Allocate the results; the list of those made ends with null at any time that one looks."""

    def make(index: Value, carried: list[Value]) -> list[Value]:
        about, size = after(e, arrays, e.mul(index, EACH)), carried[0]
        rank, shape = word(e, about, RANK), after(e, size, 1)
        small = e.convert(rank, INT32)
        array = call(e, "graphc_array", word(e, about, DTYPE, ADDRESS), small, shape, word(e, size, 0))
        e.store(array, at(e, made, index, ADDRESS))
        require(e, e.ne(array, 0), "undo")
        e.store(read(e, array, capi.DATA), at(e, buffers, index, ADDRESS))
        return [after(e, shape, rank)]

    e.loop(0, results, 1, [sizes], make)
    e.store(e.const(0, ADDRESS), at(e, made, results, ADDRESS))


def _fail(e: Emitter, status: Value, fail: Value) -> None:
    """Have the error of a program that ended early, if there is none yet, set by the Python function for it."""

    def set_error() -> None:
        number, argument = call(e, "PyLong_FromLongLong", status), e.stack(ADDRESS, 1)
        e.store(number, argument)
        call(e, "PyObject_Vectorcall", fail, Value(argument.text, ADDRESS), e.const(1, INT64), e.const(0, ADDRESS))
        e.do("Py_DecRef", [number])

    e.when(e.ne(status, ERROR_SET), set_error)


def _run(e: Emitter, program: Value, plan: Value, buffers: Value, count: Value, nearby: Value) -> Value:
    """The program, with workspace from the stack or the pool, and without the GIL if the work is long; its status.

    A program that may end early leaves its status after the address of the workspace; others leave it 0.
    """
    size, none = word(e, plan, WORKSPACE), e.const(0, ADDRESS)
    pooled, release = e.gt(size, ON_STACK), e.ne(word(e, plan, LONG), 0)
    [workspace] = e.if_else(pooled, lambda: [call(e, "graphc_take", size)], lambda: [nearby])
    require(e, e.ne(workspace, 0), "no_memory")
    e.store(workspace, at(e, buffers, count, ADDRESS))
    e.store(e.const(0, INT64), at(e, buffers, e.add(count, 1)))
    [thread] = e.if_else(release, lambda: [call(e, "PyEval_SaveThread")], lambda: [none])
    e.line(f"call void {program.text}(ptr {buffers.text}, ptr {plan.text})")
    e.when(release, lambda: e.do("PyEval_RestoreThread", [thread]))
    e.when(pooled, lambda: e.do("graphc_give", [workspace, size]))
    return word(e, buffers, e.add(count, 1))
