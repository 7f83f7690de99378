"""Symbols from MXNet's files: the reader is in `graphc.io`, which is built on all this."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike

from graphc.graph import Graph
from graphc.node import PUBLIC, Node

__all__ = ["load", "load_json"]


def load(path: str | PathLike[str], variables: Mapping[str, Node] | None = None) -> Node | Graph:
    """The symbol of a `symbol.json` file, as `save` or MXNet wrote it; see `load_json`."""
    return PUBLIC["load_symbol"](path, variables)


def load_json(text: str, variables: Mapping[str, Node] | None = None) -> Node | Graph:
    """The symbol that a text is of, as `tojson` or MXNet wrote it: a node, or a graph where it has several outputs.

    Every version of the format is read, and nothing in the text is trusted: what fits no layer is an error that names
    it. A variable is typed if the text tells its whole shape; the other attributes are attached to it. Variables are
    new ones, except those given by name: on the variables that were saved, the very same nodes come back.

    >>> from graphc import sym
    >>> a, b = sym.var('a'), sym.var('b')
    >>> y = sym.exp(2 * a + b)
    >>> sym.load_json(y.tojson(), {'a': a, 'b': b}) is y
    True
    """
    return PUBLIC["load_json"](text, variables)
