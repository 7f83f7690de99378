"""The algebra: each rule one line, read from left to right.

`x`, `y`, `z` stand for any node, `p`, `q`, `r` for boolean ones, `c`, `d` for numbers: constants, the same in every
element; a function of numbers alone is computed when the rule is used. Functions are operators by name.
A rule is *exact* if both sides are equal, bit for bit, for all values, infinities and NaNs included, or equal within
the accuracy promised for an elementary function; the sign of zero is not told apart, and the right side may avoid an
overflow or underflow in between, never make one. All others need `fast_math`.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

Number = bool | int | float


@dataclass(frozen=True)
class Rule:
    """An equation used from left to right, and for which numbers and dtypes (kinds of NumPy's) it holds."""

    left: str
    right: str
    kinds: str = "iuf"
    when: Callable[..., bool] | None = None
    fast: bool = False

    @cached_property
    def pattern(self) -> ast.expr:
        return ast.parse(self.left, mode="eval").body

    @cached_property
    def result(self) -> ast.expr:
        return ast.parse(self.right, mode="eval").body

    def holds(self, numbers: Mapping[str, Number]) -> bool:
        """Whether its condition is met by these numbers, given by name."""
        return self.when is None or self.when(**numbers)

    def __str__(self) -> str:
        return f"{self.left} = {self.right}"


def _exact(equation: str, kinds: str = "iuf", when: Callable[..., bool] | None = None) -> Rule:
    left, right = equation.split(" = ")
    return Rule(left, right, kinds, when)


def _fast(equation: str, kinds: str = "f", when: Callable[..., bool] | None = None) -> Rule:
    left, right = equation.split(" = ")
    return Rule(left, right, kinds, when, fast=True)


def _is_power_of_two(number: Number) -> bool:
    return number != 0 and math.isfinite(number) and abs(math.frexp(number)[0]) == 0.5


def _only_scales(c: Number, d: Number) -> bool:
    """Whether multiplying by one of them is exact, and by their product neither overflows nor underflows first."""
    return (_is_power_of_two(c) or _is_power_of_two(d)) and 2**-126 <= abs(c * d) < 2**127


RULES: tuple[Rule, ...] = (
    # numbers first, and the neutral ones gone
    _exact("x * c = c * x"),
    _exact("x + c = c + x"),
    _exact("1 * x = x"),
    _exact("0 + x = x"),
    _exact("x - 0 = x"),
    _exact("x / 1 = x"),
    _exact("0 * x = 0", "iu"),
    _exact("-1 * x = -x", "if"),
    _exact("0 - x = -x", "if"),
    # numbers gathered; products of floats where one factor only scales
    _exact("c * (d * x) = (c * d) * x", "iu"),
    _exact("c * (d * x) = (c * d) * x", "f", _only_scales),
    _exact("c + (d + x) = (c + d) + x", "iu"),
    _exact("x / c = (1 / c) * x", "f", lambda c: _is_power_of_two(c) and abs(c) < 2**126),
    _exact("(c * x) * (d * y) = (c * d) * (x * y)", "iu"),
    _exact("y * (c * x) = c * (y * x)", "f", lambda c: _is_power_of_two(c) and 1 <= abs(c) <= 1024),
    _exact("x + x = 2 * x"),
    _exact("c * x + x = (c + 1) * x", "iu"),
    _exact("c * x + d * x = (c + d) * x", "iu"),
    _exact("x - x = 0", "iu"),
    # signs
    _exact("-(-x) = x", "if"),
    _exact("-(c * x) = (-c) * x", "if"),
    _exact("c * (-x) = (-c) * x", "if"),
    _exact("(-x) * (-y) = x * y", "if"),
    _exact("x * (-y) = -(x * y)", "if"),
    _exact("(-x) / y = -(x / y)", "f"),
    _exact("x + (-y) = x - y", "if"),
    _exact("x - (-y) = x + y", "if"),
    _exact("abs(-x) = abs(x)", "if"),
    _exact("abs(abs(x)) = abs(x)", "if"),
    _exact("(-x) * x = -(x * x)", "if"),
    # powers
    _exact("x ** 0 = 1"),
    _exact("x ** 1 = x"),
    _exact("x ** 2 = x * x"),
    _exact("x ** 3 = x * (x * x)"),
    _exact("x ** 4 = (x * x) * (x * x)"),
    _exact("x ** -1 = 1 / x", "f"),
    _exact("x ** -2 = 1 / (x * x)", "f"),
    _exact("x ** 0.5 = sqrt(x)", "f"),
    _exact("abs(x) * abs(x) = x * x", "f"),
    # choices
    _exact("where(p, y, y) = y", "biuf"),
    _exact("where(bitwise_invert(p), y, z) = where(p, z, y)", "biuf"),
    _exact("where(p, where(p, w, y), z) = where(p, w, z)", "biuf"),
    _exact("where(p, w, where(p, y, z)) = where(p, w, z)", "biuf"),
    _exact("bitwise_invert(bitwise_invert(x)) = x", "biu"),
    _exact("bitwise_and(x, x) = x", "biu"),
    _exact("bitwise_or(x, x) = x", "biu"),
    _exact("maximum(x, x) = x", "biuf"),
    _exact("minimum(x, x) = x", "biuf"),
    _exact("stop_gradient(x) = x", "biuf"),
    # what rounding, infinities or NaNs forbid otherwise
    _fast("0 * x = 0"),
    _fast("x - x = 0"),
    _fast("x / x = 1"),
    _fast("c * (d * x) = (c * d) * x"),
    _fast("c + (d + x) = (c + d) + x"),
    _fast("c * x + x = (c + 1) * x"),
    _fast("c * x + d * x = (c + d) * x"),
    _fast("x / c = (1 / c) * x", when=lambda c: c != 0 and math.isfinite(1 / c)),
    _fast("(x * y) / y = x"),
    _fast("x / sqrt(y) = x * rsqrt(y)"),
    _fast("log(exp(x)) = x"),
    _fast("exp(log(x)) = x"),
    _fast("exp(x) * exp(y) = exp(x + y)"),
    _fast("sqrt(x * x) = abs(x)"),
    _fast("sqrt(x) * sqrt(x) = x"),
)
