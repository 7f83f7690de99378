"""A program as one LLVM module: a function for each step, and `program`, which runs them in order."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from graphc.codegen.blas import emit_contraction
from graphc.codegen.emit import ADDRESS, INT64, Emitter, Module, Pointer, Value
from graphc.codegen.nest import emit_kernel
from graphc.codegen.target import Target
from graphc.codegen.vmath import FUNCTIONS
from graphc.kernel.fuse import Contraction, reads, writes
from graphc.kernel.kernel import Kernel
from graphc.kernel.lower import view_base
from graphc.kernel.program import Program, Scratch
from graphc.node import Node
from graphc.types import Dim, Extent

ENTRY = "program"
_PARAMETERS = ["ptr noalias %buffers", "ptr noalias %plan"]
_ATTRIBUTES = "alignstack(64)"  # whole vectors may be spilled


def emit_program(program: Program, target: Target, blas_integer: np.dtype) -> Module:
    """The module; `program(buffers, plan)` reads pointers to inputs, outputs and workspace, and a plan."""
    module = Module(target, FUNCTIONS)
    names = [f"step{k}" for k in range(len(program.steps))]
    for number, name in enumerate(names):
        step = _Step(Emitter(module), program, number)
        step.emit(blas_integer)
        step.e.line("ret void")
        step.e.define(name, _PARAMETERS, linkage="internal", attributes=_ATTRIBUTES)
    e = Emitter(module)
    for name in names:
        e.line(f"call void @{name}(ptr %buffers, ptr %plan)")
    e.line("ret void")
    e.define(ENTRY, _PARAMETERS)
    return module


class _Step:
    """One kernel or library call: finds its buffers and extents, then appends its code."""

    def __init__(self, e: Emitter, program: Program, number: int) -> None:
        self.e, self.program, self.number = e, program, number
        self.step = program.steps[number]
        ends = (*program.graph.inputs, *program.graph.outputs)
        self.places = {node: k for k, node in enumerate(ends)}
        self.extents = {name: self._word(program.symbol_slot(name)) for name in program.symbols}
        self.found: dict[Node, Pointer] = {
            node: self._find(node) for node in dict.fromkeys([*reads(self.step), *writes(self.step)])
        }

    def emit(self, blas_integer: np.dtype) -> None:
        match self.step:
            case Kernel():
                phases = self.program.phases[self.step]
                emit_kernel(self.e, self.step, phases, self.found.__getitem__, self._row_buffer, self.extents)
            case Contraction():
                node = self.step.node
                a, b = (self.found[view_base(arg)] for arg in node.args)
                emit_contraction(self.e, node, (a, b), self.found[node], self._evaluator(), blas_integer)

    def _find(self, node: Node) -> Pointer:
        if node in self.places:
            return self._from_buffers(self.places[node], node.dtype)
        if node in self.program.slabs:
            return self._in_workspace(node, node.dtype)
        address = self._word(self.program.constant_slot(node))
        return Pointer(self.e.assign(f"inttoptr i64 {address.text} to ptr", ADDRESS).text, node.dtype)

    def _row_buffer(self, value: Node) -> Pointer:
        return self._in_workspace((self.number, value), value.dtype)

    def _from_buffers(self, k: int, dtype: np.dtype) -> Pointer:
        pointer = self.e.load(self.e.offset(Pointer("%buffers", ADDRESS), k))
        return Pointer(pointer.text, dtype)

    def _in_workspace(self, buffer: Node | Scratch, dtype: np.dtype) -> Pointer:
        base = self._from_buffers(len(self.places), np.dtype(np.uint8))
        offset = self._word(self.program.offset_slot(buffer))
        return Pointer(self.e.offset(base, offset).text, dtype)

    def _word(self, slot: int) -> Value:
        return self.e.load(self.e.offset(Pointer("%plan", INT64), slot))

    def _evaluator(self) -> Callable[[Extent], Value | int]:
        def evaluate(extent: Extent) -> Value | int:
            if not isinstance(extent, Dim):
                return extent
            total: Value = self.e.const(0, INT64)
            for monomial, c in extent.terms:
                term = self.e.const(c, INT64)
                for atom in monomial:
                    factor = self.extents[atom] if isinstance(atom, str) else evaluate(Dim({(atom,): 1}))
                    term = self.e.mul(term, factor)
                total = self.e.add(total, term)
            return total

        return evaluate
