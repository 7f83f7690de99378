"""Names: what printers and costs call the buffers of a program, the same in every kernel."""

from __future__ import annotations

from collections.abc import Iterable

from graphc.graph import Graph
from graphc.node import CONST, Node


class Names:
    """Hands out names, each once: what is wanted, else that with the first free number."""

    def __init__(self) -> None:
        self._uses: dict[str, int] = {}

    def fresh(self, wanted: str) -> str:
        name = wanted
        while name in self._uses:
            name = f"{wanted}{self._uses[wanted]}"
            self._uses[wanted] += 1
        self._uses[name] = 1
        return name


def variable_name(node: Node) -> str:
    """A variable's name; quoted if it could be taken for something else."""
    return node.name if node.name.isidentifier() else repr(node.name)


def buffer_names(graph: Graph, buffers: Iterable[Node]) -> dict[Node, str]:
    """Variables by their names; results `y`, constants `c`, and `t` for what lies in the workspace, numbered."""
    names, found = Names(), dict[Node, str]()
    for node in graph.inputs:
        found[node] = names.fresh(variable_name(node))
    for number, node in enumerate(graph.outputs):
        found[node] = names.fresh("y" if len(graph.outputs) == 1 else f"y{number}")
    rest = [node for node in dict.fromkeys(buffers) if node not in found]
    for letter, kept in ("c", True), ("t", False):
        for number, node in enumerate(node for node in rest if (node.op is CONST) is kept):
            found[node] = names.fresh(f"{letter}{number}")
    return found
