"""Storage: which nodes have a buffer. Everything else is computed where it is read.

Outputs are stored, and what a library call reads or writes, and reductions over an outer axis, which are known
only when a kernel ends. So is a costly value that would be computed again and again: broadcast over an outer
axis, read shifted, put together of many parts, or at the end of a long chain.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import cast

from graphc.graph import Graph
from graphc.kernel.axes import AxisClasses
from graphc.kernel.lower import squeezed_index
from graphc.node import Node
from graphc.ops.contraction import operands
from graphc.ops.movement import EXPAND, TRANSPOSE, Axes, view_base
from graphc.ops.parts import CONCAT
from graphc.ops.window import SLIDE, UNSLIDE
from graphc.types import Shape, product

RECOMPUTE_LIMIT = 12  # flops of one element above which a value is stored rather than computed twice
WINDOW_LIMIT = 36  # the same, of all its elements in overlapping windows
DEEP = 1024  # the longest chain of numbers that is computed in one kernel: LLVM takes the square of its length
TRANSCENDENTAL = 20  # what an elementary function counts for
CHOICE = 4  # and to find out which part of a concat an element is of, for each part but one
REDUCTION = 1000  # what a fold counts for, and the most that anything does


def must_store(graph: Graph, classes: AxisClasses, fuse: bool) -> set[Node]:
    """The nodes that are stored whatever the kernels are; all but movement, if nothing is to be fused."""
    stored = set(graph.outputs)
    rows: dict[Node, frozenset[int]] = {}  # the axes folded below a node, as rows
    weight: dict[Node, int] = {}
    depth: dict[Node, int] = {}
    shared = {node for node, users in graph.uses().items() if len(users) > 1}
    for node in graph.nodes:
        weight[node] = _weight(node, weight, stored)
        depth[node] = 1 + max([depth[arg] for arg in node.args if arg not in stored], default=0)
        often = {view_base(arg) for arg in node.args if _is_read_too_often(arg, node, weight, shared, stored)}
        stored |= {node} if often and classes.parts(node) else often
        is_put_together, is_deep = node.op is CONCAT and node in shared, not node.shape and depth[node] > DEEP
        if (is_put_together or is_deep) and weight[node] >= RECOMPUTE_LIMIT:
            stored.add(node)
        if node.op is SLIDE or node.op is UNSLIDE:
            stored |= {view_base(x) for x in _read_in_many_windows(node, weight)}
        below = frozenset[int]().union(*(rows[arg] for arg in node.args if arg not in stored))
        match node.op.kind, node.op.name:
            case "contraction", _:
                stored |= {node, *map(view_base, operands(node))}
            case "control" | "sorting", _:
                stored |= {node, *map(view_base, node.args)}
            case "item" | "scatter", _:
                stored.add(node)
            case "reduction", _:
                lane = classes[node.args[0]][-1]
                if not fuse or not is_row_reduction(node) or below - {lane}:
                    stored.add(node)
                below |= {lane}
            case "movement", "reshape" if _moves_data(node) and node not in stored:
                stored.add(view_base(node))
            case kind, _ if not fuse and kind != "movement":
                stored.add(node)
            case _:
                pass
        rows[node] = below
    return {node for node in stored if node.op.kind != "source"}


def weights(graph: Graph, stored: Container[Node]) -> dict[Node, int]:
    """For each node about the flops to compute one element of it from what is in memory, capped."""
    weight: dict[Node, int] = {}
    for node in graph.nodes:
        weight[node] = _weight(node, weight, stored)
    return weight


def _weight(node: Node, weight: dict[Node, int], stored: Container[Node]) -> int:
    if node.op.kind in ("contraction", "sorting", "control", "item", "source"):
        return 0
    return min(REDUCTION, _own_weight(node) + sum(weight[arg] for arg in node.args if arg not in stored))


def _own_weight(node: Node) -> int:
    if node.op is CONCAT:
        return CHOICE * (len(node.args) - 1)
    return REDUCTION if node.op.kind == "reduction" else TRANSCENDENTAL if node.op.transcendental else node.op.flops


def is_costly(node: Node, weight: dict[Node, int]) -> bool:
    """Whether to store a value rather than to compute it in two kernels."""
    return node.op.kind in ("elementwise", "reduction") and weight[node] >= RECOMPUTE_LIMIT


def is_row_reduction(node: Node) -> bool:
    """Whether it folds just the last axis, so that its readers along the same rows need not wait for more."""
    return node.params[0] == (node.args[0].ndim - 1,)


def _is_read_too_often(
    value: Node, user: Node, weight: dict[Node, int], shared: Container[Node], stored: Container[Node]
) -> bool:
    if value in stored or not value.shape or weight[value] < RECOMPUTE_LIMIT:
        return False
    if user.op.kind == "gather":  # the same element may be read many times
        return value is user.args[0]
    if user.op.name == "expand":  # a trailing axis reads it once a row, a leading one again in every row
        axes: tuple[int, ...] = user.params[0]  # type: ignore[assignment]
        return min(axes) < value.ndim
    if value not in shared:
        return False
    return user.op.name in ("pad", "concat", "flip") or (user.op.name == "slice" and not _is_one_place(user))


def _is_one_place(slice: Node) -> bool:
    """Whether a slice takes one place along some axis: its fellows take the others, and nothing is read twice."""
    return any(n == 1 != whole for n, whole in zip(slice.shape, slice.args[0].shape, strict=True))


def _read_in_many_windows(user: Node, weight: dict[Node, int]) -> Iterator[Node]:
    """What is the same for all elements of a window, and so costly that it is not to be computed for each."""
    (x,), (_, windows, _, strides, _) = user.args, cast("tuple[Axes, Axes, Shape, Axes, Axes]", user.params)
    count = product(x.shape[axis] for axis in windows)
    apart = product(strides) if user.op is SLIDE else 1
    for value in _unvarying(x, windows):
        if value.shape and not (isinstance(count, int) and weight[value] * count < WINDOW_LIMIT * apart):  # type: ignore[operator]
            yield value


def _unvarying(x: Node, windows: Axes) -> Iterator[Node]:
    """The largest values below x that are computed, and the same along these axes."""
    seen, stack = set[tuple[Node, Axes]](), [(x, windows)]
    while stack:
        node, axes = place = stack.pop()
        if place in seen:
            continue
        seen.add(place)
        match node.op:
            case op if op is EXPAND and set(axes) <= set(cast("Axes", node.params[0])):
                yield _computed(node)
            case op if op is TRANSPOSE:
                stack.append((node.args[0], tuple(cast("Axes", node.params[0])[axis] for axis in axes)))
            case op if op.kind == "elementwise":
                stack += [(arg, axes) for arg in node.args]
            case _:
                pass


def _computed(node: Node) -> Node:
    """What is moved, not computed, on the way to a node."""
    while node.op.kind == "movement" and len(node.args) == 1:
        (node,) = node.args
    return node


def _moves_data(reshape: Node) -> bool:
    return squeezed_index(reshape.args[0].shape, reshape.shape, (0,) * reshape.ndim) is None
