"""The types that given ones imply: a worklist over recorded calls, each of which says what it can of its operands."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from heapq import heappop, heappush
from typing import Any, cast

from graphc.errors import BindError, ShapeError
from graphc.graph import Graph
from graphc.node import VAR, Node, make, variable
from graphc.settings import default_float
from graphc.source import show_source
from graphc.sym import elementwise
from graphc.sym.mx.flags import told_dtype
from graphc.sym.mx.layer import LAYERS
from graphc.sym.promote import common_shape
from graphc.sym.record import CALL, called_from, replay
from graphc.sym.symbol import is_source, layer_call
from graphc.types import Dim, DType, Shape, Type, evaluate, match_extents

ELEMENTWISE = frozenset(elementwise.__all__)


def infer(graph: Graph, shapes: Mapping[Node, Shape], dtypes: Mapping[Node, DType], suppose: bool = True) -> Inference:
    """All that the declared types of a graph's variables, and given shapes and dtypes of some, imply.

    Without `suppose`, only what is certain. Raises `ShapeError` for shapes that contradict each other.
    """
    found = Inference(graph, shapes, settled_dtypes(graph, dtypes))
    while found.settle() or (suppose and found.guess()):
        pass
    return found


def settled_dtypes(graph: Graph, dtypes: Mapping[Node, DType]) -> dict[Node, DType]:
    """The dtype of every variable: declared, given, or else the float that all that has a type is, if it is one."""
    known = {v: dtypes.get(v, told_dtype(v)) if v.type is None else v.dtype for v in graph.inputs}
    for v, dtype in dtypes.items():
        if v.type is not None and v.dtype != dtype:
            way_out = f"declare it so, or leave {v.name}= out"
            raise BindError(f"infer_type: {v.name} is {v.type} ({show_source(v.source)}), not {dtype}; {way_out}")
    met = [x.dtype for node in graph.nodes if node.type is None for x in node.args if x.type is not None]
    floats = {dtype for dtype in (*known.values(), *met) if dtype is not None and dtype.kind == "f"}
    common = floats.pop() if len(floats) == 1 else default_float()
    return {v: common if dtype is None else dtype for v, dtype in known.items()}


class Inference:
    """What is known of a graph's nodes; see the note on the order of inference.

    `typed` says what stands for a node once it has a type: a node, or for a call of several results all of them.
    """

    def __init__(self, graph: Graph, shapes: Mapping[Node, Shape], dtypes: Mapping[Node, DType]) -> None:
        self.typed: dict[Node, Any] = {}
        self._dtypes = dtypes
        whole = Graph(graph.inputs, (*graph.inputs, *graph.outputs))
        self._order = whole.nodes
        self._place = {node: place for place, node in enumerate(self._order)}
        self._users = whole.uses()
        self._told: dict[Node, tuple[Shape, str]] = {}  # shapes that were given or that rules gave, and why
        self._guessed: dict[Node, Shape] = {}  # of results only
        self._queue = deque([node for node in self._order if node.args])
        self._guessing: list[int] = []
        self._sizes = _sizes(shapes)
        self._begin([node for node in self._order if node.type is not None])
        for v, shape in shapes.items():
            if v.type is None:
                self._learn(v, shape, "as given")

    def _begin(self, typed: Sequence[Node]) -> None:
        """What has a type stands for itself; beside what has none, with numbers for the dimensions that are known."""
        mixed = self._sizes and len(typed) < len(self._order)
        settle = mixed and not any(node.op.kind == "control" for node in typed)
        for node in typed:
            self.typed[node] = self._settled(node) if settle else node

    def _settled(self, node: Node) -> Node:
        """A typed node with numbers for the named dimensions that are known."""
        if node.op is VAR:
            shape = _numbers(node.shape, self._sizes)
            return node if shape == node.shape else _like(node, node.dtype, shape)
        if is_source(node):
            return node
        args = tuple([self.typed[x] for x in node.args])
        return called_from(node.source, make, node.op, args, _numbers(node.params, self._sizes))

    def shape(self, node: Node) -> Shape | None:
        """The shape of a node, if it is known, with numbers for the named dimensions that are."""
        shape = self._shape(node)
        return None if shape is None else _numbers(shape, self._sizes)

    def _shape(self, node: Node) -> Shape | None:
        if node in self._told:
            return self._told[node][0]
        found = self.typed.get(node)
        return found.shape if isinstance(found, Node) else None

    def require(self, variables: Iterable[Node]) -> None:
        """Raise `BindError` unless the shapes of all these are known."""
        if missing := [v for v in variables if self._shape(v) is None]:
            lines = ", ".join(f"{v.name} ({show_source(v.source)})" for v in missing)
            raise BindError(f"infer_shape: nothing says the shape of {lines}; give {missing[0].name}=(…)")

    def settle(self) -> bool:
        """Follow rules as long as they say something new; whether there were any to follow."""
        waiting = bool(self._queue)
        while self._queue:
            node = self._queue.popleft()
            if node not in self.typed:
                self._visit(node)
        return waiting

    def guess(self) -> bool:
        """Give the operands of one elementwise call the shape of what they meet; whether there was such a call."""
        while self._guessing:
            node = self._order[heappop(self._guessing)]
            unknown = [x for x in node.args if self._shape(x) is None]
            told = [self._shape(x) for x in (*node.args, node)]
            met = [shape for shape in (*told, self._guessed.get(node)) if shape is not None]
            if met and unknown and all(x.op is VAR or _is_elementwise(x) for x in unknown):
                shape = common_shape("infer_shape", [Type(default_float(), each) for each in met])
                for x in unknown:
                    self._suppose(x, shape)
                return True
        return False

    def _visit(self, node: Node) -> None:
        """Learn what a call says of its operands, and make it again once all of them are typed."""
        for x, shape in self._rule(node):
            self._learn(x, shape, f"as {_shown(node)} takes it")
        if all(x in self.typed for x in node.args):
            found: Any = replay([node], {x: self.typed[x] for x in node.args})[0]
            self._put(node, found)
            if node in self._told:
                self._agree(node, found.shape, f"as {_shown(node)} gives it")
        elif _is_elementwise(node):
            heappush(self._guessing, self._place[node])

    def _rule(self, node: Node) -> Iterable[tuple[Node, Shape]]:
        """The shapes of operands that a layer asks for, as far as those of others say."""
        call = layer_call(node) if node.op is CALL else None
        if call is None:
            return []
        layer = LAYERS[call.function]
        known = {name: shape for name, x in call.operands.items() if (shape := self._shape(x)) is not None}
        asked: Mapping[str, Shape] = called_from(node.source, layer.inferred, known, call.full_attributes)
        return [(call.operands[name], shape) for name, shape in asked.items() if name in call.operands]

    def _learn(self, node: Node, shape: Shape, why: str) -> None:
        if self._shape(node) is not None:
            return self._agree(node, shape, why)
        self._told[node] = shape, why
        if node.op is VAR:
            self._put(node, _like(node, self._dtypes[node], shape))
        elif node.args:
            self._queue.append(node)

    def _suppose(self, node: Node, shape: Shape) -> None:
        if node.op is VAR:
            return self._learn(node, shape, "as what it meets")
        self._guessed[node] = shape
        heappush(self._guessing, self._place[node])

    def _put(self, node: Node, found: Any) -> None:
        self.typed[node] = found
        self._queue.extend(self._users[node])

    def _agree(self, node: Node, shape: Shape, why: str) -> None:
        """Raise `ShapeError` if a shape contradicts the one known."""
        known, reason = self._told.get(node, (self._shape(node), "as declared"))
        if known is not None and _contradict(known, shape):
            raise ShapeError(
                f"infer_shape: {node.name} ({show_source(node.source)}) is {known}, {reason}, "
                f"but {shape}, {why}; mend one of them"
            )


def _sizes(shapes: Mapping[Node, Shape]) -> dict[str, int]:
    """The named dimensions of declared variables that given shapes say."""
    sizes: dict[str, int] = {}
    for v, shape in shapes.items():
        if v.type is not None and (wrong := match_extents(v.shape, cast("Any", shape), sizes)):
            what = f"{v.name} is {v.type} ({show_source(v.source)}), but what was given {wrong}"
            raise ShapeError(f"infer_shape: {what}; give a shape that fits")
    return sizes


def _like(v: Node, dtype: DType, shape: Shape) -> Node:
    """A variable of another type, which messages show at the line of the one it stands for."""
    return called_from(v.source, variable, v.name, Type(dtype, shape))


def _numbers(param: Any, sizes: Mapping[str, int]) -> Any:
    """A shape or a parameter with numbers for the extents of whose names all are known."""
    match param:
        case Dim():
            return evaluate(param, sizes) if param.symbols() <= sizes.keys() else param
        case tuple():
            return tuple([_numbers(part, sizes) for part in cast("tuple[Any, ...]", param)])
        case _:
            return param


def _contradict(shape: Shape, other: Shape) -> bool:
    """Whether two shapes cannot be the same: names may stand for any number."""
    if len(shape) != len(other):
        return True
    return any(m != n and not isinstance(m, Dim) and not isinstance(n, Dim) for m, n in zip(shape, other))


def _is_elementwise(node: Node) -> bool:
    return node.op is CALL and node.params[0] in ELEMENTWISE


def _shown(node: Node) -> str:
    call = layer_call(node)
    name = node.params[0] if call is None else f"{call.function} {call.name}".rstrip()
    return f"{name} ({show_source(node.source)})"


# -- The order of inference --------------------------------------------------------------------------
# Rules are certain: a call whose operands are typed is made again, and a layer says the shapes of its parameters from
# those of its data. Only when no rule says more, one elementwise call, the first in the graph, supposes that what is
# not known has the shape of what it meets; then rules go on from there. A call is visited again only when something
# new is known of its operands or of itself.
#
# Named dimensions stay names as long as everything has a type. Beside something that has none, and may be given
# numbers, the typed part is made again with the numbers that are known, or `n` and 8 would not meet.
