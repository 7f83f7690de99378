"""An LSTM over a batch of sequences: a loss of all its hidden states, and the gradients by all its weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.workload import Target, Work, Workload


def cell(sigmoid, tanh, z, c):
    """Hidden and cell state after a step, from the sums before the gates: in, forget, cell, out."""
    i, f, g, o = (z[:, k * c.shape[1] : (k + 1) * c.shape[1]] for k in range(4))
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    return sigmoid(o) * tanh(c), c


@dataclass(frozen=True)
class Lstm(Workload):
    """Steps, batch, and as many inputs as hidden units; the loss is the mean square of a hidden state's length."""

    name = "lstm"
    targets = (Target("torch", 1 / 1.2), Target("jax", 1 / 3))
    steps: int = 100
    batch: int = 32
    units: int = 128

    def inputs(self):
        rng, n = np.random.default_rng(0), self.units
        x = rng.standard_normal((self.steps, self.batch, n), np.float32)
        start = [rng.standard_normal((self.batch, n), np.float32) for _ in "hc"]
        w, u = ((rng.uniform(-1, 1, (4 * n, n)) * n**-0.5).astype(np.float32) for _ in "wu")
        return x, *start, w, u, (rng.uniform(-1, 1, 4 * n) * n**-0.5).astype(np.float32)

    def reference(self, *arrays):
        return _numpy_loss_and_gradients(*arrays)

    def work(self):
        rows, n = self.steps * self.batch, self.units
        products = 5 * rows * n * 4 * n  # forward by w and u, backward by u, and both gradients
        moved = 4 * (rows * n + 2 * self.batch * n + 2 * (8 * n * n + 4 * n))
        return Work("float32", bytes=moved, flops=2 * products, evaluations={"tanh": 5 * rows * n})

    def graphc(self):
        import graphc
        from graphc import sym

        shapes = [array.shape for array in self.inputs()]
        x, h, c, w, u, b = (sym.var(name, shape=s, dtype="float32") for name, s in zip("xhcwub", shapes, strict=True))

        def step(state, projected):
            h, c = cell(sym.sigmoid, sym.tanh, projected + state[0] @ u.T, state[1])
            return (h, c), h

        _, hs = sym.scan(step, (h, c), x @ w.T + b)
        loss = sym.sum(hs * hs) / (self.steps * self.batch)
        return graphc.compile([x, h, c, w, u, b], [loss, *graphc.grad(loss, [w, u, b])])

    def numpy(self):
        return _numpy_loss_and_gradients

    def jax(self):
        import jax
        import jax.numpy as jnp

        def loss(weights, x, h, c):
            w, u, b = weights

            def step(state, projected):
                h, c = cell(jax.nn.sigmoid, jnp.tanh, projected + state[0] @ u.T, state[1])
                return (h, c), h

            _, hs = jax.lax.scan(step, (h, c), x @ w.T + b)
            return (hs * hs).sum() / (self.steps * self.batch)

        @jax.jit
        def loss_and_gradients(x, h, c, *weights):
            value, gradients = jax.value_and_grad(loss)(weights, x, h, c)
            return value, *gradients

        return loss_and_gradients

    def torch(self):
        import torch

        def loss_and_gradients(x, h, c, *weights):
            w, u, b = leaves = [weight.detach().requires_grad_() for weight in weights]
            parameters = [w, u, b, torch.zeros_like(b)]  # as torch.nn.LSTM calls it: it has two biases
            hs, _, _ = torch.lstm(x, (h[None], c[None]), parameters, True, 1, 0.0, True, False, False)
            loss = (hs * hs).sum() / (self.steps * self.batch)
            return loss.detach(), *torch.autograd.grad(loss, leaves)

        return loss_and_gradients


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _numpy_loss_and_gradients(x, h, c, w, u, b):
    steps, batch, n = x.shape
    z, before, cells = x @ w.T + b, [], [c]
    for t in range(steps):
        before.append(h)
        z[t] += h @ u.T
        h, c = cell(_sigmoid, np.tanh, z[t], c)
        cells.append(c)
    hs = np.stack([*before[1:], h])
    g_h, g_c, g_z = np.zeros_like(h), np.zeros_like(c), np.empty_like(z)
    for t in reversed(range(steps)):
        i, f, o = (_sigmoid(z[t][:, k * n : (k + 1) * n]) for k in (0, 1, 3))
        g, squashed = np.tanh(z[t][:, 2 * n : 3 * n]), np.tanh(cells[t + 1])
        g_h += 2 / (steps * batch) * hs[t]
        g_c += g_h * o * (1 - squashed**2)
        parts = (
            g_c * g * i * (1 - i),
            g_c * cells[t] * f * (1 - f),
            g_c * i * (1 - g**2),
            g_h * squashed * o * (1 - o),
        )
        np.concatenate(parts, axis=1, out=g_z[t])
        g_h, g_c = g_z[t] @ u, g_c * f
    rows = g_z.reshape(-1, 4 * n)
    by_w, by_u = rows.T @ x.reshape(-1, n), rows.T @ np.stack(before).reshape(-1, n)
    return (hs * hs).sum() / (steps * batch), by_w, by_u, rows.sum(axis=0)


WORKLOADS = (Lstm(),)
SMALL = (Lstm(4, 3, 5),)
