import numpy as np
import pytest

from graphc import BindError, Graph, grad, sym, to_text
from graphc.node import constant


def test_untyped_call_shows_its_arguments_and_no_type():
    a, b = sym.var("a"), sym.var("b")
    assert str(2 * a + b).split("\n") == ["a", "b", "%0 = multiply(2, a)", "%1 = add(%0, b)"]


def test_types_stand_in_one_column():
    a, b = sym.var("a", shape=("n", 3)), sym.var("b", shape=("n", 3))
    lines = str(2 * a + b).split("\n")
    assert {line.index("float64") for line in lines} == {lines[-1].index("float64[n, 3]")}


def test_graph_ends_with_what_it_returns():
    x = sym.var("x", shape=(3,))
    assert str(Graph.of([x + 1, x])).split("\n")[-1] == "return %0, x"


def test_results_of_a_recorded_gradient_are_items():
    a, b = sym.var("a"), sym.var("b")
    text = to_text(grad(sym.sum(a * b), [a, b]))
    assert "%2 = grad(%1, [a, b])\n%3 = %2[0]\n%4 = %2[1]\nreturn %3, %4" in text


def test_keyword_arguments_of_a_recorded_call_are_named():
    assert "sum(a, axis=0)" in str(sym.sum(sym.var("a"), axis=0))


def test_numbers_spread_over_axes_stand_inline_where_types_say_the_rest():
    x = sym.var("x", shape=(2, 3))
    assert "multiply(2, x)" in str(2 * x)
    assert "expand(1, axes=(0,), extents=(5,))" in str(sym.ones((5,)) @ sym.var("w", shape=(5,)))


def test_float32_constant_is_as_short_as_it_was_written():
    assert "multiply(0.1, x)" in str(0.1 * sym.var("x", shape=(), dtype="float32"))


def test_small_array_shows_its_elements_and_large_one_its_shape():
    x = sym.var("x", shape=(3,))
    assert "constant([1, 2, 3])" in str(x + np.array([1.0, 2.0, 3.0]))
    assert "constant(array of 20 × 3)" in str(x + np.arange(60.0).reshape(20, 3))


def test_lone_constant_has_a_line():
    assert str(constant(2.0)) == "%0 = constant(2)    float64[]"


@pytest.mark.parametrize("name", ["two words", "%1", 'quote"', "new\nline", "ü-x"])
def test_name_that_is_no_identifier_is_quoted(name: str):
    text = str(sym.var(name, shape=()) + 1)
    assert repr(name) in text and len(text.split("\n")) == 2


def test_two_variables_of_one_name_are_told_apart():
    a, other = sym.var("a", shape=()), sym.var("a", shape=())
    assert "add(a, a1)" in str(a + other)


def test_source_line_of_each_node_is_shown_if_asked():
    x = sym.var("x", shape=())
    assert all("# test_text.py:" in line for line in to_text(x + 1, source=True).split("\n"))


def test_what_is_no_node_is_an_error():
    with pytest.raises(BindError, match="3 is no node; give a node"):
        to_text([sym.var("x"), 3])


def test_text_of_a_deep_graph_needs_no_recursion():
    x = sym.var("x", shape=())
    for _ in range(20_000):
        x = sym.sin(x)
    lines = str(x).split("\n")
    assert len(lines) == 20_001 and lines[-1].startswith("%19999 = sin(%19998)")
