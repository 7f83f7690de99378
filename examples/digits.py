"""Learning to read handwritten digits: a two-hidden-layer perceptron whose whole training step is one compiled graph.

    python examples/digits.py

Forward pass, loss, gradients and Adam's update are one graph and become one native function. The batch size is
symbolic: the last, smaller batch runs in the same code. The same step in plain NumPy stands beside it.
"""

import statistics
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np

import graphc
from graphc import sym

WIDTHS = (64, 128, 64, 10)
BATCH, EPOCHS, SEEDS = 64, 40, (0, 1, 2)
RATE, DECAY, DECAY_SQUARE, TINY = 4e-3, 0.9, 0.999, 1e-8
SMOOTHING = 0.1  # how much of each label is spread over all ten digits

Arrays = list[np.ndarray]


# -- the model, as a graph ----------------------------------------------------------------------------


def variables(prefix: str) -> list[graphc.Node]:
    """A weight matrix and a bias for each layer."""
    shapes = [shape for m, n in pairwise(WIDTHS) for shape in ((m, n), (n,))]
    return [sym.var(f"{prefix}{i}", shape=shape, dtype="float32") for i, shape in enumerate(shapes)]


def logits(images: graphc.Node, weights: list[graphc.Node]) -> graphc.Node:
    w1, b1, w2, b2, w3, b3 = weights
    hidden = sym.relu(images @ w1 + b1)
    return sym.relu(hidden @ w2 + b2) @ w3 + b3


def smoothed_cross_entropy(scores: graphc.Node, labels: graphc.Node) -> graphc.Node:
    even = -sym.mean(sym.log_softmax(scores))
    return (1 - SMOOTHING) * sym.cross_entropy(scores, labels) + SMOOTHING * even


def adam(
    w: graphc.Node, g: graphc.Node, m: graphc.Node, v: graphc.Node, rate: graphc.Node
) -> tuple[graphc.Node, graphc.Node, graphc.Node]:
    """The new parameter and the new running means of its gradient and of the gradient's square."""
    m = DECAY * m + (1 - DECAY) * g
    v = DECAY_SQUARE * v + (1 - DECAY_SQUARE) * g * g
    return w - rate * m / (sym.sqrt(v) + TINY), m, v


class Network:
    """The compiled functions: one step of training, and prediction."""

    def __init__(self) -> None:
        self.images = sym.var("images", shape=("n", 64), dtype="float32")
        labels = sym.var("labels", shape=("n",), dtype="int64")
        time_step = sym.var("time", shape=(), dtype="float32")
        weights, means, squares = variables("w"), variables("m"), variables("v")

        scores = logits(self.images, weights)
        self.loss = smoothed_cross_entropy(scores, labels)
        gradients = graphc.grad(self.loss, weights)
        rate = RATE * sym.sqrt(1 - DECAY_SQUARE**time_step) / (1 - DECAY**time_step)
        updates = [adam(w, g, m, v, rate) for w, g, m, v in zip(weights, gradients, means, squares)]
        self.outputs = [self.loss, *(new for update in zip(*updates) for new in update)]

        self.weights = weights
        self.step = graphc.compile([self.images, labels, time_step, *weights, *means, *squares], self.outputs)
        self.predict = graphc.compile([self.images, *weights], sym.argmax(scores, axis=1))


# -- the same step in plain NumPy ---------------------------------------------------------------------


def numpy_step(images: np.ndarray, labels: np.ndarray, time_step: np.ndarray, *state: np.ndarray) -> Arrays:
    w, m, v = list(state[:6]), list(state[6:12]), list(state[12:])
    h1 = np.maximum(images @ w[0] + w[1], 0)
    h2 = np.maximum(h1 @ w[2] + w[3], 0)
    scores = h2 @ w[4] + w[5]
    shifted = scores - scores.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    sums = exponentials.sum(axis=1, keepdims=True)
    target = np.full_like(scores, SMOOTHING / 10)
    target[np.arange(len(labels)), labels] += 1 - SMOOTHING
    loss = -np.sum(target * (shifted - np.log(sums))) / len(labels)

    g = (exponentials / sums - target) / len(labels)
    g2 = (g @ w[4].T) * (h2 > 0)
    g1 = (g2 @ w[2].T) * (h1 > 0)
    gradients = [images.T @ g1, g1.sum(axis=0), h1.T @ g2, g2.sum(axis=0), h2.T @ g, g.sum(axis=0)]

    rate = RATE * np.sqrt(1 - DECAY_SQUARE**time_step) / (1 - DECAY**time_step)
    m = [DECAY * a + (1 - DECAY) * g for a, g in zip(m, gradients)]
    v = [DECAY_SQUARE * a + (1 - DECAY_SQUARE) * g * g for a, g in zip(v, gradients)]
    w = [a - rate * b / (np.sqrt(c) + TINY) for a, b, c in zip(w, m, v)]
    return [loss, *w, *m, *v]


# -- training -----------------------------------------------------------------------------------------


def load() -> tuple[np.ndarray, np.ndarray]:
    data = np.load(Path(__file__).parent / "data" / "digits.npz")
    return data["images"].reshape(-1, 64).astype(np.float32) / 16, data["labels"].astype(np.int64)


def start(random: np.random.Generator) -> Arrays:
    """Parameters drawn by He's rule, and running means of zero."""
    weights = [
        array.astype(np.float32)
        for m, n in pairwise(WIDTHS)
        for array in (random.standard_normal((m, n)) * np.sqrt(2 / m), np.zeros(n))
    ]
    return weights + [np.zeros_like(w) for w in weights] * 2


def train(network: Network, images: np.ndarray, labels: np.ndarray, seed: int) -> float:
    """The share of a held-out fifth that is read correctly after training on the rest."""
    random = np.random.default_rng(seed)
    held_out, rest = np.split(random.permutation(len(images)), [len(images) // 5])
    state, steps, accuracy = start(random), 0, 0.0
    for epoch in range(EPOCHS):
        order = random.permutation(rest)
        for batch in np.split(order, range(BATCH, len(order), BATCH)):
            steps += 1
            loss, *state = network.step(images[batch], labels[batch], np.array(steps, np.float32), *state)
        accuracy = float(np.mean(network.predict(images[held_out], *state[:6]) == labels[held_out]))
        print(
            f"\rseed {seed}  epoch {epoch + 1:2}  loss {loss:.4f}  held-out accuracy {accuracy:.2%}", end="", flush=True
        )
    print()
    return accuracy


# -- what a person wants to see -----------------------------------------------------------------------


def report_graphs(network: Network) -> None:
    every_gradient = graphc.grad(network.loss, [network.images, *network.weights])
    sizes = {
        "loss alone": graphc.Graph.of(network.loss).nodes,
        "whole step before pruning, with the gradient of the images": graphc.Graph.of(
            [*network.outputs, *every_gradient]
        ).nodes,
        "after pruning, gradients of the weights only": graphc.Graph.of(network.outputs).nodes,
        "after simplification": network.step.graph.nodes,
        "kernels after fusion": network.step.kernels,
    }
    print("\nnodes of the graph")
    for stage, parts in sizes.items():
        print(f"{len(parts):6}  {stage}")
    print("\nkernels of the step, and the products between them")
    print(network.step.program)


def report_time(network: Network, images: np.ndarray, labels: np.ndarray) -> None:
    """Step time beside NumPy's, once the two are seen to agree."""
    arguments = (images[:BATCH], labels[:BATCH], np.array(10, np.float32), *start(np.random.default_rng(0)))
    for ours, theirs in zip(network.step(*arguments), numpy_step(*arguments), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5)
    compiled, plain = (median * 1e6 for median in medians([network.step, numpy_step], arguments))
    print(
        f"\none step of {BATCH} images: {compiled:.0f} µs; in NumPy {plain:.0f} µs, {plain / compiled:.1f} times that"
    )


def medians(functions: list[Callable[..., object]], arguments: tuple[np.ndarray, ...]) -> list[float]:
    """The median time of each function, their calls interleaved."""
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(300):
        for function, record in zip(functions, times):
            began = time.perf_counter()
            function(*arguments)
            record.append(time.perf_counter() - began)
    return [statistics.median(record) for record in times]


def main() -> None:
    images, labels = load()
    began = time.perf_counter()
    network = Network()
    print(f"compiled in {time.perf_counter() - began:.2f} s")
    began = time.perf_counter()
    accuracies = [train(network, images, labels, seed) for seed in SEEDS]
    print(f"trained {len(SEEDS)} times in {time.perf_counter() - began:.1f} s, worst accuracy {min(accuracies):.2%}")
    report_graphs(network)
    report_time(network, images, labels)
    assert min(accuracies) >= 0.97, f"accuracies {accuracies} should all reach 97 %"


if __name__ == "__main__":
    main()
