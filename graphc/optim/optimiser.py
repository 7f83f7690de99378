"""What an optimiser is: the slots it starts with, and one step as a graph; and the same on states."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from graphc import sym
from graphc.autodiff.api import grad
from graphc.errors import BindError
from graphc.node import Node
from graphc.state import State, state
from graphc.tree import Tree, flatten, unflatten

Slots: TypeAlias = dict[str, Any]  # named structures; 'step' counts the steps done
Rate: TypeAlias = "float | Node | Callable[[Node], Any]"  # a number, a node, or a schedule
Rule: TypeAlias = Callable[[Node, Node, Mapping[str, Node], Node, Node], tuple[Node, Mapping[str, Node]]]


@dataclass(frozen=True)
class Optimiser:
    """Parameters follow their gradients; `params` and `grads` are nodes, or structures of nodes.

    `slots(params)` are the arrays that the optimiser starts with. `update(params, grads, slots)`, a pure function of
    nodes, gives new parameters and new slots. Where parameters are states, `updates` and `minimize` make states of
    the slots, too, and give what `graphc.compile(…, updates=…)` takes.

    >>> import graphc
    >>> w = graphc.state(8.0, 'w')
    >>> step = graphc.compile([], w, updates=graphc.optim.sgd(0.25).minimize(w * w, w))
    >>> step(), step(), step()
    (array(8.), array(4.), array(2.))
    """

    slots: Callable[[Tree], Slots]
    update: Callable[[Tree, Tree, Slots], tuple[Tree, Slots]]

    def minimize(self, loss: Node, params: Tree) -> dict[State, Node]:
        """The updates of states for one step down the gradient of a loss."""
        _require_states(params)
        return self.updates(params, grad(loss, params))

    def updates(self, params: Tree, grads: Tree) -> dict[State, Node]:
        """The updates of states, and of new ones for the slots, given the gradients."""
        _require_states(params)
        slots = {name: _as_states(name, start, params) for name, start in self.slots(params).items()}
        states, form = flatten((params, slots))
        new, after = flatten(self.update(params, grads, slots))
        assert after == form
        return dict(zip(states, new, strict=True))


def each(names: Sequence[str], rule: Rule, learning_rate: Rate, clip: Callable[[Tree], Tree] | None) -> Optimiser:
    """An optimiser with one rule for every parameter, which has slots of its shape, at first zero.

    `rule(w, g, slots, rate, t)` is the parameter's new value and its new slots at step t = 1, 2, ….
    """

    def start(params: Tree) -> Slots:
        ws, form = flatten(params)
        zeros = {name: unflatten(form, [np.zeros(w.shape, w.dtype) for w in ws]) for name in names}
        return {"step": np.int64(0), **zeros}

    def update(params: Tree, grads: Tree, slots: Slots) -> tuple[Tree, Slots]:
        ws, form = flatten(params)
        gs = gradient_leaves(params, clip(grads) if clip else grads)
        old = [flatten(slots[name])[0] for name in names]
        step = sym.astype(slots["step"], "float64")
        rate = rate_at(learning_rate, step)
        results = [
            rule(w, g, dict(zip(names, [slot[k] for slot in old])), like(rate, w), step + 1)
            for k, (w, g) in enumerate(zip(ws, gs))
        ]
        new = {name: unflatten(form, [after[name] for _, after in results]) for name in names}
        return unflatten(form, [w for w, _ in results]), {"step": slots["step"] + 1, **new}

    return Optimiser(start, update)


def rate_at(learning_rate: Rate, step: Node) -> Node:
    """The learning rate after so many steps."""
    return sym.asarray(learning_rate(step) if callable(learning_rate) else learning_rate)


def like(x: Node, w: Node) -> Node:
    """A node in the dtype of a parameter."""
    return sym.astype(x, w.dtype)


def gradient_leaves(params: Tree, grads: Tree) -> list[Node]:
    """The gradients, one for each parameter."""
    (_, wanted), (gs, given) = flatten(params), flatten(grads)
    if given != wanted:
        raise BindError(f"update: {len(gs)} gradients in another structure than the {wanted.size} parameters")
    return gs


def _require_states(params: Tree) -> None:
    for w in flatten(params)[0]:
        if not isinstance(w, State):
            raise BindError(f"a parameter to update is a state, not {w!r}; make it by graphc.state, or use `update`")


def _as_states(name: str, start: Tree, params: Tree) -> Tree:
    """States that start with these arrays, called after the parameters where there is one for each."""
    arrays, form = flatten(start)
    ws, of_params = flatten(params)
    names = [f"{w.name}.{name}" for w in ws] if form == of_params and name != "step" else [name] * len(arrays)
    return unflatten(form, [state(array, name) for array, name in zip(arrays, names)])
