"""Late: what few programs ask for is imported when one does."""

from __future__ import annotations

import copyreg
from collections.abc import Callable
from importlib import import_module
from typing import Any

from graphc.graph import method
from graphc.node import PUBLIC, Node
from graphc.runtime.function import Function

NAMES = {  # of the package, and the modules that have them
    "Executor": "graphc.executor",
    "check_gradient": "graphc.check",
    "export": "graphc.io.export",
    "load": "graphc.io.json",
    "load_checkpoint": "graphc.io.mxnet.symbol",
    "load_params": "graphc.io.mxnet.params",
    "save": "graphc.io.json",
    "save_checkpoint": "graphc.io.mxnet.symbol",
    "save_params": "graphc.io.mxnet.params",
}
METHODS = {  # of nodes and graphs
    "bind": "graphc.executor",
    "eval": "graphc.executor",
    "save": "graphc.io.mxnet.symbol",
    "simple_bind": "graphc.executor",
    "tojson": "graphc.io.mxnet.symbol",
}
FUNCTIONS = {"load_json": "graphc.io.mxnet.symbol", "load_symbol": "graphc.io.mxnet.symbol"}  # that `sym` calls


def later(name: str, module: str) -> Callable[..., Any]:
    """What calls a function of a module, which is imported then."""

    def call(*args: Any, **named: Any) -> Any:
        return getattr(import_module(module), name)(*args, **named)

    call.__name__ = name
    return call


for name, module in METHODS.items():
    method(later(name, module))
for name, module in FUNCTIONS.items():
    PUBLIC[name] = later(name, module)
copyreg.pickle(Node, later("reduce_node", "graphc.io.pickling"))
copyreg.pickle(Function, later("reduce_function", "graphc.io.pickling"))  # type: ignore[arg-type]
