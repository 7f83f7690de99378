"""Memory access in IR: loads, stores and accumulation of one kernel, contiguous wherever the index allows.

Along the lane an element next to element is one vector load; short records (`[n, 3]`) are loaded whole and
shuffled apart; of elements a few apart, just these are; anything else is a gather.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import cast

import numpy as np

from graphc.codegen.emit import BOOL, Emitter, Pointer, Value
from graphc.codegen.indices import Indices, Lanes
from graphc.kernel.collapse import coefficient
from graphc.kernel.kernel import Kernel, Statement, buffer_of
from graphc.kernel.unroll import SHORT
from graphc.node import Node
from graphc.ops.scalar import Guards
from graphc.types import Dim, Extent, product, substitute

BYTE = np.dtype(np.uint8)
NEAR = 4  # how far apart elements are that come in one wide load


class Access:
    """Reads and writes the buffers of one kernel.

    `at_places` adds to lanes the values of the computed parts of an index.
    """

    def __init__(
        self,
        e: Emitter,
        kernel: Kernel,
        indices: Indices,
        pointers: dict[Node, Pointer],
        at_places: Callable[[Sequence[Node], Lanes], Lanes],
    ) -> None:
        self.e, self.kernel, self.indices, self.pointers = e, kernel, indices, pointers
        self.at_places = at_places

    # -- loads ----------------------------------------------------------------------------------

    def load(self, node: Node, at: Lanes) -> Value:
        """The value of a load node."""
        buffer, index, guards, at = buffer_of(node), node.params[2], node.params[3], self.at_places(node.args, at)
        assert isinstance(index, int | Dim) and isinstance(guards, tuple)
        pointer = self.pointers[buffer]
        if at.width == 1 or self.indices.lane not in self.kernel.free_axes[node]:
            return self._load_one(pointer, index, guards, at)
        mask = self._both(at.mask, self.indices.guard(guards, at) if guards else None)
        if self.indices.step(index, at) == 1:
            return self.e.load(self._row(pointer, index, at), at.width, mask)
        place = self._place_in_record(buffer, index)
        if place is not None and not guards and not node.args:
            return self._load_from_records(pointer, index, place, at)
        if self._is_near(pointer, step := self.indices.step(index, at)):
            return self._load_each(pointer, index, cast("int", step), mask, at)
        return self.e.gather(pointer, self.indices.along(index, at), mask)

    def _is_near(self, pointer: Pointer, step: Extent | None) -> bool:
        """Whether one vector's elements lie in a few vectors of memory, of which a processor can load single lanes."""
        return isinstance(step, int) and 1 < step <= NEAR and pointer.dtype.itemsize >= 4

    def _load_each(self, pointer: Pointer, index: Extent, step: int, mask: Value | None, at: Lanes) -> Value:
        """Every so many-th element: nothing is read between them, or behind the last."""
        none, all_lanes = (self.e.splat(self.e.const(flag, BOOL), at.width) for flag in (False, True))
        lanes = [k // step if k % step == 0 else at.width for k in range(at.width * step)]
        held = self.e.shuffle(all_lanes if mask is None else self.e.splat(mask, at.width), none, lanes)
        start = self.e.mul(self.indices.number(at.start), step)
        wide = self.e.load(self.e.offset(self._row_start(pointer, index, at), start), at.width * step, held)
        return self.e.shuffle(wide, wide, [k * step for k in range(at.width)])

    def _load_one(self, pointer: Pointer, index: Extent, guards: Guards, at: Lanes) -> Value:
        def read() -> Value:
            return self.e.load(self.e.offset(pointer, self.indices.evaluate(index, at.axes)))

        if not guards:
            return read()
        zero = self.e.const(0, pointer.dtype)
        return self.e.if_else(self.indices.guard(guards, at), lambda: [read()], lambda: [zero])[0]

    def _row(self, pointer: Pointer, index: Extent, at: Lanes) -> Pointer:
        """The address of the first lane: the row's, known before the loop, and the lane's."""
        return self.e.offset(self._row_start(pointer, index, at), at.start)

    def _row_start(self, pointer: Pointer, index: Extent, at: Lanes) -> Pointer:
        return self.e.offset(pointer, self.indices.evaluate(substitute(index, {self.indices.lane: 0}), at.axes))

    def _both(self, a: Value | None, b: Value | None) -> Value | None:
        return a if b is None else b if a is None else self.e.and_(a, b)

    # -- stores ---------------------------------------------------------------------------------

    def write_all(self, statements: Sequence[Statement], values: Sequence[Value], at: Lanes) -> None:
        """Statements with their values, one by one, or together where they fill whole records."""
        pairs = list(zip(statements, values, strict=True))
        for group in self._records(statements, at):
            first, pairs = pairs[: len(group)], pairs[len(group) :]
            if len(group) > 1:
                self._write_records(group, [value for _, value in first], at)
            else:
                self.write(*first[0], at)

    def write(self, statement: Statement, value: Value, at: Lanes) -> None:
        """Store, or combine with what is there."""
        pointer, index, at = self.pointers[statement.buffer], statement.index, self.at_places(statement.places, at)
        step = self.indices.step(index, at)
        if at.width > 1 and statement.places and step in (None, 0):
            self._write_each(statement, value, at)
            return
        contiguous = at.width == 1 or step == 1
        indices = None if contiguous else self.indices.along(index, at)
        address = self._address(pointer, index, at) if contiguous else pointer
        if statement.reduction is not None:
            assert statement.reduction.element is not None
            old = self.e.gather(pointer, indices, at.mask) if indices else self.e.load(address, at.width, at.mask)
            value = statement.reduction.element(self.e, old, value)
        if indices:
            self.e.scatter(value, pointer, indices, at.mask)
        else:
            self.e.store(self.e.splat(value, at.width), address, at.mask)

    def _write_each(self, statement: Statement, value: Value, at: Lanes) -> None:
        """One lane after another, since several may meet at one place."""
        e, pointer, value = self.e, self.pointers[statement.buffer], self.e.splat(value, at.width)
        places = e.splat(self.indices.along(statement.index, at), at.width)
        assert statement.reduction is not None and statement.reduction.element is not None
        combine = statement.reduction.element
        for lane in range(at.width):

            def combine_one(lane: int = lane) -> None:
                address = e.offset(pointer, e.extract(places, lane))
                e.store(combine(e, e.load(address), e.extract(value, lane)), address)

            if at.mask is None:
                combine_one()
            else:
                e.when(e.extract(at.mask, lane), combine_one)

    def _address(self, pointer: Pointer, index: Extent, at: Lanes) -> Pointer:
        if at.width > 1:
            return self._row(pointer, index, at)
        return self.e.offset(pointer, self.indices.evaluate(index, at.axes))

    # -- records --------------------------------------------------------------------------------

    def _place_in_record(self, buffer: Node, index: Extent) -> int | None:
        """The place of an element inside its record, if the lanes walk over all of a buffer of short records."""
        step = coefficient(index, self.indices.lane)
        if not isinstance(step, int) or not 1 < step <= SHORT or not isinstance(index, Dim):
            return None
        place = dict(index.terms).get((), 0)
        walked = [axis.extent for axis in self.kernel.axes if axis.name in index.symbols()]
        return place if 0 <= place < step and buffer.size == step * product(walked) else None

    def _load_from_records(self, pointer: Pointer, index: Extent, place: int, at: Lanes) -> Value:
        """One element of each record; the records themselves are loaded once for all their places."""
        step, first = coefficient(index, self.indices.lane), index - place
        assert isinstance(step, int)
        if (pointer, first) not in at.records:
            address, mask = self._records_address(pointer, first, step, at)
            at.records[pointer, first] = self.e.load(address, at.width * step, mask)
        wide = at.records[pointer, first]
        return self.e.shuffle(wide, wide, [place + step * k for k in range(at.width)])

    def _records_address(self, pointer: Pointer, index: Extent, step: int, at: Lanes) -> tuple[Pointer, Value | None]:
        row, start = self._row_start(pointer, index, at), self.e.mul(self.indices.number(at.start), step)
        mask = at.mask and self.e.shuffle(at.mask, at.mask, [k // step for k in range(at.width * step)])
        return self.e.offset(row, start), mask

    def _records(self, statements: Sequence[Statement], at: Lanes) -> Iterator[Sequence[Statement]]:
        """Statements one by one, or those that fill whole records together."""
        while statements:
            first = statements[0]
            step = None if first.places else self.indices.step(first.index, at)
            group = statements[:step] if isinstance(step, int) and step > 1 else statements[:1]
            whole = len(group) == step and all(
                s.buffer is first.buffer and s.reduction is None and s.index - first.index == place
                for place, s in enumerate(group)
            )
            yield group if whole else statements[:1]
            statements = statements[len(group) if whole else 1 :]

    def _write_records(self, statements: Sequence[Statement], values: Sequence[Value], at: Lanes) -> None:
        first, step = statements[0], len(statements)
        parts = [self.e.splat(self.e.convert(x, BYTE) if x.dtype.kind == "b" else x, at.width) for x in values]
        wide = self._concatenated(parts)
        order = [(k % step) * at.width + k // step for k in range(step * at.width)]
        address, mask = self._records_address(self.pointers[first.buffer], first.index, step, at)
        self.e.store(self.e.shuffle(wide, wide, order), address, mask)

    def _concatenated(self, parts: Sequence[Value]) -> Value:
        """One vector of all parts' lanes, in order; what fills up to a power of two is of no account."""
        while len(parts) > 1:
            pairs = [(parts[k], parts[min(k + 1, len(parts) - 1)]) for k in range(0, len(parts), 2)]
            parts = [self.e.shuffle(a, b, range(2 * a.lanes)) for a, b in pairs]
        return parts[0]
