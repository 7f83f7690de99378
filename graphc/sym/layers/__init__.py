"""MXNet's operators, one family a file. Those whose names NumPy gives another meaning are in `sym.mx` alone."""
# ruff: noqa: F403

from graphc.sym.layers import arithmetic, convolution, dense, index, norm, output, recurrent, reduction, shape
from graphc.sym.layers.arithmetic import *
from graphc.sym.layers.convolution import *
from graphc.sym.layers.dense import *
from graphc.sym.layers.index import *
from graphc.sym.layers.norm import *
from graphc.sym.layers.output import *
from graphc.sym.layers.recurrent import *
from graphc.sym.layers.reduction import *
from graphc.sym.layers.shape import *

__all__: list[str] = []
__all__ += arithmetic.__all__
__all__ += convolution.__all__
__all__ += dense.__all__
__all__ += index.__all__
__all__ += norm.__all__
__all__ += output.__all__
__all__ += recurrent.__all__
__all__ += reduction.__all__
__all__ += shape.__all__
