"""Small programs, written by hand, for the tests of the native call path."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphc.codegen.emit import ADDRESS, INT64, Emitter, Module, Pointer, Value
from graphc.codegen.target import Target
from graphc.runtime import engine
from graphc.runtime.native import Entry
from graphc.runtime.signature import Buffer, Signature, Slot, Structure

Body = Callable[[Emitter, list[Pointer], Pointer], None]
COUNT = 2  # the word of the plan that says how many elements there are


def plan(*extents: int, workspace: int = 0, long: bool = False) -> np.ndarray[Any, Any]:
    return np.array([workspace, long, *extents], np.int64)


def load(signature: Signature, body: Body) -> engine.Engine:
    """`@program`, whose instructions the body writes, given pointers to all arrays and the workspace."""
    e = Emitter(Module(Target.host()))
    dtypes = [*(buffer.dtype for buffer in signature.inputs + signature.outputs), np.dtype(np.uint8)]
    table = Pointer("%buffers", ADDRESS)
    pointers = [Pointer(e.load(e.offset(table, i)).text, dtype) for i, dtype in enumerate(dtypes)]
    body(e, pointers, Pointer("%plan", INT64))
    e.line("ret void")
    e.define("program", ["ptr %buffers", "ptr %plan"])
    return engine.load(e.module.text(), e.target, ["program"])


def scaled_sum(inputs: int) -> Body:
    """Output k is 2 * first input + the last one + k."""

    def body(e: Emitter, pointers: list[Pointer], plan: Pointer) -> None:
        def step(i: Value, _: list[Value]) -> list[Value]:
            first, last = (e.load(e.offset(pointers[k], i)) for k in (0, inputs - 1))
            for k, output in enumerate(pointers[inputs:-1]):
                e.store(e.add(e.add(e.mul(first, 2), last), k), e.offset(output, i))
            return []

        e.loop(0, e.load(e.offset(plan, COUNT)), 1, [], step)

    return body


def slow(*args: Any, **kwargs: Any) -> Any:
    """The slow path of these tests: it returns what it was given."""
    return "slow", args, kwargs


def entry(
    structure: Structure = 0,
    shape: tuple[int | Slot, ...] = (Slot(COUNT),),
    outputs: int = 1,
    dtype: str = "float32",
    into: bool = False,
    body: Body | None = None,
    plans: Sequence[np.ndarray[Any, Any]] = (),
) -> Entry:
    """An entry of two inputs and some outputs, all of one type."""
    array = Buffer(np.dtype(dtype), shape)
    signature = Signature((array, array), (array,) * outputs, structure, into)
    loaded = load(signature, body or scaled_sum(2))
    made = Entry(loaded.address("program"), signature, slow, loaded)
    for each in plans:
        made.install(each)
    return made


def arrays(n: int, dtype: str = "float32") -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    return np.arange(n, dtype=dtype), np.full(n, 3, dtype)
