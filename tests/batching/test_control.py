"""`vmap` of control flow: branches and loops that differ from instance to instance, and derivatives through them."""

import numpy as np
import pytest

import graphc
from graphc import IterationError, grad, interpret, sym, vmap
from graphc.ops.control import LOOP, SWITCH, Loop
from tests.batching.programs import check, check_values, variables
from tests.control.programs import agree

RNG = np.random.default_rng(0)


def controls(*outputs):
    return [node for node in graphc.Graph.of(outputs).nodes if node.op.kind == "control"]


# -- choices ------------------------------------------------------------------------------------------


def test_cond_that_differs_computes_both_branches_and_selects():
    check(lambda x: sym.cond(x.sum() > 0, lambda: sym.sin(x), lambda: x**2), RNG.normal(size=(5, 3)))


def test_cond_that_differs_is_a_where():
    x = sym.var("x", shape=(4,))
    y = vmap(lambda x: sym.cond(x > 0, lambda: 2 * x, lambda: -x))(x)
    assert graphc.simplify(y) is graphc.simplify(sym.where(x > 0, 2 * x, -x))


def test_gradient_is_clean_where_a_branch_not_taken_is_nan():
    def f(x, w):
        return sym.cond(x > 0, lambda: sym.log(x) * w + sym.sqrt(x), lambda: x * w)

    check(f, np.array([1.0, 0.0, -1.0, 2.0]), np.array(3.0), axes=[0, None], second=True)


def test_gradient_of_what_instances_share_is_clean_though_a_matrix_product_not_taken_is_nan():
    def f(x, w):
        return sym.cond(x.min() > 0, lambda: sym.sum(sym.tanh(w @ sym.log(x))), lambda: sym.sum(x))

    check(f, np.array([[1.0, 2.0], [0.0, -1.0], [0.5, 3.0]]), RNG.normal(size=(3, 2)), axes=[0, None])


def test_gradients_are_clean_though_a_scan_not_taken_is_nan():
    def f(x, w):
        sums = lambda: sym.scan(lambda s, e: (s * w + sym.log(e), None), w, x)[0]  # noqa: E731
        return sym.cond(x.min() > 0, sums, lambda: sym.sum(x) * w)

    check(f, np.array([[1.0, 2.0], [0.0, -1.0], [0.5, 3.0]]), np.array(0.3), axes=[0, None], second=True)


def test_gradients_are_clean_though_a_product_of_own_matrices_not_taken_is_nan():
    def f(x):
        return sym.cond(x.min() > 0, lambda: sym.log(x) @ sym.outer(x, 1 / x) @ x, lambda: sym.sum(x))

    check(f, np.array([[1.0, 2.0], [0.0, -1.0], [0.5, 3.0]]))


def test_cond_whose_predicate_all_share_stays_a_branch():
    x, p = sym.var("x", shape=(4, 2)), sym.var("p", shape=(), dtype="bool")
    y = vmap(lambda x: sym.cond(p, lambda: sym.sin(x), lambda: sym.zeros((2,))))(x)
    assert [node.op for node in controls(y)] == [SWITCH]
    data = RNG.normal(size=(4, 2))
    for flag, expected in ((True, np.sin(data)), (False, np.zeros((4, 2)))):
        agree(graphc.compile([x, p], y)(data, np.array(flag)), expected)


def test_gradient_of_a_shared_branch():
    def f(x, p, w):
        return sym.cond(p > 0, lambda: (sym.sin(x * w), x), lambda: (x * x, w * w))

    for p in (1.0, -1.0):
        check(f, RNG.normal(size=4), np.array(p), np.array(0.3), axes=[0, None, None], second=True)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_switch_out_of_range_takes_the_first_or_last_branch(count):
    branches = [lambda x: sym.sin(x), lambda x: x * x, lambda x: 1 / x, lambda x: sym.exp(x)][:count]
    index = np.array([-3, 0, 1, 2, 3, 9])
    check(lambda k, x: sym.switch(k, branches, x), index, RNG.normal(size=6))


def test_cond_of_structures_and_integers():
    def f(x, k):
        y = sym.cond(x > 0, lambda: {"a": k, "b": (x, 1)}, lambda: {"a": k + 1, "b": (2 * x, k)})
        return y["a"], y["b"]

    check_values(f, RNG.normal(size=5), np.arange(5))


# -- loops whose iterations all share -----------------------------------------------------------------


@pytest.mark.parametrize("axes", [(0, 0, 0), (0, None, None), (None, 0, None), (None, None, 0), (1, None, 0)])
@pytest.mark.parametrize("reverse", [False, True])
def test_scan_with_init_xs_and_closure(axes, reverse):
    def f(x, s, w):
        state, ys = sym.scan(lambda s, x: (sym.tanh(w @ s + x), (x * s.sum(), sym.sum(x))), s, x, reverse=reverse)
        return state, ys

    shapes = [(4, 2), (2,), (2, 2)]
    arrays = [RNG.normal(size=s if a is None else (*s[:a], 3, *s[a:])) for s, a in zip(shapes, axes)]
    check(f, *arrays, axes=axes)


def test_shared_part_of_a_scan_is_computed_once():
    x, w = sym.var("x", shape=(3,)), sym.var("w", shape=(4,))

    def step(state, e):
        a, b = state
        return (sym.sin(a + e), b * x0 + a), a

    x0 = None

    def f(x):
        nonlocal x0
        x0 = x
        return sym.scan(step, (sym.zeros(()), sym.zeros(())), w)[0]

    a, b = vmap(f, out_axes=(None, 0))(x)
    assert (a.shape, b.shape) == ((), (3,))
    (loop,) = controls(a, b)
    assert [y.shape for y in loop.op is LOOP and Loop.of(loop).init] == [(), (3,)]


def test_state_that_gets_instances_only_through_another_state():
    def f(x):
        step = lambda i, s: (s[1], s[2], s[2] * x + i)  # noqa: E731
        return sym.fori_loop(0, 4, step, (0.0, 1.0, 2.0))

    check(f, RNG.normal(size=3), second=True)


def test_scan_without_iterations_or_instances():
    f = lambda x: sym.scan(lambda s, e: (s + e, s * e), sym.zeros(()), x)  # noqa: E731
    x = sym.var("x", shape=(3, 0))
    agree(graphc.compile(x, vmap(f)(x))(np.zeros((3, 0))), (np.zeros(3), np.zeros((3, 0))))
    x = sym.var("x", shape=(0, 3))
    agree(graphc.compile(x, vmap(f)(x))(np.zeros((0, 3))), (np.zeros(0), np.zeros((0, 3))))


def test_while_whose_condition_all_share_keeps_it():
    x = sym.var("x", shape=(3,))
    f = lambda x: sym.while_loop(lambda s: s[1] < 4, lambda s: (s[0] * x, s[1] + 1), (x, 0))  # noqa: E731
    y, k = vmap(f, out_axes=(0, None))(x)
    (loop,) = controls(y)
    assert len(Loop.of(loop).init) == 2
    agree(interpret([y, k], {x: np.array([1.0, 2.0, 3.0])}), [np.array([1.0, 32.0, 243.0]), np.int64(4)])
    check(lambda x: f(x)[0], RNG.normal(size=3))


def test_map_and_associative_scan():
    check(lambda x: sym.map(lambda e: sym.sum(e) * x[0], x), RNG.normal(size=(2, 3, 2)))
    check(lambda x: sym.associative_scan(sym.multiply, x), RNG.normal(size=(2, 5)))


# -- loops that some leave before others --------------------------------------------------------------


def newton(a):
    """A square root and how many steps it took."""
    return sym.while_loop(
        lambda s: abs(s[0] * s[0] - a) > 1e-9 * a, lambda s: (0.5 * (s[0] + a / s[0]), s[1] + 1), (a, 0)
    )


def test_newton_takes_another_number_of_steps_for_each_instance():
    data = np.array([4.0, 1.0, 2.0, 1e6, 0.0])
    _, steps = check_values(newton, data)
    assert steps.tolist() == [5, 0, 4, 14, 0]
    check(lambda a: newton(a)[0], np.array([4.0, 2.0, 1e3, 1.0]), tolerance=1e-6, second=True)


def test_instances_without_any_iteration_pass_derivatives_through():
    x = sym.var("x", shape=(3,))
    y = vmap(lambda x: sym.while_loop(lambda s: s < 0, lambda s: sym.log(s), x))(x)
    agree(graphc.compile(x, [y, grad(y.sum(), x)])(np.ones(3)), [np.ones(3), np.ones(3)])


def test_finished_instance_leaks_no_nan_into_gradients():
    """After its last iteration an instance would divide by zero, again and again."""

    def f(x, k, w):
        body = lambda s: (s[0] * w / (k - s[1]) + sym.log(k - s[1]) * x, s[1] + 1)  # noqa: E731
        return sym.while_loop(lambda s: s[1] < k, body, (x, sym.zeros(())))[0]

    check(f, RNG.normal(size=4), np.array([1.0, 3.0, 0.0, 2.0]), np.array(0.7), axes=[0, 0, None], second=True)


def test_finished_instance_leaks_no_nan_through_a_shared_matrix():
    def f(x, k, w):
        body = lambda s: (sym.tanh(w @ (s[0] / (k - s[1]))), s[1] + 1)  # noqa: E731
        return sym.while_loop(lambda s: s[1] < k, body, (x, sym.zeros(())))[0]

    check(f, RNG.normal(size=(3, 2)), np.array([1.0, 3.0, 0.0]), RNG.normal(size=(2, 2)), axes=[0, 0, None])


def test_count_that_differs_and_may_be_zero_or_less():
    check(lambda n, x: sym.fori_loop(0, n, lambda i, s: sym.sin(s * x) + i, x), [3, 0, 1, -2, 4], RNG.normal(size=5))


def test_lower_bound_that_differs():
    check(lambda n, x: sym.fori_loop(n, 4, lambda i, s: s * x + i, x), [3, 0, 9, -1], RNG.normal(size=4))


def test_while_in_while():
    def outer(s):
        inner = sym.while_loop(lambda t: t < 10 * s[1], lambda t: t * s[1] + 1, s[0])
        return sym.sin(inner), s[1] + 0.7

    check(
        lambda x: sym.while_loop(lambda s: s[1] < 3, outer, (x, abs(x) + 1))[0],
        np.array([0.3, -0.8, 1.7, 5.0]),
        tolerance=1e-7,
    )


def test_while_in_scan_in_while():
    def f(x, w):
        def step(s, e):
            s = sym.while_loop(lambda t: t < 2, lambda t: t * t + e * e + w * w + 0.2, s)
            return sym.sin(s), s

        def outer(state):
            s, ys = sym.scan(step, state[0], w * sym.asarray([0.3, 0.6]))
            return s + sym.sum(ys) * 0.1, state[1] + 1

        return sym.while_loop(lambda s: s[1] < 10 * x, outer, (x, 0))[0]

    check(f, np.array([0.1, 0.25, -1.0]), np.array(0.7), axes=[0, None], tolerance=1e-7)


def test_loop_in_a_branch_runs_only_for_instances_that_take_it():
    """The others would never end, and a count that no instance of the branch has raises no error."""

    def f(x):
        halved = lambda: sym.while_loop(lambda s: abs(s) > 1, lambda s: s / 2, x, max_iterations=8)  # noqa: E731
        doubled = lambda: sym.while_loop(lambda s: s < 100, lambda s: s * 2, x, max_iterations=8)  # noqa: E731
        return sym.cond(x > 0, doubled, halved)

    check(f, np.array([3.0, -40.0, 60.0, -0.5]))


def test_loop_that_all_share_runs_in_no_branch_that_none_takes():
    x, w = sym.var("x", shape=(3,)), sym.var("w", shape=())

    def f(x):
        endless = lambda: sym.while_loop(lambda s: s > 0, lambda s: s + w, w, max_iterations=50)  # noqa: E731
        return sym.cond(x > 0, endless, lambda: x)

    program = graphc.compile([x, w], vmap(f)(x))
    agree(program(-np.ones(3), np.array(1.0)), -np.ones(3))
    agree(program(np.ones(3), np.array(-1.0)), -np.ones(3))
    with pytest.raises(IterationError):
        program(np.array([-1.0, 1.0, -1.0]), np.array(1.0))


def test_max_iterations_counts_for_each_instance():
    def f(x):
        return sym.while_loop(lambda s: s < 16, lambda s: s * 2, x, max_iterations=4)

    check_values(f, [1.0, 16.0, 3.0])
    x = sym.var("x", shape=(3,))
    with pytest.raises(IterationError):
        graphc.compile(x, vmap(f)(x))(np.array([1.0, 0.5, 16.0]))


def test_states_of_every_dtype_stop_on_their_own():
    def f(n):
        body = lambda s: (s[0] + 1, ~s[1], s[2] * 2)  # noqa: E731
        return sym.while_loop(lambda s: s[0] < n, body, (0, sym.asarray(True), sym.asarray(np.float32(1))))

    check_values(f, [3, 0, 5])


def test_matrix_that_a_loop_carries_unchanged_stays_one_for_all():
    w, x = sym.var("w", shape=(2, 2)), sym.var("x", shape=(3, 2))
    body = lambda s: (s[0], s[0] @ s[1])  # noqa: E731
    y = vmap(lambda x: sym.while_loop(lambda s: sym.sum(s[1] ** 2) > 1, body, (w, x))[1])(x)
    (loop,) = controls(y)
    assert [s.shape for s in Loop.of(loop).init] == [(2, 2), (3, 2), (3,), (3,)]


def test_loops_mapped_twice():
    power = lambda x, n: sym.while_loop(lambda s: s[1] < n, lambda s: (s[0] * x, s[1] + 1), (x, 0))[0]  # noqa: E731
    x, n = RNG.normal(size=2), np.array([0, 3, 1])
    inputs = variables([x, n])
    y = vmap(lambda x: vmap(power, (None, 0))(x, inputs[1]))(inputs[0])
    expected = x[:, None] ** (n + 1)
    slopes = ((n + 1) * x[:, None] ** n).sum(1)
    agree(graphc.compile(inputs, [y, grad(y.sum(), inputs[0])])(x, n), [expected, slopes])


def test_loop_with_checkpoints():
    f = lambda x: sym.scan(lambda s, e: (sym.sin(s + e), s * e), x[0], x, checkpoint=2)  # noqa: E731
    check(f, RNG.normal(size=(2, 5)))


@pytest.mark.parametrize("n", [0, 1, 4])
def test_symbolic_number_of_instances(n):
    a = sym.var("a", shape=("n",))
    root, steps = vmap(newton)(a)
    both = [root, grad(root.sum(), a), vmap(lambda a: grad(newton(a)[0], a))(a)]
    data = np.arange(1.0, n + 1)
    found = graphc.compile(a, both)(data)
    agree(found, [np.sqrt(data), *[np.where(data == 1, 1, 0.5 / np.sqrt(data))] * 2], 1e-6)
    assert graphc.compile(a, steps)(data).shape == (n,)


def test_untyped_instances():
    a = sym.var("a")
    y = vmap(lambda a: sym.cond(a.sum() > 0, lambda: newton(a[0])[0], lambda: a[1]))(a)
    found = graphc.compile(a, [y, grad(y.sum(), a)])(np.array([[4.0, 1.0], [-5.0, 1.0]]))
    agree(found, [np.array([2.0, 1.0]), np.array([[0.25, 0.0], [0.0, 1.0]])], 1e-8)
