"""Expressions as people write them: infix operators, with no more parentheses than needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graphc.node import Literal, Op
from graphc.types import DType

# How tightly an operator binds, as in Python; but (x / y)*2 keeps its parentheses, as spaces would mislead
COMPARISON, OR, XOR, AND, SHIFT, SUM, QUOTIENT, PRODUCT, UNARY, POWER, ATOM = range(11)

BINARY = {
    "equal": (" == ", COMPARISON),
    "not_equal": (" != ", COMPARISON),
    "less": (" < ", COMPARISON),
    "less_equal": (" <= ", COMPARISON),
    "greater": (" > ", COMPARISON),
    "greater_equal": (" >= ", COMPARISON),
    "bitwise_or": (" | ", OR),
    "bitwise_xor": (" ^ ", XOR),
    "bitwise_and": (" & ", AND),
    "bitwise_left_shift": (" << ", SHIFT),
    "bitwise_right_shift": (" >> ", SHIFT),
    "add": (" + ", SUM),
    "subtract": (" - ", SUM),
    "divide": (" / ", QUOTIENT),
    "floor_divide": (" // ", QUOTIENT),
    "remainder": (" % ", QUOTIENT),
    "matmul": (" @ ", QUOTIENT),
    "multiply": ("*", PRODUCT),
    "power": ("**", POWER),
}
PREFIX = {"negative": "-", "bitwise_invert": "~"}


@dataclass(frozen=True, slots=True)
class Expression:
    """Text, and how tightly what stands outermost in it binds."""

    text: str
    binding: int = ATOM

    def inside(self, binding: int) -> str:
        """The text as an operand of something that binds as tightly as this."""
        return self.text if self.binding >= binding else f"({self.text})"


def applied(name: str, args: Sequence[Expression], rest: Sequence[str] = ()) -> Expression:
    """An operator or a function of arguments, with what else stands in its call."""
    match len(args), rest:
        case 2, () if name in BINARY:
            return _binary(name, *args)
        case 1, () if name in PREFIX:
            return Expression(PREFIX[name] + args[0].inside(UNARY), UNARY)
        case _:
            return Expression(f"{name}({', '.join([*(arg.text for arg in args), *rest])})")


def _binary(name: str, left: Expression, right: Expression) -> Expression:
    symbol, binding = BINARY[name]
    if name == "power":
        return Expression(f"{left.inside(POWER + 1)}**{right.inside(UNARY)}", POWER)
    if name == "add" and right.binding == UNARY and right.text[0] == "-":
        return Expression(f"{left.inside(SUM)} - {right.text[1:]}", SUM)
    least = binding + 1 if binding == COMPARISON else binding
    above = PRODUCT if binding == QUOTIENT else binding  # x / (y*2): Python reads x / y*2 as (x / y)*2
    return Expression(f"{left.inside(least)}{symbol}{right.inside(above + 1)}", binding)


def number(value: object) -> Expression:
    """A number, as short as it can be written; `2` for 2.0, since types are shown elsewhere."""
    text = str(np.asarray(value)[()])
    text = text.removesuffix(".0") if text != "-0.0" else text
    return Expression(text, UNARY if text[0] == "-" else ATOM)


def parameter(value: object) -> str:
    """A parameter of an operator as text."""
    match value:
        case tuple():
            shown = [parameter(item) for item in value]
            return f"({shown[0]},)" if len(shown) == 1 else f"({', '.join(shown)})"
        case DType() | Op() | Literal():
            return str(value)
        case _:
            return repr(value)
