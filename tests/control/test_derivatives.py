"""Derivatives of control flow: against differences, against unrolled graphs, in both modes, of second order."""

import numpy as np
import pytest

import graphc
from graphc import grad, interpret, sym
from tests.control.programs import agree, check_derivatives, check_values

RNG = np.random.default_rng(0)


def norm(x):
    return sym.sqrt(sym.sum(x * x))


def doubled(a):
    b = sym.while_loop(lambda b: norm(b) < 1000, lambda b: b * 2, a * 2)
    return sym.cond(sym.sum(b) > 0, lambda: b, lambda: 100 * b)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("shape", [(), (1,), (10,), (3, 5)])
def test_gradient_of_the_chapters_program_is_its_value_over_its_argument(shape, sign):
    a = sym.var("a")
    c = doubled(a)
    data = sign * np.abs(RNG.normal(size=shape))
    value, gradient = graphc.compile(a, [c, grad(sym.sum(c), a)])(data)
    np.testing.assert_array_equal(gradient * data, value)


def test_gradient_of_the_chapters_program_squared():
    check_derivatives(lambda a: sym.sum(doubled(a) ** 2), a=RNG.normal(size=4))


@pytest.mark.parametrize("reverse", [False, True])
def test_gradient_of_scan_with_state_xs_ys_and_closure(reverse):
    def build(x, w):
        state, ys = sym.scan(lambda s, x: (sym.tanh(s * w + x), sym.sin(s) * x), w, x, reverse=reverse)
        return sym.sum(state) + sym.sum(ys * ys)

    check_derivatives(build, x=RNG.normal(size=(4, 3)), w=RNG.normal(size=3))


def test_gradient_of_scan_is_that_of_the_unrolled_graph():
    x, w = sym.var("x", shape=(5, 3)), sym.var("w", shape=(3, 3))

    def cell(s, x):
        return sym.tanh(s @ w + x)

    scanned, _ = sym.scan(lambda s, x: (cell(s, x), None), sym.zeros((3,)), x)
    unrolled = sym.zeros((3,))
    for row in x:
        unrolled = cell(unrolled, row)
    ys = [sym.sum(scanned**2), sym.sum(unrolled**2)]
    data = {"x": RNG.normal(size=(5, 3)), "w": RNG.normal(size=(3, 3))}
    first, second = check_values([grad(y, [x, w]) for y in ys], **data)
    agree(first, second)


def test_gradient_of_a_counted_loop():
    check_derivatives(lambda x: sym.fori_loop(0, 5, lambda i, y: y * x + sym.sin(i * x), 1.0), x=np.array(0.7))


def test_gradient_of_a_loop_of_a_count_known_when_it_runs():
    n = sym.var("n", shape=(), dtype="int64")
    x = sym.var("x", shape=())
    y = sym.fori_loop(1, n, lambda i, y: sym.sin(y * x) + i, x)
    unrolled = x
    for i in range(1, 4):
        unrolled = sym.sin(unrolled * x) + i
    data = {"x": np.array(0.6), "n": np.array(4)}
    agree(check_values(grad(y, x), **data), interpret(grad(unrolled, x), data))


def test_gradient_of_while_with_a_stack():
    def build(x, w):
        body = lambda s: (sym.sin(s[0]) * w + s[0], s[1] * 1.5 + s[0] ** 2)  # noqa: E731
        return sym.while_loop(lambda s: s[1] < 30, body, (x, w))[0]

    check_derivatives(build, x=np.array(0.7), w=np.array(1.1))


def test_gradient_of_while_that_never_runs_passes_through():
    def build(x, w):
        return x * sym.while_loop(lambda s: s < -30, lambda s: sym.sin(s) * w, w)

    check_derivatives(build, x=np.array(0.7), w=np.array(1.1))


def test_gradient_of_a_loop_used_twice_adds_its_stacks():
    def build(x):
        loop = lambda x: sym.while_loop(lambda s: s < 50, lambda s: s * s * 0.9 + 1, x)  # noqa: E731
        return loop(x) * loop(x)

    check_derivatives(build, x=np.array(1.3))


def test_gradients_of_two_values_of_one_while_add():
    x = sym.var("x", shape=())
    a, b = sym.while_loop(lambda s: s[0] < 20, lambda s: (s[0] ** 2 + 1, sym.sin(s[1] * s[0])), (x, x))
    separate = grad(a, x) * grad(b, x)
    data = {"x": np.array(1.1)}
    check_values([separate, grad(separate, x)], **data)


def test_gradient_of_cond_and_switch():
    check_derivatives(lambda x: sym.cond(x > 0, lambda v: sym.sin(v) * x, lambda v: sym.exp(v), x * x), x=np.array(0.7))
    check_derivatives(
        lambda x: sym.cond(x > 0, lambda v: sym.sin(v) * x, lambda v: sym.exp(v), x * x), x=np.array(-0.7)
    )
    branches = [lambda v: sym.sin(v), lambda v: sym.exp(v), lambda v: v**3]
    check_derivatives(lambda x: sym.switch(2, branches, x * x), x=np.array(0.7))


def test_gradient_of_cond_in_while_in_scan():
    def build(x, w):
        def outer(s, x):
            def inner(t):
                u, k = t
                return sym.cond(k > 1, lambda: sym.sin(u) * w, lambda: u * u + s), k + 1

            u, _ = sym.while_loop(lambda t: t[1] < 3, inner, (s * x, 0))
            return u, u * w

        s, ys = sym.scan(outer, w, x)
        return s + sym.sum(ys**2)

    check_derivatives(build, x=0.3 * RNG.normal(size=4), w=np.array(0.8))


def test_gradient_of_scan_in_scan():
    def build(x, w):
        def outer(s, row):
            s, ys = sym.scan(lambda t, e: (sym.sin(t + e * w), t * e), s, row)
            return s * w, ys

        s, ys = sym.scan(outer, w, x)
        return s + sym.sum(ys**2)

    check_derivatives(build, x=RNG.normal(size=(3, 4)), w=np.array(0.8))


def test_gradient_of_an_empty_scan_is_that_of_its_state():
    check_derivatives(lambda x, w: sym.scan(lambda s, e: (s * e, s), w, x)[0] ** 2, x=np.zeros(0), w=np.array(0.8))


def test_gradient_of_associative_scan():
    check_derivatives(lambda x: sym.sum(sym.associative_scan(sym.multiply, x) ** 2), x=RNG.normal(size=5))


def test_gradient_of_a_loop_taken_inside_a_loop():
    def build(x):
        def descend(y):
            inner = sym.fori_loop(0, 3, lambda _, z: sym.sin(z * x) + z, y)
            return y - 0.1 * grad(inner * inner, y)

        return sym.fori_loop(0, 2, lambda _, y: descend(y), x)

    check_derivatives(build, second=False, x=np.array(0.9))


def test_gradient_of_a_scan_over_matrices_with_library_calls():
    def build(x, w, h):
        state, ys = sym.scan(lambda s, x: (sym.tanh(s @ w + x), s), h, x)
        return sym.sum(state**2) + sym.sum(ys)

    x, w, h = (RNG.normal(size=shape) for shape in ((3, 12, 24), (24, 24), (12, 24)))
    variables = {k: sym.var(k, shape=v.shape) for k, v in {"x": x, "w": w, "h": h}.items()}
    y = build(**variables)
    found = check_values([y, grad(y, list(variables.values()))], x=x, w=w, h=h)
    slope = np.sum(found[1][1])
    moved = [interpret(y, {"x": x, "w": w + step, "h": h}) for step in (1e-6, -1e-6)]
    np.testing.assert_allclose((moved[0] - moved[1]) / 2e-6, slope, rtol=1e-6)


def test_linear_loops_keep_nothing_and_others_the_least():
    x, w = sym.var("x", shape=(8,)), sym.var("w", shape=(8,))
    linear = sym.sum(sym.fori_loop(0, 5, lambda _, y: y * 3 + 1, x))
    tanh = sym.sum(sym.fori_loop(0, 5, lambda _, y: sym.tanh(y * w) + sym.sum(y), x))
    assert [stacked(grad(linear, x)), stacked(grad(tanh, x))] == [[], [(5, 8)]]


def stacked(gradient):
    """The shapes of what forward loops stack."""
    graph = graphc.compile(list(graphc.Graph.of(gradient).inputs), gradient).graph
    results = [item for item in graph.nodes if item.op.name == "item"]
    return [item.shape for item in results if item.ndim > 1 or (item.shape and item.shape[0] == 5)]


def test_value_and_gradient_share_the_forward_loop():
    x = sym.var("x", shape=())
    y = sym.while_loop(lambda s: s < 50, lambda s: s * s + 1, x)
    f = graphc.compile(x, [y, grad(y, x)])
    assert sum(node.op.name == "loop" for node in f.graph.nodes) == 2


@pytest.mark.parametrize("spelled", [lambda s, w: s @ w, lambda s, w: (w.T @ s.T).T])
def test_gradient_of_a_large_weight_is_one_product_after_the_loop(spelled):
    w, h = sym.var("w", shape=(16, 16)), sym.var("h", shape=(2, 16))
    y = sym.sum(sym.fori_loop(0, 4, lambda i, s: sym.tanh(spelled(s, w)), h) ** 2)
    unrolled = h
    for _ in range(4):
        unrolled = sym.tanh(spelled(unrolled, w))
    gradient = grad(y, w)
    results = [x.type for x in graphc.compile([w, h], gradient).graph.nodes if x.op.name == "item"]
    assert results and all(x.shape != (16, 16) for x in results)
    data = {"w": RNG.normal(size=(16, 16)) / 4, "h": RNG.normal(size=(2, 16))}
    agree(check_values(gradient, **data), interpret(grad(sym.sum(unrolled**2), w), data))
