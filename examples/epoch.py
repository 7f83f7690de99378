"""A training epoch as one compiled call: a scan over mini-batches, with weights and moments that live in the program.

    python examples/epoch.py

The same training is done step by step beside it, from the same start and in the same order, to the same bits.
"""

import statistics
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np

import graphc
from graphc import optim, sym

BATCH, EPOCHS = 64, 20
WIDTHS = (64, 128, 10)

Parameters = dict[str, graphc.Node]


def start() -> dict[str, graphc.State]:
    """Weights drawn by He's rule, and biases of zero: the same whenever it is called."""
    random, states = np.random.default_rng(1), {}
    for k, (m, n) in enumerate(pairwise(WIDTHS)):
        weights = random.standard_normal((m, n)) * np.sqrt(2 / m)
        states[f"w{k}"] = graphc.state(weights.astype(np.float32), f"w{k}")
        states[f"b{k}"] = graphc.state(np.zeros(n, np.float32), f"b{k}")
    return states


def scores(p: Parameters, images: graphc.Node) -> graphc.Node:
    return sym.relu(images @ p["w0"] + p["b0"]) @ p["w1"] + p["b1"]


def loss(p: Parameters, batch: tuple[graphc.Node, graphc.Node]) -> graphc.Node:
    images, labels = batch
    return sym.cross_entropy(scores(p, images), labels)


# -- the same training twice --------------------------------------------------------------------------

x = sym.var("images", shape=("n", WIDTHS[0]), dtype="float32")
y = sym.var("labels", shape=("n",), dtype="int64")
adam = optim.adam(5e-3)

ours = start()
mean, updates = adam.epoch(loss, ours, (x, y), batch=BATCH)
epoch = graphc.compile([x, y], mean, updates=updates)

theirs = start()
one_loss = loss(theirs, (x, y))
step = graphc.compile([x, y], one_loss, updates=adam.minimize(one_loss, theirs))


def epoch_by_steps(images: np.ndarray, labels: np.ndarray) -> float:
    """The mean loss of an epoch whose loop is Python's."""
    total = 0.0
    for k in range(0, len(images), BATCH):
        some = images[k : k + BATCH], labels[k : k + BATCH]
        total += float(step(*some)) * len(some[0])
    return total / len(images)


def medians(functions: list[Callable[..., object]], arguments: tuple[np.ndarray, ...]) -> list[float]:
    """The median time of each function, their calls interleaved."""
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(30):
        for function, record in zip(functions, times):
            began = time.perf_counter()
            function(*arguments)
            record.append(time.perf_counter() - began)
    return [statistics.median(record) for record in times]


def main() -> None:
    data = np.load(Path(__file__).parent / "data" / "digits.npz")
    images, labels = data["images"].reshape(-1, 64).astype(np.float32) / 16, data["labels"].astype(np.int64)
    random = np.random.default_rng(0)
    held_out, rest = np.split(random.permutation(len(images)), [len(images) // 5])
    for number in range(1, EPOCHS + 1):
        order = random.permutation(rest)
        losses = epoch(images[order], labels[order]), epoch_by_steps(images[order], labels[order])
        if number % 5 == 0:
            print(f"epoch {number:2}  loss {losses[0]:.6f} in one call, {losses[1]:.6f} step by step")

    same = all(np.array_equal(ours[name].view(), theirs[name].view()) for name in ours)
    print(f"{len(updates)} states are updated; after {EPOCHS} epochs all weights are the same: {same}")
    predict = graphc.compile(x, sym.argmax(scores(ours, x), axis=1))
    print(f"held-out accuracy {np.mean(predict(images[held_out]) == labels[held_out]):.2%}")

    one, many = medians([epoch, epoch_by_steps], (images[rest], labels[rest]))
    count = -(-len(rest) // BATCH)
    print(f"an epoch of {count} steps: {one * 1e3:.2f} ms in one call, {many * 1e3:.2f} ms step by step")


if __name__ == "__main__":
    main()
