"""What the tests of `vmap` share: a mapped function against a Python loop over the instances, derivatives and all."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import graphc
from graphc import grad, interpret, jvp, sym, vmap
from graphc.tree import flatten
from tests.control.programs import agree

Axes = Sequence[int | None]


def variables(arrays: Sequence[np.ndarray]) -> list[graphc.Node]:
    return [sym.var(f"x{k}", shape=a.shape, dtype=a.dtype) for k, a in enumerate(arrays)]


def count(arrays: Sequence[np.ndarray], axes: Axes) -> int:
    return next(a.shape[axis] for a, axis in zip(arrays, axes, strict=True) if axis is not None)


def instance(arrays: Sequence[np.ndarray], axes: Axes, i: int) -> list[np.ndarray]:
    return [a if axis is None else a.take(i, axis) for a, axis in zip(arrays, axes, strict=True)]


def looped(function: Callable[..., Any], arrays: Sequence[np.ndarray], axes: Axes) -> list[Any]:
    """The leaves of the function's results, computed for each instance alone and stacked."""
    inputs = variables(instance(arrays, axes, 0))
    outputs, _ = flatten(function(*inputs))
    each = [interpret(outputs, dict(zip(inputs, instance(arrays, axes, i)))) for i in range(count(arrays, axes))]
    return [np.stack(column) for column in zip(*each)]


def check_values(function: Callable[..., Any], *arrays: Any, axes: Axes | None = None) -> list[Any]:
    """The compiled leaves of the mapped function's results, which are those of the loop, interpreted or not."""
    arrays, axes = [np.asarray(a) for a in arrays], axes or [0] * len(arrays)
    inputs = variables(arrays)
    outputs, _ = flatten(vmap(function, tuple(axes))(*inputs))
    found = graphc.compile(inputs, outputs)(*arrays)
    agree(interpret(outputs, dict(zip(inputs, arrays))), found)
    agree(found, looped(function, arrays, axes))
    return found


def check(
    function: Callable[..., Any], *arrays: Any, axes: Axes | None = None, tolerance: float = 1e-9, second: bool = False
) -> None:
    """Values, gradients of `vmap`, `vmap` of gradients and forward mode are the loop's; second derivatives if asked."""
    arrays, axes = [np.asarray(a) for a in arrays], axes or [0] * len(arrays)
    check_values(function, *arrays, axes=axes)
    wrt = [k for k, a in enumerate(arrays) if a.dtype.kind == "f"]

    def gradient(*args: graphc.Node) -> Any:
        return grad(total(function(*args)), [args[k] for k in wrt])

    def curvature(*args: graphc.Node) -> Any:
        return grad(total(gradient(*args)), [args[k] for k in wrt])

    for derivative, of in [(gradient, function), (curvature, gradient)][: 1 + second]:
        each = looped(derivative, arrays, axes)
        summed = [g if axes[k] is not None else g.sum(0) for g, k in zip(each, wrt)]
        inputs = variables(arrays)
        xs = [inputs[k] for k in wrt]
        y = total(vmap(of, tuple(axes))(*inputs))
        ts = [np.random.default_rng(k).normal(size=arrays[k].shape) for k in wrt]
        outputs = [
            [in_front(g, axes[k]) for g, k in zip(grad(y, xs), wrt)],
            vmap(derivative, tuple(axes))(*inputs),
            jvp(y, xs, [sym.asarray(t) for t in ts]),
        ]
        moved = [t if axes[k] is None else np.moveaxis(t, axes[k], 0) for t, k in zip(ts, wrt)]
        slope = sum(np.sum(g * t) for g, t in zip(summed, moved))
        for found in (interpret(outputs, dict(zip(inputs, arrays))), graphc.compile(inputs, outputs)(*arrays)):
            agree(found, [summed, each, slope], tolerance)


def in_front(gradient: graphc.Node, axis: int | None) -> graphc.Node:
    return gradient if axis is None else sym.moveaxis(gradient, axis, 0)


def total(results: Any) -> graphc.Node:
    """A generic function of all float leaves."""
    leaves = [y for y in flatten(results)[0] if y.dtype.kind == "f"]
    return sum((sym.sum(y * (k + 1.5)) for k, y in enumerate(leaves)), sym.asarray(0.0))
