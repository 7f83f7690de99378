"""What a program's plain functions look like in C: names and types of arrays, and the named dimensions after them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from graphc.kernel.program import Program
from graphc.node import Node
from graphc.tree import TreeDef

_TYPES = {"bool": "uint8_t", "float32": "float", "float64": "double"}
_RESERVED = """
    auto bool break case char const continue default do double else enum extern float for goto if inline int long
    register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while
    class delete namespace new operator private protected public template this throw true false try using virtual
    int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t uint64_t uintptr_t size_t
    workspace size block status malloc free NULL
"""  # words of C and C++, types, and what the loader itself names


@dataclass(frozen=True)
class Prototype:
    """The parameters of a program's functions: every array by a name of C, then every named dimension."""

    name: str
    inputs: tuple[tuple[str, Node], ...]
    outputs: tuple[tuple[str, Node], ...]
    dims: tuple[tuple[str, str], ...]

    @staticmethod
    def of(name: str, program: Program, structure: TreeDef) -> Prototype:
        """With names as near to the user's as C allows; those of the outputs are their places in the structure."""
        graph, taken = program.graph, {*_RESERVED.split(), name, f"{name}_run", f"{name}_workspace"}
        outputs = output_names(structure)
        inputs = tuple([(_identifier(x.name, taken), x) for x in graph.inputs])
        results = tuple([(_identifier(place, taken), y) for place, y in zip(outputs, graph.outputs, strict=True)])
        dims = tuple([(_identifier(dim, taken), dim) for dim in program.symbols])
        return Prototype(name, inputs, results, dims)

    @property
    def extents(self) -> list[str]:
        return [f"int64_t {name}" for name, _ in self.dims]

    @property
    def arrays(self) -> list[str]:
        read = [f"const {c_type(x.dtype)} *{name}" for name, x in self.inputs]
        return read + [f"{c_type(y.dtype)} *{name}" for name, y in self.outputs]

    @property
    def declaration(self) -> str:
        """The function that needs no workspace given."""
        return f"int {self.name}({', '.join([*self.arrays, *self.extents])})"


def c_type(dtype: np.dtype) -> str:
    return _TYPES.get(dtype.name) or f"{dtype.name}_t"


def _identifier(name: str, taken: set[str]) -> str:
    """A name of C like this one, which no other has."""
    stem = re.sub(r"\W", "_", name, flags=re.ASCII)
    stem = stem if re.match("[A-Za-z]", stem) else f"v{stem}"
    found, number = stem, 2
    while found in taken:
        found, number = f"{stem}_{number}", number + 1
    taken.add(found)
    return found


def output_names(structure: TreeDef) -> list[str]:
    """Names for the outputs from their places: keys of dicts, numbers in sequences, `out` where there is nothing."""
    return list(_names(structure, ""))


def _names(structure: TreeDef, name: str) -> Iterator[str]:
    if structure.kind is None:
        yield name or "out"
    for key, child in zip(structure.keys or range(len(structure.children)), structure.children, strict=True):
        prefix = f"{name}_" if name else "" if structure.keys else "out"
        yield from _names(child, f"{prefix}{key}")
