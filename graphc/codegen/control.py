"""Control flow in IR: nested programs are functions of the same module, called from branches and loops.

A nested program has a list of buffers and a plan of its own, like the whole one. Its loop only moves addresses: of xs
and ys to the next element, of states by exchanging their buffers. Small states are copied instead: they lie in the
loop's own frame, and when small programs are inlined there, the optimiser holds them in registers.

A step returns 0, or what ended it: 1 if a Python error is set, else which loop went on for too long.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from graphc.codegen.emit import ADDRESS, BOOL, INT64, Emitter, Pointer, Value
from graphc.codegen.stack import FAILED
from graphc.kernel.fuse import Control
from graphc.kernel.program import (
    STACK_HEAD,
    STACK_ROOM,
    Program,
    Scratch,
    is_register,
    is_small,
    place,
)
from graphc.node import Node
from graphc.ops.control import SWITCH, Loop, items
from graphc.types import Extent, Stack, Type

BYTE = np.dtype(np.uint8)
POLL = 1 << 24  # scalar operations after which a loop without end looks whether it is interrupted

Locate = Callable[[Node], Pointer]


def empty_stack(e: Emitter, stack: Pointer) -> None:
    """A stack's address and capacity, then room for its first values."""
    e.store(Value(e.offset(stack, STACK_HEAD).text, ADDRESS), Pointer(stack.text, ADDRESS))
    e.store(e.const(STACK_ROOM, INT64), e.member(Value(stack.text, ADDRESS), 8, INT64))


def release_stack(e: Emitter, stack: Pointer) -> None:
    """Give back what the stack grew to."""
    grown = e.ne(e.load(Pointer(stack.text, ADDRESS)), Value(e.offset(stack, STACK_HEAD).text, ADDRESS))
    e.when(grown, lambda: e.do("graphc_release", [Value(stack.text, ADDRESS)]))


class ControlStep:
    """Emits one switch or loop, whose nested programs are functions of the names given."""

    def __init__(
        self,
        e: Emitter,
        program: Program,
        number: int,
        names: Sequence[str],
        locate: Locate,
        scratch: Callable[[Scratch], Pointer],
        evaluate: Callable[[Extent], Value | int],
        identity: int,
    ) -> None:
        step = program.steps[number]
        assert isinstance(step, Control)
        self.e, self.step, self.number, self.locate, self.scratch = e, step, number, locate, scratch
        self.value_of, self.identity = evaluate, identity
        self.programs = program.nested[step]
        self.small = is_small(step, self.programs)
        self.calls = [self._call(program, k, name) for k, name in enumerate(names)]

    def emit(self) -> None:
        """Append the code, which returns the status."""
        if self.step.node.op is SWITCH:
            self._switch()
        else:
            _LoopCode(self).emit()

    def _call(self, program: Program, k: int, name: str) -> _Call:
        plan = self.e.offset(Pointer("%plan", INT64), program.nested_slot(self.step, k))
        inner = self.programs[k]
        if self.small:
            workspace = self.e.stack(BYTE, max(place(list(inner.slabs.values()))[1], 1), 64)
        else:
            workspace = self.scratch((self.number, f"workspace {k}"))
        return _Call(self.e, name, inner, plan, workspace)

    @property
    def work(self) -> int:
        """About how many scalar operations an iteration takes."""
        return sum(inner.work(dict.fromkeys(inner.symbols, 1000)) for inner in self.programs)

    def bytes_of(self, type: Type) -> Value:
        size = self.value_of(type.size * type.dtype.itemsize)
        return size if isinstance(size, Value) else self.e.const(size, INT64)

    def address(self, node: Node) -> Value:
        return Value(self.locate(node).text, ADDRESS)

    def copy(self, source: Value, target: Value, type: Type) -> None:
        """All bytes of a value from one place to another."""
        if type.size == 1:
            self.e.store(self.e.load(Pointer(source.text, type.dtype)), Pointer(target.text, type.dtype))
            return
        self.e.do("llvm.memcpy.p0.p0.i64", [target, source, self.bytes_of(type), self.e.const(False, BOOL)])

    def _switch(self) -> None:
        e, node = self.e, self.step.node
        index = e.convert(e.load(self.locate(node.args[0])), INT64)
        chosen = e.minimum(e.maximum(index, 0), len(self.calls) - 1)
        labels = [e.new_label("branch") for _ in self.calls]
        cases = " ".join(f"i64 {k}, label %{label}" for k, label in enumerate(labels))
        e.line(f"switch i64 {chosen.text}, label %{labels[0]} [ {cases} ]")
        addresses = [self.address(x) for x in (*node.args[1:], *items(node))]
        for label, call in zip(labels, self.calls):
            e.label(label)
            e.line(f"ret i64 {call.run(addresses).text}")


class _Call:
    """Calls of one nested program."""

    def __init__(self, e: Emitter, name: str, program: Program, plan: Pointer, workspace: Pointer) -> None:
        self.e, self.name, self.program, self.plan, self.workspace = e, name, program, plan, workspace
        self.buffers = e.stack(ADDRESS, len(program.graph.inputs) + len(program.graph.outputs) + 1)

    def run(self, addresses: Sequence[Value]) -> Value:
        """Its status, on buffers at these addresses: of inputs, then of outputs."""
        e = self.e
        for k, address in enumerate((*addresses, Value(self.workspace.text, ADDRESS))):
            e.store(address, e.offset(self.buffers, k))
        return e.call(self.name, "i64", [Value(self.buffers.text, ADDRESS), Value(self.plan.text, ADDRESS)], INT64)


class _State:
    """Where a loop's state is: before an iteration at `now`, after it at `next`."""

    def __init__(self, code: ControlStep, number: int, init: Node) -> None:
        self.code, self.type, self.init, e = code, init.typed, code.address(init), code.e
        self.held = code.small and is_register(init)
        if self.held:
            size = max(1, init.size * init.dtype.itemsize)  # type: ignore[operator]
            self.places = [Value(e.stack(BYTE, size, 64).text, ADDRESS) for _ in range(2)]
        else:
            sides = [code.scratch((code.number, f"state {number}{side}")) for side in "ab"]
            self.places = [Value(side.text, ADDRESS) for side in sides]
            self.slots = [e.stack(ADDRESS, 1) for _ in range(3)]

    def start(self) -> None:
        if self.held:
            self.code.copy(self.init, self.places[0], self.type)
        else:
            for value, slot in zip((self.init, *self.places), self.slots):
                self.code.e.store(value, slot)

    @property
    def now(self) -> Value:
        return self.places[0] if self.held else self.code.e.load(self.slots[0])

    @property
    def next(self) -> Value:
        return self.places[1] if self.held else self.code.e.load(self.slots[1])

    def advance(self) -> None:
        """Copy, or exchange the buffers: the first iteration reads the initial value where it is."""
        if self.held:
            self.code.copy(self.places[1], self.places[0], self.type)
            return
        e = self.code.e
        after, spare = e.load(self.slots[1]), e.load(self.slots[2])
        for value, slot in zip((after, spare, after), self.slots):
            e.store(value, slot)


class _LoopCode:
    def __init__(self, code: ControlStep) -> None:
        self.code, self.e, self.node = code, code.e, code.step.node
        self.loop = Loop.of(self.node)
        self.p = self.loop.params
        self.body, *rest = code.calls
        self.cond = rest[0] if rest else None
        self.index, self.counter = self.e.stack(INT64, 1), self.e.stack(INT64, 1)
        self.holds = self.e.stack(BOOL, 1)
        self.states = [_State(code, k, x) for k, x in enumerate(self.loop.init)]
        self.captured = [code.address(x) for x in self.loop.captured]
        self.results = items(self.node)

    def emit(self) -> None:
        e = self.e
        xs = [self._elements(x) for x in self.loop.xs]
        ys = self.results[self.p.states : self.p.states + self.loop.ys]
        count = self._count()
        for y in ys:
            if isinstance(y.type, Stack) and count is not None:
                size = self.code.bytes_of(self.loop.element(y.type))
                self._grow(self.code.address(y), e.const(0, INT64), e.mul(count, size))
        for state in self.states:
            state.start()
        e.store(e.const(0, INT64), self.counter)
        head, body, done = (e.new_label(stem) for stem in ("head", "body", "done"))
        e.jump(head)
        e.label(head)
        i = e.load(self.counter)
        e.branch(self._goes_on(i, count), body, done)
        e.label(body)
        self._iterate(i, count, xs, ys)
        e.jump(head)
        e.label(done)
        for state, result in zip(self.states, self.results):
            self.code.copy(state.now, self.code.address(result), state.type)
        if self.cond is not None:
            e.store(e.load(self.counter), self.code.locate(self.results[-1]))
        e.line("ret i64 0")

    def _count(self) -> Value | None:
        """How many iterations there are, if that is known by now."""
        if self.loop.count is not None:
            return self.e.load(self.code.locate(self.loop.count))
        trip = self.p.trip
        found = None if trip is None else self.code.value_of(trip)
        if not isinstance(found, int):
            return found
        return self._hidden(found) if self.p.whole else self.e.const(found, INT64)

    def _hidden(self, count: int) -> Value:
        """The count, not to be known by the optimiser: one iteration without a loop around it may round otherwise."""
        place = self.e.stack(INT64, 1)
        self.e.store(self.e.const(count, INT64), place)
        return self.e.assign(f"load volatile i64, ptr {place.text}", INT64)

    def _goes_on(self, i: Value, count: Value | None) -> Value:
        if count is not None:
            return self.e.lt(i, count)
        assert self.cond is not None
        states = [state.now for state in self.states]
        self._require(self.cond.run([*states, *self.captured, Value(self.holds.text, ADDRESS)]))
        return self.e.load(self.holds)

    def _iterate(self, i: Value, count: Value | None, xs: list[tuple[Value, Type]], ys: list[Node]) -> None:
        e = self.e
        if self.cond is not None:
            self._check(i)
        at = e.sub(e.sub(count, 1), i) if self.p.reverse and count is not None else i
        e.store(at, self.index)
        inputs = [Value(self.index.text, ADDRESS), *(state.now for state in self.states)]
        inputs += [self._along(x, type, at) for x, type in xs]
        outputs = [*(state.next for state in self.states), *(self._room(y, at) for y in ys)]
        self._require(self.body.run([*inputs, *self.captured, *outputs]))
        for state in self.states:
            state.advance()
        e.store(e.add(i, 1), self.counter)

    def _elements(self, x: Node) -> tuple[Value, Type]:
        """Where the elements of an argument start, and their type."""
        place = self.code.locate(x)
        start = self.e.load(Pointer(place.text, ADDRESS)) if isinstance(x.type, Stack) else Value(place.text, ADDRESS)
        return start, self.loop.element(x.typed)

    def _along(self, start: Value, type: Type, at: Value) -> Value:
        return Value(self.e.offset(Pointer(start.text, BYTE), self.e.mul(at, self.code.bytes_of(type))).text, ADDRESS)

    def _room(self, y: Node, at: Value) -> Value:
        """Where a y goes: its place in the array, or on the stack, which may have to grow."""
        element, place = self.loop.element(y.typed), self.code.address(y)
        if not isinstance(y.type, Stack):
            return self._along(place, element, at)
        e, size = self.e, self.code.bytes_of(element)
        if self.cond is not None:
            self._grow(place, e.mul(at, size), e.mul(e.add(at, 1), size))
        return self._along(e.load(Pointer(place.text, ADDRESS)), element, at)

    def _grow(self, stack: Value, used: Value, needed: Value) -> None:
        e = self.e

        def grow() -> None:
            self._require(e.call("graphc_grow", "i64", [stack, used, needed], INT64))

        e.when(e.gt(needed, e.load(e.member(stack, 8, INT64))), grow)

    def _check(self, i: Value) -> None:
        """Whether the loop may go on: it is not interrupted, and has not reached its limit."""
        e, p = self.e, self.p
        if p.limit is not None:
            status = e.const(FAILED + 1 + self.code.identity, INT64)
            self._require(e.select(e.ge(i, p.limit), status, e.const(0, INT64)))
        period = POLL // max(1, self.code.work)
        mask = (1 << max(0, period.bit_length() - 1)) - 1

        def poll() -> None:
            self._require(e.call("graphc_poll", "i64", [], INT64))

        e.when(e.eq(e.and_(i, mask), mask), poll)

    def _require(self, status: Value) -> None:
        """Go on if the status is 0, else return it."""
        e = self.e
        proceed, leave = e.new_label("ok"), e.new_label("leave")
        e.branch(e.eq(status, 0), proceed, leave)
        e.label(leave)
        e.line(f"ret i64 {status.text}")
        e.label(proceed)
