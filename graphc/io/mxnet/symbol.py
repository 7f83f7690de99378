"""MXNet's files: symbols as `symbol.json`, and models as a symbol with its parameters beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from graphc.errors import BindError, GraphcError
from graphc.graph import Graph, method
from graphc.io.mxnet.params import load_params, save_params
from graphc.io.mxnet.read import read_symbol
from graphc.io.mxnet.text import read_text, write_text
from graphc.io.mxnet.write import write_symbol
from graphc.io.weights import Arrays, PathLike, replace_file
from graphc.node import Node
from graphc.sym.symbol import as_graph

__all__ = ["Checkpoint", "load_checkpoint", "load_json", "load_symbol", "save", "save_checkpoint", "tojson"]

Symbol: TypeAlias = "Node | Graph"


@method
def tojson(symbol: Symbol) -> str:
    """A symbol as the text of MXNet's `symbol.json`, in the format of its versions 1.x.

    Layers are MXNet's operators of the same name. So are other calls that MXNet has an operator for, such as
    `2 * a` or `sym.exp(a)`, recorded or typed; their attribute `__graphc__`, which MXNet passes over, lets
    `sym.load` make the same node of them again. What MXNet has no operator for is an error that says where it
    was made.

    >>> from graphc import sym
    >>> print(sym.Activation(sym.var('x'), act_type='relu', name='relu1').tojson())
    {
      "nodes": [
        {"op": "null", "name": "x", "inputs": []},
        {"op": "Activation", "name": "relu1", "attrs": {"act_type": "relu"}, "inputs": [[0, 0, 0]]}
      ],
      "arg_nodes": [0],
      "node_row_ptr": [0, 1, 2],
      "heads": [[1, 0, 0]],
      "attrs": {"mxnet_version": ["int", 10700]}
    }
    <BLANKLINE>
    """
    return write_text(write_symbol(as_graph(symbol).outputs))


@method
def save(symbol: Symbol, path: PathLike) -> None:
    """Write a symbol to a file as `tojson` has it."""
    replace_file(path, tojson(symbol).encode())


def load_json(text: str, variables: Mapping[str, Node] | None = None) -> Symbol:
    """The symbol that a text is of; see `sym.load_json`."""
    heads = read_symbol(read_text(text), variables or {})
    return heads[0] if len(heads) == 1 else Graph.of(heads)


def load_symbol(path: PathLike, variables: Mapping[str, Node] | None = None) -> Symbol:
    """The symbol of a file; see `sym.load`."""
    path = Path(path)
    try:
        return load_json(path.read_bytes().decode(), variables)
    except (GraphcError, UnicodeDecodeError) as error:
        kind = BindError if isinstance(error, BindError) else GraphcError
        raise kind(f"{path.name}: {error}") from error


# -- checkpoints ------------------------------------------------------------------------------------


class Checkpoint(NamedTuple):
    """A symbol, its parameters, and its auxiliary states."""

    symbol: Symbol
    arg_params: Arrays
    aux_params: Arrays


def save_checkpoint(
    prefix: PathLike, epoch: int, symbol: Symbol | None, arg_params: Mapping[str, Any], aux_params: Mapping[str, Any]
) -> None:
    """Write a model as MXNet does: `prefix-symbol.json`, and its parameters to `prefix-0001.params`.

    The symbol may be None if it is there from another epoch.
    """
    if symbol is not None:
        save(symbol, f"{prefix}-symbol.json")
    states = {f"aux:{name}": value for name, value in aux_params.items()}
    save_params(f"{prefix}-{epoch:04d}.params", {f"arg:{name}": v for name, v in arg_params.items()} | states)


def load_checkpoint(prefix: PathLike, epoch: int) -> Checkpoint:
    """The symbol, the parameters and the auxiliary states that `save_checkpoint` or MXNet wrote.

    >>> import tempfile, numpy as np
    >>> from graphc import sym
    >>> net = sym.FullyConnected(sym.var('x'), num_hidden=2, no_bias=True, name='fc')
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_checkpoint(f'{folder}/net', 3, net, {'fc_weight': np.eye(2)}, {})
    ...     symbol, args, states = load_checkpoint(f'{folder}/net', 3)
    >>> symbol.eval(x=np.array([[3.0, 4.0]]), **args)
    array([[3., 4.]])
    """
    symbol = load_symbol(f"{prefix}-symbol.json")
    path = Path(f"{prefix}-{epoch:04d}.params")
    found: dict[str, Arrays] = {"arg": {}, "aux": {}}
    for name, array in load_params(path).items():
        kind, colon, rest = name.partition(":")
        if kind not in found or not colon:
            raise GraphcError(f"{path.name} is of no checkpoint: {name!r:.60} begins with neither arg: nor aux:")
        found[kind][rest] = array
    return Checkpoint(symbol, found["arg"], found["aux"])
