"""Chunks: a step's work cut along an axis into parts that any thread may take, one beside the other.

No part writes what another one writes. What is reduced along the axis each part reduces in a place of its own, and
these are put together in their order. How long a part is depends on extents only, never on the number of threads, and
so does the order of every sum.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from graphc.kernel.collapse import coefficient
from graphc.kernel.kernel import Kernel, Statement
from graphc.kernel.phases import Phases
from graphc.kernel.storage import TRANSCENDENTAL
from graphc.node import Node, Op
from graphc.ops.contraction import pairing
from graphc.ops.product import Product, is_generated
from graphc.ops.scalar import FOLD, LOAD
from graphc.types import Extent, extent_symbols, product

# Work is counted in bytes that an instruction takes from registers: some 3 picoseconds each.
WORTH = 1 << 23  # from which a step is cut: about 25 microseconds, where handing it over takes a few
PART = 1 << 20  # of a part
MEMORY = 4  # what a load or a store counts for; it mostly finds its element in a cache
LANES, ROWS, COLUMNS = 1024, 42, 128  # the lane is cut at multiples, so are a product's rows, and columns, in bytes
ON_STACK = 1 << 17  # the most bytes of rows that a part keeps between phases
MOST, FEWEST, PLACES = 64, 4, 1 << 20  # parts where they reduce, and the most bytes of their places


@dataclass(frozen=True)
class Chunks:
    """Parts of so many each of an axis of this extent; and the whole work, which may be little if extents are."""

    extent: Extent
    length: Extent
    work: Extent
    along: str = "axis"  # or, of a product, its `batch`, `rows` or `columns`
    most: int = 0  # how many there are at most, if they reduce

    def __str__(self) -> str:
        sized = f", chunks of {self.length}" if isinstance(self.length, int) else ""
        return f"parallel{'' if isinstance(self.work, int) else ' if large'}{sized}"


def _cut(extent: Extent, work: Extent, multiple: int = 1, along: str = "axis", most: int = 0) -> Chunks | None:
    """Parts of an axis with so much work at each index; None if it is known that it is not worth it."""
    times = 1 + PART // (1 + multiple * work)
    if most:
        times = times + extent // (most * multiple)
    length = multiple * (_power_of_two(times) if isinstance(times, int) else times)
    found = Chunks(extent, length, extent * work, along, most)
    little = isinstance(found.work, int) and found.work < WORTH
    return None if little or (isinstance(extent, int) and isinstance(length, int) and extent <= length) else found


def _power_of_two(number: int) -> int:
    """The least that is not less."""
    return 1 << (number - 1).bit_length()


# -- kernels --------------------------------------------------------------------------------------------------


class Reduced(NamedTuple):
    """What each part of a kernel reduces for itself: a buffer that it accumulates into, or a fold of its lanes."""

    node: Node
    reduction: Op
    size: Extent


def cut_kernel(kernel: Kernel, phases: Phases) -> Chunks | None:
    """A kernel cut along its outermost axis, if its stores come apart there, and parts need little room each."""
    if not kernel.axes or not _keeps_little(kernel, phases):
        return None
    if not all(_comes_apart(kernel, s) for s in kernel.statements):
        return None
    sizes = [r.size * r.node.dtype.itemsize for r in reduced(kernel)]
    places = sum(size for size in sizes if isinstance(size, int))
    most = min(MOST, PLACES // max(1, places)) if sizes else 0
    if sizes and (most < FEWEST or not all(isinstance(size, int) for size in sizes)):
        return None
    axis, *inner = kernel.axes
    point = sum(_weight(node) for phase in phases.phases for node in phase.varying)
    point += MEMORY * sum(s.buffer.dtype.itemsize for s in kernel.statements)
    return _cut(axis.extent, product(a.extent for a in inner) * point, 1 if inner else LANES, most=most)


def reduced(kernel: Kernel) -> Iterator[Reduced]:
    """What is reduced along the outermost axis."""
    outermost = kernel.axes[0].name
    for node in kernel.values:
        if node.op is FOLD and node.params[1] == outermost:
            yield Reduced(node, node.params[0], 1)  # type: ignore[arg-type]
    for s in kernel.statements:
        if s.reduction is not None and outermost not in extent_symbols(s.index):
            yield Reduced(s.buffer, s.reduction, s.buffer.size)


def _comes_apart(kernel: Kernel, statement: Statement) -> bool:
    """Whether parts store in places apart, or reduce along the axis, be it by folds that are stored at the end."""
    axis, *inner = kernel.axes
    if not inner:
        return statement.reduction is None
    if axis.name not in extent_symbols(statement.index):
        return statement.reduction is not None
    step = coefficient(statement.index, axis.name)  # what is accumulated along another axis is filled part by part
    return statement.reduction is None or (step is not None and step * axis.extent == statement.buffer.size)


def _keeps_little(kernel: Kernel, phases: Phases) -> bool:
    """Whether rows that are kept between phases are short; the one row of a single axis all parts share."""
    if not phases.kept or kernel.lane is None or len(kernel.axes) == 1:
        return True
    row = kernel.lane.extent * sum(value.dtype.itemsize for value in phases.kept)
    return isinstance(row, int) and row <= ON_STACK


def _weight(node: Node) -> int:
    """The work of a value at one point."""
    return node.dtype.itemsize * (MEMORY if node.op is LOAD else TRANSCENDENTAL if node.op.transcendental else 1)


# -- products -------------------------------------------------------------------------------------------------


def cut_product(node: Node) -> Chunks | None:
    """A contraction that is code of its own, cut along its batch, or the rows or columns of its matrices.

    Wherever it is cut, the terms of each element are summed up in their order.
    """
    if not is_generated(node):
        return None
    m, n, *_ = Product.of(node)
    a, size = node.args[0], node.dtype.itemsize
    terms = product(a.shape[axis] for axis in pairing(node).axes_a) * size
    batch = [a.shape[axis] for axis in pairing(node).batch_a]
    if batch:
        return _cut(batch[0], product(batch[1:]) * m * n * terms, along="batch")
    if isinstance(m, int) and m < 4 * ROWS:
        return _cut(n, m * terms, COLUMNS // size, "columns")
    return _cut(m, n * terms, ROWS, "rows")
