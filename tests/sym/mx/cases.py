"""Layers called on arrays, and what NumPy gives of them: values before and after typing, gradients by differences.

All cases together are one program.
"""

from typing import NamedTuple

import numpy as np

from graphc import check_gradient, compile, sym
from graphc.graph import Graph
from graphc.passes.notes import resolve
from graphc.tree import flatten

PLACES = np.array([[0.0, 2.0], [5.0, -3.0]])  # indices, as floats: they have no derivative


def draws(seed):
    """A function that draws numbers of either sign, none so near to 0 that a difference reaches over a kink there."""
    rng = np.random.default_rng(seed)

    def normal(*shape):
        x = rng.normal(size=shape)
        return x + 0.1 * np.sign(x)

    return normal


class Case(NamedTuple):
    """A layer called on arrays, and what NumPy gives of them."""

    layer: str
    attributes: dict
    arrays: tuple
    reference: object
    smooth: bool
    training: bool

    def apply(self, nodes):
        """The results on these nodes."""
        return flatten(getattr(sym.mx, self.layer)(*nodes, **self.attributes))[0]

    def expected(self):
        found = self.reference(*self.arrays)
        return list(found) if isinstance(found, tuple) else [found]


def case(layer, arrays, reference, smooth=True, training=False, **attributes):
    return Case(layer, attributes, tuple(map(np.asarray, arrays)), reference, smooth, training)


def check_values(cases, typed):
    for training in {each.training for each in cases}:
        chosen = [each for each in cases if each.training == training]
        xs = _variables(chosen, typed)
        ys = [y for each, nodes in zip(chosen, xs) for y in each.apply(nodes)]
        program = compile([x for nodes in xs for x in nodes], ys, training=training)
        found = program(*[a for each in chosen for a in each.arrays])
        for y, got, wanted in zip(ys, found, [y for each in chosen for y in each.expected()], strict=True):
            assert got.shape == wanted.shape and got.dtype == wanted.dtype, str(y)
            np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-12, err_msg=str(y))


def check_gradients(cases):
    cases = [each for each in cases if each.smooth]
    xs = _variables(cases, typed=True)
    terms, rng = [], np.random.default_rng(1)
    for each, nodes in zip(cases, xs):
        graph = resolve(Graph(tuple(nodes), tuple(each.apply(nodes))), each.training)
        terms += [sym.sum(y * rng.uniform(0.5, 1.5, y.shape)) for y in graph.outputs]
    data = {x: a for nodes, each in zip(xs, cases) for x, a in zip(nodes, each.arrays)}
    floats = [x for x, a in data.items() if a.dtype.kind == "f" and a is not PLACES]
    check_gradient(sum(terms[1:], terms[0]), floats, {x.name: a for x, a in data.items()}, tolerance=1e-6)


def _variables(cases, typed):
    """For each case a variable for each array."""
    return [
        [sym.var(f"x{k}_{i}", *([a.shape, a.dtype] if typed else [])) for i, a in enumerate(each.arrays)]
        for k, each in enumerate(cases)
    ]
