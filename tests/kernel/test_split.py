"""Split: divided indices become linear ones, phase by phase."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphc import compile, sym
from graphc.interpret import interpret
from graphc.kernel.kernel import indices_of
from graphc.ops.window import UNSLIDE
from graphc.types import Dim, Quotient, evaluate

RNG = np.random.default_rng(0)


def back(places, size, stride, extent):
    """The sum of windows, slid back."""
    g = sym.var("g", shape=(places, size))
    wide = UNSLIDE(g, axes=(0,), windows=(1,), extents=(extent,), strides=(stride,), dilations=(1,))
    return g, sym.sum(wide, axis=1)


def is_divided(kernel):
    indices = (index for node in kernel.values for index in indices_of(node))
    atoms = (atom for index in indices if isinstance(index, Dim) for monomial, _ in index.terms for atom in monomial)
    return any(isinstance(atom, Quotient) for atom in atoms)


@pytest.mark.parametrize(
    ("size", "stride", "extent"), [(3, 2, 64), (3, 2, 65), (2, 3, 99), (2, 3, 101), (4, 4, 128), (1, 2, 64)]
)
def test_lane_divided_by_a_number_is_cut_into_phases(size, stride, extent):
    g, y = back((extent - size) // stride + 1, size, stride, extent)
    f = compile(g, y)
    assert not any(map(is_divided, f.kernels))
    data = RNG.normal(size=g.shape)
    np.testing.assert_allclose(f(data), interpret(y, {g: data}), rtol=1e-14)


@pytest.mark.parametrize(("size", "stride", "extent"), [(3, 2, 8), (3, 9, 900)])
def test_short_lane_or_many_phases_stay(size, stride, extent):
    g, y = back((extent - size) // stride + 1, size, stride, extent)
    f = compile(g, y)
    assert any(map(is_divided, f.kernels))
    data = RNG.normal(size=g.shape)
    np.testing.assert_allclose(f(data), interpret(y, {g: data}), rtol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int8", "int64", "bool"])
@pytest.mark.parametrize(("start", "step", "count"), [(0, 2, 33), (1, 3, 21), (3, 4, 16), (0, 5, 13)])
def test_elements_a_few_apart_are_read_with_nothing_beyond_them(dtype, start, step, count):
    length = start + step * (count - 1) + 1
    x = sym.var("x", shape=(3, length), dtype=dtype)
    data = (100 * RNG.normal(size=(3, length))).astype(dtype)
    np.testing.assert_array_equal(compile(x, x[:, start::step])(data), data[:, start::step])
    padded = sym.pad(x, ((0, 0), (2, 3)))[:, ::step]
    np.testing.assert_array_equal(compile(x, padded)(data), np.pad(data, ((0, 0), (2, 3)))[:, ::step])


@given(
    st.lists(st.integers(-9, 9), min_size=3, max_size=3), st.integers(1, 5), st.integers(-20, 20), st.integers(-20, 20)
)
def test_division_of_a_polynomial_is_that_of_its_value(coefficients, divisor, n, m):
    a, b, c = coefficients
    x = a * Dim.symbol("n") + b * Dim.symbol("m") * Dim.symbol("n") + c
    assert evaluate(x // divisor, {"n": n, "m": m}) == evaluate(x, {"n": n, "m": m}) // divisor


def test_division_takes_out_what_divides():
    n = Dim.symbol("n")
    assert (4 * n + 7) // 2 == 2 * n + 3
    assert (2 * n - 3) // 4 == (2 * n + 1) // 4 - 1
