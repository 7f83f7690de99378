"""LLVM text to code in memory: optimise, compile, link, and keep the code as long as someone holds it.

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
    return target.machine().emit_object(_optimised(text, target))


def assembly(text: str, target: Target) -> str:
    """The module as the assembly of any target, for reading."""
    return target.machine().emit_assembly(_optimised(text, target))


def optimised_ir(text: str, target: Target) -> str:
    """The module as the code generator sees it."""
    return str(_optimised(text, target))


def _optimised(text: str, target: Target) -> Any:
    try:
        module = llvm.parse_assembly(text)
        module.verify()
    except RuntimeError as error:
        raise InternalError(f"engine: LLVM does not take the module: {error}") from None
    machine = target.machine()
    module.data_layout = str(machine.target_data)
    # The text is already vectorised, unrolled and fused: only what repeats itself is worth LLVM's time.
    passes = llvm.create_new_function_pass_manager()
    passes.add_instruction_combine_pass()
    passes.add_new_gvn_pass()
    passes.add_simplify_cfg_pass()
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(1))
    for function in module.functions:
        if not function.is_declaration:
            passes.run(function, builder)
    return module


@cache
def _jit(target: Target) -> Any:
    return llvm.create_lljit_compiler(target.machine(), suppress_errors=True)


_numbers = count()
