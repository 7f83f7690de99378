"""Values of control flow: compiled ones are the interpreter's, and those of Python's own loops."""

import numpy as np
import pytest

import graphc
from graphc import grad, interpret, sym
from tests.control.programs import agree, check_values

RNG = np.random.default_rng(1)


def compiled(outputs, **arrays):
    return check_values(outputs, **arrays)


def test_only_the_taken_branch_runs():
    x = sym.var("x", shape=())
    endless = sym.cond(x > 0, lambda: x, lambda: sym.while_loop(lambda s: s == s, lambda s: s + 1, x))
    assert graphc.compile(x, endless)(2.0) == 2.0


def test_branches_may_give_numbers_and_structures():
    x = sym.var("x", shape=(3,), dtype="float32")
    found = sym.cond(sym.sum(x) > 0, lambda: {"a": (x, 1.0)}, lambda: {"a": (-x, 0)})
    assert found["a"][0].dtype == np.float32
    data = np.array([1, 2, 3], np.float32)
    agree(compiled(found, x=data), {"a": (data, np.float32(1))})


def test_a_predicate_known_when_the_graph_is_built_chooses_then():
    x = sym.var("x", shape=())
    assert sym.cond(True, lambda: x, lambda: x / 0) is x


@pytest.mark.parametrize(("index", "expected"), [(-3, 1.0), (0, 1.0), (1, 2.0), (2, 3.0), (9, 3.0)])
def test_switch_takes_the_first_or_last_branch_for_what_is_out_of_range(index, expected):
    i = sym.var("i", shape=(), dtype="int32")
    chosen = sym.switch(i, [lambda k=k: sym.asarray(k) for k in (1.0, 2.0, 3.0)])
    assert compiled(chosen, i=np.int32(index)) == expected


def test_while_is_pythons_while():
    n = sym.var("n", shape=(), dtype="int64")
    odd = lambda s: s["n"] % 2 == 1  # noqa: E731
    step = lambda s: {"n": sym.where(odd(s), 3 * s["n"] + 1, s["n"] // 2), "count": s["count"] + 1}  # noqa: E731
    state = sym.while_loop(lambda s: s["n"] != 1, step, {"n": n, "count": 0})
    assert compiled(state["count"], n=np.int64(27)) == 111
    assert compiled(state["count"], n=np.int64(1)) == 0


def test_scan_stacks_ys_where_their_xs_stand():
    x = sym.var("x", shape=("n", 2))
    data = RNG.normal(size=(4, 2))
    total, sums = sym.scan(lambda s, x: (s + x, s + x), sym.zeros((2,)), x)
    back, backward = sym.scan(lambda s, x: (s + x, s + x), sym.zeros((2,)), x, reverse=True)
    found = compiled([total, sums, back, backward], x=data)
    rows = np.cumsum(data, 0), np.cumsum(data[::-1], 0)[::-1]
    agree(found, [rows[0][-1], rows[0], rows[1][0], rows[1]], 1e-12)


def test_one_code_serves_every_length_and_zero():
    x = sym.var("x", shape=("n",))
    total, ys = sym.scan(lambda s, x: (s + x, s * x), 1.0, x)
    y = total + sym.sum(ys)
    f = graphc.compile(x, [total, ys, grad(y, x)])
    for length in (0, 1, 5, 1000):
        data = RNG.normal(size=length)
        agree(f(data), interpret([total, ys, grad(y, x)], {"x": data}), 1e-9)
    assert len(f.codes) == 1


def test_scan_without_xs_and_map():
    x = sym.var("x", shape=(5, 3))
    data = RNG.normal(size=(5, 3))
    powers = sym.scan(lambda s, _: (s * 2, s), 1.0, length=6)[1]
    agree(compiled([powers, sym.map(sym.sum, x)], x=data), [2.0 ** np.arange(6), data.sum(1)], 1e-12)


def test_structures_nest_in_states_xs_and_ys():
    x, w = sym.var("x", shape=(4, 2)), sym.var("w", shape=(2,))

    def f(state, xs):
        h, (c, k) = state["h"], state["rest"]
        h = sym.tanh(h * w + xs["a"]) + xs["b"][0]
        return {"h": h, "rest": (c + h, k + 1)}, [h, {"c": c}]

    init = {"h": sym.zeros((2,)), "rest": (sym.ones((2,)), 0)}
    state, ys = sym.scan(f, init, {"a": x, "b": (x * 2,)})
    found = compiled([state, ys], x=RNG.normal(size=(4, 2)), w=RNG.normal(size=2))
    assert found[0]["rest"][1] == 4 and found[1][1]["c"].shape == (4, 2)


def test_fori_loop_takes_numbers_extents_and_nodes_as_bounds():
    x, n = sym.var("x", shape=("m",)), sym.var("n", shape=(), dtype="int64")
    add = lambda i, s: s + i  # noqa: E731
    sums = [sym.fori_loop(2, 5, add, 0), sym.fori_loop(0, x.shape[0], add, 0), sym.fori_loop(n, 7, add, 0)]
    found = compiled([*sums, sym.sum(x), sym.fori_loop(3, 1, add, 10)], x=np.ones(4), n=np.int64(5))
    agree(found, [9, 6, 11, 4.0, 10])


def test_a_range_that_ends_before_it_starts_runs_no_iteration():
    x = sym.var("x", shape=("m",))
    y = sym.sum(sym.fori_loop(5, x.shape[0], lambda i, s: sym.sin(s) * i, x))
    found = compiled([y, grad(y, x)], x=np.array([1.0, 2.0]))
    agree(found, [np.array(3.0), np.ones(2)])


@pytest.mark.parametrize("dtype, lower, upper", [("uint8", 5, 3), ("int8", -100, 100), ("uint64", 2, 5)])
def test_a_range_does_not_wrap_in_the_dtype_of_its_bounds(dtype, lower, upper):
    a, b = (sym.var(name, shape=(), dtype=dtype) for name in "ab")
    total = sym.fori_loop(a, b, lambda i, s: s + i, 0)
    found = graphc.compile([a, b], total)(*np.array([lower, upper], dtype))
    assert found == sum(range(lower, upper)) and total.dtype == np.int64


def test_large_states_alternate_between_two_buffers():
    x, w = sym.var("x", shape=(40, 30)), sym.var("w", shape=(30, 30))
    data = {"x": RNG.normal(size=(40, 30)), "w": RNG.normal(size=(30, 30)) / 10}
    expected = data["x"]
    for steps in range(4):
        y = sym.fori_loop(0, steps, lambda _, s: sym.tanh(s @ w) + s, x)
        agree(compiled(y, **data), expected, 1e-12)
        expected = np.tanh(expected @ data["w"]) + expected


def test_loops_wait_for_types_and_take_new_ones():
    a, w = sym.var("a"), sym.var("w")
    s, ys = sym.scan(lambda s, x: (s * w + x, {"y": s}), w, a)
    loop = sym.while_loop(lambda v: sym.sum(v) < 100, lambda v: v * 2 + w, s)
    f = graphc.compile([a, w], [loop, ys, grad(sym.sum(loop), [a, w])])
    for shape, dtype in (((3,), "float64"), ((), "float32")):
        data = {"a": np.ones((2, *shape), dtype), "w": np.ones(shape, dtype)}
        variables = {name: sym.var(name, shape=x.shape, dtype=x.dtype) for name, x in data.items()}
        found = f(*data.values())
        assert found[0].dtype == dtype and variables
        agree(found, interpret([loop, ys, grad(sym.sum(loop), [a, w])], data), 1e-5)


def test_a_loop_inside_an_untyped_loop_captures_what_is_outside_both():
    a = sym.var("a")
    outer = sym.fori_loop(0, 3, lambda i, s: sym.fori_loop(0, 2, lambda j, t: t * a + i * j, s), a)
    expected = 1.5
    for i in range(3):
        for j in range(2):
            expected = expected * 1.5 + i * j
    assert float(graphc.compile(a, outer)(1.5)) == pytest.approx(expected)


@pytest.mark.parametrize("n", range(1, 10))
@pytest.mark.parametrize("reverse", [False, True])
def test_associative_scan_gives_all_prefixes(n, reverse):
    x = sym.var("x")
    data = RNG.normal(size=(2, n))
    found = graphc.compile(x, sym.associative_scan(lambda a, b: a + b, x, reverse=reverse, axis=1))(data)
    expected = np.cumsum(data[:, ::-1], 1)[:, ::-1] if reverse else np.cumsum(data, 1)
    agree(found, expected, 1e-12)


def test_associative_scan_composes_what_does_not_commute():
    a, b = sym.var("a", shape=(6,)), sym.var("b", shape=(6,))
    combine = lambda p, q: (p[0] * q[0], p[1] * q[0] + q[1])  # noqa: E731  (first p, then q)
    _, solved = sym.associative_scan(combine, (a, b))
    _, expected = sym.scan(lambda y, x: (y * x[0] + x[1],) * 2, 0.0, (a, b))
    data = {"a": RNG.normal(size=6), "b": RNG.normal(size=6)}
    agree(*compiled([solved, expected], **data), 1e-12)


@pytest.mark.parametrize("extent", range(1, 20))
def test_short_rows_in_registers_are_right_for_every_extent(extent):
    x = sym.var("x", shape=(extent,))
    y = sym.while_loop(lambda s: sym.sum(s * s) < 1000, lambda s: s * 2 + sym.max(s), x)
    compiled([y, sym.sum(y)], x=np.abs(RNG.normal(size=extent)) + 0.1)
