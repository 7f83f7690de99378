"""Lanes: the instances that `vmap` computes side by side. Their values are one array, the lanes along its first axis.

What is the same in all lanes stays as it is, without that axis, until it meets something that has it. In a branch that
not all lanes take, and in a loop that some have left, only some lanes are active. The others compute as well, but
nobody reads their values, and nothing may come of them in derivatives either: see the note at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

from graphc.node import CONST, Node, variable
from graphc.ops.declare import uniform
from graphc.ops.logic import BITWISE_AND, STOP_GRADIENT, WHERE
from graphc.ops.movement import EXPAND, Axes, behind, fill, spread
from graphc.types import BOOL, Extent, Shape, Stack, Type


def has_lanes(x: Node, y: Node) -> bool:
    """Whether x, which is y for all lanes, differs from lane to lane."""
    return x.ndim > y.ndim


@dataclass(frozen=True)
class Lanes:
    """How many lanes there are, and which of them are active: a bool for each, or None if all are."""

    extent: Extent
    active: Node | None = None

    # -- values -------------------------------------------------------------------------------------

    def spread(self, x: Node) -> Node:
        """x in every lane."""
        return self.frozen(_along(x, self.extent))

    def all(self, y: Node, args: Sequence[Node]) -> list[Node]:
        """The arguments of y, the lanes in front of each."""
        return [x if has_lanes(x, own) else self.spread(x) for x, own in zip(args, y.args, strict=True)]

    def frozen(self, x: Node) -> Node:
        """x, which has lanes; those that are not active pass no derivative on."""
        if self.active is None or x.dtype.kind != "f" or x.op is CONST or uniform(x) is not None:
            return x
        return WHERE(self.mask(x), x, STOP_GRADIENT(x))

    def cleared(self, x: Node) -> Node:
        """x, which has lanes; 0 in those that are not active."""
        return x if self.active is None else WHERE(self.mask(x), x, fill(0, x.typed))

    def kept(self, x: Node, old: Node) -> Node:
        """x, which has lanes; in those that are not active the old value, which may have lanes as well."""
        if self.active is None:
            return x
        return WHERE(self.mask(x), x, old if old.ndim == x.ndim else _along(old, self.extent))

    def mask(self, x: Node) -> Node:
        """Which elements of x belong to active lanes."""
        assert self.active is not None
        return spread(self.active, x.typed, tuple(range(1, x.ndim)))

    # -- which are active ---------------------------------------------------------------------------

    def where(self, condition: Node) -> Lanes:
        """Those of the active lanes where a condition holds."""
        return replace(self, active=condition if self.active is None else BITWISE_AND(self.active, condition))

    @property
    def operands(self) -> tuple[Node, ...]:
        """What a sub-graph takes besides, to know which lanes are active."""
        return () if self.active is None else (self.active,)

    def inside(self) -> Lanes:
        """The same lanes in a sub-graph, which has a variable in the place of each operand."""
        return self if self.active is None else replace(self, active=self.variable("active", Type(BOOL)))

    def variable(self, name: str, type: Type) -> Node:
        """A variable with a value of a type in every lane."""
        shape = (self.extent, *type.shape)
        return variable(name, Stack(type.dtype, shape) if isinstance(type, Stack) else type.with_shape(shape))


def _along(x: Node, extent: Extent) -> Node:
    """x again and again along a new first axis; an expansion of it stays one expansion."""
    axes: Axes = (0,)
    extents: Shape = (extent,)
    if x.op is EXPAND:
        more, further = cast("tuple[Axes, Shape]", x.params)
        axes, extents, x = (0, *behind(more)), (extent, *further), x.args[0]
    return EXPAND(x, axes=axes, extents=extents)


# Lanes that are not active
#
# A lane that has left a loop keeps its state, and the body is computed on it all the same; a lane that does not take a
# branch computes it all the same. This may give infinities and NaNs. A `where` afterwards keeps them out of the
# values, and makes the cotangents of those lanes 0; but 0 * inf is NaN again. So nothing may leave such a lane in
# reverse. What enters is `where(active, x, stop_gradient(x))`, the same value, with the derivative 0 in lanes that are
# not active. Where lanes meet, in the sum that is the derivative of `spread`, the same stands before the sum. They also
# meet in a contraction with what is the same in all lanes; there the lanes are cleared. Once derivatives are made, this
# alone stays: `where(p, x, x)` is x.
