"""What becomes of control flow: what is captured, hoisted, shared and left out, and how it is shown."""

import re

import numpy as np

import graphc
from graphc import grad, sym
from graphc.ops.control import LOOP, SWITCH, Loop, subgraphs


def loops(outputs):
    return [node for node in graphc.Graph.of(outputs).nodes if node.op is LOOP]


def running(inputs, outputs):
    return [Loop.of(node) for node in graphc.compile(inputs, outputs).graph.nodes if node.op is LOOP]


def test_equal_loops_are_one_node():
    x = sym.var("x", shape=())
    make = lambda: sym.while_loop(lambda s: s < 10, lambda s: s * 2, x)  # noqa: E731
    assert make() is make()


def test_what_does_not_depend_on_the_loop_is_computed_before_it():
    x, w = sym.var("x", shape=(3,)), sym.var("w", shape=(3,))
    (node,) = loops(sym.fori_loop(0, 5, lambda i, s: s * sym.exp(w), x))
    assert [arg.op.name for arg in Loop.of(node).captured] == ["exp"]
    assert [n.op.name for n in Loop.of(node).params.body.nodes if n.args] == ["multiply"]


def test_what_only_one_branch_computes_stays_inside_it():
    x, w = sym.var("x", shape=(3,)), sym.var("w", shape=(3,))
    (node,) = [
        n for n in graphc.Graph.of(sym.cond(sym.sum(x) > 0, lambda: sym.exp(w), lambda: w)).nodes if n.op is SWITCH
    ]
    assert [arg.name for arg in node.args[1:]] == ["w"]
    assert "exp" in [n.op.name for n in subgraphs(node)[1].nodes]


def test_what_the_gradient_computes_of_captured_values_alone_is_hoisted():
    x, w = sym.var("x", shape=()), sym.var("w", shape=())
    y = sym.fori_loop(0, 5, lambda i, s: sym.sin(s) * sym.log(w), x)
    assert all(n.op.name != "log" for loop in running([x, w], grad(y, x)) for n in loop.params.body.nodes)


def test_states_and_ys_that_nobody_reads_are_left_out():
    x = sym.var("x", shape=(4, 3))
    (total, _, fixed), ys = sym.scan(
        lambda s, x: ((s[0] + x * s[2], s[1] * 2, s[2]), (x, s[1])), (sym.zeros((3,)), 1.0, sym.ones((3,))), x
    )
    (loop,) = running(x, total)
    assert (loop.params.states, loop.ys, len(loop.captured)) == (1, 0, 1)
    assert graphc.compile(x, [total, fixed, ys[1]])(np.ones((4, 3)))[2].tolist() == [1, 2, 4, 8]


def lstm():
    """The loss of some steps of an LSTM, and its variables."""
    x, h, c = (sym.var(name, shape=shape) for name, shape in zip("xhc", [(6, 9, 64), (9, 16), (9, 16)]))
    u = sym.var("u", shape=(64, 16))

    def step(state, x):
        h, c = state
        i, f, g, o = (sym.sigmoid((x + h @ u.T)[:, k * 16 : (k + 1) * 16]) for k in range(4))
        c = f * c + i * g
        return (o * sym.tanh(c), c), h

    return [x, h, c, u], sym.sum(sym.scan(step, (h, c), x)[1] ** 2)


def test_what_is_stacked_twice_is_stacked_once_and_what_was_stacked_before_not_again():
    inputs, loss = lstm()
    forward, backward = running(inputs, grad(loss, inputs))
    stacked = forward.params.body.outputs[forward.params.states :]
    assert len(set(stacked)) == len(stacked)
    assert backward.ys == 1  # by x, which is what the gradient by u reads as well


def test_values_are_kept_as_near_to_their_use_as_costs_nothing():
    inputs, loss = lstm()
    _, backward = running(inputs, grad(loss, inputs))
    assert "sigmoid" not in [node.op.name for node in backward.params.body.nodes]


def test_operands_of_products_are_transposed_before_the_loop_and_read_as_they_are_where_that_serves():
    inputs, loss = lstm()
    f = graphc.compile(inputs, grad(loss, inputs))
    forward, backward = (Loop.of(node) for node in f.graph.nodes if node.op is LOOP)
    assert "transpose" in [node.op.name for node in forward.captured]
    assert "transpose" not in [node.op.name for node in forward.params.body.nodes]
    assert [node.name for node in backward.captured] == ["u"]
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=x.shape) for x in inputs]
    for found, plain in zip(f(*arrays), graphc.compile(inputs, grad(loss, inputs), fuse=False)(*arrays), strict=True):
        np.testing.assert_allclose(found, plain, atol=1e-12)


def test_small_bodies_are_inlined_and_large_ones_called():
    x, w = sym.var("x", shape=()), sym.var("w", shape=(64, 64))
    small = graphc.compile(x, sym.fori_loop(0, 9, lambda i, s: s * 2, x))
    large = graphc.compile(w, sym.fori_loop(0, 9, lambda i, s: s * 2, w))
    assert "alwaysinline" in small.llvm and "alwaysinline" not in large.llvm


def test_a_scalar_recurrence_touches_no_memory_in_its_loop():
    x = sym.var("x", shape=())
    f = graphc.compile(x, sym.fori_loop(0, 1000, lambda i, s: s * 0.5 + 1, x))
    lines = f.assembly.splitlines()
    jumps = [(k, re.search(r"\sj\w+\s+(\.LBB\S+)", line)) for k, line in enumerate(lines)]
    bodies = [lines[lines.index(f"{m[1]}:") : k] for k, m in jumps if m and f"{m[1]}:" in lines[:k]]
    assert bodies
    for body in bodies:
        assert not [line for line in body if "(%rsp" in line or "(%rbp" in line]


def test_sub_graphs_are_shown_as_text():
    b = sym.var("b", shape=(3,))
    text = str(sym.while_loop(lambda b: sym.sum(b) < 10, lambda b: 2 * b, b, max_iterations=7))
    assert "loop(b, limit=7)" in text
    assert "    body(i, b):\n" in text and "    condition(b):\n" in text
    assert "        %0 = multiply(2, b)" in text


def test_sub_graphs_are_frames_in_dot():
    x = sym.var("x", shape=())
    y = sym.cond(x > 0, lambda: sym.sin(x), lambda: sym.cos(x))
    for text in (graphc.to_dot(y), graphc.compile(x, y).to_dot()):
        assert re.search(r'subgraph cluster_\w+ \{\s+graph \[.*label="branch 1\(', text)
        assert text.count("{") == text.count("}")
        edges = re.findall(r"^\s*(\w+) -> (\w+) ", text, re.M)
        drawn = set(re.findall(r"^\s*(\w+) \[", text, re.M))
        assert {end for edge in edges for end in edge} <= drawn


def test_the_program_and_its_cost_show_loops():
    x = sym.var("x", shape=("n", 8))
    f = graphc.compile(x, sym.scan(lambda s, x: (s + sym.exp(x), s), sym.zeros((8,)), x))
    assert re.search(r"loop 0: .*-> .*\n  body\(i, s.*\):\n    kernel 0:", str(f.program))
    assert f.cost(n=10).transcendentals == 80
    assert "workspace" in f.plan(n=10)


def test_the_interpreter_shows_every_inner_step():
    x = sym.var("x", shape=())
    steps: list[str] = []
    y = sym.fori_loop(0, 3, lambda i, s: s * 2, x)
    graphc.interpret(y, {"x": 1.0}, trace=lambda node, value: steps.append(node.op.name))
    assert steps.count("multiply") == 3
