"""Graphs as text: one line a node, the variables first, then every node after its arguments.

Variables go by their names, other nodes by their order: `%3 = multiply(%1, x)`. Types, where they are known, stand
in a column of their own. Numbers stand where they are used, also those spread over the axes of what they meet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from textwrap import indent
from typing import Any, cast

from graphc.errors import BindError
from graphc.graph import Graph
from graphc.kernel.names import Names, variable_name
from graphc.node import CONST, VAR, Literal, Node, topological
from graphc.ops.control import LOOP, Loop, LoopParams, subgraphs
from graphc.ops.declare import uniform
from graphc.ops.movement import EXPAND
from graphc.ops.note import CALLED
from graphc.show.infix import number, parameter
from graphc.source import show_source
from graphc.sym.inspect import method
from graphc.sym.record import CALL, ITEM, Template
from graphc.tree import flatten

WIDTH = 64  # columns after which the type no longer waits for the longest line
FEW = 8  # elements of a constant that are shown one by one


@method
def to_text(outputs: Any, *, source: bool = False) -> str:
    """A node, a graph, or a structure of nodes as text; with `source`, the user's line beside each node.

    >>> from graphc import sym
    >>> a, b = sym.var('a', shape=(3,)), sym.var('b', shape=(3,))
    >>> print(to_text(2 * a + b))
    a                      float64[3]
    b                      float64[3]
    %0 = multiply(2, a)    float64[3]
    %1 = add(%0, b)        float64[3]
    """
    roots = roots_of(outputs)
    inputs = outputs.inputs if isinstance(outputs, Graph) else ()
    order = tuple(dict.fromkeys((*inputs, *topological(roots))))
    numbers = inline_numbers(order, roots)
    names = node_names(order, numbers)
    shown = sorted((node for node in order if node not in numbers), key=lambda node: node.op is not VAR)
    lines = [_line(node, names) for node in shown]
    column = max((len(line) for line in lines if len(line) <= WIDTH), default=0)
    text: list[str] = []
    for line, node in zip(lines, shown, strict=True):
        text.append(_with_notes(line, node, column, source))
        for title, inner in zip(part_titles(node), subgraphs(node), strict=True):
            text += [f"    {title}:", indent(to_text(inner, source=source), "        ")]
    if not isinstance(outputs, Node):
        text.append(f"return {', '.join(names[root] for root in roots)}")
    return "\n".join(text)


def roots_of(outputs: Any) -> tuple[Node, ...]:
    """The nodes that a graph, a node or a structure of nodes ends in."""
    if isinstance(outputs, Graph):
        return outputs.outputs
    roots, _ = flatten(outputs)
    for root in roots:
        if not isinstance(root, Node):
            raise BindError(f"{root!r} is no node; give a node, a graph, or nested lists, tuples and dicts of nodes")
    return tuple(cast("Sequence[Node]", roots))


def inline_numbers(order: Iterable[Node], roots: Iterable[Node]) -> Mapping[Node, object]:
    """Nodes shown as a number where they are used: scalar constants, and their expansions that meet elementwise."""
    order = list(order)
    numbers = {
        node: node.typed.dtype.type(value)
        for node in order
        if node.op in (CONST, EXPAND) and (value := uniform(node)) is not None
    }
    for node in order:
        if node.op.kind not in ("elementwise", "record") and node not in numbers:
            for arg in node.args:
                if arg.op is EXPAND:
                    numbers.pop(arg, None)
    for root in roots:
        numbers.pop(root, None)
    return numbers


def node_names(order: Iterable[Node], numbers: Mapping[Node, object]) -> dict[Node, str]:
    """What each node is called."""
    names, found, count = Names(), dict[Node, str](), 0
    for node in order:
        if node.op is VAR:
            found[node] = names.fresh(variable_name(node))
        elif node in numbers:
            found[node] = number(numbers[node]).text
        else:
            found[node] = f"%{count}"
            count += 1
    return found


def _line(node: Node, names: dict[Node, str]) -> str:
    return names[node] if node.op is VAR else f"{names[node]} = {right_side(node, names)}"


def right_side(node: Node, names: dict[Node, str]) -> str:
    """The operator with its arguments and parameters."""
    args = [names[arg] for arg in node.args]
    match node.op:
        case op if op is CALL:
            name, template = cast("tuple[str, Template]", node.params)
            return f"{name}({template.show(args)})"
        case op if op is CALLED:
            name, template, _ = cast("tuple[str, Template, int]", node.params)
            return f"called({args[-1]}, {name}({template.show(args[:-1])}))"
        case op if op is ITEM:
            return f"{args[0]}[{node.params[0]}]"
        case op if op is CONST:
            return f"constant({literal(node)})"
        case op:
            return f"{op.name}({', '.join([*args, *parameters(node)])})"


def part_titles(node: Node) -> list[str]:
    """What the sub-graphs of a node are called, with their inputs: `body(i, b)`."""
    names = ["body", "condition"] if node.op is LOOP else [f"branch {k}" for k in range(len(subgraphs(node)))]
    return [f"{name}({', '.join(x.name for x in inner.inputs)})" for name, inner in zip(names, subgraphs(node))]


def parameters(node: Node) -> list[str]:
    """`axes=(0,)` and the like; empty ones at the end, as of a contraction without a batch, say nothing."""
    if node.op.kind == "control":
        return _loop_parameters(Loop.of(node).params) if node.op is LOOP else []
    values = list(node.params)
    while len(values) > 1 and values[-1] == ():
        values.pop()
    return [f"{name}={parameter(value)}" for name, value in zip(node.op.params, values)]


def _loop_parameters(p: LoopParams) -> list[str]:
    """What a loop's sub-graphs do not show."""
    told = {name: getattr(p, name) for name in ("trip", "reverse", "limit", "checkpoint", "joined")}
    return [f"{name}={parameter(value)}" for name, value in told.items() if value is not None and value is not False]


def literal(node: Node) -> str:
    """A constant's elements if they are few, else its shape."""
    value = node.params[0]
    assert isinstance(value, Literal)
    array = value.array
    if array.size > FEW:
        return f"array of {' × '.join(map(str, array.shape))}"
    return number(array[()]).text if not array.shape else str(array.tolist()).replace(".0", "")


def _with_notes(line: str, node: Node, column: int, source: bool) -> str:
    notes = f"{line:{column}}    {node.type or ''}"
    return (f"{notes:{column + 24}}  # {show_source(node.source)}" if source else notes).rstrip()
