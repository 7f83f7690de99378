"""What was measured, as tables: time and the floor, graphc against every peer, compile time, targets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.harness import Measured
from benchmarks.machine import Machine
from benchmarks.workload import Workload

US = "graphc"


@dataclass(frozen=True)
class Report:
    """Everything measured on one machine."""

    machine: Machine
    workloads: Sequence[Workload]
    measured: Sequence[Measured]

    def __str__(self) -> str:
        tables = {
            "Time of a call (median of the rounds)": self.times(),
            "Ratios of time (below 1, graphc is faster)": self.ratios(),
            "Time of the first call, building and compiling included": self.compile_times(),
            "Targets": self.targets(),
        }
        parts = [f"{title}\n\n{table(rows)}" for title, rows in tables.items() if len(rows) > 1]
        return "\n\n".join([f"machine: {self.machine}", *parts])

    def json(self) -> dict[str, Any]:
        """The machine, each workload's floor and work, and every batch of every peer."""
        works = {w.title: asdict(w.work()) | {"floor": w.work().floor(self.machine)} for w in self.workloads}
        return {"machine": asdict(self.machine), "workloads": works, "measured": [asdict(m) for m in self.measured]}

    def times(self) -> list[list[str]]:
        """Every peer beside the floor; and who failed, and why."""
        rows = [["workload", "floor", *self._peers(), "failures"]]
        for w in self.workloads:
            failures = [f"{m.peer}: {m.error}" for m in self.measured if m.workload == w.title and m.error]
            floor = duration(w.work().floor(self.machine))
            rows.append([w.title, floor, *self._cells(w, lambda m: m.seconds), "; ".join(failures)])
        return rows

    def compile_times(self) -> list[list[str]]:
        """Every peer's first call."""
        rows = [[w.title, *self._cells(w, lambda m: m.compile_seconds)] for w in self.workloads]
        return [["workload", *self._peers()], *rows]

    def ratios(self) -> list[list[str]]:
        """graphc and the best of the others over the floor; graphc over that best, and over each."""
        others = [peer for peer in self._peers() if peer != US]
        rows = [["workload", "graphc / floor", "best other / floor", "graphc / best other", *others]]
        for w in self.workloads:
            floor, us = w.work().floor(self.machine), self._seconds(w.title, US)
            theirs = [self._seconds(w.title, peer) for peer in others]
            best = min(filter(None, theirs), default=None)
            pairs = [(us, floor), (best, floor), (us, best), *((us, t) for t in theirs)]
            rows.append([w.title, *(ratio(a, b) for a, b in pairs)])
        return rows

    def targets(self) -> list[list[str]]:
        """What graphc set out to reach, and whether it did."""
        rows = [["workload", "at most", "is", ""]]
        for w in self.workloads:
            for target in w.targets:
                of = target.workload or w.title
                us, theirs = self._seconds(w.title, US), self._seconds(of, target.peer)
                if us and theirs:
                    verdict = "met" if us <= target.ratio * theirs else "missed"
                    rows.append([w.title, f"{target.ratio:g} x {target.peer} {of}", ratio(us, theirs), verdict])
        return rows

    def _peers(self) -> list[str]:
        return list(dict.fromkeys(m.peer for m in self.measured))

    def _seconds(self, workload: str, peer: str) -> float | None:
        found = self._find(workload, peer)
        return found.seconds if found and not found.error else None

    def _find(self, workload: str, peer: str) -> Measured | None:
        return next((m for m in self.measured if (m.workload, m.peer) == (workload, peer)), None)

    def _cells(self, workload: Workload, seconds: Callable[[Measured], float]) -> list[str]:
        found = [self._find(workload.title, peer) for peer in self._peers()]
        return ["-" if m is None else "failed" if m.error else duration(seconds(m)) for m in found]


def ratio(a: float | None, b: float | None) -> str:
    """a / b, or a dash where one is missing."""
    return f"{a / b:.3g}" if a and b else "-"


def duration(seconds: float) -> str:
    """Three figures in the unit that suits."""
    unit, scale = next(u for u in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)) if seconds >= u[1] or u[0] == "us")
    return f"{seconds / scale:.3g} {unit}"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Aligned Markdown; the first row is the head."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *lines[1:]])
