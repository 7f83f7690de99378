"""The machine code is for: its triple, processor and vectors; and LLVM's way from text to code."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import llvmlite.binding as llvm


@dataclass(frozen=True)
class Target:
    """A processor: LLVM's name for it, its features, and the widest vectors worth using."""

    triple: str
    cpu: str
    features: str
    vector_bytes: int
    has_fma: bool

    @staticmethod
    @cache
    def host() -> Target:
        """This machine."""
        _initialize()
        features = llvm.get_host_cpu_features()
        wide = 64 if features.get("avx512f") and features.get("avx512dq") and features.get("avx512vl") else 16
        width = wide if wide == 64 else 32 if features.get("avx2") else 16
        has_fma = bool(features.get("fma")) or "aarch64" in llvm.get_process_triple()
        flags = features.flatten() + (",-prefer-256-bit" if wide == 64 else "")
        return Target(llvm.get_process_triple(), llvm.get_host_cpu_name(), flags, width, has_fma)

    @staticmethod
    def named(name: str) -> Target:
        """A target by name: `avx512`, `avx2`, `x86-64` (baseline), `aarch64` or `wasm32`."""
        _initialize()
        if name not in _NAMED:
            raise ValueError(f"no target is named {name!r}; there are {', '.join(_NAMED)}")
        return _NAMED[name]

    @property
    def runs_here(self) -> bool:
        """Whether this machine has the instructions."""
        host = Target.host()
        fits = self.vector_bytes <= host.vector_bytes and self.has_fma <= host.has_fma
        return fits and self.triple.split("-")[0] == host.triple.split("-")[0]

    def machine(self, jit: bool = True) -> Any:
        """LLVM's code generator for this target, for code that is loaded here, or is linked elsewhere."""
        _initialize()
        return llvm.Target.from_triple(self.triple).create_target_machine(
            cpu=self.cpu, features=self.features, opt=2, reloc="pic", codemodel="default", jit=jit
        )


_LINUX = "x86_64-unknown-linux-gnu"
_NAMED = {
    "avx512": Target(_LINUX, "x86-64-v4", "-prefer-256-bit", 64, True),
    "avx2": Target(_LINUX, "x86-64-v3", "", 32, True),
    "x86-64": Target(_LINUX, "x86-64", "", 16, False),
    "aarch64": Target("aarch64-unknown-linux-gnu", "generic", "+neon", 16, True),
    "wasm32": Target("wasm32-unknown-unknown", "generic", "+simd128", 16, False),
}


@cache
def _initialize() -> None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
