"""Windows that several products read are copied for each of them.

A convolution and the gradient of its weights read the same windows, many times as large as the image. To keep them
from the one to the other would take as much memory for every layer; to copy them again takes little beside a product.
"""

from __future__ import annotations

from collections import Counter

from graphc.graph import Graph, renewed
from graphc.node import Node
from graphc.ops.contraction import CONTRACT
from graphc.ops.copy import AGAIN
from graphc.ops.movement import RESHAPE, TRANSPOSE, view_base
from graphc.ops.window import SLIDE


def part_windows(graph: Graph) -> Graph:
    """Every product with windows of its own, where it is not the only one that reads them."""
    products = [node for node in graph.nodes if node.op is CONTRACT]
    readers = Counter(x for node in products for x in set(map(view_base, node.args)) if _is_window(x))
    numbers: Counter[Node] = Counter()

    def own(x: Node, old: Node) -> Node:
        if old.op is RESHAPE:
            return RESHAPE(own(x.args[0], old.args[0]), shape=old.shape)
        if readers[old] < 2:
            return x
        numbers[old] += 1
        return AGAIN(x, number=numbers[old])

    def rule(node: Node, args: tuple[Node, ...]) -> Node:
        found = tuple(map(own, args, node.args)) if node.op is CONTRACT else args
        return renewed(node, found)

    return graph.rebuild(rule)


def _is_window(x: Node) -> bool:
    while x.op is TRANSPOSE or x.op is RESHAPE:
        (x,) = x.args
    return x.op is SLIDE
