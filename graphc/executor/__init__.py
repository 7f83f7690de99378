"""MXNet's executor: a symbol bound to arrays, run forward and backward.

The forward program gives, beside the outputs, the values that the backward program reads (see `programs`). Both read
the caller's own arrays, and the backward program writes into his.
"""

from graphc.executor.api import bind, eval, simple_bind
from graphc.executor.running import Executor

__all__ = ["Executor", "bind", "eval", "simple_bind"]
