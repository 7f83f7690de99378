"""What users call: NumPy's names over nodes, variables, and composites.

`sym.var` makes a variable; the variance is `sym.variance`, or the method `x.var()`.
"""
# ruff: noqa: F403

from graphc.sym import contraction, control, creation, elementwise, indexing, inspect, movement, nn, reduction
from graphc.sym.contraction import *
from graphc.sym.control import *
from graphc.sym.creation import *
from graphc.sym.elementwise import *
from graphc.sym.indexing import *
from graphc.sym.inspect import *
from graphc.sym.movement import *
from graphc.sym.nn import *
from graphc.sym.reduction import *
from graphc.sym.reduction import var as variance
from graphc.sym.variable import var

__all__ = ["var", "variance"]
__all__ += contraction.__all__
__all__ += control.__all__
__all__ += creation.__all__
__all__ += elementwise.__all__
__all__ += indexing.__all__
__all__ += inspect.__all__
__all__ += movement.__all__
__all__ += nn.__all__
__all__ += reduction.__all__
