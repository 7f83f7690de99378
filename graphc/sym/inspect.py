"""Questions about a graph before it runs: its arguments and outputs, the shapes and dtypes that given ones imply."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from graphc.errors import BindError, ShapeError
from graphc.graph import Graph
from graphc.node import METHODS, PUBLIC, VAR, Node, topological, variable
from graphc.settings import default_float
from graphc.source import show_source
from graphc.sym import elementwise
from graphc.sym.promote import common_shape
from graphc.sym.record import CALL, replay
from graphc.types import Dim, DType, Extent, Shape, Type, as_dtype, as_shape, extent_symbols, match_extents

__all__ = ["list_arguments", "list_outputs", "infer_shape", "infer_type"]

F = TypeVar("F", bound=Callable[..., Any])


def method(function: F) -> F:
    """Register a method of nodes that answers at once: unlike `public`, it is never recorded."""
    PUBLIC[function.__name__] = function
    METHODS.add(function.__name__)
    return function


@method
def list_arguments(node: Node) -> list[str]:
    """The names of the variables a node depends on, in call order.

    >>> from graphc import sym
    >>> (2 * sym.var('a') + sym.var('b')).list_arguments()
    ['a', 'b']
    """
    return [v.name for v in Graph.of(node).inputs]


@method
def list_outputs(node: Node) -> list[str]:
    """The name of what a node gives: its operator's, or a variable's own.

    >>> from graphc import sym
    >>> sym.exp(sym.var('a', shape=(3,))).list_outputs()
    ['exp_output']
    """
    if node.op is VAR:
        return [node.name]
    return [f"{node.params[0] if node.op is CALL else node.name}_output"]


@method
def infer_shape(node: Node, **shapes: Any) -> tuple[list[Shape], list[Shape], list[Shape]]:
    """The shapes of arguments, outputs and (there are none) auxiliary states, given those of some variables.

    A declared shape need not be given; a named dimension stays a name until some shape says what it is. A variable
    whose shape is neither declared nor given takes that of what it meets in an elementwise function.

    >>> from graphc import sym
    >>> (2 * sym.var('a') + sym.var('b')).infer_shape(a=(3,), b=(2, 1))
    ([(3,), (2, 1)], [(2, 3)], [])
    >>> (2 * sym.var('a') + sym.var('b')).infer_shape(a=(3,))
    ([(3,), (3,)], [(3,)], [])
    """
    inputs = _known(node, shapes)
    given = {name: as_shape(shape) for name, shape in shapes.items()}
    given |= _met(node, {v: given[v.name] for v in inputs if v.type is None and v.name in given})
    missing = [v.name for v in inputs if v.type is None and v.name not in given]
    if missing:
        raise BindError(f"no shape is declared for {', '.join(missing)}; give {missing[0]}=(…)")
    (root,) = replay(
        [node], {v: variable(v.name, Type(default_float(), given[v.name])) for v in inputs if v.type is None}
    )
    sizes: dict[str, int] = {}
    for v in inputs:
        if v.type is not None and v.name in given and (wrong := match_extents(v.shape, given[v.name], sizes)):  # type: ignore[arg-type]
            raise ShapeError(f"infer_shape: {v.name} is {v.type} ({show_source(v.source)}), but what was given {wrong}")
    declared = [given[v.name] if v.type is None else v.shape for v in inputs]
    return [_settled(shape, sizes) for shape in declared], [_settled(root.shape, sizes)], []


def _met(node: Node, shapes: Mapping[Node, Shape]) -> dict[str, Shape]:
    """Shapes of other variables, by name: of each the one that it meets first in an elementwise function."""
    typed = {v: variable(v.name, Type(default_float(), shape)) for v, shape in shapes.items()}
    found: dict[str, Shape] = {}
    for call in topological([node]):
        if call.op is not CALL or call.params[0] not in elementwise.__all__:
            continue
        unknown = {arg for arg in call.args if arg.op is VAR and arg.type is None} - typed.keys()
        met = [arg for arg in call.args if arg not in unknown] if unknown else []
        others = replay(met, typed)
        if others and all(other.type for other in others):
            shape = common_shape("infer_shape", [other.typed for other in others])
            found |= {v.name: shape for v in unknown}
            typed |= {v: variable(v.name, Type(default_float(), shape)) for v in unknown}
            typed |= zip(met, others)
    return found


@method
def infer_type(node: Node, **dtypes: Any) -> tuple[list[DType], list[DType], list[DType]]:
    """The dtypes of arguments, outputs and (there are none) auxiliary states, given those of some variables.

    A dtype neither declared nor given is the default float; a variable with no declared shape counts as 0-d.

    >>> from graphc import sym
    >>> (2 * sym.var('a') + sym.var('b')).infer_type(a='float32', b='int64')
    ([dtype('float32'), dtype('int64')], [dtype('float64')], [])
    """
    inputs = _known(node, dtypes)
    given = {name: as_dtype(dtype) for name, dtype in dtypes.items()}
    for v in inputs:
        if v.type is not None and given.get(v.name, v.dtype) != v.dtype:
            raise BindError(f"infer_type: {v.name} is {v.type} ({show_source(v.source)}), not {given[v.name]}")
    typed = {v: variable(v.name, Type(given.get(v.name, default_float()))) for v in inputs if v.type is None}
    try:
        (root,) = replay([node], typed)
    except ShapeError as error:
        raise BindError(f"infer_type: declare the shapes of {', '.join(v.name for v in typed)}: {error}") from error
    return [typed.get(v, v).dtype for v in inputs], [root.dtype], []


def _known(node: Node, named: Mapping[str, Any]) -> tuple[Node, ...]:
    """The variables of a node; an error for a name that none of them has."""
    inputs = Graph.of(node).inputs
    if unknown := named.keys() - {v.name for v in inputs}:
        raise BindError(
            f"no argument is named {', '.join(sorted(unknown))}; there are {', '.join(v.name for v in inputs)}"
        )
    return inputs


def _settled(shape: Shape, sizes: Mapping[str, int]) -> Shape:
    """A shape with every dimension that is known as a number."""
    return tuple([_settle(extent, sizes) for extent in shape])


def _settle(extent: Extent, sizes: Mapping[str, int]) -> Extent:
    return extent.evaluate(sizes) if isinstance(extent, Dim) and extent_symbols(extent) <= sizes.keys() else extent
