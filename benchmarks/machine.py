"""The machine's limits, measured on one core: memory by level, multiply-adds, and the price of a call."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from timeit import repeat
from typing import Any

import llvmlite.binding as llvm
import numpy as np

LEVELS = (16 << 10, 256 << 10, 8 << 20, 256 << 20)  # bytes: within the first, second, third cache; memory
LINE = 64
STEPS = 1 << 18  # of any loop: short, so that some try is left alone by other processes
READS = 8  # vectors a step, a power of two: a step then divides every level
CHAINS = 12  # independent multiply-adds: more than latency times issue width, fewer than registers


@dataclass(frozen=True)
class Machine:
    """Seconds a call, bytes a second for every level of memory, flops a second for every dtype."""

    call: float
    levels: tuple[tuple[int, float], ...]
    flops: Mapping[str, float]

    def bandwidth(self, size: float) -> float:
        """Bytes a second when the same `size` bytes are used over and over."""
        return next((rate for level, rate in self.levels if size <= level), self.levels[-1][1])

    def __str__(self) -> str:
        rates = ", ".join(f"{rate / 1e9:.0f} GB/s within {_size(level)}" for level, rate in self.levels)
        peaks = ", ".join(f"{rate / 1e9:.0f} GFLOP/s {dtype}" for dtype, rate in self.flops.items())
        return f"one call {self.call * 1e6:.2f} us; reads {rates}; {peaks}"


def measure_machine() -> Machine:
    """The best of several tries of each: a limit is what noise cannot improve."""
    call = _best(partial(np.empty, 4), number=1000)  # takes an argument, returns a fresh array
    levels = tuple((size, _read_rate(size)) for size in LEVELS)
    return Machine(call, levels, {"float32": _flop_rate("float", 4), "float64": _flop_rate("double", 8)})


def _read_rate(size: int) -> float:
    lanes = _vector_bytes() // 8
    step = READS * _vector_bytes()
    body = [f"%at = mul i64 %i, {step}", f"%in = and i64 %at, {size - 1}"]
    for k in range(READS):
        body += [
            f"%o{k} = add i64 %in, {k * _vector_bytes()}",
            f"%p{k} = getelementptr i8, ptr %p, i64 %o{k}",
            f"%x{k} = load <{lanes} x i64>, ptr %p{k}, align 8",
            f"%b{k} = xor <{lanes} x i64> %a{k}, %x{k}",
        ]
    return STEPS * step / _time(_loop(f"<{lanes} x i64>", READS, body), np.ones(size + LINE, np.uint8))


def _flop_rate(kind: str, size: int) -> float:
    lanes = _vector_bytes() // size
    vector = f"<{lanes} x {kind}>"
    multiply_add = f"{vector} @llvm.fmuladd.v{lanes}f{8 * size}"
    body = [f"%b{k} = call {multiply_add}({vector} %a{k}, {vector} %c, {vector} %c)" for k in range(CHAINS)]
    text = _loop(vector, CHAINS, body) + f"declare {multiply_add}({vector}, {vector}, {vector})"
    return STEPS * CHAINS * lanes * 2 / _time(text, np.zeros(4096, np.uint8))


def _loop(vector: str, chains: int, body: list[str]) -> str:
    """A function that takes %a0, %a1, … to %b0, %b1, … STEPS times, and stores them so that none is dead."""
    phis = [f"%a{k} = phi {vector} [zeroinitializer, %entry], [%b{k}, %loop]" for k in range(chains)]
    stores = [f"store volatile {vector} %b{k}, ptr %p, align 8" for k in range(chains)]
    lines = [
        "define void @run(ptr %p) {",
        "entry:",
        f"%c = load {vector}, ptr %p, align 8",
        "br label %loop",
        "loop:",
        "%i = phi i64 [0, %entry], [%next, %loop]",
        *phis,
        *body,
        "%next = add i64 %i, 1",
        f"%more = icmp ult i64 %next, {STEPS}",
        "br i1 %more, label %loop, label %done",
        "done:",
        *stores,
        "ret void",
        "}",
    ]
    return "\n".join(lines) + "\n"


def _time(text: str, data: np.ndarray) -> float:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features = llvm.get_host_cpu_features().flatten() + ",-prefer-256-bit" * (_vector_bytes() == 64)
    target = llvm.Target.from_default_triple()
    machine = target.create_target_machine(cpu=llvm.get_host_cpu_name(), features=features, opt=2)
    with llvm.create_mcjit_compiler(llvm.parse_assembly(text), machine) as engine:
        engine.finalize_object()
        run = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(engine.get_function_address("run"))
        return _best(partial(run, data.ctypes.data + -data.ctypes.data % LINE))


def _vector_bytes() -> int:
    features = llvm.get_host_cpu_features()
    return 64 if features.get("avx512f") else 32 if features.get("avx") else 16


def _best(work: Callable[[], Any], number: int = 1, tries: int = 50) -> float:
    return min(repeat(work, number=number, repeat=tries)) / number


def _size(count: int) -> str:
    return f"{count >> 20} MB" if count >= 1 << 20 else f"{count >> 10} kB"
