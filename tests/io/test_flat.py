"""Flat graphs: what is read is what was written, the very same nodes; and nothing strange is ever read."""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphc import compile, grad, interpret, sym
from graphc.errors import GraphcError
from graphc.io.flat import operators, read_flat, write_flat
from graphc.io.values import read_structure, read_value, write_structure, write_value
from graphc.node import Literal, Node, Op, make, topological, variable
from graphc.ops.note import CALLED
from graphc.tree import flatten
from graphc.types import FLOAT64, Dim, Type

ROOT = Path(__file__).parents[2]
N = Dim.symbol("n")


def same_variables(*nodes: Node) -> Any:
    """Read variables as those of these nodes, in order."""
    found = iter([node for node in topological(nodes) if node.op.name == "var"])
    return lambda name, type: next(found)


def through_json(data: Any) -> Any:
    """The data as JSON keeps it; arrays, which others carry, as lists that say their dtype."""

    def revive(found: dict[str, Any]) -> Any:
        return np.array(found["values"], found["of"]) if found.keys() == {"of", "values"} else found

    text = json.dumps(data, default=lambda a: {"of": a.dtype.name, "values": a.tolist()}, allow_nan=False)
    return json.loads(text, object_hook=revive)


def assert_same(found: list[Node], wanted: list[Node]) -> None:
    """The very nodes, not others like them."""
    assert [id(node) for node in found] == [id(node) for node in wanted]


# -- what is read is what was written ---------------------------------------------------------------


@pytest.mark.parametrize("op", [op for op in operators().values() if op.samples and op is not CALLED], ids=str)
def test_node_of_every_operator_is_the_same_again(op: Op) -> None:
    for sample in op.samples:
        for dtype in ("float64", "int32", "bool"):
            args = tuple([variable(f"x{k}", Type(np.dtype(dtype), shape)) for k, shape in enumerate(sample.shapes)])
            try:
                node = make(op, args, tuple([dict(sample.params)[name] for name in op.params]))
            except (GraphcError, TypeError):  # not for this dtype
                continue
            assert_same(read_flat(through_json(write_flat([node])), same_variables(node)), [node])


def test_operators_have_different_names() -> None:
    import graphc.ops.arithmetic as arithmetic

    assert operators()["add"] is arithmetic.ADD
    assert "load" not in operators(), "operators inside kernels are not for graphs"


def test_graph_with_symbols_constants_and_gradients_is_the_same_again() -> None:
    x, w = sym.var("x", shape=("n", 4)), sym.var("w", shape=(4, "m"), dtype="float32")
    y = sym.sum(sym.softmax(x @ w)[1:, ::2] * np.float32(0.5)) + x.shape[0]
    roots = [y, *grad(y, [x, w]), x]
    assert_same(read_flat(write_flat(roots), same_variables(*roots)), roots)


def test_recorded_calls_are_the_same_again() -> None:
    a, b = sym.var("a"), sym.var("b")
    u = sym.where(a > np.float32(1), a[..., None, 1:3], b).sum(axis=(0, -1), keepdims=True).astype(float)
    first, second = sym.split(u, 2, axis=0)
    roots = [second, grad(sym.sum(first), a), sym.full((2, 3), 1j.imag) * b, sym.concatenate([a, b])]
    assert_same(read_flat(through_json(write_flat(roots)), same_variables(*roots)), roots)


def test_control_flow_is_the_same_again() -> None:
    x, n = sym.var("x", shape=("n", 3)), sym.var("n", shape=(), dtype="int64")
    total, rows = sym.scan(lambda c, r: (c + sym.sin(r), c * 2), sym.zeros(3), x)
    count, y = sym.while_loop(lambda s: sym.norm(s[1]) < 9, lambda s: (s[0] + n, s[1] * 2), (n, total))
    z = sym.cond(count > 3, lambda y: y + x.shape[0], lambda y: sym.cond(n > 1, sym.exp, sym.cos, y), y)
    roots = [z, rows]
    assert_same(read_flat(through_json(write_flat(roots)), same_variables(*roots)), roots)
    again = pickle.loads(pickle.dumps(roots))
    assert_same(again, roots)


def recorded_loops() -> list[Node]:
    """Loops and switches on variables without types, in each other, with numbers, structures and what they capture."""
    a, b, n = sym.var("a"), sym.var("b"), sym.var("n", shape=(), dtype="int64")
    w = sym.var("w", shape=(3,))
    step = lambda s: {"u": s["u"] * b + sym.exp(w), "k": s["k"] + 1}  # noqa: E731
    state = sym.while_loop(lambda s: sym.sum(s["u"]) < n, step, {"u": a, "k": 0}, max_iterations=9, checkpoint=4)

    def outer(s: Node, x: Node) -> Any:
        inner = sym.fori_loop(0, n, lambda i, t: t * x + i, s, checkpoint=True)
        return sym.cond(sym.sum(inner) > 0, lambda: inner * b, lambda: 0.5), (inner, 2.0, np.float32(3))

    last, (ys, twos, _) = sym.scan(outer, sym.sum(a), a, reverse=True)
    chosen = sym.switch(n, [lambda x: a * x, sym.exp, lambda x: -0.0], a)
    sums = sym.associative_scan(lambda x, y: x + y * b, a)
    return [state["u"], state["k"], last, ys, twos, chosen, sums, grad(last, a)]


def test_recorded_control_flow_is_the_same_again() -> None:
    roots = recorded_loops()
    assert all(root.type is None for root in roots)
    data = through_json(write_flat(roots))
    assert_same(read_flat(data, same_variables(*roots)), roots)
    assert_same(pickle.loads(pickle.dumps(roots)), roots)


def test_recorded_control_flow_runs_after_it_was_read() -> None:
    a, b = sym.var("a"), sym.var("b")
    y = sym.while_loop(lambda s: s[1] < 3, lambda s: (s[0] * b + 1, s[1] + 1), (a, 0))[0]
    (again,) = read_flat(through_json(write_flat([y])))
    values = {"a": np.array(2.0), "b": np.array(3.0)}
    assert again is not y
    assert interpret(again, values) == interpret(y, values) == 67


def test_the_same_loop_on_the_same_variables_is_one_recorded_call() -> None:
    a = sym.var("a")
    make_loop = lambda: sym.fori_loop(0, 3, lambda i, s: s * a + i, 1.0)  # noqa: E731
    assert make_loop() is make_loop()
    assert make_loop() is not sym.fori_loop(0, 3, lambda i, s: s * a - i, 1.0)


@pytest.mark.parametrize("policy", [True, 7, "64 MB"])
def test_checkpoints_are_the_same_again_and_strange_ones_an_error(policy: Any) -> None:
    x = sym.var("x", shape=())
    y = grad(sym.fori_loop(0, 9, lambda i, s: sym.sin(s), x, checkpoint=policy), x)
    flat = through_json(write_flat([y]))
    assert_same(read_flat(flat, lambda name, type: x), [y])
    (loop, *_) = [record for record in flat["nodes"] if record["op"] == "loop"]
    for strange in (True, -1, 0, "soon", [], 0.5):
        loop["params"]["checkpoint"] = strange
        with pytest.raises(GraphcError, match="cannot be read"):
            read_flat(flat)


LARGE = 2**70


@pytest.mark.parametrize(
    ("name", "strange"),
    [("states", LARGE), ("xs", LARGE), ("xs", -1), ("limit", -1), ("limit", 2.5), ("reverse", 2), ("joined", None)],
)
def test_a_while_loop_that_cannot_be_is_an_error(name: str, strange: Any) -> None:
    x = sym.var("x", shape=())
    flat = through_json(write_flat([sym.while_loop(lambda s: s < 9, lambda s: s + 1, x, max_iterations=20)]))
    (loop,) = [record for record in flat["nodes"] if record["op"] == "loop"]
    loop["params"][name] = strange
    with pytest.raises(GraphcError, match="cannot be|stands where a"):
        read_flat(flat)


@pytest.mark.parametrize("trip", [-1, 2.5, True])
def test_a_loop_of_a_strange_number_of_iterations_is_an_error(trip: Any) -> None:
    flat = through_json(write_flat([sym.fori_loop(0, 3, lambda i, s: s + i, 1.0)]))
    (loop,) = [record for record in flat["nodes"] if record["op"] == "loop"]
    loop["params"]["trip"] = trip
    with pytest.raises(GraphcError, match="non-negative|stands where a"):
        read_flat(flat)


def test_graph_inside_a_node_reads_nothing_from_outside() -> None:
    p, x = sym.var("p", shape=(), dtype="bool"), sym.var("x", shape=(3,))
    flat = write_flat([sym.cond(p, sym.exp, sym.cos, x)])
    (switch,) = [record for record in flat["nodes"] if record["op"] == "switch"]
    inner = switch["params"]["branches"][0]["graph"]
    inner["nodes"].append({**inner["nodes"][0], "params": {"name": "stranger"}})
    inner["roots"].append(len(inner["nodes"]) - 1)
    with pytest.raises(GraphcError, match="does not have them, each once, as its inputs"):
        read_flat(flat)


def test_source_lines_are_kept() -> None:
    x = sym.var("x", shape=(3,))
    y = sym.exp(x)
    (again,) = read_flat(write_flat([y]))
    assert again is not y
    assert again.source == y.source and again.args[0].source == x.source


def test_deep_graph_needs_no_recursion() -> None:
    x = y = sym.var("x", shape=())
    for _ in range(3000):
        y = sym.sin(y)
    assert read_flat(write_flat([y]), lambda name, type: x)[0] is y
    assert pickle.loads(pickle.dumps(y)) is y


@pytest.mark.parametrize(
    "value",
    [None, True, 7, -(2**70), 0.1, -0.0, float("inf"), 1 - 2j, "text", (), (1, (2.0, None)), FLOAT64, ..., float]
    + [np.float32, N, 2 * N * (N + 1) - 3, (N + 1) // 3 * N, 5 // N],
    ids=repr,
)  # fmt: skip
def test_parameter_is_the_same_again(value: object) -> None:
    again = read_value(through_json(write_value(value)))
    assert type(again) is type(value) and repr(again) == repr(value) and again == value


def test_nan_arrays_and_scalars_are_the_same_again() -> None:
    assert np.isnan(read_value(through_json(write_value(float("nan")))))
    assert read_value(write_value(Literal(np.arange(3)))) == Literal(np.arange(3))
    again = read_value(write_value(np.float32(0.1)))
    assert type(again) is np.float32 and again == np.float32(0.1)


def test_structure_is_the_same_again() -> None:
    _, definition = flatten({"a": (1, [2, None]), "b": slice(None, 3), "c": (), "d": {}})
    assert read_structure(through_json(write_structure(definition))) == definition


def test_operator_of_others_cannot_be_written() -> None:
    mine = Op(name="mine", infer=lambda types, params: types[0])
    with pytest.raises(GraphcError, match="mine is no operator of graphc"):
        write_flat([mine(sym.var("x", shape=()))])


def test_class_of_named_tuples_cannot_be_written() -> None:
    from typing import NamedTuple

    class Pair(NamedTuple):
        a: int
        b: int

    with pytest.raises(GraphcError, match="structure of Pair cannot be written; use a tuple"):
        write_structure(flatten(Pair(1, 2))[1])


# -- hostile data -----------------------------------------------------------------------------------

VAR = {"op": "var", "params": {"name": "x"}, "type": {"dtype": "float64", "shape": [3]}}
UNTYPED = {"op": "var", "params": {"name": "u"}}
T3 = VAR["type"]
T0 = {"dtype": "float64", "shape": []}
TWICE = {"axes_a": [0, 0], "axes_b": [0, 0], "batch_a": [], "batch_b": []}


def call(function: str, leaves: list[Any] | None = None, args: list[int] | None = None) -> dict[str, Any]:
    leaves = [None] if leaves is None else leaves
    inner = {"kind": "tuple", "children": ["leaf"] * len(leaves)}
    structure = {"kind": "tuple", "children": [inner, {"kind": "dict", "children": []}]}
    template = {"template": {"structure": structure, "leaves": leaves}}
    return {"op": "call", "args": args or [0], "params": {"function": function, "template": template}}


@pytest.mark.parametrize(
    ("nodes", "roots", "message"),
    [
        ([{"op": "launch"}], [0], "'launch' is none of"),
        ([{"op": "load", "params": {}}], [0], "'load' is none of"),
        ([VAR, {"op": "exp", "args": [1], "type": T3}], [1], "there is no node 1 before it"),
        ([VAR, {"op": "exp", "args": [-1], "type": T3}], [1], "there is no node -1"),
        ([VAR, {"op": "exp", "args": [False], "type": T3}], [1], "False stands where a int should"),
        ([VAR, {"op": "exp", "args": ["0"], "type": T3}], [1], "'0' stands where a int should"),
        ([VAR], [1], "there is no node 1"),
        ([VAR, {"op": "add", "args": [0], "type": T3}], [1], "add takes 2 arguments, not 1"),
        ([VAR, {"op": "exp", "args": [0, 0], "type": T3}], [1], "exp takes 1 arguments, not 2"),
        ([VAR, {"op": "exp", "args": [0], "type": {"dtype": "float64", "shape": [4]}}], [1], "is said to be"),
        ([VAR, {"op": "exp", "args": [0]}], [1], "exp is said to be None, but is float64"),
        ([VAR, {"op": "sum", "args": [0], "type": T3}], [1], "parameters of sum are axes"),
        ([VAR, {"op": "sum", "args": [0], "params": {"axes": [7]}, "type": T3}], [1], "axes of sum"),
        ([VAR, {"op": "sum", "args": [0], "params": {"axes": [0, 0]}, "type": T0}], [1], "axes of sum"),
        ([VAR, {"op": "flip", "args": [0], "params": {"axes": [-1]}, "type": T3}], [1], "axes of flip"),
        ([VAR, {"op": "contract", "args": [0, 0], "type": T0, "params": TWICE}], [1], "axes of contract"),
        ([VAR, {"op": "transpose", "args": [0], "params": {"axes": [5]}, "type": T3}], [1], "does not order"),
        ([VAR, {"op": "cast", "args": [0], "params": {"dtype": {"dtype": "O"}}, "type": T3}], [1], "not supported"),
        ([VAR, {"op": "cast", "args": [0], "params": {"dtype": {"code": "evil"}}, "type": T3}], [1], "is no parameter"),
        ([{**VAR, "type": {"dtype": "float64", "shape": [-1]}}], [0], "negative extent"),
        ([{**VAR, "type": {"dtype": "float64", "shape": [0.5]}}], [0], "stands where a int should"),
        ([{**VAR, "params": {"name": ""}}], [0], "a variable has a name"),
        ([{**VAR, "params": {"name": 3}}], [0], "3 stands where a str should"),
        ([{**VAR, "source": ["x.py", 1, 2]}], [0], "cannot be read"),
        ([{**VAR, "source": [1, 2]}], [0], "1 stands where a str should"),
        ([{"op": "const", "params": {"value": {"array": np.array([object()])}}, "type": T3}], [0], "not supported"),
        ([{"op": "const", "params": {"value": {"array": [1, 2]}}, "type": T3}], [0], "stands where a ndarray"),
        ([{"op": "const", "params": {"value": 3}, "type": T3}], [0], "cannot be read"),
        ([UNTYPED, call("to_dot", [None, {"is": "/tmp/somewhere"}])], [1], "'to_dot' is no function that is recorded"),
        ([UNTYPED, call("__import__")], [1], "'__import__' is no function"),
        ([UNTYPED, call("exp", [None, None])], [1], "has 1 nodes in 2 places"),
        ([VAR, call("exp")], [1], "all its arguments have types"),
        ([UNTYPED, {"op": "item", "args": [0], "params": {"index": 0}}], [1], "var has no result 0"),
        ([UNTYPED, call("exp"), {"op": "item", "args": [1], "params": {"index": -1}}], [2], "call has no result -1"),
        ([UNTYPED, {"op": "exp", "args": [0]}], [1], "exp has no type|has no type before data is bound"),
        ("nodes", [0], "stands where a list should"),
        ([7], [0], "cannot be read"),
    ],
)  # fmt: skip
def test_hostile_data_is_an_error(nodes: Any, roots: list[int], message: str) -> None:
    with pytest.raises(GraphcError, match=message):
        read_flat({"nodes": nodes, "roots": roots})


@pytest.mark.parametrize("data", [None, 3, [], {}, {"nodes": []}, {"roots": []}, {"nodes": {}, "roots": []}])
def test_data_of_another_form_is_an_error(data: Any) -> None:
    with pytest.raises(GraphcError, match="cannot be read"):
        read_flat(data)


def test_data_nested_without_end_is_an_error() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(GraphcError, match="Recursion"):
        read_flat({"nodes": [{"op": "var", "params": {"name": deep}}], "roots": [0]})
    while deep:  # taken apart by hand: so deep a list is too much for the interpreter's own destructor
        (deep,) = deep


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path to every part of nested data."""
    parts = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path, *(found for key, part in parts for found in places(part, (*path, key)))]


JUNK = st.sampled_from(
    [None, True, -1, 0, 1, 10**30, 0.5, "", "x", "add", [], [0], {}, {"dim": [[1, ["n"]]]}, np.ones(2)]
)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_changed_data_is_read_or_an_error_of_ours(data: st.DataObject) -> None:
    x, a = sym.var("x", shape=("n", 4)), sym.var("a")
    y = sym.pad(x[1:, ::2], 1).reshape(-1) * sym.sum(x, axis=0).max()
    flat = copy.deepcopy(write_flat([y, sym.split(a + 1, 2)[1]]))
    *path, last = data.draw(st.sampled_from(places(flat)[1:]))
    parent: Any = flat
    for key in path:
        parent = parent[key]
    parent[last] = data.draw(JUNK)
    with suppress(GraphcError):
        assert all(isinstance(node, Node) for node in read_flat(flat))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_changed_data_of_recorded_loops_is_read_or_an_error_of_ours(data: st.DataObject) -> None:
    flat = copy.deepcopy(LOOPS)
    *path, last = data.draw(st.sampled_from(PLACES))
    parent: Any = flat
    for key in path:
        parent = parent[key]
    parent[last] = data.draw(JUNK)
    with suppress(GraphcError):
        assert all(isinstance(node, Node) for node in read_flat(flat))


LOOPS = write_flat(recorded_loops())
PLACES = places(LOOPS)[1:]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inputs": 5}, "does not have them, each once, as its inputs"),
        ({"inputs": 0, "captured": 0}, "does not have them, each once, as its inputs"),
        ({"inputs": -1}, "does not have them, each once, as its inputs"),
        ({"leaves": []}, "in a structure of 1"),
        ({"leaves": [{"is": 1}]}, "gives 1 nodes in a structure of 1"),
        ({"name": 7}, "7 stands where a str should"),
        ({"structure": {"kind": "code", "children": []}}, "'code' is none of"),
    ],
)
def test_a_strange_function_is_an_error(change: dict[str, Any], message: str) -> None:
    a = sym.var("a")
    flat = write_flat([sym.fori_loop(0, 3, lambda i, s: s * a + i, a)])
    (record,) = [record for record in flat["nodes"] if record["op"] == "call"]
    leaves = record["params"]["template"]["template"]["leaves"]
    (function,) = [leaf["is"]["function"] for leaf in leaves if leaf and isinstance(leaf["is"], dict)]
    function |= change
    with pytest.raises(GraphcError, match=message):
        read_flat(flat)


# -- pickle and copy --------------------------------------------------------------------------------


def test_pickled_nodes_are_the_same_nodes_here() -> None:
    x = sym.var("x", shape=("n",))
    y = sym.sum(sym.exp(x))
    again = pickle.loads(pickle.dumps({"x": x, "y": [y, grad(y, x)]}))
    assert again["x"] is x and again["y"][0] is y


def test_two_variables_of_one_name_stay_two() -> None:
    one, two = sym.var("x", shape=()), sym.var("x", shape=())
    again = pickle.loads(pickle.dumps([one, two]))
    assert again[0] is one and again[1] is two


def test_function_is_shared_by_copies_and_made_anew_by_pickle() -> None:
    a, b = sym.var("a"), sym.var("b")
    f = compile([a, b], {"sum": a + b, "rest": (a - b, None)}, fuse=False)
    assert copy.copy(f) is f and copy.deepcopy({"f": f})["f"] is f
    again = pickle.loads(pickle.dumps(f))
    assert again is not f and again.options == f.options
    assert again(3.0, 1.0) == f(3.0, 1.0) == {"sum": 4, "rest": (2, None)}


SCRIPT = """
import pickle, sys
x, y, f = pickle.load(open(sys.argv[1], 'rb'))
(found,) = [node for node in __import__('graphc').Graph.of(y).inputs]
print(found is x, f.inputs[0] is x, f([1.0, 2.0]), y.source[1])
"""


def test_pickles_are_read_by_another_process(tmp_path: Path) -> None:
    x = sym.var("x", shape=("n",))
    y = sym.dot(x, x) * np.arange(3.0)
    (tmp_path / "pickle").write_bytes(pickle.dumps([x, y, compile(x, y)]))
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, tmp_path / "pickle"], env=environment, capture_output=True, text=True
    )
    assert y.source is not None
    assert run.stdout.strip() == f"True True [ 0.  5. 10.] {y.source[1]}", run.stderr
