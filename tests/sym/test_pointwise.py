"""Elementwise functions made of others: NumPy's values, at special places too, and derivatives."""

import numpy as np
import pytest

from graphc import compile, grad, interpret, sym
from graphc.errors import ShapeError
from tests.sym.calls import Call, call, check_derivatives, check_values

SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 2.5, -2.5, 1e300, 5e-324])
ONE = ("nan_to_num", "isposinf", "isneginf", "signbit", "fabs", "sinc", "deg2rad", "rad2deg")
TWO = ("fmax", "fmin", "fmod", "divmod", "heaviside", "logaddexp2", "isclose", "allclose", "array_equal")
CALLS = [call(name, (3, 4)) for name in ONE] + [call(name, (3, 4), (4,)) for name in TWO]
CALLS += [call("array_equal", (3,), (3,)), call("sinc", ()), call("fmax", (0,), (0,))]
SMOOTH = [each for each in CALLS if each.name in ("fabs", "sinc", "deg2rad", "rad2deg", "fmax", "fmod", "logaddexp2")]


def test_values_are_numpys():
    check_values([each for each in CALLS if each.name not in ("divmod", "fmod")], [("float64",), ("float32",)])
    whole = ("nan_to_num", "fmax", "fmin", "isclose", "array_equal")
    check_values([each for each in CALLS if each.name in whole], [("int64",), ("int8", "float32"), ("uint8",)])
    check_values([each for each in CALLS if each.name in ("fabs", "heaviside", "sinc", "signbit")], [("int64",)])


@pytest.mark.parametrize("name", ["fmod", "divmod"])
def test_remainders_are_numpys(name):
    x, y = np.array([7, -7, 7, -7, 0]), np.array([3, 3, -3, -3, 2])
    for dtype in ("float64", "int64", "int8"):
        found = interpret(Call(name, (), {}).apply(sym, [x.astype(dtype), y.astype(dtype)]), {})
        for a, b in zip(found, Call(name, (), {}).apply(np, [x.astype(dtype), y.astype(dtype)]), strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", [*ONE[:5], "fmax", "fmin", "heaviside", "isclose", "sinc"])
def test_special_values_are_numpys(name):
    pairs = [SPECIAL] if name in ONE else np.meshgrid(SPECIAL, SPECIAL)
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(*pairs)
    xs = [sym.var(f"x{k}", shape=a.shape) for k, a in enumerate(pairs)]
    np.testing.assert_allclose(compile(xs, getattr(sym, name)(*xs))(*pairs), expected, rtol=1e-14)


def test_replacements_are_those_given():
    for kwargs in ({"nan": 5.0}, {"posinf": 7.0, "neginf": -3.0}):
        found = interpret(sym.nan_to_num(SPECIAL, **kwargs), {})
        np.testing.assert_array_equal(found, np.nan_to_num(SPECIAL, **kwargs))


def test_nan_equals_itself_if_asked():
    assert interpret([sym.allclose(SPECIAL, SPECIAL, equal_nan=flag) for flag in (True, False)], {}) == [True, False]
    assert interpret([sym.array_equal(SPECIAL, SPECIAL, equal_nan=flag) for flag in (True, False)], {}) == [True, False]


def test_sinc_is_smooth_and_exact_where_the_series_ends():
    at = np.linspace(-0.02, 0.02, 101)
    np.testing.assert_allclose(interpret(sym.sinc(at), {}), np.sinc(at), rtol=1e-15)
    x = sym.var("x", shape=())
    slopes = [grad(sym.sinc(x), x)]
    slopes.append(grad(slopes[0], x))
    np.testing.assert_allclose(interpret(slopes, {x: np.array(0.0)}), [0, -(np.pi**2) / 3], atol=1e-15)


def test_the_first_condition_that_holds_chooses():
    x = sym.var("x", shape=(5,), dtype="float32")
    data = np.array([-2, 0, 1, 2, 5], np.float32)
    found = compile(x, sym.select([x < 0, x > 1], [-x, x**2], 0.5))(data)
    expected = np.select([data < 0, data > 1], [-data, data**2], np.float32(0.5))
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)
    with pytest.raises(ShapeError, match=r"select: 1 conditions for 2 choices \(test_pointwise.py:\d+\)"):
        sym.select([x < 0], [x, x])


@pytest.mark.parametrize("each", SMOOTH, ids=str)
def test_derivatives_and_instances_are_those_of_a_loop(each):
    check_derivatives(each)
