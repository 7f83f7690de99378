"""What users ask of the passes: `simplify`, on nodes and structures of nodes."""

from __future__ import annotations

from typing import Any

from graphc.graph import Graph
from graphc.passes.simplify import simplify as simplify_graph
from graphc.sym.inspect import method
from graphc.tree import flatten, unflatten

__all__ = ["simplify"]


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
