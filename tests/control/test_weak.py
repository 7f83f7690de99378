"""Python numbers as states: weak, they have the dtype that the loop makes of them."""

import numpy as np
import pytest

import graphc
from graphc import DTypeError, ShapeError, grad, sym
from graphc.tree import flatten


def single(name="x", shape=()):
    return sym.var(name, shape=shape, dtype="float32")


def dtypes(results):
    return [str(y.dtype) for y in flatten(results)[0]]


def test_a_number_becomes_what_it_meets():
    x = single(shape=(3,))
    state = sym.while_loop(lambda s: s[0] < 3, lambda s: (s[0] + sym.sum(s[1]), s[1]), (0.0, x))
    assert dtypes(state) == ["float32", "float32"]
    assert dtypes(sym.fori_loop(0, 5, lambda i, y: y * 2 + x[0], 1)) == ["float32"]
    assert dtypes(sym.scan(lambda m, g: (0.9 * m + 0.1 * g, m), 0.0, x)) == ["float32", "float32"]


def test_a_number_that_meets_nothing_has_the_default_dtype():
    assert dtypes(sym.fori_loop(0, 5, lambda i, y: y * 2, 1)) == ["int64"]
    assert dtypes(sym.fori_loop(0, 5, lambda i, y: y * 2, 1.0)) == ["float64"]
    assert dtypes(sym.fori_loop(0, 5, lambda i, y: ~y, True)) == ["bool"]
    with graphc.use_default_float("float32"):
        assert dtypes(sym.fori_loop(0, 5, lambda i, y: y * 2, 1.0)) == ["float32"]


def test_a_number_rises_until_an_iteration_leaves_its_dtype_as_it_is():
    assert dtypes(sym.fori_loop(0, 5, lambda i, y: y + 0.5, 1)) == ["float64"]
    assert dtypes(sym.fori_loop(0, 5, lambda i, y: (y[1], y[0] + y[1]), (0, 0.0))) == ["float64", "float64"]
    assert dtypes(sym.fori_loop(0, 5, lambda i, y: (y[1], y[0]), (0.0, single()))) == ["float32", "float32"]
    assert dtypes(sym.fori_loop(0, 5, lambda i, y: y + i, True)) == ["int64"]


def test_numbers_stay_weak_inside_nested_loops_and_branches():
    x = single()

    def step(s):
        u, k = s
        return sym.cond(k > 1, lambda: u * x, lambda: u + 1), k + 1

    assert dtypes(sym.while_loop(lambda s: s[1] < 3, step, (1.0, 0))) == ["float32", "int64"]
    inner = lambda i, y: sym.fori_loop(0, 2, lambda j, z: z * y, x)  # noqa: E731
    assert dtypes(sym.fori_loop(0, 3, inner, 1.0)) == ["float32"]


def test_numbers_of_numpy_have_a_dtype():
    x = single()
    with pytest.raises(DTypeError, match=r"state y is float32\[\] before an iteration and float64\[\] after it"):
        sym.fori_loop(0, 3, lambda i, y: y * np.float64(2), x)
    assert dtypes(sym.fori_loop(0, 3, lambda i, y: y * x, np.float64(1))) == ["float64"]


def test_a_body_may_ask_for_the_type_of_a_number():
    assert dtypes(sym.fori_loop(0, 3, lambda i, y: y + sym.zeros(y.shape, dtype=y.dtype), 0.0)) == ["float64"]


def test_a_number_without_a_dtype_that_lasts_is_an_error():
    with pytest.raises(
        DTypeError, match=r"state y is float64\[\] before an iteration and int32\[\] after it .*test_weak"
    ):
        sym.fori_loop(0, 3, lambda i, y: y.astype("int32"), 0.5)
    with pytest.raises(ShapeError, match=r"state y is float32\[\] before an iteration and float32\[3\] after it"):
        sym.fori_loop(0, 3, lambda i, y: y + single(shape=(3,)), 0.0)


def test_branches_may_give_numbers_beside_nodes():
    x = single()
    assert dtypes(sym.cond(x > 0, lambda: x, lambda: 0)) == ["float32"]
    assert dtypes(sym.cond(x > 0, lambda: (1, x), lambda: (0.5, 2.0))) == ["float64", "float32"]
    assert dtypes(sym.switch(sym.var("k", shape=(), dtype="int8"), [lambda: 1, lambda: True, lambda: 2])) == ["int64"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_untyped_loops_take_numbers_of_any_dtype(dtype):
    b = sym.var("b")
    y = sym.fori_loop(0, 3, lambda i, m: m * b, 1.0)
    value, slope = graphc.compile(b, [y, grad(y, b)])(np.array(2, dtype))
    assert (value, slope, value.dtype) == (8, 12, np.dtype(dtype))
