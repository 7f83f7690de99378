"""Questions about a graph before it runs: its arguments, outputs and auxiliary states, and its calls as text."""

from __future__ import annotations

from collections.abc import Mapping

from graphc.graph import method
from graphc.node import VAR, Node
from graphc.ops.declare import uniform
from graphc.sym.mx.called import called
from graphc.sym.symbol import (
    Symbol,
    as_graph,
    call_key,
    call_names,
    function_of,
    is_source,
    is_value,
    operands,
    output_names,
    variables,
)

__all__ = ["debug_str", "list_arguments", "list_auxiliary_states", "list_inputs", "list_outputs"]


@method
def list_arguments(symbol: Symbol) -> list[str]:
    """The names of the variables a symbol depends on, in call order; auxiliary states are not among them.

    >>> from graphc import sym
    >>> (2 * sym.var('a') + sym.var('b')).list_arguments()
    ['a', 'b']
    """
    return [v.name for v in variables(symbol)[0]]


@method
def list_auxiliary_states(symbol: Symbol) -> list[str]:
    """The names of the variables that layers keep for themselves: no gradient changes them, but training does.

    >>> from graphc import sym
    >>> sym.BatchNorm(sym.var('x'), name='bn').list_auxiliary_states()
    ['bn_moving_mean', 'bn_moving_var']
    """
    return [v.name for v in variables(symbol)[1]]


@method
def list_inputs(symbol: Symbol) -> list[str]:
    """The names of arguments and auxiliary states together, in call order.

    >>> from graphc import sym
    >>> sym.BatchNorm(sym.var('x'), name='bn').list_inputs()
    ['x', 'bn_gamma', 'bn_beta', 'bn_moving_mean', 'bn_moving_var']
    """
    return [v.name for v in as_graph(symbol).inputs]


@method
def list_outputs(symbol: Symbol) -> list[str]:
    """The names of what a symbol gives: after its layer, or after the function; a variable has its own.

    >>> from graphc import sym
    >>> sym.FullyConnected(sym.var('x'), num_hidden=2, name='fc').list_outputs()
    ['fc_output']
    >>> sym.exp(sym.var('a', shape=(3,))).list_outputs()
    ['exp0_output']
    """
    return output_names(as_graph(symbol).outputs)


# -- the graph as text ------------------------------------------------------------------------------


@method
def debug_str(symbol: Symbol) -> str:
    """The calls of a symbol as text: of each its function, its name, what it was made on, and its attributes.

    >>> from graphc import sym
    >>> print(sym.Activation(sym.var('x'), act_type='relu', name='act').debug_str())
    Symbol Outputs:
        output[0]=act(0)
    Variable:x
    --------------------
    Op:Activation, Name=act
    Inputs:
        arg[0]=x(0)
    Attrs:
        act_type=relu
    """
    outputs = as_graph(symbol).outputs
    names = {node: f"{name}({_index(node)})" for node, name in call_names(outputs).items() if is_value(node)}
    lines = ["Symbol Outputs:", *(f"\toutput[{k}]={names.get(y, uniform(y))}" for k, y in enumerate(outputs))]
    for node in {call_key(node): node for node in names}.values():
        lines += _described(node, names)
    return "\n".join(lines)


def _described(node: Node, names: Mapping[Node, str]) -> list[str]:
    """The lines of one call."""
    name = names[node].rpartition("(")[0]
    if is_source(node):
        return [f"{'Variable' if node.op is VAR else node.op.name.capitalize()}:{name}"]
    call = called(node)
    attributes = {} if call is None else node.list_attr() or call.attributes
    lines = ["-" * 20, f"Op:{function_of(node)}, Name={name}", "Inputs:"]
    lines += [f"\targ[{k}]={names.get(x, uniform(x))}" for k, x in enumerate(operands(node))]
    if attributes:
        lines += ["Attrs:", *(f"\t{key}={value}" for key, value in attributes.items())]
    return lines


def _index(node: Node) -> int:
    call = called(node)
    return 0 if call is None else call.index
