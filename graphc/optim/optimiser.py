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
from graphc.tree import Tree, flatten, map_tree, unflatten
from graphc.types import Extent

Slots: TypeAlias = dict[str, Any]  # named structures; 'step' counts the steps done
Rate: TypeAlias = "float | Node | Callable[[Node], Any]"  # a number, a node, or a schedule
Rule: TypeAlias = Callable[[Node, Node, Mapping[str, Node], Node, Node], tuple[Node, Mapping[str, Node]]]


@dataclass(frozen=True)
class Optimiser:
    """Parameters follow their gradients; `params` and `grads` are nodes, or structures of nodes.

    `slots(params)` are the arrays that the optimiser starts with. `update(params, grads, slots)`, a pure function of
    nodes, gives new parameters and new slots. Where parameters are states, `updates` and `minimize` make states of
    the slots, too, and give what `graphc.compile(…, updates=…)` takes; `epoch` takes many steps in one call.

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
        slots = self._states(params)
        return _changes((params, slots), self.update(params, grads, slots))

    def epoch(
        self, loss: Callable[[Any, Any], Node], params: Tree, data: Tree, batch: int
    ) -> tuple[Node, dict[State, Node]]:
        """The mean loss over the data, and the updates of states, of a step for every `batch` rows, one after another.

        `loss(params, rows)` is the mean over the rows it is given, `data` a node or a structure of nodes whose first
        axes run over the same rows. What is left at the end, less than a batch, makes the last step.

        >>> import graphc
        >>> from graphc import sym
        >>> w, x = graphc.state(0.0, 'w'), sym.var('x', shape=('n',))
        >>> mean, updates = graphc.optim.sgd(0.5).epoch(lambda w, x: sym.mean((w - x) ** 2), w, x, batch=2)
        >>> graphc.compile(x, mean, updates=updates)([1, 3, 5]), w.get()
        (array(6.33333333), array(5.))
        """
        _require_states(params)
        slots, rows = self._states(params), _rows(data, batch)
        whole = rows // batch * batch

        def step(before: Any, some: Tree) -> tuple[Tree, Node]:
            value = loss(before[0], some)
            return self.update(before[0], grad(value, before[0]), before[1]), value

        def last() -> tuple[Tree, Node]:
            new, value = step(after, map_tree(lambda x: x[whole:], data))
            return new, total + (rows - whole) * value

        def batches(x: Node) -> Node:
            return x[:whole].reshape(rows // batch, batch, *x.shape[1:])

        after, losses = sym.scan(step, (params, slots), map_tree(batches, data))
        total = batch * sym.sum(losses)
        some_left = rows > whole if isinstance(rows, int) else sym.asarray(rows - whole) > 0  # type: ignore[operator]
        after, total = sym.cond(some_left, last, lambda: (after, total))
        return total / rows, _changes((params, slots), after)

    def _states(self, params: Tree) -> Slots:
        """New states for the slots."""
        return {name: _as_states(name, start, params) for name, start in self.slots(params).items()}


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
    if isinstance(learning_rate, Node) or not callable(learning_rate):  # a node can be called, too
        return sym.asarray(learning_rate)
    return sym.asarray(learning_rate(step))


def like(x: Node, w: Node) -> Node:
    """A node in the dtype of a parameter."""
    return sym.astype(x, w.dtype)


def gradient_leaves(params: Tree, grads: Tree) -> list[Node]:
    """The gradients, one for each parameter."""
    (_, wanted), (gs, given) = flatten(params), flatten(grads)
    if given != wanted:
        raise BindError(f"update: {len(gs)} gradients in another structure than the {wanted.size} parameters")
    return gs


def _changes(before: Tree, after: Tree) -> dict[State, Node]:
    """The updates of states from one structure to another."""
    (states, form), (new, same) = flatten(before), flatten(after)
    assert same == form
    return dict(zip(states, new, strict=True))


def _rows(data: Tree, batch: int) -> Extent:
    """How many rows all of the data have."""
    leaves = flatten(data)[0]
    counts = list(dict.fromkeys(x.shape[0] if isinstance(x, Node) and x.type and x.shape else None for x in leaves))
    if batch < 1 or len(counts) != 1 or counts[0] is None:
        shown = ", ".join(str(x.type or x.name) if isinstance(x, Node) else repr(x) for x in leaves) or "nothing"
        raise BindError(
            f"epoch: {shown} cannot be cut into batches of {batch}; give nodes with types and equal first axes"
        )
    return counts[0]


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
