"""What users ask of graphs as a whole: `simplify` and `freeze`, on nodes and structures of nodes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from graphc.graph import Graph
from graphc.node import Node, constant
from graphc.passes.simplify import simplify as simplify_graph
from graphc.state import states_of
from graphc.sym.inspect import method
from graphc.sym.record import replay
from graphc.tree import flatten, unflatten

__all__ = ["freeze", "simplify"]


@method
def simplify(outputs: Any, *, fast_math: bool = False) -> Any:
    """The same values by fewer operations: a node, a graph, or a structure of nodes.

    With `fast_math` the algebra may ignore rounding, infinities and NaNs.

    >>> from graphc import grad, sym
    >>> from graphc.show.formula import formula
    >>> x = sym.var('x', shape=())
    >>> formula(simplify(grad(4 * x**3 + x**2 + 3, x)))
    '2*x + 12*x**2'
    """
    if isinstance(outputs, Graph):
        return simplify_graph(outputs, fast_math)
    nodes, structure = flatten(outputs)
    return unflatten(structure, simplify_graph(Graph.of(nodes), fast_math).outputs)


@method
def freeze(outputs: Any) -> Any:
    """The same values with the states as they are now: each is a constant instead, copied. A node, a graph, or a
    structure of nodes.

    So what was trained is saved, exported, and called in other processes.

    >>> import graphc
    >>> from graphc import sym
    >>> x, w = sym.var('x', shape=(2,)), graphc.state([1.0, 2.0])
    >>> f = graphc.compile(x, graphc.freeze(x @ w))
    >>> w.set([0.0, 0.0])
    >>> f([10.0, 1.0])
    array(12.)
    """
    if isinstance(outputs, Graph):
        return Graph(outputs.inputs, tuple(_frozen(outputs.outputs)))
    nodes, structure = flatten(outputs)
    return unflatten(structure, _frozen(nodes))


def _frozen(nodes: Iterable[Node]) -> list[Node]:
    nodes = list(nodes)
    return replay(nodes, {state: constant(state.view()) for state in states_of(nodes)})
