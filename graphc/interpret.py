"""The interpreter: a graph evaluated node by node with NumPy, the oracle of every test and the step-through mode."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from graphc.errors import BindError, InternalError, IterationError
from graphc.graph import Graph
from graphc.node import VAR, Node, topological, variable
from graphc.ops.control import ITEM, LOOP, SWITCH, Loop, LoopParams, subgraphs
from graphc.source import show_source
from graphc.state import State
from graphc.sym.record import replay
from graphc.tree import flatten, unflatten
from graphc.types import Dim, Type, evaluate, match_extents, require_known

Array: TypeAlias = NDArray[Any]
Trace: TypeAlias = Callable[[Node, Array], None]


def interpret(
    outputs: Any,
    bindings: Mapping[Any, Any],
    dims: Mapping[str, int] | None = None,
    trace: Trace | None = None,
) -> Any:
    """The values of a structure of nodes, given one array for each variable, by node or by name.

    Named dimensions are read off the arrays, or given as `dims`. `trace(node, value)` is called after every
    step, arguments first. An intermediate value is let go after its last use.
    """
    roots, structure = flatten(outputs)
    arrays = _by_variable(roots, bindings)
    roots = _typed(roots, arrays)
    sizes = _bind(arrays, dict(dims or {}))
    return unflatten(structure, _Run(sizes, trace).values(roots, arrays))


@dataclass(frozen=True)
class _Run:
    """One evaluation: the named dimensions, and who watches."""

    sizes: Mapping[str, int]
    trace: Trace | None

    def values(self, roots: Sequence[Node], arrays: Mapping[Node, Array]) -> list[Array]:
        """The values of the roots, given those of the variables."""
        order = topological(roots)
        last = _last_uses(order, roots)
        values: dict[Node, Any] = {}  # an array, or a list of them for a node of several results
        for step, node in enumerate(order):
            values[node] = arrays[node] if node in arrays else self._value(node, [values[arg] for arg in node.args])
            if self.trace is not None:
                self.trace(node, values[node])
            for arg in dict.fromkeys(node.args):
                if last[arg] == step:
                    del values[arg]
        return [values[root] for root in roots]

    def _value(self, node: Node, args: list[Any]) -> Any:
        match node.op:
            case _ if isinstance(node, State):
                return node.get()
            case op if op is ITEM:
                return args[0][node.params[0]]
            case op if op is SWITCH:
                branches = subgraphs(node)
                return self._graph(branches[min(max(int(args[0]), 0), len(branches) - 1)], args[1:])
            case op if op is LOOP:
                return self._loop(node, args)
            case _:
                return _apply(node, args, self.sizes)

    def _graph(self, graph: Graph, args: Sequence[Array]) -> list[Array]:
        return self.values(graph.outputs, dict(zip(graph.inputs, args, strict=True)))

    def _loop(self, node: Node, args: list[Array]) -> list[Array]:
        loop = Loop.of(node)
        p, values = loop.params, iter(args)
        count = None if loop.count is None else int(next(values))
        states, xs, captured = ([next(values) for _ in part] for part in (loop.init, loop.xs, loop.captured))
        trip = count if p.trip is None else evaluate(p.trip, self.sizes)
        rows: list[list[Array]] = []
        while self._goes_on(p, trip, len(rows), states, captured):
            i = len(rows) if not p.reverse or trip is None else trip - 1 - len(rows)
            parts = [_joined_part(x, i, trip or 1) if p.joined else x[i] for x in xs]
            after = self._graph(p.body, [np.asarray(np.int64(i)), *states, *parts, *captured])
            states = after[: p.states]
            rows.append(after[p.states :])
        elements = [y.typed for y in p.body.outputs[p.states :]]
        ordered = rows[::-1] if p.reverse else rows
        ys = [_stacked([row[k] for row in ordered], type, self.sizes) for k, type in enumerate(elements)]
        ys = [y.reshape(y.shape[0] * y.shape[1], *y.shape[2:]) for y in ys] if p.joined else ys
        return [*states, *ys, *([np.asarray(np.int64(len(rows)))] if p.cond is not None else [])]

    def _goes_on(self, p: LoopParams, trip: int | None, done: int, states: list[Array], captured: list[Array]) -> bool:
        if p.cond is None:
            return done < (trip or 0)
        holds = bool(self._graph(p.cond, [*states, *captured])[0])
        if holds and p.limit is not None and done >= p.limit:
            raise IterationError(f"a loop goes on after {p.limit} iterations, its max_iterations")
        return holds


def _joined_part(x: Array, i: int, trip: int) -> Array:
    """The elements of an array for one of so many iterations."""
    rows = len(x) // trip
    return x[i * rows : (i + 1) * rows]


def _stacked(rows: Sequence[Array], element: Type, sizes: Mapping[str, int]) -> Array:
    empty = np.empty((0, *(evaluate(extent, sizes) for extent in element.shape)), element.dtype)
    return np.stack(rows) if rows else empty


def _by_variable(roots: Iterable[Node], bindings: Mapping[Any, Any]) -> dict[Node, Array]:
    """One array for each variable that the roots read, and for those that are given, which may fix dimensions."""
    arrays: dict[Node, Array] = {}
    for node in topological([*roots, *(key for key in bindings if isinstance(key, Node) and key.op is VAR)]):
        if node.op is VAR:
            key = next((key for key in (node, node.name) if key in bindings), None)
            if key is None:
                raise BindError(f"the variable {node.name} ({show_source(node.source)}) has no value")
            arrays[node] = _as_array(node, bindings[key])
    return arrays


def _as_array(node: Node, value: Any) -> Array:
    """A value as an array of its variable's dtype; numbers and lists adapt, arrays are never narrowed."""
    array = np.asarray(value)
    if node.type is None or array.dtype == node.type.dtype:
        return array
    casting = "safe" if hasattr(value, "dtype") else "same_kind"
    if not np.can_cast(array.dtype, node.type.dtype, casting):
        raise BindError(f"{node.name} is {node.type} ({show_source(node.source)}), not {array.dtype}; convert it first")
    return array.astype(node.type.dtype)


def _typed(roots: Sequence[Node], arrays: dict[Node, Array]) -> list[Node]:
    """The roots, recorded calls replayed with variables of the arrays' types."""
    untyped = [node for node in arrays if node.type is None]
    if not untyped:
        return list(roots)
    mapping = {node: variable(node.name, Type(arrays[node].dtype, arrays[node].shape)) for node in untyped}
    for node, typed in mapping.items():
        arrays[typed] = arrays.pop(node)
    return replay(roots, mapping)


def _bind(arrays: Mapping[Node, Array], sizes: dict[str, int]) -> dict[str, int]:
    """The named dimensions, read off the arrays, whose shapes are checked."""
    for node, array in arrays.items():
        if wrong := match_extents(node.shape, array.shape, sizes):
            raise BindError(f"{node.name} is {node.type} ({show_source(node.source)}), but the array {wrong}")
    return sizes


def _last_uses(order: Sequence[Node], roots: Sequence[Node]) -> dict[Node, int]:
    """The step that reads a node last; for roots, one that never comes."""
    last = {arg: step for step, node in enumerate(order) for arg in node.args}
    return last | dict.fromkeys(roots, len(order))


def _apply(node: Node, args: Sequence[Array], sizes: Mapping[str, int]) -> Array:
    """The operator's oracle on the arguments' values; its result must be of the node's type."""
    if node.op.numpy is None:
        raise InternalError(f"interpret: {node.op.name} has no NumPy oracle")
    require_known(node.typed.symbols(), sizes)
    with np.errstate(all="ignore"):
        result = np.asarray(node.op.numpy(*args, *_concrete(node.params, sizes)))
    expected = tuple(evaluate(extent, sizes) for extent in node.shape)
    if (result.dtype, result.shape) != (node.dtype, expected):
        raise InternalError(
            f"interpret: the oracle of {node.op.name} gives {result.dtype}{list(result.shape)}, "
            f"but its type rule says {node.dtype}{list(expected)}"
        )
    return result


def _concrete(param: Any, sizes: Mapping[str, int]) -> Any:
    """A parameter with every dimension in it as a number."""
    match param:
        case Dim():
            require_known(param.symbols(), sizes)
            return param.evaluate(sizes)
        case tuple():
            return tuple(_concrete(item, sizes) for item in param)  # type: ignore[reportUnknownVariableType]
        case _:
            return param
