"""A chain of activations: sum of tanh(gelu(x) sigmoid(x)) and its gradient, one pass over memory if fused."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi, sqrt

import numpy as np

from benchmarks import torch_gradients
from benchmarks.workload import Work, Workload

HALF_ROOT, DENSITY = 0.5**0.5, 1 / sqrt(2 * pi)


@dataclass(frozen=True)
class Activation(Workload):
    """n elements; gelu by erf."""

    name = "activation"
    n: int = 4_000_000

    def inputs(self):
        return (2 * np.random.default_rng(0).standard_normal(self.n, np.float32),)

    def reference(self, x):
        from scipy.special import expit, ndtr

        y = np.tanh(x * ndtr(x) * expit(x))
        gelu_slope = ndtr(x) + x * np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
        slope = gelu_slope * expit(x) + x * ndtr(x) * expit(x) * expit(-x)
        return y.sum(), (1 - y**2) * slope

    def work(self):
        once = {"erf": self.n, "exp": 2 * self.n, "tanh": self.n}  # exp: the density and the sigmoid
        return Work("float32", bytes=2 * 4 * self.n, flops=20 * self.n, evaluations=once)

    def graphc(self):
        import graphc
        from graphc import sym

        x = sym.var("x", shape=(self.n,), dtype="float32")
        gelu = x * (0.5 + 0.5 * sym.erf(x * HALF_ROOT))
        value = sym.sum(sym.tanh(gelu * sym.sigmoid(x)))
        return graphc.compile([x], (value, graphc.grad(value, x)))

    def numpy(self):
        from scipy.special import erf, expit

        def value_and_gradient(x):
            s = expit(x)
            cdf = erf(x * np.float32(HALF_ROOT))
            cdf += 1
            cdf *= 0.5
            gelu = x * cdf
            y = np.tanh(gelu * s)
            inner = np.exp(-0.5 * x * x)
            inner *= x
            inner *= DENSITY
            inner += cdf
            inner += gelu * (1 - s)
            inner *= s
            inner *= 1 - y * y
            return y.sum(), inner

        return value_and_gradient

    def jax(self):
        import jax
        import jax.numpy as jnp

        def value(x):
            return jnp.tanh(jax.nn.gelu(x, approximate=False) * jax.nn.sigmoid(x)).sum()

        return jax.jit(jax.value_and_grad(value))

    def torch(self):
        return torch_gradients.eager(_torch_value(), [0])

    def torch_compile(self):
        return torch_gradients.compiled(_torch_value(), [0])

    def pytensor(self):
        import pytensor
        import pytensor.tensor as pt

        x = pt.fvector("x")
        with pytensor.scalar.autocast_float_as("float32"):
            gelu = x * (0.5 + 0.5 * pt.erf(x * HALF_ROOT))
            value = pt.tanh(gelu * pt.sigmoid(x)).sum()
            f = pytensor.function([x], [value, pytensor.grad(value, x)])
        f.trust_input = True
        return f

    def numba(self):
        import math

        import numba

        half_root, half, one, density = (np.float32(c) for c in (HALF_ROOT, 0.5, 1, DENSITY))

        @numba.njit(fastmath=True, error_model="numpy")
        def value_and_gradient(x):
            gradient = np.empty_like(x)
            total = 0.0
            for i in range(len(x)):
                s = one / (one + math.exp(-x[i]))
                cdf = half + half * math.erf(x[i] * half_root)
                gelu = x[i] * cdf
                y = math.tanh(gelu * s)
                slope = cdf + x[i] * math.exp(-half * x[i] * x[i]) * density
                gradient[i] = (one - y * y) * (slope + gelu * (one - s)) * s
                total += y
            return total, gradient

        return value_and_gradient


def _torch_value():
    import torch
    from torch.nn.functional import gelu

    return lambda x: torch.tanh(gelu(x) * torch.sigmoid(x)).sum()


WORKLOADS = (Activation(),)
SMALL = (Activation(101),)
