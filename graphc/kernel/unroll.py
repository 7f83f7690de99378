"""Unroll: a short innermost axis is written out, and vectors run along the axis around it.

Vectors of three lanes are wasteful. Of `[n, 3]` each statement becomes three, one for each index of the short
axis; a fold over it becomes a chain of operations; what was accumulated over the new lane becomes a fold.
"""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from itertools import takewhile
from math import prod

from graphc.kernel.kernel import Axis, Kernel, Statement, with_indices
from graphc.node import Node, Op, make
from graphc.ops.arithmetic import ADD, MAXIMUM, MINIMUM, MULTIPLY
from graphc.ops.declare import uniform
from graphc.ops.logic import BITWISE_AND, BITWISE_OR, WHERE
from graphc.ops.scalar import FOLD
from graphc.types import Extent, extent_symbols, substitute

SHORT = 8  # the longest axis written out
LONG = 16  # the shortest axis worth making the lane instead
STATEMENTS, VALUES = 24, 512  # how many may come of it

_COMBINE = {"sum": ADD, "prod": MULTIPLY, "max": MAXIMUM, "min": MINIMUM}
_COMBINE_BOOL = {"max": BITWISE_OR, "min": BITWISE_AND}


def unroll(kernel: Kernel) -> Kernel:
    """The kernel with its short innermost axes written out, as long as a longer one is outside."""
    while _is_worth_it(kernel):
        kernel = _write_out(kernel)
    return kernel


def _is_worth_it(kernel: Kernel) -> bool:
    """Whether all the short axes can go, so that vectors run along a longer one."""
    short = list(takewhile(_is_short, reversed(kernel.axes)))
    around, copies = kernel.axes[: len(kernel.axes) - len(short)], prod(map(_length, short))
    return (
        copies > 0 < len(short)
        and any(not isinstance(axis.extent, int) or axis.extent >= LONG for axis in around)
        and len(kernel.statements) * copies <= STATEMENTS
        and len(kernel.values) * copies <= VALUES
    )


def _is_short(axis: Axis) -> bool:
    return isinstance(axis.extent, int) and axis.extent <= SHORT


def _write_out(kernel: Kernel) -> Kernel:
    *outer, lane, short = kernel.axes
    copies = _copies(kernel, short)
    statements: list[Statement] = []
    for statement in kernel.statements:
        walked = kernel.walked(statement)
        varies = short.name in kernel.free_axes[statement.value] | walked
        for k in range(_length(short) if varies else 1):
            index = substitute(statement.index, {short.name: k})
            value, *places = [copies[k, x] for x in statement.operands]
            at_k = replace(statement, index=index, value=value, places=tuple(places))
            statements.append(at_k if lane.name in walked else _fold_lane(at_k, lane, outer))
    return Kernel((*outer, lane), tuple(statements))


def _copies(kernel: Kernel, short: Axis) -> dict[tuple[int, Node], Node]:
    """Every scalar node at every index of the short axis; a fold over it combines what is folded at all of them."""
    copies: dict[tuple[int, Node], Node] = {}
    for node in kernel.values:
        for k in range(_length(short)):
            if node.op is FOLD and node.params[1] == short.name:
                copies[k, node] = _combined(node, [copies[j, node.args[0]] for j in range(_length(short))])
            else:
                copies[k, node] = _copy(node, tuple([copies[k, arg] for arg in node.args]), {short.name: k})
    return copies


def _copy(node: Node, args: tuple[Node, ...], place: dict[str, Extent]) -> Node:
    """The node at one place, with these arguments; of a choice that is known now, what is chosen."""
    known = uniform(args[0]) if node.op is WHERE else None
    if known is not None:
        return args[1] if known else args[2]
    return with_indices(node, args, lambda index: substitute(index, place))


def _length(axis: Axis) -> int:
    assert isinstance(axis.extent, int)
    return axis.extent


def _combined(fold: Node, values: list[Node]) -> Node:
    reduction = fold.params[0]
    assert isinstance(reduction, Op)
    table = _COMBINE_BOOL if fold.dtype.kind == "b" else _COMBINE
    return reduce(lambda a, b: make(table[reduction.name], (a, b)), values)


def _fold_lane(statement: Statement, lane: Axis, outer: list[Axis]) -> Statement:
    """What accumulated over the new lane is folded along it instead."""
    if statement.reduction is None:
        return statement
    value = make(FOLD, (statement.value,), (statement.reduction, lane.name, lane.extent))
    still = bool(statement.places) or any(axis.name not in extent_symbols(statement.index) for axis in outer)
    return replace(statement, value=value, reduction=statement.reduction if still else None)
