"""Movement in its shortest form: nothing that moves nothing, one operator where two of a kind follow each other,
and operators applied before their arguments are spread, not after."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphc.node import Node, make
from graphc.ops.arithmetic import ADD
from graphc.ops.contraction import CONTRACT, pairing
from graphc.ops.movement import EXPAND, FLIP, RESHAPE, TRANSPOSE
from graphc.ops.parts import CONCAT, PAD, SLICE
from graphc.ops.reduction import MAX, MIN, SUM

PARTS = 16  # the most that are looked at to be joined


def shorten(node: Node) -> Node | None:
    """A shorter form of a node whose arguments are in theirs; None if there is none."""
    if node.op.kind == "elementwise":
        return _joined(node) if node.op is ADD and node.shape else _spread_later(node)
    rule = _RULES.get(node.op.name)
    return rule(node, node.args[0], *node.params) if rule else None


def _joined(node: Node) -> Node | None:
    """pad(x) + pad(y) + … = concat(x, y, …) of parts that lie one after another."""
    parts, rest = list[Node](), [node]
    while rest:
        part = rest.pop()
        if part.op is ADD and len(parts) < PARTS:
            rest += part.args
        elif part.op is PAD and not part.params[-1] and not any(part.params[2]):  # type: ignore[arg-type]
            parts.append(part)
        else:
            return _spread_later(node)
    moved = {axis for part in parts for axis, (a, b) in enumerate(zip(part.args[0].shape, part.shape)) if a != b}
    axis = next(iter(moved), 0)
    lows: dict[Any, Node] = {part.params[0][axis]: part.args[0] for part in parts}  # type: ignore[index]
    in_order, end = list[Node](), 0
    while end in lows and len(moved) == 1:
        in_order.append(lows.pop(end))
        end += in_order[-1].shape[axis]
    return CONCAT(*in_order, axis=axis) if len(in_order) == len(parts) and end == node.shape[axis] else None


def _spread_later(node: Node) -> Node | None:
    """f(expand(x), expand(y)) = expand(f(x, y)): what is the same along an axis is computed once."""
    spread = [arg for arg in node.args if arg.op is EXPAND]
    if not spread or len(spread) < len(node.args):
        return None
    common = [axis for axis in spread[0].params[0] if all(axis in arg.params[0] for arg in spread)]  # type: ignore[union-attr, operator]
    if not common:
        return None
    inner = tuple([_without(arg, common) for arg in spread])
    return _expand(make(node.op, inner, node.params), tuple(common), tuple(node.shape[axis] for axis in common))


def _without(spread: Node, axes: list[int]) -> Node:
    """The expansion without these of its axes."""
    kept = [axis for axis in spread.params[0] if axis not in axes]  # type: ignore[union-attr, attr-defined]
    places = tuple(axis - sum(a < axis for a in axes) for axis in kept)
    return _expand(spread.args[0], places, tuple(spread.shape[axis] for axis in kept))


def _expand(x: Node, axes: tuple[int, ...], extents: tuple[Any, ...]) -> Node:
    return EXPAND(x, axes=axes, extents=extents) if axes else x


def _expand_rule(node: Node, x: Node, axes: Any, extents: Any) -> Node | None:
    """Nothing added; or added twice."""
    if not axes:
        return x
    if x.op is not EXPAND:
        return None
    kept = [axis for axis in range(node.ndim) if axis not in axes]
    inner = {kept[axis] for axis in x.params[0]}  # type: ignore[union-attr, attr-defined]
    places = tuple(sorted({*axes, *inner}))
    return EXPAND(x.args[0], axes=places, extents=tuple(node.shape[axis] for axis in places))


def _transpose_rule(node: Node, x: Node, axes: Any) -> Node | None:
    if axes == tuple(range(len(axes))):
        return x
    if x.op is TRANSPOSE:
        return TRANSPOSE(x.args[0], axes=tuple(x.params[0][axis] for axis in axes))  # type: ignore[index]
    return _swapped_contraction(x, axes) if x.op is CONTRACT else None


def _swapped_contraction(x: Node, axes: Any) -> Node | None:
    """(a b)ᵀ = bᵀ aᵀ: the transpose of a product is the product with its arguments exchanged."""
    (a, b), pairs = x.args, pairing(x)
    batch, rows = len(pairs.batch_a), len(pairs.free_a(a.ndim))
    if axes != (*range(batch), *range(batch + rows, x.ndim), *range(batch, batch + rows)):
        return None
    return CONTRACT(b, a, **pairs.swapped()._asdict())


def _flip_rule(node: Node, x: Node, axes: Any) -> Node | None:
    if not axes:
        return x
    if x.op is FLIP:
        return FLIP(x.args[0], axes=tuple(sorted(set(axes) ^ set(x.params[0]))))  # type: ignore[arg-type]
    return None


def _reshape_rule(node: Node, x: Node, shape: Any) -> Node | None:
    if shape == x.shape:
        return x
    if x.op is RESHAPE:
        return RESHAPE(x.args[0], shape=shape)
    if x.op is EXPAND and not x.args[0].shape:
        return _expand(x.args[0], tuple(range(len(shape))), shape)
    return None


def _slice_rule(node: Node, x: Node, starts: Any, extents: Any, steps: Any) -> Node | None:
    if extents == x.shape and not any(starts) and set(steps) <= {1}:
        return x
    if x.op is SLICE:
        first, _, strides = x.params
        along = zip(starts, steps, first, strides, strict=True)  # type: ignore[call-overload]
        moved = [(a + i * s, k * s) for i, k, a, s in along]
        return SLICE(x.args[0], starts=tuple(m[0] for m in moved), extents=extents, steps=tuple(m[1] for m in moved))
    if x.op is EXPAND:
        return _slice_before_expand(x, starts, extents, steps)
    return None


def _slice_before_expand(x: Node, starts: Any, extents: Any, steps: Any) -> Node | None:
    axes: Any = x.params[0]
    kept = [axis for axis in range(x.ndim) if axis not in axes]
    inner = x.args[0]
    part = SLICE(
        inner,
        starts=tuple(starts[axis] for axis in kept),
        extents=tuple(extents[axis] for axis in kept),
        steps=tuple(steps[axis] for axis in kept),
    )
    return EXPAND(part, axes=axes, extents=tuple(extents[axis] for axis in axes))


def _pad_rule(node: Node, x: Node, low: Any, high: Any, interior: Any, value: Any) -> Node | None:
    return x if not any(low) and not any(high) and not any(interior) else None


def _concat_rule(node: Node, x: Node, axis: Any) -> Node | None:
    kept = tuple(arg for arg in node.args if arg.shape[axis] != 0)
    if len(node.args) == 1 or len(kept) == 1:
        return kept[0] if kept else x
    return CONCAT(*kept, axis=axis) if 0 < len(kept) < len(node.args) else None


def _fold_twice(op: Any) -> Callable[..., Node | None]:
    """sum(sum(x, a), b) = sum(x, a and b), where both are inner or neighbouring axes; likewise max and min."""

    def rule(node: Node, x: Node, axes: Any) -> Node | None:
        if not axes:
            return x
        if x.op is not op:
            return None
        kept = [axis for axis in range(x.args[0].ndim) if axis not in x.params[0]]  # type: ignore[operator]
        return op(x.args[0], axes=tuple(sorted({*x.params[0], *(kept[axis] for axis in axes)})))  # type: ignore[misc]

    return rule


_RULES: dict[str, Callable[..., Node | None]] = {
    "expand": _expand_rule,
    "transpose": _transpose_rule,
    "flip": _flip_rule,
    "reshape": _reshape_rule,
    "slice": _slice_rule,
    "pad": _pad_rule,
    "concat": _concat_rule,
    "sum": _fold_twice(SUM),
    "max": _fold_twice(MAX),
    "min": _fold_twice(MIN),
}
