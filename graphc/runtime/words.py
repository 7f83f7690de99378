"""Reading structs and arrays of words in native code: the vocabulary of the runtime's own functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.codegen.emit import ADDRESS, INT64, Emitter, Pointer, Value


def read(e: Emitter, base: Value, offset: int, dtype: np.dtype[Any] = ADDRESS) -> Value:
    """The member at so many bytes after the start of an object."""
    return e.load(e.member(base, offset, dtype))


def word(e: Emitter, words: Value, index: Value | int, dtype: np.dtype[Any] = INT64) -> Value:
    return e.load(at(e, words, index, dtype))


def at(e: Emitter, words: Value, index: Value | int, dtype: np.dtype[Any] = INT64) -> Pointer:
    return e.offset(Pointer(words.text, dtype), index)


def after(e: Emitter, words: Value, index: Value | int) -> Value:
    """The address of a word."""
    return Value(at(e, words, index).text, ADDRESS)


def require(e: Emitter, condition: Value, otherwise: str) -> None:
    """Go on if the condition holds."""
    proceed = e.new_label("ok")
    e.branch(condition, proceed, otherwise)
    e.label(proceed)


def call(e: Emitter, name: str, *arguments: Value) -> Value:
    """A call that returns an address."""
    return e.call(name, "ptr", arguments, ADDRESS)
