"""Fusion: which patterns are one kernel, what is stored between kernels, and what never is."""

import numpy as np
import pytest

import graphc
from graphc import sym
from graphc.graph import Graph
from graphc.kernel.axes import AxisClasses
from graphc.kernel.fuse import Contraction, fuse
from graphc.passes.pipeline import optimise


def kernels(outputs, **options):
    return schedule(outputs, **options).kernels


def schedule(outputs, library=True):
    return fuse(optimise(Graph.of(outputs), library))


def stored_elements(outputs):
    """How many elements are stored that are no outputs, by kernels or library calls."""
    graph = optimise(Graph.of(outputs), True)
    return sum(node.size for node in fuse(graph).stored if node not in set(graph.outputs))


X = sym.var("x", shape=(64, 100), dtype="float32")
V, W = sym.var("v", shape=(100,), dtype="float32"), sym.var("w", shape=(100,), dtype="float32")
LABELS = sym.var("labels", shape=(64,), dtype="int64")


@pytest.mark.parametrize(
    "output",
    [
        sym.softmax(X),
        sym.log_softmax(X) * 2,
        sym.layer_norm(X, V, W),
        X / sym.norm(X, axis=1, keepdims=True),
        (X - X.mean(axis=1, keepdims=True)) / sym.sqrt(X.var(axis=1, keepdims=True)),
        sym.sum(sym.tanh(X) ** 2),
        sym.sigmoid(X @ V),
        sym.logsumexp(X, axis=1) + sym.max(X, axis=1),
        sym.cross_entropy(X, LABELS, reduction="none"),
        sym.gelu(X + V) * X.T.T,
        sym.concat([X, X * 2], axis=1),
        sym.exp(X[:, ::-1]),
    ],
    ids=lambda node: node.name,
)
def test_a_pattern_over_rows_is_one_kernel_and_stores_nothing_else(output):
    assert len(kernels([output])) == 1
    assert stored_elements([output]) == 0


def test_value_and_gradients_of_layer_norm_are_one_kernel():
    head = sym.var("head", shape=X.shape, dtype="float32")
    y = sym.layer_norm(X, V, W)
    assert len(kernels([y, *graphc.grad(y, [X, V, W], head=head)])) == 1


def test_gradient_of_a_regression_reads_its_data_once():
    y = sym.var("y", shape=(64,), dtype="float32")
    z = X @ V
    loss = sym.mean(sym.softplus(z) - y * z)
    found = kernels([loss, graphc.grad(loss, V)])
    assert sum(X in set(kernel.reads()) for kernel in found) == 1


def test_sums_over_rows_and_columns_share_a_pass():
    assert len(kernels([X.sum(), X.sum(axis=0), X.sum(axis=1), sym.exp(X)])) == 1


def test_what_needs_a_column_waits_for_the_next_kernel():
    found = kernels([X - X.mean(axis=0)])
    assert len(found) == 2
    assert stored_elements([X - X.mean(axis=0)]) == 100


def test_a_costly_row_is_not_computed_again_for_every_row():
    found = kernels([X * sym.exp(V)])
    assert len(found) == 2 and stored_elements([X * sym.exp(V)]) == 100


def test_a_cheap_row_is():
    assert len(kernels([X * (V + 1)])) == 1


def test_a_value_for_two_shapes_is_stored_once():
    y = sym.exp(X)
    found = kernels([y @ sym.ones((100, 100), "float32"), y.T @ sym.ones((64, 64), "float32")])
    assert sum(node.op.transcendental for kernel in found for node in kernel.values) == 1


def test_attention_copies_no_heads_for_its_products():
    b, t, h, d = 2, 5, 3, 8
    q, k, v = (sym.var(name, shape=(b, t, h * d)) for name in "qkv")
    heads = [x.reshape((b, t, h, d)).transpose((0, 2, 1, 3)) for x in (q, k, v)]
    scores = sym.softmax(heads[0] @ heads[1].swapaxes(-1, -2), axis=-1)
    found = schedule([scores @ heads[2]])
    assert [type(step) for step in found.steps].count(Contraction) == 2
    assert len(found.kernels) == 1


def test_dense_layers_are_products_and_one_kernel_each():
    w, b = sym.var("weights", shape=(100, 30), dtype="float32"), sym.var("bias", shape=(30,), dtype="float32")
    found = schedule([sym.relu(X @ w + b)])
    assert [type(step).__name__ for step in found.steps] == ["Contraction", "Kernel"]


@pytest.mark.parametrize("axis", [0, 1])
def test_parts_of_one_size_are_computed_and_joined_in_one_kernel(axis):
    shared = sym.exp(X)
    joined = sym.concat([shared, shared * 2, shared + X], axis=axis)
    (kernel,) = kernels(joined)
    assert sum(node.op.name == "exp" for node in kernel.values) == 1 and len(kernel.statements) == 3
    x = np.random.default_rng(0).normal(size=X.shape).astype("float32")
    e = np.exp(x)
    np.testing.assert_allclose(graphc.compile(X, joined)(x), np.concatenate([e, e * 2, e + x], axis), atol=1e-5)


def test_what_reads_joined_parts_elsewhere_waits_for_their_kernel():
    joined = sym.concat([sym.exp(X), sym.sin(X) * sym.cos(X)], axis=1)
    first, second = kernels([joined, joined + sym.flip(joined, 1)])
    assert len(first.statements) == 2 and joined in set(second.reads())


def test_a_transposed_read_of_a_reduced_row_is_right():
    s = sym.var("s", shape=(7, 7))
    y = sym.softmax(s)
    f = graphc.compile(s, [y.T + y, y[::-1, ::2], y.sum(axis=0)])
    data = np.random.default_rng(0).normal(size=(7, 7))
    e = np.exp(data - data.max(1, keepdims=True))
    p = e / e.sum(1, keepdims=True)
    for got, expected in zip(f(data), [p.T + p, p[::-1, ::2], p.sum(0)], strict=True):
        np.testing.assert_allclose(got, expected)


def test_a_sum_over_an_axis_of_one_element_needs_no_loop():
    s = sym.var("s", shape=())
    y = sym.sum(sym.sum(sym.broadcast_to(s, (5, 1)) * 2, axis=1).reshape(5, 1))
    f = graphc.compile(s, [y, graphc.grad(y, s)])
    assert f(3.0) == [30, 10]
    assert all(axis.extent == 5 for kernel in f.kernels for axis in kernel.axes)


def test_kernels_that_only_look_alike_stay_apart_where_one_reads_the_other():
    a = sym.var("a", shape=(50,))
    shifted = sym.exp(a)[1:] * sym.exp(a)[:-1]
    f = graphc.compile(a, [sym.exp(a), shifted])
    data = np.linspace(0, 1, 50)
    np.testing.assert_allclose(f(data)[1], np.exp(data)[1:] * np.exp(data)[:-1])
    assert sum(node.op.transcendental for kernel in f.kernels for node in kernel.values) == 1


def test_unfused_every_operator_has_a_kernel():
    graph = optimise(Graph.of([sym.softmax(X)]), True)
    assert len(fuse(graph, merge=False).kernels) == 5


# -- axes -------------------------------------------------------------------------------------------


def test_axes_of_elementwise_operators_are_one_class():
    y = sym.exp(X) + V
    graph = optimise(Graph.of([y]), True)
    classes = AxisClasses(graph.nodes)
    (sum_,) = graph.outputs
    assert classes[sum_] == classes[X] and classes[V] == classes[X][1:]


def test_two_axes_of_one_node_never_become_one():
    s = sym.var("s", shape=(4, 4))
    graph = optimise(Graph.of([s + s.T]), True)
    classes = AxisClasses(graph.nodes)
    assert all(len(set(classes[node])) == node.ndim for node in graph.nodes)


def test_arrays_share_a_kernel_if_something_reads_both():
    a, b = sym.var("a", shape=(64,)), sym.var("b", shape=(64,))
    assert len(kernels([sym.exp(a), sym.exp(b)])) == 2
    assert len(kernels([sym.exp(a), sym.exp(b), sym.exp(a + b)])) == 1


def test_scalars_share_a_kernel_whatever_they_read():
    a, b = sym.var("a", shape=()), sym.var("b", shape=())
    assert len(kernels([sym.exp(a), sym.exp(b)])) == 1


def test_a_sum_joins_a_kernel_that_reads_its_data_not_the_last_that_has_its_loops():
    y, products = X, []
    for k in range(4):
        products.append(y @ sym.var(f"w{k}", shape=(100, 100), dtype="float32"))
        y = sym.tanh(y + products[-1])
    found = kernels([y, *(sym.sum(product * product, axis=0) for product in products)])
    assert [len(list(kernel.reads())) for kernel in found] == [2, 2, 2, 2]


def test_what_many_concats_put_together_is_stored_on_the_way():
    y, outputs = sym.var("x", shape=(5, 8), dtype="float32"), []
    for k in range(20):
        y = sym.concat([y, sym.var(f"y{k}", shape=(5, 3), dtype="float32")], axis=1)
        outputs.append(sym.sum(sym.exp(y)))
    assert max(len(kernel.values) for kernel in kernels(outputs)) < 30


def test_long_chains_of_numbers_are_cut_into_kernels_of_a_bounded_size():
    x, w = sym.var("x", shape=()), sym.var("w", shape=())
    y = x
    for _ in range(2000):
        y = sym.sin(y * w) + 0.1 * y
    found = kernels([y, *graphc.grad(y, [x, w])])
    assert 3 < len(found) < 20
    assert max(len(kernel.values) for kernel in found) < 6000
