"""Kernels as the loops they are: outer loops, and for each phase one pass along the lanes.

    kernel 0: x float32[4096, 1000] -> y float32[4096, 1000]
              reads 16.4 MB, writes 16.4 MB, 12.3 M flops, 4.1 M exp
      for i in 4096:
        lanes j in 1000:  a = max(x[i, j])
        lanes j in 1000:  b[j] = exp(x[i, j] - a); c = sum(b[j])
        lanes j in 1000:  y[i, j] = b[j] / c

A value with an index, `b[j]`, is kept in a row buffer for later phases. A single index of a buffer with several axes
counts its elements as they lie in memory. `x[j - 1]?` is 0 where its guard does not hold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from graphc.kernel.cost import contraction_cost, contracted_terms, kernel_cost
from graphc.kernel.fuse import Contraction
from graphc.kernel.kernel import Kernel, Statement, buffer_of
from graphc.kernel.names import Names, variable_name
from graphc.kernel.phases import Phase, plan_phases
from graphc.kernel.program import Program
from graphc.node import CONST, PUBLIC, VAR, Node, Op
from graphc.ops.contraction import pairing
from graphc.ops.scalar import FOLD, INDEX, INSIDE, LOAD, Guards
from graphc.show.formula import expression
from graphc.show.index import indices
from graphc.show.infix import Expression, applied, number
from graphc.types import Dim, Extent, product

SHORT = 12  # characters that are repeated rather than named
LONG = 60  # characters above which an expression is named though used once
WIDTH = 110  # columns of a line of loops
ACCUMULATE = {"sum": "+=", "prod": "*="}


def show_program(program: Program) -> str:
    """Kernels and library calls, in the order they run."""
    return "\n".join(
        show_kernel(step) if isinstance(step, Kernel) else show_contraction(step, number, program)
        for number, step in enumerate(program.steps)
    )


def show_kernel(kernel: Kernel) -> str:
    """One kernel: what it reads and writes, what that costs, and its loops."""
    return "\n".join(_Listing(kernel).lines())


PUBLIC["show_program"] = show_program
PUBLIC["show_kernel"] = show_kernel


def show_contraction(step: Contraction, place: int, program: Program) -> str:
    """A library call: `library 1: t0 float32[n, 10] = x float32[n, 784] @ w float32[784, 10]    sgemm, 784 terms`."""
    node, pairs = step.node, pairing(step.node)
    a, b = node.args
    names = program.names
    left = f"{names[a]}{_transposed(a.ndim - 1 not in pairs.axes_a, a)}"
    right = f"{names[b]}{_transposed(b.ndim - 1 in pairs.axes_b, b)}"
    cost = contraction_cost(step, "", lambda extent: extent)
    gemm = "sgemm" if node.dtype.itemsize == 4 else "dgemm"
    return (
        f"library {place}: {left} {a.type}, {right} {b.type} -> {names[node]} {node.type}\n"
        f"  {cost}\n  {names[node]} = {left} @ {right}  ({gemm} of {contracted_terms(node)} terms)"
    )
