"""Notes: what they are worth in training and in inference, where derivatives go, and that no program has them."""

import numpy as np
import pytest

import graphc
from graphc import compile, grad, interpret, jvp, sym
from graphc.errors import BindError, DTypeError, ShapeError
from graphc.graph import Graph
from graphc.ops.note import CALLED, HEADED, MODE, SURROGATE, UPDATING
from graphc.passes.notes import resolve, updates

X = np.array([1.0, 2.0, 3.0])


def variable(name="x", shape=(3,), dtype="float64"):
    return sym.var(name, shape=shape, dtype=dtype)


def called(*args):
    return CALLED(*args, function="mx.f", template="", index=0)


def noted(graph):
    return [node for node in graph.nodes if node.op.kind == "note"]


# -- values -------------------------------------------------------------------------------------------


def test_mode_is_its_first_argument_in_training_and_its_second_in_inference():
    x = variable()
    y = MODE(2 * x, x)
    np.testing.assert_array_equal(compile(x, y, training=True)(X), 2 * X)
    np.testing.assert_array_equal(compile(x, y)(X), X)
    np.testing.assert_array_equal(interpret(y, {x: X}), X)


def test_the_last_argument_of_called_is_its_value():
    x, w = variable(), variable("w", (7,))
    np.testing.assert_array_equal(interpret(called(w, x, 2 * x), {x: X, w: np.zeros(7)}), 2 * X)


def test_no_note_is_left_in_a_program():
    x, s = variable(), variable("s")
    y = UPDATING(SURROGATE(HEADED(called(x, MODE(2 * x, x)), x, x), x), s, x)
    for training in (True, False):
        graph = resolve(Graph((x, s), (y, grad(sym.sum(y), x))), training)
        assert not noted(graph) and graph.inputs == (x, s)


def test_a_graph_without_notes_stays_the_same():
    graph = Graph.of(sym.exp(variable()))
    assert resolve(graph, True) is graph


def test_notes_inside_loops_are_taken_away():
    x = variable()
    _, ys = sym.scan(lambda s, each: (s, MODE(2 * each, each) + s), sym.zeros(()), x)
    np.testing.assert_array_equal(compile(x, ys, training=True)(X), 2 * X)
    np.testing.assert_array_equal(compile(x, ys)(X), X)


def test_notes_inside_branches_are_taken_away():
    x = variable(shape=())
    y = sym.cond(x > 0, lambda: MODE(2 * x, x), lambda: called(x, -x))
    f = compile(x, [y, grad(y, x)], training=True)
    assert f(3.0) == [6.0, 2.0] and f(-3.0) == [3.0, -1.0]


def test_both_modes_of_one_graph_may_be_compiled_before_its_type_is_known():
    x = sym.var("x")
    y = sym.Dropout(sym.mx.BlockGrad(x), p=0.999999)
    assert compile(x, y)(X).tolist() == X.tolist()
    assert compile(x, y, training=True)(X).tolist() == [0, 0, 0]


# -- derivatives --------------------------------------------------------------------------------------


def test_gradient_of_mode_is_that_of_the_mode_it_runs_in():
    x = variable()
    slope = grad(sym.sum(MODE(x * x, 5 * x)), x)
    np.testing.assert_array_equal(compile(x, slope, training=True)(X), 2 * X)
    np.testing.assert_array_equal(compile(x, slope)(X), [5, 5, 5])


def test_surrogate_has_its_derivatives_from_the_second_argument_in_both_modes_and_orders():
    x = variable()
    y = sym.with_gradient_of(sym.floor(x), x**3)
    slope = grad(sym.sum(y), x)
    value, first, pushed, second = interpret([y, slope, jvp(y, x, np.ones(3)), grad(sym.sum(slope), x)], {x: X})
    np.testing.assert_array_equal(value, X)
    for found, wanted in ((first, 3 * X**2), (pushed, 3 * X**2), (second, 6 * X)):
        np.testing.assert_allclose(found, wanted)


def test_with_gradient_of_promotes_and_broadcasts():
    x, flag = variable(), variable("flag", (2, 1), "int32")
    y = sym.with_gradient_of(flag, x)
    assert y.type == (flag * x).type


def test_with_gradient_of_waits_for_types():
    x = sym.var("x")
    f = compile(x, grad(sym.sum(sym.with_gradient_of(sym.round(x), x)), x))
    np.testing.assert_array_equal(f(X), [1, 1, 1])


def test_headed_gives_its_gradient_whatever_the_cotangent_is():
    x = variable()
    y = HEADED(sym.exp(x), x, 7 * x)
    for scale in (1, 100):
        np.testing.assert_array_equal(interpret(grad(sym.sum(scale * y), x), {x: X}), 7 * X)


def test_headed_adds_to_what_comes_on_other_ways():
    x = variable()
    np.testing.assert_array_equal(interpret(grad(sym.sum(HEADED(x, x, 7 * x) + x), x), {x: X}), 7 * X + 1)


def test_operands_of_a_call_get_no_derivative_from_the_note():
    x, w = variable(), variable("w")
    gx, gw = interpret(grad(sym.sum(called(x, w, x * w)), [x, w]), {x: X, w: 2 * X})
    np.testing.assert_array_equal([gx, gw], [2 * X, X])


# -- types --------------------------------------------------------------------------------------------


def test_two_modes_of_different_types_are_an_error():
    with pytest.raises(ShapeError, match="mode"):
        MODE(variable(), variable("y", (4,)))
    with pytest.raises(DTypeError, match="mode"):
        MODE(variable(), variable("y", dtype="float32"))


def test_a_new_value_of_another_type_is_an_error():
    with pytest.raises(ShapeError, match=r"state is float64\[3\], its new value float64\[2\]"):
        UPDATING(variable(), variable("s"), variable("n", (2,)))


# -- updates ------------------------------------------------------------------------------------------


def test_training_updates_a_state_and_inference_leaves_it():
    s, x = graphc.state(np.zeros(3)), variable()
    y = UPDATING(x + s, s, s + x)
    train, infer = compile(x, y, training=True), compile(x, y)
    assert train(X).tolist() == [1, 2, 3] and train(X).tolist() == [2, 4, 6]
    assert infer(X).tolist() == infer(X).tolist() == [3, 6, 9]
    assert s.get().tolist() == [2, 4, 6]


def test_an_update_that_the_user_asks_for_wins():
    s, x = graphc.state(0.0), variable(shape=())
    compile(x, UPDATING(x, s, s + 1), updates={s: s + 100}, training=True)(0)
    assert s.get() == 100


def test_an_update_may_be_computed_otherwise_in_training():
    s, x = graphc.state(0.0), variable(shape=())
    compile(x, UPDATING(x, s, MODE(x, -x)), training=True)(5)
    assert s.get() == 5


def test_a_state_that_only_training_reads_belongs_to_no_inference():
    s, x = graphc.state(np.zeros(3), name="s"), variable()
    y = UPDATING(MODE(x + s, x), s, s + 1)
    assert compile(x, y).states == () and compile(x, y, training=True).states == (s,)


def test_an_update_inside_a_loop_is_an_error_of_training():
    x, s = variable(), graphc.state(0.0, name="moving")
    _, y = sym.scan(lambda total, each: (total, UPDATING(each, s, s + each)), sym.zeros(()), x)
    assert compile(x, y)(X).tolist() == [1, 2, 3]
    with pytest.raises(BindError, match=r"training changes the state 'moving' inside a loop .*test_note.py"):
        compile(x, y, training=True)


def test_formulas_show_what_notes_are_worth():
    x = variable()
    assert graphc.formula(called(x, MODE(x, 2 * x))) == "2*x"


def test_updates_names_new_values_by_state():
    s, x = variable("s"), variable()
    new = s + x
    assert updates([UPDATING(x, s, new)]) == {s: new}
    assert updates([x]) == {}
