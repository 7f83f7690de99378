"""Rows in batches: what is computed once a row is computed for several rows at once, as vectors over the rows.

A regression takes one sigmoid for each row of fifty numbers; as scalars these would take longer than the rows.
So each phase first computes its uniform values for a batch of rows, then passes along each of the rows. Between
the two, folds and uniform values wait in small arrays.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager

from graphc.codegen.access import Access
from graphc.codegen.emit import Value
from graphc.codegen.indices import Indices, Lanes
from graphc.codegen.nest import Nest, identity, uniform_reads
from graphc.kernel.kernel import Kernel, Statement
from graphc.kernel.phases import Phase, Phases
from graphc.node import Node

CACHED = 1 << 15  # the most bytes of the rows of one batch, since several phases read them


def nest_for(kernel: Kernel, phases: Phases, vector_bytes: int) -> type[Nest]:
    """How to lay out the loops of a kernel: its rows in batches where that pays, else one by one."""
    return BatchedNest if _is_worth_batching(kernel, phases, vector_bytes) else Nest


def _is_worth_batching(kernel: Kernel, phases: Phases, vector_bytes: int) -> bool:
    """Whether rows are short, and something costly is done once for each of many, after a fold."""
    if len(kernel.axes) < 2 or phases.kept or not _late_functions(phases.phases):
        return False
    rows, length = (axis.extent for axis in kernel.axes[-2:])
    return isinstance(length, int) and length * vector_bytes <= CACHED and not (isinstance(rows, int) and rows < 16)


def _late_functions(phases: Sequence[Phase]) -> list[Node]:
    """Elementary functions of once a row that wait for a fold."""
    return [node for phase in phases[1:] for node in phase.uniform if node.op.transcendental]


class BatchedNest(Nest):
    """A nest whose innermost loop over rows takes as many of them as fill a vector."""

    def emit(self) -> None:
        self.batch = self.e.target.vector_bytes // min(n.dtype.itemsize for n in _late_functions(self.phases))
        self.axis = self.outer[-1]
        self.over_rows = Indices(self.e, self.axis.name)
        self.access_over_rows = Access(self.e, self.kernel, self.over_rows, self.access.pointers, self.at_places)
        self.waiting = {n: self.e.stack(n.dtype, self.batch, align=64) for n in self._made_once_a_row()}
        super().emit()

    def _made_once_a_row(self) -> Iterator[Node]:
        """Uniform values that passes read, and folds."""
        for phase in self.phases:
            uniform = set(phase.uniform)
            yield from phase.folds
            for read in (node for later in self.phases for node in uniform_reads(later)):
                if read in uniform and self._depth(read) == len(self.outer):
                    yield read

    def _loop(self, depth: int) -> None:
        if depth < len(self.outer) - 1:
            super()._loop(depth)
            return
        start, stop = self._range(self.axis)

        def body(first: Value, _: list[Value]) -> list[Value]:
            rows = self.e.minimum(self.e.sub(self.indices.number(stop), first), self.batch)
            self._take_batch(first, rows)
            return []

        self.e.loop(start, stop, self.batch, [], body)

    def _take_batch(self, first: Value, rows: Value) -> None:
        mask = self.over_rows.first_lanes(rows, self.batch)
        at = Lanes(first, self.batch, mask, {**self.axes, self.axis.name: first}, dict(self.values))
        for phase in self.phases:
            with self._across_rows():
                for node in phase.uniform:
                    if node not in at.values:
                        at.values[node] = self._value(node, at)
                for statement in phase.row_statements:
                    self._write_rows(statement, at)
            if phase.varying or phase.statements or phase.folds:
                self._pass_along_each(phase, first, rows, at)
                at.values |= {fold: self.e.load(self.waiting[fold], self.batch) for fold in phase.folds}

    @contextmanager
    def _across_rows(self) -> Generator[None]:
        """Within, lanes run over rows."""
        along_rows = self.indices, self.access
        self.indices, self.access = self.over_rows, self.access_over_rows
        yield
        self.indices, self.access = along_rows

    def _write_rows(self, statement: Statement, at: Lanes) -> None:
        """A store of one value a row; what is accumulated over the rows is reduced first."""
        value = self.e.splat(self._argument(statement.value, at), self.batch)
        reduction = statement.reduction
        if reduction is None or self.axis.name in self.kernel.walked(statement):
            self.access.write(statement, value, at)
            return
        assert at.mask is not None
        neutral = self.e.const(identity(reduction, value.dtype), value.dtype)
        total = self._reduce_lanes(reduction, self.e.select(at.mask, value, neutral))
        self.access.write(statement, total, self._one_lane())

    def _pass_along_each(self, phase: Phase, first: Value, rows: Value, at: Lanes) -> None:
        read = [node for node in uniform_reads(phase) if node in self.waiting]
        for node in read:
            self.e.store(self.e.splat(at.values[node], self.batch), self.waiting[node])
        known = self.values

        def along(row: Value, _: list[Value]) -> list[Value]:
            self.axes[self.axis.name] = self.e.add(first, row)
            here = {node: self.e.load(self.e.offset(self.waiting[node], row)) for node in read}
            self.values = {**known, **here}
            self._pass(phase)
            for fold in phase.folds:
                self.e.store(self.values[fold], self.e.offset(self.waiting[fold], row))
            self.values = known
            return []

        self.e.loop(0, rows, 1, [], along)
