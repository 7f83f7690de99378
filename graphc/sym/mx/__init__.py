"""All layers by MXNet's names, also those that elsewhere mean what they do in NumPy: `sym.mx.mean`, `sym.mx.dot`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphc.sym.mx.layer import FUNCTIONS


def __getattr__(name: str) -> Callable[..., Any]:
    if name not in FUNCTIONS:
        raise AttributeError(f"there is no layer {name!r}; sym.mx has {', '.join(FUNCTIONS)}")
    return FUNCTIONS[name]


def __dir__() -> list[str]:
    return [*FUNCTIONS]
