"""x less the nearest multiple of π or of π/2, accurate for every x.

Up to a limit π is subtracted in three parts (Cody and Waite). Beyond, x·(1/π) is formed modulo 2 from just those
digits of 1/π that matter at x's exponent (Payne and Hanek): on a branch, taken only if any lane is so large.

The multiple is given as `shifted`, n + 1.5·2^mantissa, whose lowest bits are n in two's complement.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from graphc.codegen.emit import FLOAT64, INT64, Emitter, Value, mangle
from graphc.codegen.vmath.polynomial import (
    MANTISSA_BITS,
    minus_product,
    quick_two_sum,
    round_multiple,
    two_product,
    two_sum,
)

# π as a sum of numbers of the dtype, each the nearest to what the ones before leave
PI = {
    8: (3.141592653589793, 1.2246467991473532e-16, -2.9947698097183397e-33),
    4: (3.1415927, -8.742278e-08, -3.430249e-15),
}

_FAST_LIMIT = {8: 2.0**30, 4: 2.0**16}

# 2^(16g) / π modulo 2 for g = 0 … 60, each as a sum of four float64
_EXPONENTS_A_ROW = 16
_ROWS = (1023 - 52) // _EXPONENTS_A_ROW + 1
_PARTS = 4


def reduce_by_pi(e: Emitter, x: Value, phase: float) -> tuple[Value, Value]:
    """r, within an ulp, and shifted, of x = (n + phase) π + r for x >= 0."""
    near, steps, shifted = _subtract_first(e, x, phase, 1)
    _, second, third = _pi(e, x, 1)
    r = minus_product(e, minus_product(e, near, steps, second), steps, third)
    r, _, shifted = _unless_far(e, x, phase, 1, [r, r, shifted])
    return r, shifted


def reduce_by_half_pi(e: Emitter, x: Value) -> tuple[Value, Value, Value]:
    """r, rest and shifted, of x = n π/2 + r + rest for x >= 0."""
    near, steps, shifted = _subtract_first(e, x, 0.0, 2)
    _, second, third = _pi(e, x, 2)
    r = minus_product(e, near, steps, second)
    rest = minus_product(e, e.sub(near, r), steps, second)
    rest = e.select(e.gt(e.abs(near), 1 / 16), rest, 0.0)  # else near - r may be inexact, and r is small enough
    rest = minus_product(e, rest, steps, third)
    r, rest, shifted = _unless_far(e, x, 0.0, 2, [r, rest, shifted])
    return r, rest, shifted


def _subtract_first(e: Emitter, x: Value, phase: float, halves: int) -> tuple[Value, Value, Value]:
    """x less n + phase times the first part of π / halves; n + phase; and shifted."""
    magic, turns = _magic(x), halves / math.pi
    shifted = e.add(e.fma(x, turns, -phase), magic) if phase else e.fma(x, turns, magic)
    steps = e.add(e.sub(shifted, magic), phase) if phase else e.sub(shifted, magic)
    # exact: a multiple of the last place of x or of the part, whichever is less, and not large
    near = minus_product(e, x, steps, _pi(e, x, halves)[0])
    return near, steps, shifted


def _pi(e: Emitter, like: Value, halves: int) -> list[Value]:
    """π / halves, in parts."""
    return [e.const(part / halves, like) for part in PI[like.dtype.itemsize]]


def _magic(x: Value) -> float:
    return 1.5 * 2.0 ** MANTISSA_BITS[x.dtype.itemsize]


def _unless_far(e: Emitter, x: Value, phase: float, halves: int, reduced: list[Value]) -> list[Value]:
    far = e.gt(x, _FAST_LIMIT[x.dtype.itemsize])

    def by_digits() -> list[Value]:
        return [e.select(far, a, b) for a, b in zip(_call_reduce_far(e, x, phase, halves), reduced, strict=True)]

    return e.if_else(e.any(far), by_digits, lambda: reduced)


def _call_reduce_far(e: Emitter, x: Value, phase: float, halves: int) -> list[Value]:
    """`_reduce_far` as a function, of which a module needs only one, however many sines it has."""
    name = f"reduce_far_{mangle(x.dtype, x.lanes)}_{halves}_{int(2 * phase)}"
    triple = f"{{ {x.type}, {x.type}, {x.type} }}"
    if name not in e.module.functions:
        inside, result = Emitter(e.module), "poison"
        with inside.strict():
            parts = _reduce_far(inside, Value("%x", x.dtype, x.lanes), phase, halves)
        for i, part in enumerate(parts):
            result = inside.assign(f"insertvalue {triple} {result}, {part.type} {part.text}, {i}", x.dtype).text
        inside.line(f"ret {triple} {result}")
        inside.define(name, [f"{x.type} %x"], triple, "internal")
    result = e.assign(f"call {triple} @{name}({x.type} {x.text}) noinline cold", x.dtype).text
    return [e.assign(f"extractvalue {triple} {result}, {i}", x.dtype, x.lanes) for i in range(3)]


def _reduce_far(e: Emitter, x: Value, phase: float, halves: int) -> list[Value]:
    """r, rest and shifted for any x >= 1, by way of float64."""
    high, low, n = _turns(e, e.convert(x, FLOAT64), phase, halves)
    pi, pi_low, _ = _pi(e, high, halves)
    product, error = two_product(e, high, pi)
    r, rest = quick_two_sum(e, product, e.add(error, e.fma(high, pi_low, e.mul(low, pi))))
    narrow = e.convert(r, x.dtype)
    rest = e.add(e.sub(r, e.convert(narrow, FLOAT64)), rest)
    return [narrow, e.convert(rest, x.dtype), e.add(e.convert(n, x.dtype), _magic(x))]


def _turns(e: Emitter, x: Value, phase: float, halves: int) -> tuple[Value, Value, Value]:
    """x · halves / π - phase modulo 2 as high + low + n, with a whole n and |high + low| <= 1/2.

    With x = X · 2^(16g), where X is a whole number of 53 bits, only the row 2^(16g) / π modulo 2 matters. Of its
    products with X, the leading ones are large and lose their even part; the sum of all is taken so that its low
    bits survive when the high ones cancel: a float64 comes as close to a multiple of π/2 as 2^-62.
    """
    row = e.div(e.sub(e.shr(e.bitcast(x, INT64), 52), 1023 + 52), _EXPONENTS_A_ROW)
    row = e.select(e.lt(row, 0), 0, row)
    down = e.shl(e.sub(1023, e.mul(row, _EXPONENTS_A_ROW)), 52)
    whole = e.mul(e.mul(x, e.bitcast(down, FLOAT64)), float(halves))
    table = e.module.constant_table("reciprocal_pi", _reciprocal_pi())
    digits = [e.gather(table, e.add(e.mul(row, _PARTS), i)) for i in range(_PARTS)]
    (p0, q0), (p1, q1), (p2, q2) = (two_product(e, whole, part) for part in digits[:3])
    terms = [_modulo_two(e, p0), _modulo_two(e, q0), _modulo_two(e, p1), q1, p2, e.fma(whole, digits[3], q2)]
    high, *errors = _distil(e, [*terms, e.const(-phase, FLOAT64)] if phase else terms)
    n = round_multiple(e, high, 1.0)
    high, *errors = _distil(e, [e.sub(high, n), *errors])
    return *two_sum(e, high, functools.reduce(e.add, errors)), n


def _modulo_two(e: Emitter, x: Value) -> Value:
    """x less an even number: not more than 1 while x < 2^52, and small anyhow."""
    return e.sub(x, e.mul(round_multiple(e, x, 0.5), 2.0))


def _distil(e: Emitter, terms: list[Value]) -> list[Value]:
    """Terms of the same sum: what adding these gives, and the errors of the additions."""
    total, errors = terms[0], list[Value]()
    for term in terms[1:]:
        total, error = two_sum(e, total, term)
        errors.append(error)
    return [total, *errors]


@functools.cache
def _reciprocal_pi() -> np.ndarray:
    one = 1 << _EXPONENTS_A_ROW * _ROWS + 64 * _PARTS
    digits = _times_reciprocal_pi(one)
    return np.array([_parts((digits << _EXPONENTS_A_ROW * row) % (2 * one), one) for row in range(_ROWS)])


def _parts(rest: int, one: int) -> list[float]:
    """rest / one as a sum of float64."""
    parts: list[float] = []
    for _ in range(_PARTS):
        parts.append(rest / one)
        numerator, denominator = parts[-1].as_integer_ratio()
        rest -= numerator * one // denominator
    return parts


def _times_reciprocal_pi(one: int) -> int:
    """one / π, by Machin's formula π = 16 arctan(1/5) - 4 arctan(1/239)."""
    guarded = one << 64

    def arctan_of_reciprocal(n: int) -> int:
        total, power, k = 0, guarded // n, 1
        while power:
            total += power // k if k % 4 == 1 else -(power // k)
            power, k = power // (n * n), k + 2
        return total

    return (one * guarded) // (16 * arctan_of_reciprocal(5) - 4 * arctan_of_reciprocal(239))
