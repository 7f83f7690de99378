"""Every operator's batching rule, from its own samples: `vmap` is a Python loop over the leading axis.

All combinations of arguments with and without instances; derivatives of `vmap`, `vmap` of derivatives, `vmap` twice.
"""

from itertools import chain, combinations

import numpy as np
import pytest

from graphc import Graph, GraphcError, ShapeError, grad, interpret, jvp, sym, vmap
from graphc.node import Op, make, variable
from graphc.ops.note import UPDATING
from graphc.types import BOOL, FLOAT64, INT64
from tests.conformance.test_operators import OPS, arrays, assert_same, cases, floats, scalar, weights

INSTANCES = 3
SHARED = {"updating"}  # of all arguments, the state of these must not be mapped
BATCHED = [op for op in OPS.values() if op.name not in SHARED and any(sample.shapes for sample in op.samples)]
SMOOTH = [op for op in BATCHED if op.vjp]

every_operator = pytest.mark.parametrize("op", BATCHED, ids=str)
every_smooth_operator = pytest.mark.parametrize("op", SMOOTH, ids=str)


def choices(count):
    """Which arguments have instances: all, the first half of those there are, and one alone."""
    return list(chain.from_iterable(combinations(range(count), k) for k in range(1, count + 1)))


def many(node, sample, mapped):
    """Data for the arguments, instances along the first axis of those that are mapped."""
    each = [arrays(node, sample, seed) for seed in range(INSTANCES)]
    return [np.stack(column) if k in mapped else column[0] for k, column in enumerate(zip(*each, strict=True))]


def instance(data, mapped, i):
    return [a[i] if k in mapped else a for k, a in enumerate(data)]


def applied(node):
    return lambda *args: make(node.op, args, node.params)


def variables(data):
    return [sym.var(f"x{k}", shape=a.shape, dtype=a.dtype) for k, a in enumerate(data)]


def axes(node, mapped):
    return tuple(0 if k in mapped else None for k in range(len(node.args)))


def value(nodes, inputs, data):
    return interpret(nodes, dict(zip(inputs, data, strict=True)))


def test_every_operator_that_takes_arguments_has_a_rule():
    assert [op.name for op in OPS.values() if op.batch is None and op.name not in ("iota", "extent")] == []


@every_operator
def test_vmap_is_a_loop_over_the_leading_axis(op):
    for node, sample in cases(op, [FLOAT64, INT64, BOOL]):
        for mapped in choices(len(node.args)):
            data = many(node, sample, mapped)
            inputs = variables(data)
            got = value(vmap(applied(node), axes(node, mapped))(*inputs), inputs, data)
            each = [value(node, node.args, instance(data, mapped, i)) for i in range(INSTANCES)]
            assert_same(got, np.stack(each))


@every_operator
def test_vmap_of_vmap_is_two_loops(op):
    """The outer one maps all arguments, the inner one maps those of a combination."""
    for node, sample in cases(op, [FLOAT64, INT64])[:4]:
        for mapped in choices(len(node.args)):
            data = [many(node, sample, mapped) for _ in range(2)]
            data[1] = [np.flip(a, 0) if k in mapped else a for k, a in enumerate(data[1])]
            stacked = [np.stack(column) for column in zip(*data, strict=True)]
            inputs = variables(stacked)
            got = value(vmap(vmap(applied(node), axes(node, mapped)))(*inputs), inputs, stacked)
            each = [[value(node, node.args, instance(half, mapped, i)) for i in range(INSTANCES)] for half in data]
            assert_same(got, np.array(each).reshape(got.shape))


@every_smooth_operator
def test_vmap_of_the_gradient_is_a_loop_of_gradients(op):
    for node, sample in smooth_cases(op):
        for mapped in choices(len(node.args)):
            data = many(node, sample, mapped)
            inputs = variables(data)

            def gradient(*args, node=node):
                return grad(scalar([make(node.op, args, node.params)]), [x for x in args if x.dtype.kind == "f"])

            got = value(vmap(gradient, axes(node, mapped))(*inputs), inputs, data)
            one = grad(scalar([node]), floats(node))
            each = [value(one, node.args, instance(data, mapped, i)) for i in range(INSTANCES)]
            for found, *expected in zip(got, *each, strict=True):
                assert_same(found, np.stack(expected), ulps=64)


@every_smooth_operator
def test_gradient_of_vmap_adds_up_that_of_each_instance(op):
    for node, sample in smooth_cases(op):
        for mapped in choices(len(node.args)):
            data = many(node, sample, mapped)
            inputs = variables(data)
            y = vmap(applied(node), axes(node, mapped))(*inputs)
            (heads,) = weights([y.type], 5)
            wrt = [x for x in inputs if x.dtype.kind == "f"]
            got = value([*grad(sym.sum(y * heads), wrt), jvp(y, wrt, weights([x.type for x in wrt], 6))], inputs, data)
            assert_same_gradient(got, node, data, mapped, heads)


def assert_same_gradient(got, node, data, mapped, heads):
    """Against the gradients of instances: stacked where an argument has instances, else summed."""
    head = variable("head", node.type)
    one = grad(sym.sum(node * head), floats(node))
    each = [
        interpret(one, dict(zip(node.args, instance(data, mapped, i), strict=True)) | {head: heads[i]})
        for i in range(INSTANCES)
    ]
    wrt = [k for k, x in enumerate(node.args) if x.dtype.kind == "f"]
    expected = [np.stack(g) if k in mapped else np.sum(g, 0) for k, g in zip(wrt, zip(*each, strict=True), strict=True)]
    *gradient, tangent = got
    for a, b in zip(gradient, expected, strict=True):
        assert_same(a, b, ulps=256)
    ts = weights([sym.asarray(g).type for g in expected], 6)
    forward, reverse = np.sum(tangent * heads), sum(np.sum(g * t) for g, t in zip(expected, ts, strict=True))
    np.testing.assert_allclose(forward, reverse, rtol=1e-11, atol=1e-11)


def smooth_cases(op):
    return [(node, sample) for node, sample in cases(op, [FLOAT64]) if node.dtype == FLOAT64]


def test_a_state_becomes_the_mean_of_what_instances_make_of_it():
    x, s, n = (sym.var(name, shape=shape) for name, shape in (("x", (3, 2)), ("s", (2,)), ("n", (3,))))
    y = vmap(lambda x, n: sym.cond(n > 0, lambda: UPDATING(n, s, 2 * x), lambda: n))(x, n)
    (update,) = [node for node in Graph.of(y).nodes if node.op is UPDATING]
    found = interpret(update.args[2], {x: np.ones((3, 2)), s: np.array([5.0, 8.0]), n: np.array([1.0, -1.0, 1.0])})
    np.testing.assert_allclose(found, [3, 4])  # the one that is not active would leave it as it is


def test_a_state_for_each_instance_is_an_error():
    x, n = sym.var("x", shape=(3, 2)), sym.var("n", shape=(3, 2), dtype="int64")
    with pytest.raises(ShapeError, match="s would be a state for each instance"):
        vmap(lambda s: UPDATING(s, s, s * 2))(sym.var("s", shape=(3, 2)))
    with pytest.raises(ShapeError, match="s would be a state for each instance"):
        vmap(lambda x, n: UPDATING(x, sym.var("s", shape=(2,), dtype="int64"), n))(x, n)


def test_an_operator_without_a_rule_is_an_error_that_names_it():
    op = Op(name="riddle", infer=lambda types, params: types[0])
    with pytest.raises(GraphcError, match=r"vmap: riddle \(test_operators.py:\d+\) has no batching rule"):
        vmap(lambda x: make(op, (x,), ()))(sym.var("x", shape=(3,)))
