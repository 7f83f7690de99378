"""What a graph costs before it is compiled: `cost`."""

from __future__ import annotations

from typing import Any

from graphc.graph import Graph
from graphc.kernel.cost import Cost, graph_cost
from graphc.show.text import roots_of
from graphc.sym.inspect import method


@method
def cost(outputs: Any, *, beyond: Any = ()) -> Cost:
    """The operations of a node, a graph or a structure of nodes, each node once and as it stands.

    With `beyond`, those that other nodes need already do not count: of gradients beyond the value, what the way back
    costs. Counts are formulas in the named dimensions. For what runs, after simplification and fusion, ask the
    compiled function: `f.cost()`.

    >>> from graphc import grad, sym
    >>> x = sym.var('x', shape=('n',))
    >>> y = sym.sum(sym.exp(x) * x)
    >>> cost(y).flops, cost(y).transcendentals, cost(grad(y, x), beyond=y).flops
    (2*n, n, 4*n)
    """
    return graph_cost(Graph.of(roots_of(outputs)), roots_of(beyond))
