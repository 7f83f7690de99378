"""The interpreter: values, names, symbolic extents, steps, and what it holds."""

import gc
import weakref

import numpy as np
import pytest

from graphc import sym
from graphc.errors import BindError
from graphc.interpret import interpret


@pytest.fixture
def x():
    return sym.var("x", shape=("n", 2), dtype="float64")


def test_structures_are_mirrored_and_variables_bound_by_node_or_name(x):
    got = interpret({"y": x + 1, "both": (x, [x * 2])}, {"x": np.ones((3, 2))})
    np.testing.assert_array_equal(got["y"], np.full((3, 2), 2))
    np.testing.assert_array_equal(got["both"][1][0], np.full((3, 2), 2))
    assert interpret(x.sum(), {x: np.ones((3, 2))}) == 6


def test_symbolic_extents_are_read_off_the_arrays(x):
    y = sym.reshape(x, (-1,))
    for n in (0, 1, 5):
        assert interpret(y, {"x": np.zeros((n, 2))}).shape == (2 * n,)


def test_an_extent_that_no_array_fixes_may_be_given():
    y = sym.zeros(("k", 2))
    assert interpret(y, {}, dims={"k": 3}).shape == (3, 2)
    with pytest.raises(BindError, match="dimension k"):
        interpret(y, {})


def test_untyped_variables_take_the_types_of_the_arrays():
    a, b = sym.var("a"), sym.var("b")
    np.testing.assert_array_equal(interpret(2 * a + b, {"a": np.arange(3.0), "b": np.ones(3)}), [1, 3, 5])
    assert interpret(2 * a, {"a": np.float32(1.5)}).dtype == np.float32


def test_every_step_is_traced_arguments_first(x):
    steps = []
    interpret(
        sym.sin(x).sum(), {"x": np.zeros((2, 2))}, trace=lambda node, value: steps.append((node.name, value.shape))
    )
    assert steps == [("x", (2, 2)), ("sin", (2, 2)), ("sum", ())]


def test_values_are_let_go_after_their_last_use():
    x = sym.var("x", shape=(4,))
    y = x
    for _ in range(6):
        y = sym.sin(y)
    alive: list[weakref.ref] = []

    def watch(node, value):
        gc.collect()
        alive.append(weakref.ref(value))
        assert sum(ref() is not None for ref in alive[1:]) <= 2

    interpret(y, {"x": np.ones(4)}, trace=watch)
    assert len(alive) == 7


def test_wrong_bindings_are_errors_that_name_the_variable_and_its_line(x):
    with pytest.raises(BindError, match=r"x \(test_interpret.py:\d+\) has no value"):
        interpret(x + 1, {})
    with pytest.raises(BindError, match=r"x is float64\[n, 2\] .* 3 elements along axis 1 instead of 2"):
        interpret(x + 1, {"x": np.zeros((1, 3))})
    with pytest.raises(BindError, match="not complex128"):
        interpret(x + 1, {"x": np.zeros((1, 2), complex)})


def test_numbers_and_lists_adapt_to_the_variable():
    x = sym.var("x", shape=(2,), dtype="float32")
    assert interpret(x, {"x": [1, 2]}).dtype == np.float32


def test_deep_graphs_need_no_recursion():
    y = x = sym.var("x", shape=(), dtype="float64")
    for _ in range(5000):
        y = y + x
    assert interpret(y, {"x": 1.0}) == 5001


def test_a_variable_that_is_given_fixes_dimensions_though_nothing_reads_its_values():
    x = sym.var("x", shape=("n",))
    assert interpret(sym.sum(sym.ones(("n",))), {x: np.zeros(4)}) == 4
