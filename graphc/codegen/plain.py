"""A program as plain functions of C: pointers to arrays and extents in, no Python and no library behind them.

    int64_t NAME_workspace(int64_t n)                                     bytes needed; -1: extents do not fit
    int     NAME_run(const float *x, float *y, int64_t n, void *workspace)      0, or what went wrong

Both come as IR beside `program`. What is a plan elsewhere, made by Python for each shape, is here computed by the
code: extents are polynomials of the dimensions given; workspace buffers lie one after another, and those of one size
whose lives do not meet share a place. Where all sizes are known the offsets are those of the plan. Stacks of loops
whose length nobody knows take more memory from `malloc` (see `stack`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from graphc.codegen.emit import ADDRESS, BOOL, INT32, INT64, Emitter, Module, Pointer, Value
from graphc.codegen.indices import Indices
from graphc.codegen.program import ENTRY
from graphc.codegen.stack import FAILED
from graphc.graph import Graph
from graphc.kernel.program import ALIGNMENT, WORKSPACE, Program, Slab, place
from graphc.node import Node
from graphc.ops.control import subgraphs
from graphc.ops.parts import SLICE
from graphc.ops.reduction import MAX, MIN
from graphc.types import Extent, extent_symbols, product

OK, MISFIT, NO_MEMORY, LIMIT = range(4)  # what functions return
ON_STACK = 4096  # the most bytes of workspace that lie on the stack


def emit_plain(module: Module, program: Program, name: str) -> None:
    """Add both functions. The addresses of constants are those of globals, `constant_name(name, k)`."""
    _emit_workspace(_Plain(Emitter(module), program), name)
    _emit_run(_Plain(Emitter(module), program), name)


def constants(program: Program) -> list[Node]:
    """Constant arrays that a program reads, or one nested in it."""
    inner = [node for programs in program.nested.values() for each in programs for node in constants(each)]
    return list(dict.fromkeys([*program.constants, *inner]))


def constant_name(name: str, number: int) -> str:
    return f"{name}_constant{number}"


def emit_allocating(module: Module, program: Program, name: str) -> None:
    """Add the function `NAME`, which needs no workspace given, and may return `NO_MEMORY`."""
    e = Emitter(module)
    arrays, dims = _parameters(program)
    parameters = [f"{x.type} {x.text}" for x in (*arrays, *dims)]
    slabs = list(program.slabs.values())
    if not program.symbols and place(slabs)[1] <= ON_STACK:
        nearby = Value(e.stack(np.dtype(np.uint8), ON_STACK, ALIGNMENT).text, ADDRESS)
        e.line(f"ret i32 {e.call(f'{name}_run', 'i32', [*arrays, nearby], INT32).text}")
        e.define(name, parameters, "i32")
        return
    size = e.call(f"{name}_workspace", "i64", dims, INT64)
    e.branch(e.lt(size, 0), "misfit", "allocate")
    e.label("allocate")
    block = e.call("malloc", "ptr", [e.add(size, ALIGNMENT)], ADDRESS)
    e.branch(e.eq(block, 0), "no_memory", "run")
    e.label("run")
    address = e.assign(f"ptrtoint ptr {block.text} to i64", INT64)
    aligned = e.and_(e.add(address, ALIGNMENT - 1), e.const(-ALIGNMENT, INT64))
    workspace = e.assign(f"inttoptr i64 {aligned.text} to ptr", ADDRESS)
    status = e.call(f"{name}_run", "i32", [*arrays, *dims, workspace], INT32)
    e.do("free", [block])
    e.line(f"ret i32 {status.text}")
    e.label("misfit")
    e.line(f"ret i32 {MISFIT}")
    e.label("no_memory")
    e.line(f"ret i32 {NO_MEMORY}")
    e.define(name, parameters, "i32")


def _emit_workspace(p: _Plain, name: str) -> None:
    _, size = p.layout(p.program)
    p.e.line(f"ret i64 {p.e.select(p.fits(), size, p.e.const(-1, INT64)).text}")
    p.e.define(f"{name}_workspace", [f"i64 {d.text}" for d in p.dims], "i64")


def _emit_run(p: _Plain, name: str) -> None:
    e, program, workspace = p.e, p.program, Value("%workspace", ADDRESS)
    places = {node: Value(f"@{constant_name(name, k)}", ADDRESS) for k, node in enumerate(constants(program))}
    words = list(p.words(program, places))
    plan, buffers = e.stack(INT64, program.length), e.stack(ADDRESS, len(p.arrays) + 2)
    e.branch(p.fits(), "run", "misfit")
    e.label("run")
    for slot, x in words:
        word = x if x.dtype != ADDRESS else e.assign(f"ptrtoint ptr {x.text} to i64", INT64)
        e.store(word, e.offset(plan, slot))
    for k, x in enumerate((*p.arrays, workspace)):
        e.line(f"store ptr {x.text}, ptr {e.offset(buffers, k).text}")
    status = Pointer(e.offset(buffers, len(p.arrays) + 1).text, INT64)
    e.store(e.const(0, INT64), status)
    e.do(ENTRY, [Value(buffers.text, ADDRESS), Value(plan.text, ADDRESS)])
    found = e.load(status)
    wrong = e.select(e.eq(found, FAILED), e.const(NO_MEMORY, INT32), e.const(LIMIT, INT32))
    e.line(f"ret i32 {e.select(e.eq(found, 0), e.const(OK, INT32), wrong).text}")
    e.label("misfit")
    e.line(f"ret i32 {MISFIT}")
    e.define(f"{name}_run", [f"{x.type} {x.text}" for x in (*p.arrays, *p.dims, workspace)], "i32")


def _parameters(program: Program) -> tuple[list[Value], list[Value]]:
    """The arrays and the dimensions, as parameters of a function."""
    count = len(program.graph.inputs) + len(program.graph.outputs)
    arrays = [Value(f"%array{k}", ADDRESS) for k in range(count)]
    return arrays, [Value(f"%extent{k}", INT64) for k in range(len(program.symbols))]


class _Plain:
    """One function: its parameters, and extents as values."""

    def __init__(self, e: Emitter, program: Program) -> None:
        self.e, self.program = e, program
        self.arrays, self.dims = _parameters(program)
        self.symbols = dict(zip(program.symbols, self.dims, strict=True))
        self._indices = Indices(e, "")

    def value(self, extent: Extent) -> Value:
        return self._indices.number(self._indices.evaluate(extent, self.symbols))

    def fits(self) -> Value:
        """Whether a call of these extents is one."""
        found = self.e.const(True, BOOL)
        for extent in requirements(self.program.graph):
            found = self.e.and_(found, self.e.ge(self.value(extent), 0))
        return found

    def words(self, program: Program, constants: Mapping[Node, Value], start: int = 0) -> Iterator[tuple[int, Value]]:
        """The words of the plan of a program, and of those nested in it, with their places."""
        offsets, size = self.layout(program)
        own = [(WORKSPACE, size), *((program.symbol_slot(s), self.symbols[s]) for s in program.symbols)]
        own += [(program.extent_slot(extent), self.value(extent)) for extent in program.extents]
        own += [(program.offset_slot(buffer), offset) for buffer, offset in zip(program.slabs, offsets, strict=True)]
        own += [(program.constant_slot(node), constants[node]) for node in program.constants]
        yield from ((start + slot, x) for slot, x in own)
        for step, programs in program.nested.items():
            for k, inner in enumerate(programs):
                yield from self.words(inner, constants, start + program.nested_slot(step, k))

    def layout(self, program: Program) -> tuple[list[Value], Value]:
        """The offset of every workspace buffer of a program, and the bytes in all."""
        slabs = list(program.slabs.values())
        if all(isinstance(slab.size, int) for slab in slabs):
            offsets, size = place(slabs)
            return [self.value(offset) for offset in offsets], self.value(size)
        places, sizes = shared_places(slabs)
        starts = [self.value(0)]
        for extent in sizes:
            rounded = self.e.and_(self.e.add(self.value(extent), ALIGNMENT - 1), self.e.const(-ALIGNMENT, INT64))
            starts.append(self.e.add(starts[-1], rounded))
        return [starts[k] for k in places], starts[-1]


def shared_places(slabs: Sequence[Slab]) -> tuple[list[int], list[Extent]]:
    """For each slab a place, and each place's size: slabs of one size, one life after the other, share theirs."""
    places: list[int] = []
    sizes: list[Extent] = []
    busy: list[int] = []  # the last step during which each place is needed
    for slab in slabs:  # in the order of their first steps
        free = [k for k, size in enumerate(sizes) if size == slab.size and busy[k] < slab.first]
        if free:
            busy[free[0]] = slab.last
        else:
            sizes.append(slab.size)
            busy.append(slab.last)
        places.append(free[0] if free else len(sizes) - 1)
    return places, sizes


# -- what extents must satisfy ----------------------------------------------------------------------


def requirements(graph: Graph) -> list[Extent]:
    """What must not be negative for the named dimensions to fit: the type rules' own conditions, as polynomials."""
    found = dict.fromkeys(need for node in graph.nodes for need in _requirements(node))
    return [need for need in found if extent_symbols(need)]


def _requirements(node: Node) -> Iterator[Extent]:
    yield from node.shape
    for inner in subgraphs(node):
        yield from requirements(inner)
    rule = _RULES.get(node.op.name)
    if rule is not None:
        yield from rule(node)


def _within(node: Node) -> Iterator[Extent]:
    """A slice begins and ends inside each axis."""
    for n, start, extent, step in zip(node.args[0].shape, *node.params, strict=True):  # type: ignore[call-overload]
        yield from (start, n - start, n - 1 - start - step * (extent - 1))


def _not_empty(node: Node) -> Iterator[Extent]:
    """There is an extreme only of something."""
    (x,), (axes,) = node.args, node.params
    if x.dtype.kind != "b":
        yield product(x.shape[axis] for axis in axes) - 1  # type: ignore[union-attr, attr-defined]


_Rule = Callable[[Node], Iterator[Extent]]
_RULES: dict[str, _Rule] = {SLICE.name: _within, MAX.name: _not_empty, MIN.name: _not_empty}
