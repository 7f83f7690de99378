"""Products of vectors and matrices against NumPy's, for every pair of ranks."""

import numpy as np
import pytest

from graphc import sym
from graphc.autodiff.api import grad
from graphc.errors import ShapeError
from graphc.graph import Graph
from graphc.interpret import interpret
from graphc.sym.record import replay
from graphc.types import Dim

n, m = Dim.symbol("n"), Dim.symbol("m")
MATRICES = [((4,), (4,)), ((3, 4), (4,)), ((4,), (4, 2)), ((3, 4), (4, 2)), ((0, 4), (4, 2)), ((3, 0), (0, 2))]
STACKS = [((5, 3, 4), (4,)), ((4,), (5, 4, 2)), ((5, 3, 4), (4, 2)), ((3, 4), (5, 4, 2))]
BATCHES = [((5, 3, 4), (5, 4, 2)), ((6, 5, 3, 4), (5, 4, 2)), ((6, 1, 3, 4), (5, 4, 2)), ((1, 3, 4), (6, 1, 4, 2)),
           ((1, 5, 3, 4), (6, 5, 4, 2)), ((1, 3, 4), (1, 4, 2)), ((1, 4), (4, 1))]  # fmt: skip
TENSORS = [((3, 5, 4), (6, 4, 2)), ((5, 4), (6, 4, 2)), ((), (3, 4)), ((3,), ())]

CALLS = (
    [("matmul", shapes, {}) for shapes in MATRICES + STACKS + BATCHES]
    + [("dot", shapes, {}) for shapes in MATRICES + TENSORS + STACKS[:3]]
    + [("outer", shapes, {}) for shapes in [((3,), (4,)), ((2, 3), (4,)), ((), (3,)), ((0,), (2,))]]
    + [("inner", shapes, {}) for shapes in [((4,), (4,)), ((2, 3, 4), (5, 4)), ((), (3,)), ((4,), (3, 4))]]
    + [("vecdot", shapes, {"axis": axis}) for shapes in [((4, 4), (4, 4)), ((4, 4), (3, 4, 4))] for axis in (-1, -2)]
    + [("vecdot", ((4,), (3, 4)), {}), ("vecdot", ((1, 3, 4), (5, 3, 4)), {"axis": 1})]
    + [
        ("tensordot", ((3, 4, 5), (4, 5, 2)), {}),
        ("tensordot", ((3, 4), (4, 2)), {"axes": 1}),
        ("tensordot", ((3, 4), (2,)), {"axes": 0}),
        ("tensordot", ((3, 4, 5), (5, 3, 2)), {"axes": ([0, 2], [1, 0])}),
        ("tensordot", ((3, 4), (3, 2)), {"axes": (0, 0)}),
        ("tensordot", ((3, 4), (2, 4)), {"axes": (-1, -1)}),
    ]
)


def draw(shape, dtype, seed):
    return np.random.default_rng(seed).integers(0 if dtype in ("bool", "uint8") else -4, 5, shape).astype(dtype)


@pytest.mark.parametrize(("name", "shapes", "kwargs"), CALLS)
def test_product_is_numpys(name, shapes, kwargs):
    for dtypes in (("float64", "float64"), ("float32", "int8"), ("int8", "int8"), ("bool", "bool")):
        a, b = (draw(shape, dtype, seed) for seed, (shape, dtype) in enumerate(zip(shapes, dtypes)))
        expected = np.asarray(getattr(np, name)(a, b, **kwargs))
        for got in (getattr(sym, name)(a, b, **kwargs), replayed(name, a, b, kwargs)):
            value = interpret(got, {})
            assert value.dtype == expected.dtype and value.shape == expected.shape
            np.testing.assert_allclose(value, expected)


def replayed(name, a, b, kwargs):
    x, y = sym.var("x"), sym.var("y")
    return replay([getattr(sym, name)(x, y, **kwargs)], {x: sym.asarray(a), y: sym.asarray(b)})[0]


@pytest.mark.parametrize(
    ("call", "shapes", "result"),
    [
        (sym.matmul, (("n", 3), (3, "m")), (n, m)),
        (sym.matmul, (("b", "n", 3), (3, "m")), (Dim.symbol("b"), n, m)),
        (sym.matmul, (("b", "n", 3), ("b", 3, "m")), (Dim.symbol("b"), n, m)),
        (sym.matmul, ((1, "n", 3), ("b", 3, "m")), (Dim.symbol("b"), n, m)),
        (sym.dot, (("n",), ("n",)), ()),
        (sym.dot, ((4, "n"), ("b", "n", 2)), (4, Dim.symbol("b"), 2)),
        (sym.outer, (("n", 2), ("m",)), (2 * n, m)),
        (sym.vecdot, (("n", 3), (3,)), (n,)),
        (sym.tensordot, ((2, "n", 3), ("n", 3, 4)), (2, 4)),
        (sym.inner, (("n", 3), ("m", 3)), (n, m)),
    ],
)
def test_symbolic_extents_contract_when_equal(call, shapes, result):
    a, b = sym.var("a", shape=shapes[0]), sym.var("b", shape=shapes[1])
    assert call(a, b).shape == result


@pytest.mark.parametrize(("name", "shapes", "kwargs"), CALLS)
def test_gradient_of_product_agrees_with_differences(name, shapes, kwargs):
    a, b = sym.var("a", shape=shapes[0]), sym.var("b", shape=shapes[1])
    y = getattr(sym, name)(a, b, **kwargs)
    head = np.random.default_rng(2).normal(size=y.shape)
    data = {a: draw(shapes[0], "float64", 0), b: draw(shapes[1], "float64", 1)}
    moves = {v: np.random.default_rng(3).normal(size=v.shape) for v in data}
    gradients = interpret(grad(y, [a, b], head=head), data)
    for v, gradient in zip((a, b), gradients, strict=True):  # exact: y is linear in each
        step = interpret(y, {**data, v: data[v] + moves[v]}) - interpret(y, data)
        np.testing.assert_allclose((gradient * moves[v]).sum(), (head * step).sum(), atol=1e-9)


def test_matrix_times_shared_weights_is_one_contraction_without_copies():
    x, w = sym.var("x", shape=("b", "n", 3)), sym.var("w", shape=(3, 4))
    assert [node.op.name for node in Graph.of(x @ w).nodes] == ["var", "var", "contract"]
    assert [node.op.name for node in Graph.of(x @ w.T.reshape(3, 4)).nodes][-1] == "contract"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: sym.var("a", (3, 4), "float32") @ sym.var("b", (5, 6), "float32"),
            r"matmul: float32\[3, 4\] and float32\[5, 6\] do not contract: 4 against 5 \(test_contraction.py:\d+\); "
            "transpose one of them?",
        ),
        (lambda: sym.var("a", (3, "n")) @ sym.var("b", ("m", 2)), "do not contract: n against m"),
        (lambda: sym.matmul(np.ones((2, 3, 4)), np.ones((3, 4, 5))), "matmul: .* do not broadcast: 2 against 3"),
        (lambda: sym.var("a", (2, 2)) @ 2.0, r"matmul: .*: a scalar is no matrix .*; multiply by `\*`"),
        (lambda: sym.dot(np.ones(3), np.ones(4)), "dot: .* 3 against 4"),
        (lambda: sym.vecdot(np.ones(3), np.ones(1)), "vecdot: .* 3 against 1"),
        (lambda: sym.tensordot(np.ones((2, 3)), np.ones((3, 2)), ((0, 1), (0,))), "tensordot: 2 axes against 1"),
        (lambda: sym.tensordot(np.ones(3), np.ones(3), 2), "has no axis"),
    ],
)
def test_wrong_product_says_what_and_where(call, message):
    with pytest.raises(ShapeError, match=message):
        call()
