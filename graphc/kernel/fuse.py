"""Fusion: which nodes are stored, and which stored nodes share a kernel.

Everything that is not stored is computed where it is read. Outputs, what a library call reads or writes, and
reductions over an outer axis must be stored; a reduction along a row need not be, if its readers run over the
same rows. Stored nodes join one kernel when their loops are the same and they read each other only at the
index where they are made. What would be computed in several kernels, and is not cheap, is stored as well,
until nothing changes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from graphc.graph import Graph
from graphc.kernel.axes import AxisClasses
from graphc.kernel.kernel import Axis, Kernel, Statement
from graphc.kernel.lower import Index, Lowering, NotFusable, linear, squeezed_index, view_base
from graphc.node import Node, make, topological
from graphc.ops.scalar import FOLD
from graphc.types import Dim, Extent

RECOMPUTE_LIMIT = 12  # flops above which a value is stored rather than computed in two kernels
BUFFER_LIMIT = 32  # streams in one kernel


@dataclass(frozen=True)
class Contraction:
    """A contraction left to a library: operands and result are stored."""

    node: Node


@dataclass(frozen=True)
class Schedule:
    """Kernels and library calls in order."""

    steps: tuple[Kernel | Contraction, ...]
    stored: frozenset[Node]

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        return tuple(step for step in self.steps if isinstance(step, Kernel))


def fuse(graph: Graph, merge: bool = True) -> Schedule:
    """Cut a graph into kernels and library calls.

    With `merge=False` every node has a kernel of its own: slow, and a check on all the rest.
    """
    return _Fusion(graph, merge).run()


@dataclass
class _Group:
    """A kernel in the making: its axis classes (the lane last), and statements lowered so far."""

    axes: tuple[int, ...]
    folds_lane: bool
    lowering: Lowering
    statements: list[Statement] = field(default_factory=list)
    roots: set[Node] = field(default_factory=set)


class _Fusion:
    def __init__(self, graph: Graph, merge: bool) -> None:
        self.graph = graph
        self.merge = merge
        self.classes = AxisClasses(graph.nodes)
        self.order = {node: k for k, node in enumerate(graph.nodes)}
        self.weight = recompute_weights(graph)

    def run(self) -> Schedule:
        stored = self._must_store()
        while True:
            schedule, more = self._group(stored)
            if schedule is not None and not more:
                return schedule
            stored |= more

    # -- what is stored -------------------------------------------------------------------------

    def _must_store(self) -> set[Node]:
        stored = set(self.graph.outputs)
        rows: dict[Node, frozenset[int]] = {}  # the axis classes folded below a node, as rows
        for node in self.graph.nodes:
            below = frozenset[int]().union(*(rows[arg] for arg in node.args if arg not in stored))
            match node.op.kind, node.op.name:
                case "contraction", _:
                    stored |= {node, *map(view_base, node.args)}
                case "reduction", _:
                    lane = self.classes[node.args[0]][-1]
                    if not self._is_row_reduction(node) or below - {lane}:
                        stored.add(node)
                    below |= {lane}
                case "movement", "reshape" if _moves_data(node) and node not in stored:
                    stored.add(view_base(node))
                case _ if not self.merge and node.op.kind != "movement":
                    stored.add(node)
                case _:
                    pass
            rows[node] = below
            stored |= {view_base(arg) for arg in node.args if self._is_worth_storing(arg, node)}
        return {node for node in stored if node.op.kind != "source"}

    def _is_row_reduction(self, node: Node) -> bool:
        return node.params[0] == (node.args[0].ndim - 1,)

    def _is_worth_storing(self, value: Node, user: Node) -> bool:
        """A costly value that its user would compute for many indices: broadcast, or read shifted."""
        if not value.shape or self.weight[value] < RECOMPUTE_LIMIT or user.op.kind != "movement":
            return False
        if user.op.name == "expand":  # a trailing axis reads it once a row, a leading one again in every row
            axes: tuple[int, ...] = user.params[0]  # type: ignore[assignment]
            return min(axes) < value.ndim
        return user.op.name in ("pad", "concat", "slice", "flip") and len(self.graph_uses(value)) > 1

    def graph_uses(self, node: Node) -> list[Node]:
        if not hasattr(self, "_uses"):
            self._uses = self.graph.uses()
        return self._uses[node]

    # -- which stored nodes share a kernel ----------------------------------------------------------

    def _group(self, stored: set[Node]) -> tuple[Schedule | None, set[Node]]:
        """One try: the schedule, and what should be stored as well."""
        groups: list[_Group | Contraction] = []
        made: dict[Node, int] = {}  # the step that stores a node
        computed: dict[Node, set[int]] = {}
        for root in sorted(stored, key=self.order.__getitem__):
            cone = self._cone(root, stored)
            if root.op.kind == "contraction":
                made[root] = len(groups)
                groups.append(Contraction(root))
                continue
            axes, folds_lane, misfits = self._space(root, cone, stored)
            if misfits:
                return None, misfits
            made[root] = self._place(root, axes, folds_lane, cone, stored, groups, made)
            for node in cone:
                computed.setdefault(node, set()).add(made[root])
        steps = tuple(self._finish(g) if isinstance(g, _Group) else g for g in groups)
        return Schedule(steps, frozenset(stored)), self._shared(computed, stored)

    def _cone(self, root: Node, stored: set[Node]) -> list[Node]:
        """The nodes computed with the root: below it, down to what is stored."""

        def ends(node: Node) -> bool:
            return node is not root and (node in stored or node.op.kind == "source")

        return [node for node in topological([root], ends) if not ends(node)]

    def _space(self, root: Node, cone: list[Node], stored: set[Node]) -> tuple[tuple[int, ...], bool, set[Node]]:
        """The loops of a root, the lane last; whether rows are folded; row reductions that do not fit."""
        base = _stored_value(root, stored)
        axes = self.classes[base.args[0]] if base.op.kind == "reduction" else self.classes[base]
        rows = {n: self.classes[n.args[0]][-1] for n in cone if n.op.kind == "reduction" and n is not base}
        if not rows:
            return axes, False, set()
        wanted = axes[-1] if axes and axes[-1] in rows.values() else next(iter(rows.values()))
        misfits = {n for n, c in rows.items() if c != wanted}
        if wanted in axes and axes[-1] != wanted:
            return axes, False, set(rows)
        if wanted not in axes:
            crowded = {n for n in rows if not set(self.classes[n]) <= set(axes)}
            if crowded or any(self._varies_beyond(n, axes, wanted) for n in rows):
                return axes, False, set(rows)
            axes = (*axes, wanted)
        return axes, True, misfits

    def _varies_beyond(self, reduction: Node, axes: tuple[int, ...], lane: int) -> bool:
        return not set(self.classes[reduction.args[0]]) <= {*axes, lane}

    def _place(
        self,
        root: Node,
        axes: tuple[int, ...],
        folds_lane: bool,
        cone: list[Node],
        stored: set[Node],
        groups: list[_Group | Contraction],
        made: dict[Node, int],
    ) -> int:
        """Put a root into the latest group that can hold it, or into a new one; the group's number."""
        needed = [made[node] for node in _frontier(cone) if node in made]
        earliest = max(needed, default=0)
        for k in range(len(groups) - 1, earliest - 1, -1):
            group = groups[k]
            if self.merge and isinstance(group, _Group) and self._join(group, root, axes, folds_lane, stored):
                return k
        group = _Group(axes, folds_lane, Lowering(stored))
        joined = self._join(group, root, axes, folds_lane, stored)
        assert joined, root
        groups.append(group)
        return len(groups) - 1

    def _join(self, group: _Group, root: Node, axes: tuple[int, ...], folds_lane: bool, stored: set[Node]) -> bool:
        """Lower the root into the group, if its loops are the group's and it reads nothing too early."""
        wide = _common_axes(group.axes, group.folds_lane, axes, folds_lane)
        if wide is None or len(group.roots) >= BUFFER_LIMIT:
            return False
        lowering = group.lowering
        before = lowering.lane
        if wide and (folds_lane or group.folds_lane):
            lowering.lane = (f"@{len(wide) - 1}", self.classes.extents[wide[-1]])
        base = _stored_value(root, stored)
        index = tuple(Dim.symbol(f"@{wide.index(c)}") for c in self.classes[base])
        if base.op.kind == "reduction" and wide:
            lowering.lane = (f"@{len(wide) - 1}", self.classes.extents[wide[-1]])
        try:
            statement = self._lower(lowering, root, base, index, wide)
        except NotFusable:
            lowering.lane = before
            return False
        group.statements.append(statement)
        group.roots.add(root)
        group.axes, group.folds_lane = wide, group.folds_lane or folds_lane or statement.value.op.name == "fold"
        return True

    def _lower(self, lowering: Lowering, root: Node, base: Node, index: Index, wide: tuple[int, ...]) -> Statement:
        position = linear(index, base.shape)
        if base.op.kind != "reduction":
            home = index if base is root else _reshaped_home(base, root, index)
            value = lowering.element(base, index, root=True)
            lowering.home[root] = home
            return Statement(root, position, value)
        inner = tuple(Dim.symbol(f"@{wide.index(c)}") for c in self.classes[base.args[0]])
        folded = [wide.index(self.classes[base.args[0]][axis]) for axis in base.params[0]]  # type: ignore[union-attr, attr-defined]
        return self._lower_reduction(lowering, root, base, inner, folded, position, wide, index)

    def _lower_reduction(
        self,
        lowering: Lowering,
        root: Node,
        base: Node,
        inner: Index,
        folded: list[int],
        position: Extent,
        wide: tuple[int, ...],
        index: Index,
    ) -> Statement:
        """Fold along the lane where the lane is reduced; accumulate in memory over the outer axes."""
        lane = len(wide) - 1
        value = lowering.element(base.args[0], inner)
        if lane in folded:
            value = make(FOLD, (value,), (base.op, f"@{lane}", self.classes.extents[wide[lane]]))
        if folded == [lane]:
            lowering.home[root] = index if base is root else _reshaped_home(base, root, index)
            return Statement(root, position, value)
        lowering.home[root] = None
        return Statement(root, position, value, base.op)

    def _finish(self, group: _Group) -> Kernel:
        axes = tuple(Axis(f"@{k}", self.classes.extents[c]) for k, c in enumerate(group.axes))
        return Kernel(axes, tuple(group.statements))

    def _shared(self, computed: dict[Node, set[int]], stored: set[Node]) -> set[Node]:
        """Costly values computed in several kernels, the last of each chain."""
        again = {
            node
            for node, kernels in computed.items()
            if len(kernels) > 1 and node not in stored and node.shape and self._is_costly(node)
        }
        inner = {arg for node in again for arg in node.args}
        return again - inner

    def _is_costly(self, node: Node) -> bool:
        return node.op.kind == "reduction" or (node.op.kind == "elementwise" and self.weight[node] >= RECOMPUTE_LIMIT)


def _frontier(cone: list[Node]) -> Iterable[Node]:
    """What a cone reads from outside."""
    inside = set(cone)
    return dict.fromkeys(arg for node in cone for arg in node.args if arg not in inside)


def _stored_value(root: Node, stored: set[Node]) -> Node:
    """The value to compute whose elements, in the same order, the root stores: reshapes leave memory as it is."""
    base = view_base(root)
    return root if base in stored or base.op.kind == "source" else base


def _reshaped_home(base: Node, root: Node, index: Index) -> Index | None:
    return squeezed_index(root.shape, base.shape, index)


def _moves_data(node: Node) -> bool:
    return squeezed_index(node.args[0].shape, node.shape, (0,) * node.ndim) is None


def _common_axes(a: tuple[int, ...], a_folds: bool, b: tuple[int, ...], b_folds: bool) -> tuple[int, ...] | None:
    """The loops that hold both: equal, or one lacks just the lane and folds nothing."""
    if a == b:
        return a
    (short, folds), long = ((a, a_folds), b) if len(a) < len(b) else ((b, b_folds), a)
    fits = len(long) == len(short) + 1 and long[: len(short)] == short and not folds
    return long if fits else None


def recompute_weights(graph: Graph) -> dict[Node, int]:
    """For each node about the flops to compute one element of it, from what is in memory, capped."""
    weight: dict[Node, int] = {}
    for node in graph.nodes:
        own = 20 if node.op.transcendental else node.op.flops
        if node.op.kind in ("contraction", "source"):
            weight[node] = 0
        elif node.op.kind == "reduction":
            weight[node] = 1000
        else:
            weight[node] = min(1000, own + sum(weight[arg] for arg in node.args))
    return weight
