"""A class whose instances, when called, call what they hold, with no Python frame in between.

A Python `__call__` costs a frame, a tuple and a lookup. An instance of `vectorcall(Base)` is a `Base` with one more
attribute, `target`; a call of the instance is a call of the target, which is set anew at any time.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

from graphc.codegen.emit import ADDRESS, INT64, Emitter, Module, Value
from graphc.codegen.target import Target
from graphc.runtime import capi, engine

_POINTER = ctypes.sizeof(ctypes.c_void_p)
_READ_ONLY, _OBJECT, _SSIZE = 1, 16, 19  # of PyMemberDef
_DEFAULT, _BASE_TYPE, _HAS_VECTORCALL = 1 << 18, 1 << 10, 1 << 11  # of tp_flags
_CALL, _MEMBERS = 50, 72  # slots of PyType_Spec


class _Member(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("type", ctypes.c_int),
        ("offset", ctypes.c_ssize_t),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    ]


class _Slot(ctypes.Structure):
    _fields_ = [("slot", ctypes.c_int), ("function", ctypes.c_void_p)]


class _Spec(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("basicsize", ctypes.c_int),
        ("itemsize", ctypes.c_int),
        ("flags", ctypes.c_uint),
        ("slots", ctypes.POINTER(_Slot)),
    ]


def vectorcall(base: type[Any]) -> type[Any]:
    """The subclass of `base`, of its name; `base` has no `__call__`, and its `__init__` sets `target`."""
    made = _native(base) if capi.SUPPORTED else type(base.__name__, (base,), {"__call__": _call_target})
    made.__module__, made.__qualname__, made.__doc__ = base.__module__, base.__qualname__, base.__doc__
    return made


def _call_target(self: Any, *args: Any, **kwargs: Any) -> Any:
    return self.target(*args, **kwargs)


def _native(base: type[Any]) -> type[Any]:
    """The class made through Python's C interface: its instances end with the target and the code to call it."""
    target = base.__basicsize__
    entry = target + _POINTER
    members = (_Member * 3)(
        _Member(b"__vectorcalloffset__", _SSIZE, entry, _READ_ONLY, None),
        _Member(b"target", _OBJECT, target, 0, b"what a call of this object calls"),
    )
    call = ctypes.cast(ctypes.pythonapi.PyVectorcall_Call, ctypes.c_void_p).value
    slots = (_Slot * 3)(_Slot(_CALL, call), _Slot(_MEMBERS, ctypes.addressof(members)))
    flags = _DEFAULT | _BASE_TYPE | _HAS_VECTORCALL
    spec = _Spec(f"{base.__module__}.{base.__name__}".encode(), entry + _POINTER, 0, flags, slots)
    create = ctypes.pythonapi.PyType_FromSpecWithBases
    create.restype, create.argtypes = ctypes.py_object, (ctypes.POINTER(_Spec), ctypes.py_object)
    made = create(spec, (base,))

    def new(cls: type[Any], *args: Any, **kwargs: Any) -> Any:
        self: Any = object.__new__(cls)
        ctypes.c_void_p.from_address(id(self) + entry).value = _forward(target).address("forward")
        return self

    made.__new__ = new
    made._spec = spec, members  # Python keeps pointers into these
    return made


@cache
def _forward(offset: int) -> engine.Engine:
    """`PyObject *forward(self, args, nargs, kwnames)`: call what lies at this offset of self."""
    e = Emitter(Module(Target.host()))
    target = e.load(e.member(Value("%self", ADDRESS), offset, ADDRESS))
    target = e.select(e.eq(target, 0), e.module.external("Py_None"), target)  # none set: "None is not callable"
    e.do("Py_IncRef", [target])  # the call may set another target
    same = [target, Value("%args", ADDRESS), Value("%nargs", INT64), Value("%kwnames", ADDRESS)]
    result = e.call("PyObject_Vectorcall", "ptr", same, ADDRESS)
    e.do("Py_DecRef", [target])
    e.line(f"ret ptr {result.text}")
    e.define("forward", ["ptr %self", "ptr %args", "i64 %nargs", "ptr %kwnames"], "ptr")
    return engine.load(e.module.text(), e.target, ["forward"], capi.symbols())
