"""Run one elementary function natively over arrays, and measure its distance from the truth."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

import llvmlite.binding as llvm
import mpmath
import numpy as np

from graphc.codegen.emit import Emitter, Module, Pointer, Value
from graphc.codegen.target import Target
from graphc.codegen.vmath import FUNCTIONS

mpmath.mp.prec = 160


def module_text(name: str, dtype: np.dtype, arity: int, target: Target, lanes: int | None = None) -> str:
    """LLVM IR of a loop `result[i] = name(a[i], …)` over a multiple of the lanes."""
    lanes = lanes or target.vector_bytes // dtype.itemsize
    e = Emitter(Module(target))

    def body(i: Value, _: list[Value]) -> list[Value]:
        arguments = [e.load(e.offset(Pointer(f"%a{k}", dtype), i), lanes) for k in range(arity)]
        e.store(FUNCTIONS[name](e, *arguments), e.offset(Pointer("%result", dtype), i))
        return []

    e.loop(0, Value("%n", np.dtype(np.int64)), lanes, [], body)
    e.line("ret void")
    e.define("kernel", ["ptr %result", *(f"ptr %a{k}" for k in range(arity)), "i64 %n"])
    return e.module.text()


@cache
def native(name: str, dtype: np.dtype, arity: int, target: Target, lanes: int | None = None) -> Callable[..., None]:
    """The loop as a callable of addresses and a count; it keeps its engine alive."""
    module = llvm.parse_assembly(module_text(name, dtype, arity, target, lanes))
    machine = target.machine()
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=2))
    builder.getModulePassManager().run(module, builder)
    engine: Any = llvm.create_mcjit_compiler(module, machine)
    function = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * (arity + 1), ctypes.c_int64)(
        engine.get_function_address("kernel")
    )
    function.engine = engine  # type: ignore[attr-defined]
    return function


def evaluate(
    name: str, dtype: np.dtype | type, *arrays: Any, target: Target | None = None, lanes: int | None = None
) -> np.ndarray:
    """The function of these arrays, element by element, by code for the target (which must run here)."""
    target, dtype = target or Target.host(), np.dtype(dtype)
    inputs = np.broadcast_arrays(*(np.asarray(a, dtype) for a in arrays))
    shape, size = inputs[0].shape, inputs[0].size
    padded = -(-size // 64) * 64
    columns = np.ones((len(inputs) + 1, padded), dtype)
    for column, array in zip(columns[1:], inputs, strict=True):
        column[:size] = array.ravel()
    native(name, dtype, len(inputs), target, lanes)(*(c.ctypes.data for c in columns), padded)
    return columns[0, :size].reshape(shape).copy()


def assembly(name: str, dtype: np.dtype | type, arity: int, target: Target) -> str:
    """The target's assembly of the loop."""
    module = llvm.parse_assembly(module_text(name, np.dtype(dtype), arity, target))
    return target.machine().emit_assembly(module)


def exact(function: Callable[..., Any], *arrays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The true values of a function given in mpmath, each as float64 plus the rest that float64 leaves."""
    values = [function(*map(mpmath.mpf, map(float, point))) for point in zip(*arrays, strict=True)]
    high = np.array([float(v) for v in values])
    low = [float(v - mpmath.mpf(h)) if np.isfinite(h) else 0.0 for v, h in zip(values, high.tolist(), strict=True)]
    return high, np.array(low)


def ulp_error(result: np.ndarray, high: Any, low: Any = 0.0) -> np.ndarray:
    """|result - (high + low)| in units of the last place of the true value in the result's dtype."""
    info, value = np.finfo(result.dtype), result.astype(np.float64)
    with np.errstate(all="ignore"):
        rounded = np.asarray(high).astype(result.dtype).astype(np.float64)
        exponent = np.floor(np.log2(np.abs(high), where=np.asarray(high) != 0, out=np.full(np.shape(high), -np.inf)))
        exponent = np.clip(np.nan_to_num(exponent, neginf=info.minexp), info.minexp, info.maxexp - 1)
        unit = np.ldexp(1.0, exponent.astype(int) - info.nmant)
        error = np.abs((value - high) - low) / unit
        beside = (np.abs(value) >= info.max) & (np.abs(rounded) >= info.max) & (np.sign(value) == np.sign(high))
        error = np.where(beside, (value != rounded).astype(float), error)  # the greatest number, or infinity
    same = (value == rounded) | (np.isnan(value) & np.isnan(rounded))
    return np.where(~np.isfinite(error) | same & ~np.isfinite(value), np.where(same, 0.0, np.inf), error)
