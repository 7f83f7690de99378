"""Variables: named or not, typed or not."""

import pytest

from graphc import sym
from graphc.errors import BindError, DTypeError, ShapeError
from graphc.types import FLOAT32, FLOAT64, Dim, Type


def test_variable_without_a_shape_has_no_type():
    assert sym.var("a").type is None


def test_extents_may_be_names_and_dims():
    n = Dim.symbol("n")
    assert sym.var("x", shape=("n", n + 1, 3), dtype="float32").type == Type(FLOAT32, (n, n + 1, 3))


def test_shape_without_a_dtype_is_of_the_default_float():
    assert sym.var("x", shape=()).type == Type(FLOAT64, ())


def test_variables_name_themselves_differently():
    names = [sym.var().name for _ in range(3)]
    assert len(set(names)) == 3 and all(name.startswith("v") for name in names)


def test_own_name_avoids_those_that_users_chose():
    number = int(sym.var().name[1:])
    sym.var(f"v{number + 1}")
    assert sym.var().name == f"v{number + 2}"


def test_variables_of_one_name_are_different():
    assert sym.var("a", shape=3) is not sym.var("a", shape=3)


@pytest.mark.parametrize("name", ["", 3])
def test_name_must_be_text(name):
    with pytest.raises(BindError, match=r"test_variable\.py"):
        sym.var(name)


def test_dtype_without_a_shape_is_an_error():
    with pytest.raises(DTypeError, match=r"'x' has a dtype but no shape \(test_variable\.py:\d+\); give both"):
        sym.var("x", dtype="float32")


def test_negative_extent_is_an_error():
    with pytest.raises(ShapeError):
        sym.var("x", shape=(-1,))


def test_mxnet_calls_it_variable():
    assert sym.Variable("w", shape=(2, 3)).shape == (2, 3)
