"""A program as one LLVM module: a function for each step, and `program`, which runs them in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from graphc.codegen.batch import nest_for
from graphc.codegen.blas import emit_contraction
from graphc.codegen.control import BYTE, ControlStep, empty_stack, release_stack
from graphc.codegen.emit import ADDRESS, INT64, Emitter, Module, Pointer, Value
from graphc.codegen.indices import Indices
from graphc.codegen.sorting import emit_argsort
from graphc.codegen.target import Target
from graphc.codegen.twins import INLINE
from graphc.codegen.vmath import FUNCTIONS
from graphc.kernel.fuse import Contraction, Control, Sorting, reads, writes
from graphc.kernel.kernel import Kernel
from graphc.kernel.program import SORTED, Program, Scratch, is_small
from graphc.node import Node
from graphc.ops.contraction import operands
from graphc.ops.movement import view_base
from graphc.types import Extent, Stack

ENTRY = "program"
_PARAMETERS = ["ptr noalias %buffers", "ptr noalias %plan"]
_ATTRIBUTES = "alignstack(64)"  # whole vectors may be spilled


def emit_program(program: Program, target: Target, blas_integer: np.dtype) -> Module:
    """The module; `program(buffers, plan)` reads pointers to inputs, outputs and workspace, and a plan.

    A program with control flow may end early, and leaves its status in the word after these pointers.
    """
    module = Module(target, FUNCTIONS)
    functions = _Functions(module, program.controls, blas_integer)
    e = Emitter(module)
    status = functions.emit_steps(e, program, "", inline=False)
    if program.nested:
        e.store(status, Pointer(e.offset(Pointer("%buffers", INT64), program.arrays + 1).text, INT64))
    e.line("ret void")
    e.define(ENTRY, _PARAMETERS)
    return module


class _Functions:
    """Makes the functions of steps, and of nested programs `i64 name(buffers, plan)`, which return their status."""

    def __init__(self, module: Module, controls: Sequence[Control], blas_integer: np.dtype) -> None:
        self.module, self.controls, self.blas_integer = module, controls, blas_integer

    def emit_steps(self, e: Emitter, program: Program, prefix: str, inline: bool) -> Value:
        """The steps as functions, and calls of them; the status after them."""
        names = [self._step(program, number, prefix, inline) for number in range(len(program.steps))]
        if not program.nested:
            for name in names:
                e.line(f"call void @{name}(ptr %buffers, ptr %plan)")
            return e.const(0, INT64)
        frame, status = _Frame(e, program), e.stack(INT64, 1)
        e.store(e.const(0, INT64), status)
        stacks = [frame.in_workspace(x) for x in program.slabs if isinstance(x, Node) and isinstance(x.type, Stack)]
        for stack in stacks:
            empty_stack(e, stack)
        for name, step in zip(names, program.steps, strict=True):
            if isinstance(step, Control):
                found, proceed = e.assign(f"call i64 @{name}(ptr %buffers, ptr %plan)", INT64), e.new_label("ok")
                e.store(found, status)
                e.branch(e.eq(found, 0), proceed, "end")
                e.label(proceed)
            else:
                e.line(f"call void @{name}(ptr %buffers, ptr %plan)")
        e.jump("end")
        e.label("end")
        for stack in stacks:
            release_stack(e, stack)
        return e.load(status)

    def _step(self, program: Program, number: int, prefix: str, inline: bool) -> str:
        """The function of a step, and those of the programs inside it."""
        name, step, e = f"{prefix}step{number}", program.steps[number], Emitter(self.module)
        code = _Step(e, program, number)
        if isinstance(step, Control):
            inner = [f"{name}_{k}" for k in range(len(program.nested[step]))]
            small = is_small(step, program.nested[step])
            for nested, title in zip(program.nested[step], inner, strict=True):
                self._nested(nested, title, small)
            code.emit_control(inner, self.controls.index(step))
        else:
            code.emit(self.blas_integer)
            e.line("ret void")
        self._define(e, name, inline, "i64" if isinstance(step, Control) else "void")
        return name

    def _nested(self, program: Program, name: str, inline: bool) -> None:
        e = Emitter(self.module)
        e.line(f"ret i64 {self.emit_steps(e, program, f'{name}_', inline).text}")
        self._define(e, name, inline, "i64")

    def _define(self, e: Emitter, name: str, inline: bool, result: str) -> None:
        attributes = f"{_ATTRIBUTES} {INLINE}" if inline else _ATTRIBUTES
        e.define(name, _PARAMETERS, result, linkage="internal", attributes=attributes)


class _Frame:
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


class _Step(_Frame):
    """One step: finds its buffers and extents, then appends its code."""

    def __init__(self, e: Emitter, program: Program, number: int) -> None:
        super().__init__(e, program)
        self.number = number
        self.step = program.steps[number]
        ends = (*program.graph.inputs, *program.graph.outputs)
        self.places = {node: k for k, node in enumerate(ends)}
        self.extents = {name: self.word(program.symbol_slot(name)) for name in program.symbols}
        self.found: dict[Node, Pointer] = {
            node: self._find(node) for node in dict.fromkeys([*reads(self.step), *writes(self.step)])
        }

    def emit(self, blas_integer: np.dtype) -> None:
        match self.step:
            case Kernel():
                phases = self.program.phases[self.step]
                nest = nest_for(self.step, phases, self.e.target.vector_bytes)
                nest(self.e, self.step, phases, self.found.__getitem__, self._row_buffer, self.extents).emit()
            case Control():
                raise AssertionError("control flow has a function of another kind")
            case Contraction():
                node = self.step.node
                a, b = (self.found[view_base(arg)] for arg in operands(node))
                emit_contraction(self.e, node, (a, b), self.found[node], self._evaluator(), blas_integer)
            case Sorting():
                node, room = self.step.node, self.in_workspace((self.number, SORTED))
                x = self.found[view_base(node.args[0])]
                emit_argsort(self.e, node, x, self.found[node], room, self._evaluator())

    def _find(self, node: Node) -> Pointer:
        if node in self.places:
            return self.from_buffers(self.places[node], node.dtype)
        if node in self.program.slabs:
            return self.in_workspace(node, node.dtype)
        address = self.word(self.program.constant_slot(node))
        return Pointer(self.e.assign(f"inttoptr i64 {address.text} to ptr", ADDRESS).text, node.dtype)

    def _row_buffer(self, value: Node) -> Pointer:
        return self.in_workspace((self.number, value), value.dtype)

    def emit_control(self, names: Sequence[str], identity: int) -> None:
        """A switch or loop around nested functions; it returns its status."""

        def locate(node: Node) -> Pointer:
            return self.found[view_base(node)]

        code = ControlStep(
            self.e, self.program, self.number, names, locate, self.in_workspace, self._evaluator(), identity
        )
        code.emit()

    def _evaluator(self) -> Callable[[Extent], Value | int]:
        indices = Indices(self.e, "")
        return lambda extent: indices.evaluate(extent, self.extents)
