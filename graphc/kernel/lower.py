"""Lowering pulls: from a node and an index to the scalar node that is its element there."""

from __future__ import annotations

from collections.abc import Callable, Container

from graphc.node import CONST, Node, constant, make
from graphc.ops.scalar import FOLD, LOAD, Guards
from graphc.types import Dim, Extent, Shape, extent_symbols

Index = tuple[Extent, ...]
Demand = tuple[Node, Index, Guards]
Read = Callable[[int, Index], Node]


class NotFusable(Exception):
    """A value of this very kernel is read at another index than it is made at, or before it is complete."""


class MustStore(Exception):
    """These nodes cannot be computed where they are read."""

    def __init__(self, nodes: set[Node]) -> None:
        self.nodes = nodes


class Lowering:
    """Pulls elements for one kernel: what is stored elsewhere is loaded, all else is computed in place.

    `home[node]` is the index at which a stored node is made in this kernel; `stored` are all nodes that
    have a buffer. Reads of the same element give the same scalar node.
    """

    def __init__(self, stored: Container[Node]) -> None:
        self.stored = stored
        self.home: dict[Node, Index | None] = {}
        self.lane: tuple[str, Extent] | None = None
        self._memo: dict[Demand, Node] = {}

    def element(self, node: Node, index: Index, root: bool = False) -> Node:
        """The scalar node for `node[index]`; iterative, so that depth is bounded by memory only."""
        first: Demand = (node, index, ())
        stack: list[Demand] = [first]
        while stack:
            demand = stack[-1]
            if demand not in self._memo:
                missing: list[Demand] = []
                scalar = self._pull(demand, missing, compute=root and demand is first)
                if missing:
                    stack.extend(missing)
                    continue
                self._memo[demand] = scalar
            stack.pop()
        return self._memo[first]

    def _pull(self, demand: Demand, missing: list[Demand], compute: bool) -> Node:
        node, index, guards = demand

        def read(i: int, at: Index, more: Guards = ()) -> Node:
            moved = axes_in(at)
            kept = tuple(g for g in dict.fromkeys((*guards, *more)) if axes_in(g[:1]) & moved)
            wanted = (node.args[i], at, kept)  # a guard on axes that the element does not depend on guards nothing
            found = self._memo.get(wanted)
            if found is None:
                missing.append(wanted)
                return constant(0, wanted[0].dtype)
            return found

        if node.op is CONST and not node.shape:
            return node
        if not compute and self._is_loaded(node, index):
            return LOAD(buffer=node, dtype=node.dtype, index=linear(index, node.shape), guards=guards)
        match node.op.kind:
            case "elementwise":
                return make(node.op, tuple([read(i, index) for i in range(len(node.args))]), node.params)
            case "reduction":
                return self._fold(node, index, guards, read)
            case _ if node.op.name == "reshape":
                return self._reshape(node, index, guards, read)
            case _:
                assert node.op.pull is not None, node.op
                return node.op.pull(read, node, index)

    def _is_loaded(self, node: Node, index: Index) -> bool:
        if node in self.home:
            if self.home[node] != index:
                raise NotFusable
            return False
        return node in self.stored or node.op.kind in ("source", "contraction")

    def _reshape(self, node: Node, index: Index, guards: Guards, read: Read) -> Node:
        """Of what is stored elsewhere, the same element in memory; else axes of extent one come and go."""
        (source,) = node.args
        base = source
        while base.op.name == "reshape" and base not in self.stored:
            (base,) = base.args
        elsewhere = (base in self.stored and base not in self.home) or base.op.kind == "source"
        if elsewhere:
            return LOAD(buffer=base, dtype=node.dtype, index=linear(index, node.shape), guards=guards)
        at = squeezed_index(source.shape, node.shape, index)
        if at is not None:
            return read(0, at)
        if base in self.home:
            raise NotFusable
        assert node.op.pull is not None
        return node.op.pull(read, node, index)

    def _fold(self, node: Node, index: Index, guards: Guards, read: Read) -> Node:
        """A row reduction, along the lane; one that does not fit there must be stored by another kernel."""
        axes: tuple[int, ...] = node.params[0]  # type: ignore[assignment]
        source, at = node.args[0], list(index)
        folded = [source.shape[axis] for axis in axes if source.shape[axis] != 1]
        name, extent = self.lane or ("", 0)
        used = axes_in((*index, *(guard[0] for guard in guards)))
        if folded and (folded != [extent] or name in used):
            raise MustStore({node})
        for axis in axes:
            at.insert(axis, 0 if source.shape[axis] == 1 else Dim.symbol(name))
        value = read(0, tuple(at))
        return make(FOLD, (value,), (node.op, name, extent)) if folded else value


def axes_in(index: Index) -> frozenset[str]:
    """The loop axes that an index depends on."""
    return frozenset(s for extent in index for s in extent_symbols(extent) if s[0] == "@")


def linear(index: Index, shape: Shape) -> Extent:
    """The row-major position of an index."""
    position: Extent = 0
    for i, extent in zip(index, shape, strict=True):
        position = position * extent + i
    return position


def squeezed_index(source: Shape, result: Shape, index: Index) -> Index | None:
    """The index into the source of a reshape that only adds or drops axes of extent one, else None."""
    kept = [i for i, extent in zip(index, result, strict=True) if extent != 1]
    if [e for e in source if e != 1] != [e for e in result if e != 1]:
        return None
    rest = iter(kept)
    return tuple(0 if extent == 1 else next(rest) for extent in source)
