"""A pass that breaks the graph is caught, and named."""

import pytest

from graphc import Graph, InternalError, compile, sym
from graphc.node import Node
from graphc.ops.arithmetic import ADD
from graphc.passes import pipeline
from graphc.passes.check import check_graph, check_pass
from graphc.types import FLOAT64, Type

x, y = sym.var("x", shape=(3,)), sym.var("y", shape=(3,))


def test_graph_that_stays_sound_passes():
    check_pass("simplify", Graph((x, y), (x + y,)), Graph((x, y), (y + x,)))


def test_lost_input_is_caught():
    with pytest.raises(InternalError, match="simplify: the inputs are others than before"):
        check_pass("simplify", Graph((x, y), (x + 1,)), Graph((x,), (x + 1,)))


def test_output_of_another_type_is_caught():
    with pytest.raises(InternalError, match=r"simplify: the outputs are float64\[\] instead of float64\[3\]"):
        check_pass("simplify", Graph((x,), (x,)), Graph((x,), (x.sum(),)))


def test_variable_from_nowhere_is_caught():
    with pytest.raises(InternalError, match="y .* is no input"):
        check_graph("simplify", Graph((x,), (x + y,)))


def test_type_that_the_arguments_do_not_give_is_caught():
    wrong = Node(ADD, (x, y), (), Type(FLOAT64, (4,)), None)
    with pytest.raises(InternalError, match=r"add .* is of type float64\[4\], but its arguments give float64\[3\]"):
        check_graph("simplify", Graph((x, y), (wrong,)))


def test_arguments_that_do_not_fit_are_caught():
    wrong = Node(ADD, (x, sym.var("z", shape=(4,))), (), Type(FLOAT64, (3,)), None)
    with pytest.raises(InternalError, match="does not fit its arguments"):
        check_graph("simplify", Graph((x, wrong.args[1]), (wrong,)))


def breaking(graph: Graph) -> Graph:
    return Graph(graph.inputs, tuple(node.sum() for node in graph.outputs))


def test_compiling_names_the_pass_that_broke_the_graph(monkeypatch):
    monkeypatch.setattr(pipeline, "pipeline", lambda *options: [("smash", breaking)])
    monkeypatch.setenv("GRAPHC_CHECK", "1")
    with pytest.raises(InternalError, match="^smash: the outputs are"):
        compile(x, x + 1)


def test_nothing_is_checked_unless_asked(monkeypatch):
    monkeypatch.setattr(pipeline, "pipeline", lambda *options: [("smash", breaking)])
    monkeypatch.setenv("GRAPHC_CHECK", "0")
    assert compile(x, x + 1).graph.outputs[0].shape == ()
