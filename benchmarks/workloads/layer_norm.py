"""Layer normalisation: the output, and for a given head gradient those by x, gamma and beta."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks import torch_gradients
from benchmarks.workload import Work, Workload

EPS = 1e-5


@dataclass(frozen=True)
class LayerNorm(Workload):
    """Normalised over the last axis."""

    name = "layer_norm"
    rows: int = 4096
    features: int = 1024

    def inputs(self):
        rng = np.random.default_rng(0)
        shapes = ((self.rows, self.features), (self.features,), (self.features,), (self.rows, self.features))
        return tuple(rng.standard_normal(shape, np.float32) for shape in shapes)

    def reference(self, x, gamma, beta, head):
        n = self.features
        deviation = np.sqrt(x.var(axis=1, keepdims=True) + EPS)
        z = (x - x.mean(axis=1, keepdims=True)) / deviation
        g = head * gamma
        projections = g.sum(axis=1, keepdims=True) + z * (g * z).sum(axis=1, keepdims=True)
        return z * gamma + beta, (g - projections / n) / deviation, (head * z).sum(axis=0), head.sum(axis=0)

    def work(self):
        count = self.rows * self.features
        return Work("float32", bytes=4 * (4 * count + 4 * self.features), flops=20 * count)

    def graphc(self):
        import graphc
        from graphc import sym

        shapes = {"x": (self.rows, self.features), "gamma": (self.features,), "beta": (self.features,)}
        x, gamma, beta = (sym.var(name, shape=shape, dtype="float32") for name, shape in shapes.items())
        head = sym.var("head", shape=x.shape, dtype="float32")
        y = sym.layer_norm(x, gamma, beta, eps=EPS)
        return graphc.compile([x, gamma, beta, head], (y, *graphc.grad(y, [x, gamma, beta], head=head)))

    def numpy(self):
        def output_and_gradients(x, gamma, beta, head):
            z = x - x.mean(axis=1, keepdims=True)
            scale = np.einsum("ij,ij->i", z, z)[:, None]
            scale /= x.shape[1]
            scale += EPS
            np.sqrt(scale, out=scale)
            np.reciprocal(scale, out=scale)
            z *= scale
            y = z * gamma
            y += beta
            dx = head * gamma
            along = np.einsum("ij,ij->i", dx, z)[:, None] / x.shape[1]
            dx -= dx.mean(axis=1, keepdims=True)
            dx -= z * along
            dx *= scale
            return y, dx, np.einsum("ij,ij->j", head, z), head.sum(axis=0)

        return output_and_gradients

    def jax(self):
        import jax
        import jax.numpy as jnp

        def layer_norm(x, gamma, beta):
            centred = x - x.mean(axis=1, keepdims=True)
            variance = jnp.mean(centred * centred, axis=1, keepdims=True)
            return centred * jax.lax.rsqrt(variance + EPS) * gamma + beta

        @jax.jit
        def output_and_gradients(x, gamma, beta, head):
            y, pull = jax.vjp(layer_norm, x, gamma, beta)
            return y, *pull(head)

        return output_and_gradients

    def torch(self):
        import torch
        from torch.nn.functional import layer_norm

        def output_and_gradients(x, gamma, beta, head):
            leaves = [array.detach().requires_grad_() for array in (x, gamma, beta)]
            y = layer_norm(leaves[0], gamma.shape, *leaves[1:], EPS)
            return y.detach(), *torch.autograd.grad(y, leaves, head)

        return output_and_gradients

    def torch_compile(self):
        import torch
        from torch.nn.functional import layer_norm

        def output_and_gradients(x, gamma, beta, head):
            y, pull = torch.func.vjp(lambda x, g, b: layer_norm(x, gamma.shape, g, b, EPS), x, gamma, beta)
            return y, *pull(head)

        return torch_gradients.compile_afresh(output_and_gradients)

    def pytensor(self):
        import pytensor
        import pytensor.tensor as pt

        x, head, gamma, beta = *pt.fmatrices("x", "head"), *pt.fvectors("gamma", "beta")
        with pytensor.scalar.autocast_float_as("float32"):
            centred = x - x.mean(axis=1, keepdims=True, dtype="float32")
            variance = pt.mean(centred * centred, axis=1, keepdims=True, dtype="float32")
            y = centred / pt.sqrt(variance + EPS) * gamma + beta
            gradients = pytensor.grad(None, [x, gamma, beta], known_grads={y: head})
            f = pytensor.function([x, gamma, beta, head], [y, *gradients])
        f.trust_input = True
        return f

    def numba(self):
        import numba

        eps = np.float32(EPS)

        @numba.njit(fastmath=True, error_model="numpy")
        def output_and_gradients(x, gamma, beta, head):
            rows, n = x.shape
            y, dx, dgamma, dbeta = np.empty_like(x), np.empty_like(x), np.zeros_like(gamma), np.zeros_like(beta)
            for i in range(rows):
                mean = x[i].sum() / np.float32(n)
                square = np.float32(0)
                for j in range(n):
                    square += (x[i, j] - mean) ** 2
                scale = np.float32(1) / np.sqrt(square / np.float32(n) + eps)
                total, along = np.float32(0), np.float32(0)
                for j in range(n):
                    z = (x[i, j] - mean) * scale
                    y[i, j] = z * gamma[j] + beta[j]
                    total += head[i, j] * gamma[j]
                    along += head[i, j] * gamma[j] * z
                    dgamma[j] += head[i, j] * z
                    dbeta[j] += head[i, j]
                total /= np.float32(n)
                along /= np.float32(n)
                for j in range(n):
                    z = (x[i, j] - mean) * scale
                    dx[i, j] = (head[i, j] * gamma[j] - total - z * along) * scale
            return y, dx, dgamma, dbeta

        return output_and_gradients


WORKLOADS = (LayerNorm(),)
SMALL = (LayerNorm(5, 7),)
