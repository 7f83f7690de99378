"""Ahead of time: a compiled function as an object file or shared library, with a header and a loader in plain C.

Nothing of Python is needed to build against them or to run them. The object has the functions of `codegen.plain`;
the loader adds one that takes its workspace from `malloc`, for callers that do not care where it is.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import indent
from typing import Any

import numpy as np

from graphc.codegen import parallel, stack
from graphc.codegen.emit import Module
from graphc.codegen.plain import LIMIT, MISFIT, NO_MEMORY, OK, constant_name, constants, emit_plain
from graphc.codegen.program import ENTRY, emit_program
from graphc.codegen.prototype import Prototype
from graphc.codegen.target import Target
from graphc.errors import GraphcError
from graphc.graph import Graph
from graphc.kernel.fuse import fuse
from graphc.kernel.program import ALIGNMENT, Program
from graphc.node import Literal, Node
from graphc.passes.pipeline import optimise
from graphc.runtime import engine
from graphc.runtime.function import Function
from graphc.sym.record import replay
from graphc.tree import TreeDef
from graphc.types import Stack

_LIBRARY = {"darwin": "lib{}.dylib", "win32": "{}.dll"}.get(sys.platform, "lib{}.so")
_BLAS = {"blas_sgemm": "cblas_sgemm", "blas_dgemm": "cblas_dgemm"}


@dataclass(frozen=True)
class Exported:
    """The files that were written; a shared library has its loader inside."""

    code: Path
    header: Path
    loader: Path | None = None


def export(
    function: Function,
    path: str | os.PathLike[str],
    target: str | Target | None = None,
    format: str = "object",
    *,
    blas: bool = False,
    libraries: Sequence[str] = (),
) -> Exported:
    """Write a compiled function for use from C: `path` names the files, and its last part the C functions.

    `export(f, 'build/model')` writes `build/model.o`, `build/model.h` and `build/model.c`; with `format='shared'`
    a C compiler (`cc`, or what the environment's CC says) makes one library of object and loader. `target` is the
    machine the code is for, if not the one that `compile` was told: `'avx2'`, `'x86-64'`, `'aarch64'`, `'wasm32'`…
    With `blas=True` large products call `cblas_sgemm` and `cblas_dgemm` of the 32-bit interface, which the program
    must then be linked with; `libraries` are further words for the linker, such as `'-lopenblas'`.

    Loops and switches are code like any other; what a while loop must remember for its gradient takes memory from
    `malloc`, and a loop that never ends cannot be interrupted. Inputs without a type have those of the last call.
    """
    if format not in ("object", "shared"):
        raise GraphcError(f"export: no format is named {format!r}; there are 'object' and 'shared'")
    function.require_no_states("export")
    path = Path(path)
    if not re.fullmatch(r"[A-Za-z]\w*", path.name, flags=re.ASCII):
        raise GraphcError(f"export: {path.name!r} cannot be the name of a C function; use letters, digits and _")
    found = Target.named(target) if isinstance(target, str) else target or function.options.processor
    unit = _Unit(path.name, _program(function, blas), function.structure, found)
    if format == "shared":
        return _write_shared(unit, path.parent, libraries)
    files = _write(unit, path.parent)
    return Exported(files["o"], files["h"], files["c"])


# -- what is exported -------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Unit:
    """A program under a name, for a target."""

    name: str
    program: Program
    structure: TreeDef
    target: Target

    @property
    def prototype(self) -> Prototype:
        return Prototype.of(self.name, self.program, self.structure)


def _program(function: Any, blas: bool) -> Program:
    """The program anew: that of this process may call a library that is only here."""
    typed = function.graph.inputs
    outputs = replay(function.outputs, dict(zip(function.inputs, typed, strict=True)))
    options = function.options
    graph = optimise(Graph(typed, tuple(outputs)), blas, options.fast_math, training=options.training)
    return Program.of(graph, fuse(graph, options.fuse))


def _object(unit: _Unit) -> bytes:
    """The machine code, with the program and its constants inside."""
    module = emit_program(unit.program, unit.target, np.dtype(np.int32))
    stack.define_in_c(module)
    parallel.define_in_c(module)
    for number, node in enumerate(constants(unit.program)):
        _embed(module, constant_name(unit.name, number), node.params[0])
    emit_plain(module, unit.program, unit.name)
    renamed = {old: new for old, new in _BLAS.items() if old in module.declarations}
    return engine.compile_object(module.text(), unit.target, jit=False, names={ENTRY: f"{unit.name}_program"} | renamed)


def _embed(module: Module, name: str, literal: object) -> None:
    assert isinstance(literal, Literal)
    data = literal.array.tobytes()
    text = re.sub("..", r"\\\g<0>", data.hex())
    module.globals[name] = f'@{name} = internal constant [{len(data)} x i8] c"{text}", align {ALIGNMENT}'


# -- files ------------------------------------------------------------------------------------------


def _write(unit: _Unit, folder: Path) -> dict[str, Path]:
    contents = {"o": _object(unit), "h": _header(unit).encode(), "c": _loader(unit).encode()}
    folder.mkdir(parents=True, exist_ok=True)
    files = {suffix: folder / f"{unit.name}.{suffix}" for suffix in contents}
    for suffix, file in files.items():
        file.write_bytes(contents[suffix])
    return files


def _write_shared(unit: _Unit, folder: Path, libraries: Sequence[str]) -> Exported:
    compiler = _compiler(unit.target)
    library, header = folder / _LIBRARY.format(unit.name), folder / f"{unit.name}.h"
    with TemporaryDirectory() as place:
        files = _write(unit, Path(place))
        folder.mkdir(parents=True, exist_ok=True)
        words = ["-shared", "-fPIC", "-O2", "-o", library, files["c"], files["o"], *libraries]
        run = subprocess.run([*compiler, *words], capture_output=True, text=True)
        if run.returncode:
            raise GraphcError(f"export: {' '.join(compiler)} cannot link {library.name}: {run.stderr.strip()}")
        shutil.copy(files["h"], header)
    return Exported(library, header)


def _compiler(target: Target) -> list[str]:
    """The C compiler, as words of a command."""
    if given := os.environ.get("CC", "").split():
        return given
    machine = target.triple.split("-")[0]
    way_out = "set CC, or export an object"
    if machine != Target.host().triple.split("-")[0]:
        raise GraphcError(f"export: a shared library for {machine} needs a compiler for it; {way_out}")
    found = next(filter(shutil.which, ("cc", "gcc", "clang")), None)
    if found is None:
        raise GraphcError(f"export: a shared library needs a C compiler, and there is none; {way_out}")
    return [found]


# -- C ----------------------------------------------------------------------------------------------

_HEADER = """\
/* {name}: compiled by graphc for {target}.
 *
{arrays}
 *
 * Arrays are contiguous, the last axis fastest, aligned as their elements; results overlap nothing. Functions may be
 * called from several threads at once. They return {NAME}_OK, {NAME}_MISFIT if extents do not fit the program,
 * {NAME}_NO_MEMORY, or {NAME}_LIMIT if a loop goes on after its greatest number of iterations.{notes}
 */
#ifndef {NAME}_H
#define {NAME}_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

enum {{ {NAME}_OK = {ok}, {NAME}_MISFIT = {misfit}, {NAME}_NO_MEMORY = {no_memory}, {NAME}_LIMIT = {limit} }};

/* In {name}.c: takes its workspace from malloc. */
{declaration};

/* How many bytes of workspace a call needs; -1 if the extents do not fit. */
int64_t {name}_workspace({extents});

/* The same in a workspace that the caller gives, aligned to {alignment} bytes. */
int {name}_run({parameters}, void *workspace);

#ifdef __cplusplus
}}
#endif
#endif
"""

_NOTES = """
 *
 * A loop whose length is known only when it ends keeps what it needs later on a stack, which grows by
 * malloc and free."""

_LOADER = """\
/* The loader of {name}: a call with a workspace from malloc. */
#include "{name}.h"

#include <stdlib.h>

{declaration}
{{
    int64_t size = {name}_workspace({given_extents});
    if (size < 0)
        return {NAME}_MISFIT;
    char *block = malloc((size_t)size + {alignment});
    if (block == NULL)
        return {NAME}_NO_MEMORY;
    int status = {name}_run({given}, block + {alignment} - (uintptr_t)block % {alignment});
    free(block);
    return status;
}}
"""


def _header(unit: _Unit) -> str:
    prototype = unit.prototype
    rows = (*prototype.inputs, *prototype.outputs)
    width = max(len(name) for name, _ in rows)
    arrays = "\n".join(f"{name:{width}}  {node.type}" for name, node in rows)
    return _HEADER.format(
        target=f"{unit.target.triple} ({unit.target.cpu})",
        arrays=indent(arrays, " *   "),
        ok=OK,
        misfit=MISFIT,
        no_memory=NO_MEMORY,
        limit=LIMIT,
        notes=_NOTES if _has_stacks(unit.program) else "",
        **_fields(unit),
    )


def _has_stacks(program: Program) -> bool:
    own = any(isinstance(buffer, Node) and isinstance(buffer.type, Stack) for buffer in program.slabs)
    return own or any(_has_stacks(inner) for programs in program.nested.values() for inner in programs)


def _loader(unit: _Unit) -> str:
    return _LOADER.format(**_fields(unit))


def _fields(unit: _Unit) -> dict[str, Any]:
    """What both texts have in common."""
    prototype = unit.prototype
    arrays = [name for name, _ in (*prototype.inputs, *prototype.outputs)]
    dims = [name for name, _ in prototype.dims]
    return {
        "name": unit.name,
        "NAME": unit.name.upper(),
        "alignment": ALIGNMENT,
        "declaration": prototype.declaration,
        "extents": ", ".join(prototype.extents) or "void",
        "parameters": ", ".join([*prototype.arrays, *prototype.extents]),
        "given_extents": ", ".join(dims),
        "given": ", ".join([*arrays, *dims]),
    }
