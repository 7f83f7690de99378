"""Gradients clipped: functions of a node, or of a structure of nodes, that give it in the same structure."""

from __future__ import annotations

from functools import reduce
from operator import add

from graphc import sym
from graphc.node import Node
from graphc.tree import Tree, flatten, map_tree, unflatten


def clip_by_value(grads: Tree, limit: float) -> Tree:
    """Every element between -limit and limit."""
    return map_tree(lambda g: sym.clip(g, -limit, limit), grads)


def clip_by_norm(grads: Tree, limit: float) -> Tree:
    """Every array that is longer than the limit, as a vector, shortened to it."""
    return map_tree(lambda g: g * _shrink(sym.sum(g * g), limit), grads)


def clip_by_global_norm(grads: Tree, limit: float) -> Tree:
    """All arrays together, as one vector, no longer than the limit.

    Pascanu, Mikolov and Bengio, On the difficulty of training recurrent neural networks, 2013.
    """
    gs, form = flatten(grads)
    if not gs:
        return grads
    factor = _shrink(reduce(add, [sym.sum(sym.astype(g * g, "float64")) for g in gs]), limit)
    return unflatten(form, [(g * factor).astype(g.dtype) if g.type else g * factor for g in gs])


def _shrink(square: Node, limit: float) -> Node:
    """What a vector of this squared length is multiplied by: limit / length, if that is less than 1."""
    return limit / sym.maximum(sym.sqrt(square), limit)
