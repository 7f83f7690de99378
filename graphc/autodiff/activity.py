"""Activity: which nodes depend on what is asked, through operators that have a derivative."""

from __future__ import annotations

from collections.abc import Iterable

from graphc.node import Node
from graphc.types import Bundle


def depending(order: Iterable[Node], asked: set[Node]) -> set[Node]:
    """The nodes that depend on an asked one through operators that have a derivative; arguments come first."""
    active: set[Node] = set()
    for node in order:
        if node in asked or (_passes(node) and not active.isdisjoint(node.args)):
            active.add(node)
    return active


def _passes(node: Node) -> bool:
    """Whether derivatives may go through an operator; of several results, through those that are floats."""
    if node.op.kind in ("control", "item"):
        return isinstance(node.type, Bundle) or node.dtype.kind == "f"
    return node.op.vjp is not None
