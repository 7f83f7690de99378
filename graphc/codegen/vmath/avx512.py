"""AVX-512's own instructions for exponents: one each where other processors need a dozen."""

from __future__ import annotations

from collections.abc import Callable

from graphc.codegen.emit import Emitter, Value

_REGISTER_BYTES = 64
_CURRENT_ROUNDING = ", i32 4"
_FROM_THREE_QUARTERS_NAN_IF_NEGATIVE = 3 | 2 << 2  # vgetmant: the interval [0.75, 1.5), and its sign control


def fits(e: Emitter, x: Value) -> bool:
    """Whether the target has AVX-512 and x fills whole registers."""
    size = x.lanes * x.dtype.itemsize
    return e.target.vector_bytes == _REGISTER_BYTES and (size in (16, 32) or size % _REGISTER_BYTES == 0)


def scale(e: Emitter, x: Value, n: Value) -> Value:
    """x · 2^floor(n), rounded once."""
    return _each_register(e, lambda a, b: _instruction(e, "scalef", a, b), x, e.splat(n, x.lanes))


def split_exponent(e: Emitter, x: Value) -> tuple[Value, Value]:
    """x = m · 2^k with m in [0.75, 1.5); k infinite at 0 and infinity, m NaN below 0."""
    m = _each_register(e, lambda a: _instruction(e, "getmant", a, imm=_FROM_THREE_QUARTERS_NAN_IF_NEGATIVE), x)
    exponent = lambda value: _each_register(e, lambda a: _instruction(e, "getexp", a), value)  # noqa: E731
    return m, e.sub(exponent(x), exponent(m))  # m below 1 has the exponent -1


def _instruction(e: Emitter, name: str, x: Value, *more: Value, imm: int | None = None) -> Value:
    """One instruction on one register, no lane masked off."""
    size = x.lanes * x.dtype.itemsize
    kind = f"p{'s' if x.dtype.itemsize == 4 else 'd'}"
    mask = f"i{max(x.lanes, 8)}"
    types = [x.type, *(y.type for y in more)]
    texts = [f"{y.type} {y.text}" for y in (x, *more)]
    if imm is not None:
        types.append("i32")
        texts.append(f"i32 {imm}")
    types += [x.type, mask]
    texts += [f"{x.type} poison", f"{mask} -1"]
    if size == _REGISTER_BYTES:
        types.append("i32")
        texts.append("i32 4")
    function = f"llvm.x86.avx512.mask.{name}.{kind}.{8 * size}"
    e.module.declare(function, x.type, types)
    return e.assign(f"call {x.type} @{function}({', '.join(texts)})", x.dtype, x.lanes)


def _each_register(e: Emitter, instruction: Callable[..., Value], *operands: Value) -> Value:
    """The instruction on every full register of values wider than one."""
    total, lanes = operands[0].lanes, _REGISTER_BYTES // operands[0].dtype.itemsize
    if total <= lanes:
        return instruction(*operands)
    starts = range(0, total, lanes)
    parts = [instruction(*(e.shuffle(x, x, range(i, i + lanes)) for x in operands)) for i in starts]
    while len(parts) > 1:
        parts = [e.shuffle(a, b, range(2 * a.lanes)) for a, b in zip(parts[::2], parts[1::2], strict=True)]
    return parts[0]
