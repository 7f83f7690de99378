"""LLVM text to code in memory: compile, link, and keep the code as long as someone holds it.

>>> engine = load("define i64 @f() {\\n ret i64 7\\n}", Target.host(), ["f"])
>>> ctypes.CFUNCTYPE(ctypes.c_int64)(engine.address("f"))()
7
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import count
from typing import Any

import llvmlite.binding as llvm

from graphc.codegen.target import Target
from graphc.errors import InternalError


@dataclass(frozen=True, eq=False)
class Engine:
    """Loaded code. Addresses are good while the engine lives; the object code may be linked again elsewhere."""

    object_code: bytes
    _code: Any  # LLVM unloads the code when this goes

    def address(self, name: str) -> int:
        """Where an exported function lies."""
        return self._code[name]


def load(text: str, target: Target, exports: Iterable[str], symbols: Mapping[str, int] | None = None) -> Engine:
    """Compile a module for this machine; `symbols` says where its undefined names are."""
    return link(compile_object(text, target), target, exports, symbols)


def link(
    object_code: bytes, target: Target, exports: Iterable[str], symbols: Mapping[str, int] | None = None
) -> Engine:
    """Load code compiled earlier, by this process or by another one of the same target."""
    # The process gives what LLVM itself may call: memcpy, memset
    library = llvm.JITLibraryBuilder().add_object_img(object_code).add_current_process()
    for name in exports:
        library.export_symbol(name)
    for name, address in (symbols or {}).items():
        library.import_symbol(name, address)
    try:
        return Engine(object_code, library.link(_jit(target), f"graphc{next(_numbers)}"))
    except RuntimeError as error:
        raise InternalError(f"engine: the code does not link: {error}") from None


def compile_object(text: str, target: Target) -> bytes:
    """The module as relocatable machine code of any target."""
    machine = target.machine()
    return machine.emit_object(_parse(text, machine))


def assembly(text: str, target: Target) -> str:
    """The module as the assembly of any target, for reading."""
    machine = target.machine()
    return machine.emit_assembly(_parse(text, machine))


def _parse(text: str, machine: Any) -> Any:
    """The module, as LLVM's code generator takes it: see the note on passes."""
    try:
        module = llvm.parse_assembly(text)
        module.verify()
    except RuntimeError as error:
        raise InternalError(f"engine: LLVM does not take the module: {error}") from None
    module.data_layout = str(machine.target_data)
    return module


@cache
def _jit(target: Target) -> Any:
    return llvm.create_lljit_compiler(target.machine(), suppress_errors=True)


_numbers = count()


# Note: no passes. The text is already vectorised, unrolled and fused, in SSA form. For ten kernels of 190 lines each,
# the code generator takes 81 ms; instcombine, GVN and simplifycfg before it add 40 ms, the standard pipeline (-O1) 50,
# and the code is no faster. The code generator itself merges common subexpressions and hoists what is invariant, but
# for loads: whoever writes the text puts a load outside the loops that it does not depend on.
