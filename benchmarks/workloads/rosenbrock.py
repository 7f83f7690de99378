"""The gradient of Rosenbrock's function: a small vector, read at shifted places."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks import torch_gradients
from benchmarks.workload import Work, Workload


def rosenbrock(x):
    """sum of 100 (x[i+1] - x[i]^2)^2 + (1 - x[i])^2, in any library that slices."""
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


@dataclass(frozen=True)
class Rosenbrock(Workload):
    """Only the gradient is asked for."""

    name = "rosenbrock"
    n: int = 1000

    def inputs(self):
        return (np.random.default_rng(0).standard_normal(self.n),)

    def reference(self, x):
        gradient = np.zeros(self.n)
        for i in range(self.n - 1):
            slope = 200 * (x[i + 1] - x[i] ** 2)
            gradient[i] += -2 * x[i] * slope - 2 * (1 - x[i])
            gradient[i + 1] += slope
        return (gradient,)

    def work(self):
        return Work("float64", bytes=2 * 8 * self.n, flops=9 * self.n)

    def graphc(self):
        import graphc
        from graphc import sym

        x = sym.var("x", shape=(self.n,), dtype="float64")
        return graphc.compile([x], graphc.grad(rosenbrock(x), x))

    def numpy(self):
        def gradient(x):
            slope = 200 * (x[1:] - x[:-1] ** 2)
            out = np.empty_like(x)
            out[:-1] = 2 * (x[:-1] - 1) - 2 * x[:-1] * slope
            out[-1] = 0
            out[1:] += slope
            return out

        return gradient

    def jax(self):
        import jax

        return jax.jit(jax.grad(rosenbrock))

    def torch(self):
        value_and_gradient = torch_gradients.eager(rosenbrock, [0])
        return lambda x: value_and_gradient(x)[1]

    def torch_compile(self):
        import torch

        return torch_gradients.compile_afresh(torch.func.grad(rosenbrock))

    def pytensor(self):
        import pytensor
        import pytensor.tensor as pt

        x = pt.dvector("x")
        f = pytensor.function([x], pytensor.grad(rosenbrock(x), x))
        f.trust_input = True
        return f

    def numba(self):
        import numba

        @numba.njit(fastmath=True)
        def gradient(x):
            n = len(x)
            out = np.empty(n)
            before = 0.0
            for i in range(n - 1):
                slope = 200 * (x[i + 1] - x[i] * x[i])
                out[i] = before - 2 * x[i] * slope - 2 * (1 - x[i])
                before = slope
            out[n - 1] = before
            return out

        return gradient


WORKLOADS = (Rosenbrock(),)
SMALL = (Rosenbrock(7),)
