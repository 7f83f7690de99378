"""An epoch on handwritten digits: Adam's steps on a perceptron 64-128-64-10, one batch after another."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.workload import Target, Work, Workload
from benchmarks.workloads.mlp import (
    exact_adam,
    exact_loss_and_gradients,
    first_state,
    graphc_step,
    graphc_variables,
    jax_step,
    numpy_adam,
    numpy_loss_and_gradients,
    torch_step,
    training_step,
)

DIGITS = Path(__file__).parents[2] / "examples" / "data" / "digits.npz"
WIDTHS = (64, 128, 64, 10)
SHAPES = tuple(shape for m, n in pairwise(WIDTHS) for shape in ((m, n), (n,)))


def step_by_step(step, batch):
    """An epoch whose loop is Python's: (images, labels, t, parameters, moments) to the mean loss and the new ones."""

    def epoch(images, labels, *state):
        losses = []
        for k in range(0, len(images), batch):
            loss, *state = step(images[k : k + batch], labels[k : k + batch], *state)
            losses.append(loss)
        return sum(losses) / len(losses), *state

    return epoch


@dataclass(frozen=True)
class DigitsEpoch(Workload):
    """Whole batches only: what is left of the data is left out."""

    name = "digits_epoch"
    targets = (Target("jax", 1.0), Target("torch", 1.0), Target("graphc steps", 1.0))
    steps: int = 22
    batch: int = 64

    def inputs(self):
        data, rng = np.load(DIGITS), np.random.default_rng(0)
        chosen = rng.permutation(len(data["images"]))[: self.steps * self.batch]
        images = data["images"].reshape(-1, WIDTHS[0])[chosen].astype(np.float32) / 16
        return images, data["labels"][chosen].astype(np.int64), *first_state(rng, SHAPES)

    def reference(self, *arrays):
        return step_by_step(training_step(exact_loss_and_gradients, exact_adam), self.batch)(*arrays)

    def work(self):
        weights = sum(m * n for m, n in pairwise(WIDTHS))
        products = 3 * weights - WIDTHS[0] * WIDTHS[1]
        parameters, rows = weights + sum(WIDTHS[1:]), self.steps * self.batch
        moved = 4 * (6 * parameters + rows * WIDTHS[0]) + 8 * rows
        return Work("float32", bytes=moved, flops=2 * rows * products + 12 * self.steps * parameters)

    def graphc(self):
        import graphc
        from graphc import sym

        step = graphc_step()

        def body(state, batch):
            loss, *state = step(*batch, *state)
            return state, loss

        images, labels, *state = graphc_variables(self.steps * self.batch, WIDTHS[0], SHAPES)
        batches = [x.reshape(self.steps, self.batch, *x.shape[1:]) for x in (images, labels)]
        after, losses = sym.scan(body, state, batches)
        return graphc.compile([images, labels, *state], [sym.mean(losses), *after])

    def graphc_steps(self):
        import graphc

        variables = graphc_variables(self.batch, WIDTHS[0], SHAPES)
        return step_by_step(graphc.compile(variables, graphc_step()(*variables)), self.batch)

    def numpy(self):
        return step_by_step(training_step(numpy_loss_and_gradients, numpy_adam), self.batch)

    def jax(self):
        import jax

        step = jax_step()

        def body(state, batch):
            value, *state = step(*batch, *state)
            return tuple(state), value

        @jax.jit
        def epoch(images, labels, *state):
            batches = tuple(x.reshape(self.steps, self.batch, *x.shape[1:]) for x in (images, labels))
            after, losses = jax.lax.scan(body, state, batches)
            return losses.mean(), *after

        return epoch

    def torch(self):
        return step_by_step(torch_step(), self.batch)


WORKLOADS = (DigitsEpoch(),)
SMALL = (DigitsEpoch(2, 3),)
