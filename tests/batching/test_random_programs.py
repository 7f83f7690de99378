"""Random programs of branches and loops inside each other: `vmap`, and gradients in and of it, are loops of instances.

A program is a nested description; run, it applies its steps to a growing list of scalars. Branches not taken and states
after the last iteration are infinite or NaN on purpose.
"""

import numpy as np
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from graphc import IterationError, grad, interpret, sym, vmap
from tests.batching.programs import instance, variables
from tests.control.programs import agree

INSTANCES = 4
ARITHMETIC = [
    lambda a, b: sym.sin(a * b),
    lambda a, b: a + 0.5 * b,
    lambda a, b: a / (1 + b * b),
    lambda a, b: sym.maximum(a, b),
    lambda a, b: sym.stack([a, b]) @ sym.stack([sym.stack([a, b]), sym.stack([sym.cos(b), a])]) @ sym.stack([b, a]),
]


def cond(a, b, first, second, values):
    a = sym.where(abs(a) < 0.4, 0.0, a)
    return sym.cond(a > 0, lambda: run(first, [*values, sym.log(a), b / a]), lambda: run(second, values))


def switch(a, b, first, second, values):
    index = sym.floor(3 * a).astype("int64")
    return sym.switch(index, [lambda: run(first, values), lambda: run(second, values), lambda: b])


def while_loop(a, b, first, second, values):
    left = lambda s: 2 - abs(s[0]) - 0.7 * s[1]  # noqa: E731
    step = lambda s: (run(first, [*values, s[0], sym.log(left(s))]), s[1] + 1)  # noqa: E731
    return sym.while_loop(lambda s: left(s) > 0, step, (a, sym.asarray(0.0)), max_iterations=5)[0]


def count(a, b, first, second, values):
    times = sym.floor(3 * abs(b)).astype("int64")
    return sym.fori_loop(0, times, lambda i, s: run(first, [*values, s, b / (times - i)]), a)


def scan(a, b, first, second, values):
    def step(s, x):
        s = run(first, [*values, s, x])
        return s, s * x

    state, ys = sym.scan(step, a, sym.stack([b, a, b]))
    return sym.tanh(state + sym.sum(ys))


def run(program, values):
    """The result of a program on some scalars."""
    kind, i, j, *inside = program
    a, b = values[i % len(values)], values[j % len(values)]
    return kind(a, b, *inside, values) if inside else kind(a, b)


number = st.integers(0, 9)
programs = st.recursive(
    st.tuples(st.sampled_from(ARITHMETIC), number, number),
    lambda inner: st.tuples(st.sampled_from([cond, switch, while_loop, count, scan]), number, number, inner, inner),
    max_leaves=6,
)


@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(programs, st.sampled_from([(0, 0), (0, None), (None, 0)]), number)
def test_vmap_of_a_program_is_a_loop_over_instances(program, axes, seed):
    rng = np.random.default_rng(seed)
    arrays = [rng.normal(size=() if axis is None else INSTANCES) for axis in axes]

    def with_gradients(*args):
        y = run(program, list(args))
        return [y, *grad(y, args)]

    inputs = variables(instance(arrays, axes, 0))
    one, each = with_gradients(*inputs), []
    try:
        for i in range(INSTANCES):
            each.append(interpret(one, dict(zip(inputs, instance(arrays, axes, i), strict=True))))
    except IterationError:
        assume(False)
    value, *slopes = (np.stack(column) for column in zip(*each, strict=True))
    assume(np.isfinite([value, *slopes]).all())
    wide = variables(arrays)
    inside = vmap(with_gradients, axes)(*wide)
    outside = grad(sym.sum(vmap(lambda *args: run(program, list(args)), axes)(*wide)), wide)
    summed = [g.sum() if axis is None else g for g, axis in zip(slopes, axes, strict=True)]
    found = interpret([inside, outside], dict(zip(wide, arrays, strict=True)))
    agree(found, [[value, *slopes], summed], 1e-8)
