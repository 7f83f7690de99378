"""Simplify: constants folded, the algebra applied, movement brought to its shortest form; arguments first."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import numpy as np

from graphc.graph import Graph, renewed
from graphc.node import CONST, PUBLIC, Node, Op, Params, constant, make
from graphc.ops.declare import uniform
from graphc.ops.movement import fill
from graphc.passes.algebra import RULES, Rule
from graphc.passes.movement import shorten
from graphc.types import Dim

FOLD_LIMIT = 1 << 16  # elements of a constant made at compile time

_OPERATORS: dict[type, str] = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
    ast.Pow: "power",
    ast.USub: "negative",
}
_COMMUTATIVE = frozenset({"add", "multiply", "maximum", "minimum", "bitwise_and", "bitwise_or"})
_ARITHMETIC: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "negative": operator.neg,
}

Bindings = dict[str, Node]


def simplify(graph: Graph, fast_math: bool = False, simple: set[Node] | None = None) -> Graph:
    """The same function with fewer and cheaper nodes; `fast_math` adds the rules that are not exact.

    Nodes in `simple` are known to be what they can be, and those that are found so are put there.
    """
    known: set[Node] = set() if simple is None else simple

    def rule(node: Node, args: tuple[Node, ...]) -> Node:
        node = renewed(node, args)
        if args and node not in known:
            node = build(node.op, args, node.params, fast_math)
            known.add(node)
        return node

    return graph.rebuild(rule)


def build(op: Op, args: tuple[Node, ...], params: Params, fast_math: bool = False) -> Node:
    """The simplest node for an operator applied to simplified arguments."""
    node = make(op, args, params)
    for step in (fold, shorten, lambda n: _apply(n, fast_math)):
        simpler = step(node)
        if simpler is not None:
            return simpler if simpler.op is CONST else _rebuild(simpler, node, fast_math)
    return node


def _rebuild(simpler: Node, before: Node, fast_math: bool) -> Node:
    """What a step gave, simplified in turn: its arguments may be new nodes too."""
    known = {arg: arg for arg in _below(before)}

    def again(node: Node) -> Node:
        if node in known or not node.args:
            return node
        known[node] = build(node.op, tuple([again(arg) for arg in node.args]), node.params, fast_math)
        return known[node]

    return again(simpler)


def _below(node: Node, depth: int = 3) -> Iterable[Node]:
    """The arguments a rule may look at: its patterns are not deeper."""
    level = list(node.args)
    for _ in range(depth):
        yield from level
        level = [arg for node in level for arg in node.args]


def fold(node: Node) -> Node | None:
    """A constant for an operator of constants; of one number in every element, that number spread."""
    if not node.args or node.op.numpy is None or node.op.kind not in ("elementwise", "reduction", "movement"):
        return None
    if node.op.kind == "elementwise" and node.shape:
        numbers = [uniform(arg) for arg in node.args]
        if None in numbers:
            return None
        scalars = tuple([constant(v, arg.dtype) for v, arg in zip(numbers, node.args, strict=True)])
        folded = fold(make(node.op, scalars, node.params))
        assert folded is not None
        return fill(folded.params[0].array, node.typed)  # type: ignore[union-attr, attr-defined]
    if all(arg.op is CONST for arg in node.args) and _is_small(node) and node.op.name != "expand":
        arrays = [arg.params[0].array for arg in node.args]  # type: ignore[union-attr, attr-defined]
        with np.errstate(all="ignore"):
            return constant(node.op.numpy(*arrays, *node.params), node.dtype)
    return None


def _is_small(node: Node) -> bool:
    return not any(isinstance(e, Dim) for e in node.shape) and node.size <= FOLD_LIMIT  # type: ignore[operator]


# -- rules ------------------------------------------------------------------------------------------


def _apply(node: Node, fast_math: bool) -> Node | None:
    shapes = tuple([_outline(arg) for arg in node.args])
    for rule in _candidates(node.op.name, shapes, node.dtype.kind, fast_math):
        result = apply_rule(rule, node)
        if result is not None:
            return result
    return None


def _outline(node: Node) -> str:
    """What a pattern sees of an argument at first sight: its operator, or that it is a number."""
    return "#" if node.op.name in ("const", "expand") and uniform(node) is not None else node.op.name


@cache
def _candidates(name: str, outlines: tuple[str, ...], kind: str, fast_math: bool) -> tuple[Rule, ...]:
    """The rules that nodes of this outline may match."""
    orders = [outlines, outlines[::-1]] if name in _COMMUTATIVE else [outlines]
    return tuple(
        rule
        for rule in RULES
        if _root(rule.pattern) == name
        and kind in rule.kinds
        and (fast_math or not rule.fast)
        and any(all(map(_may_match, _parts(rule.pattern), order)) for order in orders)
    )


def _may_match(pattern: ast.expr, outline: str) -> bool:
    match pattern:
        case ast.Name(id=name):
            return outline == "#" if name in "cd" else outline != "#" if name == "x" else True
        case ast.Constant() | ast.UnaryOp(operand=ast.Constant()):
            return outline == "#"
        case _:
            return _root(pattern) == outline


def apply_rule(rule: Rule, node: Node) -> Node | None:
    """The right side for this node, if the left side matches it."""
    for bindings in _matches(rule.pattern, node, {}):
        numbers = {name: uniform(x) for name, x in bindings.items() if name in "cd"}
        if rule.holds(numbers):  # type: ignore[arg-type]
            result = _instantiate(rule.result, bindings, node)
            return None if result is node else result
    return None


def _matches(pattern: ast.expr, node: Node, bindings: Bindings) -> Iterable[Bindings]:
    """Every way in which the pattern fits the node."""
    match pattern:
        case ast.Name(id=name):
            known = bindings.get(name)
            if known is node or (known is None and _may_bind(name, node)):
                yield {**bindings, name: node}
        case ast.Constant() | ast.UnaryOp(operand=ast.Constant()):
            value = uniform(node)
            if value is not None and value == ast.literal_eval(pattern):
                yield bindings
        case _:
            if _root(pattern) == node.op.name:
                parts = _parts(pattern)
                for args in _orders(node):
                    yield from _match_all(parts, args, bindings)


def _may_bind(name: str, node: Node) -> bool:
    number = uniform(node) is not None
    return number if name in "cd" else not number if name == "x" else True


def _match_all(patterns: list[ast.expr], nodes: tuple[Node, ...], bindings: Bindings) -> Iterable[Bindings]:
    if not patterns:
        yield bindings
        return
    for found in _matches(patterns[0], nodes[0], bindings):
        yield from _match_all(patterns[1:], nodes[1:], found)


def _orders(node: Node) -> list[tuple[Node, ...]]:
    return [node.args, node.args[::-1]] if node.op.name in _COMMUTATIVE else [node.args]


def _root(pattern: ast.expr) -> str:
    match pattern:
        case ast.BinOp(op=op) | ast.UnaryOp(op=op):
            return _OPERATORS[type(op)]
        case ast.Call(func=ast.Name(id=name)):
            return name
        case _:
            return ""


def _parts(pattern: ast.expr) -> list[ast.expr]:
    match pattern:
        case ast.BinOp(left=left, right=right):
            return [left, right]
        case ast.UnaryOp(operand=operand):
            return [operand]
        case ast.Call(args=args):
            return args
        case _:
            return []


def _instantiate(result: ast.expr, bindings: Bindings, node: Node) -> Node:
    """The right side over the nodes bound; numbers are computed at once, in the node's dtype."""
    if isinstance(result, ast.Name):
        return bindings[result.id]
    number = _number(result, bindings, node.dtype)
    if number is not None:
        return fill(number, node.typed)
    args = [_instantiate(part, bindings, node) for part in _parts(result)]
    return PUBLIC[_root(result)](*args)


def _number(expression: ast.expr, bindings: Bindings, dtype: np.dtype) -> np.generic | None:
    match expression:
        case ast.Constant(value=value):
            return dtype.type(value)  # type: ignore[arg-type]
        case ast.UnaryOp(operand=ast.Constant()):
            return dtype.type(ast.literal_eval(expression))
        case ast.Name(id=name):
            value = uniform(bindings[name]) if name in "cd" else None
            return None if value is None else dtype.type(value)
        case _:
            parts = [_number(part, bindings, dtype) for part in _parts(expression)]
            if None in [None if part is None else 0 for part in parts]:
                return None
            with np.errstate(all="ignore"):
                return dtype.type(_ARITHMETIC[_root(expression)](*parts))
