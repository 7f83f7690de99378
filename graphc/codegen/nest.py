"""A kernel as LLVM IR: outer loops, then for each phase one loop of vectors along the lane axis.

Uniform values are computed once, at the depth of the deepest axis they depend on. Along the lane, the main
loop takes several vectors a round, so that independent instructions and accumulators hide latency; what is
left over is done under a mask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from graphc.codegen.access import Access
from graphc.codegen.emit import INT64, Emitter, Pointer, Value
from graphc.codegen.indices import Indices, Lanes
from graphc.codegen.parallel import Span
from graphc.kernel.collapse import coefficient
from graphc.kernel.kernel import Axis, Kernel, Statement
from graphc.kernel.phases import Phase, Phases
from graphc.node import Literal, Node, Op
from graphc.types import DType, Extent

BLOCK = 128  # rounds whose sum is taken before it is added to the total
SHORT_ROW = 64  # the longest row whose rest is written out in shorter and shorter vectors
LARGE_BODY, MEDIUM_BODY = 48, 12  # values a lane above which a round takes one vector, or two; else four


class Nest:
    """The loops of one kernel, in the making."""

    def __init__(
        self,
        e: Emitter,
        kernel: Kernel,
        phases: Phases,
        pointer: Callable[[Node], Pointer],
        row_buffer: Callable[[Node], Pointer],
        extents: Mapping[str, Value],
        span: Span | None = None,
    ) -> None:
        """The whole of it, or that from one index of the outermost axis up to another."""
        self.e = e
        self.kernel = kernel
        self.phases = phases.phases
        self.free = kernel.free_axes
        self.outer = kernel.axes[:-1]
        self.lane = kernel.lane
        self.lane_name = kernel.lane.name if kernel.lane else ""
        self.span = span
        self.axes: dict[str, Value | int] = dict(extents)
        self.values: dict[Node, Value] = {}  # uniform values
        self.indices = Indices(e, self.lane_name)
        buffers = dict.fromkeys((*kernel.reads(), *kernel.writes()))
        pointers = {buffer: pointer(buffer) for buffer in buffers}
        self.access = Access(e, kernel, self.indices, pointers, self.at_places)
        self.rows = {node: row_buffer(node) for node in phases.kept}
        self.width = self._choose_width()

    def emit(self) -> None:
        for statement in self.kernel.statements:
            if statement.reduction is not None:
                self._fill(statement, statement.reduction)
        self._outer(0)

    def _extent(self, extent: Extent) -> Value | int:
        return self.indices.evaluate(extent, self.axes)

    def _range(self, axis: Axis) -> tuple[Value | int, Value | int]:
        """Where the loop of an axis starts and stops."""
        return self.span if self.span and axis is self.kernel.axes[0] else (0, self._extent(axis.extent))

    # -- the loops around a row -----------------------------------------------------------------

    def _outer(self, depth: int) -> None:
        """Open the loop of one outer axis, after what is known before it."""
        saved = dict(self.values)
        self._compute_uniform(n for n in self.phases[0].uniform if self._depth(n) == depth)
        if depth == len(self.outer):
            self._row()
        else:
            self._loop(depth)
        self.values = saved

    def _loop(self, depth: int) -> None:
        axis = self.outer[depth]

        def body(i: Value, _: list[Value]) -> list[Value]:
            self.axes[axis.name] = i
            self._outer(depth + 1)
            return []

        self.e.loop(*self._range(axis), 1, [], body)

    def _depth(self, node: Node) -> int:
        return max((k + 1 for k, axis in enumerate(self.outer) if axis.name in self.free[node]), default=0)

    def _row(self) -> None:
        for number, phase in enumerate(self.phases):
            if number:
                self._compute_uniform(phase.uniform)
            here = self._one_lane()
            for statement in phase.row_statements:
                self.access.write(statement, self._argument(statement.value, here), here)
            if phase.varying or phase.statements or phase.folds:
                self._pass(phase)

    def _compute_uniform(self, nodes: Iterable[Node]) -> None:
        here = self._one_lane()
        for node in nodes:
            if node not in self.values:
                self.values[node] = self._value(node, here)

    def _one_lane(self) -> Lanes:
        return Lanes(0, 1, None, self.axes, self.values)

    # -- one pass along the lane -----------------------------------------------------------------

    def _pass(self, phase: Phase) -> None:
        assert self.lane is not None
        e, (first, last), width = self.e, self._range(self.lane), self.width
        uniform = self._splat_uniform(phase, width)
        unroll = self._unroll(phase, last, width)
        start = [self._identity(fold, width) for fold in phase.folds for _ in range(unroll)]

        def full(i: Value, held: list[Value]) -> list[Value]:
            after = [
                self._step(phase, self._vector(e.add(i, k * width), None, uniform), held[k::unroll])
                for k in range(unroll)
            ]
            return [vectors[f] for f in range(len(phase.folds)) for vectors in after]

        def rest(i: Value, held: list[Value]) -> list[Value]:
            mask = self.indices.first_lanes(e.sub(self.indices.number(last), i), width)
            return self._step(phase, self._vector(i, mask, uniform), held)

        whole = self._whole(first, last, width * unroll)
        held = self._in_blocks(phase, first, whole, width * unroll, start, full)
        held = [
            self._combine(reduction_of(fold), held[f * unroll : (f + 1) * unroll]) for f, fold in enumerate(phase.folds)
        ]
        if isinstance(whole, int) and isinstance(last, int) and last <= SHORT_ROW and _size(phase) <= MEDIUM_BODY:
            held = self._pieces(phase, whole, last, held)
        elif whole is not last and whole != last:
            held = e.loop(whole, last, width, held, rest)
        for fold, vector in zip(phase.folds, held, strict=True):
            self.values[fold] = self._reduce_lanes(reduction_of(fold), vector)

    def _pieces(self, phase: Phase, start: int, stop: int, held: list[Value]) -> list[Value]:
        """What is left of a short row, in vectors of just its length: no masks, and nothing that memory must hold."""
        while start < stop:
            width = min(self.width, 1 << ((stop - start).bit_length() - 1))
            first = self.e.const(start, INT64)
            at = Lanes(first, width, None, {**self.axes, self.lane_name: first}, self._splat_uniform(phase, width))
            held = self._step(phase, at, held)
            start += width
        return held

    def _in_blocks(
        self,
        phase: Phase,
        first: Value | int,
        whole: Value | int,
        stride: int,
        start: list[Value],
        body: Callable[..., list[Value]],
    ) -> list[Value]:
        """The main loop. Long sums are taken in blocks whose sums are added up: rounding errors do not pile up."""
        span, e = stride * BLOCK, self.e
        if not phase.folds or (isinstance(whole, int) and whole <= span):
            return e.loop(first, whole, stride, start, body)
        folds = [fold for fold in phase.folds for _ in range(len(start) // len(phase.folds))]

        def block(i: Value, totals: list[Value]) -> list[Value]:
            stop = e.minimum(e.add(i, span), whole)
            sums = e.loop(i, stop, stride, start, body)
            return [self._pair(reduction_of(f), a, b) for f, a, b in zip(folds, totals, sums, strict=True)]

        return e.loop(first, whole, span, start, block)

    def _whole(self, first: Value | int, last: Value | int, stride: int) -> Value | int:
        """Where the unmasked loop stops."""
        if isinstance(last, int):
            return last - last % stride
        return self.e.sub(last, self.e.rem(self.e.sub(last, first) if isinstance(first, Value) else last, stride))

    def _unroll(self, phase: Phase, last: Value | int, width: int) -> int:
        size = _size(phase)
        most = 1 if size > LARGE_BODY else 2 if size > MEDIUM_BODY else 4
        return max(1, min(most, last // width)) if isinstance(last, int) else most

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

    def _vector(self, start: Value, mask: Value | None, uniform: dict[Node, Value]) -> Lanes:
        return Lanes(start, self.width, mask, {**self.axes, self.lane_name: start}, dict(uniform))

    def _splat_uniform(self, phase: Phase, width: int) -> dict[Node, Value]:
        """Uniform values that the pass reads, as vectors made before the loop."""
        read = [node for node in uniform_reads(phase) if node in self.values]
        return {node: self.e.splat(self.values[node], width) for node in read}

    def _step(self, phase: Phase, at: Lanes, held: Sequence[Value]) -> list[Value]:
        """What one vector does in one phase; the accumulators after it."""
        for node in phase.varying:
            at.values[node] = self._value(node, at)
        for node in phase.keeps:
            self.e.store(at.values[node], self.e.offset(self.rows[node], at.start), at.mask)
        self.access.write_all(phase.statements, [self._argument(s.value, at) for s in phase.statements], at)
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
                return self.access.load(node, at)
            case "index":
                return self.indices.along(node.params[0], self.at_places(node.args, at))  # type: ignore[arg-type]
            case "inside":
                return self.indices.guard(node.params[0], self.at_places(node.args, at))  # type: ignore[arg-type]
            case _:
                assert node.op.element is not None
                return node.op.element(self.e, *(self._argument(arg, at) for arg in node.args), *node.params)

    def at_places(self, places: Sequence[Node], at: Lanes) -> Lanes:
        """The same lanes, the computed parts of an index known; what is uniform as one number."""
        if not places:
            return at
        found = [self.values.get(place) or self._argument(place, at) for place in places]
        return replace(at, axes={**at.axes, **{f"${k}": value for k, value in enumerate(found)}})

    def _argument(self, node: Node, at: Lanes) -> Value:
        found = at.values.get(node)
        if found is None:
            found = self._read_row(node, at) if node in self.rows else self._value(node, at)
            at.values[node] = found
        return found

    def _read_row(self, node: Node, at: Lanes) -> Value:
        return self.e.load(self.e.offset(self.rows[node], at.start), at.width, at.mask)

    # -- folds ----------------------------------------------------------------------------------

    def _identity(self, fold: Node, lanes: int) -> Value:
        return self.e.splat(self.e.const(identity(reduction_of(fold), fold.dtype), fold.dtype), lanes)

    def _accumulate(self, fold: Node, held: Value, at: Lanes) -> Value:
        value = self._argument(fold.args[0], at)
        if at.width < held.lanes:
            value = self._widened(value, self._identity(fold, held.lanes), at.width)
        after = self._pair(reduction_of(fold), held, value)
        return after if at.mask is None else self.e.select(at.mask, after, held)

    def _widened(self, value: Value, identity: Value, width: int) -> Value:
        """The first so many lanes of a value, and the identity in all others."""
        e, lanes = self.e, identity.lanes
        if width == 1:
            return e.select(e.eq(e.lane_numbers(lanes), 0), e.splat(value, lanes), identity)
        value = e.splat(value, width)
        wide = e.shuffle(value, value, [min(k, width) for k in range(lanes)])
        return e.shuffle(wide, identity, [k if k < width else lanes for k in range(lanes)])

    def _pair(self, reduction: Op, a: Value, b: Value) -> Value:
        assert reduction.element is not None
        return reduction.element(self.e, a, b)

    def _combine(self, reduction: Op, parts: Sequence[Value]) -> Value:
        """The accumulators of one round, pairwise."""
        while len(parts) > 1:
            pairs = [parts[k : k + 2] for k in range(0, len(parts), 2)]
            parts = [self._pair(reduction, *pair) if len(pair) == 2 else pair[0] for pair in pairs]
        return parts[0]

    def _reduce_lanes(self, reduction: Op, vector: Value) -> Value:
        """The lanes of an accumulator, halves on halves."""
        e = self.e
        while vector.lanes > 2:
            half = vector.lanes // 2
            low, high = e.shuffle(vector, vector, range(half)), e.shuffle(vector, vector, range(half, 2 * half))
            vector = self._pair(reduction, low, high)
        return self._pair(reduction, e.extract(vector, 0), e.extract(vector, 1)) if vector.lanes == 2 else vector

    def _fill(self, statement: Statement, reduction: Op) -> None:
        """Start an accumulated buffer, or this part of it, from the identity of its reduction."""
        e, buffer, width = self.e, statement.buffer, self.width
        pointer, (first, last) = self.access.pointers[buffer], self._filled(statement)
        start = e.const(identity(reduction, buffer.dtype), buffer.dtype)

        def fill(lanes: int) -> Callable[[Value, list[Value]], list[Value]]:
            def body(i: Value, held: list[Value]) -> list[Value]:
                e.store(e.splat(start, lanes), e.offset(pointer, i))
                return held

            return body

        whole = self._whole(first, last, width)
        e.loop(first, whole, width, [], fill(width))
        e.loop(whole, last, 1, [], fill(1))

    def _filled(self, statement: Statement) -> tuple[Value | int, Value | int]:
        """From which element to which."""
        if self.span is None or not (step := coefficient(statement.index, self.kernel.axes[0].name)):
            return 0, self._extent(statement.buffer.size)
        first, last = (self.e.mul(bound, self._extent(step)) for bound in self.span)
        return first, last


def uniform_reads(phase: Phase) -> Iterable[Node]:
    """What a pass reads beside what it computes."""
    read = [arg for n in (*phase.varying, *phase.folds) for arg in n.args]
    return dict.fromkeys([*read, *(x for s in phase.statements for x in s.operands)])


def reduction_of(fold: Node) -> Op:
    reduction = fold.params[0]
    assert isinstance(reduction, Op)
    return reduction


def identity(reduction: Op, dtype: DType) -> object:
    assert reduction.identity is not None
    return reduction.identity(dtype)


def _size(phase: Phase) -> int:
    """About how many instructions one vector takes."""
    return sum(20 if n.op.transcendental else 1 for n in phase.varying) + 2 * len(phase.statements)
