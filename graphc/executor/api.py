"""Binding as methods of symbols: `bind`, `simple_bind`, and `eval`, which binds for one run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from graphc.executor.binding import bound, made
from graphc.executor.running import Executor
from graphc.graph import Graph, method
from graphc.runtime.function import compile
from graphc.sym.implied import by_variable
from graphc.sym.symbol import Symbol, as_graph
from graphc.types import as_dtype, as_shape

__all__ = ["bind", "eval", "simple_bind"]


@method
def bind(symbol: Any, args: Any, args_grad: Any = None, grad_req: Any = "write", aux_states: Any = None) -> Executor:
    """An executor of a symbol (or of a list of nodes) on the caller's arrays: dicts by name, or lists in call order.

    `grad_req` is 'write', 'add' or 'null' for all arguments, or a dict or list of them; an argument that a dict
    leaves out, and one with no array in a given `args_grad`, gets no gradient, nor do integers. Without
    `args_grad` arrays of zeros are made. Raises `BindError` for arrays that are missing, unknown or of another type
    than declared, `ShapeError` for shapes that contradict each other.

    >>> import numpy as np
    >>> from graphc import sym
    >>> a, b = sym.var('a'), sym.var('b')
    >>> ex = (a * b).bind({'a': np.arange(3.0), 'b': np.full(3, 2.0)})
    >>> ex.forward()
    [array([0., 2., 4.])]
    >>> ex.backward(np.ones(3))
    >>> ex.grad_dict['b']
    array([0., 1., 2.])
    """
    return Executor(bound(as_graph(symbol), args, args_grad, grad_req, aux_states))


@method
def simple_bind(
    symbol: Any, grad_req: Any = "write", type_dict: Mapping[str, Any] | None = None, **shapes: Any
) -> Executor:
    """An executor on arrays of zeros, made in the shapes given by name, declared, or inferred from these.

    `type_dict` gives dtypes by name; the others are as `infer_type` says.

    >>> from graphc import sym
    >>> ex = sym.FullyConnected(sym.var('data'), num_hidden=4, name='fc').simple_bind(data=(8, 3))
    >>> ex.arg_dict['fc_weight'].shape
    (4, 3)
    """
    graph = as_graph(symbol)
    given = by_variable("simple_bind", graph, shapes, as_shape)
    return Executor(made(graph, grad_req, given, by_variable("simple_bind", graph, type_dict or {}, as_dtype)))


@method
def eval(symbol: Symbol, **bindings: Any) -> Any:
    """The value of a node, or the values of a graph's outputs, given those of the variables by name.

    The program is kept for the next time.

    >>> import numpy as np
    >>> from graphc import sym
    >>> a, b = sym.var('a'), sym.var('b')
    >>> (2 * a + b).eval(a=np.arange(3.0), b=np.ones(3))
    array([1., 3., 5.])
    """
    return _program(symbol)(**bindings)


@lru_cache(maxsize=64)
def _program(symbol: Symbol) -> Callable[..., Any]:
    inputs = as_graph(symbol).inputs
    return compile(inputs, list(symbol.outputs) if isinstance(symbol, Graph) else symbol)
