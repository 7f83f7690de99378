"""Softmax cross-entropy with integer labels: the mean loss and its gradient by the logits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks import torch_gradients
from benchmarks.workload import Work, Workload


@dataclass(frozen=True)
class CrossEntropy(Workload):
    """Rows of logits, a label each."""

    name = "cross_entropy"
    rows: int = 4096
    classes: int = 1000

    def inputs(self):
        rng = np.random.default_rng(0)
        return rng.standard_normal((self.rows, self.classes), np.float32), rng.integers(self.classes, size=self.rows)

    def reference(self, logits, labels):
        from scipy.special import log_softmax

        chosen = np.eye(self.classes)[labels]
        log_p = log_softmax(logits, axis=1)
        return -(chosen * log_p).sum() / self.rows, (np.exp(log_p) - chosen) / self.rows

    def work(self):
        count = self.rows * self.classes
        return Work("float32", bytes=2 * 4 * count + 8 * self.rows, flops=5 * count, evaluations={"exp": count})

    def graphc(self):
        import graphc
        from graphc import sym

        logits = sym.var("logits", shape=(self.rows, self.classes), dtype="float32")
        labels = sym.var("labels", shape=(self.rows,), dtype="int64")
        loss = sym.mean(sym.cross_entropy(logits, labels))
        return graphc.compile([logits, labels], (loss, graphc.grad(loss, logits)))

    def numpy(self):
        def loss_and_gradient(logits, labels):
            every = np.arange(len(labels))
            shifted = logits - logits.max(axis=1, keepdims=True)
            chosen = shifted[every, labels]
            p = np.exp(shifted, out=shifted)
            total = p.sum(axis=1, keepdims=True)
            p *= np.float32(1 / len(labels)) / total
            p[every, labels] -= np.float32(1 / len(labels))
            return np.mean(np.log(total[:, 0]) - chosen), p

        return loss_and_gradient

    def jax(self):
        import jax
        import jax.numpy as jnp

        def loss(logits, labels):
            chosen = jnp.take_along_axis(logits, labels[:, None], axis=1)  # faster than from log_softmax
            return (jax.nn.logsumexp(logits, axis=1, keepdims=True) - chosen).mean()

        return jax.jit(jax.value_and_grad(loss))

    def torch(self):
        from torch.nn.functional import cross_entropy

        return torch_gradients.eager(cross_entropy, [0])

    def torch_compile(self):
        from torch.nn.functional import cross_entropy

        return torch_gradients.compiled(cross_entropy, [0])

    def pytensor(self):
        import pytensor
        import pytensor.tensor as pt

        logits, labels = pt.fmatrix("logits"), pt.lvector("labels")
        log_p = pt.special.log_softmax(logits, axis=1)
        loss = -log_p[pt.arange(self.rows), labels].mean(dtype="float32")
        f = pytensor.function([logits, labels], [loss, pytensor.grad(loss, logits)])
        f.trust_input = True
        return f

    def numba(self):
        import numba

        @numba.njit(fastmath=True, error_model="numpy")
        def loss_and_gradient(logits, labels):
            rows, classes = logits.shape
            gradient = np.empty_like(logits)
            loss = 0.0
            for i in range(rows):
                top = logits[i].max()
                total = np.float32(0)
                for j in range(classes):
                    gradient[i, j] = np.exp(logits[i, j] - top)
                    total += gradient[i, j]
                scale = np.float32(1) / (total * np.float32(rows))
                for j in range(classes):
                    gradient[i, j] *= scale
                gradient[i, labels[i]] -= np.float32(1) / np.float32(rows)
                loss += np.log(total) + top - logits[i, labels[i]]
            return loss / rows, gradient

        return loss_and_gradient


WORKLOADS = (CrossEntropy(),)
SMALL = (CrossEntropy(5, 7),)
