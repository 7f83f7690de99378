"""Short reductions become operators of slices; longer ones stay."""

import numpy as np
import pytest

import graphc
from graphc import sym
from graphc.graph import Graph
from graphc.interpret import interpret
from graphc.passes.short import write_out_short_reductions


@pytest.mark.parametrize("name", ["sum", "prod", "max", "min"])
@pytest.mark.parametrize(("shape", "axis"), [((5, 3), 1), ((4, 5), 0), ((2, 5, 2), (0, 2))])
def test_a_reduction_of_few_numbers_is_written_out(name, shape, axis):
    x = sym.var("x", shape=shape)
    y = getattr(sym, name)(x, axis=axis)
    graph = write_out_short_reductions(Graph.of(y))
    assert not [node for node in graph.nodes if node.op.kind == "reduction"]
    data = {x: np.random.default_rng(0).normal(size=shape)}
    np.testing.assert_allclose(*interpret([y, *graph.outputs], data))


@pytest.mark.parametrize(("shape", "axis"), [((5, 5), 1), ((3,), 0), (("n", "m"), 1), ((5, 0), 1)])
def test_any_other_reduction_stays(shape, axis):
    y = sym.sum(sym.var("x", shape=shape), axis=axis)
    assert write_out_short_reductions(Graph.of(y)).outputs[0] is y


def test_sums_over_pairs_of_points_are_one_kernel():
    x, y = sym.var("x", shape=("n", 3)), sym.var("y", shape=("m", 3))
    offsets = sym.expand_dims(x, 1) - sym.expand_dims(y, 0)
    f = graphc.compile([x, y], sym.sum(sym.exp(-sym.sum(offsets * offsets, axis=2)), axis=1))
    assert len(f.kernels) == 1
    a, b = np.random.default_rng(0).normal(size=(2, 10, 3))
    np.testing.assert_allclose(f(a, b[:7]), np.exp(-((a[:, None] - b[None, :7]) ** 2).sum(2)).sum(1))
