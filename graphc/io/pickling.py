"""Pickles of nodes and functions: flat graphs, and for each variable a token that says which one it is.

A variable is no other's equal, whatever its name. So that it is the same one in everything that is pickled, it gets
a token: what is loaded where it lives holds the variable itself, elsewhere one and the same copy.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any
from weakref import WeakValueDictionary, finalize

from graphc.io.flat import read_flat, write_flat
from graphc.io.values import Data
from graphc.node import VAR, Node, topological, variable
from graphc.runtime.function import Function, Options
from graphc.tree import TreeDef, unflatten
from graphc.types import Type

_living: WeakValueDictionary[str, Node] = WeakValueDictionary()
_tokens: dict[int, str] = {}  # of living variables, by their ids


def _pack(roots: Iterable[Node]) -> tuple[Data, list[str]]:
    roots = list(roots)
    return write_flat(roots), [_token(node) for node in topological(roots) if node.op is VAR]


def unpack(data: Data, tokens: Sequence[str]) -> list[Node]:
    """The nodes that were pickled."""
    rest = iter(tokens)

    def known_or_new(name: str, type: Type | None) -> Node:
        token = next(rest)
        found = _living.get(token)
        return found if found is not None else _register(variable(name, type), token)

    return read_flat(data, known_or_new)


def _token(node: Node) -> str:
    if id(node) not in _tokens:
        _register(node, os.urandom(16).hex())
    return _tokens[id(node)]


def _register(node: Node, token: str) -> Node:
    _living[token], _tokens[id(node)] = node, token
    finalize(node, _tokens.pop, id(node)).atexit = False
    return node


# -- what pickle is told ----------------------------------------------------------------------------


def reduce_node(node: Node) -> tuple[Any, ...]:
    """How a node is made again."""
    return unpack_node, _pack([node])


def unpack_node(data: Data, tokens: Sequence[str]) -> Node:
    """The one node that was pickled."""
    (node,) = unpack(data, tokens)
    return node


def reduce_function(function: Any) -> tuple[Any, ...]:
    """How a function is made again."""
    packed = _pack((*function.inputs, *function.outputs))
    return unpack_function, (*packed, len(function.inputs), function.structure, function.options)


def unpack_function(data: Data, tokens: Sequence[str], inputs: int, structure: TreeDef, options: Options) -> Function:
    """The function that was pickled, compiled for this machine."""
    nodes = unpack(data, tokens)
    return Function(tuple(nodes[:inputs]), unflatten(structure, nodes[inputs:]), options)
