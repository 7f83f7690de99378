"""2a + b on four numbers: what a call costs when there is next to nothing to compute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks import torch_gradients
from benchmarks.workload import Target, Work, Workload


@dataclass(frozen=True)
class NumpyAdd(Workload):
    """A single `np.add`: the yardstick of a call."""

    name = "np.add"
    targets = ()
    n: int = 4

    def inputs(self):
        rng = np.random.default_rng(0)
        return rng.random(self.n, np.float32), rng.random(self.n, np.float32)

    def reference(self, a, b):
        return (a + b,)

    def work(self):
        return Work("float32", bytes=3 * 4 * self.n, flops=self.n)

    def numpy(self) -> Callable:
        return np.add


@dataclass(frozen=True)
class CallOverhead(NumpyAdd):
    """2a + b, called as a user calls it."""

    name = "call_overhead"
    targets = (Target("numpy", 2.5, workload="np.add 4"), Target("jax", 0.1))

    def reference(self, a, b):
        return (2 * a + b,)

    def work(self):
        return Work("float32", bytes=3 * 4 * self.n, flops=2 * self.n)

    def graphc(self):
        import graphc
        from graphc import sym

        a, b = (sym.var(name, shape=(self.n,), dtype="float32") for name in "ab")
        return graphc.compile([a, b], 2 * a + b)

    def numpy(self):
        return lambda a, b: 2 * a + b

    def jax(self):
        import jax

        return jax.jit(lambda a, b: 2 * a + b)

    def torch(self):
        return lambda a, b: 2 * a + b

    def torch_compile(self):
        return torch_gradients.compile_afresh(lambda a, b: 2 * a + b)

    def pytensor(self):
        import pytensor
        import pytensor.tensor as pt

        a, b = pt.fvectors("a", "b")
        f = pytensor.function([a, b], 2 * a + b)
        f.trust_input = True
        return f

    def numba(self):
        import numba

        return numba.njit(lambda a, b: np.float32(2) * a + b)


WORKLOADS = (NumpyAdd(), CallOverhead())
SMALL = WORKLOADS
