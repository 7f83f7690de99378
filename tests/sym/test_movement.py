"""Movement by NumPy's names: values, symbolic extents, and errors."""

import numpy as np
import pytest

from graphc import sym
from graphc.errors import DTypeError, ShapeError
from graphc.interpret import interpret
from graphc.types import Dim

n, m = Dim.symbol("n"), Dim.symbol("m")
A = np.arange(24.0).reshape(2, 3, 4)

CALLS = [
    ("broadcast_to", (A[:, :1], (5, 2, 3, 4)), {}),
    ("broadcast_to", (7, (2, 2)), {}),
    ("expand_dims", (A, 1), {}),
    ("expand_dims", (A, (0, -1)), {}),
    ("squeeze", (A[:, :1, None],), {}),
    ("squeeze", (A[:, :1, None], -2), {}),
    ("reshape", (A, (4, 6)), {}),
    ("reshape", (A, -1), {}),
    ("reshape", (A, (6, -1)), {}),
    ("reshape", (np.zeros((0, 3)), (-1, 3)), {}),
    ("reshape", (np.float64(3), ()), {}),
    ("ravel", (A,), {}),
    ("transpose", (A,), {}),
    ("transpose", (A, (1, -1, 0)), {}),
    ("permute_dims", (A, (2, 0, 1)), {}),
    ("matrix_transpose", (A,), {}),
    ("swapaxes", (A, 0, -1), {}),
    ("moveaxis", (A, 0, -1), {}),
    ("moveaxis", (A, (0, 2), (1, 0)), {}),
    ("flip", (A,), {}),
    ("flip", (A, (0, -1)), {}),
    ("pad", (A, 1), {}),
    ("pad", (A, (1, 0)), {"constant_values": 7}),
    ("pad", (A, ((0, 1), (2, 0), (0, 0))), {"constant_values": np.inf}),
    ("pad", (A, 2), {"constant_values": -0.0}),
    ("pad", (np.arange(3), 1), {"constant_values": -1}),
    ("concat", ([A, A[:1]],), {}),
    ("concat", ([A, A[..., :0], np.arange(24).reshape(2, 3, 4)], -1), {}),
    ("concat", ([A, 5.0 + np.arange(2)], None), {}),
    ("concatenate", ([A],), {}),
    ("stack", ([A, A + 1],), {}),
    ("stack", ([A, A + 1], -1), {}),
    ("stack", ([1, 2.5, 3],), {}),
    ("tile", (A, 2), {}),
    ("tile", (A, (2, 1, 1, 3)), {}),
    ("repeat", (A, 2), {}),
    ("repeat", (A, 3, -2), {}),
]


@pytest.mark.parametrize(("name", "args", "kwargs"), CALLS)
def test_moved_array_is_numpys(name, args, kwargs):
    expected = getattr(np, name)(*args, **kwargs)
    got = interpret(getattr(sym, name)(*args, **kwargs), {})
    assert got.dtype == expected.dtype and got.shape == expected.shape
    np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(np.signbit(got), np.signbit(expected))


@pytest.mark.parametrize(("given", "axis"), [(2, 2), ([1, 3], -1), ([0, 2], 1), ([1, 9], 0), ([-1], 1), ([2, 1], 1)])
def test_split_is_numpys(given, axis):
    expected = np.split(A, given, axis)
    x = sym.var("x")
    for parts in (sym.split(A, given, axis), sym.split(x, given, axis)):
        for part, wanted in zip(interpret(parts, {x: A}), expected, strict=True):
            np.testing.assert_array_equal(part, wanted)


def test_methods_take_shapes_and_axes_as_arguments_too():
    x = sym.var("x", shape=(2, 3, 4))
    assert x.reshape(4, 6) is x.reshape((4, 6)) is sym.reshape(x, [4, -1])
    assert x.transpose(2, 0, 1) is x.transpose((2, 0, 1)) and x.T is x.transpose()
    assert x.flatten() is x.ravel()


def test_moves_that_change_nothing_add_no_node():
    x = sym.var("x", shape=("n", 1, 3))
    for same in (x.reshape("n", 1, 3), x.transpose(0, 1, 2), sym.pad(x, 0), sym.concat([x]), x.squeeze(1)[:, None]):
        assert same is x


def test_reshapes_in_a_row_are_one():
    x = sym.var("x", shape=("n", 6))
    assert x.reshape(-1, 2).reshape("n", 3, 2) is x.reshape("n", 3, 2)
    assert x.reshape(-1).reshape("n", -1) is x


@pytest.mark.parametrize(
    ("call", "shape"),
    [
        (lambda x: sym.reshape(x, ("n", -1)), (n, 12)),
        (lambda x: sym.reshape(x, (-1, 6)), (2 * n, 6)),
        (lambda x: sym.reshape(x, (2, 6, -1)), (2, 6, n)),
        (lambda x: x.ravel(), (12 * n,)),
        (lambda x: sym.concat([x, x[1:]]), (2 * n - 1, 3, 4)),
        (lambda x: sym.pad(x, ((n, 1), (0, 0), (0, m))), (2 * n + 1, 3, m + 4)),
        (lambda x: sym.tile(x, 2), (n, 3, 8)),
        (lambda x: sym.repeat(x, 2, 0), (2 * n, 3, 4)),
        (lambda x: sym.broadcast_to(x, ("m", "n", 3, 4)), (m, n, 3, 4)),
        (lambda x: sym.stack([x, x], 1), (n, 2, 3, 4)),
        (lambda x: sym.split(x, [n - 1])[0], (n - 1, 3, 4)),
    ],
)
def test_symbolic_extents_move_as_polynomials(call, shape):
    x = sym.var("x", shape=("n", 3, 4))
    y = call(x)
    assert y.shape == shape
    interpret(y, {x: A}, {"m": 3})  # and the oracle agrees, which the interpreter checks


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda x: sym.reshape(x, (5, -1)),
            r"reshape: float64\[n, 3\] does not divide into \(5, -1\) \(test_movement.py",
        ),
        (lambda x: sym.reshape(x, (-1, -1)), "give one -1"),
        (lambda x: sym.reshape(x, ("m", 3)), r"has 3\*n elements and \(m, 3\) has 3\*m"),
        (lambda x: sym.reshape(x, (0, -1)), "does not divide"),
        (lambda x: sym.transpose(x, (0, 0)), "names an axis twice"),
        (lambda x: sym.transpose(x, (0,)), "does not order the axes"),
        (lambda x: sym.swapaxes(x, 0, 2), "has no axis 2 .*; axes run from -2 to 1"),
        (lambda x: sym.squeeze(x, 1), "axis 1 of .* is not of extent 1"),
        (lambda x: sym.squeeze(x, 0), "axis 0 of .* is not of extent 1"),
        (lambda x: sym.moveaxis(x, (0, 1), 0), "2 axes to 1 places"),
        (lambda x: sym.broadcast_to(x, (4, "n", 2)), "differ at axis -1"),
        (lambda x: sym.broadcast_to(x, (3,)), "does not stretch"),
        (lambda x: sym.pad(x, 1, mode="edge"), "mode 'edge' is not supported"),
        (lambda x: sym.pad(x, (1, 2, 3)), "no padding of"),
        (lambda x: sym.pad(x, -1), "no padding of"),
        (lambda x: sym.pad(x, 1, constant_values=x), "not one number"),
        (lambda x: sym.concat(x), r"takes a sequence of at least one array .*; write concat\(\[x, y\]\)"),
        (lambda x: sym.concat([x, x[:, :2]]), "differ beside axis 0"),
        (lambda x: sym.stack([x, x[1:]]), "differ in shape"),
        (lambda x: sym.split(x, 2, 1), "does not divide into 2"),
    ],
)
def test_wrong_move_says_what_and_where(call, message):
    with pytest.raises((ShapeError, DTypeError), match=message):
        call(sym.var("x", shape=("n", 3)))


def test_padding_never_narrows():
    with pytest.raises(DTypeError, match=r"1.5 does not fit int64"):
        sym.pad(sym.var("x", shape=3, dtype="int64"), 1, constant_values=1.5)


def test_moves_before_typing_are_replayed():
    x = sym.var("x")
    y = sym.concat([x.T, sym.pad(x, ((0, 1), (0, 0))).reshape(3, -1)], axis=1)
    array = np.arange(6.0).reshape(2, 3)
    expected = np.concatenate([array.T, np.pad(array, ((0, 1), (0, 0))).reshape(3, -1)], axis=1)
    np.testing.assert_array_equal(interpret(y, {x: array}), expected)
