"""graphc: a static-graph compiler. Declare a formula, differentiate it, compile it, call it.

>>> import numpy as np, graphc
>>> from graphc import sym
>>> x = sym.var('x', shape=('n',))
>>> y = 2 * sym.dot(x, x)
>>> f = graphc.compile(x, [y, graphc.grad(y, x)])
>>> f(np.arange(4.0))
[array(28.), array([ 0.,  4.,  8., 12.])]
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from graphc import late, optim, sym
from graphc.autodiff.api import grad, hessian, hvp, jacobian, jvp, vjp
from graphc.batching.api import vmap
from graphc.errors import BindError, DTypeError, GradientError, GraphcError, InternalError, IterationError, ShapeError
from graphc.graph import Graph
from graphc.interpret import interpret
from graphc.kernel.cost import Cost
from graphc.node import Node
from graphc.passes.api import freeze, simplify
from graphc.runtime.function import Function, compile
from graphc.runtime.pool import set_threads, threads
from graphc.settings import default_float, set_default_float, use_default_float
from graphc.show import cost, formula, to_dot, to_text, why
from graphc.state import State, state
from graphc.sym.control import checkpoint
from graphc.types import Dim, Type

if TYPE_CHECKING:
    from graphc.check import check_gradient
    from graphc.executor import Executor
    from graphc.io.export import export
    from graphc.io.json import load, save
    from graphc.io.mxnet.params import load_params, save_params
    from graphc.io.mxnet.symbol import load_checkpoint, save_checkpoint

__version__ = "0.1.0"

__all__ = [
    "BindError",
    "Cost",
    "DTypeError",
    "Dim",
    "Executor",
    "Function",
    "GradientError",
    "Graph",
    "GraphcError",
    "InternalError",
    "IterationError",
    "Node",
    "ShapeError",
    "State",
    "Type",
    "check_gradient",
    "checkpoint",
    "compile",
    "cost",
    "default_float",
    "export",
    "formula",
    "freeze",
    "grad",
    "hessian",
    "hvp",
    "interpret",
    "jacobian",
    "jvp",
    "load",
    "load_checkpoint",
    "load_params",
    "optim",
    "save",
    "save_checkpoint",
    "save_params",
    "set_default_float",
    "set_threads",
    "simplify",
    "state",
    "sym",
    "threads",
    "to_dot",
    "to_text",
    "use_default_float",
    "vjp",
    "vmap",
    "why",
]


def __getattr__(name: str) -> Any:
    """What is imported when it is asked for."""
    if name not in late.NAMES:
        raise AttributeError(f"graphc has no {name!r}")
    globals()[name] = found = getattr(import_module(late.NAMES[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
