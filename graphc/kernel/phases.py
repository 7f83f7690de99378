"""Phases: the lane loops inside one row, and what is kept between them.

A fold along the lane is known only when its loop is done, so what reads it waits for the next phase.
A varying value that several phases need is computed again where that is cheap, else kept in a row buffer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graphc.kernel.kernel import Kernel, Statement
from graphc.kernel.storage import REDUCTION, TRANSCENDENTAL
from graphc.node import Node
from graphc.ops.scalar import FOLD

KEEP_LIMIT = 6  # flops above which a value is kept between phases rather than computed again


@dataclass(frozen=True)
class Phase:
    """One pass along the lane: uniform values to have first, then what each step computes and does."""

    uniform: tuple[Node, ...]
    varying: tuple[Node, ...]  # in order; kept values of earlier phases are not among them
    folds: tuple[Node, ...]
    keeps: tuple[Node, ...]
    statements: tuple[Statement, ...]  # one store a lane
    row_statements: tuple[Statement, ...]  # one store a row, before the pass


@dataclass(frozen=True)
class Phases:
    """All passes of a kernel, in order, and the values kept between them."""

    phases: tuple[Phase, ...]
    kept: tuple[Node, ...]


def plan_phases(kernel: Kernel) -> Phases:
    """Cut the row of a kernel into phases."""
    return _Planner(kernel).plan()


class _Planner:
    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.lane = kernel.lane.name if kernel.lane else ""
        self.free = kernel.free_axes
        self.phase: dict[Node, int] = {}
        self.weight: dict[Node, int] = {}
        for node in kernel.values:
            self._measure(node)

    def _measure(self, node: Node) -> None:
        lane_fold = node.op is FOLD and node.params[1] == self.lane
        self.phase[node] = max((self.phase[arg] for arg in node.args), default=0) + lane_fold
        own = TRANSCENDENTAL if node.op.transcendental else node.op.flops
        below = sum(self.weight[arg] for arg in node.args if self.varies(arg))
        self.weight[node] = min(REDUCTION, own + below)

    def varies(self, node: Node) -> bool:
        return self.lane in self.free[node]

    def is_per_lane(self, statement: Statement) -> bool:
        return self.varies(statement.value) or self.lane in self.kernel.walked(statement)

    def _when(self, statement: Statement) -> int:
        """The phase that all it needs is there in."""
        return max(self.phase[x] for x in statement.operands)

    def plan(self) -> Phases:
        count = 1 + max(map(self._when, self.kernel.statements), default=0)
        folds = [n for n in self.kernel.values if n.op is FOLD and n.params[1] == self.lane]
        keeps: list[dict[Node, None]] = [{} for _ in range(count)]
        phases: list[Phase] = []
        for p in reversed(range(count)):
            statements = [s for s in self.kernel.statements if self._when(s) == p]
            lanes = tuple(s for s in statements if self.is_per_lane(s))
            rows = tuple(s for s in statements if not self.is_per_lane(s))
            ending = tuple(n for n in folds if self.phase[n] == p + 1)
            goals = [x for s in lanes for x in s.operands] + [n.args[0] for n in ending] + list(keeps[p])
            varying = self._needed(goals, p, keeps)
            uniform = tuple(n for n in self.kernel.values if self._is_uniform_in(n, p))
            phases.append(Phase(uniform, varying, ending, tuple(keeps[p]), lanes, rows))
        kept = tuple(n for n in self.kernel.values if any(n in k for k in keeps))
        return Phases(tuple(reversed(phases)), kept)

    def _is_uniform_in(self, node: Node, p: int) -> bool:
        is_lane_fold = node.op is FOLD and node.params[1] == self.lane
        return self.phase[node] == p and not self.varies(node) and not is_lane_fold

    def _needed(self, goals: Sequence[Node], p: int, keeps: list[dict[Node, None]]) -> tuple[Node, ...]:
        """The varying values to compute in phase p; costly ones of earlier phases become kept there."""
        needed: set[Node] = set()
        stack = [g for g in goals if self.varies(g)]
        while stack:
            node = stack.pop()
            if node in needed:
                continue
            if self.phase[node] < p and self.weight[node] >= KEEP_LIMIT:
                keeps[self.phase[node]][node] = None
                continue
            needed.add(node)
            stack.extend(arg for arg in node.args if self.varies(arg))
        return tuple(n for n in self.kernel.values if n in needed)
