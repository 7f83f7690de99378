"""A kernel as LLVM IR: outer loops, then for each phase one loop of vectors along the lane axis.

Uniform values are computed once, at the depth of the deepest axis they depend on. Along the lane, the main
loop takes several vectors a round, so that independent instructions and accumulators hide latency; what is
left over is done under a mask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from graphc.codegen.emit import INT32, INT64, Emitter, Pointer, Value
from graphc.kernel.collapse import coefficient
from graphc.kernel.kernel import Kernel, Statement, buffer_of
from graphc.kernel.phases import Phase, Phases
from graphc.kernel.unroll import SHORT
from graphc.node import Literal, Node, Op, topological
from graphc.ops.scalar import FOLD, Guards
from graphc.types import Dim, Extent, Quotient, product, substitute

BLOCK = 128  # rounds whose sum is taken before it is added to the total
UNROLL_SERIAL = 8  # the longest fold that is written out instead of looped over
LARGE_BODY, MEDIUM_BODY = 48, 12  # values a lane above which a round takes one vector, or two; else four

Axes = Mapping[str, "Value | int"]


@dataclass
class Lanes:
    """Where along the lane axis one vector is: its first index, its width, its mask and its values so far."""

    start: Value | int
    width: int
    mask: Value | None
    axes: dict[str, Value | int]
    values: dict[Node, Value] = field(default_factory=dict)
    records: dict[tuple[Pointer, Extent], Value] = field(default_factory=dict)


def emit_kernel(
    e: Emitter,
    kernel: Kernel,
    phases: Phases,
    pointer: Callable[[Node], Pointer],
    row_buffer: Callable[[Node], Pointer],
    extents: Mapping[str, Value],
) -> None:
    """Append the kernel's loops; `pointer` finds a buffer, `extents` are the values of named dimensions."""
    _Nest(e, kernel, phases, pointer, row_buffer, extents).emit()


class _Nest:
    def __init__(
        self,
        e: Emitter,
        kernel: Kernel,
        phases: Phases,
        pointer: Callable[[Node], Pointer],
        row_buffer: Callable[[Node], Pointer],
        extents: Mapping[str, Value],
    ) -> None:
        self.e = e
        self.kernel = kernel
        self.phases = phases.phases
        self.kept = frozenset(phases.kept)
        self.free = kernel.free_axes
        self.outer = kernel.axes[:-1]
        self.lane = kernel.lane
        self.lane_name = kernel.lane.name if kernel.lane else ""
        self.axes: dict[str, Value | int] = dict(extents)
        self.values: dict[Node, Value] = {}  # uniform values
        buffers = dict.fromkeys((*kernel.reads(), *kernel.writes()))
        self.pointers = {buffer: pointer(buffer) for buffer in buffers}
        self.rows = {node: row_buffer(node) for node in phases.kept}
        self.width = self._choose_width()

    def emit(self) -> None:
        for statement in self.kernel.statements:
            if statement.reduction is not None:
                self._fill(statement)
        self._outer(0)

    # -- the loops around a row -----------------------------------------------------------------

    def _outer(self, depth: int) -> None:
        """Open the loop of one outer axis, after what is known before it."""
        saved = dict(self.values)
        self._compute_uniform(n for n in self.phases[0].uniform if self._depth(n) == depth)
        if depth == len(self.outer):
            self._row()
        else:
            axis = self.outer[depth]

            def body(i: Value, _: list[Value]) -> list[Value]:
                self.axes[axis.name] = i
                self._outer(depth + 1)
                return []

            self.e.loop(0, self.extent(axis.extent), 1, [], body)
        self.values = saved

    def _depth(self, node: Node) -> int:
        return max((k + 1 for k, axis in enumerate(self.outer) if axis.name in self.free[node]), default=0)

    def _row(self) -> None:
        for number, phase in enumerate(self.phases):
            if number:
                self._compute_uniform(phase.uniform)
            for statement in phase.row_statements:
                self._write(statement, self._uniform_lanes())
            if phase.varying or phase.statements or phase.folds:
                self._pass(phase)

    def _compute_uniform(self, nodes: Iterable[Node]) -> None:
        here = self._uniform_lanes()
        for node in nodes:
            if node not in self.values:
                self.values[node] = self._value(node, here)

    def _uniform_lanes(self) -> Lanes:
        return Lanes(0, 1, None, self.axes, self.values)

    # -- one pass along the lane -----------------------------------------------------------------

    def _pass(self, phase: Phase) -> None:
        assert self.lane is not None
        e, extent, width = self.e, self.extent(self.lane.extent), self.width
        uniform = self._splat_uniform(phase)
        unroll = self._unroll(phase, extent, width)
        stride = width * unroll
        start = [self._identity(fold, width) for fold in phase.folds]

        def full(i: Value, held: list[Value]) -> list[Value]:
            after: list[list[Value]] = []
            for k in range(unroll):
                at = self._lanes(e.add(i, k * width) if k else i, None, uniform)
                after.append(self._step(phase, at, held[k :: unroll]))
            return [after[k][f] for f in range(len(phase.folds)) for k in range(unroll)]

        def rest(i: Value, held: list[Value]) -> list[Value]:
            left = e.sub(extent, i) if isinstance(extent, Value) else e.sub(e.const(extent, INT64), i)
            return self._step(phase, self._lanes(i, self._first_lanes(left), uniform), held)

        whole = self._whole(extent, stride)
        held = self._in_blocks(phase, whole, stride, [s for s in start for _ in range(unroll)], full)
        held = [
            self._combine(fold, held[f * unroll : (f + 1) * unroll]) for f, fold in enumerate(phase.folds)
        ]
        if not (isinstance(extent, int) and isinstance(whole, int) and extent == whole):
            held = e.loop(whole, extent, width, held, rest)
        for fold, vector in zip(phase.folds, held, strict=True):
            self.values[fold] = self._reduce_lanes(fold, vector)

    def _in_blocks(
        self, phase: Phase, whole: Value | int, stride: int, start: list[Value], body: Callable[..., list[Value]]
    ) -> list[Value]:
        """The main loop. Long sums are taken in blocks whose sums are added up: rounding errors do not pile up."""
        span, e = stride * BLOCK, self.e
        if not phase.folds or (isinstance(whole, int) and whole <= span):
            return e.loop(0, whole, stride, start, body)
        folds = [fold for fold in phase.folds for _ in range(len(start) // len(phase.folds))]

        def block(i: Value, totals: list[Value]) -> list[Value]:
            stop = e.minimum(e.add(i, span), whole)
            sums = e.loop(i, stop, stride, start, body)
            return [self._fold_pair(f, a, b) for f, a, b in zip(folds, totals, sums, strict=True)]

        return e.loop(0, whole, span, start, block)

    def _whole(self, extent: Value | int, stride: int) -> Value | int:
        """How much of the lane the unmasked loop covers."""
        if isinstance(extent, int):
            return extent - extent % stride
        return self.e.sub(extent, self.e.rem(extent, stride))

    def _unroll(self, phase: Phase, extent: Value | int, width: int) -> int:
        size = sum(20 if n.op.transcendental else 1 for n in phase.varying) + 2 * len(phase.statements)
        most = 1 if size > LARGE_BODY else 2 if size > MEDIUM_BODY else 4
        return max(1, min(most, extent // width)) if isinstance(extent, int) else most

    def _choose_width(self) -> int:
        """As many lanes as fill a vector with the narrowest numbers computed with."""
        varying = [n for phase in self.phases for n in phase.varying] or [s.value for s in self.kernel.statements]
        sizes = [n.dtype.itemsize for n in varying if n.op.kind != "kernel" or n.op.name == "load"] or [8]
        numbers = [s for s in sizes if s > 1] or sizes
        width = self.e.target.vector_bytes // min(numbers)
        extent = self.lane.extent if self.lane else 1
        while isinstance(extent, int) and width >= 2 * extent and width > 2:
            width //= 2
        return width

    def _lanes(self, start: Value, mask: Value | None, uniform: dict[Node, Value]) -> Lanes:
        return Lanes(start, self.width, mask, {**self.axes, self.lane_name: start}, dict(uniform))

    def _first_lanes(self, count: Value) -> Value:
        """The mask of the first so many lanes."""
        e, width = self.e, self.width
        bounded = e.convert(e.minimum(e.maximum(count, 0), width), INT32)
        return e.lt(e.lane_numbers(width, INT32), bounded)

    def _splat_uniform(self, phase: Phase) -> dict[Node, Value]:
        """Uniform values that the pass reads, as vectors made before the loop."""
        read = dict.fromkeys(arg for n in phase.varying for arg in n.args)
        read |= dict.fromkeys(s.value for s in phase.statements)
        read |= dict.fromkeys(n.args[0] for n in phase.folds)
        known = {node: self.values[node] for node in read if node in self.values}
        return {node: self.e.splat(value, self.width) for node, value in known.items()}

    def _step(self, phase: Phase, at: Lanes, held: Sequence[Value]) -> list[Value]:
        """What one vector does in one phase; the accumulators after it."""
        for node in phase.varying:
            if self._is_serial(node):
                continue
            at.values[node] = self._value(node, at)
        for node in phase.keeps:
            self.e.store(at.values[node], self.e.offset(self.rows[node], at.start), at.mask)
        for group in self._grouped(phase.statements):
            if len(group) > 1:
                self._write_records(group, at)
            else:
                self._write(group[0], at)
        return [self._accumulate(fold, acc, at) for fold, acc in zip(phase.folds, held, strict=True)]

    # -- values ---------------------------------------------------------------------------------

    def _value(self, node: Node, at: Lanes) -> Value:
        """One scalar node at these lanes; its arguments are there already."""
        match node.op.name:
            case "const":
                literal = node.params[0]
                assert isinstance(literal, Literal)
                return self.e.const(literal.array[()], node.dtype)
            case "load":
                return self._load(node, at)
            case "index":
                return self._index(node.params[0], at)  # type: ignore[arg-type]
            case "inside":
                return self._guard(node.params[0], at)  # type: ignore[arg-type]
            case "fold":
                return self._serial_fold(node, at)
            case _:
                assert node.op.element is not None
                return node.op.element(self.e, *(self._argument(arg, at) for arg in node.args), *node.params)

    def _argument(self, node: Node, at: Lanes) -> Value:
        found = at.values.get(node)
        if found is None:
            found = self._read_row(node, at) if node in self.kept else self._value(node, at)
            at.values[node] = found
        return found

    def _read_row(self, node: Node, at: Lanes) -> Value:
        return self.e.load(self.e.offset(self.rows[node], at.start), at.width, at.mask)

    def _is_serial(self, node: Node) -> bool:
        return any(axis.startswith("@s") for axis in self.free[node])

    def _serial_fold(self, fold: Node, at: Lanes) -> Value:
        """A fold over an axis that is no loop of the kernel: a loop of its own, around one vector."""
        (body,), (reduction, name, extent) = fold.args, fold.params
        assert isinstance(name, str) and isinstance(reduction, Op)
        inner = [n for n in topological([body]) if name in self.free[n]]
        for node in dict.fromkeys(arg for n in inner for arg in n.args if name not in self.free[arg]):
            self._argument(node, at)

        def body_at(i: Value | int, held: Sequence[Value]) -> list[Value]:
            here = Lanes(at.start, at.width, at.mask, {**at.axes, name: i}, dict(at.values))
            for node in inner:
                if not self._is_deeper(node, here):
                    here.values[node] = self._value(node, here)
            return [reduction.element(self.e, held[0], self._argument(body, here))]  # type: ignore[misc]

        lanes = at.width if self.lane_name in self.free[fold] else 1
        held = [self._identity(fold, lanes)]
        count = self.extent(extent)  # type: ignore[arg-type]
        if isinstance(count, int) and count <= UNROLL_SERIAL:
            for i in range(count):
                held = body_at(i, held)
            return held[0]
        return self.e.loop(0, count, 1, held, lambda i, held: body_at(i, held))[0]

    def _is_deeper(self, node: Node, at: Lanes) -> bool:
        """Whether it belongs to a fold inside this one."""
        return any(axis.startswith("@s") and axis not in at.axes for axis in self.free[node])

    # -- folds ----------------------------------------------------------------------------------

    def _identity(self, fold: Node, lanes: int) -> Value:
        op = fold.params[0]
        assert isinstance(op, Op) and op.identity is not None
        return self.e.splat(self.e.const(op.identity(fold.dtype), fold.dtype), lanes)

    def _accumulate(self, fold: Node, held: Value, at: Lanes) -> Value:
        value = self._argument(fold.args[0], at)
        after = self._fold_pair(fold, held, value)
        return after if at.mask is None else self.e.select(at.mask, after, held)

    def _fold_pair(self, fold: Node, a: Value, b: Value) -> Value:
        op = fold.params[0]
        assert isinstance(op, Op) and op.element is not None
        return op.element(self.e, a, b)

    def _combine(self, fold: Node, parts: Sequence[Value]) -> Value:
        """The accumulators of one round, pairwise."""
        while len(parts) > 1:
            parts = [self._fold_pair(fold, *parts[k : k + 2]) if k + 1 < len(parts) else parts[k] for k in range(0, len(parts), 2)]
        return parts[0]

    def _reduce_lanes(self, fold: Node, vector: Value) -> Value:
        """The lanes of an accumulator, halves on halves."""
        lanes = vector.lanes
        while lanes > 1:
            lanes //= 2
            low = self.e.shuffle(vector, vector, range(lanes))
            high = self.e.shuffle(vector, vector, range(lanes, 2 * lanes))
            if lanes == 1:
                low, high = self.e.extract(vector, 0), self.e.extract(vector, 1)
            vector = self._fold_pair(fold, low, high)
        return vector

    # -- memory ---------------------------------------------------------------------------------

    def _load(self, node: Node, at: Lanes) -> Value:
        pointer, index, guards = self.pointers[buffer_of(node)], node.params[2], node.params[3]
        assert isinstance(index, int | Dim)
        if at.width == 1 or self.lane_name not in self.free[node]:
            return self._load_one(pointer, index, guards, at)  # type: ignore[arg-type]
        mask = self._both(at.mask, self._guard(guards, at) if guards else None)  # type: ignore[arg-type]
        step = coefficient(index, self.lane_name)
        if step == 1:
            return self.e.load(self._row_pointer(pointer, index, at), at.width, mask)
        if (place := self._interleaved(buffer_of(node), index)) is not None and not guards:
            return self._load_every(pointer, index - place, int(step), place, at)  # type: ignore[arg-type]
        return self.e.gather(pointer, self._index(index, at), mask)

    def _interleaved(self, buffer: Node, index: Extent) -> int | None:
        """The place of an element inside its record, if lanes walk over all of a buffer of short records."""
        step = coefficient(index, self.lane_name)
        if self.lane is None or not isinstance(step, int) or not 1 < step <= SHORT or not isinstance(index, Dim):
            return None
        place = dict(index.terms).get((), 0)
        walked = [axis.extent for axis in self.kernel.axes if axis.name in index.symbols()]
        return place if 0 <= place < step and buffer.size == step * product(walked) else None

    def _load_every(self, pointer: Pointer, index: Extent, step: int, place: int, at: Lanes) -> Value:
        """Whole records, loaded once, of which each lane takes one element."""
        key = (pointer, index)
        if key not in at.records:
            mask = None if at.mask is None else self._repeated(at.mask, step)
            row = self.e.offset(pointer, self.evaluate(substitute(index, {self.lane_name: 0}), at.axes))
            start = self.e.mul(self._as_value(at.start), step)
            at.records[key] = self.e.load(self.e.offset(row, start), at.width * step, mask)
        wide = at.records[key]
        return self.e.shuffle(wide, wide, [place + step * k for k in range(at.width)])

    def _repeated(self, mask: Value, times: int) -> Value:
        return self.e.shuffle(mask, mask, [k // times for k in range(mask.lanes * times)])

    def _write_records(self, statements: Sequence[Statement], at: Lanes) -> None:
        """Statements that fill whole records, one place each, as one vector."""
        first, step = statements[0], len(statements)
        pointer = self.pointers[first.buffer]
        parts = [self.e.splat(self._argument(s.value, at), at.width) for s in statements]
        parts = [self.e.convert(x, np.dtype(np.uint8)) if x.dtype.kind == "b" else x for x in parts]
        wide = self._concatenated(parts)
        order = [(k % step) * at.width + k // step for k in range(step * at.width)]
        records = self.e.shuffle(wide, wide, order)
        mask = None if at.mask is None else self._repeated(at.mask, step)
        row = self.e.offset(pointer, self.evaluate(substitute(first.index, {self.lane_name: 0}), at.axes))
        self.e.store(records, self.e.offset(row, self.e.mul(self._as_value(at.start), step)), mask)

    def _concatenated(self, parts: Sequence[Value]) -> Value:
        """One vector of all parts' lanes, in order; what fills up to a power of two is of no account."""
        while len(parts) > 1:
            pairs = [(parts[k], parts[min(k + 1, len(parts) - 1)]) for k in range(0, len(parts), 2)]
            parts = [self.e.shuffle(a, b, range(2 * a.lanes)) for a, b in pairs]
        return parts[0]

    def _grouped(self, statements: Sequence[Statement]) -> Iterator[Sequence[Statement]]:
        """Statements one by one, or together where they fill whole records."""
        k = 0
        while k < len(statements):
            step = coefficient(statements[k].index, self.lane_name)
            group = statements[k : k + step] if isinstance(step, int) and step > 1 else statements[k : k + 1]
            together = len(group) == step and all(
                s.buffer is group[0].buffer and s.reduction is None and self._interleaved(s.buffer, s.index) == place
                for place, s in enumerate(group)
            )
            yield group if together else group[:1]
            k += len(group) if together else 1

    def _load_one(self, pointer: Pointer, index: Extent, guards: Guards, at: Lanes) -> Value:
        read = lambda: self.e.load(self.e.offset(pointer, self.evaluate(index, at.axes)))  # noqa: E731
        if not guards:
            return read()
        allowed = self._guard(guards, at)
        zero = self.e.const(0, pointer.dtype)
        return self.e.if_else(allowed, lambda: [read()], lambda: [zero])[0]

    def _row_pointer(self, pointer: Pointer, index: Extent, at: Lanes) -> Pointer:
        """The address of the first lane: the row's, known before the loop, and the lane's."""
        row = self.e.offset(pointer, self.evaluate(substitute(index, {self.lane_name: 0}), at.axes))
        return self.e.offset(row, at.start)

    def _write(self, statement: Statement, at: Lanes) -> None:
        pointer, index = self.pointers[statement.buffer], statement.index
        value = self._argument(statement.value, at)
        step = coefficient(index, self.lane_name) if at.width > 1 else 1
        indices = self._index(index, at) if step != 1 else None
        address = pointer if indices else self._address(pointer, index, at)
        if statement.reduction is not None:
            assert statement.reduction.element is not None
            old = self.e.gather(pointer, indices, at.mask) if indices else self.e.load(address, at.width, at.mask)
            value = statement.reduction.element(self.e, old, value)
        if indices:
            self.e.scatter(value, pointer, indices, at.mask)
        else:
            self.e.store(self.e.splat(value, at.width), address, at.mask)

    def _address(self, pointer: Pointer, index: Extent, at: Lanes) -> Pointer:
        if at.width > 1:
            return self._row_pointer(pointer, index, at)
        return self.e.offset(pointer, self.evaluate(index, at.axes))

    def _fill(self, statement: Statement) -> None:
        """Start an accumulated buffer from the identity of its reduction."""
        buffer, op = statement.buffer, statement.reduction
        assert op is not None and op.identity is not None
        pointer, count, width = self.pointers[buffer], self.extent(buffer.size), self.width
        start = self.e.const(op.identity(buffer.dtype), buffer.dtype)

        def wide(i: Value, _: list[Value]) -> list[Value]:
            self.e.store(self.e.splat(start, width), self.e.offset(pointer, i))
            return []

        def single(i: Value, _: list[Value]) -> list[Value]:
            self.e.store(start, self.e.offset(pointer, i))
            return []

        whole = self._whole(count, width)
        self.e.loop(0, whole, width, [], wide)
        self.e.loop(whole, count, 1, [], single)

    # -- indices --------------------------------------------------------------------------------

    def extent(self, extent: Extent) -> Value | int:
        return self.evaluate(extent, self.axes)

    def _index(self, index: Extent, at: Lanes) -> Value:
        """An index at each lane, as int64."""
        e = self.e
        step = coefficient(index, self.lane_name) if at.width > 1 else 0
        if step is None:
            numbers = e.add(e.splat(self._as_value(at.start), at.width), e.lane_numbers(at.width))
            return e.splat(self._as_value(self.evaluate(index, {**at.axes, self.lane_name: numbers})), at.width)
        first = self._as_value(self.evaluate(index, at.axes))
        if step == 0:
            return first
        return e.add(first, e.mul(e.lane_numbers(at.width), self.evaluate(step, at.axes)))

    def _guard(self, guards: Guards, at: Lanes) -> Value:
        """The lanes where every guard holds."""
        held: Value | None = None
        for index, low, high in guards:
            held = self._both(held, self._one_guard(index, low, high, at))
        assert held is not None
        return held

    def _one_guard(self, index: Extent, low: Extent, high: Extent, at: Lanes) -> Value:
        e = self.e
        step = coefficient(index, self.lane_name) if at.width > 1 else 0
        if step == 1:  # lanes from `first` up to `last`, compared as small numbers
            start = self._as_value(self.evaluate(index, at.axes))
            first = self._clamped(e.sub(self._as_value(self.evaluate(low, at.axes)), start), at.width)
            last = self._clamped(e.sub(self._as_value(self.evaluate(high, at.axes)), start), at.width)
            numbers = e.lane_numbers(at.width, INT32)
            return e.and_(e.ge(numbers, first), e.lt(numbers, last))
        value = self._index(index, at)
        bounds = [self._as_value(self.evaluate(bound, at.axes)) for bound in (low, high)]
        return e.and_(e.ge(value, bounds[0]), e.lt(value, bounds[1]))

    def _clamped(self, count: Value, width: int) -> Value:
        return self.e.convert(self.e.minimum(self.e.maximum(count, 0), width), INT32)

    def _both(self, a: Value | None, b: Value | None) -> Value | None:
        return a if b is None else b if a is None else self.e.and_(a, b)

    def _as_value(self, number: Value | int) -> Value:
        return number if isinstance(number, Value) else self.e.const(number, INT64)

    def evaluate(self, extent: Extent, axes: Axes) -> Value | int:
        """An index polynomial, given the values of its symbols; an int where all is known."""
        if not isinstance(extent, Dim):
            return extent
        total: Value | int = 0
        for monomial, c in extent.terms:
            factors = [self._quotient(a, axes) if isinstance(a, Quotient) else axes[a] for a in monomial]
            total = self._plus(total, self._times([c, *factors]))
        return total

    def _quotient(self, quotient: Quotient, axes: Axes) -> Value | int:
        a, b = self.evaluate(quotient.dividend, axes), self.evaluate(quotient.divisor, axes)
        if isinstance(a, int) and isinstance(b, int):
            return a // b
        return self._floor_div(self._as_value(a), self._as_value(b))

    def _floor_div(self, a: Value, b: Value) -> Value:
        """Rounded down; divisors are positive."""
        e = self.e
        quotient, rest = e.div(a, b), e.rem(a, b)
        return e.sub(quotient, e.select(e.lt(rest, 0), e.const(1, INT64), e.const(0, INT64)))

    def _times(self, factors: Sequence[Value | int]) -> Value | int:
        number = product(f for f in factors if isinstance(f, int))
        assert isinstance(number, int)
        values = [f for f in factors if isinstance(f, Value)]
        if not values or number == 0:
            return number
        result = values[0]
        for value in values[1:]:
            result = self.e.mul(result, value)
        return result if number == 1 else self.e.mul(result, number)

    def _plus(self, a: Value | int, b: Value | int) -> Value | int:
        if isinstance(a, int) and isinstance(b, int):
            return a + b
        if isinstance(a, int):
            a, b = b, a
        return a if isinstance(b, int) and b == 0 else self.e.add(a, b)
