"""Creation: NumPy's values and dtypes, and symbolic extents."""

import numpy as np
import pytest

from graphc import sym
from graphc.errors import DTypeError, ShapeError
from graphc.interpret import interpret
from graphc.settings import use_default_float
from graphc.types import Dim

n = Dim.symbol("n")

CALLS = [
    ("zeros", ((2, 3),), {}),
    ("zeros", (4, "int32"), {}),
    ("ones", ((2, 0),), {"dtype": "float32"}),
    ("full", ((2, 2), 7), {}),
    ("full", (3, 1.5), {"dtype": "float32"}),
    ("full", ((2, 3), np.arange(3)), {}),
    ("full", (2, True), {}),
    ("zeros_like", (np.ones((2, 3), np.float32),), {}),
    ("ones_like", (np.ones(3, np.int8),), {"dtype": "float64"}),
    ("full_like", (np.ones(3, np.int32), 7), {}),
    ("arange", (5,), {}),
    ("arange", (2, 9), {}),
    ("arange", (9, 2, -3), {}),
    ("arange", (0, 1, 0.1), {}),
    ("arange", (1.0, 2.0, 0.25), {"dtype": "float32"}),
    ("arange", (3, 1), {}),
    ("arange", (4,), {"dtype": "float32"}),
    ("arange", (2, 9, 3), {"dtype": "int8"}),
    ("linspace", (0, 1, 7), {}),
    ("linspace", (2, -1, 4), {"endpoint": False, "dtype": "float32"}),
    ("eye", (3,), {}),
    ("eye", (2, 4, 1), {"dtype": "int64"}),
    ("eye", (4, 2), {"k": -2}),
    ("asarray", ([[1, 2], [3, 4]],), {}),
    ("asarray", ([0.5, 2],), {"dtype": "float32"}),
]


@pytest.mark.parametrize(("name", "args", "kwargs"), CALLS)
def test_created_array_is_numpys(name, args, kwargs):
    expected = getattr(np, name)(*args, **kwargs)
    got = interpret(getattr(sym, name)(*args, **kwargs), {})
    assert got.dtype == expected.dtype and got.shape == expected.shape
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (sym.zeros(("n", 2)), np.zeros((5, 2))),
        (sym.full("n", 3), np.full(5, 3)),
        (sym.iota("n"), np.arange(5)),
        (sym.arange("n", dtype="float32"), np.arange(5, dtype=np.float32)),
        (sym.arange(1, n), np.arange(1, 5)),
        (sym.arange(n, 2 * n), np.arange(5, 10)),
        (sym.arange(n - 1, -1, -1), np.arange(4, -1, -1)),
        (sym.arange(0, n, 2), np.arange(0, 5, 2)),
        (sym.eye("n"), np.eye(5)),
        (sym.eye("n", 2, -1), np.eye(5, 2, -1)),
    ],
)
def test_symbolic_extents_are_filled_and_counted(node, expected):
    got = interpret(node, {}, {"n": 5})
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected)


def test_likes_of_an_untyped_variable_are_replayed():
    x = sym.var("x")
    np.testing.assert_array_equal(interpret(sym.ones_like(x) + sym.zeros_like(x), {x: np.zeros(3)}), np.ones(3))


def test_equal_constants_are_one_node():
    assert sym.zeros((2, 3)) is sym.zeros((2, 3)) and sym.arange(4) is sym.arange(4)
    assert sym.asarray([1, 2]) is sym.asarray(np.array([1, 2]))


def test_constant_is_a_copy_of_the_array():
    array = np.zeros(3)
    node = sym.asarray(array)
    array[:] = 1
    np.testing.assert_array_equal(interpret(node, {}), np.zeros(3))


def test_default_float_is_the_dtype_of_what_names_none():
    with use_default_float("float32"):
        assert sym.zeros(2).dtype == sym.arange(0.0, 1).dtype == sym.eye(2).dtype == np.float32


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: sym.arange(0, 4, 0), ShapeError, r"arange: the step is 0 \(test_creation.py"),
        (lambda: sym.arange(0.5, n), ShapeError, "dimensions and floats do not mix"),
        (lambda: sym.arange(0, 2, 0.5, dtype="int64"), DTypeError, r"are no numbers of int64"),
        (lambda: sym.arange(2, dtype="bool"), DTypeError, "are no numbers of bool"),
        (lambda: sym.zeros(-1), ShapeError, "non-negative"),
        (lambda: sym.full((2, 3), np.ones(4)), ShapeError, "differ at axis"),
    ],
)
def test_wrong_creation_is_an_error(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_numbers_evenly_spaced_in_exponents_are_numpys():
    for found, expected in (
        (sym.logspace(0, 2, 5, base=3), np.logspace(0, 2, 5, base=3)),
        (sym.logspace(0, 2, 4, endpoint=False), np.logspace(0, 2, 4, endpoint=False)),
        (sym.geomspace(1, 100, 3, dtype="float32"), np.geomspace(1, 100, 3, dtype="float32")),
    ):
        value = interpret(found, {})
        assert value.dtype == expected.dtype
        np.testing.assert_array_equal(value, expected)


@pytest.mark.parametrize(("shape", "k"), [((3,), 0), ((3, 4), 1), ((4, 2), -1), ((0, 3), 0)])
def test_triangles_are_numpys(shape, k):
    np.testing.assert_array_equal(interpret(sym.tri(*shape, k=k), {}), np.tri(*shape, k=k))


def test_what_nobody_has_written_is_zero():
    assert interpret([sym.empty((2,)), sym.empty_like(np.ones(2))], {})[0].tolist() == [0, 0]
