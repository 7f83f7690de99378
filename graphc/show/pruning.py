"""Pruning: what a smaller graph leaves out of a larger one, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphc.node import Node, topological
from graphc.show.text import inline_numbers, node_names, right_side, roots_of


def why(kept: Any, whole: Any) -> str:
    """What of `whole` is not needed for `kept` (both graphs, nodes or structures), and what needed it.

    >>> from graphc import grad, sym
    >>> x, w = sym.var('x', shape=(3,)), sym.var('w', shape=(3,))
    >>> y = sym.sum(sym.exp(x) * w)
    >>> dx, dw = grad(y, [x, w])
    >>> print(why([y, dw], [y, dx, dw]))
    2 of 10 nodes are gone:
      %3 = multiply(1, w)
        only output 1 needs it
      %4 = multiply(%3, %0)
        only output 1 needs it
    """
    roots = roots_of(whole)
    order = topological(roots)
    gone, needed = pruned(kept, whole), needed_by(roots)
    names = node_names(order, inline_numbers(order, roots))
    lines = [f"{len(gone)} of {len(order)} nodes are gone{':' if gone else ''}"]
    for node in gone:
        shown = names[node] if node.op.kind == "source" else f"{names[node]} = {right_side(node, names)}"
        lines += [f"  {shown}", f"    {reason(needed[node])}"]
    return "\n".join(lines)


def pruned(kept: Any, whole: Any) -> list[Node]:
    """The nodes of the larger graph that the smaller one does without, arguments first."""
    stays = set(topological([*roots_of(kept)]))
    return [node for node in topological(roots_of(whole)) if node not in stays]


def needed_by(roots: tuple[Node, ...]) -> Mapping[Node, int]:
    """The numbers of the roots that need each node, as bits of an integer."""
    order = topological(roots)
    needed = dict.fromkeys(order, 0)
    for number, root in enumerate(roots):
        needed[root] |= 1 << number
    for node in reversed(order):
        for arg in node.args:
            needed[arg] |= needed[node]
    return needed


def reason(bits: int) -> str:
    numbers = [str(k) for k in range(bits.bit_length()) if bits >> k & 1]
    return f"only output {numbers[0]} needs it" if len(numbers) == 1 else f"only outputs {', '.join(numbers)} need it"
