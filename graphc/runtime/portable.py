"""The same entry in Python: for interpreters whose arrays native code cannot read. Correct, and slower."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn, Protocol

import numpy as np

from graphc.runtime.signature import WORKSPACE, Buffer, Signature, concrete
from graphc.state import exchange
from graphc.tree import map_tree

Array = np.ndarray[Any, np.dtype[Any]]


class Plans(Protocol):
    """Whoever knows the plans installed so far."""

    @property
    def plans(self) -> Iterable[Array]: ...


def call_by_ctypes(
    address: int,
    signature: Signature,
    slow: Callable[..., Any],
    known: Plans,
    fail: Callable[[int], NoReturn] | None = None,
) -> Callable[..., Any]:
    """A function that checks its arguments, runs the program at the address, or passes them on to the slow path."""
    program = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(address)  # releases the GIL, if there is one

    def function(*args: Any, **kwargs: Any) -> Any:
        plan = None if kwargs else _find_plan(args, signature, known.plans)
        if plan is None or (signature.into and _overlap(args, len(signature.inputs))):
            return slow(*args, **kwargs)
        while (results := run(args, plan)) is None:
            pass  # another call updated the states meanwhile
        return None if signature.into else map_tree(results.__getitem__, signature.structure)

    def run(args: Sequence[Array], plan: Array) -> list[Array] | None:
        results = [] if signature.into else [np.empty(concrete(b.shape, plan), b.dtype) for b in signature.outputs]
        taken = [each.array for each in signature.states]
        workspace = np.empty(int(plan[WORKSPACE]) + 64, np.uint8)
        start = workspace.ctypes.data
        addresses = [*(x.ctypes.data for x in (*args, *taken, *results)), start + -start % 64]
        words = (ctypes.c_void_p * (len(addresses) + 1))(*addresses, 0)
        program(words, plan.ctypes.data)
        if words[-1] and fail is not None:
            fail(words[-1])
        new = results[len(results) - signature.updates :]
        return results if not new or exchange(signature.states, taken, new) else None

    return function


def _find_plan(args: Sequence[Any], signature: Signature, plans: Iterable[Array]) -> Array | None:
    buffers, inputs = signature.arguments, len(signature.inputs)
    if len(args) != len(buffers):
        return None
    if not all(_fits(x, b, written=i >= inputs) for i, (x, b) in enumerate(zip(args, buffers, strict=True))):
        return None
    return next(
        (p for p in plans if all(x.shape == concrete(b.shape, p) for x, b in zip(args, buffers, strict=True))), None
    )


def _fits(x: Any, buffer: Buffer, written: bool) -> bool:
    if type(x) is not np.ndarray or x.dtype != buffer.dtype or x.ndim != len(buffer.shape):
        return False
    return x.flags.c_contiguous and x.flags.aligned and (x.flags.writeable or not written)


def _overlap(arrays: Sequence[Array], inputs: int) -> bool:
    """Whether an output shares memory with an input or another output; contiguous arrays are ranges of bytes."""
    return any(np.may_share_memory(x, y) for j, y in enumerate(arrays) if j >= inputs for x in arrays[:j])
