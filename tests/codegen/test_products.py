"""Products of matrices as generated code: every size, layout, dtype and target gives what NumPy gives."""

import numpy as np
import pytest

import graphc
from graphc import sym
from graphc.codegen.target import Target
from graphc.ops.contraction import CONTRACT, contract

RNG = np.random.default_rng(0)
TOLERANCE = {"float32": 1e-5, "float64": 1e-14}
HERE = [name for name in ("avx512", "avx2", "x86-64") if Target.named(name).runs_here]


def check(nodes, arrays, y, expected, **options):
    f = graphc.compile(nodes, y, **options)
    assert "blas" not in f.llvm and "product_" in f.llvm
    scale = TOLERANCE[y.dtype.name] * max(1, np.abs(expected).max(initial=0))
    np.testing.assert_allclose(f(*arrays), expected, rtol=0, atol=scale)


def matrices(m, k, n, dtype="float64"):
    return RNG.normal(size=(m, k)).astype(dtype), RNG.normal(size=(k, n)).astype(dtype)


SIZES = [(2, 5, 2), (3, 7, 70), (13, 300, 33), (14, 256, 32), (15, 257, 31), (130, 17, 40), (29, 600, 16)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("m", "k", "n"), SIZES)
def test_product_of_any_sizes(m, k, n, dtype):
    a, b = sym.var("a", shape=(m, k), dtype=dtype), sym.var("b", shape=(k, n), dtype=dtype)
    x, y = matrices(m, k, n, dtype)
    check([a, b], [x, y], a @ b, x.astype(float) @ y)


@pytest.mark.parametrize("rows", [0, 1, 2, 13, 14, 15, 27, 112, 113, 240])
def test_product_of_as_many_rows_as_there_are(rows):
    a, b = sym.var("a", shape=("n", 20)), sym.var("b", shape=(20, 9))
    x, y = matrices(rows, 20, 9)
    check([a, b], [x, y], a @ b, x @ y)


@pytest.mark.parametrize("terms", [0, 1, 255, 256, 257, 1000])
def test_sum_of_as_many_products_as_there_are(terms):
    a, b = sym.var("a", shape=("n", 18)), sym.var("b", shape=("n", 9))
    x, y = RNG.normal(size=(terms, 18)), RNG.normal(size=(terms, 9))
    check([a, b], [x, y], a.T @ b, x.T @ y)


@pytest.mark.parametrize("left", [False, True], ids=["a", "aᵀ"])
@pytest.mark.parametrize("right", [False, True], ids=["b", "bᵀ"])
def test_product_of_transposed_matrices(left, right):
    x, y = matrices(34, 40, 37)
    x, y = x.T.copy() if left else x, y.T.copy() if right else y
    a, b = sym.var("a", shape=x.shape), sym.var("b", shape=y.shape)
    f = graphc.compile([a, b], (a.T if left else a) @ (b.T if right else b))
    assert [step.node.op for step in f.program.steps if hasattr(step, "node")] == [CONTRACT]
    assert len(f.kernels) == right  # a copy of b that lies row by row
    np.testing.assert_allclose(f(x, y), (x.T if left else x) @ (y.T if right else y), atol=1e-12)


def test_products_along_a_batch_and_sums_of_them():
    a, b = sym.var("a", shape=(3, 5, 4, 40)), sym.var("b", shape=(3, 5, 40, 7))
    x, y = RNG.normal(size=a.shape), RNG.normal(size=b.shape)
    check([a, b], [x, y], a @ b, x @ y)
    summed = contract(a, b, (1, 3), (1, 2), (0,), (0,))
    check([a, b], [x, y], summed, np.einsum("apik,apkj->aij", x, y))


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_product_on_every_target_that_runs_here(name, dtype):
    a, b = sym.var("a", shape=("n", 300), dtype=dtype), sym.var("b", shape=(300, 21), dtype=dtype)
    x, y = matrices(31, 300, 21, dtype)
    check([a, b], [x, y], a @ b, x.astype(float) @ y, target=name)


def test_nan_and_infinity_pass_through_where_they_belong():
    x, y = matrices(20, 30, 40)
    x[3, 4], x[5, 6] = np.nan, np.inf
    a, b = sym.var("a", shape=x.shape), sym.var("b", shape=y.shape)
    found = graphc.compile([a, b], a @ b)(x, y)
    np.testing.assert_array_equal(np.isfinite(found).all(axis=1), np.isfinite(x).all(axis=1))


def test_result_does_not_depend_on_what_lay_there():
    a, b = sym.var("a", shape=("n", 300)), sym.var("b", shape=(300, 21))
    x, y = matrices(31, 300, 21)
    out = np.full((31, 21), np.nan)
    f = graphc.compile([a, b], a @ b)
    f(x, y, out=out)
    np.testing.assert_array_equal(out, f(x, y))


def test_large_right_operand_is_left_to_a_library():
    a, b = sym.var("a", shape=("n", 600)), sym.var("b", shape=(600, 600))
    assert "product_" not in graphc.compile([a, b], a @ b).llvm
