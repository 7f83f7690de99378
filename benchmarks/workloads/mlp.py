"""A training step of a perceptron 784-256-128-10: forward, backward and Adam, state in and new state out."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from benchmarks import torch_gradients
from benchmarks.workload import Target, Work, Workload

WIDTHS = (784, 256, 128, 10)
SHAPES = tuple(shape for m, n in pairwise(WIDTHS) for shape in ((m, n), (n,)))
RATE, BETA1, BETA2, EPS = 1e-3, 0.9, 0.999, 1e-8


def network(relu, x, parameters):
    """The logits, in any library with `@`."""
    w1, b1, w2, b2, w3, b3 = parameters
    return relu(relu(x @ w1 + b1) @ w2 + b2) @ w3 + b3


def adam(sqrt, t, p, m, v, g):
    """The parameter and its two moments after step t with gradient g, in any library with arithmetic."""
    m = BETA1 * m + (1 - BETA1) * g
    v = BETA2 * v + (1 - BETA2) * g * g
    return p - RATE * (m / (1 - BETA1**t)) / (sqrt(v / (1 - BETA2**t)) + EPS), m, v


def training_step(loss_and_gradients, update):
    """The whole step: (x, labels, t, parameters, moments) to (loss, t + 1, parameters, moments), all flat."""

    def step(x, labels, t, *state):
        parameters, m, v = state[:6], state[6:12], state[12:]
        loss, gradients = loss_and_gradients(x, labels, parameters)
        t = t + 1
        updated = [update(t, *arrays) for arrays in zip(parameters, m, v, gradients, strict=True)]
        return loss, t, *(array for group in zip(*updated, strict=True) for array in group)

    return step


def first_state(rng, shapes):
    """The number of steps done, parameters, and moments as after these."""
    parameters = [rng.standard_normal(shape, np.float32) * np.float32(shape[0] ** -0.5) for shape in shapes]
    means = [rng.standard_normal(shape, np.float32) * np.float32(0.01) for shape in shapes]
    squares = [rng.random(shape, np.float32) * np.float32(0.01) for shape in shapes]
    return np.array(10, np.float32), *parameters, *means, *squares


# -- the step in each library ---------------------------------------------------------------------------------


def graphc_variables(rows, inputs, shapes):
    """Variables for images, labels and the state."""
    from graphc import sym

    images, labels = (
        sym.var("x", shape=(rows, inputs), dtype="float32"),
        sym.var("labels", shape=(rows,), dtype="int64"),
    )
    arrays = [sym.var(f"{kind}{k}", shape=shape, dtype="float32") for kind in "pmv" for k, shape in enumerate(shapes)]
    return images, labels, sym.var("t", shape=(), dtype="float32"), *arrays


def graphc_step():
    """The step of nodes."""
    import graphc
    from graphc import sym

    def loss_and_gradients(x, labels, parameters):
        loss = sym.cross_entropy(network(sym.relu, x, parameters), labels)
        return loss, graphc.grad(loss, list(parameters))

    return training_step(loss_and_gradients, lambda *nodes: adam(sym.sqrt, *nodes))


def jax_step():
    """The step in JAX, not compiled yet."""
    import jax
    import jax.numpy as jnp

    def loss(parameters, x, labels):
        logits = network(jax.nn.relu, x, parameters)
        chosen = jnp.take_along_axis(logits, labels[:, None], axis=1)
        return (jax.nn.logsumexp(logits, axis=1, keepdims=True) - chosen).mean()

    def loss_and_gradients(x, labels, parameters):
        return jax.value_and_grad(loss)(parameters, x, labels)

    return training_step(loss_and_gradients, lambda *arrays: adam(jnp.sqrt, *arrays))


def torch_step():
    """The step in eager PyTorch."""
    import torch
    from torch.nn.functional import cross_entropy

    def loss_and_gradients(x, labels, parameters):
        leaves = [p.detach().requires_grad_() for p in parameters]
        loss = cross_entropy(network(torch.relu, x, leaves), labels)
        return loss.detach(), torch.autograd.grad(loss, leaves)

    return training_step(loss_and_gradients, lambda *arrays: adam(torch.sqrt, *arrays))


# -- by hand --------------------------------------------------------------------------------------------------


def exact_adam(*arrays):
    """Adam in float64."""
    return adam(np.sqrt, *arrays)


def exact_loss_and_gradients(x, labels, parameters):
    """The plainest backpropagation."""
    from scipy.special import softmax

    layers = [x]
    for w, b in zip(parameters[::2], parameters[1::2], strict=True):
        layers.append(np.maximum(layers[-1], 0) @ w + b if len(layers) > 1 else x @ w + b)
    p, chosen = softmax(layers[-1], axis=1), np.eye(WIDTHS[-1])[labels]
    g, gradients = (p - chosen) / len(x), []
    for k in (2, 1, 0):
        below = np.maximum(layers[k], 0) if k else x
        gradients = [below.T @ g, g.sum(axis=0), *gradients]
        g = (g @ parameters[2 * k].T) * (layers[k] > 0)
    return -(np.log(p) * chosen).sum() / len(x), gradients


@dataclass(frozen=True)
class Mlp(Workload):
    """One mini-batch."""

    name = "mlp"
    targets = (Target("jax", 1 / 0.8),)
    batch: int

    def inputs(self):
        rng = np.random.default_rng(0)
        x = rng.standard_normal((self.batch, WIDTHS[0]), np.float32)
        labels = rng.integers(WIDTHS[-1], size=self.batch)
        return x, labels, *first_state(rng, SHAPES)

    def reference(self, x, labels, t, *state):
        return training_step(exact_loss_and_gradients, exact_adam)(x, labels, t, *state)

    def work(self):
        weights = sum(m * n for m, n in pairwise(WIDTHS))
        products = 3 * weights - WIDTHS[0] * WIDTHS[1]  # forward, by weights, by inputs but for the first layer's
        parameters = weights + sum(WIDTHS[1:])
        moved = 4 * (6 * parameters + self.batch * WIDTHS[0]) + 8 * self.batch
        return Work("float32", bytes=moved, flops=2 * self.batch * products + 12 * parameters)

    def graphc(self):
        import graphc

        variables = graphc_variables(self.batch, WIDTHS[0], SHAPES)
        return graphc.compile(variables, graphc_step()(*variables))

    def numpy(self):
        return training_step(numpy_loss_and_gradients, numpy_adam)

    def jax(self):
        import jax

        return jax.jit(jax_step())

    def torch(self):
        return torch_step()

    def torch_compile(self):
        import torch
        from torch.nn.functional import cross_entropy

        def loss(parameters, x, labels):
            return cross_entropy(network(torch.relu, x, parameters), labels)

        def loss_and_gradients(x, labels, parameters):
            gradients, value = torch.func.grad_and_value(loss)(parameters, x, labels)
            return value, gradients

        step = training_step(loss_and_gradients, lambda *arrays: adam(torch.sqrt, *arrays))
        return torch_gradients.compile_afresh(step)

    def pytensor(self):
        import pytensor
        import pytensor.tensor as pt

        def loss_and_gradients(x, labels, parameters):
            log_p = pt.special.log_softmax(network(lambda y: pt.maximum(y, 0), x, parameters), axis=1)
            loss = -log_p[pt.arange(self.batch), labels].mean(dtype="float32")
            return loss, pytensor.grad(loss, list(parameters))

        with pytensor.scalar.autocast_float_as("float32"):
            state = [pt.tensor(dtype="float32", shape=shape) for _ in "pmv" for shape in SHAPES]
            arrays = [pt.fmatrix("x"), pt.lvector("labels"), pt.fscalar("t"), *state]
            step = training_step(loss_and_gradients, lambda *nodes: adam(pt.sqrt, *nodes))
            f = pytensor.function(arrays, step(*arrays))
        f.trust_input = True
        return f


def numpy_loss_and_gradients(x, labels, parameters):
    """The same as one writes it for speed."""
    w1, b1, w2, b2, w3, b3 = parameters
    every = np.arange(len(labels))
    h1 = x @ w1
    h1 += b1
    np.maximum(h1, 0, out=h1)
    h2 = h1 @ w2
    h2 += b2
    np.maximum(h2, 0, out=h2)
    logits = h2 @ w3
    logits += b3
    logits -= logits.max(axis=1, keepdims=True)
    g3 = np.exp(logits)
    total = g3.sum(axis=1, keepdims=True)
    loss = np.mean(np.log(total[:, 0]) - logits[every, labels])
    g3 /= total
    g3[every, labels] -= 1
    g3 /= len(labels)
    g2 = g3 @ w3.T
    g2 *= h2 > 0
    g1 = g2 @ w2.T
    g1 *= h1 > 0
    return loss, (x.T @ g1, g1.sum(axis=0), h1.T @ g2, g2.sum(axis=0), h2.T @ g3, g3.sum(axis=0))


def numpy_adam(t, p, m, v, g):
    """Consumes the gradient's memory."""
    m = BETA1 * m
    m += (1 - BETA1) * g
    g *= g
    g *= 1 - BETA2
    v = BETA2 * v
    v += g
    step = np.sqrt(v, out=g)
    step *= (1 - BETA2**t) ** -0.5
    step += EPS
    np.divide(m, step, out=step)
    step *= RATE / (1 - BETA1**t)
    return np.subtract(p, step, out=step), m, v


WORKLOADS = (Mlp(32), Mlp(128), Mlp(1024))
SMALL = (Mlp(3),)
