"""Dumps: every stage of every compilation as text, as GRAPHC_DUMP asks, to stderr or to files of GRAPHC_DUMP_DIR.

GRAPHC_DUMP is a list of stages, or `all`: `grad`, the graph with its gradients as recorded; `graph`, after each pass;
`kernels`; `plan`; `llvm`; `asm`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from graphc.errors import GraphcError

STAGES = ("grad", "graph", "kernels", "plan", "llvm", "asm")
SUFFIX = {"llvm": "ll", "asm": "s"}


@dataclass(frozen=True)
class Dump:
    """Where the stages of one compilation are shown, and which."""

    stages: frozenset[str]
    folder: Path | None
    number: int

    @staticmethod
    def wanted() -> Dump:
        """As the environment asks; nothing costs anything if it does not."""
        names = os.environ.get("GRAPHC_DUMP", "")
        if not names:
            return NOTHING
        folder = os.environ.get("GRAPHC_DUMP_DIR")
        return Dump(_stages(names), Path(folder) if folder else None, next(_numbers))

    def show(self, stage: str, text: Callable[[], str], title: str = "") -> None:
        """Write down a stage, if it is asked for; several of one kind have a title each."""
        if stage not in self.stages:
            return
        name = f"{self.number:03} {stage}{' ' if title else ''}{title}"
        if self.folder is None:
            print(f"== {name} ==\n{text()}\n", file=sys.stderr)
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{name.replace(' ', '-')}.{SUFFIX.get(stage, 'txt')}"
        path.write_text(text() + "\n", encoding="utf-8")


NOTHING = Dump(frozenset(), None, 0)
_numbers = count()


def _stages(names: str) -> frozenset[str]:
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if unknown := [name for name in wanted if name not in (*STAGES, "all")]:
        raise GraphcError(f"GRAPHC_DUMP: no stage is named {', '.join(unknown)}; there are {', '.join(STAGES)}, or all")
    return frozenset(STAGES if "all" in wanted else wanted)
