"""The program: kernels and library calls in order, where each buffer lies, and the plan for concrete extents.

A plan is data, int64 words: bytes of workspace, whether the work is long, the named dimensions, extents of
arguments and results, the offsets of workspace buffers, the addresses of constants. The code is made once for
all extents; a plan once for each set of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count
from typing import Any, cast

import numpy as np

from graphc.errors import ShapeError
from graphc.graph import Graph
from graphc.kernel.collapse import collapse
from graphc.kernel.fuse import Contraction, Schedule
from graphc.kernel.kernel import Kernel
from graphc.kernel.lower import view_base
from graphc.kernel.names import buffer_names
from graphc.kernel.phases import Phases, plan_phases
from graphc.kernel.unroll import unroll
from graphc.node import CONST, PUBLIC, Literal, Node, show_source
from graphc.types import Dim, Extent, evaluate, product

WORKSPACE, LONG, HEADER = 0, 1, 2
LONG_WORK = 100_000  # scalar operations above which other Python threads may run meanwhile
ALIGNMENT = 64


@dataclass(frozen=True)
class Slab:
    """A workspace buffer: its size in bytes, and the steps during which it is needed."""

    size: Extent
    first: int
    last: int


RowBuffer = tuple[int, Node]  # a step, and the value it keeps between phases


@dataclass(frozen=True)
class Program:
    """What runs, in order, and where its data lies."""

    graph: Graph
    steps: tuple[Kernel | Contraction, ...]
    phases: Mapping[Kernel, Phases]
    slabs: Mapping[Node | RowBuffer, Slab]

    @staticmethod
    def of(graph: Graph, schedule: Schedule) -> Program:
        """Lay out a schedule: axes collapsed, phases cut, the life of every buffer known."""
        steps = named(graph, tuple(unroll(collapse(s)) if isinstance(s, Kernel) else s for s in schedule.steps))
        phases = {step: plan_phases(step) for step in steps if isinstance(step, Kernel)}
        return Program(graph, steps, phases, _slabs(graph, steps, phases))

    def __str__(self) -> str:
        return PUBLIC["show_program"](self)

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        return tuple(step for step in self.steps if isinstance(step, Kernel))

    @cached_property
    def titles(self) -> list[str]:
        """What steps are called."""
        return step_titles(self.steps)

    @cached_property
    def names(self) -> Mapping[Node, str]:
        """What buffers are called."""
        return buffer_names(self.graph, [node for step in self.steps for node in (*writes(step), *reads(step))])

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """Named dimensions, in the order of their words."""
        found = dict.fromkeys(s for node in self.graph.nodes if node.type for s in sorted(node.type.symbols()))
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

    def offset_slot(self, buffer: Node | RowBuffer) -> int:
        return HEADER + len(self.symbols) + len(self.extents) + self._numbers[buffer]

    def constant_slot(self, node: Node) -> int:
        start = HEADER + len(self.symbols) + len(self.extents) + len(self.slabs)
        return start + next(k for k, other in enumerate(self.constants) if other is node)

    @cached_property
    def _numbers(self) -> dict[Node | RowBuffer, int]:
        return {buffer: k for k, buffer in enumerate(self.slabs)}

    def plan(self, dims: Mapping[str, int]) -> np.ndarray:
        """The words for these dimensions. Constants must outlive it: the program holds them."""
        self._check_extents(dims)
        slabs = [Slab(evaluate(s.size, dims), s.first, s.last) for s in self.slabs.values()]
        offsets, workspace = place(slabs)
        words = [
            workspace,
            int(self.work(dims) > LONG_WORK),
            *(dims[name] for name in self.symbols),
            *(evaluate(extent, dims) for extent in self.extents),
            *offsets,
            *(_literal(node).array.ctypes.data for node in self.constants),
        ]
        return np.array(words, np.int64)

    def _check_extents(self, dims: Mapping[str, int]) -> None:
        """Infer types again where extents were symbols: a slice may not fit this size; its own error tells."""
        for node in self.graph.nodes:
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
        return sum(evaluate(_work(step), dims) for step in self.steps)


def _numbers(parameter: Any, dims: Mapping[str, int]) -> Any:
    """A parameter with its extents as numbers."""
    if isinstance(parameter, tuple):
        return tuple([_numbers(part, dims) for part in cast("tuple[Any, ...]", parameter)])
    return parameter.evaluate(dims) if isinstance(parameter, Dim) else parameter


def _work(step: Kernel | Contraction) -> Extent:
    if isinstance(step, Kernel):
        return product(axis.extent for axis in step.axes) * len(step.values)
    terms = product(step.node.args[0].shape[axis] for axis in step.node.params[0])  # type: ignore[union-attr, attr-defined]
    return step.node.size * terms


def _literal(node: Node) -> Literal:
    literal = node.params[0]
    assert isinstance(literal, Literal)
    return literal


def reads(step: Kernel | Contraction) -> Iterable[Node]:
    """The buffers a step reads."""
    return step.reads() if isinstance(step, Kernel) else [view_base(arg) for arg in step.node.args]


def writes(step: Kernel | Contraction) -> Iterable[Node]:
    """The buffers a step writes."""
    return step.writes() if isinstance(step, Kernel) else [step.node]


def named(graph: Graph, steps: tuple[Kernel | Contraction, ...]) -> tuple[Kernel | Contraction, ...]:
    """The steps, their kernels with the names that they and their buffers have in this program."""
    names = buffer_names(graph, [node for step in steps for node in (*writes(step), *reads(step))])
    return tuple(
        replace(step, name=title, names=names) if isinstance(step, Kernel) else step
        for step, title in zip(steps, step_titles(steps), strict=True)
    )


def step_titles(steps: Iterable[Kernel | Contraction]) -> list[str]:
    """`kernel 0`, `kernel 1`, … and `call 0`, `call 1`, … for library calls."""
    kernels, calls = count(), count()
    return [f"kernel {next(kernels)}" if isinstance(step, Kernel) else f"call {next(calls)}" for step in steps]


def _slabs(
    graph: Graph, steps: tuple[Kernel | Contraction, ...], phases: Mapping[Kernel, Phases]
) -> dict[Node | RowBuffer, Slab]:
    slabs: dict[Node | RowBuffer, Slab] = {}
    outside = {*graph.inputs, *graph.outputs}
    for k, step in enumerate(steps):
        for node in writes(step):
            if node not in outside:
                slabs[node] = Slab(node.size * node.dtype.itemsize, k, k)
        for node in reads(step):
            if node in slabs:
                slabs[node] = Slab(slabs[node].size, slabs[node].first, k)
        if isinstance(step, Kernel) and step.lane is not None:
            for value in phases[step].kept:
                slabs[k, value] = Slab(step.lane.extent * value.dtype.itemsize, k, k)
    return slabs


def place(slabs: list[Slab]) -> tuple[list[int], int]:
    """Offsets such that what lives at the same time does not overlap, large ones first; and the bytes in all."""
    offsets = [0] * len(slabs)
    placed: list[int] = []
    for k in sorted(range(len(slabs)), key=lambda k: -slabs[k].size):  # type: ignore[operator]
        offset = 0
        for other in sorted(placed, key=offsets.__getitem__):
            meets = slabs[other].first <= slabs[k].last and slabs[k].first <= slabs[other].last
            if meets and offset + slabs[k].size > offsets[other]:  # type: ignore[operator]
                offset = max(offset, _aligned(offsets[other] + slabs[other].size))  # type: ignore[operator]
        offsets[k] = offset
        placed.append(k)
    return offsets, max((_aligned(offsets[k] + slabs[k].size) for k in placed), default=0)  # type: ignore[operator]


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
