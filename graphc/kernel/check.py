"""The checker of schedules and programs: what fusion, lowering and the plan promise to code generation.

Everything read is there by then; every buffer is written whole, each element once; every axis is closed; within a
kernel nothing is read before the fold it waits for is complete; no two buffers share memory while both are needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graphc.errors import InternalError
from graphc.graph import Graph
from graphc.kernel.collapse import coefficient
from graphc.kernel.fuse import Contraction
from graphc.kernel.kernel import Kernel, Statement, indices_of, own_axes
from graphc.kernel.phases import Phases
from graphc.kernel.program import Program, Slab, place, reads, writes
from graphc.node import Node, topological
from graphc.ops.scalar import FOLD, LOAD
from graphc.types import Dim, Extent, evaluate, extent_symbols, product

LARGE = 1009  # what stands for a named dimension


def check_steps(stage: str, graph: Graph, steps: Sequence[Kernel | Contraction]) -> None:
    """Raise `InternalError` unless every step finds what it reads, and the steps store all outputs."""
    there = {node for node in graph.nodes if node.op.kind == "source"}
    written: set[Node] = set()
    for number, step in enumerate(steps):
        where = f"{stage}, step {number}"
        for node in reads(step):
            _require(node in there, where, f"{_named(node)} is read before it is written")
        for node in writes(step):
            _require(node not in written, where, f"{_named(node)} is written a second time")
            written.add(node)
        there |= written
        if isinstance(step, Kernel):
            check_kernel(where, step)
    for number, node in enumerate(graph.outputs):
        _require(node in written, stage, f"output {number}, {_named(node)}, is never written")


def check_kernel(where: str, kernel: Kernel) -> None:
    """Raise `InternalError` unless all axes are the kernel's or closed by a fold, and every store covers its buffer."""
    axes = {axis.name: axis.extent for axis in kernel.axes}
    lane = kernel.lane.name if kernel.lane else None
    for statement in kernel.statements:
        free = kernel.free_axes[statement.value] | {s for s in extent_symbols(statement.index) if s[0] == "@"}
        _require(free <= axes.keys(), where, f"{', '.join(sorted(free - axes.keys()))} is no axis of the kernel")
        _check_store(where, statement, axes)
    for node in kernel.values:
        if node.op is FOLD and node.params[1] in axes:
            whole = node.params[1] == lane and node.params[2] == axes[lane]
            _require(whole, where, f"a {_named(node)} runs along {node.params[1]}, but not along the whole lane axis")


def _check_store(where: str, statement: Statement, axes: Mapping[str, Extent]) -> None:
    """The index counts through the buffer: each axis steps over what the faster ones cover together."""
    if any(extent == 0 for extent in axes.values()):
        return
    steps = {name: coefficient(statement.index, name) for name in axes}
    moving = {name: step for name, step in steps.items() if step != 0}
    covered: Extent = 1
    while moving:
        fits = [name for name, step in moving.items() if step == covered]
        _require(bool(fits), where, f"the index {statement.index} does not count through {_named(statement.buffer)}")
        name = next((name for name in fits if axes[name] == 1), fits[0])
        covered = covered * axes[name]
        del moving[name]
    whole = covered == statement.buffer.size
    _require(whole, where, f"the index {statement.index} covers {covered} of {_named(statement.buffer)}")
    idle = [name for name, step in steps.items() if step == 0 and axes[name] != 1]
    if statement.reduction is None:
        open_axes = [name for name in idle if name not in _closed(statement.value, list(axes)[-1:])]
        _require(not open_axes, where, f"{_named(statement.buffer)} is stored again along {', '.join(open_axes)}")


def _closed(value: Node, lane: Sequence[str]) -> Sequence[str]:
    """The lane, if the value is one of the row: then it is stored once a row."""
    return [] if any(name in own_axes(node) for name in lane for node in _unfolded(value)) else lane


def _unfolded(value: Node) -> list[Node]:
    return topological([value], lambda node: node.op is FOLD)
