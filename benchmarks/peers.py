"""The peers: what each imports, how it takes arrays, how one waits for its results; and its settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Peer:
    """One way to run a workload.

    `builder` names the workload's method, `wait` is appended to a call to wait for its result, and
    `environment` may mention variables as a shell does.
    """

    name: str
    builder: str
    module: str
    native: Callable[[np.ndarray], Any] = np.asarray
    wait: str = ""
    environment: tuple[tuple[str, str], ...] = ()


def _jax_array(array: np.ndarray) -> Any:
    return import_module("jax.numpy").asarray(array)


def _torch_tensor(array: np.ndarray) -> Any:
    return import_module("torch").from_numpy(array)


def _linked_by(linker: str) -> tuple[tuple[str, str], ...]:
    return (("PYTENSOR_FLAGS", f"linker={linker},base_compiledir=$XDG_CACHE_HOME/pytensor"),)


PEERS = (
    Peer("graphc", "graphc", "graphc"),
    Peer("graphc steps", "graphc_steps", "graphc"),  # a loop of Python's around a compiled step
    Peer("numpy", "numpy", "numpy"),
    Peer("jax", "jax", "jax", _jax_array, wait=".block_until_ready()"),
    Peer("torch", "torch", "torch", _torch_tensor),
    Peer("torch.compile", "torch_compile", "torch", _torch_tensor),
    Peer("pytensor-c", "pytensor", "pytensor", environment=_linked_by("cvm")),
    Peer("pytensor-numba", "pytensor", "pytensor", environment=_linked_by("numba")),
    Peer("numba", "numba", "numba"),
)


def settings(scratch: str, threads: int) -> dict[str, str]:
    """The environment of every worker: its threads, caches that start empty, float64 where the input is."""
    pools = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA", "VECLIB_MAXIMUM")
    several = "true" if threads > 1 else "false"
    return {f"{name}_NUM_THREADS": str(threads) for name in pools} | {
        "XLA_FLAGS": f"--xla_cpu_multi_thread_eigen={several} intra_op_parallelism_threads={threads}",
        "JAX_PLATFORMS": "cpu",
        "JAX_ENABLE_X64": "1",
        "TORCHINDUCTOR_COMPILE_THREADS": "1",
        "TORCHINDUCTOR_CACHE_DIR": f"{scratch}/inductor",
        "XDG_CACHE_HOME": scratch,
    }
