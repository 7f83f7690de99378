"""Sums over a batch of products become products of more terms, which add up in place."""

import numpy as np
import pytest

from graphc import compile, sym
from graphc.graph import Graph
from graphc.interpret import interpret
from graphc.ops.contraction import CONTRACT
from graphc.ops.reduction import SUM
from graphc.passes.batch import sum_batches

RNG = np.random.default_rng(0)


def ops(graph):
    return [node.op for node in graph.nodes if node.op in (CONTRACT, SUM)]


@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1)])
@pytest.mark.parametrize("terms", [3, 80])
def test_sum_over_a_batch_is_one_contraction(axes, terms):
    a, b = sym.var("a", shape=(3, 2, 5, terms)), sym.var("b", shape=(3, 2, terms, 6))
    y = sym.sum(sym.matmul(a, b), axis=axes)
    graph = sum_batches(Graph.of(y))
    assert ops(graph) == [CONTRACT]
    data = [RNG.normal(size=x.shape) for x in (a, b)]
    expected = interpret(y, dict(zip((a, b), data)))
    np.testing.assert_allclose(interpret(graph.outputs[0], dict(zip((a, b), data))), expected, rtol=1e-12)
    np.testing.assert_allclose(compile([a, b], y)(*data), expected, rtol=1e-12)


def test_sum_of_products_that_are_used_otherwise_stays():
    a, b = sym.var("a", shape=(3, 5, 8)), sym.var("b", shape=(3, 8, 6))
    y = sym.matmul(a, b)
    assert ops(sum_batches(Graph.of([y, sym.sum(y, axis=0)]))) == [CONTRACT, SUM]


@pytest.mark.parametrize(("batch", "axes"), [("n", (0,)), (0, (0,)), (3, (1,)), (3, (0, 2))])
def test_sum_over_anything_else_stays(batch, axes):
    a, b = sym.var("a", shape=(batch, 5, 8)), sym.var("b", shape=(batch, 8, 6))
    y = sym.sum(sym.matmul(a, b), axis=axes)
    assert sum_batches(Graph.of(y)).outputs[0] is y


def test_operand_that_is_the_same_for_all_of_a_batch_is_not_copied():
    a, b = sym.var("a", shape=(40, 50)), sym.var("b", shape=(3, 50, 60))
    f = compile([a, b], sym.matmul(sym.broadcast_to(a, (3, 40, 50)), b))
    assert f.kernels == () and f.cost().ratio == 1
    x, y = RNG.normal(size=a.shape), RNG.normal(size=b.shape)
    np.testing.assert_allclose(f(x, y), x @ y, rtol=1e-12)


@pytest.mark.parametrize("batch", ["n", 4])
def test_products_summed_over_a_batch_of_any_size(batch):
    a, b = sym.var("a", shape=(batch, 4, 70)), sym.var("b", shape=(batch, 5, 70))
    f = compile([a, b], sym.tensordot(a, b, ([0, 2], [0, 2])))
    for n in (3, 1, 0) if batch == "n" else (4,):
        for _ in range(2):  # into memory that held other numbers
            x, y = RNG.normal(size=(n, 4, 70)), RNG.normal(size=(n, 5, 70))
            np.testing.assert_allclose(f(x, y), np.tensordot(x, y, ([0, 2], [0, 2])), rtol=1e-12)
