"""Names that layers give themselves, prefixes, and attributes: who has them, and who inherits them."""

import threading

import pytest

from graphc import sym
from graphc.errors import BindError
from graphc.graph import Graph
from graphc.sym import naming


def activation(x=None, **more):
    return sym.Activation(sym.var("x") if x is None else x, act_type="relu", **more)


# -- names --------------------------------------------------------------------------------------------


def test_names_are_the_layers_in_lower_case_with_a_number_for_each_kind():
    with sym.NameManager():
        layers = [activation(), activation(), sym.FullyConnected(sym.var("x"), num_hidden=1)]
    assert [y.attr("name") for y in layers] == ["activation0", "activation1", "fullyconnected0"]


def test_a_scope_counts_anew_and_the_outer_one_goes_on_after_it():
    with sym.NameManager():
        first = activation()
        with sym.NameManager():
            inner = activation()
        second = activation()
    assert [y.attr("name") for y in (first, inner, second)] == ["activation0", "activation0", "activation1"]


def test_a_given_name_does_not_count():
    with sym.NameManager():
        assert activation(name="mine").attr("name") == "mine"
        assert activation().attr("name") == "activation0"


def test_a_prefix_stands_before_given_and_own_names_and_those_of_parameters():
    with sym.Prefix("net_"):
        y = sym.FullyConnected(activation(), num_hidden=2, name="fc")
    assert y.list_arguments() == ["x", "net_fc_weight", "net_fc_bias"]
    assert set(y.attr_dict()) == {"net_fc", "net_activation0"}


def test_a_prefix_is_not_put_before_a_name_again_when_types_come():
    y = sym.FullyConnected(sym.var("x"), num_hidden=2, name="fc")
    with sym.Prefix("net_"):
        typed = y.infer_shape(x=(3, 4))
    assert typed[0] == [(3, 4), (2, 4), (2,)]


def test_a_scope_may_be_entered_again():
    manager = sym.NameManager()
    with manager, manager:
        activation()
    with manager:
        assert activation().attr("name") == "activation1"


def test_scopes_hold_for_their_thread():
    found = []
    with sym.Prefix("net_"):
        thread = threading.Thread(target=lambda: found.append(activation(name="a").attr("name")))
        thread.start()
        thread.join()
    assert found == ["a"]


@pytest.mark.parametrize("name", ["", 3])
def test_a_name_that_is_no_text_is_an_error(name):
    with pytest.raises(BindError, match=r"text that is not empty.*test_naming.py"):
        activation(name=name)


# -- attributes ---------------------------------------------------------------------------------------


def test_hints_of_a_variable_are_read_by_either_name():
    w = sym.var("w", lr_mult=0.5, wd_mult=0, init="zeros", attr={"mood": "calm"})
    assert w.attr("lr_mult") == w.attr("__lr_mult__") == "0.5"
    assert w.list_attr() == {"mood": "calm", "__init__": "zeros", "__lr_mult__": "0.5", "__wd_mult__": "0"}
    assert w.attr("nothing") is None and w.attr("name") == "w"


def test_scopes_attach_attributes_and_inner_ones_win():
    with sym.AttrScope(group="4", data="great"):
        own = sym.var("own", attr={"group": "1"})
        with sym.AttrScope(data="greater"):
            inner = activation()
    assert own.list_attr() == {"group": "1", "data": "great"}
    assert inner.attr("group") == "4" and inner.attr("data") == "greater"
    assert sym.var("outside").list_attr() == {}


def test_parameters_inherit_what_stands_between_underscores():
    with sym.AttrScope(ctx_group="dev1", note="here"):
        y = sym.FullyConnected(sym.var("x"), num_hidden=2, name="fc", attr={"lr_mult": "2", "__mood__": "so so"})
    inherited = {"__ctx_group__": "dev1", "__lr_mult__": "2", "__mood__": "so so"}
    found = y.attr_dict()
    assert found["fc_weight"] == found["fc_bias"] == inherited
    assert found["fc"] == {"num_hidden": "2", "note": "here", **inherited}
    assert found["x"] == {"__ctx_group__": "dev1", "note": "here"}


def test_attributes_are_no_part_of_what_a_layer_computes():
    x = sym.var("x", shape=(3,))
    plain, marked = activation(x, name="a"), activation(x, name="a", attr={"mood": "calm"})
    assert plain is not marked and plain.args[-1] is marked.args[-1]


def test_a_graph_has_the_attributes_of_all_its_outputs():
    x = sym.var("x", lr_mult=1)
    graph = Graph.of([activation(x, name="a"), activation(x, name="b")])
    assert list(graph.attr_dict()) == ["x", "a", "b"]


def test_attributes_leave_with_their_variable():
    before = len(naming._attached)
    variable = sym.var("gone", attr={"mood": "calm"})
    assert len(naming._attached) == before + 1
    del variable
    assert len(naming._attached) == before


@pytest.mark.parametrize("attr", [{"depth": 3}, {3: "depth"}])
def test_an_attribute_that_is_no_text_is_an_error(attr):
    with pytest.raises(TypeError, match=r"keys and values are text"):
        sym.var("x", attr=attr)
