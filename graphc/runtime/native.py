"""The native call path: a Python function around one compiled program, which runs no Python when all is as expected.

A program is `void @program(ptr buffers, ptr plan)`: `buffers` points to the inputs' data, the outputs' and the
workspace (aligned to 64 bytes); the `plan` is int64 data made once per concrete shape. Two of its words are read here
(`WORKSPACE`, `LONG`), the others are the compiler's.

    entry = Entry(loaded.address("program"), signature, slow, keep=loaded)
    entry.install(plan)
    entry.function(a, b)

The function takes exactly the arrays it was made for. Anything else, and any shape it has no plan for, it passes on
untouched to the *slow path*, a Python callable. So it raises nothing of its own but MemoryError.

The words of its state are borrowed pointers; what they point to is held by attributes, where the garbage collector
sees it. A call takes its own reference to its plan: another thread, or a finalizer that an allocation sets off, may
install a new one meanwhile.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator
from math import prod
from typing import Any, NoReturn

import numpy as np

from graphc.errors import InternalError
from graphc.runtime import capi, entry
from graphc.runtime.portable import call_by_ctypes
from graphc.runtime.result import encode
from graphc.runtime.signature import LONG, Buffer, Signature, concrete

Array = np.ndarray[Any, np.dtype[Any]]
_FASTCALL_WITH_KEYWORDS = 0x80 | 0x2
_NAME = ctypes.create_string_buffer(b"entry")


class _Known(np.ndarray[Any, np.dtype[np.int64]]):
    """The words of an installed plan."""

    plan: Array


class _State(np.ndarray[Any, np.dtype[np.int64]]):
    """The words of an entry."""

    held: list[object]
    known: tuple[_Known, ...] = ()

    @property
    def plans(self) -> Iterator[Array]:
        return (known.plan for known in self.known)


class Entry:
    """The Python function of a loaded program, and the plans it knows."""

    function: Callable[..., Any]

    def __init__(
        self,
        program: int,
        signature: Signature,
        slow: Callable[..., Any],
        keep: object,
        fail: Callable[[int], NoReturn] | None = None,
    ) -> None:
        """`program` is an address, good as long as the object `keep` lives.

        `fail` raises the error of a program that ended early, given its status.
        """
        self._signature, self._lock = signature, threading.Lock()
        self._words = max(signature.slots, default=LONG) + 1
        self._state = _state(program, signature, slow, keep, fail)
        if capi.SUPPORTED:
            self.function = _builtin(self._state)
        else:
            self.function = call_by_ctypes(program, signature, slow, self._state, fail)

    def install(self, plan: Array) -> None:
        """Make calls of this plan's shapes fast; beyond `MOST_PLANS`, those installed longest ago are forgotten."""
        if plan.dtype != np.int64 or plan.ndim != 1 or not plan.flags.c_contiguous or plan.size < self._words:
            raise InternalError(f"native: a plan is {self._words} or more int64, not {plan.dtype}{list(plan.shape)}")
        latest = self._state.known[:1]
        if latest and latest[0].plan is plan:
            return
        known = _know(plan, self._signature)
        with self._lock:
            others = (each for each in self._state.known if each.plan is not plan)
            after = (known, *others)[: entry.MOST_PLANS]
            self._state[entry.PLANS : entry.PLANS + len(after)] = [id(each) for each in after]
            self._state.known = after


def _state(
    program: int, signature: Signature, slow: Callable[..., Any], keep: object, fail: Callable[[int], NoReturn] | None
) -> _State:
    inputs, outputs = len(signature.inputs), len(signature.outputs)
    results, structure = (0, None) if signature.into else (outputs, signature.structure)
    held: list[object] = [slow, keep, fail, signature.states]
    arrays = [word for b in signature.inputs for word in _describe(b, 0, held)]
    arrays += [word for b in signature.outputs for word in _describe(b, capi.WRITEABLE, held)]
    cells = [each.cell for each in signature.states]
    code = encode(structure, held)
    state = np.array([0] * entry.ARRAYS + arrays + cells + code, np.int64).view(_State)
    state[entry.SLOW], state[entry.PROGRAM], state[entry.FAIL] = id(slow), program, id(fail)
    state[entry.ARGUMENTS], state[entry.INPUTS] = len(signature.arguments), inputs
    state[entry.BUFFERS], state[entry.RESULTS] = inputs + len(cells) + outputs, results
    state[entry.STATES], state[entry.UPDATES] = len(cells), signature.updates
    state[entry.CELLS] = state.ctypes.data + 8 * (entry.ARRAYS + len(arrays))
    state[entry.CODE], state[entry.STEPS] = state[entry.CELLS] + 8 * len(cells), len(code) // 2
    state.held = held
    return state


def _describe(buffer: Buffer, flags: int, held: list[object]) -> tuple[int, int, int]:
    dtype = np.dtype(buffer.dtype.name)  # NumPy's one object for it
    held.append(dtype)
    return id(dtype), len(buffer.shape), capi.CONTIGUOUS | capi.ALIGNED | flags


def _know(plan: Array, signature: Signature) -> _Known:
    words = [plan.ctypes.data]
    for buffer in signature.inputs + signature.outputs:
        shape = concrete(buffer.shape, plan)
        words += [buffer.dtype.itemsize * prod(shape), *shape]
    known = np.array(words, np.int64).view(_Known)
    known.plan = plan
    return known


def _builtin(state: _State) -> Callable[..., Any]:
    """A builtin function whose self is the state. Its definition lies in the state too, for it must live as long."""
    address = entry.library().address("graphc_entry")
    state[entry.METHOD : entry.METHOD + 3] = [ctypes.addressof(_NAME), address, _FASTCALL_WITH_KEYWORDS]
    create = ctypes.pythonapi.PyCFunction_NewEx
    create.restype, create.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.py_object, ctypes.py_object)
    return create(state.ctypes.data + 8 * entry.METHOD, state, __name__)
