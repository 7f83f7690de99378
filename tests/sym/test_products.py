"""Kronecker and cross products, convolutions, polynomials, areas: NumPy's values, and derivatives."""

import numpy as np
import pytest

from graphc import compile, sym
from graphc.errors import ShapeError
from tests.sym.calls import call, check_derivatives, check_values

SLID = [(5,), (3,)], [(3,), (5,)], [(4,), (4,)], [(6,), (1,)], [(5,), (2,)], [(2,), (5,)]
CALLS = [
    call("kron", (2, 3), (3, 2)),
    call("kron", (3,), (2, 2)),
    call("kron", (), (2,)),
    call("cross", (2, 3), (3,)),
    call("cross", (3, 2), (3, 2), axis=0),
    call("vdot", (2, 3), (2, 3)),
    *(call(name, *shapes, mode=m) for name in ("convolve", "correlate") for shapes in SLID for m in ("full", "valid")),
    *(call("convolve", *shapes, mode="same") for shapes in SLID),
    *(call("correlate", *shapes, mode="same") for shapes in SLID if shapes[0] >= shapes[1]),
    call("polyval", (4,), (2, 3)),
    call("polyval", (0,), (3,)),
    call("vander", (4,)),
    call("vander", (3,), N=5, increasing=True),
    call("vander", (3,), N=0),
    call("trapezoid", (2, 5)),
    call("trapezoid", (2, 5), dx=0.5, axis=0),
    call("trapezoid", (2, 5), (5,)),
    call("trapezoid", (5, 2), (5, 2), axis=0),
]


def test_values_are_numpys():
    check_values(CALLS, [("float64",), ("float32",), ("int64",)])


@pytest.mark.parametrize("each", [each for each in CALLS if (0,) not in each.shapes][::2], ids=str)
def test_derivatives_and_instances_are_those_of_a_loop(each):
    check_derivatives(each)


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
def test_a_vector_of_any_length_is_convolved_in_one_kernel(mode):
    x, data, v = sym.var("x", shape=("n",)), np.arange(20.0), np.array([1.0, 2.0, -1.0])
    f = compile(x, sym.convolve(sym.exp(-x), v, mode))
    np.testing.assert_allclose(f(data), np.convolve(np.exp(-data), v, mode))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda: sym.cross(np.ones(2), np.ones(2)), r"cross: 2 and 2 components \(test_products.py:\d+\)"),
        (lambda: sym.convolve(np.ones((2, 2)), np.ones(2)), "convolve: .*; give vectors with elements"),
        (lambda: sym.correlate(np.ones(2), np.ones(0)), "correlate: .*; give vectors with elements"),
        (lambda: sym.convolve(np.ones(2), np.ones(2), "whole"), "mode='whole' is unknown"),
        (lambda: sym.polyval(sym.var("p", shape=("n",)), 1.0), "give a vector of a known extent"),
        (lambda: sym.vander(np.ones((2, 2))), "vander: .* is no vector"),
        (lambda: sym.vdot(np.ones(2), np.ones(3)), "vdot: .* 2 against 3"),
    ],
)
def test_what_does_not_fit_says_so(bad, message):
    with pytest.raises(ShapeError, match=message):
        bad()
