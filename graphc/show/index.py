"""Positions in memory read as indices again: `1000*i + j` of a [4096, 1000] is `i, j`."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from graphc.types import Dim, Extent, Quotient, Shape, product

LARGE = 10_007  # what stands for a named dimension where only sizes matter


def indices(position: Extent, shape: Shape, extents: Mapping[str, Extent], guarded: bool = False) -> tuple[Extent, ...]:
    """One index an axis, given how far each loop axis runs; the position alone where indices would leave their axes.

    What is guarded may leave them.
    """
    found: list[Extent] = []
    rest = position
    for axis in range(len(shape)):
        index, rest = _split(rest, product(shape[axis + 1 :]), extents)
        found.append(index)
    fits = guarded or all(_fits(index, extent, extents) for index, extent in zip(found, shape, strict=True))
    return tuple(found) if fits and rest == 0 else (position,)


def _split(position: Extent, stride: Extent, extents: Mapping[str, Extent]) -> tuple[Extent, Extent]:
    """How many strides a position goes, and what is left; a constant goes where the middle of the range lies."""
    if stride == 1 or stride == 0:
        return position, 0
    whole: Extent = 0
    terms = position.terms if isinstance(position, Dim) else ()
    for monomial, coefficient in terms:
        if monomial:
            whole = whole + _quotient(Dim({monomial: coefficient}), stride)
    rest = position - whole * stride
    if isinstance(stride, int):
        low, high = interval(rest, extents)
        steps = (low + high) // 2 // stride
        whole, rest = whole + steps, rest - steps * stride
    return whole, rest


def _quotient(term: Dim, stride: Extent) -> Extent:
    """The part of a term that counts whole strides."""
    ((monomial, coefficient),) = term.terms
    if isinstance(stride, int):
        steps = abs(coefficient) // stride * (1 if coefficient > 0 else -1)
        return Dim({monomial: steps}) if steps else 0
    whole = term // stride
    return whole if whole * stride == term else 0


def _fits(index: Extent, extent: Extent, extents: Mapping[str, Extent]) -> bool:
    """Whether an index runs no further than its axis."""
    low, high = interval(index, extents)
    return high - low < max(1, interval(extent, {})[1])


def interval(extent: Extent, extents: Mapping[str, Extent]) -> tuple[int, int]:
    """The least and the greatest value while the loop axes run; other names stand for large numbers."""
    if not isinstance(extent, Dim):
        return extent, extent
    low = high = 0
    for monomial, coefficient in extent.terms:
        ends = [_atom_interval(atom, extents) for atom in monomial]
        corners = [coefficient * prod(end[0] for end in ends), coefficient * prod(end[1] for end in ends)]
        low, high = low + min(corners), high + max(corners)
    return low, high


def _atom_interval(atom: str | Quotient, extents: Mapping[str, Extent]) -> tuple[int, int]:
    if isinstance(atom, Quotient):
        (low, high), (least, most) = interval(atom.dividend, extents), interval(atom.divisor, extents)
        return low // max(1, least), high // max(1, most)
    if atom in extents:
        return 0, max(0, interval(extents[atom], {})[1] - 1)
    return LARGE, LARGE
