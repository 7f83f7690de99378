"""The loop of the automatic differentiation chapter: how often it doubles, and what it gives, only the data decides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.workload import Target, Work, Workload


@dataclass(frozen=True)
class ChapterLoop(Workload):
    """Value and gradient. JAX has no reverse mode through `while`; its gradient is by hand, as NumPy's and Numba's."""

    name = "chapter_loop"
    targets = (Target("jax", 1 / 20),)
    n: int = 10

    @property
    def title(self):
        return f"{super().title} (jax forward only)"

    def inputs(self):
        return (np.random.default_rng(0).standard_normal(self.n),)

    def reference(self, a):
        c = _value(a)
        return c, c / a  # c is a multiple of a

    def work(self):
        return Work("float64", bytes=3 * 8 * self.n, flops=40 * self.n)

    def graphc(self):
        import graphc
        from graphc import sym

        a = sym.var("a", shape=(self.n,))
        b = sym.while_loop(lambda b: sym.norm(b) < 1000, lambda b: b * 2, a * 2)
        c = sym.cond(sym.sum(b) > 0, lambda: b, lambda: 100 * b)
        return graphc.compile(a, [c, graphc.grad(sym.sum(c), a)])

    def numpy(self):
        def value_and_gradient(a):
            c = _value(a)
            return c, c / a

        return value_and_gradient

    def jax(self):
        import jax
        import jax.numpy as jnp

        @jax.jit
        def value_and_gradient(a):
            b = jax.lax.while_loop(lambda b: jnp.linalg.norm(b) < 1000, lambda b: b * 2, a * 2)
            c = jax.lax.cond(b.sum() > 0, lambda b: b, lambda b: 100 * b, b)
            return c, c / a

        return value_and_gradient

    def torch(self):
        import torch

        def value_and_gradient(a):
            a = a.detach().requires_grad_()
            b = a * 2
            while b.norm() < 1000:
                b = b * 2
            c = b if b.sum() > 0 else 100 * b
            return c.detach(), *torch.autograd.grad(c.sum(), a)

        return value_and_gradient

    def numba(self):
        import numba

        @numba.njit(fastmath=True)
        def value_and_gradient(a):
            b = a * 2
            while np.sqrt((b * b).sum()) < 1000:
                b *= 2
            c = b if b.sum() > 0 else 100 * b
            return c, c / a

        return value_and_gradient


def _value(a):
    b = a * 2
    while np.linalg.norm(b) < 1000:
        b = b * 2
    return b if b.sum() > 0 else 100 * b


WORKLOADS = (ChapterLoop(),)
SMALL = (ChapterLoop(3),)
