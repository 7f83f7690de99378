"""Graphs: named inputs and outputs over nodes; what passes take and return."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from operator import is_
from typing import Any, TypeVar, overload

from graphc.errors import BindError
from graphc.node import METHODS, PUBLIC, VAR, Node, make, topological
from graphc.source import show_source

F = TypeVar("F", bound=Callable[..., Any])
_methods: set[str] = set()  # public functions that are methods of graphs


def method(function: F) -> F:
    """Register a method of nodes and of graphs that answers at once: unlike `public`, it is never recorded."""
    PUBLIC[function.__name__] = function
    METHODS.add(function.__name__)
    _methods.add(function.__name__)
    return function


@dataclass(frozen=True, eq=False)
class Graph:
    """Outputs, and the variables they are functions of, in call order: those given, or all.

    It is the symbol of several outputs: `len(graph)` counts them, iterating gives them, `graph[0]` and
    `graph['fc_output']` are outputs by place and by name, `graph(data=x)` is the graph with x as its data; the
    questions that nodes answer, graphs answer for all outputs: `graph.infer_shape(data=(8, 3))`. In a structure of
    outputs a graph stands for a tuple of them. Graphs of the same nodes are equal.
    """

    _given: tuple[Node, ...] | None
    outputs: tuple[Node, ...]

    @staticmethod
    def of(outputs: Node | Sequence[Node]) -> Graph:
        """The graph of outputs, with the variables in the order they are met."""
        roots = (outputs,) if isinstance(outputs, Node) else tuple(outputs)
        graph = Graph(None, roots)
        graph.check_names()
        return graph

    @cached_property
    def inputs(self) -> tuple[Node, ...]:
        """The variables in call order."""
        if self._given is not None:
            return self._given
        self.check_names()
        return tuple([n for n in self.nodes if n.op is VAR])

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """Every node the outputs need, arguments first."""
        return tuple(topological(self.outputs))

    @cached_property
    def _identity(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return tuple(map(id, self.inputs)), tuple(map(id, self.outputs))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Graph) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    def __len__(self) -> int:
        return len(self.outputs)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.outputs)

    def as_tree(self) -> tuple[Node, ...]:
        """What it is in a structure of outputs; see `tree.flatten`."""
        return self.outputs

    def __repr__(self) -> str:
        return f"<Graph of {', '.join(PUBLIC['list_outputs'](self))}>"

    def __str__(self) -> str:
        return PUBLIC["to_text"](self)

    def __getattr__(self, name: str) -> Any:
        if name not in _methods:
            raise AttributeError(f"a graph has no attribute {name!r}")
        return partial(PUBLIC[name], self)

    def __dir__(self) -> Iterable[str]:
        return [*object.__dir__(self), *_methods]

    @overload
    def __getitem__(self, key: int | str) -> Node: ...
    @overload
    def __getitem__(self, key: slice) -> Graph: ...
    def __getitem__(self, key: int | slice | str) -> Node | Graph:
        return PUBLIC["select_output"](self, key)

    def __call__(self, *args: Node, **named: Any) -> Graph:
        return PUBLIC["compose"](self, *args, **named)

    def check_names(self) -> None:
        """Two different variables of one name are an error that shows both lines."""
        known: dict[str, Node] = {}
        for node in (*(self._given or ()), *(n for n in self.nodes if n.op is VAR)):
            other = known.setdefault(node.name, node)
            if other is not node:
                raise BindError(
                    f"two variables are named {node.name!r} ({show_source(other.source)} and "
                    f"{show_source(node.source)}); rename one, or use the same variable twice"
                )

    def uses(self) -> dict[Node, list[Node]]:
        """For every node the nodes that read it, once for each argument place."""
        users: dict[Node, list[Node]] = {node: [] for node in self.nodes}
        for node in self.nodes:
            for arg in node.args:
                users[arg].append(node)
        return users

    def rebuild(self, rule: Callable[[Node, tuple[Node, ...]], Node]) -> Graph:
        """A new graph with every node replaced by `rule(node, new arguments)`, arguments first."""
        return Graph(self.inputs, tuple(rewrite(self.outputs, rule)))

    def networkx(self) -> Any:
        """A `networkx.DiGraph` whose nodes are the graph's and whose edges run from argument to user."""
        import networkx

        view = networkx.DiGraph()
        view.add_nodes_from(self.nodes)
        view.add_edges_from((arg, node) for node in self.nodes for arg in node.args)
        return view


def renewed(node: Node, args: tuple[Node, ...]) -> Node:
    """The node over these arguments: itself where they are its own."""
    return node if all(map(is_, args, node.args)) else make(node.op, args, node.params)


def rewrite(roots: Iterable[Node], rule: Callable[[Node, tuple[Node, ...]], Node]) -> list[Node]:
    """The roots, every node below them replaced by `rule(node, new arguments)`, arguments first."""
    roots = list(roots)
    new: dict[Node, Node] = {}
    for node in topological(roots):
        new[node] = rule(node, tuple([new[arg] for arg in node.args]))
    return [new[root] for root in roots]
