"""Learning rates over time: each function here gives a function of a node, the number of steps done so far.

>>> import graphc
>>> from graphc import optim, sym
>>> rate = optim.schedule.warmup(10, optim.schedule.cosine(0.1, steps=100))
>>> step = sym.var('step', shape=())
>>> f = graphc.compile(step, rate(step))
>>> f(0.0), f(9.0), f(60.0), f(1000.0)
(array(0.01), array(0.1), array(0.05), array(0.))
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

from graphc import sym
from graphc.node import Node

Schedule: TypeAlias = Callable[[Node], Any]


def constant(rate: float) -> Schedule:
    """Always the same rate."""
    return lambda step: sym.asarray(rate)


def steps(rate: float, every: int, factor: float = 0.1) -> Schedule:
    """The rate times the factor once more after every so many steps."""
    return lambda step: rate * factor ** sym.floor(step / every)


def exponential(rate: float, factor: float, every: int = 1) -> Schedule:
    """The same without stairs: rate · factor^(step / every)."""
    return lambda step: rate * factor ** (step / every)


def cosine(rate: float, steps: int, final: float = 0.0) -> Schedule:
    """Half a wave from the rate to the final one, which it then keeps.

    Loshchilov and Hutter, SGDR: stochastic gradient descent with warm restarts, 2017, without the restarts.
    """
    return lambda step: final + (rate - final) * (1 + sym.cos(math.pi * _share(step, steps))) / 2


def polynomial(rate: float, steps: int, power: float = 1.0, final: float = 0.0) -> Schedule:
    """From the rate to the final one as (1 - step / steps)^power; with the power 1 along a line."""
    return lambda step: final + (rate - final) * (1 - _share(step, steps)) ** power


def warmup(steps: int, after: Schedule | float) -> Schedule:
    """Up to the start of another schedule, or to a number, in equal steps, the first of them not zero; then that."""

    def rate(step: Node) -> Node:
        then = after(sym.maximum(step - steps, 0.0)) if callable(after) else after
        return sym.minimum((step + 1) / steps, 1.0) * then

    return rate


def _share(step: Node, steps: int) -> Node:
    return sym.minimum(step / steps, 1.0)
