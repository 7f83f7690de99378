"""The kernel: loop axes and scalar values to store, the only thing code generation reads.

Kernel    = axes, statements
Axis      = name `@k`, extent; the last axis is the lane axis
Statement = buffer[index] = value, or buffer[index] = reduction(buffer[index], value) over the axes
            that the index leaves out
value     = a scalar node: elementwise operators over loads, indices, guards, constants and folds
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from graphc.node import PUBLIC, Node, Op, topological
from graphc.ops.scalar import FOLD, INDEX, INSIDE, LOAD
from graphc.types import Extent, extent_symbols


@dataclass(frozen=True)
class Axis:
    """One loop: the dimension that names it inside indices, and how often it runs."""

    name: str
    extent: Extent


@dataclass(frozen=True)
class Statement:
    """One scalar to store at an index of a buffer; with a reduction, to combine with what is there."""

    buffer: Node
    index: Extent
    value: Node
    reduction: Op | None = None


@dataclass(frozen=True)
class Kernel:
    """A loop nest around scalar nodes; its name, and those of buffers, are for reading and no part of it."""

    axes: tuple[Axis, ...]
    statements: tuple[Statement, ...]
    name: str = field(default="kernel", compare=False)
    names: Mapping[Node, str] = field(default_factory=dict, compare=False, repr=False)

    def __str__(self) -> str:
        return PUBLIC["show_kernel"](self)

    @property
    def lane(self) -> Axis | None:
        """The axis that vectors run along."""
        return self.axes[-1] if self.axes else None

    @cached_property
    def values(self) -> tuple[Node, ...]:
        """Every scalar node, arguments first."""
        return tuple(topological(s.value for s in self.statements))

    @cached_property
    def free_axes(self) -> Mapping[Node, frozenset[str]]:
        """The loop axes each scalar node depends on; a fold closes its own."""
        free: dict[Node, frozenset[str]] = {}
        for node in self.values:
            below = frozenset[str]().union(*(free[arg] for arg in node.args))
            free[node] = (below - {str(node.params[1])}) if node.op is FOLD else below | own_axes(node)
        return free

    def reads(self) -> Iterator[Node]:
        """The buffers it loads from, each once."""
        return iter(dict.fromkeys(buffer_of(node) for node in self.values if node.op is LOAD))

    def writes(self) -> Iterator[Node]:
        return (s.buffer for s in self.statements)


def buffer_of(load: Node) -> Node:
    buffer = load.params[0]
    assert isinstance(buffer, Node)
    return buffer


def indices_of(node: Node) -> tuple[Extent, ...]:
    """The index polynomials in a scalar node's own parameters."""
    if node.op is LOAD:
        return (node.params[2], *(guard[0] for guard in node.params[3]))  # type: ignore[return-value, union-attr, attr-defined]
    if node.op is INDEX:
        return (node.params[0],)  # type: ignore[return-value]
    if node.op is INSIDE:
        return tuple(guard[0] for guard in node.params[0])  # type: ignore[union-attr, attr-defined]
    return ()


def own_axes(node: Node) -> frozenset[str]:
    symbols = frozenset[str]().union(*map(extent_symbols, indices_of(node)))
    return frozenset(s for s in symbols if s[0] == "@")
