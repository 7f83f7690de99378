"""Texts of the classic patterns at every stage, as they were last approved; `pytest --update` approves them anew."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from graphc import simplify, to_dot, to_text
from graphc.graph import Graph
from graphc.kernel.cost import program_cost
from graphc.show.plan import show_plan
from tests.show.models import CLASSICS, program

TOOLTIP = re.compile(r'(, )?tooltip="[^"]*"(?(1)|,? ?)')  # names lines of the models, which come and go
FOLDER = Path(__file__).parent / "golden"
STAGES: dict[str, Callable[[Graph], str]] = {
    "graph": to_text,
    "simplified": lambda graph: to_text(simplify(graph)),
    "kernels": lambda graph: str(program(graph)),
    "cost": lambda graph: str(program_cost(program(graph))),
    "plan": lambda graph: show_plan(program(graph)),
    "dot": lambda graph: TOOLTIP.sub("", to_dot(simplify(graph))),
}


@pytest.mark.parametrize("model", CLASSICS, ids=lambda model: model.__name__)
def test_every_stage_reads_as_approved(model: Callable[[], Graph], request: pytest.FixtureRequest):
    graph = model()
    text = "\n\n".join(f"== {stage} ==\n{show(graph)}" for stage, show in STAGES.items()) + "\n"
    path = FOLDER / f"{model.__name__}.txt"
    if request.config.getoption("--update"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), f"{path.name} differs; if it should, approve it with --update"
