"""Wrong control flow is an error on the user's line that says what is wrong and how to mend it."""

import numpy as np
import pytest

import graphc
from graphc import BindError, DTypeError, ShapeError, sym


def test_a_state_that_changes_its_dtype_is_named_with_both_sides():
    x = sym.var("x", shape=(3,))
    with pytest.raises(
        DTypeError, match=r"state u is float64\[3\] before an iteration and float32\[3\] after it .*test_errors"
    ):
        sym.while_loop(lambda s: sym.sum(s["u"]) < 3, lambda s: {"u": s["u"].astype("float32")}, {"u": x})


def test_a_state_that_changes_its_shape_is_named_with_both_sides():
    x = sym.var("x", shape=(3,))
    with pytest.raises(
        ShapeError, match=r"scan: state h is float64\[3\] before an iteration and float64\[6\] after it"
    ):
        sym.scan(lambda h, _: (sym.concat([h, h]), None), x, length=2)


def test_a_state_of_another_structure_is_an_error():
    x = sym.var("x", shape=())
    with pytest.raises(ShapeError, match=r"the state is · before an iteration and \(·, ·\) after it"):
        sym.fori_loop(0, 3, lambda i, s: (s, s), x)


def test_an_untyped_loop_is_checked_when_types_come_and_the_error_has_the_users_line():
    a = sym.var("a")
    f = graphc.compile(a, sym.fori_loop(0, 2, lambda i, s: sym.sum(s), a))
    f(np.array(1.0))
    with pytest.raises(ShapeError, match=r"fori_loop: state s is float64\[2\] before .*test_errors.py"):
        f(np.ones(2))


def test_branches_of_different_types_are_an_error():
    x = sym.var("x", shape=(2,))
    with pytest.raises(ShapeError, match=r"cond: branch 0 gives float64\[\], but branch 1 float64\[2\]"):
        sym.cond(sym.sum(x) > 0, lambda: x, lambda: sym.sum(x))


def test_branches_of_different_structures_are_an_error():
    x = sym.var("x", shape=())
    with pytest.raises(ShapeError, match="another structure"):
        sym.cond(x > 0, lambda: (x, x), lambda: x)


def test_a_condition_that_is_no_bool_is_an_error():
    x = sym.var("x", shape=(2,))
    with pytest.raises(DTypeError, match=r"a condition of bool\[2\] is no bool"):
        sym.while_loop(lambda s: s < 3, lambda s: s + 1, x)


def test_an_index_that_chooses_nothing_is_an_error():
    x = sym.var("x", shape=())
    with pytest.raises(DTypeError, match=r"float64\[\] chooses no branch"):
        sym.switch(x, [lambda: x, lambda: -x])


def test_xs_of_different_lengths_are_an_error():
    x, y = sym.var("x", shape=(2,)), sym.var("y", shape=(3,))
    with pytest.raises(ShapeError, match="different lengths, 2 and 3"):
        sym.scan(lambda s, p: (s, p[0] + p[1]), 0.0, (x, y))


def test_scan_without_anything_to_run_over_is_an_error():
    with pytest.raises(ShapeError, match="give xs, or length="):
        sym.scan(lambda s, _: (s, s), 0.0)


def test_a_scalar_among_xs_is_an_error():
    x = sym.var("x", shape=())
    with pytest.raises(ShapeError, match="an axis to run along"):
        sym.map(lambda x: x, x)


def test_a_scan_that_gives_no_pair_is_an_error():
    x = sym.var("x", shape=(2,))
    with pytest.raises(ShapeError, match="return a pair"):
        sym.scan(lambda s, x: s + x, 0.0, x)


def test_associative_scan_of_an_extent_not_known_is_an_error():
    with pytest.raises(ShapeError, match="a number"):
        sym.associative_scan(sym.add, sym.var("x", shape=("n",)))


def test_what_a_loop_captures_must_be_an_input():
    x, w = sym.var("x", shape=()), sym.var("w", shape=())
    with pytest.raises(BindError, match="w"):
        graphc.compile(x, sym.fori_loop(0, 2, lambda i, s: s * w, x))


@pytest.mark.parametrize("length", [-2, 2.5, sym.var("k", shape=(), dtype="int64")])
def test_a_length_that_is_no_extent_is_an_error(length):
    with pytest.raises(ShapeError, match=r"scan: length=.* is no number of iterations \(.*test_errors"):
        sym.scan(lambda s, _: (s + 1, s), 0, length=length)


@pytest.mark.parametrize("limit", [-1, 2.5, "5"])
def test_a_greatest_number_of_iterations_that_is_none_is_an_error(limit):
    with pytest.raises(ShapeError, match=r"while_loop: max_iterations=.* is no number of iterations \(.*test_errors"):
        sym.while_loop(lambda s: s < 3, lambda s: s + 1, 0, max_iterations=limit)


@pytest.mark.parametrize("bound", [0.5, sym.var("k", shape=(3,), dtype="int64"), sym.var("x", shape=())])
def test_a_bound_that_is_no_integer_is_an_error(bound):
    with pytest.raises(DTypeError, match=r"fori_loop: a bound is .*; give integers, without axes"):
        sym.fori_loop(0, bound, lambda i, s: s + i, 0)


def test_a_bound_that_is_no_integer_is_found_when_types_come():
    n = sym.var("n")
    f = graphc.compile(n, sym.fori_loop(0, n, lambda i, s: s + i, 0))
    assert f(np.int32(4)) == 6
    with pytest.raises(DTypeError, match=r"fori_loop: a bound is float64\[\] \(.*test_errors"):
        f(np.array(4.0))
