"""What the tests of control flow share: checks of a graph's values and derivatives against other ways to have them."""

from collections.abc import Callable
from typing import Any

import numpy as np

import graphc
from graphc import Node, grad, hvp, interpret, jvp, sym
from graphc.check import differences
from graphc.tree import flatten

Build = Callable[..., Node]


def typed(arrays: dict[str, np.ndarray]) -> dict[str, Node]:
    return {name: sym.var(name, shape=x.shape, dtype=x.dtype) for name, x in arrays.items()}


def agree(found: Any, expected: Any, tolerance: float = 1e-11) -> None:
    """Two structures of arrays have the same leaves."""
    (ours, form), (theirs, other) = flatten(found), flatten(expected)
    assert form == other
    for a, b in zip(ours, theirs):
        assert np.shape(a) == np.shape(b)
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def check_values(outputs: Any, **arrays: np.ndarray) -> Any:
    """The compiled values, which are those of the interpreter."""
    inputs = list(graphc.Graph.of(flatten(outputs)[0]).inputs)
    found = graphc.compile(inputs, outputs)(*[arrays[x.name] for x in inputs])
    agree(found, interpret(outputs, arrays))
    return found


def check_derivatives(build: Build, second: bool = True, **arrays: np.ndarray) -> None:
    """Gradients are those of differences; forward mode, second derivatives and compiled code agree with them."""
    rng = np.random.default_rng(7)
    variables = typed(arrays)
    y, wrt = build(**variables), list(variables.values())
    tangents = [rng.normal(size=x.shape) for x in arrays.values()]
    nodes = [sym.asarray(t) for t in tangents]
    gradient = grad(y, wrt)
    found = interpret(gradient, arrays)
    agree(found, differences(lambda: float(interpret(y, arrays)), list(arrays.values())), 1e-6)
    agree(interpret(jvp(y, wrt, nodes), arrays), sum(np.sum(g * t) for g, t in zip(found, tangents)), 1e-9)
    outputs: list[Any] = [y, gradient, jvp(y, wrt, nodes)]
    if second:
        slope = sum(sym.sum(g * t) for g, t in zip(gradient, nodes))
        curved = differences(lambda: float(interpret(slope, arrays)), list(arrays.values()))
        outputs += [hvp(y, wrt, nodes), grad(slope, wrt)]
        agree(interpret(outputs[-2], arrays), curved, 1e-4)
        agree(interpret(outputs[-1], arrays), curved, 1e-4)
    check_values(outputs, **arrays)
