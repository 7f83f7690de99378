"""The two programs of an executor in one mode, and what the forward one keeps for the backward one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from graphc.autodiff.reverse import pull_back
from graphc.graph import Graph
from graphc.node import VAR, Node, topological, variable
from graphc.ops.movement import fill
from graphc.passes.notes import choose, resolve, updates
from graphc.runtime.function import compile
from graphc.state import State
from graphc.sym.record import replay
from graphc.types import evaluate


def trains(graph: Graph) -> bool:
    """Whether training is something else than inference."""
    return bool(updates(graph.outputs)) or choose(graph, True) != choose(graph, False)


class Programs:
    """Forward, and backward for any choice of the outputs that have a head gradient: in training or in inference.

    Gradients are those of the variables `wrt`. They are of the graph in its mode, its notes still there: some say what
    the derivative is.
    """

    def __init__(self, graph: Graph, wrt: Sequence[Node], sizes: Mapping[str, int], training: bool) -> None:
        self._graph, self._wrt, self._sizes, self._training = choose(graph, training), wrt, sizes, training
        self._heads = [variable(f"@head{k}", y.type) for k, y in enumerate(graph.outputs)]
        self._updates = updates(self._graph.outputs) if training else {}
        self._backward: dict[tuple[bool, ...], Callable[..., Any]] = {}
        self.updated = [v for v in self._updates if v.op is VAR]

    @cached_property
    def forward(self) -> Callable[..., Any]:
        """From all variables: the outputs, what is kept, and the new values of those that are `updated`."""
        return self.watched([])

    def watched(self, nodes: Sequence[Node]) -> Callable[..., Any]:
        """The same program, which gives the values of some nodes beside."""
        outputs, seen = self._plain(self._graph.outputs), self._plain(choose(self._of(nodes), self._training).outputs)
        after = dict(zip(self._updates, self._plain(list(self._updates.values()))))
        results = [outputs, self.kept, [after[v] for v in self.updated], *([seen] if nodes else [])]
        states = {v: new for v, new in after.items() if isinstance(v, State)}
        return compile(list(self._graph.inputs), results, updates=states)

    def backward(self, given: tuple[bool, ...]) -> Callable[..., Any]:
        """From all variables, what was kept, and the head gradients of outputs given: the gradients."""
        if given not in self._backward:
            self._backward[given] = compile(*self.backward_graph(given))
        return self._backward[given]

    @cached_property
    def kept(self) -> list[Node]:
        """The values of the forward graph that the backward graph reads."""
        gradients = self._gradients([True] * len(self._heads))
        return boundary(gradients, self._plain(self._graph.outputs), self._sizes, self._updates)

    @cached_property
    def matters(self) -> tuple[bool, ...]:
        """Whether some gradient depends on the head gradient of each output."""
        outputs = self._graph.outputs
        return tuple([bool(pull_back([y], [head], self._wrt)) for y, head in zip(outputs, self._heads)])

    def backward_graph(self, given: Sequence[bool]) -> tuple[list[Node], list[Node]]:
        """The inputs and results of the backward program."""
        stands_for = {node: variable(f"@kept{k}", node.type) for k, node in enumerate(self.kept)}
        gradients = replay(self._gradients(given), stands_for)
        heads = [head for head, is_given in zip(self._heads, given) if is_given]
        return [*self._graph.inputs, *stands_for.values(), *heads], gradients

    def _gradients(self, given: Sequence[bool]) -> list[Node]:
        heads = [head if is_given else None for head, is_given in zip(self._heads, given)]
        found = pull_back(self._graph.outputs, heads, self._wrt)
        return self._plain([found[v] if v in found else fill(0, v.typed) for v in self._wrt])

    def _plain(self, nodes: Sequence[Node]) -> list[Node]:
        """The nodes without notes, as they run."""
        return list(resolve(self._of(nodes), self._training).outputs)

    def _of(self, nodes: Sequence[Node]) -> Graph:
        return Graph(self._graph.inputs, tuple(nodes))


def boundary(
    gradients: Iterable[Node],
    outputs: Sequence[Node],
    sizes: Mapping[str, int],
    changing: Iterable[Node] = (),
) -> list[Node]:
    """The nodes of the forward graph to keep for the gradients; see the note on what is kept."""
    forward = topological(outputs)
    inner = set(forward)
    read = set(topological(gradients, stop=lambda node: node in inner and not _is_view(node, sizes)))
    kept: list[Node] = []
    at_hand: set[Node] = set()
    changed = set(changing)
    for node in forward:
        lasts = node not in changed and at_hand.issuperset(node.args)
        if lasts and (node.op.kind == "movement" or _is_free(node, read)):
            at_hand.add(node)
        elif node in read and not _is_view(node, sizes):
            kept.append(node)
            at_hand.add(node)
    return kept


def _is_view(node: Node, sizes: Mapping[str, int]) -> bool:
    """Whether a node is moved from arguments that are no larger together."""
    return node.op.kind == "movement" and sum(_size(arg, sizes) for arg in node.args) <= _size(node, sizes)


def _is_free(node: Node, read: set[Node]) -> bool:
    """Whether a node is, once its arguments are at hand, sooner computed than loaded."""
    return not node.args or (node in read and node.op.kind == "elementwise" and not node.op.transcendental)


def _size(node: Node, sizes: Mapping[str, int]) -> int:
    return 0 if not node.args else evaluate(node.size, sizes)


# -- What is kept -----------------------------------------------------------------------------------
# The gradient graph reads the forward graph at some nodes. Kept are those, except what is at hand anyway: sources;
# movements of no more elements than they give (a broadcast, a transpose), whose arguments are kept in their stead
# and read through the index; and arithmetic on what is at hand, which costs less than the memory it would go through.
# What a training step updates, a state or an auxiliary variable, is another by then, and kept as it was.
