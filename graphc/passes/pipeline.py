"""The pipeline: graph in, graph out, each line saying what it needs from the line before."""

from __future__ import annotations

from collections.abc import Callable

from graphc.graph import Graph
from graphc.node import Node
from graphc.passes.batch import sum_batches
from graphc.passes.checkpoint import segment_loops
from graphc.passes.contraction import arrange_contractions
from graphc.passes.control import hoist_copies, inside_control, tidy_control
from graphc.passes.factor import factor
from graphc.passes.notes import resolve
from graphc.passes.outputs import separate_outputs
from graphc.passes.short import write_out_short_reductions
from graphc.passes.simplify import simplify
from graphc.passes.windows import part_windows

Pass = Callable[[Graph], Graph]
Watcher = Callable[[str, Graph, Graph], None]


def pipeline(library: bool, fast_math: bool, training: bool = False) -> list[tuple[str, Pass]]:
    """The passes by name, in order; `library` says whether a BLAS is there."""
    simple: set[Node] = set()  # what is simplified once is not looked at again
    return [
        ("notes", lambda graph: resolve(graph, training)),  # first: no other pass knows them
        ("factors", factor),  # of the operators as they were made, before their loops are
        ("control", tidy_control),  # loops are compared as they were made
        ("checkpoints", segment_loops),  # of loops that are one where they do the same
        ("simplify", lambda graph: simplify(graph, fast_math, simple)),
        ("batches", sum_batches),  # of contractions as they were made
        ("contractions", lambda graph: arrange_contractions(graph, library)),  # of simplified operands
        ("short reductions", write_out_short_reductions),  # those that contractions became, too
        ("simplify again", lambda graph: simplify(graph, fast_math, simple)),  # what both of these made
        ("sub-graphs", lambda graph: inside_control(graph, lambda inner: optimise(inner, library, fast_math))),
        ("copies", hoist_copies),  # that contractions inside loops asked for
        ("windows", part_windows),  # of products as they will be
        ("outputs", separate_outputs),  # last: what it copies must not be folded away again
    ]


def optimise(
    graph: Graph, library: bool, fast_math: bool = False, watch: Watcher | None = None, training: bool = False
) -> Graph:
    """Run the whole pipeline; `watch(name, before, after)` sees every pass."""
    for name, run in pipeline(library, fast_math, training):
        before, graph = graph, run(graph)
        if watch is not None:
            watch(name, before, graph)
    return graph
