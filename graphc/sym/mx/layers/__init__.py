"""MXNet's operators, one family a file. Those whose names NumPy gives another meaning are in `sym.mx` alone."""
# ruff: noqa: F403

from graphc.sym.mx.layers import (
    arithmetic,
    convolution,
    ctc,
    dense,
    index,
    norm,
    order,
    output,
    recurrent,
    reduction,
    shape,
)
from graphc.sym.mx.layers.arithmetic import *
from graphc.sym.mx.layers.convolution import *
from graphc.sym.mx.layers.ctc import *
from graphc.sym.mx.layers.dense import *
from graphc.sym.mx.layers.index import *
from graphc.sym.mx.layers.norm import *
from graphc.sym.mx.layers.order import *
from graphc.sym.mx.layers.output import *
from graphc.sym.mx.layers.recurrent import *
from graphc.sym.mx.layers.reduction import *
from graphc.sym.mx.layers.shape import *

__all__: list[str] = []
__all__ += arithmetic.__all__
__all__ += convolution.__all__
__all__ += ctc.__all__
__all__ += dense.__all__
__all__ += index.__all__
__all__ += norm.__all__
__all__ += order.__all__
__all__ += output.__all__
__all__ += recurrent.__all__
__all__ += reduction.__all__
__all__ += shape.__all__
