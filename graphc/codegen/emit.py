"""The emitter: appends to one function the instructions of arithmetic, memory and control."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from graphc.codegen.arithmetic import Arithmetic, Number
from graphc.codegen.ir import (
    ADDRESS,
    BOOL,
    FLOAT32,
    FLOAT64,
    INT32,
    INT64,
    Module,
    Pointer,
    Value,
    literal,
    llvm_type,
    mangle,
    memory_type,
)

__all__ = [
    "ADDRESS",
    "BOOL",
    "FLOAT32",
    "FLOAT64",
    "INT32",
    "INT64",
    "Emitter",
    "Module",
    "Number",
    "Pointer",
    "Value",
    "literal",
    "llvm_type",
    "mangle",
    "memory_type",
]


class Emitter(Arithmetic):
    """Appends instructions to one function; every method returns the value it defines."""

    # -- memory ---------------------------------------------------------------------------------

    def offset(self, pointer: Pointer, index: Value | int) -> Pointer:
        if index == 0 or (isinstance(index, Value) and index.text == "0"):
            return pointer
        i = index if isinstance(index, Value) else self.const(index, INT64)
        name = self.fresh()
        self.line(f"{name} = getelementptr {memory_type(pointer.dtype)}, ptr {pointer.text}, {i.type} {i.text}")
        return Pointer(name, pointer.dtype)

    def member(self, base: Value, offset: int, dtype: np.dtype) -> Pointer:
        """The member of a struct, so many bytes after its start."""
        return Pointer(self.offset(Pointer(base.text, np.dtype(np.uint8)), offset).text, dtype)

    def stack(self, dtype: np.dtype, count: Value | int, align: int = 8) -> Pointer:
        """Room for some elements until the function returns; so many as only a value tells, not inside a loop."""
        name, size = self.fresh(), count if isinstance(count, Value) else self.const(count, INT64)
        lines = self._lines if isinstance(count, Value) else self._rooms
        lines.append(f"  {name} = alloca {memory_type(dtype)}, i64 {size.text}, align {align}")
        return Pointer(name, dtype)

    def load(self, pointer: Pointer, lanes: int = 1, mask: Value | None = None) -> Value:
        """Consecutive elements; where the mask does not hold nothing is read and the lane is zero."""
        dtype, kind = pointer.dtype, memory_type(pointer.dtype, lanes)
        stored = np.dtype(np.uint8) if dtype.kind == "b" else dtype
        if mask is None or lanes == 1:
            value = self.assign(f"load {kind}, ptr {pointer.text}, align {stored.itemsize}", stored, lanes)
        else:
            mask = self.splat(mask, lanes)
            name = f"llvm.masked.load.{mangle(stored, lanes)}.p0"
            self.module.declare(name, kind, ["ptr", "i32", f"<{lanes} x i1>", kind])
            value = self.assign(
                f"call {kind} @{name}(ptr {pointer.text}, i32 {stored.itemsize}, {mask.type} {mask.text}, "
                f"{kind} zeroinitializer)",
                stored,
                lanes,
            )
        return self.ne(value, 0) if dtype.kind == "b" else value

    def store(self, value: Value, pointer: Pointer, mask: Value | None = None) -> None:
        """Write consecutive elements, those where the mask holds."""
        x = self.convert(value, np.dtype(np.uint8)) if value.dtype.kind == "b" else value
        if mask is None or x.lanes == 1:
            self.line(f"store {x.type} {x.text}, ptr {pointer.text}, align {x.dtype.itemsize}")
            return
        mask = self.splat(mask, x.lanes)
        name = f"llvm.masked.store.{mangle(x.dtype, x.lanes)}.p0"
        self.module.declare(name, "void", [x.type, "ptr", "i32", f"<{x.lanes} x i1>"])
        self.line(
            f"call void @{name}({x.type} {x.text}, ptr {pointer.text}, i32 {x.dtype.itemsize}, {mask.type} {mask.text})"
        )

    def prefetch(self, pointer: Pointer) -> None:
        """Ask for the line of memory there, which may be anywhere, to be near soon."""
        read, near, data = (self.const(number, INT32) for number in (0, 2, 1))
        self.do("llvm.prefetch.p0", [Value(pointer.text, ADDRESS), read, near, data])

    def gather(self, pointer: Pointer, indices: Value, mask: Value | None = None) -> Value:
        """The elements at these indices, one a lane; lanes without the mask read nothing and are zero."""
        if indices.lanes == 1:
            return self.load(self.offset(pointer, indices))
        lanes = indices.lanes
        stored = np.dtype(np.uint8) if pointer.dtype.kind == "b" else pointer.dtype
        kind, element = llvm_type(stored, lanes), memory_type(stored)
        held = self.splat(mask if mask is not None else self.const(True, BOOL), lanes)
        addresses = self.fresh()
        self.line(f"{addresses} = getelementptr {element}, ptr {pointer.text}, {indices.type} {indices.text}")
        name = f"llvm.masked.gather.{mangle(stored, lanes)}.v{lanes}p0"
        self.module.declare(name, kind, [f"<{lanes} x ptr>", "i32", f"<{lanes} x i1>", kind])
        value = self.assign(
            f"call {kind} @{name}(<{lanes} x ptr> {addresses}, i32 {stored.itemsize}, {held.type} {held.text}, "
            f"{kind} zeroinitializer)",
            stored,
            lanes,
        )
        return self.ne(value, 0) if pointer.dtype.kind == "b" else value

    def scatter(self, value: Value, pointer: Pointer, indices: Value, mask: Value | None = None) -> None:
        """Write the elements at these indices, one a lane; the indices of one vector differ."""
        x = self.convert(value, np.dtype(np.uint8)) if value.dtype.kind == "b" else value
        if indices.lanes == 1:
            self.store(x, self.offset(Pointer(pointer.text, x.dtype), indices))
            return
        lanes, x = indices.lanes, self.splat(x, indices.lanes)
        held = self.splat(mask if mask is not None else self.const(True, BOOL), lanes)
        addresses = self.fresh()
        self.line(
            f"{addresses} = getelementptr {memory_type(x.dtype)}, ptr {pointer.text}, {indices.type} {indices.text}"
        )
        name = f"llvm.masked.scatter.{mangle(x.dtype, lanes)}.v{lanes}p0"
        self.module.declare(name, "void", [x.type, f"<{lanes} x ptr>", "i32", f"<{lanes} x i1>"])
        self.line(
            f"call void @{name}({x.type} {x.text}, <{lanes} x ptr> {addresses}, i32 {x.dtype.itemsize}, "
            f"{held.type} {held.text})"
        )

    # -- control --------------------------------------------------------------------------------

    def label(self, name: str) -> None:
        self.block = name
        self._lines.append(f"{name}:")

    def new_label(self, stem: str) -> str:
        self._count += 1
        return f"{stem}{self._count}"

    def jump(self, label: str) -> None:
        self.line(f"br label %{label}")

    def branch(self, condition: Value, then: str, otherwise: str) -> None:
        self.line(f"br i1 {condition.text}, label %{then}, label %{otherwise}")

    def phi(self, dtype: np.dtype, lanes: int, incoming: Sequence[tuple[Value, str]]) -> Value:
        listed = ", ".join(f"[ {value.text}, %{label} ]" for value, label in incoming)
        return self.assign(f"phi {llvm_type(dtype, lanes)} {listed}", dtype, lanes)

    def when(self, condition: Value, then: Callable[[], None]) -> None:
        """Run one side only, which gives no values."""
        self.if_else(condition, lambda: then() or [], lambda: [])

    def if_else(
        self, condition: Value, then: Callable[[], Sequence[Value]], otherwise: Callable[[], Sequence[Value]]
    ) -> list[Value]:
        """The values of one side or the other; only that side runs. The condition is uniform."""
        yes, no, done = self.new_label("then"), self.new_label("else"), self.new_label("endif")
        self.branch(condition, yes, no)
        self.label(yes)
        taken = list(then())
        yes = self.block
        self.jump(done)
        self.label(no)
        other = list(otherwise())
        no = self.block
        self.jump(done)
        self.label(done)
        return [self.phi(a.dtype, a.lanes, [(a, yes), (b, no)]) for a, b in zip(taken, other, strict=True)]

    def loop(
        self,
        start: Value | int,
        stop: Value | int,
        step: int,
        carried: Sequence[Value],
        body: Callable[[Value, list[Value]], Sequence[Value]],
    ) -> list[Value]:
        """`for i in range(start, stop, step)`: the body maps the index and carried values to new ones."""
        first = start if isinstance(start, Value) else self.const(start, INT64)
        last = stop if isinstance(stop, Value) else self.const(stop, INT64)
        head, done, before = self.new_label("loop"), self.new_label("done"), self.block
        known = isinstance(start, int) and isinstance(stop, int)
        if known and start >= stop:  # type: ignore[operator]
            return list(carried)
        if known and start + step >= stop:  # type: ignore[operator]
            return list(body(first, list(carried)))
        if known:
            self.jump(head)
        else:
            self.branch(self.lt(first, last), head, done)
        self.label(head)
        index = Value(self.fresh(), INT64)
        held = [Value(self.fresh(), x.dtype, x.lanes) for x in carried]
        at = len(self._lines)  # the phis go here, once the values of the next round are known
        after = list(body(index, list(held)))
        following = self.add(index, step)
        again = self.lt(following, last)
        latch = self.block
        self.branch(again, head, done)
        phis = [(index, first, following), *zip(held, carried, after, strict=True)]
        self._lines[at:at] = [
            f"  {x.text} = phi {x.type} [ {a.text}, %{before} ], [ {b.text}, %{latch} ]" for x, a, b in phis
        ]
        self.label(done)
        if known:
            return after
        return [self.phi(a.dtype, a.lanes, [(a, before), (b, latch)]) for a, b in zip(carried, after, strict=True)]
