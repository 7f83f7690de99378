"""Collapse: two neighbouring axes that every index walks as one become one axis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from graphc.kernel.kernel import Axis, Kernel, Statement, indices_of, with_indices
from graphc.node import Node, make
from graphc.ops.scalar import FOLD
from graphc.types import Dim, Extent, extent_symbols, substitute


def collapse(kernel: Kernel) -> Kernel:
    """The kernel with as few axes as its memory accesses allow; the work and its order are the same."""
    k = len(kernel.axes) - 1
    while k > 0:
        if _walks_as_one(kernel, kernel.axes[k - 1], kernel.axes[k]):
            kernel = _merge(kernel, k - 1)
        k -= 1
    return _rename(kernel)


def _indices(kernel: Kernel) -> Iterator[Extent]:
    for node in kernel.values:
        yield from indices_of(node)
    yield from (s.index for s in kernel.statements)


def _walks_as_one(kernel: Kernel, outer: Axis, inner: Axis) -> bool:
    """Whether every index moves by `inner.extent` inner steps for one outer step, and every fold takes both."""
    for index in dict.fromkeys(_indices(kernel)):
        a, b = coefficient(index, outer.name), coefficient(index, inner.name)
        if a is None or b is None or a != b * inner.extent:
            return False
    return all(_takes_both(kernel, fold, outer.name, inner.name) for fold in kernel.values if fold.op is FOLD)


def _takes_both(kernel: Kernel, fold: Node, outer: str, inner: str) -> bool:
    if fold.params[1] != inner:
        return True
    uses = [s for s in kernel.statements if s.value is fold]
    read = any(arg is fold for node in kernel.values for arg in node.args)
    return not read and all(s.reduction is fold.params[0] and outer not in kernel.walked(s) for s in uses)


def _merge(kernel: Kernel, k: int) -> Kernel:
    outer, inner = kernel.axes[k], kernel.axes[k + 1]
    joint = Axis(inner.name, outer.extent * inner.extent)
    axes = (*kernel.axes[:k], joint, *kernel.axes[k + 2 :])

    def extents(node: Node, args: tuple[Node, ...]) -> Node:
        if node.op is FOLD and node.params[1] == inner.name:
            return make(FOLD, args, (node.params[0], inner.name, joint.extent))
        return node if args == () else make(node.op, args, node.params)

    merged = substitute_indices(kernel, lambda index: substitute(index, {outer.name: 0})).rebuild(axes, extents)
    return Kernel(axes, tuple(_settle(s, axes) for s in merged.statements))


def _settle(statement: Statement, axes: tuple[Axis, ...]) -> Statement:
    """A reduction with no axis left to accumulate over is a plain store."""
    folded = statement.value.params[1] if statement.value.op is FOLD else None
    open_axes = {axis.name for axis in axes if axis.name != folded} - extent_symbols(statement.index)
    return statement if open_axes or statement.places else replace(statement, reduction=None)


def _rename(kernel: Kernel) -> Kernel:
    """Axes numbered by position again."""
    names = {axis.name: f"@{k}" for k, axis in enumerate(kernel.axes)}
    if all(old == new for old, new in names.items()):
        return kernel

    symbols = {old: Dim.symbol(new) for old, new in names.items()}

    def rename_folds(node: Node, args: tuple[Node, ...]) -> Node:
        if node.op is FOLD:
            name = str(node.params[1])
            return make(FOLD, args, (node.params[0], names.get(name, name), node.params[2]))
        return make(node.op, args, node.params) if args else node

    axes = tuple(Axis(names[axis.name], axis.extent) for axis in kernel.axes)
    return substitute_indices(kernel, lambda index: substitute(index, symbols)).rebuild(axes, rename_folds)


def substitute_indices(kernel: Kernel, change: Callable[[Extent], Extent]) -> Kernel:
    """The kernel with every index polynomial changed."""
    return kernel.rebuild(kernel.axes, lambda node, args: with_indices(node, args, change), change)


def coefficient(index: Extent, name: str) -> Extent | None:
    """What one step of an axis adds to an index; None where it is not linear."""
    if not isinstance(index, Dim):
        return 0
    step: Extent = 0
    for monomial, c in index.terms:
        times = sum(atom == name for atom in monomial)
        nested = any(not isinstance(atom, str) and name in atom.symbols() for atom in monomial)
        if times > 1 or nested:
            return None
        if times:
            step = step + Dim({tuple(a for a in monomial if a != name): c}) if len(monomial) > 1 else step + c
    return step
