"""Functions for callers that are not Python: the plain C function of a program, at an address of this process."""

from __future__ import annotations

import ctypes
from typing import Any

from graphc.codegen import parallel, stack
from graphc.codegen.emit import ADDRESS, FLOAT64, INT32, INT64, Emitter, Module, Value
from graphc.codegen.plain import constant_name, constants, emit_allocating, emit_plain
from graphc.codegen.program import ENTRY, emit_program
from graphc.codegen.target import Target
from graphc.errors import GraphcError
from graphc.kernel.program import Program
from graphc.node import Literal, Node
from graphc.runtime import engine
from graphc.runtime.blas import find_blas

PLAIN = "plain"
_SCALAR = "scalar"


def load_plain(program: Program, address: int) -> engine.Engine:
    """Code that exports `plain`; the program at the address must outlive it, and so must its constants.

    A program with loops is compiled again: that at the address has Python's memory, signals and errors.
    """
    module, symbols = Module(Target.host()), {ENTRY: address}
    if program.nested:
        blas = find_blas()
        symbols = dict(blas.symbols) if blas else {}
        module = emit_program(program, module.target, blas.integer if blas else INT64)
        stack.define_in_c(module)
        parallel.define_in_c(module)
    for number, node in enumerate(constants(program)):
        name = constant_name(PLAIN, number)
        module.external(name)
        symbols[name] = _literal(node).array.ctypes.data
    emit_plain(module, program, PLAIN)
    emit_allocating(module, program, PLAIN)
    exports = [PLAIN]
    if _is_scalar(program):
        _emit_scalar(Emitter(module), len(program.graph.inputs))
        exports.append(_SCALAR)
    return engine.load(module.text(), module.target, exports, symbols)


def low_level_callable(program: Program, loaded: engine.Engine, keep: object) -> Any:
    """`scipy.LowLevelCallable` of the form `double (int, double *)`, for scalars to a scalar, which keeps `keep`."""
    if not _is_scalar(program):
        ends = ", ".join(str(x.type) for x in (*program.graph.inputs, *program.graph.outputs))
        raise GraphcError(f"low_level_callable: SciPy calls functions of float64 scalars to one, not of {ends}")
    from scipy import LowLevelCallable

    kind = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int, ctypes.POINTER(ctypes.c_double))
    function: Any = kind(loaded.address(_SCALAR))
    function.keep = loaded, keep  # SciPy keeps the function
    return LowLevelCallable(function)


def _is_scalar(program: Program) -> bool:
    """Whether float64 scalars become one."""
    graph = program.graph
    ends = (*graph.inputs, *graph.outputs)
    return len(graph.outputs) == 1 and all(x.dtype == FLOAT64 and x.shape == () for x in ends)


def _emit_scalar(e: Emitter, inputs: int) -> None:
    """`double scalar(int n, double *xx)`: the arguments lie in a row."""
    row, result = e.member(Value("%xx", ADDRESS), 0, FLOAT64), e.stack(FLOAT64, 1)
    places = [*(e.offset(row, k) for k in range(inputs)), result]
    e.call(PLAIN, "i32", [Value(place.text, ADDRESS) for place in places], INT32)
    e.line(f"ret double {e.load(result).text}")
    e.define(_SCALAR, ["i32 %n", "ptr %xx"], "double")


def _literal(node: Node) -> Literal:
    (literal,) = node.params
    assert isinstance(literal, Literal)
    return literal
