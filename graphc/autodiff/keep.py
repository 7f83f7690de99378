"""What a loop keeps of each iteration for its way back: a minimum cut, in bytes.

The backward body reads some values of the forward body. It can compute them again, from the index, the xs, and what
the loop does not change, which it has at no cost; from the states it has not. A set of values to keep must
therefore lie on every path from the states to what is read. What is costly to compute is no more computed again, so
paths start there too. Of all such sets, the smallest is kept, and of several the one that leaves least to compute
again; what does not depend on states is not kept at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from graphc.node import VAR, Node, topological
from graphc.ops.checkpoint import is_kept
from graphc.ops.control import ITEM, items
from graphc.types import Bundle, Stack, typical

COSTLY = ("reduction", "contraction", "linalg", "sorting")


def keep(outputs: Sequence[Node], own: set[Node], replayed: set[Node], constant: set[Node]) -> list[Node]:
    """The values to keep for outputs of a backward body, whose `own` variables are its cotangents.

    `replayed` are inputs of the forward body that the backward body has as well, one for each iteration;
    `constant` those that are the same in all iterations. Its other inputs are states.
    """
    order = topological(outputs)
    linear, varying = _above(order, own), set[Node]()
    for node in order:
        if node not in linear and node not in constant and (node.op is VAR or not varying.isdisjoint(node.args)):
            varying.add(node)
    read = {arg for node in order if node in linear for arg in node.args if arg in varying}
    read |= {node for node in outputs if node in varying}
    starts = {node for node in varying if node not in replayed and (node.op is VAR or _is_costly(node))}
    kept = _cut(order, varying, starts, read)
    return [node for node in order if node in kept]


def _above(order: Iterable[Node], below: set[Node]) -> set[Node]:
    found: set[Node] = set()
    for node in order:
        if node in below or not found.isdisjoint(node.args):
            found.add(node)
    return found


def _is_costly(node: Node) -> bool:
    """Whether it is kept rather than computed again. A loop with stacks that cannot be kept runs again."""
    if node.op is not ITEM:
        return node.op.kind in COSTLY
    return not any(map(_is_stack, items(node.args[0])))


def _is_stack(node: Node) -> bool:
    """Whether it is made for other loops only, and is never kept itself."""
    return isinstance(node.type, Stack) or is_kept(node)


def _cut(order: Sequence[Node], inside: set[Node], starts: set[Node], ends: set[Node]) -> set[Node]:
    """The cheapest nodes on all paths from starts to ends."""
    above = _above(order, starts)
    reached = [node for node in order if node in inside and node in above]
    if not ends.intersection(reached):
        return set()
    import networkx

    flow = networkx.DiGraph()
    number = {node: k for k, node in enumerate(reached)}
    for node, k in number.items():
        if isinstance(node.type, Bundle) or _is_stack(node):
            flow.add_edge((k, "in"), (k, "out"))  # no capacity: it is never cut
        else:
            flow.add_edge((k, "in"), (k, "out"), capacity=node.dtype.itemsize * typical(node.size))
        if node in starts:
            flow.add_edge("start", (k, "in"))
        else:
            flow.add_edges_from(((number[arg], "out"), (k, "in")) for arg in node.args if arg in number)
        if node in ends:
            flow.add_edge((k, "out"), "end")
    _, (before, _) = networkx.minimum_cut(flow, "start", "end")  # of several the last one
    return {node for node, k in number.items() if (k, "in") in before and (k, "out") not in before}
