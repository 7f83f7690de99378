"""The program: kernels and library calls in order, where each buffer lies, and the plan for concrete extents.

A plan is data, int64 words: bytes of workspace, whether the work is long, the named dimensions, extents of
arguments and results, the offsets of workspace buffers, the addresses of constants. The code is made once for
all extents; a plan once for each set of them.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate, count
from typing import Any, cast

import numpy as np

from graphc.errors import ShapeError
from graphc.graph import Graph
from graphc.kernel.chunks import Chunks, cut_kernel, cut_product, reduced
from graphc.kernel.collapse import collapse
from graphc.kernel.fuse import Contraction, Control, Schedule, Sorting, Step, reads, writes
from graphc.kernel.kernel import Kernel
from graphc.kernel.names import buffer_names
from graphc.kernel.phases import Phases, plan_phases
from graphc.kernel.split import split
from graphc.kernel.unroll import unroll
from graphc.node import CONST, PUBLIC, Literal, Node
from graphc.ops.control import LOOP, Loop, subgraphs
from graphc.ops.sorting import room
from graphc.source import show_source
from graphc.types import Dim, Extent, Stack, evaluate, extent_symbols, product

WORKSPACE, LONG, HEADER = 0, 1, 2
LONG_WORK = 100_000  # scalar operations above which other Python threads may run meanwhile
SORTING = 32  # about the operations that sorting takes for an element
TYPICAL_TRIP = 1000  # how often a loop is taken to run if nobody knows
ALIGNMENT = 64
REGISTER = 256  # bytes up to which a loop's state is copied, and the optimiser may hold it in registers
SMALL, FEW = 1024, 64  # bytes of workspace and values a kernel; elements, of what belongs in its loop's function
STACK_HEAD, STACK_ROOM = 64, 1024  # bytes of a stack: its address and capacity, and elements before it grows elsewhere
STACK = STACK_HEAD + STACK_ROOM


@dataclass(frozen=True)
class Slab:
    """A workspace buffer: its size in bytes, and the steps during which it is needed."""

    size: Extent
    first: int
    last: int


SORTED = "keys and indices"  # the room of a step that sorts
Scratch = tuple[int, "Node | str"]  # a step, and the value it keeps between phases, or what else it needs room for


@dataclass(frozen=True, eq=False)
class Program:
    """What runs, in order, and where its data lies."""

    graph: Graph
    steps: tuple[Step, ...]
    phases: Mapping[Kernel, Phases]
    chunks: Mapping[Step, Chunks]  # of the steps that are cut
    nested: Mapping[Control, tuple[Program, ...]]
    slabs: Mapping[Node | Scratch, Slab]

    @staticmethod
    def of(graph: Graph, schedule: Schedule) -> Program:
        """Lay out a schedule: axes collapsed, phases and chunks cut, the life of every buffer known."""
        steps = named(graph, tuple(unroll(split(collapse(s))) if isinstance(s, Kernel) else s for s in schedule.steps))
        phases = {step: plan_phases(step) for step in steps if isinstance(step, Kernel)}
        chunks = {step: cut for step in steps if (cut := _cut(step, phases))}
        nested = {s: tuple(map(Program.of, subgraphs(s.node), s.schedules)) for s in steps if isinstance(s, Control)}
        return Program(graph, steps, phases, chunks, nested, _slabs(graph, steps, phases, chunks, nested))

    def __str__(self) -> str:
        return PUBLIC["show_program"](self)

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        return tuple(step for step in self.steps if isinstance(step, Kernel))

    @property
    def has_parts(self) -> bool:
        """Whether a step is cut, or one of a program inside it."""
        return bool(self.chunks) or any(inner.has_parts for programs in self.nested.values() for inner in programs)

    @cached_property
    def titles(self) -> list[str]:
        """What steps are called."""
        return step_titles(self.steps)

    @cached_property
    def names(self) -> Mapping[Node, str]:
        """What buffers are called."""
        return buffer_names(self.graph, [node for step in self.steps for node in (*writes(step), *reads(step))])

    @property
    def arrays(self) -> int:
        """How many arrays go in and out."""
        return len(self.graph.inputs) + len(self.graph.outputs)

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """Named dimensions, in the order of their words."""
        nodes = (*self.graph.nodes, *self.graph.inputs)  # an input may be of no use, and still has extents
        found = dict.fromkeys(s for node in nodes if node.type for s in sorted(node.type.symbols()))
        for step, programs in self.nested.items():
            found |= dict.fromkeys(sorted(extent_symbols(trip(step))))
            found |= dict.fromkeys(name for program in programs for name in program.symbols)
        return tuple(found)

    @cached_property
    def extents(self) -> tuple[Extent, ...]:
        """Extents of arguments and results that are known when called."""
        ends = (*self.graph.inputs, *self.graph.outputs)
        return tuple(dict.fromkeys(e for node in ends for e in node.shape if isinstance(e, Dim)))

    @cached_property
    def constants(self) -> tuple[Node, ...]:
        """Constant arrays that are read from memory."""
        read = dict.fromkeys(b for step in self.steps for b in reads(step))
        return tuple(node for node in read if node.op is CONST)

    # -- words of the plan ----------------------------------------------------------------------

    def symbol_slot(self, name: str) -> int:
        return HEADER + self.symbols.index(name)

    def extent_slot(self, extent: Extent) -> int:
        return HEADER + len(self.symbols) + self.extents.index(extent)

    def offset_slot(self, buffer: Node | Scratch) -> int:
        return HEADER + len(self.symbols) + len(self.extents) + self._numbers[buffer]

    def offset(self, buffer: Node | Scratch) -> int:
        """Where a buffer lies in the workspace, if there are no named dimensions."""
        return self._offsets[self._numbers[buffer]]

    @cached_property
    def _offsets(self) -> list[int]:
        return place(list(self.slabs.values()))[0]

    def constant_slot(self, node: Node) -> int:
        start = HEADER + len(self.symbols) + len(self.extents) + len(self.slabs)
        return start + next(k for k, other in enumerate(self.constants) if other is node)

    @cached_property
    def controls(self) -> tuple[Control, ...]:
        """Its switches and loops, and those inside them."""
        return tuple(
            found for step, inner in self.nested.items() for found in (step, *(c for p in inner for c in p.controls))
        )

    def nested_slot(self, step: Control, number: int) -> int:
        """Where the plan of a nested program starts."""
        return self._nested_slots[self.nested[step][number]]

    @cached_property
    def length(self) -> int:
        """How many words the plan has."""
        return self._own_length + sum(inner.length for programs in self.nested.values() for inner in programs)

    @property
    def _own_length(self) -> int:
        return HEADER + len(self.symbols) + len(self.extents) + len(self.slabs) + len(self.constants)

    @cached_property
    def _nested_slots(self) -> dict[Program, int]:
        inner = [program for programs in self.nested.values() for program in programs]
        return dict(zip(inner, accumulate([program.length for program in inner], initial=self._own_length)))

    @cached_property
    def _numbers(self) -> dict[Node | Scratch, int]:
        return {buffer: k for k, buffer in enumerate(self.slabs)}

    def is_small_step(self, step: Step) -> bool:
        """Whether a step is a few instructions."""
        match step:
            case Kernel():
                return len(step.values) <= SMALL and product(axis.extent for axis in step.axes) <= FEW  # type: ignore[operator]
            case Control():
                return not is_whole(step) and is_small(step, self.nested[step])
            case _:
                return False

    def plan(self, dims: Mapping[str, int]) -> np.ndarray:
        """The words for these dimensions. Constants must outlive it: the program holds them."""
        return np.array(self._words(dims), np.int64)

    def _words(self, dims: Mapping[str, int]) -> list[int]:
        self._check_extents(dims)
        # the extent of an empty range may be negative
        slabs = [Slab(max(0, evaluate(s.size, dims)), s.first, s.last) for s in self.slabs.values()]
        offsets, workspace = place(slabs)
        return [
            workspace,
            int(self.work(dims) > LONG_WORK),
            *(dims[name] for name in self.symbols),
            *(evaluate(extent, dims) for extent in self.extents),
            *offsets,
            *(_literal(node).array.ctypes.data for node in self.constants),
            *(word for programs in self.nested.values() for inner in programs for word in inner._words(dims)),
        ]

    def _check_extents(self, dims: Mapping[str, int]) -> None:
        """Infer types again where extents were symbols: a slice may not fit this size; its own error tells."""
        for node in self.graph.nodes:
            if node.op.kind in ("control", "item"):
                continue  # nested programs check their own
            if node.args and any(isinstance(e, Dim) for arg in node.args for e in arg.shape):
                types = [arg.typed.with_shape(_numbers(arg.shape, dims)) for arg in node.args]
                found = node.op.infer(types, tuple(_numbers(p, dims) for p in node.params))
                if found.shape != _numbers(node.shape, dims) or min(found.shape, default=0) < 0:  # type: ignore[type-var]
                    raise ShapeError(
                        f"{node.op.name} ({show_source(node.source)}): the extents {dims} give {found}, "
                        f"not {node.type}; give data of a size that fits"
                    )

    def work(self, dims: Mapping[str, int]) -> int:
        """About how many scalar operations a run takes."""
        return sum(self._step_work(step, dims) for step in self.steps)

    def _step_work(self, step: Step, dims: Mapping[str, int]) -> int:
        if not isinstance(step, Control):
            return evaluate(_work(step), dims)
        return evaluate(trip(step), dims) * sum(inner.work(dims) for inner in self.nested[step])


def _cut(step: Step, phases: Mapping[Kernel, Phases]) -> Chunks | None:
    match step:
        case Kernel():
            return cut_kernel(step, phases[step])
        case Contraction():
            return cut_product(step.node)
        case _:
            return None


def _numbers(parameter: Any, dims: Mapping[str, int]) -> Any:
    """A parameter with its extents as numbers."""
    if isinstance(parameter, tuple):
        return tuple([_numbers(part, dims) for part in cast("tuple[Any, ...]", parameter)])
    return parameter.evaluate(dims) if isinstance(parameter, Dim) else parameter


def trip(step: Control) -> Extent:
    """How often its sub-graphs run, as far as that is known."""
    if step.node.op is not LOOP:
        return 1
    known = Loop.of(step.node).params.trip
    return TYPICAL_TRIP if known is None else known


def _work(step: Kernel | Contraction | Sorting) -> Extent:
    if isinstance(step, Kernel):
        return product(axis.extent for axis in step.axes) * len(step.values)
    if isinstance(step, Sorting):
        return SORTING * step.node.size
    terms = product(step.node.args[0].shape[axis] for axis in step.node.params[0])  # type: ignore[union-attr, attr-defined]
    return step.node.size * terms


def _literal(node: Node) -> Literal:
    literal = node.params[0]
    assert isinstance(literal, Literal)
    return literal


def named(graph: Graph, steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The steps, their kernels with the names that they and their buffers have in this program."""
    names = buffer_names(graph, [node for step in steps for node in (*writes(step), *reads(step))])
    return tuple(
        replace(step, name=title, names=names) if isinstance(step, Kernel) else step
        for step, title in zip(steps, step_titles(steps), strict=True)
    )


def step_titles(steps: Iterable[Step]) -> list[str]:
    """`kernel 0`, `kernel 1`, …; `call 0`, … for library calls; `loop 0`, `switch 0`, … for control flow."""
    numbers: dict[str, Iterator[int]] = {}
    kinds = [
        "kernel" if isinstance(step, Kernel) else "call" if isinstance(step, Contraction) else step.node.op.name
        for step in steps
    ]
    return [f"{kind} {next(numbers.setdefault(kind, count()))}" for kind in kinds]


def _slabs(
    graph: Graph,
    steps: tuple[Step, ...],
    phases: Mapping[Kernel, Phases],
    chunks: Mapping[Step, Chunks],
    nested: Mapping[Control, tuple[Program, ...]],
) -> dict[Node | Scratch, Slab]:
    slabs: dict[Node | Scratch, Slab] = {}
    outside = {*graph.inputs, *graph.outputs}
    for k, step in enumerate(steps):
        for node in writes(step):
            if isinstance(node.type, Stack):
                slabs[node] = Slab(STACK, 0, len(steps) - 1)  # made empty at the start, given back at the end
            elif node not in outside:
                slabs[node] = Slab(node.size * node.dtype.itemsize, k, k)
        for node in reads(step):
            if node in slabs and not isinstance(node.type, Stack):
                slabs[node] = Slab(slabs[node].size, slabs[node].first, k)
        if isinstance(step, Kernel):
            slabs |= {(k, x): Slab(size, k, k) for x, size in _places(step, phases[step], chunks.get(step))}
        if isinstance(step, Sorting):
            slabs[k, SORTED] = Slab(room(step.node), k, k)
        if isinstance(step, Control):
            slabs |= {(k, name): Slab(size, k, k) for name, size in _rooms(step, nested[step])}
    return slabs


def _places(kernel: Kernel, phases: Phases, chunks: Chunks | None) -> Iterator[tuple[Node, Extent]]:
    """Room for rows that are kept between phases, if not each part has its own, and for what parts reduce."""
    if kernel.lane is not None and (chunks is None or len(kernel.axes) == 1):
        for value in phases.kept:
            yield value, kernel.lane.extent * value.dtype.itemsize
    if chunks is not None:
        for node, _, size in reduced(kernel):
            yield node, chunks.most * size * node.dtype.itemsize


def _rooms(step: Control, programs: tuple[Program, ...]) -> Iterator[tuple[str, Extent]]:
    """Room for the workspace of nested programs, and twice for every state that is not held in registers."""
    for number, program in enumerate(programs):
        yield f"workspace {number}", total_size(program)
    if step.node.op is LOOP:
        for number, state in enumerate(Loop.of(step.node).init):
            if not (is_small(step, programs) and is_register(state)):
                for side in "ab":
                    yield f"state {number}{side}", state.size * state.dtype.itemsize


def is_register(state: Node) -> bool:
    """Whether a state is small enough to be copied after an iteration, rather than its buffers exchanged."""
    return isinstance(state.size, int) and state.size * state.dtype.itemsize <= REGISTER


def is_whole(step: Control) -> bool:
    """Whether it must round as it does by itself: among other code, other products may be contracted."""
    return step.node.op is LOOP and Loop.of(step.node).params.whole


def is_small(step: Control, programs: tuple[Program, ...]) -> bool:
    """Whether its programs are so small that they belong into the function of the loop, as code and in registers."""
    return all(
        not program.symbols
        and place(list(program.slabs.values()))[1] <= SMALL
        and all(map(program.is_small_step, program.steps))
        for program in programs
    )


def total_size(program: Program) -> Extent:
    """Bytes of workspace: exact, or where named dimensions decide, enough."""
    slabs = list(program.slabs.values())
    if all(isinstance(slab.size, int) for slab in slabs):
        return place(slabs)[1]
    total: Extent = 0
    for slab in slabs:
        total = total + slab.size + ALIGNMENT
    return total


def place(slabs: list[Slab]) -> tuple[list[int], int]:
    """Offsets such that what lives at the same time does not overlap, large ones first; and the bytes in all."""
    offsets = [0] * len(slabs)
    placed: list[tuple[int, int]] = []  # offsets and slabs, in order
    for k in sorted(range(len(slabs)), key=lambda k: -slabs[k].size):  # type: ignore[operator]
        offset = 0
        for _, other in placed:
            meets = slabs[other].first <= slabs[k].last and slabs[k].first <= slabs[other].last
            if meets and offset + slabs[k].size > offsets[other]:  # type: ignore[operator]
                offset = max(offset, _aligned(offsets[other] + slabs[other].size))  # type: ignore[operator]
        offsets[k] = offset
        insort(placed, (offset, k))
    return offsets, max((_aligned(offsets[k] + slabs[k].size) for _, k in placed), default=0)  # type: ignore[operator]


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
