"""Embedding: rows of a table at computed places, averaged over each sentence; a loss and its gradient by the table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks import torch_gradients
from benchmarks.workload import Work, Workload


@dataclass(frozen=True)
class Embedding(Workload):
    """Half the squared distance of averages from a target. The gradient is as large as the table, and mostly zero."""

    name = "embedding"
    vocabulary: int = 10_000
    features: int = 64
    sentences: int = 32
    length: int = 20

    def inputs(self):
        rng = np.random.default_rng(0)
        table, target = (rng.standard_normal((n, self.features), np.float32) for n in (self.vocabulary, self.sentences))
        return table, rng.integers(0, self.vocabulary, (self.sentences, self.length)), target

    def reference(self, table, words, target):
        apart = table[words].mean(axis=1) - target
        gradient = np.zeros_like(table)
        np.add.at(gradient, words, apart[:, None] / self.length)
        return 0.5 * (apart * apart).sum(), gradient

    def work(self):
        read = self.sentences * self.length * self.features
        return Work("float32", bytes=4 * (2 * read + self.vocabulary * self.features), flops=3 * read)

    def graphc(self):
        import graphc
        from graphc import sym

        table = sym.var("table", shape=(self.vocabulary, self.features), dtype="float32")
        words = sym.var("words", shape=(self.sentences, self.length), dtype="int64")
        target = sym.var("target", shape=(self.sentences, self.features), dtype="float32")
        apart = table[words].mean(axis=1) - target
        loss = 0.5 * (apart * apart).sum()
        return graphc.compile([table, words, target], (loss, graphc.grad(loss, table)))

    def numpy(self):
        return self.reference

    def jax(self):
        import jax

        def loss(table, words, target):
            apart = table[words].mean(axis=1) - target
            return 0.5 * (apart * apart).sum()

        return jax.jit(jax.value_and_grad(loss))

    def torch(self):
        import torch

        def loss_and_gradient(table, words, target):
            leaf = table.detach().requires_grad_()
            apart = torch.nn.functional.embedding(words, leaf).mean(dim=1) - target
            loss = 0.5 * (apart * apart).sum()
            return loss.detach(), *torch.autograd.grad(loss, [leaf])

        return loss_and_gradient

    def torch_compile(self):
        import torch

        def loss(table, words, target):
            apart = torch.nn.functional.embedding(words, table).mean(dim=1) - target
            return 0.5 * (apart * apart).sum()

        def loss_and_gradient(table, words, target):
            gradient, value = torch.func.grad_and_value(loss)(table, words, target)
            return value, gradient

        return torch_gradients.compile_afresh(loss_and_gradient)

    def numba(self):
        import numba

        @numba.njit(fastmath=True)
        def loss_and_gradient(table, words, target):
            gradient, loss = np.zeros_like(table), np.float32(0)
            share = np.float32(1) / np.float32(words.shape[1])
            apart = np.empty_like(table[0])
            for i in range(words.shape[0]):
                apart[:] = 0
                for k in words[i]:
                    apart += table[k]
                for j in range(apart.shape[0]):
                    apart[j] = apart[j] * share - target[i, j]
                    loss += apart[j] * apart[j]
                for k in words[i]:
                    for j in range(apart.shape[0]):
                        gradient[k, j] += apart[j] * share
            return np.float32(0.5) * loss, gradient

        return loss_and_gradient


WORKLOADS = (Embedding(),)
SMALL = (Embedding(7, 3, 2, 4),)
