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

import llvmlite
import llvmlite.binding as llvm

from graphc.codegen.target import Target
from graphc.codegen.twins import INLINE
from graphc.errors import InternalError
from graphc.runtime import cache as disk


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
    return link(cached_object(text, target)[0], target, exports, symbols)


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


def cached_object(text: str, target: Target) -> tuple[bytes, bool]:
    """The module as machine code, and whether it was on disk: LLVM is asked for what is not."""
    key = disk.key(text, repr(target), *_VERSIONS)
    found = disk.read(key)
    if found is not None:
        return found, True
    object_code = compile_object(text, target)
    disk.write(key, object_code)
    return object_code, False


def compile_object(text: str, target: Target, jit: bool = True, names: Mapping[str, str] | None = None) -> bytes:
    """The module as relocatable machine code of any target, with some functions named otherwise."""
    machine = target.machine(jit)
    module = _parse(text, machine)
    for old, new in (names or {}).items():
        module.get_function(old).name = new
    return machine.emit_object(module)


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
    if INLINE in text:
        _inline(module, machine)
    return module


def _inline(module: Any, machine: Any) -> None:
    """Small bodies put into their loops, and what they pass through memory held in registers."""
    passes = llvm.create_new_module_pass_manager()
    passes.add_always_inliner_pass()
    passes.add_sroa_pass()  # the addresses of buffers
    passes.add_instruction_combine_pass()
    passes.add_simplify_cfg_pass()
    passes.add_sroa_pass()  # what lies there
    passes.add_loop_rotate_pass()
    passes.add_new_gvn_pass()
    passes.add_instruction_combine_pass()
    passes.add_simplify_cfg_pass()
    passes.run(module, llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options()))


@cache
def _jit(target: Target) -> Any:
    return llvm.create_lljit_compiler(target.machine(), suppress_errors=True)


_numbers = count()

# What decides on machine code besides text and target. The text says all that is graphc's own, the width of a
# library's integers too; the last number is for the settings of LLVM's code generator, and grows when they change.
_VERSIONS = (llvmlite.__version__, str(llvm.llvm_version_info), "2")


# Note: no passes, except where small bodies are inlined into their loops. The text is already vectorised, unrolled and
# fused, in SSA form. For ten kernels of 190 lines each,
# the code generator takes 81 ms; instcombine, GVN and simplifycfg before it add 40 ms, the standard pipeline (-O1) 50,
# and the code is no faster. The code generator itself merges common subexpressions and hoists what is invariant, but
# for loads: whoever writes the text puts a load outside the loops that it does not depend on.
