"""Recurrent layers over whole sequences: plain, LSTM and GRU cells, stacked, in one direction or both.

All weights are one vector, as MXNet packs them: for each layer, and within it for each direction, the weights of the
data and of the state, one gate after the other; then the biases in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from graphc.errors import ShapeError
from graphc.node import Node
from graphc.ops.declare import offence
from graphc.ops.note import MODE, UPDATING
from graphc.ops.parts import part
from graphc.sym import random
from graphc.sym.contraction import dot
from graphc.sym.control import scan
from graphc.sym.elementwise import sigmoid, tanh
from graphc.sym.movement import concat, reshaped, split, stack
from graphc.sym.mx.layer import Shapes, Values, layer
from graphc.sym.mx.layers.norm import dropped, fresh_key
from graphc.sym.nn import relu
from graphc.types import Extent

__all__ = ["RNN"]

States = tuple[Node, ...]
Step = Callable[[Node, Node, States], States]  # of the data's part, the state's part, and the states before

# -- cells ------------------------------------------------------------------------------------------


def _plain(activation: Callable[[Node], Node]) -> Step:
    return lambda x, h, states: (activation(x + h),)


def _lstm(x: Node, h: Node, states: States) -> States:
    """Gates in, forget, new, out."""
    i, f, g, o = split(x + h, 4, 1)
    cell = sigmoid(f) * states[1] + sigmoid(i) * tanh(g)
    return sigmoid(o) * tanh(cell), cell


def _gru(x: Node, h: Node, states: States) -> States:
    """Gates reset, update, new; the reset comes after the state's product."""
    (xr, xz, xn), (hr, hz, hn) = split(x, 3, 1), split(h, 3, 1)
    z = sigmoid(xz + hz)
    new = tanh(xn + sigmoid(xr + hr) * hn)
    return ((1 - z) * new + z * states[0],)


@dataclass(frozen=True)
class Cell:
    """One step of a recurrent layer, and how many gates it has."""

    step: Step
    gates: int


CELLS = {
    "rnn_relu": Cell(_plain(relu), 1),
    "rnn_tanh": Cell(_plain(tanh), 1),
    "lstm": Cell(_lstm, 4),
    "gru": Cell(_gru, 3),
}

# -- parameters -------------------------------------------------------------------------------------


def _sizes(features: Extent, a: Values) -> Iterator[Extent]:
    """How many numbers of the data's kind each layer takes, once for each direction."""
    directions = 2 if a["bidirectional"] else 1
    for number in range(a["num_layers"]):
        yield from [a["state_size"] * directions if number else features] * directions


def _count(features: Extent, a: Values) -> Extent:
    """How many parameters there are."""
    rows: Extent = CELLS[a["mode"]].gates * a["state_size"]
    total: Extent = 0
    for size in _sizes(features, a):
        total = total + rows * (size + a["state_size"] + 2)
    return total


def _shapes(known: Shapes, a: Values) -> Shapes:
    if "data" not in known:
        return {}
    _, batch, features = known["data"]
    states = (a["num_layers"] * (2 if a["bidirectional"] else 1), batch, a["state_size"])
    return {"parameters": (_count(features, a),), "state": states, "state_cell": states}


def _unpacked(parameters: Node, features: Extent, a: Values) -> list[tuple[Node, Node, Node, Node]]:
    """For each layer and direction the weights of data and state, and the biases of both."""
    rows, start = CELLS[a["mode"]].gates * a["state_size"], 0
    weights: list[list[Node]] = []
    biases: list[list[Node]] = []

    def taken(count: Any) -> Node:
        nonlocal start
        start += count
        return part(parameters, 0, start - count, count)

    sizes = list(_sizes(features, a))
    for size in sizes:
        weights.append([reshaped(taken(rows * n), (rows, n)) for n in (size, a["state_size"])])
    for _ in sizes:
        biases.append([taken(rows), taken(rows)])
    return [(*w, *b) for w, b in zip(weights, biases)]  # type: ignore[misc]


# -- the layer --------------------------------------------------------------------------------------


def _results(a: Values) -> tuple[str, ...]:
    states = ("state_output", "statecell_output") if a["mode"] == "lstm" else ("state_output",)
    return ("output", *states) if a["state_outputs"] else ("output",)


@layer(
    shapes=_shapes,
    outputs=_results,
    when={"state_cell": lambda a: a["mode"] == "lstm", "key": lambda a: a["p"] > 0},
    hidden={"key": fresh_key},
)
def RNN(
    data: Node,
    parameters: Node,
    state: Node,
    state_cell: Node | None = None,
    key: Node | None = None,
    *,
    state_size: int,
    num_layers: int,
    mode: Literal["gru", "lstm", "rnn_relu", "rnn_tanh"],
    bidirectional: bool = False,
    p: float = 0.0,
    state_outputs: bool = False,
) -> tuple[Node, ...]:
    """Layers of cells over sequences `[time, batch, features]`, each reading what the one below gives.

    The result is `[time, batch, state_size × directions]`; with `state_outputs` the last states follow, which like
    the first ones, `state` and for 'lstm' `state_cell`, are `[layers × directions, batch, state_size]`. In training
    the data between layers is dropped with probability p.

    >>> from graphc import sym
    >>> y, h, c = RNN(sym.var('x', shape=(7, 'n', 3)), state_size=5, num_layers=2, mode='lstm', state_outputs=True)
    >>> y.shape, h.shape
    ((7, n, 5), (2, n, 5))
    """
    if data.ndim != 3:
        raise ShapeError(offence("RNN", f"{data.type} is no sequence", "give [time, batch, features]"))
    told = {"state_size": state_size, "num_layers": num_layers, "mode": mode, "bidirectional": bidirectional}
    parts = _unpacked(parameters, data.shape[2], told)
    first = [state] if state_cell is None else [state, state_cell]
    directions = 2 if bidirectional else 1
    x, last = data, list[States]()
    for number in range(num_layers):
        outputs: list[Node] = []
        for direction in range(directions):
            k = number * directions + direction
            states, y = _run(CELLS[mode], x, parts[k], tuple([s[k] for s in first]), reverse=direction == 1)
            outputs.append(y)
            last.append(states)
        x = concat(outputs, 2) if bidirectional else outputs[0]
        if key is not None and number < num_layers - 1:
            x = MODE(dropped(x, random.fold_in(key, number + 2), p, []), x)
    y = x if key is None else UPDATING(x, key, random.fold_in(key, 1))
    return (y, *(stack(each) for each in zip(*last))) if state_outputs else (y,)


def _run(cell: Cell, x: Node, parts: tuple[Node, ...], states: States, reverse: bool) -> tuple[States, Node]:
    """The last states of one direction of one layer, and its outputs; the data's products are taken all at once."""
    of_x, of_h, bias_x, bias_h = parts
    across = of_h.T

    def step(states: States, x: Node) -> tuple[States, Node]:
        new = cell.step(x, dot(states[0], across) + bias_h, states)
        return new, new[0]

    return scan(step, states, dot(x, of_x.T) + bias_x, reverse=reverse)
