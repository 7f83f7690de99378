"""Reading handwritten digits with states: the network's weights live in the program, a step is a call on a batch."""

from pathlib import Path

import numpy as np

import graphc
from graphc import optim, sym

BATCH, EPOCHS = 64, 20

data = np.load(Path(__file__).parent / "data" / "digits.npz")
images, labels = data["images"].reshape(-1, 64).astype(np.float32) / 16, data["labels"].astype(np.int64)
random = np.random.default_rng(0)
held_out, rest = np.split(random.permutation(len(images)), [len(images) // 5])


def layer(inputs: int, outputs: int) -> dict[str, graphc.State]:
    """Weights drawn by He's rule, and biases of zero."""
    weights = random.standard_normal((inputs, outputs)) * np.sqrt(2 / inputs)
    return {"w": graphc.state(weights.astype(np.float32)), "b": graphc.state(np.zeros(outputs, np.float32))}


hidden, output = layer(64, 128), layer(128, 10)
x = sym.var("x", shape=("n", 64), dtype="float32")
label = sym.var("label", shape=("n",), dtype="int64")
scores = sym.relu(x @ hidden["w"] + hidden["b"]) @ output["w"] + output["b"]
loss = sym.cross_entropy(scores, label)

steps = EPOCHS * -(-len(rest) // BATCH)
adamw = optim.adamw(optim.schedule.warmup(20, optim.schedule.cosine(5e-3, steps)), weight_decay=1e-2)
train = graphc.compile([x, label], loss, updates=adamw.minimize(loss, [hidden, output]))
predict = graphc.compile(x, sym.argmax(scores, axis=1))

for epoch in range(1, EPOCHS + 1):
    order = random.permutation(rest)
    batches = np.split(order, range(BATCH, len(order), BATCH))
    mean = np.mean([train(images[batch], labels[batch]) for batch in batches])
    if epoch % 5 == 0:
        accuracy = np.mean(predict(images[held_out]) == labels[held_out])
        print(f"epoch {epoch:2}  loss {mean:.4f}  held-out accuracy {accuracy:.2%}")

print(f"a step updates {len(train.updates)} states in {len(train.kernels)} kernels")
