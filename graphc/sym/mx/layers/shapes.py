"""What layers have in common about shapes: axes merged, parameters laid along an axis."""

from __future__ import annotations

from graphc.node import Node
from graphc.sym.movement import reshaped
from graphc.types import product


def collapsed(x: Node, first: int) -> Node:
    """x with all axes from the first one on merged to one; of extent 1, if there are none."""
    return reshaped(x, (*x.shape[:first], product(x.shape[first:])))


def along(parameter: Node, x: Node, axis: int) -> Node:
    """A parameter of one axis, laid along an axis of x, with extent 1 along the others."""
    return reshaped(parameter, tuple([parameter.size if k == axis else 1 for k in range(x.ndim)]))
