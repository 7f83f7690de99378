"""Arrays turned, rolled and put side by side: NumPy's values, and no copies where one reads on."""

import numpy as np
import pytest

from graphc import compile, sym
from graphc.errors import ShapeError
from graphc.interpret import interpret
from tests.sym.calls import call, check_derivatives, check_values

CALLS = [
    call("roll", (5,), shift=2),
    call("roll", (3, 4), shift=-5),
    call("roll", (3, 4), shift=1, axis=0),
    call("roll", (3, 4), shift=(7, -1), axis=(0, 1)),
    call("roll", (3, 4), shift=2, axis=(0, 1)),
    call("roll", (3, 4), shift=(1, 1), axis=(1, 1)),
    call("roll", (0, 4), shift=3, axis=0),
    call("roll", (1,), shift=3),
    *(call("rot90", (2, 3), k=k) for k in (-1, 0, 1, 2, 3)),
    call("rot90", (2, 3, 4), axes=(2, 0)),
    call("fliplr", (2, 3)),
    call("flipud", (2, 3)),
    call("atleast_1d", ()),
    call("atleast_2d", ()),
    call("atleast_2d", (3,)),
    call("broadcast_arrays", (2, 1), (3,)),
    call("meshgrid", (2,), (3,)),
    call("meshgrid", (2,), (3,), (4,)),
    call("meshgrid", (2,), (3,), (4,), indexing="ij"),
    call("meshgrid", (), (3,)),
    call("meshgrid", (3,)),
    call("append", (3,), (2,)),
    call("append", (2, 3), (4,)),
    call("append", (2, 3), (2, 1), axis=1),
    call("vsplit", (4, 3), indices_or_sections=2),
    call("vsplit", (4, 3), indices_or_sections=[1, 3]),
    call("hsplit", (4,), indices_or_sections=2),
    call("hsplit", (3, 4), indices_or_sections=[1]),
]
JOINS = [
    ("vstack", [(3,), (2, 3)]),
    ("vstack", [(3,), (3,)]),
    ("hstack", [(3,), (2,)]),
    ("hstack", [(), ()]),
    ("hstack", [(2, 3), (2, 1)]),
    ("dstack", [(3,), (3,)]),
    ("dstack", [(2, 3), (2, 3, 4)]),
    ("column_stack", [(2,), (2, 3), (2,)]),
]


def test_values_are_numpys():
    check_values(CALLS, [("float64", "int8"), ("bool",)])


@pytest.mark.parametrize(("name", "shapes"), JOINS)
def test_joins_are_numpys(name, shapes):
    arrays = [np.random.default_rng(k).normal(size=shape) for k, shape in enumerate(shapes)]
    for declared in ([{"shape": a.shape} for a in arrays], [{} for _ in arrays]):
        xs = [sym.var(f"x{k}", **how) for k, how in enumerate(declared)]
        np.testing.assert_array_equal(compile(xs, getattr(sym, name)(xs))(*arrays), getattr(np, name)(arrays))


@pytest.mark.parametrize("each", CALLS[:4] + CALLS[8:11] + CALLS[20:22] + CALLS[-2:], ids=str)
def test_derivatives_and_instances_are_those_of_a_loop(each):
    check_derivatives(each)


def test_an_axis_of_any_extent_is_rolled_and_turned():
    x, data = sym.var("x", shape=("n", 3)), np.arange(12.0).reshape(4, 3)
    for shift in (0, 1, -1, 3):
        np.testing.assert_array_equal(compile(x, sym.roll(x, shift, 0))(data), np.roll(data, shift, 0))
    np.testing.assert_array_equal(compile(x, sym.rot90(x))(data), np.rot90(data))


def test_a_grid_is_no_memory():
    x, y = sym.var("x", shape=("n",)), sym.var("y", shape=("m",))
    a, b = sym.meshgrid(x, y)
    f = compile([x, y], a * b + b)
    assert len(f.kernels) == 1 and f.cost(n=100, m=100).workspace == 0


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda: sym.roll(np.ones((2, 2)), (1, 2), 0), r"roll: 2 shifts along 1 axes \(test_rearranging.py:\d+\)"),
        (lambda: sym.roll(np.ones(2), 1, 1), "roll: .* has no axis 1"),
        (lambda: sym.rot90(np.ones((2, 2)), 1, (0, 0)), "rot90: .* names an axis twice"),
        (lambda: sym.meshgrid(np.ones(2), indexing="yx"), "indexing='yx' is unknown"),
        (lambda: sym.hstack([]), "takes a sequence of at least one array"),
    ],
)
def test_what_does_not_fit_says_so(bad, message):
    with pytest.raises(ShapeError, match=message):
        bad()


def test_interpreted_values_of_numbers_are_numpys():
    np.testing.assert_array_equal(interpret(sym.vstack([[1, 2], [3, 4]]), {}), [[1, 2], [3, 4]])
