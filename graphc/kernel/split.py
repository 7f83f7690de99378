"""Split: a lane whose indices are divided by a number is cut into as many phases, in each of which they are linear.

The gradient of pooling in steps of two reads `g[(i - k) // 2]`. With `2 a + r` for i, and r written out, that is
`g[a + (r - k) // 2]`: vectors along a.
"""

from __future__ import annotations

from collections.abc import Iterator

from graphc.kernel.collapse import substitute_indices
from graphc.kernel.kernel import Axis, Kernel, Statement, indices_of
from graphc.kernel.unroll import LONG, SHORT, STATEMENTS
from graphc.ops.scalar import FOLD
from graphc.types import Dim, Extent, Quotient, substitute


def split(kernel: Kernel) -> Kernel:
    """The kernel with its lane as two axes, the shorter one inside, if that is written out and makes indices linear.

    What is left at the end of a lane that does not divide evenly is computed once a row.
    """
    lane, parts = kernel.lane, _parts(kernel)
    if lane is None or not isinstance(lane.extent, int) or parts == 1:
        return kernel
    inner, whole = f"@{len(kernel.axes)}", lane.extent // parts
    axes = (*kernel.axes[:-1], Axis(lane.name, whole), Axis(inner, parts))
    places = [Dim.symbol(lane.name) * parts + Dim.symbol(inner), *range(whole * parts, lane.extent)]
    return Kernel(axes, tuple([statement for place in places for statement in _at(kernel, lane.name, place)]))


def _at(kernel: Kernel, axis: str, place: Extent) -> tuple[Statement, ...]:
    """The statements at one place along an axis."""
    return substitute_indices(kernel, lambda index: substitute(index, {axis: place})).statements


def _parts(kernel: Kernel) -> int:
    """How many phases to cut the lane into: the one number that divides indices, if there is not too much of it all."""
    lane = kernel.lane
    if lane is None or any(s.reduction for s in kernel.statements) or any(n.op is FOLD for n in kernel.values):
        return 1
    divisors = {d for node in kernel.values for index in indices_of(node) for d in _divisors(index, lane.name)}
    parts = divisors.pop() if len(divisors) == 1 else 1
    if not 1 <= parts <= SHORT or not isinstance(lane.extent, int) or lane.extent < LONG * parts:
        return 1
    return parts if len(kernel.statements) * (parts + lane.extent % parts) <= STATEMENTS else 1


def _divisors(index: Extent, axis: str) -> Iterator[int]:
    """The numbers by which something that depends on an axis is divided."""
    atoms = [atom for monomial, _ in index.terms for atom in monomial] if isinstance(index, Dim) else []
    for atom in atoms:
        if isinstance(atom, Quotient) and axis in atom.symbols():
            yield atom.divisor if isinstance(atom.divisor, int) else 0
            yield from _divisors(atom.dividend, axis)
