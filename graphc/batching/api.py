"""`vmap` as users call it: a function of one instance becomes a function of many, on structures of nodes.

The function is called once, on variables that stand for one instance each; its graph is then batched. Called on nodes
that have no type yet, all this is recorded, as any call is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, TypeVar, cast

import numpy as np

from graphc.batching.axes import Axis, Mapped, argument_names, common_extent, leaf_axes
from graphc.batching.walk import batch
from graphc.errors import ShapeError
from graphc.node import Node, variable
from graphc.ops.declare import offence
from graphc.ops.lanes import Lanes, has_lanes
from graphc.source import show_source
from graphc.sym.axes import as_axis
from graphc.sym.movement import moveaxis
from graphc.sym.promote import as_node
from graphc.sym.record import public
from graphc.sym.trace import Traced, parameter_names, trace
from graphc.tree import Tree, flatten, unflatten

__all__ = ["vmap"]

F = TypeVar("F", bound=Callable[..., Any])


def vmap(function: F, in_axes: Tree = 0, out_axes: Tree = 0) -> F:
    """The function for every instance along an axis of its arguments at once, without a loop: vectorised.

    `in_axes` says which axis of each argument the instances lie along, None that the argument is the same for all:
    one for all arguments, or a tuple of one for each, where a structure of nodes takes one for all of it or a structure
    of them. Keyword arguments are mapped over axis 0. `out_axes` says likewise where the instances lie in the results;
    None there gives what is the same for all. What the function reads from outside is the same for all.

    The function is called once, with nodes of one instance, and may do all that graphs do: gradients of its arguments
    and of what it reads, branches and loops that differ from instance to instance, `vmap` again.

    Raises `ShapeError` where axes or extents do not fit.

    >>> import graphc
    >>> from graphc import sym
    >>> w, x, y = sym.var('w', shape=(3,)), sym.var('x', shape=('n', 3)), sym.var('y', shape=('n',))
    >>> loss = lambda x, y: (sym.dot(w, x) - y) ** 2
    >>> vmap(lambda x, y: graphc.grad(loss(x, y), w))(x, y).shape  # a gradient for each example
    (n, 3)
    """

    @wraps(function)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        leaves, form = flatten((args, kwargs))
        positional, named = form.children
        axes = [*leaf_axes("in_axes", in_axes, positional), *leaf_axes("in_axes", 0, named)]
        names = argument_names([*parameter_names(function, len(args)), *kwargs], positional.children + named.children)
        given = [Mapped(name, _node(x), axis) for name, x, axis in zip(names, leaves, axes) if axis is not None]
        _check(given)
        bound = [variable(x.name, None if x.node.type is None else x.instance) for x in given]
        rest = iter(bound)
        inner = unflatten(form, [_shared(x) if axis is None else next(rest) for x, axis in zip(leaves, axes)])
        traced = trace(_applied(function, *inner), bound)
        places = leaf_axes("out_axes", out_axes, traced.form)
        return unflatten(traced.form, run_vmap(traced, list(traced.captured), given, places))

    return cast(F, mapped)


def _node(leaf: Any) -> Node:
    """A mapped argument as a node, which may have no type yet."""
    return leaf if isinstance(leaf, Node) else as_node("vmap", leaf)


def _shared(leaf: Any) -> Any:
    """An argument that is the same for all: arrays as nodes, Python's numbers as they are, whose dtype is weak."""
    return as_node("vmap", leaf) if isinstance(leaf, np.ndarray | np.generic) else leaf


def _check(given: Sequence[Mapped]) -> None:
    if not given:
        raise ShapeError(offence("vmap", "no argument is mapped", "give one of them an axis in in_axes"))
    if typed := [x for x in given if x.node.type is not None]:
        common_extent(typed)


def _applied(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Callable[..., Any]:
    """The function of variables that stand in its arguments already."""

    @wraps(function)
    def applied(*_: Node) -> Any:
        return function(*args, **kwargs)

    return applied


@public(outputs=lambda traced, captured, given, places: [*range(len(traced.outputs))])
def run_vmap(traced: Traced, captured: Sequence[Node], given: Sequence[Mapped], places: Sequence[Axis]) -> list[Node]:
    """The results of a traced function for all instances of its arguments; it captured these nodes."""
    lanes = Lanes(common_extent(given))
    function = traced.retyped([x.instance for x in given], captured)
    in_front = [moveaxis(x.node, x.place, 0) for x in given]
    ys = [as_node("vmap", y) for y in function.outputs]
    results = batch(ys, dict(zip(function.bound, in_front)), lanes)
    return [_placed(found, y, axis, lanes) for found, y, axis in zip(results, ys, places, strict=True)]


def _placed(found: Node, y: Node, axis: Axis, lanes: Lanes) -> Node:
    """A result with the instances along an axis, or without them."""
    if axis is not None:
        spread = found if has_lanes(found, y) else lanes.spread(found)
        return moveaxis(spread, 0, as_axis("vmap, out_axes", axis, spread.typed))
    if has_lanes(found, y):
        what = f"{y.op.name} ({show_source(y.source)}) differs from instance to instance"
        raise ShapeError(offence("vmap", what, "give it an axis in out_axes; None is for what is the same for all"))
    return found
