"""Python and NumPy as native code sees them: the addresses of their functions, and where an array keeps what.

Arrays are read straight from their headers. The layout is NumPy's published one, and checked once against an
array of this process: where it differs (free-threaded builds, PyPy) `SUPPORTED` is false, and nothing here is used.
"""

from __future__ import annotations

import ctypes
import importlib
import sys
from functools import cache
from typing import Any

import numpy as np

TYPE = 8  # the offset of an object's type, in bytes
DATA, RANK, SHAPE, BASE, DESCR, FLAGS = 16, 24, 32, 48, 56, 64  # the offsets in an array

CONTIGUOUS, ALIGNED, WRITEABLE = 0x1, 0x100, 0x400  # NumPy's flags

_FUNCTIONS = [
    *("Py_IncRef", "Py_DecRef", "PyObject_Vectorcall", "PyErr_NoMemory", "PyEval_SaveThread", "PyEval_RestoreThread"),
    *("PyGILState_Ensure", "PyGILState_Release", "PyErr_CheckSignals", "PyLong_FromLongLong"),
    *("PyTuple_New", "PyTuple_SetItem", "PyList_New", "PyList_SetItem", "PyDict_New", "PyDict_SetItem"),
    *("PyCapsule_New", "PyCapsule_GetPointer", "PyCapsule_GetContext", "PyCapsule_SetContext"),
]
_ARRAY_FUNCTIONS = {"PyArray_NewFromDescr": 94, "PyArray_SetBaseObject": 282}  # indices fixed by NumPy's ABI


@cache
def symbols() -> dict[str, int]:
    """Where native code finds Python's and NumPy's functions and constants."""
    table = _array_table()
    found = {name: _address(name) for name in _FUNCTIONS}
    found |= {name: table[index] for name, index in _ARRAY_FUNCTIONS.items()}
    return found | {"PyArray_Type": id(np.ndarray), "Py_None": id(None)}


def _address(name: str) -> int:
    return ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value or 0


def _array_table() -> Any:
    """NumPy's table of C functions."""
    capsule = importlib.import_module("numpy._core._multiarray_umath")._ARRAY_API
    pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(_address("PyCapsule_GetPointer"))
    return ctypes.cast(pointer(capsule, None), ctypes.POINTER(ctypes.c_size_t))


def _layout_holds() -> bool:
    """Whether an array's header is where this file says."""
    if sys.implementation.name != "cpython" or not getattr(sys, "_is_gil_enabled", lambda: True)():
        return False
    array = np.zeros((3, 5), np.float32)[1:]
    expected = {TYPE: id(np.ndarray), DATA: array.ctypes.data, BASE: id(array.base), DESCR: id(np.dtype(np.float32))}
    words = {offset: ctypes.c_size_t.from_address(id(array) + offset).value for offset in (*expected, SHAPE)}
    small = [ctypes.c_int.from_address(id(array) + offset).value for offset in (RANK, FLAGS)]
    shape = (ctypes.c_ssize_t * 2).from_address(words.pop(SHAPE)) if words == expected | {SHAPE: words[SHAPE]} else ()
    return list(shape) == [2, 5] and small == [2, array.flags.num]


SUPPORTED = _layout_holds()
