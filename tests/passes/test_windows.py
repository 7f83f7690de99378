"""Windows are copied for every product that reads them, and not kept from one to the next."""

import numpy as np

from graphc import compile, grad, sym
from graphc.graph import Graph
from graphc.interpret import interpret
from graphc.ops.copy import AGAIN
from graphc.passes.windows import part_windows

RNG = np.random.default_rng(0)


def network(layers, size=40, groups=1):
    """A loss of some convolutions in a row, their weights, and the image."""
    y = x = sym.var("x", shape=(2, 4, size, size))
    weights = [sym.var(f"w{k}", shape=(4, 4 // groups, 3, 3)) for k in range(layers)]
    for w in weights:
        y = sym.tanh(sym.conv(y, w, padding=1, groups=groups))
    return sym.sum(y * y), weights, x


def again(graph):
    return [node for node in graph.nodes if node.op is AGAIN]


def test_windows_that_one_product_reads_stay():
    loss, _, _ = network(2)
    graph = Graph.of(loss)
    assert part_windows(graph).outputs[0] is loss


def test_each_of_several_products_has_its_own():
    loss, weights, _ = network(1)
    graph = part_windows(Graph.of([loss, grad(loss, weights[0])]))
    assert [node.params for node in again(graph)] == [(1,), (2,)]


def test_no_layer_keeps_its_windows_for_the_gradients():
    windows = 8 * 2 * 4 * 9 * 40 * 40
    sizes = []
    for layers in (1, 4):
        loss, weights, x = network(layers)
        sizes.append(compile([x, *weights], [loss, *grad(loss, weights)]).cost().workspace)
    assert sizes[1] - sizes[0] < windows  # three more activations, and not three times the windows


def test_values_and_gradients_are_the_same():
    for groups in (1, 2):
        loss, weights, x = network(2, 20, groups)
        outputs = [loss, *grad(loss, weights)]
        data = [RNG.normal(size=node.shape) for node in (x, *weights)]
        found = compile([x, *weights], outputs)(*data)
        for got, expected in zip(found, interpret(outputs, dict(zip((x, *weights), data)))):
            np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-12)
