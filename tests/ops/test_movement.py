"""Movement: where each element comes from, types of symbolic extents, and derivatives that move back."""

import itertools

import numpy as np
import pytest

from graphc import sym
from graphc.autodiff.api import grad
from graphc.errors import DTypeError, ShapeError
from graphc.interpret import interpret
from graphc.node import constant, make
from graphc.ops.movement import EXPAND, FLIP, RESHAPE, TRANSPOSE, reshape_groups
from graphc.ops.parts import CONCAT, PAD, SLICE
from graphc.types import Dim, evaluate

OPS = (EXPAND, FLIP, RESHAPE, TRANSPOSE, CONCAT, PAD, SLICE)
CASES = [(op, sample) for op in OPS for sample in op.samples]
n, m = Dim.symbol("n"), Dim.symbol("m")


def pulled(y, arrays, index):
    """The element of y at an index, by its pull rule with loop axes as symbols."""
    axes = {f"@{k}": i for k, i in enumerate(index)}

    def holds(guards):
        return all(evaluate(low, axes) <= evaluate(i, axes) < evaluate(high, axes) for i, low, high in guards)

    def read(i, place, guards=()):
        return constant(arrays[i][tuple(evaluate(k, axes) for k in place)] if holds(guards) else 0.0)

    def run(node):
        if node.op.name == "inside":
            return holds(node.params[0])
        return node.op.numpy(*map(run, node.args), *node.params)

    return run(y.op.pull(read, y, tuple(map(Dim.symbol, axes))))


@pytest.mark.parametrize(("op", "sample"), CASES)
def test_pull_reads_what_the_oracle_moves(op, sample):
    arrays = [np.random.default_rng(k).normal(size=shape) for k, shape in enumerate(sample.shapes)]
    y = make(op, tuple(map(constant, arrays)), tuple(sample.params[name] for name in op.params))
    expected = op.numpy(*arrays, *y.params)
    for index in itertools.product(*map(range, expected.shape)):
        assert pulled(y, arrays, index) == expected[index]


def test_reshape_maps_the_smallest_groups_of_axes():
    assert list(reshape_groups((n, 6, m), (2 * n, 3, m))) == [(range(0, 2), range(0, 2)), (range(2, 3), range(2, 3))]
    assert list(reshape_groups((n, m), (n * m,))) == [(range(0, 2), range(0, 1))]
    assert list(reshape_groups((n,), (n, 1))) == [(range(0, 1), range(0, 1)), (range(1, 1), range(1, 2))]


def test_reshape_that_merges_reads_by_quotient_and_one_that_splits_by_product():
    x = sym.var("x", shape=(n, 4))
    i, j = Dim.symbol("@0"), Dim.symbol("@1")
    places = []
    for y, index in ((RESHAPE(x, shape=(4 * n,)), (i,)), (RESHAPE(x, shape=(n, 2, 2)), (i, j, j))):
        y.op.pull(lambda k, place: places.append(place) or x, y, index)
    assert places == [(i // 4, i - i // 4 * 4), (i, 3 * j)]


def test_slice_of_symbolic_extent_has_a_polynomial_extent():
    x = sym.var("x", shape=(n, 3))
    assert SLICE(x, starts=(1, 0), extents=(n - 2, 3), steps=(1, 1)).shape == (n - 2, 3)


def test_slice_beyond_the_axis_is_an_error():
    with pytest.raises(
        ShapeError, match=r"slice: 3 elements from 2 in steps of 1 leave axis 0 of float64\[4\] \(test_"
    ):
        SLICE(sym.var("x", shape=4), starts=(2,), extents=(3,), steps=(1,))


def test_concat_adds_symbolic_extents():
    x, y = sym.var("x", shape=(n, 3)), sym.var("y", shape=(2, 3))
    assert CONCAT(x, y, x, axis=0).shape == (2 * n + 2, 3)


def test_concat_of_unlike_shapes_or_dtypes_is_an_error():
    x = sym.var("x", shape=(2, 3))
    for other, axis in (((2, 4), 0), ((2,), 1), ((2, 3, 1), 1)):
        with pytest.raises(ShapeError, match=f"differ beside axis {axis}"):
            CONCAT(x, sym.var("y", shape=other), axis=axis)
    with pytest.raises(DTypeError, match="differ in dtype"):
        CONCAT(x, sym.var("y", shape=(2, 3), dtype="float32"), axis=0)


def test_reshape_to_another_size_is_an_error():
    with pytest.raises(ShapeError, match=r"reshape: float64\[n, 3\] has 3\*n elements and \(m, 3\) has 3\*m"):
        RESHAPE(sym.var("x", shape=("n", 3)), shape=(m, 3))


def test_gradient_of_slice_is_pad():
    x, w = sym.var("x", shape=7), np.array([2.0, 3.0, 5.0])
    gradient = grad((x[1:6:2] * w).sum(), x)
    assert gradient.op is PAD
    np.testing.assert_array_equal(interpret(gradient, {x: np.zeros(7)}), [0, 2, 0, 3, 0, 5, 0])


@pytest.mark.parametrize("extent", [0, 1, 2, 5, 6])
def test_gradient_of_a_strided_slice_has_the_extent_of_its_argument_for_every_size(extent):
    x = sym.var("x", shape=("n",))
    gradient = grad((x * x)[::3].sum(), x)
    assert gradient.shape == x.shape
    np.testing.assert_array_equal(interpret(gradient, {x: np.ones(extent)}), 2 * (np.arange(extent) % 3 == 0))


def test_gradient_through_moved_elements_keeps_what_is_masked_out_at_zero():
    x = sym.var("x", shape=(2, 3))
    logs = sym.log(x)
    for moved in (logs.T, logs.ravel(), logs[::-1, ::2], sym.concat([logs, np.ones((1, 3))]), sym.pad(logs, 1)):
        masked = sym.where(sym.isfinite(moved), moved, 0)
        assert np.isfinite(interpret(grad(masked.sum(), x), {x: np.zeros((2, 3))})).all()
    rows = logs.sum(axis=1)
    gradient = grad(sym.where(sym.isfinite(rows), rows, 0).sum(), x)
    np.testing.assert_array_equal(
        interpret(gradient, {x: np.array([[1, 2, 4], [0, 1, 1.0]])}), [[1, 0.5, 0.25], [0, 0, 0]]
    )
