"""Kernels as the loops they are: outer loops, and for each phase one pass along the lanes.

    kernel 0: x float32[4096, 1000] -> y float32[4096, 1000]
              reads 16.4 MB, writes 16.4 MB, 16.4 M flops, 4.1 M exp
      for i in 4096 (parallel, chunks of 8):
        lanes j in 1000:  m = max(x[i, j])
        lanes j in 1000:  e[j] = exp(x[i, j] - m); s = sum(e[j])
        lanes j in 1000:  y[i, j] = e[j] / s

A value with an index, `e[j]`, is kept in a row buffer for later phases. A single index of a buffer with several axes
counts its elements as they lie in memory. `x[j - 1]?` is 0 where its guard does not hold. An index that is computed,
`x[i[j]]`, is shown without the ends that it is kept between. Chunks of a parallel loop go to as many threads as there
are; where named dimensions decide whether there is enough to do, it is `parallel if large`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from textwrap import indent

from graphc.kernel.chunks import cut_kernel
from graphc.kernel.cost import contracted_terms, contraction_cost, kernel_cost, sorting_cost
from graphc.kernel.fuse import Contraction, Control, Sorting, reads, writes
from graphc.kernel.kernel import Axis, Kernel, Statement, buffer_of
from graphc.kernel.names import Names, variable_name
from graphc.kernel.phases import Phase, plan_phases
from graphc.kernel.program import Program
from graphc.node import CONST, PUBLIC, VAR, Node, Op
from graphc.ops.contraction import pairing
from graphc.ops.declare import uniform
from graphc.ops.product import is_generated
from graphc.ops.scalar import FOLD, INDEX, INSIDE, LOAD, Guards
from graphc.ops.sorting import is_descending
from graphc.show.formula import expression
from graphc.show.index import indices
from graphc.show.infix import COMPARISON, PRODUCT, SUM, Expression, number
from graphc.show.text import part_titles
from graphc.types import Dim, Extent

SHORT = 12  # characters that are repeated rather than named
LONG = 60  # characters above which an expression is named though used once
WIDTH = 110  # columns of a pass that is shown on one line
ACCUMULATE = {"sum": "+=", "prod": "*="}


def show_program(program: Program) -> str:
    """Kernels and library calls, in the order they run."""
    return "\n".join(_show_step(program, place) for place in range(len(program.steps)))


def _show_step(program: Program, place: int) -> str:
    match program.steps[place]:
        case Kernel() as kernel:
            return show_kernel(kernel)
        case Contraction():
            return show_contraction(program, place)
        case Sorting() as sorting:
            return show_sorting(program, sorting, program.titles[place])
        case Control() as control:
            return show_control(program, control, program.titles[place])


def show_kernel(kernel: Kernel) -> str:
    """One kernel: what it reads and writes, what that costs, and its loops."""
    return "\n".join(_Listing(kernel).lines())


PUBLIC["show_program"] = show_program
PUBLIC["show_kernel"] = show_kernel


def show_control(program: Program, step: Control, name: str) -> str:
    """A switch or loop: what goes in and out, and the programs inside it."""
    names = program.names
    read, written = ([f"{names[x]} {x.type}" for x in dict.fromkeys(nodes)] for nodes in (reads(step), writes(step)))
    lines = _title(name, read, written)
    for title, inner in zip(part_titles(step.node), program.nested[step], strict=True):
        lines += [f"  {title}:", indent(show_program(inner), "    ")]
    return "\n".join(lines)


def show_contraction(program: Program, place: int) -> str:
    """One product of matrices; transposes are not copies."""
    step = program.steps[place]
    assert isinstance(step, Contraction)
    node, pairs, names, name = step.node, pairing(step.node), program.names, program.titles[place]
    (a, b), (left, right) = node.args, map(names.__getitem__, reads(step))
    title = _title(name, [f"{left} {a.type}", f"{right} {b.type}"], [f"{names[node]} {node.type}"])
    left += ".T" if a.ndim - 1 not in pairs.axes_a else ""
    right += ".T" if b.ndim - 1 in pairs.axes_b else ""
    batch = f" for each of {node.shape[: len(pairs.batch_a)]}" if pairs.batch_a else ""
    gemm = "generated" if is_generated(node) else "BLAS sgemm" if node.dtype.itemsize == 4 else "BLAS dgemm"
    chunks = f"; {cut.along} {cut}" if (cut := program.chunks.get(step)) else ""
    call = f"  {names[node]} = {left} @ {right}{batch}    ({gemm}, {contracted_terms(node)} terms{chunks})"
    return "\n".join([*title, _cost_line(name, str(contraction_cost(step))), call])


def show_sorting(program: Program, step: Sorting, name: str) -> str:
    """The order of rows: what goes in and out, and how."""
    node, names = step.node, program.names
    (x,) = reads(step)
    title = _title(name, [f"{names[x]} {node.args[0].type}"], [f"{names[node]} {node.type}"])
    how = ", the greatest first" if is_descending(node) else ""
    call = f"  {names[node]} = argsort({names[x]}) along rows of {node.shape[-1]}{how}    (generated)"
    return "\n".join([*title, _cost_line(name, str(sorting_cost(step))), call])


def _title(name: str, read: Iterable[str], written: Iterable[str]) -> list[str]:
    """What comes in and what goes out, on as many lines as it takes."""
    lines, line = list[str](), f"{name}:"
    for word in [*_listed(read), "->", *_listed(written)]:
        if len(line) + len(word) >= WIDTH:
            lines.append(line)
            line = " " * len(f"{name}:")
        line += f" {word}"
    return [*lines, line]


def _listed(words: Iterable[str]) -> list[str]:
    *most, last = words if (words := list(words)) else ["nothing"]
    return [*(f"{word}," for word in most), last]


def _cost_line(name: str, cost: str) -> str:
    return f"{'':{len(name)}}  {cost}"


class _Listing:
    """One kernel being written down: what its axes and buffers are called, and how each value is shown."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel, self.phases = kernel, plan_phases(kernel)
        self.free = kernel.free_axes
        self.lane = kernel.lane.name if kernel.lane else ""
        self.names = Names()
        self.buffers = {buffer: self._buffer(buffer) for buffer in dict.fromkeys((*kernel.reads(), *kernel.writes()))}
        self.extents: dict[str, Extent] = {axis.name: axis.extent for axis in kernel.axes}
        for node in kernel.values:
            if node.op is FOLD:
                self.extents.setdefault(str(node.params[1]), node.params[2])  # type: ignore[arg-type]
        self.axes = {name: self.names.fresh("ijklpqr"[min(k, 6)]) for k, name in enumerate(self.extents)}
        self.definitions: dict[Node, str] = {}
        self.shown: dict[Node, Expression] = {}
        self._show_values()

    def _buffer(self, node: Node) -> str:
        known = self.kernel.names.get(node)
        letter = variable_name(node) if node.op is VAR else "c" if node.op is CONST else "t"
        return self.names.fresh(known or letter)

    # -- lines ----------------------------------------------------------------------------------

    def lines(self) -> Iterator[str]:
        kernel = self.kernel
        read = [f"{self.buffers[buffer]} {buffer.type}" for buffer in kernel.reads()]
        written = [f"{self.buffers[buffer]} {buffer.type}" for buffer in dict.fromkeys(kernel.writes())]
        yield from _title(kernel.name, read, written)
        yield _cost_line(kernel.name, str(kernel_cost(kernel, self.phases)))
        accumulated = [s for s in kernel.statements if s.reduction is not None]
        yield from dict.fromkeys(f"  {self._whole(s.buffer)} = {self._identity(s)}" for s in accumulated)
        yield from self._loops()

    def _loops(self) -> Iterator[str]:
        """The loops around a row, those with nothing between them on one line; then the passes along it."""
        outer, indent, opened = self.kernel.axes[:-1], "  ", list[str]()
        for depth in range(len(outer) + 1):
            inside = list(self._defined(n for n in self.phases.phases[0].uniform if self._depth(n) == depth))
            if opened and (inside or depth == len(outer)):
                yield f"{indent}for {', '.join(opened)}:"
                opened, indent = [], indent + "  "
            yield from (indent + line for line in inside)
            opened += map(self._loop, outer[depth : depth + 1])
        for k, phase in enumerate(self.phases.phases):
            yield from (indent + line for line in self._phase(phase, first=k == 0))

    def _loop(self, axis: Axis) -> str:
        chunks = cut_kernel(self.kernel, self.phases) if axis is self.kernel.axes[0] else None
        return f"{self.axes[axis.name]} in {axis.extent}" + (f" ({chunks})" if chunks else "")

    def _depth(self, node: Node) -> int:
        return max((k + 1 for k, axis in enumerate(self.kernel.axes[:-1]) if axis.name in self.free[node]), default=0)

    def _phase(self, phase: Phase, first: bool) -> Iterator[str]:
        if not first:
            yield from self._defined(phase.uniform)
        yield from map(self._statement, phase.row_statements)
        work = [*self._defined(phase.varying), *self._defined(phase.folds), *map(self._statement, phase.statements)]
        if not work:
            return
        assert self.kernel.lane is not None
        head = f"lanes {self._loop(self.kernel.lane)}:"
        line = f"{head}  {'; '.join(work)}"
        yield from [line] if len(line) <= WIDTH else [head, *(f"  {part}" for part in work)]

    def _defined(self, nodes: Iterable[Node]) -> Iterator[str]:
        """The named ones of these values."""
        return (self._definition(node) for node in nodes if node in self.definitions)

    def _definition(self, node: Node) -> str:
        return f"{self.shown[node].text} = {self.definitions[node]}"

    def _statement(self, statement: Statement) -> str:
        target, value = self._at(statement.buffer, statement.index, statement.places), self.shown[statement.value].text
        if statement.reduction is None:
            return f"{target} = {value}"
        name = statement.reduction.name
        return f"{target} {ACCUMULATE[name]} {value}" if name in ACCUMULATE else f"{target} = {name}({target}, {value})"

    def _whole(self, buffer: Node) -> str:
        return f"{self.buffers[buffer]}[{', '.join(':' * buffer.ndim)}]" if buffer.shape else self.buffers[buffer]

    def _identity(self, statement: Statement) -> str:
        op = statement.reduction
        assert op is not None and op.identity is not None
        return number(op.identity(statement.buffer.dtype)).text

    # -- values ---------------------------------------------------------------------------------

    def _show_values(self) -> None:
        values, statements = self.kernel.values, self.kernel.statements
        uses = Counter(arg for node in values for arg in node.args)
        uses.update(x for statement in statements for x in statement.operands)
        places = {x for node in values if node.op in (LOAD, INDEX, INSIDE) for x in node.args}
        places = places.union(*(statement.places for statement in statements))
        ends = {end for place in places for end in (place, place.args[0])}
        uses.update(place.args[0].args[0] for place in places)  # named, unless short: an index is no place for formulas
        kept = frozenset(self.phases.kept)
        for node in values:
            if node in ends:
                self.shown[node] = self.shown[node.args[0]]
                continue
            text = self._expression(node)
            worth = node.op.transcendental or len(text.text) > SHORT
            again = uses[node] > 1 and worth and node.op is not LOAD
            is_lane_fold = node.op is FOLD and node.params[1] == self.lane
            if node in kept or is_lane_fold or again or len(text.text) > LONG:
                self.definitions[node] = text.text
                text = Expression(self.names.fresh(_letter(node)) + self._suffix(node, node in kept))
            self.shown[node] = text

    def _suffix(self, node: Node, kept: bool) -> str:
        """The indices of what exists for all lanes, or all steps of a fold, at once."""
        axes = [self.lane] if kept else []
        return f"[{', '.join(self.axes[axis] for axis in axes)}]" if axes else ""

    def _expression(self, node: Node) -> Expression:
        match node.op:
            case op if op is LOAD:
                guarded = bool(node.params[3])
                at = self._at(buffer_of(node), node.params[2], node.args, guarded)  # type: ignore[arg-type]
                return Expression(at + "?" * guarded)
            case op if op is INDEX:
                return self._index(node.params[0], node.args)  # type: ignore[arg-type]
            case op if op is INSIDE:
                return self._guards(node.params[0], node.args)  # type: ignore[arg-type]
            case op if op is FOLD:
                return self._fold(node)
            case op if op.name == "cast":
                return Expression(f"{node.dtype}({self.shown[node.args[0]].text})")
            case op if op.name == "copy":
                return self.shown[node.args[0]]
            case _:
                return expression(node, [self.shown[arg] for arg in node.args])

    def _fold(self, node: Node) -> Expression:
        (body,), (reduction, axis, extent) = node.args, node.params
        assert isinstance(reduction, Op) and isinstance(axis, str)
        over = "" if axis == self.lane else f" for {self.axes[axis]} in {extent}"
        return Expression(f"{reduction.name}({self.shown[body].text}{over})")

    def _guards(self, guards: Guards, places: Sequence[Node]) -> Expression:
        bounds = [[self._index(index, places).text for index in (low, i, high)] for i, low, high in guards]
        return Expression(" and ".join(f"{low} <= {i} < {high}" for low, i, high in bounds), COMPARISON)

    # -- indices --------------------------------------------------------------------------------

    def _at(self, buffer: Node, position: Extent, places: Sequence[Node], guarded: bool = False) -> str:
        extents = self.extents | {f"${k}": _extent(place) for k, place in enumerate(places)}
        found = indices(position, buffer.shape, extents, guarded)
        at = ", ".join(self._index(index, places).text for index in found)
        return f"{self.buffers[buffer]}[{at}]" if buffer.shape else self.buffers[buffer]

    def _index(self, index: Extent, places: Sequence[Node] = ()) -> Expression:
        if not isinstance(index, Dim):
            return number(index)
        computed = {f"${k}": self.shown[place].inside(PRODUCT) for k, place in enumerate(places)}
        text = str(index)
        for name, shown in reversed([*self.axes.items(), *computed.items()]):  # `@10` before `@1`
            text = text.replace(name, shown)
        return Expression(text, SUM) if " " in text else Expression(text)


def _extent(place: Node) -> Extent:
    """The extent of the axis that a place lies on: `maximum(minimum(place, extent - 1), 0)`."""
    last = place.args[0].args[1]
    return 1 + (last.params[0] if last.op is INDEX else uniform(last))  # type: ignore[operator, return-value]


def _letter(node: Node) -> str:
    """The first letter of what a value is, for its name: m for a maximum, s for a sum, e for an exponential."""
    op = node.params[0] if node.op is FOLD else node.op
    assert isinstance(op, Op)
    return op.name[0]
