"""Symbols as MXNet has them: a graph as the calls that made it; groups, internals, outputs by name, composition."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, TypeAlias

from graphc.errors import BindError
from graphc.graph import Graph, method
from graphc.node import METHODS, PUBLIC, VAR, Node
from graphc.ops.control import ITEM
from graphc.ops.declare import offence, uniform
from graphc.ops.note import CALLED
from graphc.source import show_source
from graphc.state import State
from graphc.sym.mx.called import Called, called
from graphc.sym.mx.layer import LAYERS, SCOPE
from graphc.sym.naming import attach, attached, checked
from graphc.sym.record import CALL, replay
from graphc.tree import flatten
from graphc.types import Bundle

__all__ = ["Group"]

Symbol: TypeAlias = "Node | Graph"


def Group(symbols: Sequence[Symbol]) -> Graph:
    """The outputs of several symbols, in order, as those of one graph.

    >>> from graphc import sym
    >>> a, b = sym.var('a'), sym.var('b')
    >>> both = sym.Group([a + b, sym.exp(a)])
    >>> both.list_outputs(), both.list_arguments()
    (['add0_output', 'exp0_output'], ['a', 'b'])
    >>> both['exp0_output'] is both[1]
    True
    """
    return as_graph(symbols)


def as_graph(symbols: Any) -> Graph:
    """Nodes and graphs, alone or in a structure, as one graph."""
    if isinstance(symbols, Graph):
        return symbols
    parts, _ = flatten(symbols)
    for part in parts:
        if not isinstance(part, Node | Graph):
            raise BindError(offence("symbol", f"{part!r} is none", "give a node, a graph, or a list of them"))
    return Graph.of([y for part in parts for y in (part.outputs if isinstance(part, Graph) else [part])])


def as_symbol(symbol: Symbol, outputs: Sequence[Node]) -> Symbol:
    """Outputs as what they were made of: those of a graph as a graph, that of a node alone."""
    return Graph.of(outputs) if isinstance(symbol, Graph) else outputs[0]


# -- calls ------------------------------------------------------------------------------------------


def operands(node: Node) -> tuple[Node, ...]:
    """What the call that gives a node was made on: of a layer its operands, not what its body computes."""
    call = layer_call(node)
    if call is not None:
        return tuple(call.operands.values())  # without keys of random numbers, which MXNet does not know
    return node.args[0].args if node.op is ITEM else node.args


def calls(roots: Iterable[Node]) -> Iterator[Node]:
    """The variables and the results of calls that the roots depend on, operands first."""
    seen: set[Node] = set()
    stack = [(root, False) for root in reversed(list(roots))]
    while stack:
        node, ready = stack.pop()
        if ready:
            yield node
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend((x, False) for x in reversed(operands(node)) if x not in seen)


def call_key(node: Node) -> Hashable:
    """What is the same for all results of one call, and for nothing else."""
    if node.op is CALLED:
        return node.params[:2], tuple(map(id, node.args[:-1]))
    return node.args[0] if node.op is ITEM else node


def layer_call(node: Node) -> Called | None:
    """The call that a node is a result of, if it is one of a layer."""
    call = node.args[0] if node.op is ITEM else node
    return called(node) if call.op in (CALL, CALLED) and str(call.params[0]).startswith(SCOPE) else None


def auxiliary(roots: Iterable[Node]) -> set[Node]:
    """The variables that layers hold as auxiliary states."""
    made = [call for call in map(layer_call, calls(roots)) if call is not None]
    return {call.operands[name] for call in made for name in LAYERS[call.function].aux}


def variables(symbol: Symbol) -> tuple[list[Node], list[Node]]:
    """The arguments and the auxiliary states of a symbol, in call order."""
    graph = as_graph(symbol)
    states = auxiliary(graph.outputs)
    return [v for v in graph.inputs if v not in states], [v for v in graph.inputs if v in states]


# -- names ------------------------------------------------------------------------------------------


def call_names(roots: Iterable[Node]) -> dict[Node, str]:
    """What all the calls that the roots depend on go by; see the note on names."""
    return numbered(calls(roots))


def numbered(nodes: Iterable[Node]) -> dict[Node, str]:
    """The name of a layer or a variable; for what has none its function's, with a number that makes it new."""
    nodes = list(nodes)
    own = {node: _own_name(node) for node in nodes}
    taken, numbers = set(own.values()), dict[str, Iterator[int]]()
    known: dict[Hashable, str] = {}
    for node, name in own.items():
        if (key := call_key(node)) not in known:
            known[key] = name or _unused(function_of(node).lower(), numbers, taken)
    return {node: known[call_key(node)] for node in nodes}


def _own_name(node: Node) -> str:
    """The name that a variable, a state or a layer has by itself."""
    call = layer_call(node)
    return call.name if call is not None else node.name if node.op is VAR or isinstance(node, State) else ""


def _unused(hint: str, numbers: dict[str, Iterator[int]], taken: set[str]) -> str:
    return next(name for k in numbers.setdefault(hint, count()) if (name := f"{hint}{k}") not in taken)


def is_source(node: Node) -> bool:
    """Whether a node is no result of a call: a variable, a state or a constant."""
    return node.op.kind == "source"


def function_of(node: Node) -> str:
    """The function that gives a node: a layer by MXNet's name, a recorded call by its own, else the operator."""
    call = node.args[0] if node.op is ITEM else node
    return str(call.params[0]).removeprefix(SCOPE) if call.op in (CALL, CALLED) else call.op.name


def output_names(outputs: Sequence[Node]) -> list[str]:
    """What outputs are called: a variable by its own name, a layer's result `fc1_output`."""
    names = call_names(outputs)
    return [names[y] + ending(y) for y in outputs]


def ending(node: Node) -> str:
    """What comes after the name of a call in that of its result."""
    if is_source(node):
        return ""
    call = layer_call(node)
    if call is not None:
        return f"_{call.outputs[call.index]}"
    return f"_output{node.params[0]}" if node.op is ITEM else "_output"


# -- outputs and internals --------------------------------------------------------------------------


@method
def get_internals(symbol: Symbol) -> Graph:
    """All variables and results of calls that a symbol depends on, as outputs of one graph, operands first.

    >>> from graphc import sym
    >>> net = sym.Activation(sym.FullyConnected(sym.var('x'), num_hidden=2, name='fc'), act_type='relu', name='relu')
    >>> net.get_internals().list_outputs()
    ['x', 'fc_weight', 'fc_bias', 'fc_output', 'relu_output']
    >>> net.get_internals()['fc_output'].list_arguments()
    ['x', 'fc_weight', 'fc_bias']
    """
    found = {call_key(node): all_results(node) for node in calls(as_graph(symbol).outputs) if is_value(node)}
    return Graph.of([node for results in found.values() for node in results])


def is_value(node: Node) -> bool:
    """Whether a node is something to look at: no bundle of results, and no number spread over a shape."""
    return not isinstance(node.type, Bundle) and uniform(node) is None


def all_results(node: Node) -> tuple[Node, ...]:
    """All results of the layer's call that a node is one of; of other calls the node alone."""
    call = layer_call(node)
    if call is None or len(call.outputs) == 1:
        return (node,)
    args = node.args[:-1] if node.op is CALLED else node.args[0].args  # with the hidden ones: the same call again
    return LAYERS[call.function].apply(*args, name=call.name, attr=call.attr, **call.attributes)


@method
def get_children(symbol: Symbol) -> Graph | None:
    """What the calls that give the outputs were made on, as outputs of one graph; None for variables.

    >>> from graphc import sym
    >>> (sym.var('a') + sym.exp(sym.var('b'))).get_children().list_outputs()
    ['a', 'exp0_output']
    """
    found = [x for y in as_graph(symbol).outputs for x in operands(y)]
    return Graph.of(found) if found else None


def select_output(graph: Graph, key: int | slice | str) -> Symbol:
    """The output with a number or name; for a slice, a graph of several."""
    if isinstance(key, slice):
        return Graph.of(graph.outputs[key])
    if not isinstance(key, str):
        return graph.outputs[key]
    names = output_names(graph.outputs)
    places = [place for place, name in enumerate(names) if name == key]
    if len(places) != 1:
        what = f"{len(places)} outputs are" if places else "no output is"
        raise BindError(offence("graph", f"{what} named {key!r}", f"there are {', '.join(names)}; a number will do"))
    return graph.outputs[places[0]]


# -- composition ------------------------------------------------------------------------------------


def compose(symbol: Symbol, *args: Symbol, name: str | None = None, **named: Symbol) -> Symbol:
    """A symbol with others in the place of its arguments, by name or in their order: `net(data=other)`.

    Other variables stay the same ones, so two compositions share their parameters. `name` is a new one for the
    layer that the symbol is the result of.

    >>> from graphc import sym
    >>> net = sym.FullyConnected(sym.var('data'), num_hidden=2, name='fc')
    >>> twice = net(data=net(data=sym.var('x')), name='again')
    >>> twice.list_arguments(), twice.list_outputs()
    (['x', 'fc_weight', 'fc_bias'], ['again_output'])
    """
    graph = as_graph(symbol)
    mapping = {v: _fitting(v, other) for v, other in _replaced(graph, args, named).items()}
    outputs = replay(graph.outputs, mapping)
    return as_symbol(symbol, outputs if name is None else [_renamed(y, name) for y in outputs])


def _replaced(graph: Graph, args: Sequence[Symbol], named: Mapping[str, Symbol]) -> dict[Node, Symbol]:
    """What each variable is to be replaced by."""
    variables = {v.name: v for v in graph.inputs}
    shown = ", ".join(variables) or "none"
    if len(args) > len(variables):
        raise BindError(offence("compose", f"{len(args)} symbols for the arguments {shown}", "give no more"))
    told = dict(zip(variables, args))
    if twice := told.keys() & named.keys():
        raise BindError(offence("compose", f"{min(twice)} is given by place and by name", "give it once"))
    if unknown := sorted(named.keys() - variables.keys()):
        raise BindError(offence("compose", f"no argument is named {unknown[0]!r}", f"there are {shown}"))
    return {variables[key]: other for key, other in {**told, **named}.items()}


def _fitting(v: Node, other: Symbol) -> Node:
    """What takes the place of a variable: one node, of its type if it has one."""
    nodes = as_graph(other).outputs
    if len(nodes) != 1:
        raise BindError(offence("compose", f"{v.name} is one value, not {len(nodes)} outputs", "choose one of them"))
    if v.type is not None and nodes[0].type != v.type:
        found = f"{nodes[0].name} ({show_source(nodes[0].source)}) is {nodes[0].type or 'untyped'}"
        what = f"{v.name} ({show_source(v.source)}) is {v.type}, but {found}"
        raise BindError(offence("compose", what, f"declare {v.name} without a shape, or give a value of its type"))
    return nodes[0]


def _renamed(node: Node, name: str) -> Node:
    """The same result of the same layer under another name."""
    call = layer_call(node)
    if call is None:
        what = f"{function_of(node)} ({show_source(node.source)}) is no layer and has no name"
        raise BindError(offence("compose", what, "leave name= out"))
    again = LAYERS[call.function].apply(*call.operands.values(), name=name, attr=call.attr, **call.attributes)
    return again[call.index] if isinstance(again, tuple) else again


def set_attr(node: Node, **attributes: str) -> None:
    """Attach attributes to a variable, beside those it has."""
    if node.op is not VAR:
        what = f"{_own_name(node) or function_of(node)} ({show_source(node.source)}) is made, and stays as it is"
        raise BindError(offence("_set_attr", what, "give attr= where the layer is called"))
    attach(node, attached(node) | checked("_set_attr", attributes))


PUBLIC.update(select_output=select_output, compose=compose, _set_attr=set_attr)
METHODS.add("_set_attr")


# -- Names -------------------------------------------------------------------------------------------
# Layers have names, so their results have: `<name>_output`, or what the layer calls several of them. Other nodes are
# interned and have none: `exp(a)` is one node however often it is written. In a graph they go by their function's name,
# numbered in the order of the calls, as MXNet does: `exp0_output`, `exp1_output`. Outputs, internals, monitors and
# files of one graph say the same names.
