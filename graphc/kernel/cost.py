"""What a program costs, known before it runs: bytes moved, operations, workspace.

Costs are integers, or formulas in the named dimensions of the shapes. What a kernel reads counts once as long as it
stays in a cache of `CACHE` bytes until it is read again; if it does not, it counts as often as it comes from memory.
A library call counts its operands and its result once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from graphc.graph import Graph
from graphc.kernel.fuse import Contraction, Control, Sorting, Step
from graphc.kernel.kernel import Kernel, Statement, buffer_of
from graphc.kernel.phases import Phases
from graphc.kernel.program import Program, Slab, place
from graphc.kernel.units import bytes_text, count_text
from graphc.node import CONST, Node, Op, topological
from graphc.ops.contraction import operands
from graphc.ops.control import LOOP, Loop, items
from graphc.ops.scalar import LOAD
from graphc.types import Extent, evaluate, product, require_known, typical

CACHE = 1 << 20  # fixed, so that costs are the same on every machine
LARGE = 10_007  # what stands for a named dimension where sizes are compared

Size = Callable[[Extent], Extent]


@dataclass(frozen=True)
class Cost:
    """What a step, or a graph, moves and computes.

    `stacked` are the bytes that loops put one beside the other, a value for each iteration; nested ones count once.
    """

    name: str
    read: Extent = 0
    written: Extent = 0
    flops: Extent = 0
    functions: Mapping[str, Extent] = field(default_factory=dict)  # evaluations of each elementary function
    stacked: Extent = 0

    @property
    def transcendentals(self) -> Extent:
        """Evaluations of elementary functions, which are not among the flops."""
        return total(self.functions.values())

    @property
    def traffic(self) -> Extent:
        """Bytes read and written."""
        return self.read + self.written

    def __str__(self) -> str:
        computed = [f"{count_text(count)} {name}" for name, count in self.functions.items()]
        flops = [f"{count_text(self.flops)} flops"] if self.flops != 0 else []
        stacked = [f"stacks {bytes_text(self.stacked)}"] if self.stacked != 0 else []
        moved = [f"reads {bytes_text(self.read)}", f"writes {bytes_text(self.written)}"]
        return ", ".join([*moved, *flops, *computed, *stacked])


@dataclass(frozen=True)
class ProgramCost(Cost):
    """What all steps of a program move and compute, and the memory they need.

    `floor_bytes` is what any program must move: each input and constant read once, each output written once.
    `workspace` is the most that intermediate buffers take at one time.
    """

    steps: tuple[Cost, ...] = ()
    workspace: Extent = 0
    floor_bytes: Extent = 0

    @property
    def ratio(self) -> float:
        """Traffic over the floor; of formulas, about their limit for large dimensions."""
        return large(self.traffic) / max(1, large(self.floor_bytes))

    def __str__(self) -> str:
        width = max((len(step.name) for step in self.steps), default=0)
        lines = [f"{step.name:{width}}  {step}" for step in self.steps]
        moved = f"{bytes_text(self.traffic)} moved, {self.ratio:.2f} times the floor of {bytes_text(self.floor_bytes)}"
        return "\n".join([*lines, f"total: {Cost.__str__(self)}", f"{moved}; workspace {bytes_text(self.workspace)}"])


# -- graphs -----------------------------------------------------------------------------------------


def graph_cost(graph: Graph, beyond: Iterable[Node] = ()) -> Cost:
    """The operations of a graph as it stands, each node once, without those that `beyond` needs already.

    Bytes are those of the inputs and outputs.
    """
    known = set(topological(beyond))
    nodes = [node for node in graph.nodes if node not in known]
    functions: Counter[str] = Counter()
    for node in nodes:
        if node.op.transcendental:
            functions[node.op.name] += node.size  # type: ignore[assignment]
    sources = dict.fromkeys(arg for node in nodes for arg in node.args if arg.op.kind == "source")
    written = total(_bytes(node) for node in graph.outputs if node not in known)
    return Cost("graph", total(map(_bytes, sources)), written, total(map(_node_flops, nodes)), dict(functions))


def _node_flops(node: Node) -> Extent:
    if node.op.kind == "contraction":
        return 2 * node.size * contracted_terms(node)
    return node.op.flops * (node.args[0].size if node.op.kind == "reduction" else node.size)


def contracted_terms(node: Node) -> Extent:
    """How many products each element of a contraction sums."""
    axes: tuple[int, ...] = node.params[0]  # type: ignore[assignment]
    return product(node.args[0].shape[axis] for axis in axes)


# -- programs ---------------------------------------------------------------------------------------


def program_cost(program: Program, dims: Mapping[str, int] | None = None) -> ProgramCost:
    """The cost of a program: formulas, or numbers if its named dimensions are given."""
    if dims:
        require_known(frozenset(program.symbols), dims)

    def size(extent: Extent) -> Extent:
        return evaluate(extent, dims) if dims else extent

    steps = tuple(_step_cost(program, step, title, size) for step, title in zip(program.steps, program.titles))
    sources = [
        node for node in program.graph.nodes if node.op.kind == "source" and (node.op is not CONST or node.shape)
    ]
    whole = _together("program", steps, 1)
    return ProgramCost(
        name=whole.name,
        read=whole.read,
        written=whole.written,
        flops=whole.flops,
        functions=whole.functions,
        stacked=whole.stacked,
        steps=steps,
        workspace=workspace(program.slabs.values(), size),
        floor_bytes=total(size(_bytes(node)) for node in (*sources, *program.graph.outputs)),
    )


def _step_cost(program: Program, step: Step, title: str, size: Size) -> Cost:
    match step:
        case Kernel():
            return kernel_cost(step, program.phases[step], title, size)
        case Contraction():
            return contraction_cost(step, title, size)
        case Sorting():
            return sorting_cost(step, title, size)
        case Control():
            return control_cost(step, [_inner_cost(inner, size) for inner in program.nested[step]], title, size)


def _inner_cost(program: Program, size: Size) -> Cost:
    costs = [_step_cost(program, step, title, size) for step, title in zip(program.steps, program.titles)]
    return _together("", costs, 1)


def control_cost(step: Control, inner: Sequence[Cost], title: str, size: Size) -> Cost:
    """The cost of a loop, and where nobody knows how long it runs, of one iteration; of a switch, its worst branch."""
    if step.node.op is not LOOP:
        return replace(max(inner, key=lambda cost: large(cost.traffic + cost.flops)), name=title)
    loop = Loop.of(step.node)
    trip, first = loop.params.trip, loop.params.states
    cost = _together(title if trip is not None else f"{title}, an iteration", inner, 1 if trip is None else size(trip))
    ys = items(step.node)[first : first + loop.ys]
    return replace(cost, stacked=cost.stacked + total(size(_bytes(y)) for y in ys))


def _together(name: str, costs: Sequence[Cost], times: Extent) -> Cost:
    functions: Counter[str] = Counter()
    for cost in costs:
        for function, count in cost.functions.items():
            functions[function] += count * times  # type: ignore[assignment]
    read, written = total(cost.read for cost in costs), total(cost.written for cost in costs)
    flops = total(cost.flops for cost in costs)
    stacked = total(cost.stacked for cost in costs)
    return Cost(name, times * read, times * written, times * flops, dict(functions), stacked)


def workspace(slabs: Iterable[Slab], size: Size) -> Extent:
    """Bytes of the workspace; as a formula, what is needed at the fullest step."""
    sized = [Slab(size(slab.size), slab.first, slab.last) for slab in slabs]
    if all(isinstance(slab.size, int) for slab in sized):
        return place(sized)[1]
    steps = range(1 + max(slab.last for slab in sized))
    live = [total(slab.size for slab in sized if slab.first <= k <= slab.last) for k in steps]
    return max(live, key=large)


def contraction_cost(step: Contraction, name: str = "call", size: Size = lambda extent: extent) -> Cost:
    """The cost of a library call: each operand and the result once, a multiplication and an addition for each term."""
    node = step.node
    read = total(size(_bytes(arg)) for arg in dict.fromkeys(operands(node)))
    return Cost(name, read, size(_bytes(node)), size(_node_flops(node)))


def sorting_cost(step: Sorting, name: str = "argsort", size: Size = lambda extent: extent) -> Cost:
    """The cost of an order: operand and result once."""
    return Cost(name, size(_bytes(step.node.args[0])), size(_bytes(step.node)))


def kernel_cost(kernel: Kernel, phases: Phases, name: str = "kernel", size: Size = lambda extent: extent) -> Cost:
    """The cost of one kernel, as it is generated: what phases compute again counts again."""
    return _Counting(kernel, phases, size).cost(name)


class _Counting:
    def __init__(self, kernel: Kernel, phases: Phases, size: Size) -> None:
        self.kernel, self.phases, self.size = kernel, phases.phases, size
        self.kept = phases.kept
        self.varying = [frozenset(phase.varying) for phase in phases.phases]
        self.extents: dict[str, Extent] = {axis.name: size(axis.extent) for axis in kernel.axes}
        self.rows = product(self.extents[axis.name] for axis in kernel.axes[:-1])
        self.points = product(self.extents[axis.name] for axis in kernel.axes)
        self.flops: Extent = 0
        self.functions: Counter[str] = Counter()

    def cost(self, name: str) -> Cost:
        for number, phase in enumerate(self.phases):
            for node in phase.uniform:
                self._count(node, self.rows if number else self._times_before_lane(node))
            for node in phase.varying:
                self._count(node, self.points)
            for fold in phase.folds:
                self.flops = self.flops + _reduction_of(fold).flops * self.points
        for statement in self.kernel.statements:
            if statement.reduction is not None:
                self.flops = self.flops + statement.reduction.flops * self._times_stored(statement)
        loads = [node for node in self.kernel.values if node.op is LOAD]
        read = total(self._read(buffer, loads) for buffer in self.kernel.reads())
        stores = {statement.buffer: statement for statement in self.kernel.statements}
        moved = [*map(self._written, stores.values()), *map(self._row_buffer, self.kept)]
        read, written = read + total(r for r, _ in moved), total(w for _, w in moved)
        return Cost(name, read, written, self.flops, dict(self.functions))

    # -- operations -----------------------------------------------------------------------------

    def _count(self, node: Node, times: Extent) -> None:
        """So many evaluations of a node."""
        if node.op.transcendental:
            self.functions[node.op.name] += times  # type: ignore[assignment]
        else:
            self.flops = self.flops + node.op.flops * times

    def _times_before_lane(self, node: Node) -> Extent:
        """How often a uniform value is computed: once for each index down to the deepest axis it depends on."""
        names = [axis.name for axis in self.kernel.axes[:-1]]
        depth = max((k + 1 for k, name in enumerate(names) if name in self.kernel.free_axes[node]), default=0)
        return product(self.extents[name] for name in names[:depth])

    def _times_stored(self, statement: Statement) -> Extent:
        lane = self.kernel.lane.name if self.kernel.lane else ""
        varies = lane in self.kernel.free_axes[statement.value] | self.kernel.walked(statement)
        return self.points if varies else self.rows

    # -- bytes ----------------------------------------------------------------------------------

    def _read(self, buffer: Node, loads: list[Node]) -> Extent:
        """Bytes that come from memory for all loads of a buffer: what they touch, as often as it has left the cache."""
        mine = [load for load in loads if buffer_of(load) is buffer]
        walked = [self.kernel.free_axes[load] for load in mine]
        touched = total(self._touched(axes, load.dtype.itemsize) for axes, load in zip(walked, mine))
        again = [self._visits(axes, load.dtype.itemsize) * self._passes(load) for axes, load in zip(walked, mine)]
        return smaller(touched, self.size(_bytes(buffer))) * max(again, key=large)

    def _touched(self, walked: frozenset[str], itemsize: int) -> Extent:
        return itemsize * product(self.extents[name] for name in self.extents if name in walked)

    def _visits(self, walked: frozenset[str], itemsize: int) -> Extent:
        """How often the same elements come again from memory, because an outer axis passes by too many in between."""
        order = list(self.extents)
        visits: Extent = 1
        for k, name in enumerate(order):
            inner = itemsize * product(self.extents[other] for other in order[k + 1 :] if other in walked)
            if name not in walked and exceeds_cache(inner):
                visits = visits * self.extents[name]
        return visits

    def _passes(self, load: Node) -> int:
        """Phases that read it, if a row of it is too long to stay in the cache."""
        if self.kernel.lane is None or not exceeds_cache(load.dtype.itemsize * self.extents[self.kernel.lane.name]):
            return 1
        return max(1, sum(load in varying for varying in self.varying))

    def _written(self, statement: Statement) -> tuple[Extent, Extent]:
        """Bytes read and written by a store; what accumulates is filled before and written when it is done."""
        bytes = self.size(_bytes(statement.buffer))
        if statement.reduction is None:
            return 0, bytes
        visits = self._visits(self.kernel.walked(statement), statement.buffer.dtype.itemsize)
        return (0, bytes) if visits == 1 else (visits * bytes, (visits + 1) * bytes)

    def _row_buffer(self, value: Node) -> tuple[Extent, Extent]:
        assert self.kernel.lane is not None
        row = value.dtype.itemsize * self.extents[self.kernel.lane.name]
        return (row * self.rows, row * self.rows) if exceeds_cache(row) else (0, 0)


def _reduction_of(fold: Node) -> Op:
    op = fold.params[0]
    assert isinstance(op, Op)
    return op


def _bytes(node: Node) -> Extent:
    return node.size * node.dtype.itemsize


# -- formulas ------------------------------------------------------------------------


def total(extents: Iterable[Extent]) -> Extent:
    result: Extent = 0
    for extent in extents:
        result = result + extent
    return result


def large(extent: Extent) -> int:
    """A number to compare by: the value for large dimensions."""
    return typical(extent, LARGE)


def smaller(a: Extent, b: Extent) -> Extent:
    return min(a, b, key=large)


def exceeds_cache(bytes: Extent) -> bool:
    """Whether so much, if known, leaves the cache before it is read again."""
    return isinstance(bytes, int) and bytes > CACHE
