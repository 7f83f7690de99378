"""Elementary functions as straight-line vector IR: within 2 ulp, special values right, no library called."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from graphc.codegen.emit import Value
from graphc.codegen.vmath import (
    error,
    exponential,
    inverse_hyperbolic,
    logarithm,
    power,
    remainder,
    trigonometric,
)


def _public(*modules: ModuleType) -> dict[str, Callable[..., Value]]:
    """The functions these modules list in `__all__`, by name."""
    return {name: getattr(module, name) for module in modules for name in module.__all__}


FUNCTIONS = _public(exponential, logarithm, error, trigonometric, inverse_hyperbolic, power, remainder)
