"""L-BFGS: Newton's direction from the last few steps, by the two-loop recursion, written out as a graph."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate, pairwise
from typing import cast

import numpy as np

from graphc import sym
from graphc.node import Node
from graphc.optim.optimiser import Optimiser, Rate, Slots, gradient_leaves, like, rate_at
from graphc.tree import Tree, flatten, unflatten


def lbfgs(learning_rate: Rate = 1.0, history: int = 10, clip: Callable[[Tree], Tree] | None = None) -> Optimiser:
    """w - ηHg, where H is made from the last `history` pairs of s = Δw and y = Δg.

    Nocedal, Updating quasi-Newton matrices with limited storage, 1980. There is no line search: gradients are of the
    whole loss, and η is small enough. A pair without curvature, s·y <= 0, is left out. With no pair H is the identity,
    and the step no longer than η. All parameters together are one vector, of the first one's dtype.
    """

    def start(params: Tree) -> Slots:
        ws, _ = flatten(params)
        size, dtype = sum(w.size for w in ws), ws[0].dtype
        vectors = {name: np.zeros(size, dtype) for name in ("position", "gradient")}
        return {"step": np.int64(0), **vectors, **{name: np.zeros((history, size), dtype) for name in "sy"}}

    def update(params: Tree, grads: Tree, slots: Slots) -> tuple[Tree, Slots]:
        ws, form = flatten(params)
        gs = gradient_leaves(params, clip(grads) if clip else grads)
        x, g = _vector(ws, ws[0]), _vector(gs, ws[0])
        s, y = x - slots["position"], g - slots["gradient"]
        good = sym.logical_and(slots["step"] > 0, sym.dot(s, y) > 0)
        s, y = (sym.where(good, _pushed(slots[name], row), slots[name]) for name, row in (("s", s), ("y", y)))
        rate = like(rate_at(learning_rate, sym.astype(slots["step"], "float64")), x)
        new = x - rate * direction(g, s, y, history)
        return unflatten(form, _cut(new, ws)), {"step": slots["step"] + 1, "position": x, "gradient": g, "s": s, "y": y}

    return Optimiser(start, update)


def direction(g: Node, s: Node, y: Node, history: int) -> Node:
    """Hg by the two loops: over the pairs from the newest, the last row, to the oldest, and back.

    Rows that are still zero have no part in it: their weight ρ = 1 / s·y is taken as 0.
    """
    pairs = [(s[k], y[k], _inverse(sym.dot(s[k], y[k]))) for k in range(history)]
    q, alphas = g, list[Node]()
    for s_k, y_k, rho in reversed(pairs):
        alphas.append(rho * sym.dot(s_k, q))
        q = q - alphas[-1] * y_k
    newest_s, newest_y, rho = pairs[-1]
    gamma = sym.dot(newest_s, newest_y) * _inverse(sym.dot(newest_y, newest_y))
    r = sym.where(rho > 0, gamma, 1 / sym.maximum(sym.sqrt(sym.dot(g, g)), 1.0)) * q
    for (s_k, y_k, rho), alpha in zip(pairs, reversed(alphas)):
        r = r + (alpha - rho * sym.dot(y_k, r)) * s_k
    return r


def _inverse(x: Node) -> Node:
    """1 / x, and 0 for 0."""
    return sym.where(x > 0, 1 / sym.where(x > 0, x, 1.0), 0.0)


def _pushed(rows: Node, row: Node) -> Node:
    """The rows with this one as the newest, and without the oldest."""
    return sym.concat([rows[1:], sym.expand_dims(row, 0)], axis=0)


def _vector(arrays: list[Node], first: Node) -> Node:
    return sym.concat([like(sym.ravel(array), first) for array in arrays], axis=0)


def _cut(vector: Node, ws: list[Node]) -> list[Node]:
    """The vector as arrays of the parameters' types."""
    ends = accumulate((cast("int", w.size) for w in ws), initial=0)
    parts = [vector[start:end] for start, end in pairwise(ends)]
    return [like(sym.reshape(part, w.shape), w) for part, w in zip(parts, ws)]
