"""A kernel of one axis, whose lane is cut: each pass along it is in parts, and what they fold is put together."""

from __future__ import annotations

from collections.abc import Callable

from graphc.codegen.emit import Pointer
from graphc.codegen.nest import Nest
from graphc.kernel.phases import Phase
from graphc.node import Node


class LaneNest(Nest):
    """One pass over some of the lanes, or what is stored once. `folded` is where folds lie when they are complete."""

    def emit_pass(self, number: int, folded: Callable[[Node], Pointer], own: Callable[[Node], Pointer]) -> None:
        """The pass of one phase, whose folds of these lanes go to places of their own."""
        for phase in self.phases[:number]:
            self._know(phase, folded)
        phase = self.phases[number]
        self._compute_uniform(phase.uniform)
        self._pass(phase)
        for fold in phase.folds:
            self.e.store(self.values[fold], own(fold))

    def emit_rows(self, folded: Callable[[Node], Pointer]) -> None:
        """What is stored once."""
        for phase in self.phases:
            here = self._one_lane()
            self._know(phase, folded)
            for statement in phase.row_statements:
                self.access.write(statement, self._argument(statement.value, here), here)

    def _know(self, phase: Phase, folded: Callable[[Node], Pointer]) -> None:
        """The values of a phase that its lanes do not tell apart."""
        self._compute_uniform(phase.uniform)
        self.values |= {fold: self.e.load(folded(fold)) for fold in phase.folds}
