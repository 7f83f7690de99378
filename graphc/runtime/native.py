"""The native call path: a Python function around one compiled program, which runs no Python when all is as expected.

A program is `void @program(ptr buffers, ptr plan)`: `buffers` points to the inputs' data, the outputs' and the
workspace (aligned to 64 bytes); the `plan` is int64 data made once per concrete shape. Two of its words are read here
(`WORKSPACE`, `LONG`), the others are the compiler's.

    entry = Entry(loaded.address("program"), signature, slow, keep=loaded)
    entry.install(plan)
    entry.function(a, b)

The function takes exactly the arrays it was made for. Anything else, and any shape it has no plan for, it passes on
untouched to the *slow path*, a Python callable. So it raises nothing of its own but MemoryError.

Its code is one for all programs, compiled once a process; what differs is data, the words of its `self`:

- `_State`: the header below, three words for each array (dtype, rank, flags), the code that builds the result;
- `_Known`, for each installed plan: the address of the plan, then for each array its bytes and its extents.

Words are borrowed pointers; the objects they point to are attributes, where the garbage collector sees them. A call
takes its own reference to its plan: another thread, or a finalizer that an allocation sets off, may install a new one.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator
from functools import cache
from math import prod
from typing import Any

import numpy as np

from graphc.codegen.emit import ADDRESS, BOOL, INT32, INT64, Emitter, Module, Pointer, Value
from graphc.codegen.target import Target
from graphc.errors import InternalError
from graphc.runtime import capi, engine, memory
from graphc.runtime.portable import call_by_ctypes
from graphc.runtime.signature import LONG, WORKSPACE, Signature, Structure, concrete

PLANS = 8  # how many shapes an entry remembers
ON_STACK = memory.SMALLEST  # the most bytes of workspace that lie on the stack

# Words of the state. The plans are newest first, and end with a zero.
_SLOW, _PLANS, _METHOD = 0, 1, PLANS + 2
_PROGRAM, _ARGUMENTS, _INPUTS, _BUFFERS, _RESULTS, _CODE, _STEPS, _ARRAYS = range(_METHOD + 4, _METHOD + 12)
_DTYPE, _RANK, _FLAGS, _EACH = range(4)  # words of an array

# The result is built on a stack, by pairs of words: what to push, or what to make of how many values at the top.
_END, _RESULT, _OBJECT, _TUPLE, _LIST, _DICT = range(6)

_FASTCALL_WITH_KEYWORDS = 0x80 | 0x2


_Push = Callable[[Value, Value], None]  # a value, and its place on the stack


# -- the data ------------------------------------------------------------------------------------------------


class _State(np.ndarray[Any, np.dtype[np.int64]]):
    """What the native code reads of an entry."""

    held: tuple[object, ...]
    known: tuple[_Known, ...] = ()

    @property
    def plans(self) -> Iterator[np.ndarray[Any, Any]]:
        return (known.plan for known in self.known)


class _Known(np.ndarray[Any, np.dtype[np.int64]]):
    """A plan, and the sizes and extents it is for."""

    plan: np.ndarray[Any, Any]


class Entry:
    """The Python function of a loaded program, and the plans it knows."""

    function: Callable[..., Any]

    def __init__(self, program: int, signature: Signature, slow: Callable[..., Any], keep: object) -> None:
        """`program` is an address, good as long as the object `keep` lives."""
        self._signature, self._lock = signature, threading.Lock()
        self._words = max(signature.slots, default=LONG) + 1
        self._state = _state(program, signature, slow, keep)
        if capi.SUPPORTED:
            self.function = _builtin(self._state)
        else:
            self.function = call_by_ctypes(program, signature, slow, self._state)

    def install(self, plan: np.ndarray[Any, Any]) -> None:
        """Make calls of this plan's shapes fast; of more than `PLANS` the oldest is forgotten."""
        if plan.dtype != np.int64 or plan.ndim != 1 or not plan.flags.c_contiguous or plan.size < self._words:
            raise InternalError(f"native: a plan is {self._words} or more int64, not {plan.dtype}{list(plan.shape)}")
        known = _know(plan, self._signature)
        with self._lock:
            after = (known, *self._state.known)[:PLANS]
            self._state[_PLANS : _PLANS + len(after)] = [id(each) for each in after]
            self._state.known = after


def _state(program: int, signature: Signature, slow: Callable[..., Any], keep: object) -> _State:
    inputs, outputs = len(signature.inputs), len(signature.outputs)
    arrays: list[int] = []
    for index, buffer in enumerate(signature.inputs + signature.outputs):
        written = capi.WRITEABLE if index >= inputs else 0
        dtype = np.dtype(buffer.dtype.name)  # NumPy's one object for it
        arrays += [id(dtype), len(buffer.shape), capi.CONTIGUOUS | capi.ALIGNED | written]
    objects: list[object] = [slow, keep, [buffer.dtype for buffer in signature.inputs + signature.outputs]]
    code = [*_code(None if signature.into else signature.structure, objects), _END, 0]
    state = np.array([0] * _ARRAYS + arrays + code, np.int64).view(_State)
    state.held = tuple(objects)
    state[_SLOW], state[_PROGRAM] = id(slow), program
    state[_ARGUMENTS], state[_INPUTS], state[_BUFFERS] = len(signature.arguments), inputs, inputs + outputs
    state[_RESULTS], state[_STEPS] = 0 if signature.into else outputs, len(code) // 2
    state[_CODE] = state[_ARRAYS + len(arrays) :].ctypes.data
    return state


def _code(structure: Structure, objects: list[object]) -> Iterator[int]:
    """Pairs of words that build the structure; the objects they point to are put into the list."""
    match structure:
        case None:
            yield from (_OBJECT, id(None))
        case int():
            yield from (_RESULT, structure)
        case tuple() | list():
            for child in structure:
                yield from _code(child, objects)
            yield from (_TUPLE if isinstance(structure, tuple) else _LIST, len(structure))
        case dict():
            for key, child in structure.items():
                objects.append(key)
                yield from (_OBJECT, id(key))
                yield from _code(child, objects)
            yield from (_DICT, len(structure))


def _know(plan: np.ndarray[Any, Any], signature: Signature) -> _Known:
    words = [plan.ctypes.data]
    for buffer in signature.inputs + signature.outputs:
        shape = concrete(buffer.shape, plan)
        words += [buffer.dtype.itemsize * prod(shape), *shape]
    known = np.array(words, np.int64).view(_Known)
    known.plan = plan
    return known


def _builtin(state: _State) -> Callable[..., Any]:
    """A builtin function whose self is the state. Its definition lies in the state too, for it must live as long."""
    name = ctypes.cast(ctypes.c_char_p(_NAME), ctypes.c_void_p).value
    state[_METHOD : _METHOD + 3] = [name, _library().address("graphc_entry"), _FASTCALL_WITH_KEYWORDS]
    create = ctypes.pythonapi.PyCFunction_NewEx
    create.restype, create.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.py_object, ctypes.py_object)
    return create(state.ctypes.data + 8 * _METHOD, state, __name__)


_NAME = b"entry"


# -- the code ------------------------------------------------------------------------------------------------


@cache
def _library() -> engine.Engine:
    module = Module(Target.host())
    for emit in (_emit_entry, _emit_apart, _emit_build, _emit_drop):
        emit(Emitter(module))
    return engine.load(module.text(), module.target, ["graphc_entry"], capi.symbols() | memory.symbols())


def _read(e: Emitter, base: Value, offset: int, dtype: np.dtype[Any] = ADDRESS) -> Value:
    """The member at so many bytes after the start of an object."""
    return e.load(e.member(base, offset, dtype))


def _word(e: Emitter, words: Value, index: Value | int, dtype: np.dtype[Any] = INT64) -> Value:
    return e.load(_at(e, words, index, dtype))


def _at(e: Emitter, words: Value, index: Value | int, dtype: np.dtype[Any] = INT64) -> Pointer:
    return e.offset(Pointer(words.text, dtype), index)


def _after(e: Emitter, words: Value, index: Value | int) -> Value:
    """The address of a word."""
    return Value(_at(e, words, index).text, ADDRESS)


def _require(e: Emitter, condition: Value, otherwise: str) -> None:
    """Go on if the condition holds."""
    proceed = e.new_label("ok")
    e.branch(condition, proceed, otherwise)
    e.label(proceed)


def _call(e: Emitter, name: str, *arguments: Value) -> Value:
    """A call that returns an address."""
    return e.call(name, "ptr", arguments, ADDRESS)


def _emit_entry(e: Emitter) -> None:
    """`PyObject *graphc_entry(self, args, nargs, kwnames)`."""
    args, nargs, keywords = Value("%args", ADDRESS), Value("%nargs", INT64), Value("%kwnames", ADDRESS)
    state = _read(e, Value("%self", ADDRESS), capi.DATA)
    arrays, inputs, results = _after(e, state, _ARRAYS), _word(e, state, _INPUTS), _word(e, state, _RESULTS)
    count = _word(e, state, _BUFFERS)
    buffers = Value(e.stack(ADDRESS, e.add(count, 1)).text, ADDRESS)
    made = Value(e.stack(ADDRESS, e.add(results, 1)).text, ADDRESS)  # the results, then null
    nearby = Value(e.stack(np.dtype(np.uint8), ON_STACK, align=64).text, ADDRESS)

    _require(e, e.and_(e.eq(nargs, _word(e, state, _ARGUMENTS)), e.eq(keywords, 0)), "slow")
    _check_headers(e, args, nargs, arrays)
    holder, known, sizes = _find_known(e, state, args, nargs, arrays)
    _check_apart(e, args, nargs, inputs, arrays, known)
    e.do("Py_IncRef", [holder])

    _list_inputs(e, args, nargs, buffers)
    _make_results(e, results, _after(e, arrays, e.mul(inputs, _EACH)), sizes, made, _after(e, buffers, inputs))
    _run(e, _word(e, state, _PROGRAM, ADDRESS), _word(e, known, 0, ADDRESS), buffers, count, nearby)
    built = _call(e, "graphc_build", _word(e, state, _CODE, ADDRESS), _word(e, state, _STEPS), made)
    before = e.block
    e.jump("end")

    e.label("no_memory")
    _call(e, "PyErr_NoMemory")
    e.jump("undo")
    e.label("undo")
    e.jump("end")
    e.label("end")
    result = e.phi(ADDRESS, 1, [(built, before), (e.const(0, ADDRESS), "undo")])
    e.do("graphc_drop", [made])
    e.do("Py_DecRef", [holder])
    e.line(f"ret ptr {result.text}")
    e.label("slow")
    e.line(f"ret ptr {_call(e, 'PyObject_Vectorcall', _word(e, state, _SLOW, ADDRESS), args, nargs, keywords).text}")
    e.define("graphc_entry", ["ptr %self", "ptr %args", "i64 %nargs", "ptr %kwnames"], "ptr")


def _check_headers(e: Emitter, args: Value, nargs: Value, arrays: Value) -> None:
    """All arguments are arrays, of the right dtype, rank and flags."""

    def check(index: Value, _: list[Value]) -> list[Value]:
        array, wanted = _word(e, args, index, ADDRESS), _after(e, arrays, e.mul(index, _EACH))
        _require(e, e.eq(_read(e, array, capi.TYPE), e.module.external("PyArray_Type")), "slow")
        rank, flags = (e.convert(_read(e, array, offset, INT32), INT64) for offset in (capi.RANK, capi.FLAGS))
        needed = _word(e, wanted, _FLAGS)
        fits = e.eq(_read(e, array, capi.DESCR), _word(e, wanted, _DTYPE, ADDRESS))
        fits = e.and_(fits, e.eq(rank, _word(e, wanted, _RANK)))
        _require(e, e.and_(fits, e.eq(e.and_(flags, needed), needed)), "slow")
        return []

    e.loop(0, nargs, 1, [], check)


def _find_known(e: Emitter, state: Value, args: Value, nargs: Value, arrays: Value) -> tuple[Value, Value, Value]:
    """The first `_Known` with the arguments' extents: the object, its words, and those of what comes after them."""
    index, following, before = Value(e.fresh(), INT64), Value(e.fresh(), INT64), e.block
    e.jump("search")
    e.label("search")
    e.line(f"{index.text} = phi i64 [ {_PLANS}, %{before} ], [ {following.text}, %next ]")
    holder = _word(e, state, index, ADDRESS)
    _require(e, e.ne(holder, 0), "slow")
    known = _read(e, holder, capi.DATA)

    def same(index: Value, carried: list[Value]) -> list[Value]:
        extents = _after(e, carried[0], 1)
        shape = _read(e, _word(e, args, index, ADDRESS), capi.SHAPE)
        rank = _word(e, _after(e, arrays, e.mul(index, _EACH)), _RANK)

        def equal(axis: Value, _: list[Value]) -> list[Value]:
            _require(e, e.eq(_word(e, shape, axis), _word(e, extents, axis)), "next")
            return []

        e.loop(0, rank, 1, [], equal)
        return [_after(e, extents, rank)]

    [rest] = e.loop(0, nargs, 1, [_after(e, known, 1)], same)
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
        _require(e, apart, "slow")

    e.when(e.ne(nargs, inputs), check)


def _emit_apart(e: Emitter) -> None:
    """Whether no output overlaps an input or another output: what is written there would be read here."""
    args, nargs, inputs = Value("%args", ADDRESS), Value("%nargs", INT64), Value("%inputs", INT64)
    starts, stops = (Value(e.stack(INT64, nargs).text, ADDRESS) for _ in range(2))

    def fill(index: Value, carried: list[Value]) -> list[Value]:
        start = _read(e, _word(e, args, index, ADDRESS), capi.DATA, INT64)
        e.store(start, _at(e, starts, index))
        e.store(e.add(start, _word(e, carried[0], 0)), _at(e, stops, index))
        rank = _word(e, _after(e, Value("%arrays", ADDRESS), e.mul(index, _EACH)), _RANK)
        return [_after(e, carried[0], e.add(rank, 1))]

    def check(later: Value, _: list[Value]) -> list[Value]:
        def pair(earlier: Value, _: list[Value]) -> list[Value]:
            before = e.le(_word(e, stops, earlier), _word(e, starts, later))
            after = e.le(_word(e, stops, later), _word(e, starts, earlier))
            _require(e, e.or_(before, after), "overlap")
            return []

        e.loop(0, later, 1, [], pair)
        return []

    e.loop(0, nargs, 1, [_after(e, Value("%known", ADDRESS), 1)], fill)
    e.loop(inputs, nargs, 1, [], check)
    e.line("ret i1 true")
    e.label("overlap")
    e.line("ret i1 false")
    e.define("graphc_apart", ["ptr %args", "i64 %nargs", "i64 %inputs", "ptr %arrays", "ptr %known"], "i1")


def _list_inputs(e: Emitter, args: Value, nargs: Value, buffers: Value) -> None:
    def put(index: Value, _: list[Value]) -> list[Value]:
        e.store(_read(e, _word(e, args, index, ADDRESS), capi.DATA), _at(e, buffers, index, ADDRESS))
        return []

    e.loop(0, nargs, 1, [], put)


def _make_results(e: Emitter, results: Value, arrays: Value, sizes: Value, made: Value, buffers: Value) -> None:
    """Allocate the results; the list of those made ends with null at any time that one looks."""

    def make(index: Value, carried: list[Value]) -> list[Value]:
        about, size = _after(e, arrays, e.mul(index, _EACH)), carried[0]
        rank, shape = _word(e, about, _RANK), _after(e, size, 1)
        small = e.convert(rank, INT32)
        array = _call(e, "graphc_array", _word(e, about, _DTYPE, ADDRESS), small, shape, _word(e, size, 0))
        e.store(array, _at(e, made, index, ADDRESS))
        _require(e, e.ne(array, 0), "undo")
        e.store(_read(e, array, capi.DATA), _at(e, buffers, index, ADDRESS))
        return [_after(e, shape, rank)]

    e.loop(0, results, 1, [sizes], make)
    e.store(e.const(0, ADDRESS), _at(e, made, results, ADDRESS))


def _run(e: Emitter, program: Value, plan: Value, buffers: Value, count: Value, nearby: Value) -> None:
    """The program, with workspace from the stack or the pool, and without the GIL if the work is long."""
    size, none = _word(e, plan, WORKSPACE), e.const(0, ADDRESS)
    pooled, release = e.gt(size, ON_STACK), e.ne(_word(e, plan, LONG), 0)
    [workspace] = e.if_else(pooled, lambda: [_call(e, "graphc_take", size)], lambda: [nearby])
    _require(e, e.ne(workspace, 0), "no_memory")
    e.store(workspace, _at(e, buffers, count, ADDRESS))
    [thread] = e.if_else(release, lambda: [_call(e, "PyEval_SaveThread")], lambda: [none])
    e.line(f"call void {program.text}(ptr {buffers.text}, ptr {plan.text})")
    e.when(release, lambda: e.do("PyEval_RestoreThread", [thread]))
    e.when(pooled, lambda: e.do("graphc_give", [workspace, size]))


def _emit_build(e: Emitter) -> None:
    """Follow the code (see `_code`); the values on the stack are references of its own."""
    code, steps, made = Value("%code", ADDRESS), Value("%steps", INT64), Value("%made", ADDRESS)
    stack = Value(e.stack(ADDRESS, e.add(steps, 1)).text, ADDRESS)
    at, height = e.stack(INT64, 1), e.stack(INT64, 1)
    e.store(e.const(0, INT64), at)
    e.store(e.const(0, INT64), height)

    def push(value: Value, place: Value) -> None:
        e.store(value, _at(e, stack, place, ADDRESS))
        e.store(e.add(place, 1), height)
        e.jump("step")

    e.jump("step")
    e.label("step")
    step, top = e.load(at), e.load(height)
    e.store(e.add(step, 2), at)
    operation, operand = _word(e, code, step), _after(e, code, e.add(step, 1))
    number = _word(e, operand, 0)
    cases = {_RESULT: "result", _OBJECT: "object", _TUPLE: "PyTuple", _LIST: "PyList", _DICT: "dict"}
    listed = " ".join(f"i64 {case}, label %{label}" for case, label in cases.items())
    e.line(f"switch i64 {operation.text}, label %end [ {listed} ]")

    for label, value in (("result", lambda: _word(e, made, number, ADDRESS)), ("object", lambda: _read(e, operand, 0))):
        e.label(label)
        shared = value()
        e.do("Py_IncRef", [shared])
        push(shared, top)
    for label in ("PyTuple", "PyList"):
        e.label(label)
        _emit_sequence(e, label, stack, top, number, push)
    e.label("dict")
    _emit_dict(e, stack, top, number, push)

    e.label("fail")
    e.store(e.const(0, ADDRESS), _at(e, stack, top, ADDRESS))
    e.do("graphc_drop", [stack])
    e.line("ret ptr null")
    e.label("end")
    e.line(f"ret ptr {_word(e, stack, 0, ADDRESS).text}")
    e.define("graphc_build", ["ptr %code", "i64 %steps", "ptr %made"], "ptr")


def _emit_sequence(e: Emitter, kind: str, stack: Value, top: Value, number: Value, push: _Push) -> None:
    base, sequence = e.sub(top, number), _call(e, f"{kind}_New", number)
    _require(e, e.ne(sequence, 0), "fail")

    def put(index: Value, _: list[Value]) -> list[Value]:
        item = _word(e, stack, e.add(base, index), ADDRESS)
        e.call(f"{kind}_SetItem", "i32", [sequence, index, item], INT32)  # the reference goes over to the sequence
        return []

    e.loop(0, number, 1, [], put)
    push(sequence, base)


def _emit_dict(e: Emitter, stack: Value, top: Value, number: Value, push: _Push) -> None:
    base, mapping = e.sub(top, e.mul(number, 2)), _call(e, "PyDict_New")
    _require(e, e.ne(mapping, 0), "fail")

    def put(index: Value, _: list[Value]) -> list[Value]:
        pair = _after(e, stack, e.add(base, e.mul(index, 2)))
        key, item = _word(e, pair, 0, ADDRESS), _word(e, pair, 1, ADDRESS)
        status = e.call("PyDict_SetItem", "i32", [mapping, key, item], INT32)
        _require(e, e.ge(status, 0), "no_item")
        return []

    e.loop(0, number, 1, [], put)
    e.store(e.const(0, ADDRESS), _at(e, stack, top, ADDRESS))
    e.do("graphc_drop", [_after(e, stack, base)])
    push(mapping, base)
    e.label("no_item")
    e.do("Py_DecRef", [mapping])
    e.jump("fail")


def _emit_drop(e: Emitter) -> None:
    """Release a list of objects that ends with null."""
    at = e.stack(INT64, 1)
    e.store(e.const(0, INT64), at)
    e.jump("step")
    e.label("step")
    index = e.load(at)
    value = _word(e, Value("%objects", ADDRESS), index, ADDRESS)
    _require(e, e.ne(value, 0), "end")
    e.do("Py_DecRef", [value])
    e.store(e.add(index, 1), at)
    e.jump("step")
    e.label("end")
    e.line("ret void")
    e.define("graphc_drop", ["ptr %objects"])
