"""Copy: a value in a place of its own. Copies with different numbers are different nodes."""

from __future__ import annotations

from graphc.node import Op

COPY = Op(
    name="copy",
    params=("number",),
    infer=lambda types, params: types[0],
    numpy=lambda x, number: x,
    element=lambda e, x, number: x,
    kind="elementwise",
)
