"""One file a workload; each lists its full sizes as WORKLOADS and a size for tests as SMALL."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from benchmarks.workload import Workload


def full() -> list[Workload]:
    """Every workload at the size that is measured."""
    return [workload for module in _modules() for workload in module.WORKLOADS]


def small() -> list[Workload]:
    """Every workload at a size that is quick to check."""
    return [workload for module in _modules() for workload in module.SMALL]


def _modules() -> list:
    return [import_module(f"{__name__}.{info.name}") for info in iter_modules(__path__)]
