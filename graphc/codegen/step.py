"""One step of a program as code: its buffers and extents are found, and what it does is appended."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TypeVar

import numpy as np

from graphc.codegen.batch import nest_for
from graphc.codegen.blas import emit_contraction
from graphc.codegen.control import BYTE, ControlStep
from graphc.codegen.emit import ADDRESS, INT64, Emitter, Pointer, Value
from graphc.codegen.indices import evaluator
from graphc.codegen.nest import Nest
from graphc.codegen.parallel import Span
from graphc.codegen.sorting import emit_argsort
from graphc.kernel.fuse import Contraction, Control, Sorting, reads, writes
from graphc.kernel.kernel import Kernel
from graphc.kernel.program import SORTED, Program, Scratch
from graphc.node import Node
from graphc.ops.contraction import operands
from graphc.ops.movement import view_base

AnyNest = TypeVar("AnyNest", bound=Nest)

PARAMETERS = ["ptr noalias %buffers", "ptr noalias %plan"]
ATTRIBUTES = "alignstack(64)"  # whole vectors may be spilled


class Frame:
    """Finds buffers and words of the plan in a program's function."""

    def __init__(self, e: Emitter, program: Program) -> None:
        self.e, self.program = e, program

    def from_buffers(self, k: int, dtype: np.dtype) -> Pointer:
        pointer = self.e.load(self.e.offset(Pointer("%buffers", ADDRESS), self.e.place(k)))
        return Pointer(pointer.text, dtype)

    def in_workspace(self, buffer: Node | Scratch, dtype: np.dtype = BYTE) -> Pointer:
        start, symbols = self.from_buffers(self.program.arrays, BYTE), self.program.symbols
        slot = self.program.offset_slot(buffer)
        offset = self.word(slot) if symbols else self.e.place(self.program.offset(buffer))
        return Pointer(self.e.offset(start, offset).text, dtype)

    def word(self, slot: int) -> Value:
        return self.e.load(self.e.offset(Pointer("%plan", INT64), self.e.place(slot)))


class StepCode(Frame):
    """One step: finds its buffers and extents, then appends its code."""

    span: Span | None = None  # of a part, the indices that are its own

    def __init__(self, e: Emitter, program: Program, number: int) -> None:
        super().__init__(e, program)
        self.number, self.step = number, program.steps[number]
        ends = (*program.graph.inputs, *program.graph.outputs)
        self.places = {node: k for k, node in enumerate(ends)}
        self.extents = {name: self.word(program.symbol_slot(name)) for name in program.symbols}
        self.evaluate = evaluator(e, self.extents)

    @cached_property
    def found(self) -> dict[Node, Pointer]:
        """All buffers, looked up where they are first asked for."""
        return {node: self.find(node) for node in dict.fromkeys([*reads(self.step), *writes(self.step)])}

    def emit(self, blas_integer: np.dtype) -> None:
        match self.step:
            case Kernel():
                self.nest(nest_for(self.step, self.program.phases[self.step], self.e.target.vector_bytes)).emit()
            case Control():
                raise AssertionError("control flow has a function of another kind")
            case Contraction():
                node = self.step.node
                a, b = (self.found[view_base(arg)] for arg in operands(node))
                part = {self.program.chunks[self.step].along: self.span} if self.span else {}
                emit_contraction(self.e, node, (a, b, self.found[node]), self.evaluate, blas_integer, part)
            case Sorting():
                node, room = self.step.node, self.in_workspace((self.number, SORTED))
                x = self.found[view_base(node.args[0])]
                emit_argsort(self.e, node, x, self.found[node], room, self.evaluate)

    def find(self, node: Node) -> Pointer:
        if node in self.places:
            return self.from_buffers(self.places[node], node.dtype)
        if node in self.program.slabs:
            return self.in_workspace(node, node.dtype)
        address = self.word(self.program.constant_slot(node))
        return Pointer(self.e.assign(f"inttoptr i64 {address.text} to ptr", ADDRESS).text, node.dtype)

    def place(self, value: Node) -> Pointer:
        """Where a row is kept between phases, or parts reduce."""
        return self.in_workspace((self.number, value), value.dtype)

    def nest(self, kind: type[AnyNest]) -> AnyNest:
        """The loops of a kernel."""
        assert isinstance(self.step, Kernel)
        phases = self.program.phases[self.step]
        return kind(self.e, self.step, phases, self.found.__getitem__, self.place, self.extents, self.span)

    def emit_control(self, names: Sequence[str], identity: int) -> None:
        """A switch or loop around nested functions; it returns its status."""

        found = self.found

        def locate(node: Node) -> Pointer:
            return found[view_base(node)]

        e, program, number, room = self.e, self.program, self.number, self.in_workspace
        ControlStep(e, program, number, names, locate, room, self.evaluate, identity).emit()
