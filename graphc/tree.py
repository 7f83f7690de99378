"""Trees: nested lists, tuples, dicts and slices taken apart into leaves and a definition, and put together again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

Tree: TypeAlias = Any


@dataclass(frozen=True, slots=True)
class TreeDef:
    """The structure of a tree without its leaves: hashable, and equal for equal structures.

    `kind` is the class of this level (None for a leaf), `keys` the keys of a dict in insertion order.
    """

    kind: type | None
    children: tuple[TreeDef, ...] = ()
    keys: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """How many leaves it has."""
        return 1 if self.kind is None else sum(child.size for child in self.children)

    @property
    def is_row(self) -> bool:
        """Whether it is a list or a tuple of leaves."""
        return self.kind in (list, tuple) and self.children == (LEAF,) * len(self.children)


LEAF = TreeDef(None)


def flatten(tree: Tree) -> tuple[list[Any], TreeDef]:
    """The leaves in order, and what puts them together again. None is a structure with no leaves.

    What has a method `as_tree`, as graphs do, is taken for the tree that it says.

    >>> leaves, definition = flatten({'loss': 1, 'grads': (2, [3, None])})
    >>> leaves, unflatten(definition, [x * 10 for x in leaves])
    ([1, 2, 3], {'loss': 10, 'grads': (20, [30, None])})
    """
    leaves: list[Any] = []
    return leaves, _define(tree, leaves)


def _define(tree: Tree, leaves: list[Any]) -> TreeDef:
    if hasattr(type(tree), "as_tree"):
        tree = tree.as_tree()
    parts = _parts(tree)
    if parts is None:
        leaves.append(tree)
        return LEAF
    keys = tuple(cast("dict[Any, Any]", tree)) if isinstance(tree, dict) else ()
    if not all(isinstance(key, str) for key in keys):
        raise TypeError(f"the keys of a nested structure are strings, not {', '.join(map(repr, keys))}")
    return TreeDef(cast(type, type(tree)), tuple([_define(part, leaves) for part in parts]), keys)


def _parts(tree: Tree) -> Iterable[Any] | None:
    """What a level holds; None if it is a leaf."""
    match tree:
        case list() | tuple():
            return cast("Iterable[Any]", tree)
        case dict():
            return cast("dict[str, Any]", tree).values()
        case slice():
            return (tree.start, tree.stop, tree.step)
        case None:
            return ()
        case _:
            return None


def unflatten(definition: TreeDef, leaves: Iterable[Any]) -> Tree:
    """The tree of this structure with these leaves: as many as it has."""
    rest = iter(leaves)
    tree = _build(definition, rest)
    if next(rest, rest) is not rest:
        raise ValueError(f"more leaves than the {definition.size} of the structure")
    return tree


def _build(definition: TreeDef, rest: Iterator[Any]) -> Tree:
    if definition.kind is None:
        return _take(rest)
    parts = [_build(child, rest) for child in definition.children]
    kind: Any = definition.kind
    if kind is type(None):
        return None
    if issubclass(kind, dict):
        return kind(zip(definition.keys, parts))
    return kind(*parts) if issubclass(kind, slice) or hasattr(kind, "_fields") else kind(parts)


def _take(rest: Iterator[Any]) -> Any:
    for leaf in rest:
        return leaf
    raise ValueError("fewer leaves than the structure has")


def map_tree(function: Callable[[Any], Any], tree: Tree) -> Tree:
    """The tree with every leaf replaced by the function of it.

    >>> map_tree(str, [1, (2, None)])
    ['1', ('2', None)]
    """
    leaves, definition = flatten(tree)
    return unflatten(definition, [function(leaf) for leaf in leaves])
