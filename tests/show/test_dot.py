import re
import shutil
import subprocess

import numpy as np
import pytest

from graphc import Graph, compile, grad, sym, to_dot
from tests.show.models import CLASSICS, cross_entropy, program

needs_graphviz = pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
NAMES = ['quote"', "back\\slash", "trailing\\", "new\nline", "<b>html</b>", "a -> b; c", "é 漢 🙂", "{x|y}", "\\n"]


def svg(dot: str) -> str:
    """What Graphviz makes of it; a warning is a failure."""
    run = subprocess.run(["dot", "-Tsvg"], input=dot, capture_output=True, encoding="utf-8", timeout=60)
    assert run.returncode == 0 and run.stderr == "", run.stderr
    return run.stdout


def nodes(dot: str, **attributes: str) -> list[str]:
    """The lines of nodes with these attributes."""
    lines = [line for line in dot.split("\n") if re.match(r"\s*(n|out)\d+(_\d+)? \[", line)]
    return [line for line in lines if all(f'{name}="{value}"' in line for name, value in attributes.items())]


@needs_graphviz
@pytest.mark.parametrize("model", CLASSICS, ids=lambda model: model.__name__)
def test_graphviz_takes_graphs_and_programs(model):
    graph = model()
    svg(to_dot(graph))
    svg(to_dot(program(graph)))


@needs_graphviz
@pytest.mark.parametrize("name", NAMES)
def test_graphviz_shows_any_name(name: str):
    drawing = svg(to_dot(sym.var(name, shape=(3,)) + 1))
    for character in set(name) - set('"\\\n<>&| '):
        assert character in drawing


def test_variables_operators_constants_and_outputs_have_different_shapes():
    x = sym.var("x", shape=(3,))
    dot = to_dot(x * 2 + np.arange(3.0))
    assert [len(nodes(dot, shape=s)) for s in ("ellipse", "plaintext", "note", "doublecircle")] == [1, 1, 1, 1]
    assert len(nodes(dot)) == 6  # and two operators, of the default shape


def test_edges_carry_types():
    x = sym.var("x", shape=("n", 3), dtype="float32")
    assert 'label=" float32[n, 3]"' in to_dot(x.sum(axis=0))
    assert "float32" not in to_dot(x.sum(axis=0), types=False)


def test_what_only_gradients_need_is_coloured_apart():
    x = sym.var("x", shape=(3,))
    y = sym.sum(sym.sin(x))
    gradient = grad(y, x)
    dot = to_dot([y, gradient], gradients=gradient)
    assert all(nodes(dot, label=name, fillcolor="#fdebd3") for name in ("cos",))
    assert nodes(dot, label="sin") and not nodes(dot, label="sin", fillcolor="#fdebd3")


def test_pruned_nodes_are_drawn_grey_and_say_who_needed_them():
    x, w = sym.var("x", shape=(3,)), sym.var("w", shape=(3,))
    y = sym.sum(sym.exp(x) * w)
    dx, dw = grad(y, [x, w])
    kept, both = len(Graph.of([y, dw]).nodes), len(Graph.of([y, dx, dw]).nodes)
    dot = to_dot([y, dw], whole=[y, dx, dw])
    assert len(nodes(dot, style="dashed,rounded")) >= both - kept > 0
    assert "pruned, only output 1 needs it" in dot


def test_kernels_are_frames():
    dot = to_dot(program(cross_entropy()))
    assert dot.count("subgraph cluster_") == 2 and 'label="kernel 0"' in dot


def test_function_is_drawn_as_it_runs():
    x = sym.var("x", shape=("n",))
    f = compile(x, sym.sum(x * x + 0 * x))
    assert 'label="kernel 0"' in f.to_dot() and 'label="negative"' not in f.to_dot()


def test_untyped_graph_is_drawn():
    a, b = sym.var("a"), sym.var("b")
    dot = (2 * a + b).to_dot()
    assert nodes(dot, label="multiply\\n2, ·") and nodes(dot, label="add\\n·, ·")


def test_dot_is_written_to_a_file_if_one_is_named(tmp_path):
    x = sym.var("x", shape=())
    text = (x + 1).to_dot(tmp_path / "x.dot")
    assert (tmp_path / "x.dot").read_text(encoding="utf-8") == text


def test_dot_of_a_deep_graph_needs_no_recursion():
    x = sym.var("x", shape=())
    for _ in range(20_000):
        x = sym.sin(x)
    assert to_dot(x).count("->") == 20_001
