"""Copy: a value in a place of its own; again: one computed anew. Those with different numbers are different nodes."""

from __future__ import annotations

from dataclasses import replace

from graphc.node import Op
from graphc.ops.declare import each

COPY = Op(
    name="copy",
    params=("number",),
    infer=lambda types, params: types[0],
    numpy=lambda x, number: x,
    element=lambda e, x, number: x,
    batch=each,
    kind="elementwise",
)

AGAIN = replace(COPY, name="again")  # just before the product that reads it, and in no kernel that was there before
