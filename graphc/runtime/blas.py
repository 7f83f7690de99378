"""The BLAS library to call for large products: the OpenBLAS that NumPy carries, or another that is found."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Blas:
    """Addresses of `cblas_sgemm` and `cblas_dgemm`, under the names that generated code calls, and their integer."""

    path: str
    symbols: dict[str, int]
    integer: np.dtype


@cache
def find_blas() -> Blas | None:
    """The first library that has both functions; None where there is none."""
    for path in _candidates():
        try:
            library = ctypes.CDLL(path)
        except OSError:
            continue
        for prefix, suffix, integer in _SPELLINGS:
            names = {f"blas_{t}gemm": f"{prefix}cblas_{t}gemm{suffix}" for t in "sd"}
            if all(hasattr(library, name) for name in names.values()):
                symbols = {ours: _address(library, theirs) for ours, theirs in names.items()}
                return Blas(path, symbols, np.dtype(integer))
    return None


_SPELLINGS = [
    ("scipy_", "64_", "int64"),
    ("scipy_", "", "int32"),
    ("", "64_", "int64"),
    ("", "", "int32"),
]


def _candidates() -> Iterator[str]:
    """Libraries inside the NumPy wheel, then those the system knows."""
    package = Path(np.__file__).parent
    for folder in (package.parent / "numpy.libs", package / ".dylibs"):
        yield from map(str, sorted(folder.glob("*openblas*")))
    find = import_module("ctypes.util").find_library  # which starts other programs, and loads what that takes
    yield from filter(None, map(find, ("openblas", "cblas", "blas")))


def _address(library: ctypes.CDLL, name: str) -> int:
    address = ctypes.cast(getattr(library, name), ctypes.c_void_p).value
    assert address is not None
    return address
