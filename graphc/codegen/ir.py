"""LLVM IR as text: typed values, pointers, and the module that gathers functions.

A `Value` with one lane is *uniform* (a scalar), with more it is *varying* (a vector). Signedness lives in the
NumPy dtype, since LLVM integers have none.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from graphc.codegen.target import Target
from graphc.codegen.twins import Function, texts

BOOL = np.dtype(np.bool_)
INT32 = np.dtype(np.int32)
INT64 = np.dtype(np.int64)
FLOAT32 = np.dtype(np.float32)
FLOAT64 = np.dtype(np.float64)
ADDRESS = np.dtype(object)  # a pointer held as a value

_SCALARS = {"b": "i1", "f2": "half", "f4": "float", "f8": "double", "O8": "ptr"}


def llvm_type(dtype: np.dtype, lanes: int = 1) -> str:
    """The LLVM type of a value of this dtype: `float`, or `<16 x float>`."""
    kind = dtype.kind
    scalar = _SCALARS["b"] if kind == "b" else _SCALARS.get(f"{kind}{dtype.itemsize}") or f"i{8 * dtype.itemsize}"
    return scalar if lanes == 1 else f"<{lanes} x {scalar}>"


def memory_type(dtype: np.dtype, lanes: int = 1) -> str:
    """The LLVM type as stored in memory, where a bool is a byte."""
    return llvm_type(np.dtype(np.uint8) if dtype.kind == "b" else dtype, lanes)


def literal(value: object, dtype: np.dtype) -> str:
    """The text of one constant: exact, NaN and infinities included."""
    if dtype.kind == "b":
        return "true" if value else "false"
    if dtype.kind == "O":
        return "null"
    if dtype.kind != "f":
        return str(int(value))  # type: ignore[call-overload]
    if dtype.itemsize == 2:
        return f"0xH{np.float16(value).view(np.uint16):04X}"  # type: ignore[arg-type]
    number = np.float32(value) if dtype.itemsize == 4 else value  # type: ignore[arg-type]
    return f"0x{struct.pack('>d', float(number)).hex().upper()}"  # type: ignore[arg-type]


class Value(NamedTuple):
    """An SSA value or a constant: its text, its dtype, and how many lanes it has (1: uniform)."""

    text: str
    dtype: np.dtype
    lanes: int = 1

    @property
    def type(self) -> str:
        return llvm_type(self.dtype, self.lanes)

    @property
    def is_constant(self) -> bool:
        return self.text[0] not in "%@"


class Pointer(NamedTuple):
    """An address of elements of one dtype."""

    text: str
    dtype: np.dtype


@dataclass
class Module:
    """Functions, globals and declarations, joined into one text for LLVM to parse."""

    target: Target
    math: Mapping[str, Callable[..., Value]] = field(default_factory=dict)  # elementary functions by name
    functions: dict[str, Function] = field(default_factory=dict)
    globals: dict[str, str] = field(default_factory=dict)
    declarations: dict[str, str] = field(default_factory=dict)

    def declare(self, name: str, result: str, arguments: Sequence[str]) -> None:
        """Name a function that this module calls; one that it also defines needs no declaration in the text."""
        self.declarations.setdefault(name, f"declare {result} @{name}({', '.join(arguments)})")

    def external(self, name: str) -> Value:
        """The address of what is defined outside the module under this name."""
        self.globals.setdefault(name, f"@{name} = external global i8")
        return Value(f"@{name}", ADDRESS)

    def constant_table(self, name: str, values: np.ndarray) -> Pointer:
        """A read-only table in the module, shared by name."""
        element = memory_type(values.dtype)
        items = ", ".join(f"{element} {literal(v, values.dtype)}" for v in values.ravel().tolist())
        self.globals.setdefault(
            name, f"@{name} = private unnamed_addr constant [{values.size} x {element}] [{items}], align 64"
        )
        return Pointer(f"@{name}", values.dtype)

    def text(self) -> str:
        parts = [f'target triple = "{self.target.triple}"', *self.globals.values()]
        declared = [text for name, text in self.declarations.items() if name not in self.functions]
        return "\n".join([*parts, *declared, *texts(self.functions.values())]) + "\n"


def mangle(dtype: np.dtype, lanes: int) -> str:
    """The type's name inside an intrinsic's: `v16f32`."""
    scalar = "i1" if dtype.kind == "b" else f"{'f' if dtype.kind == 'f' else 'i'}{8 * dtype.itemsize}"
    return scalar if lanes == 1 else f"v{lanes}{scalar}"
