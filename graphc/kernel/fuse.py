"""Fusion: which stored nodes share a kernel.

Stored nodes join one kernel when their loops are the same, they have an array in common, and they read each other
only at the index where they are made. A reduction along a row need not be stored if its readers run over the same
rows. What would then be computed in several kernels, and is costly, is stored as well, until nothing changes.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias, cast

from graphc.errors import InternalError
from graphc.graph import Graph
from graphc.kernel.axes import AxisClasses
from graphc.kernel.kernel import Axis, Kernel, Statement
from graphc.kernel.lower import Index, Lowering, MustStore, NotFusable, linear, squeezed_index
from graphc.kernel.storage import is_costly, must_store, weights
from graphc.node import Node, Op, make, topological
from graphc.ops.contraction import operands
from graphc.ops.control import ITEM, items, subgraphs
from graphc.ops.copy import AGAIN
from graphc.ops.gather import REDUCTIONS, SCATTER
from graphc.ops.movement import view_base
from graphc.ops.scalar import FOLD
from graphc.types import Dim, Shape

STATEMENTS, VALUES = 32, 4096  # the most stores in one kernel, and about the most that is computed


@dataclass(frozen=True)
class Contraction:
    """A product of matrices, by a library or by code of its own: operands and result are stored."""

    node: Node


@dataclass(frozen=True)
class Sorting:
    """The order of rows, by code of its own: operand and result are stored."""

    node: Node


@dataclass(frozen=True, eq=False)
class Control:
    """A switch or a loop: operands and results are stored, and its sub-graphs are cut up like any graph."""

    node: Node
    schedules: tuple[Schedule, ...]


Step: TypeAlias = Kernel | Contraction | Sorting | Control
WHOLE = {"contraction": Contraction, "sorting": Sorting}  # kinds of operators that take whole arrays


@dataclass(frozen=True)
class Schedule:
    """Kernels, library calls and control flow in order."""

    steps: tuple[Step, ...]
    stored: frozenset[Node]

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        return tuple(step for step in self.steps if isinstance(step, Kernel))


def fuse(graph: Graph, merge: bool = True) -> Schedule:
    """Cut a graph into kernels, calls and control flow.

    With `merge=False` every operator has a kernel of its own: slow, and a check on all the rest.
    """
    classes, known = AxisClasses(graph.nodes), dict[Hashable, _Lowered | None]()
    stored = must_store(graph, classes, merge)
    while True:
        grouping = _Grouping(graph, classes, stored, merge, known)
        try:
            grouping.run()
        except MustStore as found:
            if found.nodes <= stored:
                raise InternalError(f"fuse: {found.nodes} are stored and yet computed where they are read") from None
            stored |= found.nodes
            continue
        more = grouping.computed_again()
        if not more:
            return _without_dead_stores(Schedule(grouping.steps(), frozenset(stored)), graph)
        stored |= more


def reads(step: Step) -> Iterable[Node]:
    """The buffers a step reads."""
    if isinstance(step, Kernel):
        return step.reads()
    return map(view_base, operands(step.node) if isinstance(step, Contraction) else step.node.args)


def writes(step: Step) -> Iterable[Node]:
    """The buffers a step writes."""
    if isinstance(step, Kernel):
        return step.writes()
    return items(step.node) if isinstance(step, Control) else [step.node]


def _without_dead_stores(schedule: Schedule, graph: Graph) -> Schedule:
    """Drop what only its own kernel reads: there the value itself is at hand."""
    needed = set(graph.outputs)
    steps: list[Step] = []
    for step in reversed(schedule.steps):
        if isinstance(step, Kernel):
            step = Kernel(step.axes, tuple(s for s in step.statements if s.buffer in needed))
        if needed.intersection(writes(step)):
            needed.update(reads(step))
            steps.append(step)
    return Schedule(tuple(reversed(steps)), frozenset(schedule.stored & needed))


class _Space(NamedTuple):
    """The loops of a kernel: axis classes, the lane last; whether anything is folded along the lane; and how many
    of the loops every statement has."""

    axes: tuple[int, ...]
    folds_lane: bool
    fewest: int

    def joined(self, other: _Space) -> _Space | None:
        """The loops that hold both: equal, or what lacks a loop lacks just the lane, and folds nothing."""
        short, long = sorted((self, other), key=lambda space: len(space.axes))
        fewest = min(self.fewest, other.fewest)
        if long.axes[: len(short.axes)] != short.axes or fewest < len(long.axes) - 1:
            return None
        if short.folds_lane and short.axes != long.axes:
            return None
        return _Space(long.axes, self.folds_lane or other.folds_lane, fewest)


@dataclass(frozen=True, eq=False)
class _Lowered:
    """The statements of a root, and the index at which its kernel has it at hand."""

    statements: list[Statement]
    home: Index | None


@dataclass
class _Group:
    """A kernel in the making."""

    space: _Space
    lowering: Lowering
    statements: list[Statement] = field(default_factory=list[Statement])
    roots: dict[Node, _Lowered] = field(default_factory=dict[Node, _Lowered])
    computed: set[Node] = field(default_factory=set[Node])
    arrays: set[Node] = field(default_factory=set[Node])  # what it reads and stores
    near: set[Node] = field(default_factory=set[Node])  # these, and what is read beside them


class _Grouping:
    """One try at cutting a graph into kernels, given what is stored; what earlier tries have lowered is known."""

    def __init__(
        self,
        graph: Graph,
        classes: AxisClasses,
        stored: set[Node],
        merge: bool,
        known: dict[Hashable, _Lowered | None],
    ) -> None:
        self.graph, self.classes, self.stored, self.merge, self.known = graph, classes, stored, merge, known
        self.groups: list[_Group | Contraction | Sorting | Control] = []
        self.made: dict[Node, int] = {}  # the group that stores a node
        self.computed: dict[Node, set[int]] = {}  # the groups that compute a node
        self.cones = {root: self._cone(root) for root in graph.nodes if root in stored}
        self.reads = {root: _frontier(cone) for root, cone in self.cones.items()}
        self.beside = self._beside()

    def run(self) -> None:
        for root in self.cones:
            if root.op is not AGAIN:
                late = map(view_base, operands(root)) if root.op.kind == "contraction" else ()
                for node in (*(x for x in dict.fromkeys(late) if x.op is AGAIN), root):
                    self._make(node)

    def _make(self, root: Node) -> None:
        self.made[root] = self._place(root)
        for node in self.cones[root]:
            self.computed.setdefault(node, set()).add(self.made[root])

    def _beside(self) -> dict[Node, set[Node]]:
        """For each array what some root reads together with it."""
        beside: dict[Node, set[Node]] = {}
        for root in self.reads:
            if root.op.kind not in (*WHOLE, "control", "item"):
                arrays = self._arrays(root)
                for array in arrays:
                    beside.setdefault(array, set()).update(arrays)
        return beside

    def _arrays(self, root: Node) -> set[Node]:
        """What is in memory, of what is read and stored; a number is anywhere."""
        return {node for node in (root, *self.reads[root]) if node.shape}

    def steps(self) -> tuple[Step, ...]:
        return tuple(self._finish(group) if isinstance(group, _Group) else group for group in self.groups)

    def _finish(self, group: _Group) -> Kernel:
        axes = tuple(Axis(f"@{k}", self.classes.extents[c]) for k, c in enumerate(group.space.axes))
        return Kernel(axes, tuple(group.statements))

    def computed_again(self) -> set[Node]:
        """Costly values computed in several kernels; of a chain of them the last."""
        weight = weights(self.graph, self.stored)
        again = {
            node
            for node, groups in self.computed.items()
            if len(groups) > 1 and node not in self.stored and node.shape and is_costly(node, weight)
        }
        return again - {arg for node in again for arg in node.args}

    # -- where a stored node goes -------------------------------------------------------------------

    def _cone(self, root: Node) -> list[Node]:
        """The nodes computed with the root: below it, down to what is stored."""

        def ends(node: Node) -> bool:
            return node is not root and (node in self.stored or node.op.kind == "source")

        return [node for node in topological([root], ends) if not ends(node)]

    def _place(self, root: Node) -> int:
        """Put a root into the group that can hold it and has most in common, or into a new one; the group's number."""
        if root.op is ITEM:
            return self.made[root.args[0]]
        if root.op.kind in WHOLE:
            self.groups.append(WHOLE[root.op.kind](root))
            return len(self.groups) - 1
        if root.op.kind == "control":
            self.groups.append(Control(root, tuple([fuse(inner, self.merge) for inner in subgraphs(root)])))
            return len(self.groups) - 1
        space = self._space(root)
        for k, group in self._candidates(root) if self.merge else ():
            if self._join(group, root, space):
                return k
        group = _Group(space, Lowering(self.stored))
        joined = self._join(group, root, space)
        assert joined, root
        self.groups.append(group)
        return len(self.groups) - 1

    def _candidates(self, root: Node) -> list[tuple[int, _Group]]:
        """The groups that run late enough, and something reads arrays of both; the last first of equal ones."""
        arrays = self._arrays(root)
        earliest = max((self.made[node] for node in self.reads[root] if node in self.made), default=0)
        late = () if root.op is AGAIN else enumerate(self.groups[earliest:], earliest)
        groups = [(k, group) for k, group in late if isinstance(group, _Group)]
        found = [(k, group) for k, group in groups if not (group.space.axes and arrays.isdisjoint(group.near))]
        return sorted(found, key=lambda each: (len(arrays & each[1].arrays), each[0]), reverse=True)

    def _space(self, root: Node) -> _Space:
        """The loops of a root. Row reductions below it must run along one lane, once for each outer index."""
        value = self._value(root)
        inner = value.op.kind in ("reduction", "scatter") or self.classes.parts(value)
        axes = self.classes.loops(value.args[0] if inner else value)
        folds = [n for n in self.cones[root] if n.op.kind == "reduction" and n is not value]
        rows = {n: c for n in folds if self.classes.extents[c := self.classes[n.args[0]][-1]] != 1}
        if not rows:
            return _Space(axes, False, len(axes))
        lane = axes[-1] if axes and axes[-1] in rows.values() else next(iter(rows.values()))
        outer = axes[:-1] if axes and axes[-1] == lane else axes
        misfits = {n for n, c in rows.items() if c != lane or set(self.classes.loops(n)) != set(outer)}
        if misfits:
            raise MustStore(misfits)
        return _Space((*outer, lane), True, len(outer) + 1)

    def _value(self, root: Node) -> Node:
        """What is computed whose elements, in the same order, the root stores: reshapes leave memory as it is."""
        base = view_base(root)
        return root if base in self.stored or base.op.kind == "source" else base

    # -- statements ---------------------------------------------------------------------------------

    def _join(self, group: _Group, root: Node, space: _Space) -> bool:
        """Lower the root into the group, if its loops are the group's and it reads nothing too early."""
        wide = group.space.joined(space)
        if wide is None or len(group.statements) >= STATEMENTS:
            return False
        if group.statements and len(group.computed.union(self.cones[root])) > VALUES:
            return False
        lowered = self._lowered(group, root, wide.axes)
        if lowered is None:
            return False
        group.computed.update(self.cones[root])
        group.arrays |= self._arrays(root)
        group.near.update(*(self.beside[array] for array in self._arrays(root)))
        group.roots[root], group.lowering.home[root] = lowered, lowered.home
        group.statements += lowered.statements
        group.space = wide._replace(folds_lane=wide.folds_lane or lowered.statements[0].value.op is FOLD)
        return True

    def _lowered(self, group: _Group, root: Node, axes: tuple[int, ...]) -> _Lowered | None:
        """The root in this group, given its loops: that depends on what it reads, and what of that is made there."""
        reads = self.reads[root]
        key = (root, axes, reads, tuple([group.roots.get(node) for node in reads]))
        if key not in self.known:
            group.lowering.axes = {f"@{k}": self.classes.extents[c] for k, c in enumerate(axes)}
            try:
                self.known[key] = self._statements(group.lowering, root, axes)
            except NotFusable:
                self.known[key] = None
        return self.known[key]

    def _statements(self, lowering: Lowering, root: Node, axes: tuple[int, ...]) -> _Lowered:
        """The store of a root, or of each of its parts; of a reduction over an outer axis, its accumulation."""
        value = self._value(root)
        if parts := self.classes.parts(value):
            return _Lowered(self._parts(lowering, root, value, parts, axes), None)
        if value.op is SCATTER:
            return _Lowered([self._scatter(lowering, root, value, axes)], None)
        index = self._index(value, axes)
        position, home = linear(index, value.shape), squeezed_index(root.shape, value.shape, index)
        if value.op.kind != "reduction":
            return _Lowered([Statement(root, position, lowering.element(value, index, root=True))], home)
        element, reduction = self._reduction(lowering, value, axes)
        return _Lowered([Statement(root, position, element, reduction)], home if reduction is None else None)

    def _parts(
        self, lowering: Lowering, root: Node, value: Node, parts: tuple[Node, ...], axes: tuple[int, ...]
    ) -> list[Statement]:
        """The stores of the parts of a concat, which can be read when the kernel has ended."""
        axis: int = value.params[0]  # type: ignore[assignment]
        statements, start = list[Statement](), 0
        for part in parts:
            index = self._index(part, axes)
            place = (*index[:axis], index[axis] + start, *index[axis + 1 :])
            statements.append(Statement(root, linear(place, value.shape), lowering.element(part, index)))
            start = start + part.shape[axis]  # type: ignore[operator]
        return statements

    def _scatter(self, lowering: Lowering, root: Node, value: Node, axes: tuple[int, ...]) -> Statement:
        """The accumulation of what is scattered at its places, which can be read when the kernel has ended."""
        (x, *indices), (extents, reduction) = value.args, cast("tuple[Shape, str]", value.params)
        at, rank = self._index(x, axes), indices[0].ndim
        index = (*lowering.places(indices, extents, at[:rank]), *at[rank:])
        position, places = lowering.settled(linear(index, value.shape))
        return Statement(root, position, lowering.element(x, at), REDUCTIONS[reduction], places)

    def _reduction(self, lowering: Lowering, value: Node, axes: tuple[int, ...]) -> tuple[Node, Op | None]:
        """What is folded along the lane, and the reduction if outer axes remain to be accumulated over."""
        (source,) = value.args
        element = lowering.element(source, self._index(source, axes))
        folded = {self.classes[source][axis] for axis in value.params[0]} & set(axes)  # type: ignore[union-attr, attr-defined]
        if axes and axes[-1] in folded:
            element = make(FOLD, (element,), (value.op, f"@{len(axes) - 1}", self.classes.extents[axes[-1]]))
        return element, value.op if folded - {*axes[-1:]} else None

    def _index(self, node: Node, axes: tuple[int, ...]) -> Index:
        return tuple(Dim.symbol(f"@{axes.index(c)}") if c in axes else 0 for c in self.classes[node])


def _frontier(cone: list[Node]) -> tuple[Node, ...]:
    """What a cone reads from outside."""
    inside = set(cone)
    return tuple(dict.fromkeys(arg for node in cone for arg in node.args if arg not in inside))
