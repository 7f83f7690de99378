"""All layers by MXNet's names, also those that elsewhere mean what they do in NumPy: `sym.mx.mean`, `sym.mx.dot`."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from graphc.sym.mx.layer import FUNCTIONS


def __getattr__(name: str) -> Callable[..., Any]:
    try:
        return FUNCTIONS[name]
    except KeyError:
        raise AttributeError(f"there is no layer {name!r}; sym.mx has {', '.join(FUNCTIONS)}") from None


def __dir__() -> list[str]:
    import_module(f"{__name__}.layers")
    return [*FUNCTIONS]
