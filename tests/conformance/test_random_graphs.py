"""Random graphs: compiled against interpreted, fused against unfused, forward mode against reverse mode.

Hypothesis draws a list of steps; each applies one operator to values made before, so that a failure shrinks to
the few steps that matter.
"""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graphc import compile, sym
from graphc.autodiff.api import grad, jvp, vjp
from graphc.interpret import interpret
from graphc.node import topological

SHAPES = [(), (3,), (2, 3), (2, 1), (4, 2, 3)]
ELEMENTWISE = [
    lambda x: sym.sin(x),
    lambda x: sym.tanh(x),
    lambda x: sym.exp(-x * x),
    lambda x: sym.log1p(x * x),
    lambda x: sym.sqrt(1 + x * x),
    lambda x: sym.sigmoid(x),
    lambda x: abs(x),
    lambda x: sym.where(x > 0.25, x, sym.sin(x)),
    lambda x: sym.stop_gradient(x) * x,
]
BINARY = [
    lambda x, y: x + y,
    lambda x, y: x - y,
    lambda x, y: sym.tanh(x * y),
    lambda x, y: x / (1 + y * y),
    lambda x, y: sym.maximum(x, y),
    lambda x, y: sym.where(x < y, x, y),
    lambda x, y: sym.arctan2(x, 1 + y * y),
]
MOVEMENT = [
    lambda x: x.T,
    lambda x: sym.reshape(x, (-1,)),
    lambda x: x[::-1] if x.ndim else x,
    lambda x: x[1:] if x.ndim and x.shape[0] > 1 else x,
    lambda x: x[..., ::2] if x.ndim else x,
    lambda x: sym.pad(x, [(1, 2)] * x.ndim) if x.ndim and x.size < 100 else x,
    lambda x: sym.concat([x, x * 2], axis=-1) if x.ndim and x.size < 100 else x,
    lambda x: sym.expand_dims(x, 0) if x.ndim < 4 else x,
    lambda x: sym.roll(x, 1, axis=-1) if x.ndim else x,
    lambda x: sym.triu(x) if x.ndim > 1 else x,
    lambda x: sym.cumsum(x, axis=0) if x.ndim else x,
]
REDUCTION = [sym.sum, sym.mean, sym.max, sym.logsumexp]
CONTRACTION = [
    lambda x, y: sym.tanh(sym.tensordot(x, y, axes=0)) if x.ndim + y.ndim < 4 and x.size * y.size < 500 else x,
    lambda x, y: sym.tanh(sym.matmul(x, x.T)) if x.ndim == 2 else y,
    lambda x, y: sym.tanh(sym.vecdot(x, x)) if x.ndim else y,
    lambda x, y: sym.tanh(sym.einsum("i...,i...->...", x, x)) if x.ndim else y,
]

INDEXING = [
    lambda x, i: x[i] if x.ndim and x.ndim + i.ndim < 5 and x.size * i.size < 300 else x,
    lambda x, i: x[..., i] if x.ndim and x.ndim + i.ndim < 5 and x.size * i.size < 300 else x,
    lambda x, i: x[i, -1 - i] if x.ndim > 1 and x.ndim + i.ndim < 5 and x.size * i.size < 300 else x,
    lambda x, i: sym.take_along_axis(x, sym.argmax(x, axis=-1, keepdims=True), axis=-1) if x.ndim else x,
    lambda x, i: x * sym.argsort(i)[..., -1] if i.ndim == 1 else x,
    lambda x, i: x.at[i].add(sym.cos(i)) if x.ndim == 1 else x,
    lambda x, i: x.at[..., i].set(x[..., :1] * 2) if x.ndim and i.ndim == 1 else x,
    lambda x, i: x.at[i].max(sym.sin(x[0])) if x.ndim else x,
]

operand = st.integers(0, 40)
steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["elementwise"]), st.integers(0, len(ELEMENTWISE) - 1), operand, operand),
        st.tuples(st.sampled_from(["binary"]), st.integers(0, len(BINARY) - 1), operand, operand),
        st.tuples(st.sampled_from(["movement"]), st.integers(0, len(MOVEMENT) - 1), operand, operand),
        st.tuples(st.sampled_from(["reduction"]), st.integers(0, len(REDUCTION) - 1), operand, operand),
        st.tuples(st.sampled_from(["contraction"]), st.integers(0, len(CONTRACTION) - 1), operand, operand),
        st.tuples(st.sampled_from(["index"]), st.integers(0, len(INDEXING) - 1), operand, operand),
    ),
    min_size=1,
    max_size=14,
)
graphs = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow],
)


def build(steps, dtype="float64"):
    """Variables, and the values of the last two steps."""
    inputs = [sym.var(f"x{k}", shape=shape, dtype=dtype) for k, shape in enumerate(SHAPES)]
    values = list(inputs)
    for kind, which, first, second in steps:
        values.append(apply(kind, which, values[first % len(values)], values[second % len(values)]))
    return inputs, values[-2:]


def apply(kind, which, x, y):
    match kind:
        case "elementwise":
            return ELEMENTWISE[which](x)
        case "binary":
            return BINARY[which](x, y) if broadcasts(x, y) else BINARY[which](x, sym.mean(y))
        case "movement":
            return MOVEMENT[which](x)
        case "reduction":
            axis = None if not x.ndim or y.ndim % 2 else y.ndim % x.ndim
            return REDUCTION[which](x, axis=axis, keepdims=bool(axis))
        case "index":
            return INDEXING[which](x, places(y))
        case _:
            return CONTRACTION[which](x, y)


def places(y):
    """0, 1 or 3, by the size of each element; beyond the end of some axes."""
    return sym.astype(y > 0, "int64") + 2 * sym.astype(y > 0.7, "int64")


def broadcasts(x, y):
    return all(m == n or 1 in (m, n) for m, n in zip(reversed(x.shape), reversed(y.shape), strict=False))


def data(inputs, seed=0):
    rng = np.random.default_rng(seed)
    return {x: rng.uniform(-1.5, 1.5, x.shape).astype(x.dtype) for x in inputs}


def assert_close(got, expected, dtype="float64"):
    tolerance = 1e-11 if dtype == "float64" else 1e-3
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def with_gradients(inputs, outputs):
    """The outputs, and the gradient of a generic function of them."""
    loss = sum(sym.sum(y * (k + 1.5)) for k, y in enumerate(outputs))
    return [*outputs, *grad(loss, inputs)]


@graphs
@given(steps)
def test_forward_mode_agrees_with_reverse_mode(steps):
    inputs, outputs = build(steps)
    given_data, tangents, heads = data(inputs), data(inputs, 1), list(data(outputs, 2).values())
    if len(heads) < len(outputs):  # one node twice
        return
    ts = [tangents[x] for x in inputs]
    pushed, pulled = interpret([jvp(outputs, inputs, ts), vjp(outputs, inputs, heads)], given_data)
    forward = sum((g * t).sum() for g, t in zip(heads, pushed, strict=True))
    reverse = sum((g * t).sum() for g, t in zip(pulled, ts, strict=True))
    np.testing.assert_allclose(forward, reverse, rtol=1e-10, atol=1e-10)


@graphs
@given(steps)
def test_gradient_grows_with_the_graph_only_by_a_factor(steps):
    inputs, outputs = build(steps)
    forward, both = topological(outputs), topological(with_gradients(inputs, outputs))
    assert len(both) <= 40 * len(forward) + 60


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@graphs
@given(steps)
def test_compiled_agrees_with_interpreted(dtype, steps):
    inputs, outputs = build(steps, dtype)
    nodes, given_data = with_gradients(inputs, outputs), data(inputs)
    assert_close(compile(inputs, nodes)(*given_data.values()), interpret(nodes, given_data), dtype)


@graphs
@given(steps)
def test_fused_agrees_with_unfused(steps):
    inputs, outputs = build(steps)
    nodes, arrays = with_gradients(inputs, outputs), data(inputs).values()
    assert_close(compile(inputs, nodes)(*arrays), compile(inputs, nodes, fuse=False)(*arrays))


# -- what random graphs have found --------------------------------------------------------------------


def assert_compiles(inputs, outputs):
    given_data = data(inputs)
    for fuse in (True, False):
        assert_close(compile(inputs, outputs, fuse=fuse)(*given_data.values()), interpret(outputs, given_data))


def test_sum_read_under_a_guard_is_the_whole_sum():
    x = sym.var("x", shape=(3,), dtype="float64")
    y = sym.tanh(x * sym.mean(x[::2]))
    assert_compiles([x], [y, grad(y.sum(), x)])


def test_reduction_over_an_outer_axis_waits_for_the_one_it_reads():
    x = sym.var("x", shape=(4, 3), dtype="float64")
    y = sym.logsumexp(x, axis=0)
    assert_compiles([x], [y, grad(y.sum(), x)])


def test_gradient_of_a_strided_slice_is_padded_between():
    x = sym.var("x", shape=(4, 2, 3), dtype="float64")
    assert_compiles([x], [grad(sym.sin(x[..., ::2]).sum(), x)])


def test_scatter_reads_its_indices_at_the_axes_of_what_it_scatters():
    x = sym.var("x", shape=(4, 2, 3), dtype="float64")
    y = x.at[places(x)].max(sym.sin(x[0]))
    assert_compiles([x], [y, grad(y.sum(), x)])
