"""Trees come apart into leaves and a definition, and together again."""

from collections import OrderedDict, namedtuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphc.tree import LEAF, flatten, map_tree, unflatten

Point = namedtuple("Point", "x y")

structures = st.recursive(
    st.integers() | st.none() | st.just(Ellipsis),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        | st.builds(Point, inner, inner)
        | st.builds(slice, inner, inner, inner)
    ),
    max_leaves=12,
)


@given(structures)
def test_unflatten_undoes_flatten(tree):
    leaves, definition = flatten(tree)
    again = unflatten(definition, leaves)
    assert again == tree and type(again) is type(tree)
    assert len(leaves) == definition.size


@given(structures)
def test_definition_does_not_depend_on_the_leaves(tree):
    definition = flatten(tree)[1]
    other = flatten(map_tree(lambda leaf: "x", tree))[1]
    assert definition == other and hash(definition) == hash(other)


def test_leaves_come_in_order():
    assert flatten({"b": 1, "a": [2, (3, {"c": 4})]})[0] == [1, 2, 3, 4]


def test_dict_keeps_the_order_of_its_keys():
    assert list(map_tree(abs, {"b": -1, "a": -2}).items()) == [("b", 1), ("a", 2)]


def test_classes_of_levels_are_kept():
    tree = map_tree(abs, OrderedDict(point=Point(-1, -2)))
    assert type(tree) is OrderedDict and tree["point"] == Point(1, 2)


def test_structures_of_different_classes_differ():
    definitions = {flatten(tree)[1] for tree in ([1, 2], (1, 2), Point(1, 2), {"x": 1, "y": 2}, {"y": 1, "x": 2})}
    assert len(definitions) == 5


def test_none_has_no_leaves_and_anything_else_is_one():
    assert flatten(None)[0] == [] and flatten(3)[1] is LEAF


def test_keys_that_are_no_strings_are_an_error():
    with pytest.raises(TypeError, match="keys of a nested structure are strings, not 1"):
        flatten({1: "a"})


@pytest.mark.parametrize("leaves, fault", [([1], "fewer"), ([1, 2, 3], "more")])
def test_wrong_number_of_leaves_is_an_error(leaves, fault):
    with pytest.raises(ValueError, match=fault):
        unflatten(flatten((0, 0))[1], leaves)
