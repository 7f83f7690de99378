"""Twins: functions that differ only in where their data lies are one function, which is told where.

The blocks of a deep network do the same with other arrays. For the code generator, most of whose time goes with the
length of the text, they are one; each keeps its name, under which it calls what they share.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

SHORT = 2000  # characters below which a call saves nothing
INLINE = "alwaysinline"
_PLACE = re.compile(r"%place(\d+)")


class Function(NamedTuple):
    """A function, in whose body `%place0`, `%place1`, … stand for numbers."""

    name: str
    parameters: tuple[str, ...]
    result: str
    linkage: str
    attributes: str
    body: str
    places: tuple[int, ...]

    @property
    def kind(self) -> tuple[object, ...]:
        """What twins have in common."""
        return self.parameters, self.result, self.linkage, self.attributes, self.body, len(self.places)

    def __str__(self) -> str:
        """The text, with the numbers in their places."""
        return self._defined(self.name, self.parameters, _PLACE.sub(lambda at: str(self.places[int(at[1])]), self.body))

    def shared(self, name: str) -> str:
        """The text of what twins call: the numbers are parameters."""
        return self._defined(name, (*self.parameters, *(f"i64 %place{k}" for k in range(len(self.places)))), self.body)

    def calling(self, name: str) -> str:
        """The text of a twin that calls what is shared."""
        words = [parameter.split() for parameter in self.parameters]
        given = ", ".join([*(f"{word[0]} {word[-1]}" for word in words), *(f"i64 {place}" for place in self.places)])
        return self._defined(self.name, self.parameters, f"  call void @{name}({given})\n  ret void")

    def _defined(self, name: str, parameters: Iterable[str], body: str) -> str:
        head = f"define {self.linkage} {self.result} @{name}({', '.join(parameters)}) {self.attributes}".rstrip()
        return f"{head} {{\nentry:\n{body}\n}}"


def texts(functions: Iterable[Function]) -> Iterator[str]:
    """The functions as text, twins as one and calls of it."""
    kinds: dict[object, list[Function]] = {}
    for function in functions:
        kinds.setdefault(function.kind, []).append(function)
    for twins in kinds.values():
        if len(twins) > 1 and _is_worth_sharing(twins[0]):
            name = f"{twins[0].name}_shared"
            yield twins[0].shared(name)
            yield from (twin.calling(name) for twin in twins)
        else:
            yield from map(str, twins)


def _is_worth_sharing(function: Function) -> bool:
    return function.result == "void" and INLINE not in function.attributes and len(function.body) > SHORT
