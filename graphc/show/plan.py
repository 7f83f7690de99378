"""The memory plan: every buffer of the workspace, its size and place, and the steps during which it lives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graphc.kernel.chunks import reduced
from graphc.kernel.cost import workspace
from graphc.kernel.kernel import Kernel
from graphc.kernel.program import Program, Scratch, Slab, place
from graphc.kernel.units import bytes_text
from graphc.node import Node
from graphc.types import Extent, evaluate, require_known

WIDTH = 60  # steps up to which a buffer's life is drawn


def show_plan(program: Program, dims: Mapping[str, int] | None = None) -> str:
    """The plan as a table; with offsets if every size is known, or `dims` says what the named dimensions are.

    workspace 8.26 KB in 2 buffers
    t0       float32[64, 32]    8.19 KB    at 0       ■■·
    row      float32[10]        40 B       at 8192    ·■·
    """
    if dims:
        require_known(frozenset(program.symbols), dims)

    def size(extent: Extent) -> Extent:
        return evaluate(extent, dims) if dims else extent

    slabs = [Slab(size(slab.size), slab.first, slab.last) for slab in program.slabs.values()]
    known = all(isinstance(slab.size, int) for slab in slabs)
    offsets = place(slabs)[0] if known else [None] * len(slabs)
    rows = [
        [*_what(program, buffer), bytes_text(slab.size), "" if offset is None else f"at {offset}", _life(program, slab)]
        for buffer, slab, offset in zip(program.slabs, slabs, offsets, strict=True)
    ]
    title = f"workspace {bytes_text(workspace(slabs, size))} in {len(slabs)} buffer{'s' * (len(slabs) != 1)}"
    return "\n".join([title, *_table(rows)])


def _what(program: Program, buffer: Node | Scratch) -> tuple[str, str]:
    if isinstance(buffer, Node):
        return program.names[buffer], str(buffer.type)
    number, value = buffer
    step = program.steps[number]
    if isinstance(value, str):
        return f"{value} of {program.titles[number]}", ""
    assert isinstance(step, Kernel) and step.lane is not None
    if value in set(program.phases[step].kept):
        return f"row of {step.name}", f"{value.dtype}[{step.lane.extent}]"
    size = next(each.size for each in reduced(step) if each.node is value)
    return f"parts of {step.name}", f"{value.dtype}[{program.chunks[step].most}, {size}]"


def _life(program: Program, slab: Slab) -> str:
    """`·■■·`: a square for every step during which the buffer is needed."""
    count = len(program.steps)
    if count > WIDTH:
        return f"steps {slab.first} to {slab.last}"
    return "".join("■" if slab.first <= k <= slab.last else "·" for k in range(count))


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns as wide as their widest cell; empty ones are left out."""
    columns = [column for column in zip(*rows, strict=True) if any(column)]
    widths = [max(map(len, column)) for column in columns]
    lines = zip(*columns, strict=True)
    return ["  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
