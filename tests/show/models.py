"""The classic patterns that printers and costs are tested on."""

from graphc import grad, sym
from graphc.graph import Graph
from graphc.kernel.fuse import fuse
from graphc.kernel.program import Program
from graphc.node import Node
from graphc.passes.pipeline import optimise


def program(graph: Graph) -> Program:
    """What is compiled where there is a BLAS."""
    graph = optimise(graph, library=True)
    return Program.of(graph, fuse(graph))


def affine() -> Graph:
    a, b = sym.var("a", shape=("n",)), sym.var("b", shape=("n",))
    return Graph((a, b), (2 * a + b,))


def softmax() -> Graph:
    x = sym.var("x", shape=(4096, 1000), dtype="float32")
    return Graph((x,), (sym.softmax(x),))


def cross_entropy() -> Graph:
    """Value and gradient."""
    x = sym.var("x", shape=(4096, 1000), dtype="float32")
    target = sym.var("target", shape=(4096,), dtype="int64")
    loss = sym.cross_entropy(x, target)
    return Graph((x, target), (loss, grad(loss, x)))


def layer_norm() -> Graph:
    """Value and gradients, for a head."""
    x, head = (sym.var(name, shape=("n", 1024), dtype="float32") for name in ("x", "head"))
    scale, shift = (sym.var(name, shape=(1024,), dtype="float32") for name in ("scale", "shift"))
    y = sym.layer_norm(x, scale, shift)
    return Graph((x, scale, shift, head), (y, *grad(y, [x, scale, shift], head=head)))


def logistic_regression() -> Graph:
    """Loss and gradient."""
    x, w, y = sym.var("x", shape=("n", 50)), sym.var("w", shape=(50,)), sym.var("y", shape=("n",))
    score = x @ w
    loss = sym.mean(sym.softplus(score) - y * score)
    return Graph((x, w, y), (loss, grad(loss, w)))


def mlp() -> Graph:
    """One step of gradient descent."""
    x, target = sym.var("x", shape=("n", 64), dtype="float32"), sym.var("target", shape=("n",), dtype="int64")
    weights: list[Node] = []
    hidden = x
    for k, shape in enumerate([(64, 32), (32, 10)]):
        w = sym.var(f"w{k}", shape=shape, dtype="float32")
        b = sym.var(f"b{k}", shape=shape[1:], dtype="float32")
        hidden = (sym.relu(hidden) if k else hidden) @ w + b
        weights += [w, b]
    loss = sym.cross_entropy(hidden, target)
    steps = [w - 0.1 * g for w, g in zip(weights, grad(loss, weights))]
    return Graph((x, target, *weights), (loss, *steps))


CLASSICS = [affine, softmax, cross_entropy, layer_norm, logistic_regression, mlp]
