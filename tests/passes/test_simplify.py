"""Simplification: what the gradients of textbook formulas become, constants, movement."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphc
from graphc import sym
from graphc.graph import Graph
from graphc.interpret import interpret
from graphc.ops.contraction import contract
from graphc.passes.contraction import arrange_contractions
from graphc.passes.simplify import simplify


def simple(node):
    (found,) = simplify(Graph.of(node)).outputs
    return found


def ops(node):
    return sorted(n.op.name for n in Graph.of(node).nodes)


def test_gradient_of_twice_the_square_is_four_times_the_variable():
    x = sym.var("x", shape=(4,))
    assert simple(graphc.grad(2 * sym.dot(x, x), x)) is simple(4 * x)


def test_derivative_of_a_polynomial_comes_out_collected():
    x = sym.var("x", shape=())
    assert simple(graphc.grad(4 * x**3 + x**2 + 3, x)) is simple(2 * x + 12 * (x * x))


def test_operators_of_constants_are_computed():
    x = sym.var("x", shape=(3,))
    assert ops(simple(x * (sym.exp(sym.zeros((3,))) + 1))) == ops(2 * x)


def test_what_is_the_same_along_an_axis_is_computed_once():
    a, b = sym.var("a", shape=(3,)), sym.var("b", shape=(3,))
    spread = sym.exp(sym.broadcast_to(a, (5, 3)) + sym.broadcast_to(b, (5, 3)))
    assert simple(spread) is simple(sym.broadcast_to(sym.exp(a + b), (5, 3)))


def test_transposes_of_a_product_are_exchanged_arguments():
    a, b = sym.var("a", shape=(3, 4)), sym.var("b", shape=(4, 5))
    assert simple((a @ b).T).op.name == "contract"
    assert simple(a.T.T) is a


def test_moves_that_undo_each_other_are_gone():
    x = sym.var("x", shape=(4, 6))
    for y in (x.T.T, x.reshape((6, 4)).reshape((4, 6)), sym.flip(sym.flip(x, 0), 0), x[:], sym.pad(x, 0)):
        assert simple(y) is x


def test_slices_of_slices_are_one_slice():
    x = sym.var("x", shape=(20,))
    assert ops(simple(x[2:18][::2][1:4])) == ["slice", "var"]


def test_sum_of_padded_parts_that_fill_an_axis_is_their_concatenation():
    x, y, z = (sym.var(name, shape=(2, n)) for name, n in (("x", 3), ("y", 4), ("z", 5)))

    def padded(part, low):
        return sym.pad(part, ((0, 0), (low, 12 - low - part.shape[1])))

    assert simple(padded(y, 3) + padded(x, 0) + padded(z, 7)) is sym.concat([x, y, z], axis=1)
    for other in (
        padded(x, 0) + padded(z, 7),  # a gap
        padded(x, 0) + padded(y, 2) + padded(z, 7),  # one over another
        padded(x, 0) + padded(y, 3) + padded(z, 7) + padded(x, 0),
        padded(x, 0) + sym.pad(y, ((0, 0), (3, 5)), constant_values=1) + padded(z, 7),
    ):
        assert "pad" in ops(simple(other))


def test_sums_of_sums_are_one_sum():
    x = sym.var("x", shape=(2, 3, 4))
    assert simple(x.sum(axis=2).sum(axis=0)) is simple(x.sum(axis=(0, 2)))


def test_simplifying_twice_changes_nothing():
    x = sym.var("x", shape=(4, 3))
    y = sym.layer_norm(x, sym.ones(3), sym.zeros(3))
    graph = simplify(Graph.of([y, graphc.grad(sym.sum(y**2), x)]))
    assert all(a is b for a, b in zip(simplify(graph).outputs, graph.outputs, strict=True))


def test_long_chains_simplify_without_recursion():
    x = sym.var("x", shape=(2,))
    y = x
    for _ in range(3000):
        y = sym.sin(sym.negative(-y))
    assert len(simplify(Graph.of(y)).nodes) == 3001


@pytest.mark.parametrize("library", [True, False])
@given(
    pattern=st.sampled_from(
        ["ij,jk->ik", "ji,jk->ik", "ij,kj->ik", "ji,kj->ik", "ij,j->i", "i,ij->j", "bij,bjk->bik", "ibj,bjk->bik"]
    ),
    n=st.integers(1, 6),
)
def test_contractions_arranged_give_what_they_gave(library, pattern, n):
    sizes = dict(zip("bijk", (2, n, 5, 7), strict=True))
    left, right = pattern.split("->")[0].split(",")
    a = sym.var("a", shape=tuple(sizes[c] for c in left))
    b = sym.var("b", shape=tuple(sizes[c] for c in right))
    pairs = [(left.index(c), right.index(c)) for c in left if c in right and c not in pattern.split("->")[1]]
    batch = [(left.index(c), right.index(c)) for c in left if c in right and c in pattern.split("->")[1]]
    axes = [tuple(pair[k] for pair in group) for group in (pairs, batch) for k in (0, 1)]
    y = contract(a, b, *axes)
    arranged = arrange_contractions(Graph((a, b), (y,)), library)
    rng = np.random.default_rng(0)
    data = {a: rng.normal(size=a.shape), b: rng.normal(size=b.shape)}
    np.testing.assert_allclose(*interpret([y, *arranged.outputs], data), rtol=1e-12, atol=1e-12)
    compiled = graphc.compile([a, b], y)(*data.values())
    np.testing.assert_allclose(compiled, interpret([y], data)[0], rtol=1e-12, atol=1e-12)
