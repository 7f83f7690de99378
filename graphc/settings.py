"""Settings: the default float dtype, for everyone or within a block."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

from graphc.errors import DTypeError
from graphc.types import FLOAT64, DType, as_dtype

_everywhere = FLOAT64
_within: ContextVar[DType | None] = ContextVar("default_float", default=None)


def default_float() -> DType:
    """The dtype of variables that declare none, and of float functions of integers."""
    return _within.get() or _everywhere


def set_default_float(dtype: object) -> None:
    """Make a float dtype the default from now on.

    >>> set_default_float('float32'); default_float()
    dtype('float32')
    >>> set_default_float('float64')
    """
    global _everywhere
    _everywhere = _as_float(dtype)


@contextmanager
def use_default_float(dtype: object) -> Generator[DType]:
    """Within the block, and only in its thread or task, a float dtype is the default.

    >>> with use_default_float('float32'):
    ...     default_float()
    dtype('float32')
    """
    found = _as_float(dtype)
    token = _within.set(found)
    try:
        yield found
    finally:
        _within.reset(token)


def _as_float(dtype: object) -> DType:
    found = as_dtype(dtype)
    if found.kind != "f":
        raise DTypeError(f"the default float is a float dtype, not {found}")
    return found
