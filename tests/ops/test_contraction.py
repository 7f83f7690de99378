"""Contraction: its type, its order of axes, and gradients that are contractions again."""

import numpy as np
import pytest

from graphc import sym
from graphc.autodiff.api import grad
from graphc.errors import DTypeError, ShapeError
from graphc.graph import Graph
from graphc.interpret import interpret
from graphc.ops.contraction import CONTRACT, contract
from graphc.types import Dim

n = Dim.symbol("n")


def test_result_has_batch_then_free_axes_of_a_then_of_b():
    a, b = sym.var("a", shape=("n", 3, 4, 5)), sym.var("b", shape=(6, 4, "n", 7))
    y = CONTRACT(a, b, axes_a=(2,), axes_b=(1,), batch_a=(0,), batch_b=(2,))
    assert y.shape == (n, 3, 5, 6, 7)
    data = np.random.default_rng(0).normal(size=(2, 3, 4, 5)), np.random.default_rng(1).normal(size=(6, 4, 2, 7))
    np.testing.assert_allclose(interpret(y, dict(zip((a, b), data))), np.einsum("nijk,pjnq->nikpq", *data))


def test_unequal_extents_do_not_contract():
    a, b = sym.var("a", shape=("n", 3)), sym.var("b", shape=("m", 3))
    with pytest.raises(ShapeError, match=r"contract: .* do not contract: axis 0 has n elements, axis 0 has m"):
        CONTRACT(a, b, axes_a=(0,), axes_b=(0,), batch_a=(), batch_b=())


def test_unequal_dtypes_do_not_contract():
    a, b = sym.var("a", shape=3, dtype="float32"), sym.var("b", shape=3)
    with pytest.raises(DTypeError, match="not of one dtype"):
        CONTRACT(a, b, axes_a=(0,), axes_b=(0,), batch_a=(), batch_b=())


def test_contraction_of_no_axes_is_a_product():
    a, b = sym.var("a", shape=(2, 3)), sym.var("b", shape=(4, 2))
    y = contract(a, b, (), (), (0,), (1,))
    assert CONTRACT not in {node.op for node in Graph.of(y).nodes}
    data = np.arange(6.0).reshape(2, 3), np.arange(8.0).reshape(4, 2)
    np.testing.assert_array_equal(interpret(y, dict(zip((a, b), data))), np.einsum("ij,ki->ijk", *data))


def test_gradients_of_a_matrix_product_are_one_contraction_each():
    a, b = sym.var("a", shape=("n", 3)), sym.var("b", shape=(3, 4))
    g = sym.var("g", shape=("n", 4))
    of_a, of_b = grad(a @ b, [a, b], head=g)
    for gradient in (of_a, of_b):
        assert [node.op for node in Graph.of(gradient).nodes].count(CONTRACT) == 1
    data = {
        v: np.random.default_rng(k).normal(size=s) for k, (v, s) in enumerate([(a, (2, 3)), (b, (3, 4)), (g, (2, 4))])
    }
    got = interpret([of_a, of_b], {v: data[v] for v in (a, b, g)})
    np.testing.assert_allclose(got[0], data[g] @ data[b].T)
    np.testing.assert_allclose(got[1], data[a].T @ data[g])


def test_gradient_of_dot_with_itself_needs_no_contraction():
    x = sym.var("x", shape=4)
    assert CONTRACT not in {node.op for node in Graph.of(grad(sym.dot(x, x), x)).nodes}
