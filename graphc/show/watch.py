"""What is done with the result of every stage: shown as GRAPHC_DUMP asks, checked if GRAPHC_CHECK=1."""

from __future__ import annotations

from collections.abc import Callable

from graphc.graph import Graph
from graphc.kernel.check import check_program, check_steps
from graphc.kernel.fuse import Schedule
from graphc.kernel.program import Program
from graphc.passes.check import check_graph, check_pass, checking
from graphc.show.dump import Dump
from graphc.show.kernels import show_program
from graphc.show.plan import show_plan
from graphc.show.text import to_text


class Watch:
    """The stages of one compilation, as they come. A broken invariant is an `InternalError` that names the stage."""

    def __init__(self) -> None:
        self.dump, self.checks = Dump.wanted(), checking()
        self._passes = 0

    def recorded(self, graph: Graph) -> None:
        """The graph as it was built, gradients and all."""
        self.dump.show("grad", lambda: to_text(graph, source=True))
        if self.checks:
            check_graph("build", graph)

    def after_pass(self, name: str, before: Graph, after: Graph) -> None:
        self._passes += 1
        same = all(x is y for x, y in zip(before.outputs, after.outputs, strict=False))
        self.dump.show("graph", lambda: "as before" if same else to_text(after), f"{self._passes} {name}")
        if self.checks:
            check_pass(name, before, after)

    def fused(self, graph: Graph, schedule: Schedule) -> None:
        if self.checks:
            check_steps("fuse", graph, schedule.steps)

    def planned(self, program: Program) -> None:
        self.dump.show("kernels", lambda: show_program(program))
        self.dump.show("plan", lambda: show_plan(program))
        if self.checks:
            check_program(program)

    def generated(self, text: str, assembly: Callable[[str], str]) -> None:
        """The LLVM IR; LLVM itself checks it when it is loaded."""
        self.dump.show("llvm", lambda: text)
        self.dump.show("asm", lambda: assembly(text))
