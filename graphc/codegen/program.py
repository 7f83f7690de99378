"""A program as one LLVM module: a function for each step, and `program`, which runs them in order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphc.codegen.control import empty_stack, release_stack
from graphc.codegen.emit import INT64, Emitter, Module, Pointer, Value
from graphc.codegen.parts import emit_parts
from graphc.codegen.step import ATTRIBUTES, PARAMETERS, Frame, StepCode
from graphc.codegen.target import Target
from graphc.codegen.twins import INLINE
from graphc.codegen.vmath import FUNCTIONS
from graphc.kernel.fuse import Control
from graphc.kernel.program import Program, is_small
from graphc.node import Node
from graphc.types import Stack

ENTRY = "program"


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
    e.define(ENTRY, PARAMETERS)
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
        frame, status = Frame(e, program), e.stack(INT64, 1)
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
        if step in program.chunks:
            emit_parts(e, program, number, name, self.blas_integer)
            self._define(e, name, False, "void")
            return name
        code = StepCode(e, program, number)
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
        attributes = f"{ATTRIBUTES} {INLINE}" if inline else ATTRIBUTES
        e.define(name, PARAMETERS, result, linkage="internal", attributes=attributes)
