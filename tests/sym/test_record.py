"""Calls on nodes without a type are recorded, and replayed once they have one."""

import traceback
from pathlib import Path

import numpy as np
import pytest

from graphc import grad, sym
from graphc.errors import ShapeError
from graphc.node import METHODS, PUBLIC, topological
from graphc.sym.record import CALL, ITEM, public, replay

HERE = Path(__file__).name


@public(outputs=lambda x, count: {"parts": list(range(count))})
def shares(x, count):
    """x divided by 1, 2, … count."""
    return {"parts": [x / (k + 1) for k in range(count)]}


def a_and_typed(shape=(3,)):
    return sym.var("a"), sym.var("a", shape=shape)


def same(nodes, others):
    return all(x is y for x, y in zip(nodes, others, strict=True))


def replayed(node, mapping):
    (result,) = replay([node], mapping)
    return result


# -- recording ----------------------------------------------------------------------------------------


def test_call_on_an_untyped_node_is_recorded():
    a = sym.var("a")
    node = sym.exp(a)
    assert node.op is CALL and node.type is None and same(node.args, [a])


def test_call_on_typed_nodes_is_not_recorded():
    assert CALL not in {node.op for node in topological([sym.exp(sym.var("a", shape=3))])}


def test_same_recorded_call_is_the_same_node():
    a = sym.var("a")
    assert sym.sum(a * 2, axis=0) is sym.sum(a * 2, axis=0)


@pytest.mark.parametrize("one, other", [(1, 1.0), (1, True), (0.0, -0.0), ([1], (1,)), (np.float32(1), np.float64(1))])
def test_arguments_that_python_takes_for_equal_are_told_apart(one, other):
    a = sym.var("a")
    assert sym.add(a, one) is not sym.add(a, other)


def test_untyped_node_inside_a_structure_is_found():
    a = sym.var("a")
    assert sym.stack([np.zeros(3), a]).args[0] is a
    assert sym.var("x", shape=9)[1:3, a].type is None


def test_wrong_arguments_are_an_error_on_the_users_line():
    with pytest.raises(TypeError, match="keep"):
        sym.sum(sym.var("a"), keep=True)


def test_argument_that_cannot_be_recorded_is_an_error():
    with pytest.raises(TypeError, match="clip: an argument of type set cannot be recorded"):
        sym.clip(sym.var("a"), {1})


def test_public_function_keeps_name_document_and_signature():
    assert (shares.__name__, shares.__doc__) == ("shares", "x divided by 1, 2, … count.")
    assert sym.exp.__name__ == "exp" and sym.exp.__doc__ == "e to the power x."


def test_methods_are_public_functions():
    assert PUBLIC.keys() >= METHODS
    x = sym.var("x", shape=3)
    assert x.clip(0, 1) is sym.clip(x, 0, 1)
    assert x.detach() is sym.stop_gradient(x)


def test_template_shows_the_call_as_it_was_written():
    a = sym.var("a")
    _, template = sym.pad(a[1:, None], 2, constant_values=-0.0).params
    assert template.show(["%0"]) == "%0, 2, constant_values=-0.0"
    _, template = a[1:, None].params
    assert template.show(["a"]) == "a, (slice(1, None, None), None)"


# -- replay -------------------------------------------------------------------------------------------


def test_replay_with_a_typed_variable_makes_the_call_again():
    a, typed = a_and_typed()
    assert replayed(2 * sym.exp(a) + 1, {a: typed}) is 2 * sym.exp(typed) + 1


def test_replay_with_part_of_the_variables_stays_recorded():
    a, typed = a_and_typed()
    b = sym.var("b")
    assert replayed(a * a + b, {a: typed}) is typed * typed + b


def test_replay_gives_arrays_and_structures_back_as_they_were():
    a, typed = a_and_typed()
    weights = np.array([1.0, 2.0, 3.0])
    assert replayed(sym.stack([a, weights])[0, ::-1], {a: typed}) is sym.stack([typed, weights])[0, ::-1]


def test_replay_of_typed_nodes_rebuilds_what_depends_on_the_replaced():
    x, y = sym.var("x", shape=3), sym.var("y", shape=3)
    kept = sym.exp(y)
    assert replayed(x * kept, {x: y}) is y * kept


def test_replay_may_replace_an_inner_node():
    x = sym.var("x", shape=3)
    e = sym.exp(x)
    assert replayed(sym.sin(e) + x, {e: x}) is sym.sin(x) + x


def test_what_depends_on_nothing_replaced_stays():
    a, typed = a_and_typed()
    node = sym.cos(sym.var("b")) + 1
    assert replayed(node, {a: typed}) is node


def test_several_results_come_in_their_structure():
    a, typed = a_and_typed()
    parts = shares(a, 2)["parts"]
    assert [part.op for part in parts] == [ITEM, ITEM]
    assert same(replay(parts, {a: typed}), shares(typed, 2)["parts"])
    b = sym.var("b")
    assert same(replay(parts, {a: b}), shares(b, 2)["parts"])


def test_grad_is_recorded_like_any_call():
    a, typed = a_and_typed(())
    assert replayed(grad(a * a, a), {a: typed}) is grad(typed * typed, typed)


def test_replayed_nodes_carry_the_line_of_the_recorded_call():
    a, typed = a_and_typed()
    node = sym.exp(a)
    line = node.source[1]
    assert replayed(node, {a: typed}).source == (__file__, line)


def test_error_in_a_replay_shows_the_line_of_the_recorded_call():
    a, typed = a_and_typed()
    node = a + sym.ones(4)
    with pytest.raises(ShapeError) as caught:
        replayed(node, {a: typed})
    assert f"({HERE}:{node.source[1]})" in str(caught.value)
    quoted = [frame.line for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert "node = a + sym.ones(4)" in quoted


def test_replay_of_a_deep_chain_does_not_recurse():
    a, typed = a_and_typed()
    node = a
    for _ in range(5000):
        node = sym.sin(node)
    assert len(topological([replayed(node, {a: typed})])) == 5001
