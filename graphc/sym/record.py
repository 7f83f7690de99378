"""Public functions, and the record of their calls on variables that have no type yet, to be replayed when they do.

A call with an untyped node among its arguments becomes an untyped CALL node: its arguments are the nodes of
the call, its parameters the function's name and a template of everything else. A function of several results
gives an ITEM node for each. `replay` puts nodes in the place of others and makes the calls again.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, wraps
from types import FunctionType
from typing import Any, NoReturn, ParamSpec, TypeVar, cast, overload

import numpy as np

from graphc.graph import Graph
from graphc.node import METHODS, PUBLIC, Literal, Node, Op, Params, make, make_untyped, topological
from graphc.ops.control import ITEM
from graphc.source import Source
from graphc.tree import Tree, TreeDef, flatten, unflatten
from graphc.types import Bundle, Type

P = ParamSpec("P")
R = TypeVar("R")


def _untyped(types: Sequence[Type], params: Params) -> NoReturn:
    raise AssertionError("a recorded call has no type of its own; replay it")


CALL = Op(name="call", infer=_untyped, params=("function", "template"), kind="record")


@overload
def public(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def public(
    *, method: bool = False, outputs: Callable[..., Tree] | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def public(
    function: Callable[..., Any] | None = None, *, method: bool = False, outputs: Callable[..., Tree] | None = None
) -> Any:
    """Register a public function; on untyped nodes its calls are recorded.

    With `method` it is a method of nodes too. `outputs`, for a function that returns several nodes, is a
    function of the same arguments that returns the structure of the result, built of its indices 0, 1, ….
    """

    def register(function: Callable[P, R]) -> Callable[P, R]:
        name = function.__name__

        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            if not (_has_untyped(args) or _has_untyped(kwargs.values())):
                return function(*args, **kwargs)
            _signature(function).bind(*args, **kwargs)  # a wrong argument is an error on the user's line
            node = make_untyped(CALL, *record(name, args, kwargs))
            return cast(R, _items(node, outputs(*args, **kwargs)) if outputs else node)

        PUBLIC[name] = call
        if method:
            METHODS.add(name)
        return call

    return register(function) if function is not None else register


@cache
def _signature(function: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(function)


def _has_untyped(values: Iterable[Any]) -> bool:
    for value in values:
        match value:
            case Node():
                if value.type is None:
                    return True
            case list() | tuple() | Graph():
                if _has_untyped(cast("Iterable[Any]", value)):
                    return True
            case dict():
                if _has_untyped(cast("dict[Any, Any]", value).values()):
                    return True
            case slice():
                if _has_untyped((value.start, value.stop, value.step)):
                    return True
            case _:
                pass
    return False


def _items(call: Node, structure: Tree) -> Tree:
    indices, definition = flatten(structure)
    return unflatten(definition, [make_untyped(ITEM, (call,), (index,)) for index in indices])


# -- templates --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Static:
    """An argument that is no node, as a parameter: 1, 1.0 and True differ here, and so do 0.0 and -0.0."""

    kind: type
    value: Hashable
    text: str = ""

    def __str__(self) -> str:
        return str(self.value) if isinstance(self.value, Literal) else repr(self.value)


@dataclass(frozen=True, slots=True)
class Template:
    """The arguments of a recorded call: their structure, and for each leaf what it is (None: the next node)."""

    definition: TreeDef
    leaves: tuple[Static | None, ...]

    def fill(self, nodes: Iterable[Node]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Positional and keyword arguments, with these nodes in their places."""
        rest = iter(nodes)
        return unflatten(self.definition, [next(rest) if leaf is None else _value(leaf) for leaf in self.leaves])

    def show(self, nodes: Iterable[str]) -> str:
        """The arguments as text, given that of the nodes: `2, a, axis=0`."""
        rest = iter(nodes)
        shown = [_Verbatim(next(rest) if leaf is None else str(leaf)) for leaf in self.leaves]
        args, kwargs = unflatten(self.definition, shown)
        return ", ".join([*map(repr, args), *(f"{name}={value!r}" for name, value in kwargs.items())])


class _Verbatim(str):
    """Text that stands for itself inside the repr of a structure."""

    __slots__ = ()
    __repr__ = str.__str__


def record(name: str, args: Tree, kwargs: Tree) -> tuple[tuple[Node, ...], Params]:
    """The nodes of a call, and the parameters that say the rest of it."""
    leaves, definition = flatten((args, kwargs))
    nodes = tuple([leaf for leaf in leaves if isinstance(leaf, Node)])
    statics = tuple([None if isinstance(leaf, Node) else static(name, leaf) for leaf in leaves])
    return nodes, (name, Template(definition, statics))


def static(name: str, value: object) -> Static:
    match value:
        case np.ndarray():
            return Static(np.ndarray, Literal(value))
        case float() | complex() | np.generic():
            return Static(type(value), value, repr(value))
        case Hashable():
            return Static(type(value), value)
        case _:
            raise TypeError(f"{name}: an argument of type {type(value).__name__} cannot be recorded")


def _value(static: Static) -> object:
    return static.value.array if isinstance(static.value, Literal) else static.value


# -- replay -----------------------------------------------------------------------------------------


def replay(roots: Iterable[Node], mapping: Mapping[Node, Node]) -> list[Node]:
    """The roots with nodes replaced as the mapping says, and what depends on them made anew.

    Recorded calls are made again: they are typed once all their arguments are. What depends on nothing
    replaced stays the same node, and every call sees the line where the user made it.

    >>> from graphc import sym
    >>> a = sym.var('a')
    >>> typed = sym.var('a', shape=3)
    >>> replay([2 * a], {a: typed})[0] is 2 * typed
    True
    """
    roots = list(roots)
    results: dict[Node, Any] = dict(mapping)  # a node, or all results of a call of several
    for node in topological(roots, stop=mapping.__contains__):
        if node not in results:
            results[node] = _again(node, [results[arg] for arg in node.args])
    return [results[root] for root in roots]


def _again(node: Node, args: list[Any]) -> Any:
    """What the node is with these arguments in place of its own."""
    if node.op is ITEM:
        return _pick(node, args[0])
    if all(map(_same, args, node.args)):
        return node
    if node.op is not CALL:
        return called_from(node.source, make, node.op, tuple(args), node.params)
    name, template = cast("tuple[str, Template]", node.params)
    positional, named = template.fill(args)
    return called_from(node.source, PUBLIC[name], *positional, **named)


def _same(new: object, old: object) -> bool:
    return new is old


def _pick(item: Node, result: Any) -> Node:
    if result is item.args[0]:
        return item
    if isinstance(result, Node) and isinstance(result.type, Bundle):
        return make(ITEM, (result,), item.params)
    (index,) = cast("tuple[int]", item.params)
    return flatten(result)[0][index]


def called_from(source: Source, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The function's result, called from a frame that says it is the user's line.

    So the new nodes carry that line, errors name it, and tracebacks quote it.
    """
    if source is None:
        return function(*args, **kwargs)
    file, line = source
    code = _call.__code__.replace(co_filename=file, co_firstlineno=line)
    return FunctionType(code, {})(function, args, kwargs)


_call = lambda function, args, kwargs: function(*args, **kwargs)  # noqa: E731  (one line, so one line number)
