"""A step in parts: the functions of its parts, and that which has them run and puts together what they reduced."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from graphc.codegen.emit import ADDRESS, Emitter, Pointer, Value
from graphc.codegen.lanes import LaneNest
from graphc.codegen.parallel import ALL, NUMBER, SPAN, run_parts
from graphc.codegen.step import ATTRIBUTES, PARAMETERS, StepCode
from graphc.kernel.chunks import Reduced, reduced
from graphc.kernel.kernel import Kernel
from graphc.kernel.program import Program
from graphc.node import Node
from graphc.ops.scalar import FOLD


def emit_parts(e: Emitter, program: Program, number: int, name: str, integer: np.dtype) -> None:
    """Append the code of a step that is cut; the functions of its parts, named after it, go to the module."""
    step, whole = program.steps[number], _Whole(e, program, number)
    if isinstance(step, Kernel) and len(step.axes) == 1:
        _emit_lane(whole, step, name)
    else:
        part = _Part(Emitter(e.module), program, number)
        part.emit(integer)
        whole.run(part.defined(f"{name}_part"), list(reduced(step)) if isinstance(step, Kernel) else [])
    e.line("ret void")


def _emit_lane(whole: _Whole, kernel: Kernel, name: str) -> None:
    """Passes along the lane one after the other, then what is stored once."""
    phases, folds = whole.program.phases[kernel].phases, {r.node: r for r in reduced(kernel)}
    for k, phase in enumerate(phases):
        if phase.varying or phase.statements or phase.folds:
            part = _Part(Emitter(whole.e.module), whole.program, whole.number)
            part.nest(LaneNest).emit_pass(k, part.place, part.own_place)
            whole.run(part.defined(f"{name}_part{k}"), [folds[fold] for fold in phase.folds])
    if any(phase.row_statements for phase in phases):
        whole.nest(LaneNest).emit_rows(whole.place)


class _Part(StepCode):
    """A part of a step: what it reduces goes to a place of its own."""

    span = SPAN

    def find(self, node: Node) -> Pointer:
        found, sizes = super().find(node), self._accumulated
        return self._own_buffer(node, found, sizes[node]) if node in sizes else found

    def place(self, value: Node) -> Pointer:
        """Rows that are kept are its own too, but for the one row of a kernel of one axis."""
        step = self.step
        if not isinstance(step, Kernel) or len(step.axes) == 1:
            return super().place(value)
        assert step.lane is not None and isinstance(step.lane.extent, int)
        return self.e.stack(value.dtype, step.lane.extent, align=64)

    def own_place(self, fold: Node) -> Pointer:
        """The place of this part among those of all."""
        return self.e.offset(self.place(fold), self.e.maximum(NUMBER, 0))

    @cached_property
    def _accumulated(self) -> dict[Node, Value | int]:
        """The sizes of buffers that all parts accumulate into."""
        step = self.step
        return {r.node: self.evaluate(r.size) for r in reduced(step)} if isinstance(step, Kernel) else {}

    def _own_buffer(self, node: Node, buffer: Pointer, size: Value | int) -> Pointer:
        """A place of this part alone, or the buffer itself if the part is all there is."""
        e, places = self.e, StepCode.place(self, node)
        own = e.offset(places, e.mul(NUMBER, size))
        found = e.select(e.eq(NUMBER, ALL), Value(buffer.text, ADDRESS), Value(own.text, ADDRESS))
        return Pointer(found.text, node.dtype)

    def defined(self, name: str) -> str:
        """Its name, once the function is in the module."""
        self.e.line("ret void")
        parameters = [*PARAMETERS, *(f"i64 {x.text}" for x in (*SPAN, NUMBER))]
        self.e.define(name, parameters, linkage="internal", attributes=ATTRIBUTES)
        return name


class _Whole(StepCode):
    """The step of which there are parts."""

    def run(self, part: str, results: Sequence[Reduced]) -> None:
        """Have all parts run, then put together what they reduced."""
        chunks = self.program.chunks[self.step]

        def put_together(count: Value) -> None:
            for each in results:
                self._put_together(each, count)

        run_parts(self.e, part, chunks, self.evaluate, put_together)

    def _put_together(self, result: Reduced, count: Value) -> None:
        """The places of all parts in their order; those of a fold become its first."""
        e, (node, _, extent), places = self.e, result, self.place(result.node)
        target = places if node.op is FOLD else self.find(node)
        size, lanes = self.evaluate(extent), e.target.vector_bytes // node.dtype.itemsize
        assert isinstance(size, int)

        def at(j: Value, width: int) -> None:
            def add(k: Value, held: list[Value]) -> list[Value]:
                here = e.offset(places, e.add(e.mul(k, size), j))
                assert result.reduction.element is not None
                return [result.reduction.element(e, held[0], e.load(here, width))]

            [total] = e.loop(1, count, 1, [e.load(e.offset(places, j), width)], add)
            e.store(total, e.offset(target, j))

        def vectors(j: Value, _: list[Value]) -> list[Value]:
            at(j, lanes)
            return []

        def rest(j: Value, _: list[Value]) -> list[Value]:
            at(j, 1)
            return []

        e.loop(0, size - size % lanes, lanes, [], vectors)
        e.loop(size - size % lanes, size, 1, [], rest)
