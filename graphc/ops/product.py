"""A contraction as a product of matrices: their sizes, how they lie, and whether generated code takes them as they lie.

A library packs its operands before it multiplies, which pays for large ones. Where the right operand fits into a near
cache, it pays more to read both where they are.
"""

from __future__ import annotations

from typing import NamedTuple

from graphc.node import Node
from graphc.ops.contraction import one_product, pairing
from graphc.types import Extent, product

TERMS = 256  # of one element of the result, summed up in registers before it is stored
NEAR = 1 << 19  # bytes of the right operand, for so many terms, that a near cache holds


class Lying(NamedTuple):
    """How a matrix lies: row by row, or flipped, column by column; and the elements from one of them to the next."""

    flipped: bool
    lead: Extent


class Product(NamedTuple):
    """An m by n matrix of sums of k terms; a contraction has one for each index of its batch axes."""

    m: Extent
    n: Extent
    k: Extent
    left: Lying
    right: Lying

    @staticmethod
    def of(node: Node) -> Product:
        """That of a contraction whose operands lie as matrices, or one of those that it sums up."""
        (a, b), pairs, one = node.args, pairing(node), one_product(node)
        free_a, free_b = pairs.free_a(a.ndim), pairs.free_b(b.ndim)
        m, n, k = (product(x.shape[i] for i in axes) for x, axes in ((a, free_a), (b, free_b), (a, one.axes_a)))
        return Product(m, n, k, _lying(a, free_a, one.axes_a), _lying(b, one.axes_b, free_b))


def _lying(x: Node, rows: tuple[int, ...], columns: tuple[int, ...]) -> Lying:
    flipped = not columns or columns[-1] != x.ndim - 1
    outer, inner = (columns, rows) if flipped else (rows, columns)
    return Lying(flipped, product(x.shape[outer[-1] + 1 :] if outer else (x.shape[axis] for axis in inner)))


def is_generated(node: Node) -> bool:
    """Whether a contraction of floats that lie as matrices is code of its own, rather than the call of a library."""
    _, n, k, left, right = Product.of(node)
    if right.flipped or not all(isinstance(extent, int) for extent in (n, left.lead, right.lead)):
        return False
    terms = min(k, TERMS) if isinstance(k, int) else TERMS
    return terms * n * node.dtype.itemsize <= NEAR  # type: ignore[operator]
