"""Graphs as formulas: `2*x + 12*x**2`, for graphs small enough to be read as mathematics.

What is used more than once, or would make a line too long, gets a line and a name of its own: the text grows with
the graph, never faster. Broadcasts are silent, as in NumPy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, cast

from graphc.graph import Graph
from graphc.kernel.names import Names, variable_name
from graphc.node import CONST, VAR, Node, topological
from graphc.ops.arithmetic import MULTIPLY
from graphc.ops.movement import EXPAND
from graphc.passes.notes import resolve
from graphc.show.infix import ATOM, Expression, applied, number
from graphc.show.text import inline_numbers, literal, parameters, roots_of
from graphc.state import STATE
from graphc.sym.inspect import method
from graphc.sym.record import CALL, ITEM, Template

SHORT = 6  # characters that are repeated rather than named
LONG = 72  # characters above which an expression is named though used once


@method
def formula(outputs: Any) -> str:
    """A node as one formula, after a line for each name it uses; a graph or structure of nodes as several.

    Layers show what they compute in inference.

    >>> from graphc import sym
    >>> x = sym.var('x', shape=())
    >>> print(formula(2 * x + 12 * x**2))
    2*x + 12*x**2
    >>> print(formula(sym.exp(2 * x) * (1 - sym.exp(2 * x))))
    a = exp(2*x)
    a*(1 - a)
    """
    roots = resolve(Graph((), roots_of(outputs)), training=False).outputs
    order = topological(roots)
    uses = Counter(arg for node in order for arg in node.args)
    numbers, names = inline_numbers(order, ()), Names()
    shown = {node: Expression(names.fresh(variable_name(node))) for node in order if node.op in (VAR, STATE)}
    lines: list[str] = []
    for node in order:
        if node in shown:
            continue
        args = [shown[arg] for arg in node.args]
        if node in numbers:
            text = number(numbers[node])
        elif node.op is MULTIPLY and node.args[0] is node.args[1]:
            text = applied("power", [args[0], number(2)])
        else:
            text = expression(node, args)
        many = uses[node] > 1 and len(text.text) > SHORT and node.op is not EXPAND
        if uses[node] and node not in numbers and (many or len(text.text) > LONG):
            name = names.fresh(_letter(len(lines)))
            lines.append(f"{name} = {text.text}")
            text = Expression(name)
        shown[node] = text
    return "\n".join([*lines, *(shown[root].text for root in roots)])


def expression(node: Node, args: Sequence[Expression]) -> Expression:
    """One node, given its arguments."""
    match node.op:
        case op if op is CALL:
            return _recorded(node, args)
        case op if op is ITEM:
            return Expression(f"{args[0].inside(ATOM)}[{node.params[0]}]")
        case op if op is EXPAND:
            return args[0]
        case op if op is CONST:
            return Expression(literal(node))
        case op:
            return applied(op.name, args, parameters(node))


def _recorded(node: Node, args: Sequence[Expression]) -> Expression:
    name, template = cast("tuple[str, Template]", node.params)
    positional, named = template.fill(cast("Sequence[Node]", args))
    if not named and all(isinstance(value, Expression | int | float) for value in positional):
        return applied(name, [value if isinstance(value, Expression) else number(value) for value in positional])
    return Expression(f"{name}({template.show(arg.text for arg in args)})")


def _letter(k: int) -> str:
    return "abcdefgh"[k] if k < 8 else f"a{k}"
