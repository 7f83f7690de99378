"""Attributes of layers: their kinds and defaults, read from parameters; as values, and as text as MXNet writes it."""

from __future__ import annotations

import re
from ast import literal_eval
from collections.abc import Sequence
from dataclasses import dataclass
from inspect import Parameter
from operator import index
from types import NoneType, UnionType
from typing import Any, Literal, NewType, SupportsIndex, TypeAlias, Union, cast, get_args, get_origin

import numpy as np

from graphc.errors import DTypeError
from graphc.ops.declare import offence
from graphc.types import as_dtype

DTypeName = NewType("DTypeName", str)  # `float32`; a dtype or a type of scalars may be given, too
Ints: TypeAlias = tuple[int | None, ...]  # an integer may be given for a tuple of one

SINGLE = DTypeName("float32")  # MXNet's default
REQUIRED = Parameter.empty
SHOWN = {int: "an integer", float: "a number", bool: "True or False", str: "text", tuple: "a tuple of integers"}


@dataclass(frozen=True)
class Attribute:
    """One attribute: its name, the kind of its values (int, float, bool, str, tuple, or DTypeName), and its default.

    It may be None where it is `optional`; text may be one of the `choices` only.
    """

    name: str
    kind: Any
    default: Any = REQUIRED
    optional: bool = False
    choices: tuple[str, ...] = ()

    @staticmethod
    def of(parameter: Parameter) -> Attribute:
        """The attribute that a body's parameter declares."""
        kind, optional = parameter.annotation, False
        if get_origin(kind) in (Union, UnionType):
            optional, (kind,) = True, [part for part in get_args(kind) if part is not NoneType]
        choices = cast("tuple[str, ...]", get_args(kind)) if get_origin(kind) is Literal else ()
        kind = str if choices else get_origin(kind) or kind
        return Attribute(parameter.name, kind, parameter.default, optional, choices)

    def read(self, layer: str, value: Any) -> Any:
        """A value as the layer's body takes it, from one as users give it or as text; an error if it is none."""
        if value is REQUIRED:
            raise TypeError(offence(layer, f"the attribute {self.name} is missing", f"give {self.name}="))
        if self.kind not in (str, DTypeName) and isinstance(value, str):
            value = self._parsed(layer, value)
        if self.optional and (value is None or value == "None"):
            return None
        try:
            found = self._converted(value)
        except (TypeError, ValueError, DTypeError) as error:
            raise TypeError(offence(layer, f"{self.name}={value!r} is not {self._wanted}", "give one")) from error
        if self.choices and found not in self.choices:
            raise ValueError(offence(layer, f"{self.name}={value!r} is unknown", f"take {', '.join(self.choices)}"))
        return found

    def spell(self, value: Any) -> str:
        """A value as MXNet writes it in files."""
        return str(value)

    @property
    def _wanted(self) -> str:
        return SHOWN.get(self.kind, "a dtype") + (" or None" if self.optional else "")

    def _converted(self, value: Any) -> Any:
        if self.kind is tuple:
            return _integers(value)
        if self.kind is int:
            return index(value)
        if self.kind is bool:
            if value not in (0, 1):
                raise ValueError
            return bool(value)
        if self.kind is float:
            return float(value)
        if self.kind is DTypeName:
            return as_dtype(value).name
        if not isinstance(value, str):
            raise TypeError
        return value

    def _parsed(self, layer: str, text: str) -> Any:
        """What text stands for: `(3, 3)`, `True`, `1e-05`; `true`, `[1, 2]` and `3L`, which old files have, as well."""
        plain = re.sub(r"(?<=\d)L\b", "", text.strip())
        plain = {"true": "True", "false": "False"}.get(plain, plain)
        if plain in ("inf", "-inf", "nan"):
            return float(plain)
        try:
            return literal_eval(plain)
        except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
            raise TypeError(offence(layer, f"{self.name}={text!r} is not {self._wanted}", "give one")) from error


def _integers(value: Any) -> tuple[int | None, ...]:
    """An integer alone, or several, None among them."""
    if isinstance(value, SupportsIndex) and not isinstance(value, np.ndarray):
        return (index(value),)
    return tuple([None if each is None else index(each) for each in cast("Sequence[Any]", value)])
