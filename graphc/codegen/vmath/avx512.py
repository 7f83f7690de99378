"""AVX-512's own instructions for exponents: one each where other processors need a dozen."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from graphc.codegen.emit import INT32, Emitter, Value

_REGISTER_BYTES = 64
_GETMANT_FROM_THREE_QUARTERS = 3  # the interval [0.75, 1.5)
_GETMANT_NAN_IF_NEGATIVE = 2 << 2


def fits(e: Emitter, x: Value) -> bool:
    """Whether the target has AVX-512, and x fills registers of it."""
    size = x.lanes * x.dtype.itemsize
    return e.target.vector_bytes == _REGISTER_BYTES and size >= 16 and size & (size - 1) == 0


def scale(e: Emitter, x: Value, n: Value) -> Value:
    """x · 2^n, rounded once."""
    return _each_register(e, lambda a, b: _instruction(e, "scalef", [a, b]), x, e.splat(n, x.lanes))


def split_exponent(e: Emitter, x: Value) -> tuple[Value, Value]:
    """x = m · 2^k with m in [0.75, 1.5); k infinite at 0 and infinity, m NaN below 0."""
    mode = e.const(_GETMANT_FROM_THREE_QUARTERS | _GETMANT_NAN_IF_NEGATIVE, INT32)
    m = _each_register(e, lambda a: _instruction(e, "getmant", [a, mode]), x)
    return m, e.sub(_exponent(e, x), _exponent(e, m))  # an m below 1 has the exponent -1


def _exponent(e: Emitter, x: Value) -> Value:
    return _each_register(e, lambda a: _instruction(e, "getexp", [a]), x)


def _instruction(e: Emitter, name: str, operands: list[Value]) -> Value:
    """One instruction on one register, no lane masked off, rounding as the processor is set to."""
    x = operands[0]
    size = x.lanes * x.dtype.itemsize
    mask, rounding = Value("-1", np.dtype(f"i{max(x.lanes // 8, 1)}")), e.const(4, INT32)
    arguments = [*operands, Value("poison", x.dtype, x.lanes), mask]
    if size == _REGISTER_BYTES:
        arguments.append(rounding)
    kind = "ps" if x.dtype.itemsize == 4 else "pd"
    return e.call(f"llvm.x86.avx512.mask.{name}.{kind}.{8 * size}", x.type, arguments, x.dtype, x.lanes)


def _each_register(e: Emitter, instruction: Callable[..., Value], *operands: Value) -> Value:
    """The instruction on every register of values that may be wider than one."""
    total, lanes = operands[0].lanes, _REGISTER_BYTES // operands[0].dtype.itemsize
    if total <= lanes:
        return instruction(*operands)
    starts = range(0, total, lanes)
    parts = [instruction(*(e.shuffle(x, x, range(i, i + lanes)) for x in operands)) for i in starts]
    while len(parts) > 1:
        parts = [e.shuffle(a, b, range(2 * a.lanes)) for a, b in zip(parts[::2], parts[1::2], strict=True)]
    return parts[0]
