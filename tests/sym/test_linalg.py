"""Linear algebra against NumPy's; derivatives against differences, and modes against each other."""

import numpy as np
import pytest

import graphc
from graphc import sym
from graphc.errors import ShapeError
from graphc.interpret import interpret
from graphc.kernel.fuse import Control

RNG = np.random.default_rng(0)
SHAPES = [(1, 1), (2, 2), (5, 5), (4, 3, 3), (2, 3, 4, 4), (0, 3, 3), (2, 0, 0), (70, 70)]
matrix = sym.linalg


def matrices(shape, dtype="float64"):
    """Well-conditioned ones whose rows change places, and right sides."""
    n = shape[-1]
    a = (RNG.normal(size=shape) + 3 * np.roll(np.eye(n), 1, 0)) / max(1, n / 8)  # no determinant is too large
    return a.astype(dtype), RNG.normal(size=(*shape[:-1], 2)).astype(dtype)


def positive(a):
    n = a.shape[-1]
    eye = np.eye(n, dtype=np.float32) if isinstance(a, np.ndarray) else sym.eye(n, dtype=a.dtype)
    return a @ (np.swapaxes(a, -1, -2) if isinstance(a, np.ndarray) else sym.matrix_transpose(a)) + n * eye


FUNCTIONS = {
    "cholesky": (lambda a, b: matrix.cholesky(positive(a)), lambda a, b: np.linalg.cholesky(positive(a))),
    "solve": (lambda a, b: matrix.solve(a, b), np.linalg.solve),
    "lower": (
        lambda a, b: matrix.solve_triangular(positive(a), b, lower=True),
        lambda a, b: np.linalg.solve(np.tril(positive(a)), b),
    ),
    "upper": (
        lambda a, b: matrix.solve_triangular(positive(a), b),
        lambda a, b: np.linalg.solve(np.triu(positive(a)), b),
    ),
    "inv": (lambda a, b: matrix.inv(a), lambda a, b: np.linalg.inv(a)),
    "det": (lambda a, b: matrix.det(a), lambda a, b: np.linalg.det(a)),
    "sign": (lambda a, b: matrix.slogdet(a)[0], lambda a, b: np.linalg.slogdet(a)[0]),
    "logabsdet": (lambda a, b: matrix.slogdet(a)[1], lambda a, b: np.linalg.slogdet(a)[1]),
}
SMOOTH = [name for name in FUNCTIONS if name != "sign"]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_values_are_numpys(shape, dtype):
    a, b = matrices(shape, dtype)
    x, y = (sym.var(name, shape=array.shape, dtype=dtype) for name, array in (("a", a), ("b", b)))
    nodes = [ours(x, y) for ours, _ in FUNCTIONS.values()]
    tolerance = 1e-9 if dtype == "float64" else 2e-3
    for got, wanted in zip(graphc.compile([x, y], nodes)(a, b), interpret(nodes, {x: a, y: b}), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance)
    for got, (_, numpys) in zip(interpret(nodes, {x: a, y: b}), FUNCTIONS.values(), strict=True):
        np.testing.assert_allclose(got, numpys(a, b), rtol=tolerance, atol=tolerance)
        assert got.dtype == dtype


def test_one_code_serves_matrices_of_any_size():
    x, y = sym.var("a", shape=("n", "n")), sym.var("b", shape=("n", 2))
    spd = x @ x.T + sym.eye(x.shape[0])
    nodes = [matrix.cholesky(spd), matrix.solve_triangular(spd, y), matrix.solve(x, y), *matrix.slogdet(x)]
    f = graphc.compile([x, y], nodes)
    for n in (1, 4, 7):
        a, b = matrices((n, n))
        for got, wanted in zip(f(a, b), interpret(nodes, {x: a, y: b}), strict=True):
            np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("shape", [(3, 3), (2, 4, 4)], ids=str)
def test_gradients_of_first_and_second_order_agree_with_differences(name, shape):
    a, b = matrices(shape)
    x, y = sym.var("a", shape=shape), sym.var("b", shape=b.shape)
    value = FUNCTIONS[name][0](x, y)
    loss = (sym.sin(value) * RNG.normal(size=value.shape)).sum()
    first = graphc.grad(loss, [x, y], unused="zero")
    slope = sum((g * RNG.normal(size=g.shape)).sum() for g in first)
    for function in (loss, slope):
        gradients = graphc.compile([x, y], graphc.grad(function, [x, y], unused="zero"))(a, b)
        f = graphc.compile([x, y], function)
        da, db = RNG.normal(size=a.shape), RNG.normal(size=b.shape)
        h = 1e-4
        values = [f(a + k * h * da, b + k * h * db) for k in (-2, -1, 1, 2)]
        expected = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * h)
        found = (gradients[0] * da).sum() + (gradients[1] * db).sum()
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", SMOOTH)
def test_forward_mode_is_the_transpose_of_reverse_mode(name):
    a, b = matrices((2, 4, 4))
    x, y = sym.var("a", shape=a.shape), sym.var("b", shape=b.shape)
    value = FUNCTIONS[name][0](x, y)
    ta, tb, g = RNG.normal(size=a.shape), RNG.normal(size=b.shape), RNG.normal(size=value.shape)
    pushed, (of_a, of_b) = graphc.compile([x, y], [graphc.jvp(value, [x, y], [ta, tb]), graphc.vjp(value, [x, y], g)])(
        a, b
    )
    np.testing.assert_allclose((pushed * g).sum(), (of_a * ta).sum() + (of_b * tb).sum(), rtol=1e-10)


def test_gradient_of_cholesky_is_symmetric_and_only_the_symmetric_part_counts():
    a, _ = matrices((4, 4))
    x, spd = sym.var("a", shape=(4, 4)), positive(a)
    factor = matrix.cholesky(x)
    f = graphc.compile(x, [factor, graphc.grad((factor**3).sum(), x)])
    value, gradient = f(spd)
    np.testing.assert_allclose(gradient, gradient.T)
    np.testing.assert_allclose(f(spd + np.triu(a, 1) - np.triu(a, 1).T)[0], value)


def test_one_factorisation_serves_the_solution_and_its_gradient():
    x, y = sym.var("a", shape=(5, 5)), sym.var("b", shape=(5,))
    loss = (matrix.solve(x, y) ** 2).sum()
    f = graphc.compile([x, y], [loss, graphc.grad(loss, [x, y])])
    loops = [step for step in f.program.steps if isinstance(step, Control)]
    assert len(loops) == 5  # the factors, and two triangular systems each way


def test_vector_and_broadcast_right_sides():
    a, _ = matrices((3, 4, 4))
    x = sym.var("a", shape=a.shape)
    v, w = RNG.normal(size=4), RNG.normal(size=(4, 2))
    got = graphc.compile(x, [matrix.solve(x, v), matrix.solve(x, w), matrix.solve(np.eye(4), x)])(a)
    np.testing.assert_allclose(got[0], np.linalg.solve(a, np.broadcast_to(v[:, None], (3, 4, 1)))[..., 0])
    np.testing.assert_allclose(got[1], np.linalg.solve(a, np.broadcast_to(w, (3, 4, 2))))
    np.testing.assert_allclose(got[2], a)


def test_vmap_and_loops_hold_linear_algebra():
    a, b = matrices((3, 4, 4))
    x, y = sym.var("a", shape=a.shape), sym.var("b", shape=b.shape)
    mapped = graphc.vmap(lambda a, b: graphc.grad(matrix.solve(a, b).sum(), a))(x, y)
    scanned = sym.map(lambda p: graphc.grad(matrix.solve(*p).sum(), p[0]), (x, y))
    for got in graphc.compile([x, y], [mapped, scanned])(a, b):
        inverse = np.linalg.inv(a)
        wanted = -np.swapaxes(inverse, -1, -2) @ np.ones_like(b) @ np.swapaxes(np.linalg.solve(a, b), -1, -2)
        np.testing.assert_allclose(got, wanted, rtol=1e-9)


def test_calls_before_typing_are_replayed():
    a, b = matrices((4, 4))
    x, y = sym.var("a"), sym.var("b")
    sign, logarithm = matrix.slogdet(x)
    got = graphc.compile([x, y], [matrix.solve(x, y), sign, logarithm])(a, b)
    for value, wanted in zip(got, [np.linalg.solve(a, b), *np.linalg.slogdet(a)], strict=True):
        np.testing.assert_allclose(value, wanted)


def test_matrices_without_inverse_or_factor_give_no_error():
    x = sym.var("a", shape=(2, 2))
    f = graphc.compile(x, [matrix.det(x), matrix.inv(x), matrix.cholesky(x)])
    det, inverse, factor = f(np.array([[1.0, 2.0], [2.0, 4.0]]))
    assert det == 0 and not np.isfinite(inverse).any()
    np.testing.assert_array_equal(factor, [[1, 0], [2, np.nan]])


def test_shapes_that_do_not_fit_say_so():
    a = sym.var("a", shape=(3, 4))
    with pytest.raises(ShapeError, match=r"inv: float64\[3, 4\] is not of square matrices \(test_linalg.py:\d+\)"):
        matrix.inv(a)
    with pytest.raises(ShapeError, match=r"solve: the right sides float64\[4, 1\] do not fit float64\[3, 3\]"):
        matrix.solve(a[:, :3], np.ones(4))
    with pytest.raises(ShapeError, match=r"det: float64\[3\] is not of square matrices"):
        matrix.det(sym.var("v", shape=3))


def test_integers_become_floats():
    assert matrix.inv(sym.var("i", shape=(2, 2), dtype="int64")).dtype == np.float64
