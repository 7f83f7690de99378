"""Random graphs: `vmap` of a graph is a loop over instances, for whatever part of the inputs is mapped."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from graphc import compile, grad, interpret, sym, vmap
from graphc.sym.record import replay
from tests.conformance.test_random_graphs import SHAPES, assert_close, build, data, graphs, steps, with_gradients

INSTANCES = 3
choices = st.lists(st.booleans(), min_size=len(SHAPES), max_size=len(SHAPES)).filter(any)


def batched(steps, mapped):
    """Variables and their data; the values and gradients of a random graph of them, mapped; and one by one, stacked."""
    inputs, outputs = build(steps)
    one = with_gradients(inputs, outputs)
    shapes = [(INSTANCES, *shape) if m else shape for shape, m in zip(SHAPES, mapped, strict=True)]
    wide = [sym.var(f"y{k}", shape=shape, dtype="float64") for k, shape in enumerate(shapes)]
    arrays = data(wide)
    function = lambda *args: replay(one, dict(zip(inputs, args, strict=True)))  # noqa: E731
    found = vmap(function, tuple(0 if m else None for m in mapped))(*wide)
    each = []
    for i in range(INSTANCES):
        own = [a[i] if m else a for a, m in zip(arrays.values(), mapped, strict=True)]
        each.append(interpret(one, dict(zip(inputs, own, strict=True))))
    return arrays, found, [np.stack(column) for column in zip(*each, strict=True)]


@graphs
@given(steps, choices)
def test_vmap_is_a_loop_over_instances(steps, mapped):
    arrays, found, expected = batched(steps, mapped)
    assert_close(interpret(found, arrays), expected)


@settings(graphs, max_examples=15)
@given(steps, choices)
def test_compiled_vmap_is_interpreted_vmap(steps, mapped):
    arrays, found, _ = batched(steps, mapped)
    assert_close(compile(list(arrays), found)(*arrays.values()), interpret(found, arrays))


@graphs
@given(steps, choices)
def test_gradient_of_vmap_sums_what_instances_share(steps, mapped):
    arrays, (y, z, *_), expected = batched(steps, mapped)
    total = sym.sum(y * 1.5) + sym.sum(z * 2.5)  # as the gradients of `with_gradients` have it
    found = interpret(grad(total, list(arrays)), arrays)
    assert_close(found, [g if m else g.sum(0) for g, m in zip(expected[2:], mapped, strict=True)])
