"""Building the result: the structure asked for becomes code for a small stack machine, followed natively.

Its code is pairs of words: what to push on the stack, or what to make of how many values at its top.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from graphc.codegen.emit import ADDRESS, INT32, INT64, Emitter, Value
from graphc.runtime.signature import Structure
from graphc.runtime.words import after, at, call, read, require, word

_END, _RESULT, _OBJECT, _TUPLE, _LIST, _DICT, _CALL = range(7)
_Push = Callable[[Value, Value], None]  # a value, and its place on the stack


def encode(structure: Structure, objects: list[object]) -> list[int]:
    """The code that builds the structure; the objects that it points to are added to the list."""
    return [*_encode(structure, objects), _END, 0]


def _encode(structure: Structure, objects: list[object]) -> Iterator[int]:
    match structure:
        case None:
            yield from (_OBJECT, id(None))
        case int():
            yield from (_RESULT, structure)
        case tuple() if hasattr(structure, "_fields"):
            objects.append(type(structure))
            yield from (_OBJECT, id(type(structure)))
            for child in structure:
                yield from _encode(child, objects)
            yield from (_CALL, len(structure))
        case tuple() | list():
            for child in structure:
                yield from _encode(child, objects)
            yield from (_TUPLE if isinstance(structure, tuple) else _LIST, len(structure))
        case dict():
            for key, child in structure.items():
                objects.append(key)
                yield from (_OBJECT, id(key))
                yield from _encode(child, objects)
            yield from (_DICT, len(structure))


def emit_build(e: Emitter) -> None:
    """`PyObject *graphc_build(code, steps, made)`: follow the code, where `made` are the arrays to refer to.

    What lies on the stack are references of its own; null and an error set if there was no memory.
    """
    code, steps, made = Value("%code", ADDRESS), Value("%steps", INT64), Value("%made", ADDRESS)
    stack = Value(e.stack(ADDRESS, e.add(steps, 1)).text, ADDRESS)
    place, height = e.stack(INT64, 1), e.stack(INT64, 1)
    e.store(e.const(0, INT64), place)
    e.store(e.const(0, INT64), height)

    def push(value: Value, index: Value) -> None:
        e.store(value, at(e, stack, index, ADDRESS))
        e.store(e.add(index, 1), height)
        e.jump("step")

    e.jump("step")
    e.label("step")
    step, top = e.load(place), e.load(height)
    e.store(e.add(step, 2), place)
    operation, operand = word(e, code, step), after(e, code, e.add(step, 1))
    number = word(e, operand, 0)
    cases = {_RESULT: "result", _OBJECT: "object", _TUPLE: "PyTuple", _LIST: "PyList", _DICT: "dict", _CALL: "call"}
    listed = " ".join(f"i64 {case}, label %{label}" for case, label in cases.items())
    e.line(f"switch i64 {operation.text}, label %end [ {listed} ]")

    for label, value in (("result", lambda: word(e, made, number, ADDRESS)), ("object", lambda: read(e, operand, 0))):
        e.label(label)
        shared = value()
        e.do("Py_IncRef", [shared])
        push(shared, top)
    for label in ("PyTuple", "PyList"):
        e.label(label)
        _emit_sequence(e, label, stack, top, number, push)
    e.label("dict")
    _emit_dict(e, stack, top, number, push)
    e.label("call")
    _emit_call(e, stack, top, number, push)

    e.label("fail")
    e.store(e.const(0, ADDRESS), at(e, stack, top, ADDRESS))
    e.do("graphc_drop", [stack])
    e.line("ret ptr null")
    e.label("end")
    e.line(f"ret ptr {word(e, stack, 0, ADDRESS).text}")
    e.define("graphc_build", ["ptr %code", "i64 %steps", "ptr %made"], "ptr")


def _emit_sequence(e: Emitter, kind: str, stack: Value, top: Value, number: Value, push: _Push) -> None:
    base, sequence = e.sub(top, number), call(e, f"{kind}_New", number)
    require(e, e.ne(sequence, 0), "fail")

    def put(index: Value, _: list[Value]) -> list[Value]:
        item = word(e, stack, e.add(base, index), ADDRESS)
        e.call(f"{kind}_SetItem", "i32", [sequence, index, item], INT32)  # the reference goes over to the sequence
        return []

    e.loop(0, number, 1, [], put)
    push(sequence, base)


def _emit_dict(e: Emitter, stack: Value, top: Value, number: Value, push: _Push) -> None:
    base, mapping = e.sub(top, e.mul(number, 2)), call(e, "PyDict_New")
    require(e, e.ne(mapping, 0), "fail")

    def put(index: Value, _: list[Value]) -> list[Value]:
        pair = after(e, stack, e.add(base, e.mul(index, 2)))
        key, item = word(e, pair, 0, ADDRESS), word(e, pair, 1, ADDRESS)
        status = e.call("PyDict_SetItem", "i32", [mapping, key, item], INT32)
        require(e, e.ge(status, 0), "no_item")
        return []

    e.loop(0, number, 1, [], put)
    e.store(e.const(0, ADDRESS), at(e, stack, top, ADDRESS))
    e.do("graphc_drop", [after(e, stack, base)])
    push(mapping, base)
    e.label("no_item")
    e.do("Py_DecRef", [mapping])
    e.jump("fail")


def _emit_call(e: Emitter, stack: Value, top: Value, number: Value, push: _Push) -> None:
    """A named tuple: its class lies below its items."""
    base = e.sub(top, e.add(number, 1))
    kind = word(e, stack, base, ADDRESS)
    items = after(e, stack, e.add(base, 1))
    made = call(e, "PyObject_Vectorcall", kind, items, number, e.const(0, ADDRESS))
    require(e, e.ne(made, 0), "fail")
    e.store(e.const(0, ADDRESS), at(e, stack, top, ADDRESS))
    e.do("graphc_drop", [after(e, stack, base)])
    push(made, base)


def emit_drop(e: Emitter) -> None:
    """`void graphc_drop(objects)`: release the objects of a list that ends with null."""
    place = e.stack(INT64, 1)
    e.store(e.const(0, INT64), place)
    e.jump("step")
    e.label("step")
    index = e.load(place)
    value = word(e, Value("%objects", ADDRESS), index, ADDRESS)
    require(e, e.ne(value, 0), "end")
    e.do("Py_DecRef", [value])
    e.store(e.add(index, 1), place)
    e.jump("step")
    e.label("end")
    e.line("ret void")
    e.define("graphc_drop", ["ptr %objects"])
