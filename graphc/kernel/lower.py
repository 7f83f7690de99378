"""Lowering pulls: from a node and an index to the scalar node that is its element there.

An index may be computed: a gather reads its argument at what another argument is. While pulling, a polynomial names
such a place, `$0`, `$1`, … in the order in which they come; in the end the scalar nodes for the places become
arguments of the loads, indices and guards whose polynomials name them.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from functools import cache, partial

from graphc.kernel.kernel import free_axes, indices_of, with_indices
from graphc.node import CONST, Node, constant, make, topological
from graphc.ops.arithmetic import MAXIMUM, MINIMUM
from graphc.ops.scalar import FOLD, INDEX, LOAD, Guards, index_value
from graphc.types import INT64, Dim, DType, Extent, Shape, extent_symbols, substitute

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
        self.axes: dict[str, Extent] = {}  # the loops, the lane last
        self._memo: dict[Demand, Node] = {}
        self._places: dict[Node, str] = {}  # computed indices, and what polynomials call them
        self._named: dict[str, Node] = {}
        self._reach: dict[str, frozenset[str]] = {}  # the loop axes that they depend on
        self._final: dict[Node, Node] = {}

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
        return self._finish(self._memo[first])

    def _pull(self, demand: Demand, missing: list[Demand], compute: bool) -> Node:
        node, index, guards = demand

        def read(i: int, at: Index, more: Guards = ()) -> Node:
            kept: Guards = ()
            if guards or more:  # a guard on axes that the element does not depend on guards nothing
                moved = self._axes_in(at)
                kept = tuple([g for g in dict.fromkeys((*guards, *more)) if self._axes_in(g[:1]) & moved])
            wanted = (node.args[i], at, kept)
            found = self._memo.get(wanted)
            if found is None:
                missing.append(wanted)
                return _any(wanted[0].dtype)
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
            case "gather":
                return self._gather(node, index, read, missing)
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
        name, extent = list(self.axes.items())[-1] if self.axes else ("", 0)
        used = self._axes_in((*index, *(guard[0] for guard in guards)))
        if folded and (folded != [extent] or name in used):
            raise MustStore({node})
        for axis in axes:
            at.insert(axis, 0 if source.shape[axis] == 1 else Dim.symbol(name))
        value = read(0, tuple(at))
        return make(FOLD, (value,), (node.op, name, extent)) if folded else value

    # -- places that are computed -------------------------------------------------------------------

    def _gather(self, node: Node, index: Index, read: Read, missing: list[Demand]) -> Node:
        x, first, *rest = node.args
        at = index[: first.ndim]
        computed = [read(k, at) for k in range(1, 2 + len(rest))]
        if missing:
            return computed[0]
        return read(0, (*map(self._place, computed, x.shape), *index[first.ndim :]))

    def places(self, indices: Iterable[Node], extents: Shape, at: Index) -> Index:
        """Where index arrays point to along axes of these extents, at an index of their own."""
        return tuple([self._place(self.element(index, at), n) for index, n in zip(indices, extents, strict=True)])

    def _place(self, computed: Node, extent: Extent) -> Extent:
        """A computed index as a polynomial: what counts along loop axes, or the name of what it is."""
        if computed.op is INDEX and self._lies_within(computed.params[0], extent):  # type: ignore[arg-type]
            return computed.params[0]  # type: ignore[return-value]
        last = constant(extent - 1) if isinstance(extent, int) else index_value(extent - 1)
        within = self._finish(make(MAXIMUM, (make(MINIMUM, (computed, last)), constant(0, INT64))))
        name = self._places.setdefault(within, f"${len(self._places)}")
        if name not in self._named:
            self._named[name], self._reach[name] = within, free_axes(topological([within]))[within]
        return Dim.symbol(name)

    def _lies_within(self, index: Extent, extent: Extent) -> bool:
        """Whether an index never leaves an axis, as far as that is plain."""
        low: Extent = 0
        high: Extent = 0
        for monomial, c in index.terms if isinstance(index, Dim) else [((), index)]:
            far = self.axes.get(monomial[0]) if len(monomial) == 1 else None  # type: ignore[arg-type]
            if far is None:
                term = Dim({monomial: c}) if monomial else c
                low, high = low + term, high + term
            elif c > 0:
                high = high + c * (far - 1)
            else:
                low = low + c * (far - 1)
        room = extent - 1 - high
        return isinstance(low, int) and low >= 0 and isinstance(room, int) and room >= 0

    def _axes_in(self, index: Index) -> frozenset[str]:
        """The loop axes that an index depends on."""
        symbols = {s for extent in index for s in extent_symbols(extent)}
        return frozenset(s for s in symbols if s[0] == "@").union(*(self._reach[s] for s in symbols if s[0] == "$"))

    def settled(self, index: Extent) -> tuple[Extent, tuple[Node, ...]]:
        """An index of a store, and the places in it."""
        names, places = self._listed((index,))
        return substitute(index, names), places

    def _finish(self, value: Node) -> Node:
        """The scalar with the places in its polynomials as arguments."""
        if not self._places:
            return value
        for node in topological([value], stop=self._final.__contains__):
            if node not in self._final:
                names, places = self._listed(indices_of(node))
                args = tuple([self._final[arg] for arg in node.args])
                change = partial(substitute, values=names)
                self._final[node] = with_indices(node, (*args, *places), change)
                self._final[self._final[node]] = self._final[node]
        return self._final[value]

    def _listed(self, indices: Iterable[Extent]) -> tuple[dict[str, Extent], tuple[Node, ...]]:
        """The places that polynomials name: their numbers among the arguments, and these."""
        found = sorted({s for index in indices for s in extent_symbols(index) if s in self._named}, key=_number)
        return {s: Dim.symbol(f"${k}") for k, s in enumerate(found)}, tuple([self._named[s] for s in found])


@cache
def _any(dtype: DType) -> Node:
    """What stands for an element that is not known yet."""
    return constant(0, dtype)


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


def _number(place: str) -> int:
    return int(place[1:])
