"""The kernel: loop axes and scalar values to store, the only thing code generation reads.

Kernel    = axes, statements
Axis      = name `@k`, extent; the last axis is the lane axis
Statement = buffer[index] = value, or buffer[index] = reduction(buffer[index], value) over the axes
            that the index leaves out
value     = a scalar node: elementwise operators over loads, indices, guards, constants and folds
index     = a polynomial of axes `@k` and places `$k`, which are computed: the arguments of the load, index or
            guard whose polynomial it is, or the places of the statement
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from graphc.graph import rewrite
from graphc.node import PUBLIC, Node, Op, make, topological
from graphc.ops.scalar import FOLD, INDEX, INSIDE, LOAD, inside
from graphc.types import Extent, extent_symbols


@dataclass(frozen=True)
class Axis:
    """One loop: the dimension that names it inside indices, and how often it runs."""

    name: str
    extent: Extent


@dataclass(frozen=True)
class Statement:
    """One scalar to store at an index of a buffer; with a reduction, to combine with what is there.

    Only with a reduction has it places: what is stored where another element is would be lost.
    """

    buffer: Node
    index: Extent
    value: Node
    reduction: Op | None = None
    places: tuple[Node, ...] = ()

    @property
    def operands(self) -> tuple[Node, ...]:
        """All scalars it needs."""
        return (self.value, *self.places)


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
        return tuple(topological(x for s in self.statements for x in s.operands))

    @cached_property
    def free_axes(self) -> Mapping[Node, frozenset[str]]:
        """The loop axes each scalar node depends on; a fold closes its own."""
        return free_axes(self.values)

    def walked(self, statement: Statement) -> frozenset[str]:
        """The loop axes that the place of a store depends on."""
        return _axes([statement.index]).union(*(self.free_axes[place] for place in statement.places))

    def rebuild(
        self,
        axes: tuple[Axis, ...],
        rule: Callable[[Node, tuple[Node, ...]], Node],
        change: Callable[[Extent], Extent] = lambda index: index,
    ) -> Kernel:
        """The kernel with other axes, scalar nodes replaced by `rule(node, new arguments)`, and stores' indices."""
        new = iter(rewrite([x for s in self.statements for x in s.operands], rule))
        statements = [
            replace(s, index=change(s.index), value=next(new), places=tuple([next(new) for _ in s.places]))
            for s in self.statements
        ]
        return Kernel(axes, tuple(statements))

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


def with_indices(node: Node, args: tuple[Node, ...], change: Callable[[Extent], Extent]) -> Node:
    """A scalar node of these arguments, the index polynomials of a load, index or guard changed."""

    def guarded(guards: Any) -> Any:
        return tuple((change(index), low, high) for index, low, high in guards)

    params: Any = node.params
    match node.op.name:
        case "load":
            buffer, dtype, index, guards = params
            return make(LOAD, args, (buffer, dtype, change(index), guarded(guards)))
        case "index":
            return make(INDEX, args, (change(params[0]),))
        case "inside":
            return inside(guarded(params[0]), args)
        case _:
            return make(node.op, args, params) if args else node


def free_axes(values: Iterable[Node]) -> Mapping[Node, frozenset[str]]:
    """The loop axes that each of these scalar nodes depends on; arguments come first."""
    free: dict[Node, frozenset[str]] = {}
    for node in values:
        below = frozenset[str]().union(*(free[arg] for arg in node.args))
        free[node] = (below - {str(node.params[1])}) if node.op is FOLD else below | _axes(indices_of(node))
    return free


def _axes(indices: Iterable[Extent]) -> frozenset[str]:
    return frozenset(s for index in indices for s in extent_symbols(index) if s[0] == "@")
