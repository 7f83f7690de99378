"""Logistic regression: the mean loss and its gradients by weights and bias, one pass over the data if fused."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks import torch_gradients
from benchmarks.workload import Work, Workload


@dataclass(frozen=True)
class LogisticRegression(Workload):
    """Rows of features, a label of 0 or 1 each."""

    name = "logistic_regression"
    rows: int = 100_000
    features: int = 50

    def inputs(self):
        rng = np.random.default_rng(0)
        x = rng.standard_normal((self.rows, self.features))
        labels = rng.integers(2, size=self.rows).astype(np.float64)
        return x, labels, rng.standard_normal(self.features) / self.features**0.5, np.array(0.1)

    def reference(self, x, labels, w, b):
        z = (x * w).sum(axis=1) + b
        residual = (1 / (1 + np.exp(-z)) - labels) / self.rows
        loss = np.mean(labels * np.log1p(np.exp(-z)) + (1 - labels) * np.log1p(np.exp(z)))
        return loss, (x * residual[:, None]).sum(axis=0), residual.sum()

    def work(self):
        count = self.rows * self.features
        once = {"exp": self.rows, "log": self.rows}
        return Work("float64", bytes=8 * (count + self.rows), flops=4 * count, evaluations=once)

    def graphc(self):
        import graphc
        from graphc import sym

        shapes = {"x": (self.rows, self.features), "labels": (self.rows,), "w": (self.features,), "b": ()}
        x, labels, w, b = (sym.var(name, shape=shape, dtype="float64") for name, shape in shapes.items())
        z = x @ w + b
        loss = sym.mean(sym.softplus(z) - labels * z)
        return graphc.compile([x, labels, w, b], (loss, *graphc.grad(loss, [w, b])))

    def numpy(self):
        from scipy.special import expit

        def loss_and_gradients(x, labels, w, b):
            z = x @ w
            z += b
            loss = np.mean(np.logaddexp(0, z) - labels * z)
            residual = expit(z, out=z)
            residual -= labels
            residual /= len(labels)
            return loss, residual @ x, residual.sum()

        return loss_and_gradients

    def jax(self):
        import jax

        def loss(x, labels, w, b):
            z = x @ w + b
            return (jax.nn.softplus(z) - labels * z).mean()

        @jax.jit
        def loss_and_gradients(*arrays):
            value, gradients = jax.value_and_grad(loss, (2, 3))(*arrays)
            return value, *gradients

        return loss_and_gradients

    def torch(self):
        return torch_gradients.eager(_torch_loss(), [2, 3])

    def torch_compile(self):
        return torch_gradients.compiled(_torch_loss(), [2, 3])

    def pytensor(self):
        import pytensor
        import pytensor.tensor as pt

        arrays = x, labels, w, b = pt.dmatrix("x"), pt.dvector("labels"), pt.dvector("w"), pt.dscalar("b")
        z = x @ w + b
        loss = (pt.softplus(z) - labels * z).mean()
        f = pytensor.function(arrays, [loss, *pytensor.grad(loss, [w, b])])
        f.trust_input = True
        return f

    def numba(self):
        import numba

        @numba.njit(fastmath=True, error_model="numpy")
        def loss_and_gradients(x, labels, w, b):
            rows, features = x.shape
            dw, db, loss = np.zeros_like(w), 0.0, 0.0
            for i in range(rows):
                z = b[()]
                for j in range(features):
                    z += x[i, j] * w[j]
                e = np.exp(-abs(z))
                residual = ((1.0 if z > 0 else e) / (1 + e) - labels[i]) / rows
                loss += max(z, 0.0) + np.log1p(e) - labels[i] * z
                db += residual
                for j in range(features):
                    dw[j] += residual * x[i, j]
            return loss / rows, dw, db

        return loss_and_gradients


def _torch_loss():
    from torch.nn.functional import binary_cross_entropy_with_logits

    return lambda x, labels, w, b: binary_cross_entropy_with_logits(x @ w + b, labels)


WORKLOADS = (LogisticRegression(),)
SMALL = (LogisticRegression(11, 3),)
