"""Questions about a graph before it runs: its arguments and outputs, the shapes and dtypes that given ones imply."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, TypeVar

from graphc.errors import BindError, ShapeError
from graphc.graph import Graph, method
from graphc.node import VAR, Node, topological, variable
from graphc.ops.control import ITEM
from graphc.ops.declare import uniform
from graphc.settings import default_float
from graphc.sym.infer import Inference, infer, settled_dtypes
from graphc.sym.mx.called import called
from graphc.sym.record import replay
from graphc.sym.symbol import (
    Symbol,
    as_graph,
    call_key,
    call_names,
    calls,
    function_of,
    is_source,
    is_value,
    layer_call,
    operands,
    output_names,
    variables,
)
from graphc.types import DType, Shape, Type, as_dtype, as_shape

__all__ = [
    "list_arguments", "list_outputs", "list_auxiliary_states", "infer_shape", "infer_shape_partial", "infer_type",
    "debug_str",
]  # fmt: skip

T = TypeVar("T")
Three: TypeAlias = tuple[list[T], list[T], list[T]]  # of arguments, outputs, auxiliary states


@method
def list_arguments(symbol: Symbol) -> list[str]:
    """The names of the variables a symbol depends on, in call order; auxiliary states are not among them.

    >>> from graphc import sym
    >>> (2 * sym.var('a') + sym.var('b')).list_arguments()
    ['a', 'b']
    """
    return [v.name for v in variables(symbol)[0]]


@method
def list_auxiliary_states(symbol: Symbol) -> list[str]:
    """The names of the variables that layers keep for themselves: no gradient changes them, but training does.

    >>> from graphc import sym
    >>> sym.BatchNorm(sym.var('x'), name='bn').list_auxiliary_states()
    ['bn_moving_mean', 'bn_moving_var']
    """
    return [v.name for v in variables(symbol)[1]]


@method
def list_outputs(symbol: Symbol) -> list[str]:
    """The names of what a symbol gives: after its layer, or after the function; a variable has its own.

    >>> from graphc import sym
    >>> sym.FullyConnected(sym.var('x'), num_hidden=2, name='fc').list_outputs()
    ['fc_output']
    >>> sym.exp(sym.var('a', shape=(3,))).list_outputs()
    ['exp_output']
    """
    return output_names(as_graph(symbol).outputs)


# -- shapes and dtypes ------------------------------------------------------------------------------


@method
def infer_shape(symbol: Symbol, **shapes: Any) -> Three[Shape]:
    """The shapes of arguments, outputs and auxiliary states, given those of some variables.

    A declared shape need not be given; a named dimension stays a name until some shape says what it is. Layers say
    the shapes of their parameters; a variable of which nothing else is known takes the shape of what it meets in an
    elementwise function. Raises `BindError` if some shape stays unknown, `ShapeError` if two contradict each other.

    >>> from graphc import sym
    >>> sym.FullyConnected(sym.var('data'), num_hidden=10).infer_shape(data=(8, 3))
    ([(8, 3), (10, 3), (10,)], [(8, 10)], [])
    >>> (2 * sym.var('a') + sym.var('b')).infer_shape(a=(3,))
    ([(3,), (3,)], [(3,)], [])
    """
    graph, found = _inferred(symbol, shapes)
    found.require(graph.inputs)
    return _three(found.shape, graph)


@method
def infer_shape_partial(symbol: Symbol, **shapes: Any) -> Three[Shape | None]:
    """The same as far as it is known: None stands for a shape that nothing says.

    >>> from graphc import sym
    >>> sym.FullyConnected(sym.var('data'), num_hidden=10).infer_shape_partial()
    ([None, None, (10,)], [None], [])
    """
    graph, found = _inferred(symbol, shapes)
    return _three(found.shape, graph)


@method
def infer_type(symbol: Symbol, **dtypes: Any) -> Three[DType]:
    """The dtypes of arguments, outputs and auxiliary states, given those of some variables.

    A dtype neither declared nor given is the float that the others have in common, or else the default float. Where
    the dtype of a result depends on shapes, as in a sum along an axis, they must be declared.

    >>> from graphc import sym
    >>> (2 * sym.var('a') + sym.var('b')).infer_type(a='float32', b='int64')
    ([dtype('float32'), dtype('int64')], [dtype('float64')], [])
    """
    graph = as_graph(symbol)
    given = by_variable(graph, {name: as_dtype(dtype) for name, dtype in dtypes.items()})
    known = settled_dtypes(graph, given)
    stands_for = infer(graph, {}, given).typed
    for node in graph.nodes:
        if node not in stands_for:
            stands_for[node] = variable(node.name, Type(known[node])) if node.op is VAR else _of_dtype(node, stands_for)
    return _three(lambda node: stands_for[node].dtype, graph)


def _inferred(symbol: Symbol, shapes: Mapping[str, Any]) -> tuple[Graph, Inference]:
    graph = as_graph(symbol)
    given = by_variable(graph, {name: as_shape(shape) for name, shape in shapes.items()})
    return graph, infer(graph, given, {})


def _three(tell: Callable[[Node], Any], graph: Graph) -> Three[Any]:
    """What is told of arguments, outputs and auxiliary states."""
    arguments, states = variables(graph)
    return [tell(v) for v in arguments], [tell(y) for y in graph.outputs], [tell(v) for v in states]


def _of_dtype(node: Node, stands_for: Mapping[Node, Any]) -> Any:
    """A node of the dtype that a call gives, or all its results, where 0-d nodes stand for what has no shape yet."""
    args = {x: stands_for[x] for x in node.args}
    try:
        return replay([node], args)[0]
    except (ShapeError, IndexError) as error:
        call = layer_call(node)
        if call is None or node.op is ITEM:
            unknown = ", ".join(v.name for v in topological([node]) if v.op is VAR and v.type is None)
            raise BindError(f"infer_type: declare the shapes of {unknown}: {error}") from error
        floats = [x.dtype for x in args.values() if x.dtype.kind == "f"]  # a layer's results are as its operands
        result = variable(node.name, Type([*floats, default_float()][0]))
        count = len(call.outputs)
        return result if count == 1 else [result] * count


def by_variable(graph: Graph, named: Mapping[str, T]) -> dict[Node, T]:
    """What is given by name, by variable; an error for a name that no variable has."""
    known = [v.name for v in graph.inputs]
    if unknown := sorted(named.keys() - set(known)):
        raise BindError(f"no argument is named {', '.join(unknown)}; there are {', '.join(known) or 'none'}")
    return {v: named[v.name] for v in graph.inputs if v.name in named}


# -- the graph as text ------------------------------------------------------------------------------


@method
def debug_str(symbol: Symbol) -> str:
    """The calls of a symbol as text: of each its function, its name, what it was made on, and its attributes.

    >>> from graphc import sym
    >>> print(sym.Activation(sym.var('x'), act_type='relu', name='act').debug_str())
    Symbol Outputs:
        output[0]=act(0)
    Variable:x
    --------------------
    Op:Activation, Name=act
    Inputs:
        arg[0]=x(0)
    Attrs:
        act_type=relu
    """
    outputs = as_graph(symbol).outputs
    order = [node for node in calls(outputs) if is_value(node)]
    names = {node: f"{name}({_index(node)})" for node, name in zip(order, call_names(order))}
    lines = ["Symbol Outputs:", *(f"\toutput[{k}]={names.get(y, uniform(y))}" for k, y in enumerate(outputs))]
    for node in {call_key(node): node for node in order}.values():
        lines += _described(node, names)
    return "\n".join(lines)


def _described(node: Node, names: Mapping[Node, str]) -> list[str]:
    """The lines of one call."""
    name = names[node].rpartition("(")[0]
    if is_source(node):
        return [f"{'Variable' if node.op is VAR else node.op.name.capitalize()}:{name}"]
    call = called(node)
    attributes = {} if call is None else node.list_attr() or call.attributes
    lines = ["-" * 20, f"Op:{function_of(node)}, Name={name}", "Inputs:"]
    lines += [f"\targ[{k}]={names.get(x, uniform(x))}" for k, x in enumerate(operands(node))]
    if attributes:
        lines += ["Attrs:", *(f"\t{key}={value}" for key, value in attributes.items())]
    return lines


def _index(node: Node) -> int:
    call = called(node)
    return 0 if call is None else call.index
