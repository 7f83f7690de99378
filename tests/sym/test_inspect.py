"""Questions about a graph: arguments, outputs, and the shapes and dtypes that given ones imply."""

import numpy as np
import pytest

from graphc import sym
from graphc.errors import BindError, ShapeError


@pytest.fixture
def c():
    return 2 * sym.var("a") + sym.var("b")


def test_arguments_are_listed_in_call_order(c):
    assert c.list_arguments() == ["a", "b"]
    assert (sym.var("b") - sym.var("a")).list_arguments() == ["b", "a"]


def test_output_is_named_after_its_operator_typed_or_not(c):
    assert c.list_outputs() == ["add_output"]
    assert sym.exp(sym.var("x", shape=(3,))).list_outputs() == ["exp_output"]
    assert sym.var("x").list_outputs() == ["x"]


def test_shapes_follow_from_those_given(c):
    assert c.infer_shape(a=(2, 3), b=(3,)) == ([(2, 3), (3,)], [(2, 3)], [])


def test_a_shape_that_nothing_says_is_that_of_what_it_meets(c):
    assert c.infer_shape(a=(2, 3)) == ([(2, 3), (2, 3)], [(2, 3)], [])
    x, w, b = sym.var("x"), sym.var("w"), sym.var("b")
    assert sym.tanh(sym.dot(x, w) + b).infer_shape(x=(8, 4), w=(4, 2))[0] == [(8, 4), (4, 2), (8, 2)]
    with pytest.raises(BindError, match="no shape is declared for a, b"):
        c.infer_shape()


def test_declared_shapes_need_not_be_given():
    x, w = sym.var("x", shape=("n", 4)), sym.var("w", shape=(4, 2))
    y = sym.matmul(x, w)
    assert y.infer_shape(x=(8, 4)) == ([(8, 4), (4, 2)], [(8, 2)], [])
    assert y.infer_shape()[1] == [y.shape]
    with pytest.raises(ShapeError, match="5 elements along axis 1 instead of 4"):
        y.infer_shape(x=(8, 5))


def test_dtypes_follow_from_those_given(c):
    assert c.infer_type(a="float32", b="int8") == ([np.float32, np.int8], [np.float32], [])
    assert c.infer_type() == ([np.float64] * 2, [np.float64], [])


def test_dtypes_of_functions_that_need_axes_ask_for_shapes():
    with pytest.raises(BindError, match="declare the shapes of a"):
        sym.var("a").sum(axis=1).infer_type()


def test_wrong_questions_are_errors(c):
    with pytest.raises(BindError, match="no argument is named d; there are a, b"):
        c.infer_shape(d=(3,))
    with pytest.raises(BindError, match="no shape is declared for b; give b="):
        sym.dot(sym.var("a"), sym.var("b")).infer_shape(a=(3,))
    with pytest.raises(BindError, match=r"x is float64\[3\] .* not int32"):
        sym.exp(sym.var("x", shape=(3,), dtype="float64")).infer_type(x="int32")
