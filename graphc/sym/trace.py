"""Tracing: a user's function of nodes becomes a graph over variables of its own, and what it takes from outside.

A function is called once, with fresh variables. What its result reads that does not depend on them is *captured*: it
becomes an operand, computed once outside. Constants stay inside. The trace may be untyped, like anything else: it is
closed, made a graph of typed inputs, as often as types become known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import is_
from typing import Any, cast
from weakref import WeakValueDictionary

from graphc.graph import Graph
from graphc.node import CONST, Node, births, topological, variable
from graphc.ops.control import ITEM, LOOP, Loop
from graphc.ops.declare import uniform
from graphc.sym.record import replay, static
from graphc.tree import Tree, TreeDef, flatten, unflatten
from graphc.types import Bundle, Stack, Type


@dataclass(frozen=True, eq=False)
class Traced:
    """A function that was called: its variables, the leaves of its result and their structure, and what it captured.

    Two are equal if they do the same with what they capture, whatever that is.
    """

    name: str
    bound: tuple[Node, ...]
    outputs: tuple[Any, ...]  # nodes, or numbers
    form: TreeDef
    captured: tuple[Node, ...]

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(x.name for x in self.bound)})"

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Traced) and self._identity == other._identity)

    def __hash__(self) -> int:
        return hash(self._identity)

    @cached_property
    def _identity(self) -> tuple[object, ...]:
        own = self.closed
        leaves = tuple([id(y) if isinstance(y, Node) else static(self.name, y) for y in own.outputs])
        return self.name, self.form, tuple(map(id, own.bound)), tuple(map(id, own.captured)), leaves

    @cached_property
    def closed(self) -> Traced:
        """The same over local variables, also in the place of what it captured."""
        names = Names()
        own = [local(names.fresh(_called(x)), x.type) for x in (*self.bound, *self.captured)]
        bound, captured = own[: len(self.bound)], own[len(self.bound) :]
        return Traced(self.name, tuple(bound), tuple(self.applied(bound, captured)), self.form, tuple(captured))

    def retyped(self, types: Sequence[Type], captured: Sequence[Node]) -> Traced:
        """The function of variables of these types, with these nodes in the place of those it captured."""
        if [x.type for x in self.bound] == list(types) and all(map(is_, self.captured, captured)):
            return self
        bound = tuple([variable(x.name, type) for x, type in zip(self.bound, types, strict=True)])
        return Traced(self.name, bound, tuple(self.applied(bound, captured)), self.form, tuple(captured))

    def applied(self, args: Sequence[Node], captured: Sequence[Node]) -> list[Any]:
        """The leaves of its result on these arguments, with these nodes in the place of those it captured."""
        mapping = dict(zip((*self.bound, *self.captured), (*args, *captured), strict=True))
        nodes = iter(replay([y for y in self.outputs if isinstance(y, Node)], mapping))
        return [next(nodes) if isinstance(y, Node) else y for y in self.outputs]


def trace(function: Callable[..., Any], arguments: Sequence[Tree], hoist: bool = True) -> Traced:
    """Call a function with structures of fresh variables.

    With `hoist` all that it computes without them is captured, else only what was there before.
    """
    bound = [x for argument in arguments for x in flatten(argument)[0]]
    start = next(births)
    leaves, form = flatten(function(*arguments))
    nodes = [y for y in leaves if isinstance(y, Node)]
    name = getattr(function, "__name__", "function").strip("<>")
    return Traced(name, tuple(bound), tuple(leaves), form, tuple(_captured(nodes, bound, start, hoist)))


def fresh(stems: Iterable[str], forms: Iterable[TreeDef], types: Iterable[Type | None]) -> list[Tree]:
    """Structures of fresh variables, named after what they are for; one type for each leaf."""
    rest, names = iter(types), Names()
    return [
        unflatten(form, [variable(names.fresh(leaf), next(rest)) for leaf in leaf_names(form, stem)])
        for stem, form in zip(stems, forms)
    ]


def parameter_names(function: Callable[..., Any], count: int) -> Sequence[str]:
    """The names of a function's last parameters."""
    code = getattr(function, "__code__", None)
    names: Sequence[str] = code.co_varnames[: code.co_argcount] if code is not None else ()
    return names[-count:] if 0 < count <= len(names) else [f"x{k}" for k in range(count)]


class Names:
    """Hands out names, each once."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def fresh(self, wanted: str) -> str:
        name, number = wanted, 0
        while name in self._taken:
            name, number = f"{wanted}_{number}", number + 1
        self._taken.add(name)
        return name


def leaf_names(form: TreeDef, stem: str) -> list[str]:
    """What the leaves of a structure are called: by the keys of a dict, or numbered.

    >>> leaf_names(flatten({'w': 0, 'moments': (0, 0)})[1], 'state')
    ['w', 'moments0', 'moments1']
    """
    if form.kind is None:
        return [stem]
    stems = form.keys or [f"{stem}{k}" for k in range(len(form.children))]
    return [name for child, own in zip(form.children, stems) for name in leaf_names(child, own)]


def _captured(outputs: Sequence[Node], bound: Sequence[Node], start: int, hoist: bool) -> list[Node]:
    """What outputs read from outside, the largest expressions that do not depend on the bound variables."""
    own = set(bound)
    order = topological(outputs, lambda node: node.born < start and node not in own)
    inner = set[Node]()
    for node in order:
        depends = not inner.isdisjoint(node.args)
        made_here = node.born >= start and node.args and node.op is not ITEM
        if node in own or depends or (made_here and not hoist):
            inner.add(node)
    reads = [arg for node in order if node in inner for arg in node.args if arg not in inner]
    wanted = dict.fromkeys([*(y for y in outputs if y not in inner), *reads])
    return list(dict.fromkeys(found for node in wanted for found in _liftable(node, start)))


def _liftable(node: Node, start: int) -> list[Node]:
    """The node; what it reads, if it is no array; nothing, if it is made of constants alone."""
    if node.op is CONST or uniform(node) is not None:
        return []
    if isinstance(node.type, Bundle | Stack):
        return [found for arg in node.args for found in _liftable(arg, start)]
    if node.born >= start and all(n.op is CONST for n in topological([node]) if n.op.kind == "source"):
        return []
    return [node]


_locals: WeakValueDictionary[tuple[str, Type | None], Node] = WeakValueDictionary()


def local(name: str, type: Type | None) -> Node:
    """The variable of this name and type inside sub-graphs: always the same, so that equal sub-graphs are one."""
    node = _locals.get((name, type))
    if node is None:
        node = _locals[name, type] = variable(name, type)
    return node


def close(inputs: Sequence[Node], outputs: Sequence[Node]) -> Graph:
    """The graph of outputs over local variables in the place of the inputs: equal functions give equal graphs."""
    names = Names()
    own = [local(names.fresh(_called(x)), x.typed) for x in inputs]
    return Graph(tuple(own), tuple(replay(outputs, dict(zip(inputs, own)))))


def _called(x: Node) -> str:
    """What a value is called inside: the result of a loop is called like the state that it was there."""
    while x.op is ITEM:
        (control,), (k,) = x.args, cast("tuple[int]", x.params)
        states = Loop.of(control) if control.op is LOOP else None
        if states is None or k >= states.params.states:
            break
        x = states.params.body.inputs[1 + k]
    return x.name
