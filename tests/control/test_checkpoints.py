"""Checkpoints: the same bits as without them, at every order, in little memory."""

import numpy as np
import pytest

import graphc
from graphc import GraphcError, grad, interpret, sym
from graphc.ops.control import LOOP, Loop
from graphc.ops.policy import segment
from graphc.runtime import memory
from graphc.tree import flatten
from tests.control.programs import agree, check_derivatives, typed

RNG = np.random.default_rng(0)
POLICIES = [True, 4]


def results(build, checkpoint, second, arrays):
    """The compiled value, gradient and, if asked for, the gradient of the gradient's norm."""
    variables = [sym.var(name, shape=x.shape, dtype=x.dtype) for name, x in arrays.items()]
    floats = [x for x in variables if x.dtype.kind == "f"]
    y = build(checkpoint, *variables)
    gradient = grad(y, floats)
    outputs = [y, gradient]
    if second:
        outputs.append(grad(sum(sym.sum(g * g) for g in gradient), floats))
    return flatten(graphc.compile(variables, outputs)(*arrays.values()))[0]


def check_bits(build, second=False, policies=POLICIES, **arrays):
    expected = results(build, False, second, arrays)
    for policy in policies:
        for a, b in zip(results(build, policy, second, arrays), expected, strict=True):
            np.testing.assert_array_equal(a, b, err_msg=f"checkpoint={policy!r}")


def wave(checkpoint, x, w, reverse=False):
    def step(s, x):
        return sym.tanh(s * w + x) + s * x, sym.sin(s) * x

    s, ys = sym.scan(step, w, x, reverse=reverse, checkpoint=checkpoint)
    return sym.sum(s) + sym.sum(ys * ys)


@pytest.mark.parametrize("length", [20, 23])
@pytest.mark.parametrize("reverse", [False, True])
def test_scan_with_state_xs_ys_and_closure_has_the_same_bits(reverse, length):
    build = lambda c, x, w: wave(c, x, w, reverse)  # noqa: E731
    check_bits(build, x=RNG.normal(size=(length, 5)), w=RNG.normal(size=5))


@pytest.mark.parametrize("reverse", [False, True])
def test_second_derivatives_have_the_same_bits(reverse):
    build = lambda c, x, w: wave(c, x, w, reverse)  # noqa: E731
    check_bits(build, second=True, policies=[3], x=RNG.normal(size=(7, 5)), w=RNG.normal(size=5))


def test_counted_loops_have_the_same_bits_at_second_order_too():
    def build(c, x):
        return sym.fori_loop(0, 30, lambda i, y: sym.sin(y * x + i) * y, x, checkpoint=c)

    check_bits(build, second=True, policies=[True, 1, 7, "100 B"], x=np.array(0.7))


@pytest.mark.parametrize("count", [-3, 0, 1, 37])
def test_loops_of_a_count_known_when_they_run_have_the_same_bits(count):
    def build(c, x, n):
        return sym.fori_loop(0, n, lambda i, y: sym.sin(y * x + i) * y + x, x, checkpoint=c)

    check_bits(build, x=np.array(0.7), n=np.array(count))


@pytest.mark.parametrize(("start", "limit"), [(1.1, None), (1.1, 36), (40.0, None)])
def test_while_loops_have_the_same_bits(start, limit):
    def build(c, x, w):
        body = lambda s: (sym.sin(s[0]) * w + s[0], s[1] * 1.1 + 0.1 * s[0] ** 2)  # noqa: E731
        return sym.while_loop(lambda s: s[1] < 30, body, (x, w), max_iterations=limit, checkpoint=c)[0] * w

    check_bits(build, x=np.array(0.7), w=np.array(start))


def test_two_values_of_one_while_have_the_same_bits_at_second_order_too():
    def build(c, x):
        step = lambda s: (s[0] + 0.3 * sym.sqrt(s[0]), sym.sin(s[1] * s[0]))  # noqa: E731
        a, b = sym.while_loop(lambda s: s[0] < 20, step, (x, x), checkpoint=c)
        return a * b

    check_bits(build, second=True, policies=[True], x=np.array(1.1))


def test_loops_in_loops_have_the_same_bits():
    def build(c, x, w):
        def outer(s, row):
            s, ys = sym.scan(lambda t, e: (sym.sin(t + e * w), t * e), s, row, checkpoint=c)
            u, _ = sym.while_loop(lambda t: t[1] < 4, lambda t: (sym.sin(t[0]) * w + s, t[1] + 1), (s, 0), checkpoint=c)
            return u * w, ys

        s, ys = sym.scan(outer, w, x, checkpoint=c)
        return s + sym.sum(ys**2)

    data = {"x": RNG.normal(size=(7, 5)), "w": np.array(0.8)}
    check_bits(build, policies=[True, 3], **data)


def test_a_gradient_taken_inside_a_loop_has_the_same_bits():
    def build(c, x):
        def descend(y):
            inner = sym.fori_loop(0, 5, lambda _, z: sym.sin(z * x) + z, y, checkpoint=c)
            return y - 0.1 * grad(inner * inner, y)

        return sym.fori_loop(0, 5, lambda _, y: descend(y), x, checkpoint=c)

    check_bits(build, policies=[2], x=np.array(0.9))


def test_map_has_the_same_bits():
    def build(c, x):
        return sym.sum(sym.map(lambda row: sym.sum(sym.sin(row) * row), x, checkpoint=c) ** 2)

    check_bits(build, x=RNG.normal(size=(11, 4)))


def test_an_empty_scan_has_the_same_bits():
    build = lambda c, x, w: sym.scan(lambda s, e: (sym.sin(s * e), s), w, x, checkpoint=c)[0] ** 2  # noqa: E731
    check_bits(build, x=np.zeros(0), w=np.array(0.8))


def test_a_named_number_of_iterations_has_the_same_bits_for_every_size():
    def compiled(c):
        x, w = sym.var("x", shape=("n", 3)), sym.var("w", shape=3)
        y = wave(c, x, w)
        return graphc.compile([x, w], [y, *grad(y, [x, w])])

    data, w = RNG.normal(size=(70, 3)), RNG.normal(size=3)
    plain = compiled(False)
    for policy in (7, "1 KB", 2000):
        f = compiled(policy)
        assert "joined=True" in str(f.graph)
        for n in (0, 1, 5, 70):
            for a, b in zip(f(data[:n], w), plain(data[:n], w), strict=True):
                np.testing.assert_array_equal(a, b)


def test_a_large_weight_is_summed_in_another_order():
    x, w, h = (RNG.normal(size=shape) for shape in ((7, 2, 16), (16, 16), (2, 16)))

    def build(c, x, w, h):
        return sym.sum(sym.scan(lambda s, x: (sym.tanh(s @ w + x), None), h, x, checkpoint=c)[0] ** 2)

    for a, b in zip(*(results(build, c, False, {"x": x, "w": w, "h": h}) for c in (True, False)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10)


def test_derivatives_with_checkpoints_are_those_of_differences():
    check_derivatives(lambda x, w: wave(3, x, w), x=RNG.normal(size=(7, 2)), w=RNG.normal(size=2))


def test_untyped_loops_take_checkpoints():
    x = sym.var("x")
    y = sym.fori_loop(0, 100, lambda _, s: sym.sin(s), x, checkpoint=True)
    f = graphc.compile(x, grad(sym.sum(y), x))
    assert f(np.ones(64)).shape == (64,)
    assert f.cost().stacked <= 30 * 64 * 8


def test_a_checkpointed_loop_reaches_its_limit_with_an_error():
    x = sym.var("x", shape=())
    for policy in (True, 4, 50):
        y = sym.while_loop(lambda s: s < 1e9, lambda s: s * s + 1, x, max_iterations=6, checkpoint=policy)
        f = graphc.compile(x, grad(y, x))
        assert np.isfinite(f(1.0))
        with pytest.raises(graphc.IterationError, match=r"test_checkpoints.py:\d+.* goes on after 6 iterations"):
            f(-0.1)


@pytest.mark.parametrize("given", [0, -1, 2.5, "64", "many", "3 PB", (3,)])
def test_what_is_no_policy_is_an_error_on_the_users_line(given):
    x = sym.var("x", shape=())
    with pytest.raises(GraphcError, match=r"fori_loop: checkpoint=.* \(test_checkpoints.py:\d+\); give True"):
        sym.fori_loop(0, 3, lambda _, s: s, x, checkpoint=given)


def test_a_checkpointed_loop_shows_it():
    x = sym.var("x", shape=())
    assert "trip=9, checkpoint='auto')" in str(sym.fori_loop(0, 9, lambda _, s: sym.sin(s), x, checkpoint=True))
    assert "checkpoint='2 MB')" in str(sym.fori_loop(0, 9, lambda _, s: sym.sin(s), x, checkpoint="2 MB"))


# -- memory -----------------------------------------------------------------------------------------


STATE = 64 * 8  # bytes


def states(policy, n=1000):
    """How many states of a loop are stacked, and how many there is room for in all."""
    x = sym.var("x", shape=(64,))
    y = sym.fori_loop(0, n, lambda _, s: sym.sin(s) + sym.cos(s), x, checkpoint=policy)
    cost = graphc.compile(x, grad(sym.sum(y), x)).cost()
    return cost.stacked / STATE, cost.workspace / STATE


def test_n_states_become_twice_the_root_of_n():
    assert states(False)[0] == 1000
    stacked, room = states(True)
    assert stacked <= 3 * 1000**0.5  # the checkpoints, and a segment, once forwards and once backwards
    assert room <= 2 * 1000**0.5 + 8  # what is not stacked are states before and after an iteration


@pytest.mark.parametrize("length", [1, 10, 250])
def test_a_number_is_the_iterations_from_one_checkpoint_to_the_next(length):
    assert states(length)[0] == 1000 / length + 2 * length


@pytest.mark.parametrize("budget", [1000, 200, 100, 50])
def test_a_budget_is_kept(budget):
    assert states(f"{budget * STATE} B")[1] <= budget + 8


def test_a_loop_that_is_linear_stacks_nothing():
    x = sym.var("x", shape=(8,))
    y = sym.while_loop(lambda s: sym.sum(s) < 1000, lambda s: s * 2, x, checkpoint=True)
    f = graphc.compile(x, grad(sym.sum(y), x))
    assert f.cost().stacked == 0
    assert sum(node.op is LOOP for node in f.graph.nodes) == 2


@pytest.mark.parametrize("policy", [True, 32])
def test_a_while_loop_keeps_checkpoints_only(policy):
    x, n = sym.var("x", shape=(512,)), sym.var("n", shape=(), dtype="int64")
    step = lambda s: (sym.sin(s[0]) + sym.cos(s[0]), s[1] + 1)  # noqa: E731
    y = sym.while_loop(lambda s: s[1] < n, step, (x, 0), checkpoint=policy)[0]
    f = graphc.compile([x, n], grad(sym.sum(y), x))
    f(np.ones(512), 3)
    memory.clear()
    f(np.ones(512), 1000)
    assert memory.stats().cached < 1000 * 512 * 8 / 2
    assert memory.stats().in_use == 0


def test_a_million_iterations_take_little_memory():
    x = sym.var("x", shape=())
    many = 1_000_000
    step = lambda s: (s[0] + 1e-6 * s[0] * (x - s[0]), s[1] + 1)  # noqa: E731
    by_while = sym.while_loop(lambda s: s[1] < many, step, (0.1 + 0 * x, 0), checkpoint=True)[0]
    plain = sym.while_loop(lambda s: s[1] < many, step, (0.1 + 0 * x, 0))[0]
    f = graphc.compile(x, [by_while, grad(by_while, x)])
    memory.clear()
    found = f(0.3)
    assert memory.stats().cached < 200_000
    np.testing.assert_array_equal(found, graphc.compile(x, [plain, grad(plain, x)])(0.3))


def test_the_loop_inside_keeps_nothing_for_the_one_around_it():
    """What a checkpointed loop stacks is no candidate for what an outer loop keeps."""
    x = sym.var("x", shape=())
    inner = lambda s: sym.fori_loop(0, 50, lambda _, t: sym.sin(t), s, checkpoint=True)  # noqa: E731
    y = sym.fori_loop(0, 100, lambda _, s: inner(s) * x, x)
    f = graphc.compile(x, grad(y, x))
    forward, *_ = [Loop.of(node) for node in f.graph.nodes if node.op is LOOP]
    assert all(y.size == 1 for y in forward.params.body.outputs)
    assert f.cost().stacked <= (2 * 100 + 6 * 50) * 8


@pytest.mark.parametrize("trip", [*range(1, 40), 97, 1000, 1 << 20])
def test_segments_by_themselves_are_about_as_many_as_their_iterations(trip):
    length = segment("auto", trip, 8, 8)
    if length is None:
        assert trip < 3
    else:
        assert trip / length + length <= 3 * trip**0.5


# -- checkpoint(f) -----------------------------------------------------------------------------------


def test_a_checkpointed_function_has_its_value_and_derivatives():
    w = sym.var("w", shape=(3,))

    def build(x, w):
        inner = graphc.checkpoint(lambda pair: {"y": sym.exp(sym.sin(pair[0])) * w * pair[1]})
        return sym.sum(inner((x, w))["y"] ** 2)

    assert graphc.checkpoint(lambda x: x * w)(w).type == w.type
    check_derivatives(build, x=RNG.normal(size=3), w=RNG.normal(size=3))


def test_a_loop_keeps_only_the_operands_of_a_checkpointed_function():
    x, w = sym.var("x", shape=(8,)), sym.var("w", shape=(8, 8))

    def cell(s):
        return sym.tanh(sym.sum(sym.sin(s) * w, axis=1)) * sym.sum(sym.cos(s)) + sym.exp(-sym.sum(s * s))

    def kept(cell):
        y = sym.fori_loop(0, 5, lambda _, s: cell(s), x)
        return graphc.compile([x, w], grad(sym.sum(y), x)).cost().stacked

    assert kept(graphc.checkpoint(cell)) == 5 * 8 * 8 < kept(cell)


def test_lanes_of_vmap_have_the_same_bits():
    x, w = RNG.normal(size=(4, 11, 3)), RNG.normal(size=(4, 3))

    def compiled(checkpoint):
        def lane(x, w):
            y = wave(checkpoint, x, w)
            return [y, *grad(y, [x, w])]

        variables = [sym.var("x", shape=x.shape), sym.var("w", shape=w.shape)]
        return graphc.compile(variables, graphc.vmap(lane)(*variables))

    for a, b in zip(compiled(3)(x, w), compiled(False)(x, w), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("length", [20, 23])
def test_the_graph_that_runs_has_the_same_value_in_the_interpreter(length):
    data = {"x": RNG.normal(size=(length, 3)), "w": RNG.normal(size=3)}
    variables = typed(data)
    y = wave(4, **variables)
    f = graphc.compile(list(variables.values()), [y, *grad(y, list(variables.values()))])
    assert "joined=True" in str(f.graph)
    agree(interpret(list(f.graph.outputs), data), f(*data.values()))


def test_a_chain_of_checkpointed_functions_needs_less_memory():
    x = sym.var("x", shape=(64, 64))
    weights = [sym.var(f"w{k}", shape=(64, 64)) for k in range(12)]

    def block(h, *weights):
        for w in weights:
            h = sym.tanh(h @ w)
        return h

    def workspace(block):
        h = x
        for k in range(0, 12, 3):
            h = block(h, *weights[k : k + 3])
        return graphc.compile([x, *weights], grad(sym.sum(h * h), weights)).cost().workspace

    assert workspace(graphc.checkpoint(block)) < 0.6 * workspace(block)


@pytest.mark.parametrize("policy", [1, 2, True])
def test_a_range_that_ends_before_it_starts_has_no_segments(policy):
    x = sym.var("x", shape=("n",))
    y = sym.fori_loop(x.shape[0], 4, lambda i, s: sym.sin(s) * i, x, checkpoint=policy)
    f = graphc.compile(x, [y, graphc.grad(sym.sum(y), x)])
    for n in (3, 4, 5, 6, 9):
        data = np.linspace(0.2, 1, n)
        values, slopes = (np.sin(data) * 3, np.cos(data) * 3) if n == 3 else (data, np.ones(n))
        np.testing.assert_allclose(f(data), [values, slopes], rtol=1e-12)
