"""The shapes and dtypes of a symbol that given ones imply: `infer_shape`, `infer_type`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

from graphc.errors import BindError, DTypeError, GraphcError, ShapeError
from graphc.graph import Graph, method
from graphc.node import VAR, Node, topological, variable
from graphc.ops.control import ITEM
from graphc.ops.declare import offence
from graphc.settings import default_float
from graphc.source import show_source, user_source
from graphc.sym.infer import Inference, infer, settled_dtypes
from graphc.sym.record import replay
from graphc.sym.symbol import Symbol, as_graph, function_of, layer_call, variables
from graphc.types import DType, Shape, Type, as_dtype, as_shape

__all__ = ["infer_shape", "infer_shape_partial", "infer_type"]

T = TypeVar("T")
Three: TypeAlias = tuple[list[T], list[T], list[T]]  # of arguments, outputs, auxiliary states

MOST_AXES = 5  # of what stands for a value whose shape is not known


@method
def infer_shape(symbol: Symbol, *args: Any, **shapes: Any) -> Three[Shape]:
    """The shapes of arguments, outputs and auxiliary states, given those of some variables.

    They are given by name, or in the order of `list_arguments`, None for one that is not known. A declared shape need
    not be given; a named dimension stays a name until some shape says what it is. Layers say the shapes of their
    parameters; a variable of which nothing else is known takes the shape of what it meets in an elementwise function.
    Raises `BindError` if some shape stays unknown, `ShapeError` if two contradict each other.

    >>> from graphc import sym
    >>> net = sym.FullyConnected(sym.var('data'), num_hidden=10)
    >>> net.infer_shape(data=(8, 3))
    ([(8, 3), (10, 3), (10,)], [(8, 10)], [])
    >>> net.infer_shape((8, 3)) == net.infer_shape(data=(8, 3))
    True
    >>> (2 * sym.var('a') + sym.var('b')).infer_shape(a=(3,))
    ([(3,), (3,)], [(3,)], [])
    """
    graph, found = _inferred(symbol, args, shapes)
    found.require(graph.inputs)
    return _three(found.shape, graph)


@method
def infer_shape_partial(symbol: Symbol, *args: Any, **shapes: Any) -> Three[Shape | None]:
    """The same as far as it is known: None stands for a shape that nothing says.

    >>> from graphc import sym
    >>> sym.FullyConnected(sym.var('data'), num_hidden=10).infer_shape_partial()
    ([None, None, (10,)], [None], [])
    """
    graph, found = _inferred(symbol, args, shapes)
    return _three(found.shape, graph)


@method
def infer_type(symbol: Symbol, *args: Any, **dtypes: Any) -> Three[DType]:
    """The dtypes of arguments, outputs and auxiliary states, given those of some variables by name or in their order.

    A dtype neither declared nor given is the float that the others have in common, or else the default float. Where
    the dtype of a result depends on a shape that nothing says, this must be declared.

    >>> from graphc import sym
    >>> (2 * sym.var('a') + sym.var('b')).infer_type(a='float32', b='int64')
    ([dtype('float32'), dtype('int64')], [dtype('float64')], [])
    """
    graph = as_graph(symbol)
    given = _told("infer_type", graph, args, dtypes, as_dtype)
    known = settled_dtypes(graph, given)
    typed = infer(graph, {}, given).typed
    stands_for = dict(typed)
    for node in graph.nodes:
        if node not in typed:
            found = variable(node.name, Type(known[node])) if node.op is VAR else _of_dtype(node, stands_for, typed)
            stands_for[node] = found
    return _three(lambda node: stands_for[node].dtype, graph)


def by_variable(what: str, graph: Graph, named: Mapping[str, Any], read: Callable[[Any], T]) -> dict[Node, T]:
    """What is given by name, read and by variable; an error for a name that no variable has, and for what is wrong."""
    known = [v.name for v in graph.inputs]
    if unknown := sorted(named.keys() - set(known)):
        there = f"there are {', '.join(known) or 'none'}"
        raise BindError(offence(what, f"no argument is named {', '.join(unknown)}", there))
    return {v: _read(f"{what}: {v.name}", named[v.name], read) for v in graph.inputs if v.name in named}


def _read(what: str, value: Any, read: Callable[[Any], T]) -> T:
    try:
        return read(value)
    except (DTypeError, ShapeError) as error:
        raise type(error)(f"{what} ({show_source(user_source())}): {error}") from error


def _told(
    what: str, graph: Graph, args: Sequence[Any], named: Mapping[str, Any], read: Callable[[Any], T]
) -> dict[Node, T]:
    """What is given in the order of the arguments, or by name, by variable; None says nothing."""
    placed = _placed(what, graph, args) if args else {}
    if twice := placed.keys() & named.keys():
        raise BindError(offence(what, f"{min(twice)} is given by place and by name", "give it once"))
    told = {name: value for name, value in {**placed, **named}.items() if value is not None}
    return by_variable(what, graph, told, read)


def _placed(what: str, graph: Graph, args: Sequence[Any]) -> dict[str, Any]:
    names = [v.name for v in variables(graph)[0]]
    if len(args) > len(names):
        raise BindError(offence(what, f"{len(args)} are given", f"the arguments are {', '.join(names) or 'none'}"))
    return dict(zip(names, args))


def _inferred(symbol: Symbol, args: Sequence[Any], shapes: Mapping[str, Any]) -> tuple[Graph, Inference]:
    graph = as_graph(symbol)
    return graph, infer(graph, _told("infer_shape", graph, args, shapes, as_shape), {})


def _three(tell: Callable[[Node], Any], graph: Graph) -> Three[Any]:
    """What is told of arguments, outputs and auxiliary states."""
    arguments, states = variables(graph)
    return [tell(v) for v in arguments], [tell(y) for y in graph.outputs], [tell(v) for v in states]


def _of_dtype(node: Node, stands_for: Mapping[Node, Any], typed: Mapping[Node, Any]) -> Any:
    """A node of the dtype that a call gives, or all its results, with operands of some number of axes."""
    reason: Exception | None = None
    for rank in range(MOST_AXES + 1):
        args = {x: stands_for[x] if x in typed or not rank else _of_rank(stands_for[x], rank) for x in node.args}
        try:
            return replay([node], args)[0]
        except (GraphcError, IndexError) as error:
            reason = error
        if (call := layer_call(node)) is not None and node.op is not ITEM:
            return _as_operands(node, len(call.outputs), stands_for)
    unknown = [v for v in topological([node]) if v.op is VAR and v.type is None]
    lines = ", ".join(f"{v.name} ({show_source(v.source)})" for v in unknown)
    what = f"the dtype of {function_of(node)} ({show_source(node.source)}) depends on shapes"
    raise BindError(f"infer_type: {what}; declare those of {lines}") from reason


def _as_operands(node: Node, count: int, stands_for: Mapping[Node, Any]) -> Any:
    """Results of the float that a layer's operands are."""
    floats = [stands_for[x].dtype for x in node.args if stands_for[x].dtype.kind == "f"]
    result = variable(node.name, Type([*floats, default_float()][0]))
    return result if count == 1 else [result] * count


def _of_rank(x: Any, rank: int) -> Any:
    """A variable of the dtype of a node, or of each of several, with so many axes of one element."""
    if isinstance(x, Node):
        return variable(x.name, Type(x.dtype, (1,) * rank))
    return [_of_rank(each, rank) for each in x]
