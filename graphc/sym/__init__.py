"""What users call: NumPy's names over nodes, variables, and composites.

`sym.var` makes a variable; the variance is `sym.variance`, or the method `x.var()`.
"""
# ruff: noqa: F403

from importlib import import_module
from typing import TYPE_CHECKING, Any

from graphc.sym import (
    attributes,  # noqa: F401  # pyright: ignore[reportUnusedImport]  (registers methods)
    contraction,
    control,
    convolution,
    creation,
    cumulative,
    diagonals,
    einstein,
    elementwise,
    files,
    gathering,
    implied,
    indexing,
    inspect,
    linalg,
    movement,
    mx,  # noqa: F401  # pyright: ignore[reportUnusedImport]
    naming,
    nn,
    normalisation,
    note,
    pointwise,
    pooling,
    products,
    random,
    rearranging,
    reduction,
    sorting,
    statistics,
    symbol,
    updates,
    window,
)
from graphc.sym.contraction import *
from graphc.sym.control import *
from graphc.sym.convolution import *
from graphc.sym.creation import *
from graphc.sym.cumulative import *
from graphc.sym.diagonals import *
from graphc.sym.einstein import *
from graphc.sym.elementwise import *
from graphc.sym.files import *
from graphc.sym.gathering import *
from graphc.sym.implied import *
from graphc.sym.indexing import *
from graphc.sym.inspect import *
from graphc.sym.movement import *
from graphc.sym.naming import *
from graphc.sym.nn import *
from graphc.sym.normalisation import *
from graphc.sym.note import *
from graphc.sym.pointwise import *
from graphc.sym.pooling import *
from graphc.sym.products import *
from graphc.sym.rearranging import *
from graphc.sym.reduction import *
from graphc.sym.reduction import var as variance
from graphc.sym.sorting import *
from graphc.sym.statistics import *
from graphc.sym.symbol import *
from graphc.sym.updates import *
from graphc.sym.variable import Variable, var
from graphc.sym.window import *

if TYPE_CHECKING:
    from graphc.sym.mx.layers import *

__all__ = ["Variable", "linalg", "random", "var", "variance"]
__all__ += contraction.__all__
__all__ += control.__all__
__all__ += convolution.__all__
__all__ += creation.__all__
__all__ += cumulative.__all__
__all__ += diagonals.__all__
__all__ += einstein.__all__
__all__ += elementwise.__all__
__all__ += files.__all__
__all__ += gathering.__all__
__all__ += implied.__all__
__all__ += indexing.__all__
__all__ += inspect.__all__
__all__ += movement.__all__
__all__ += naming.__all__
__all__ += nn.__all__
__all__ += normalisation.__all__
__all__ += note.__all__
__all__ += pointwise.__all__
__all__ += pooling.__all__
__all__ += products.__all__
__all__ += rearranging.__all__
__all__ += reduction.__all__
__all__ += sorting.__all__
__all__ += statistics.__all__
__all__ += symbol.__all__
__all__ += updates.__all__
__all__ += window.__all__


def __getattr__(name: str) -> Any:
    """MXNet's layers, which are imported when the first is asked for."""
    layers = import_module("graphc.sym.mx.layers")
    if name not in layers.__all__:
        raise AttributeError(f"graphc.sym has no {name!r}")
    return getattr(layers, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *import_module("graphc.sym.mx.layers").__all__])
