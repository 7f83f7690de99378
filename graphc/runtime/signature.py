"""What a program takes and gives: its arrays, and the structure of the result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from graphc.state import State

WORKSPACE, LONG = 0, 1  # words of a plan: bytes of workspace; whether to release the GIL

# An output's number, None, or these nested; dictionary keys are strings
Structure: TypeAlias = "int | tuple[Structure, ...] | list[Structure] | dict[str, Structure] | None"


@dataclass(frozen=True)
class Slot:
    """An extent known when called: a word of the plan."""

    index: int


@dataclass(frozen=True)
class Buffer:
    """One array, argument or result."""

    dtype: np.dtype[Any]
    shape: tuple[int | Slot, ...]


@dataclass(frozen=True)
class Signature:
    """A program from outside; `into` says that callers give the outputs, after the inputs, and get None.

    The program reads the arrays of the `states` after the inputs; its last outputs become the arrays of the first
    `updates` of them, and appear in no structure. With states, callers do not give the outputs.
    """

    inputs: tuple[Buffer, ...]
    outputs: tuple[Buffer, ...]
    structure: Structure
    into: bool = False
    states: tuple[State, ...] = ()
    updates: int = 0

    @property
    def arguments(self) -> tuple[Buffer, ...]:
        """What a call passes."""
        return self.inputs + self.outputs if self.into else self.inputs

    @property
    def slots(self) -> frozenset[int]:
        """The words of the plan that are extents."""
        extents = (extent for buffer in self.inputs + self.outputs for extent in buffer.shape)
        return frozenset(extent.index for extent in extents if isinstance(extent, Slot))


def concrete(shape: tuple[int | Slot, ...], plan: np.ndarray[Any, Any]) -> tuple[int, ...]:
    """A shape's extents under a plan."""
    return tuple(int(plan[extent.index]) if isinstance(extent, Slot) else extent for extent in shape)
