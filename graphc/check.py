"""Numerical derivatives, to check the others by: differences of values of the compiled function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from graphc.autodiff.api import grad
from graphc.errors import BindError, GradientError
from graphc.graph import Graph
from graphc.node import VAR, Node
from graphc.runtime.function import compile
from graphc.tree import Tree, flatten

__all__ = ["check_gradient", "differences"]

Array: TypeAlias = NDArray[Any]


def check_gradient(
    y: Node, wrt: Tree, bindings: Mapping[str, Any], *, step: float | None = None, tolerance: float | None = None
) -> float:
    """The largest relative error of the gradient of a scalar y against differences; `GradientError` if it is too large.

    `bindings` are the variables' values by name. Errors are relative to the larger of 1 and the derivative;
    `tolerance` is 1e-7 for float64 and 1e-2 for float32 if not given.

    >>> from graphc import sym
    >>> x = sym.var('x', shape=(3,))
    >>> check_gradient(sym.sum(x**3), x, {'x': [1.0, 2.0, 3.0]}) < 1e-9
    True
    """
    asked, _ = flatten(wrt)
    if not all(isinstance(x, Node) and x.op is VAR for x in asked):
        raise GradientError("check_gradient: wrt holds variables only, since values are put into them")
    inputs = Graph.of([y, *asked]).inputs
    if missing := [v.name for v in inputs if v.name not in bindings]:
        raise BindError(f"check_gradient: bindings give no value to {', '.join(missing)}")
    program = compile(list(inputs), [y, grad(y, asked)])
    arrays = {v: np.array(bindings[v.name], None if v.type is None else v.dtype) for v in inputs}
    exact = program(*arrays.values())[1]
    points = [arrays[x] for x in asked]
    numeric = differences(lambda: program(*arrays.values())[0], points, step)
    limit = tolerance or (1e-7 if all(point.dtype.itemsize == 8 for point in points) else 1e-2)
    return max((_compared(x, g, d, limit) for x, g, d in zip(asked, exact, numeric)), default=0.0)


def differences(function: Callable[[], Any], points: Sequence[Array], step: float | None = None) -> list[Array]:
    """The gradient of a scalar function of some arrays, which it reads each time: central differences of fourth order.

    Each element x is moved by multiples of `step` times the larger of 1 and |x|, and put back.
    """
    # truncation falls as h**4 and rounding grows as eps/h: they balance at the fifth root of eps
    return [_differences(function, point, step or float(np.finfo(point.dtype).eps) ** 0.2) for point in points]


def _differences(function: Callable[[], Any], point: Array, step: float) -> Array:
    found = np.zeros(point.shape)
    for index in np.ndindex(point.shape):
        x = point[index]
        h = step * max(1.0, abs(float(x)))
        values: list[float] = []
        for multiple in (-2, -1, 1, 2):
            point[index] = x + multiple * h
            values.append(float(function()))
        point[index] = x
        found[index] = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * h)
    return found


def _compared(x: Node, exact: Array, numeric: Array, limit: float) -> float:
    error = np.abs(exact - numeric) / np.maximum(1.0, np.abs(numeric))
    if error.size == 0:
        return 0.0
    worst = np.unravel_index(int(np.nanargmax(np.where(np.isnan(error), np.inf, error))), error.shape)
    if not error[worst] <= limit:
        place = f"[{', '.join(map(str, worst))}]" if worst else ""
        raise GradientError(
            f"check_gradient: d/d{x.name}{place} is {exact[worst]:.9g}, but differences give {numeric[worst]:.9g}; "
            "at a kink or a discontinuity no difference is right, elsewhere the gradient is wrong"
        )
    return float(error[worst])
