"""The checker of schedules and programs: what fusion, lowering and the plan promise to code generation.

Everything read is there by then; every buffer is written whole, each element once; every axis is closed; within a
kernel nothing is read before the fold it waits for is complete; no two buffers share memory while both are needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from graphc.errors import InternalError
from graphc.graph import Graph
from graphc.kernel.collapse import coefficient
from graphc.kernel.cost import total
from graphc.kernel.fuse import Step, reads, writes
from graphc.kernel.kernel import Kernel, Statement
from graphc.kernel.phases import Phase, Phases
from graphc.kernel.program import Program, Slab, place
from graphc.node import Node
from graphc.ops.scalar import FOLD
from graphc.source import show_source
from graphc.types import Dim, Extent, evaluate

LARGE = 1009  # what stands for a named dimension


def check_steps(stage: str, graph: Graph, steps: Sequence[Step]) -> None:
    """Raise `InternalError` unless every step finds what it reads, and the steps store all outputs."""
    there = {node for node in graph.nodes if node.op.kind == "source"}
    written: set[Node] = set()
    for number, step in enumerate(steps):
        where = f"{stage}, step {number}"
        for node in reads(step):
            _require(node in there, where, f"{_named(node)} is read before it is written")
        for node in dict.fromkeys(writes(step)):
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
    for statement in kernel.statements:
        free = kernel.free_axes[statement.value] | kernel.walked(statement)
        _require(free <= axes.keys(), where, f"{', '.join(sorted(free - axes.keys()))} is no axis of the kernel")
    for buffer in dict.fromkeys(kernel.writes()):
        _check_stores(where, kernel, buffer, [s for s in kernel.statements if s.buffer is buffer])
    for node in kernel.values:
        if node.op is FOLD and node.params[1] in axes:
            whole = kernel.lane is not None and node.params[1:] == (kernel.lane.name, kernel.lane.extent)
            _require(whole, where, f"a {_named(node)} runs along {node.params[1]}, but not along the whole lane axis")


def _check_stores(where: str, kernel: Kernel, buffer: Node, statements: Sequence[Statement]) -> None:
    """The statements of one buffer write each element once, or accumulate into each over the axes they leave out."""
    axes = {axis.name: axis.extent for axis in kernel.axes}
    if any(extent == 0 for extent in axes.values()) or any(s.places for s in statements):
        return  # what is computed may be anywhere; the buffer is filled before
    walks = [tuple(coefficient(s.index, name) for name in axes) for s in statements]
    walk = max(walks, key=lambda steps: sum(step != 0 for step in steps))
    steps = {name: step for name, step in zip(axes, walk) if step is not None}
    fits = all(other in (walk, (*walk[:-1], 0)) for other in walks) and len(steps) == len(axes)
    _require(fits, where, f"{_named(buffer)} is not stored along the axes")
    starts = [s.index - total(_reached(other, axes)) for other, s in zip(walks, statements)]
    ends = {start for other, start in zip(walks, starts) if other != walk}
    covered = _covered([(step, axes[name]) for name, step in steps.items() if step != 0], set(starts) - ends, ends)
    _require(covered == buffer.size, where, f"stores at {statements[0].index} do not count through {_named(buffer)}")
    if any(s.reduction is not None for s in statements):
        return
    _require(len(set(starts)) == len(starts), where, f"{_named(buffer)} is stored twice at {statements[0].index}")
    for other, s in zip(walks, statements):
        idle = {name for name, step in zip(axes, other) if step == 0 and axes[name] != 1}
        again = idle & (kernel.free_axes[s.value] | set(list(axes)[:-1]))
        _require(not again, where, f"{_named(buffer)} is stored again along {', '.join(sorted(again))}")


def _reached(steps: Iterable[Extent | None], axes: Iterable[str]) -> Iterator[Extent]:
    return (step * Dim.symbol(name) for name, step in zip(axes, steps, strict=True) if step is not None)


def _covered(axes: list[tuple[Extent, Extent]], starts: set[Extent], ends: set[Extent]) -> Extent | None:
    """How many positions are reached, each once and without a gap: every axis, and every run of starts, steps over
    what is covered already, and the ends follow on the last axis. None if one does not."""
    covered: Extent = 1
    lane = axes[-1:] if ends else []
    while axes or len(starts) > 1:
        fits = sorted((axis for axis in axes if axis[0] == covered), key=lambda axis: axis[1] != 1)
        if fits:
            axes = [axis for axis in axes if axis is not fits[0]]
            covered = covered * fits[0][1]
            if lane and fits[0] is lane[0]:
                if ends != {covered + k for k in range(len(ends))}:
                    return None
                covered = covered + len(ends)
            continue
        first = {start for start in starts if start - covered not in starts}
        count = len(starts) // len(first)
        if count < 2 or starts != {start + k * covered for start in first for k in range(count)}:
            return None
        starts, covered = first, covered * count
    return covered if starts == {0} else None


def check_phases(where: str, kernel: Kernel, phases: Phases) -> None:
    """Raise `InternalError` unless all phases together do all there is to do, and none reads what is not there yet."""
    folds = [node for node in kernel.values if node.op is FOLD and kernel.lane and node.params[1] == kernel.lane.name]
    ended = [fold for phase in phases.phases for fold in phase.folds]
    _require(set(folds) == set(ended) and len(folds) == len(ended), where, "a fold is not in one phase exactly")
    done = [s for phase in phases.phases for s in (*phase.statements, *phase.row_statements)]
    wanted, found = (sorted(map(id, statements)) for statements in (kernel.statements, done))
    _require(wanted == found, where, "a statement is not in one phase exactly")
    there: set[Node] = set()
    for number, phase in enumerate(phases.phases):
        there = _check_phase(f"{where}, phase {number}", kernel, phase, there)


def _check_phase(where: str, kernel: Kernel, phase: Phase, there: set[Node]) -> set[Node]:
    """What is there after the phase, given what is there before: uniform values, and those in row buffers."""

    def take(node: Node, known: set[Node]) -> None:
        for arg in node.args:
            if arg not in known:
                raise InternalError(f"{where}: {_named(node)} reads {_named(arg)}, which is not there yet")
        known.add(node)

    def ready(node: Node, known: set[Node]) -> None:
        if node not in known:
            raise InternalError(f"{where}: {_named(node)} is stored or folded, but not there yet")

    for node in phase.uniform:
        take(node, there)
    for statement in phase.row_statements:
        for node in statement.operands:
            ready(node, there)
    lanes = set(there)
    for node in phase.varying:
        take(node, lanes)
    stored = [x for s in phase.statements for x in s.operands]
    for node in (*phase.keeps, *(fold.args[0] for fold in phase.folds), *stored):
        ready(node, lanes)
    return there.union(phase.keeps, phase.folds)


def check_program(program: Program) -> None:
    """Raise `InternalError` unless steps, phases and memory plan of a program fit each other."""
    check_steps("collapse", program.graph, program.steps)
    for number, step in enumerate(program.steps):
        if isinstance(step, Kernel):
            check_phases(f"phases, step {number}", step, program.phases[step])
    for inner in (inner for programs in program.nested.values() for inner in programs):
        check_program(inner)
    sizes = dict.fromkeys(program.symbols, LARGE)
    check_slabs([Slab(evaluate(slab.size, sizes), slab.first, slab.last) for slab in program.slabs.values()])


def check_slabs(slabs: list[Slab]) -> None:
    """Raise `InternalError` if two buffers share memory while both are needed."""
    offsets, workspace = place(slabs)
    spans = sorted(
        ((offset, offset + evaluate(slab.size, {}), slab) for offset, slab in zip(offsets, slabs) if slab.size != 0),
        key=lambda span: span[0],
    )
    for k, (_, end, slab) in enumerate(spans):
        _require(end <= workspace, "plan", f"a buffer ends at {end} of {workspace} bytes")
        for start, _, other in spans[k + 1 :]:
            apart = start >= end or slab.last < other.first or other.last < slab.first
            _require(apart, "plan", f"two buffers share memory at {start} while both are needed")


def _named(node: Node) -> str:
    return f"{node.name} ({show_source(node.source)})"


def _require(holds: bool, where: str, what: str) -> None:
    if not holds:
        raise InternalError(f"{where}: {what}")
