"""Linear algebra as loops and products: what factors a matrix is put in the place of the operator that says so.

A small matrix is factored by one loop over its columns. A larger one, of a known extent, is cut into blocks: those on
its diagonal are factored so, and all else is products of matrices. What several operators need is the same nodes.
(Golub and Van Loan, Matrix Computations, 3.2, 3.4 and 4.2.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from graphc.batching.api import vmap
from graphc.graph import Graph
from graphc.node import Node, Op, constant, make
from graphc.ops.creation import IOTA, index_along
from graphc.ops.gather import SCATTER
from graphc.ops.linalg import CHOLESKY, DETSIGN, LOGABSDET, SOLVE, TRIANGULAR_SOLVE, transposed, triangle
from graphc.ops.movement import fill
from graphc.sym.control import fori_loop
from graphc.sym.creation import zeros
from graphc.sym.diagonals import diagonal
from graphc.sym.elementwise import abs, log, sign, sqrt, where
from graphc.sym.movement import concat, flip, reshaped
from graphc.sym.record import called_from
from graphc.sym.reduction import argmax, prod, sum
from graphc.types import INT64, Extent, product

BLOCK = 64  # the extent up to which one loop factors a matrix
BLOCKS = 8  # about the most that a matrix is cut into

Factors: TypeAlias = "tuple[Node, Node, Node]"


def factor(graph: Graph) -> Graph:
    """The same graph, its operators of linear algebra computed by others."""
    if not any(node.op.kind == "linalg" for node in graph.nodes):
        return graph

    def rule(node: Node, args: tuple[Node, ...]) -> Node:
        if node.op.kind == "linalg":
            return called_from(node.source, _computed, node, args)
        return make(node.op, args, node.params) if args else node

    return graph.rebuild(rule)


def _computed(node: Node, args: tuple[Node, ...]) -> Node:
    """Of several matrices, that of each."""
    compute, (*batch, n, _) = _WAYS[node.op], node.args[0].shape
    if n == 0:
        return fill(int(node.op is DETSIGN), node.typed)
    if not batch:
        return compute(*args, *node.params)
    rows = [reshaped(x, (product(batch), *x.shape[-2:])) for x in args]
    each = vmap(lambda *matrices: compute(*matrices, *node.params))(*rows)
    return reshaped(each, node.shape)


def _blocks(n: Extent) -> Iterator[tuple[int, int]]:
    """Where the blocks of an axis start and end."""
    assert isinstance(n, int)
    step = max(BLOCK, -(-n // BLOCKS))
    return ((start, min(n, start + step)) for start in range(0, n, step))


def _is_small(n: Extent) -> bool:
    return not isinstance(n, int) or n <= BLOCK


def _indices(x: Node) -> tuple[Node, Node]:
    return index_along(x.typed, 0), index_along(x.typed, 1)


def _column(values: Node) -> Node:
    return values[:, None]


# -- Cholesky's factor --------------------------------------------------------------------------------


def _cholesky(a: Node) -> Node:
    rest, columns = 0.5 * (a + transposed(a)), list[Node]()
    if _is_small(a.shape[0]):
        return _small_cholesky(rest)
    for start, end in _blocks(a.shape[0]):
        size = end - start
        corner = _small_cholesky(rest[:size, :size])
        below = transposed(_lower_solved(corner, rest[:size, size:]))
        columns.append(concat([zeros((start, size), a.dtype), corner, below]))
        rest = rest[size:, size:] - below @ transposed(below)
    return concat(columns, axis=1)


def _small_cholesky(a: Node) -> Node:
    i, k = _indices(a)

    def step(j: Node, rest: Node) -> Node:
        column = where(IOTA(extent=a.shape[0], dtype=INT64) >= j, rest[:, j] / sqrt(rest[j, j]), 0)
        left, right = _column(column), column[None]
        return where(k == j, left, where((i > j) & (k > j), rest - left * right, rest))

    return triangle(fori_loop(0, a.shape[0], step, a))


# -- systems of equations -----------------------------------------------------------------------------


def _triangular_solved(a: Node, b: Node, lower: bool) -> Node:
    return _lower_solved(a, b) if lower else _upper_solved(a, b)


def _upper_solved(a: Node, b: Node, unit: bool = False) -> Node:
    """The same from the last row to the first."""
    return flip(_lower_solved(flip(a), flip(b, 0), unit), 0)


def _lower_solved(a: Node, b: Node, unit: bool = False) -> Node:
    """The solutions of a triangular system; with `unit`, the diagonal counts as ones."""
    if _is_small(a.shape[0]):
        return _small_solved(a, b, unit)
    found = b[:0]
    for start, end in _blocks(a.shape[0]):
        right = b[start:end] - a[start:end, :start] @ found if start else b[start:end]
        found = concat([found, _small_solved(a[start:end, start:end], right, unit)])
    return found


def _small_solved(a: Node, b: Node, unit: bool) -> Node:
    i, _ = _indices(b)

    def step(j: Node, x: Node) -> Node:
        row = x[j][None] if unit else x[j][None] / a[j, j]
        return where(i == j, row, where(i > j, x - _column(a[:, j]) * row, x))

    return fori_loop(0, a.shape[0], step, b)


def _solved(a: Node, b: Node, flipped: bool) -> Node:
    lu, order, _ = _lu(a)
    if not flipped:
        return _upper_solved(lu, _lower_solved(lu, b[order], unit=True))
    x = _upper_solved(transposed(lu), _lower_solved(transposed(lu), b), unit=True)
    return SCATTER(x, order, extents=order.shape, reduction="sum")  # back to the order of the rows


# -- factors of any matrix ----------------------------------------------------------------------------


def _lu(a: Node) -> Factors:
    """L below the diagonal and U from it on, of the rows in another order; that order, and the sign it has."""
    if _is_small(a.shape[0]):
        return _small_lu(a)
    done, order, parity = list[Node](), IOTA(extent=a.shape[0], dtype=INT64), None
    rest, left = a, a[:, :0]  # what is still to do, and the columns of L beside it
    for start, end in _blocks(a.shape[0]):
        size = end - start
        panel, moved, turned = _small_lu(rest[:, :size])
        left, right = left[moved], rest[:, size:][moved]
        order = concat([order[:start], order[start:][moved]])
        parity = turned if parity is None else parity * turned
        top = _lower_solved(panel[:size], right[:size], unit=True)
        done.append(concat([left[:size], panel[:size], top], axis=1))
        left = concat([left[size:], panel[size:]], axis=1)
        rest = right[size:] - panel[size:] @ top
    assert parity is not None
    return concat(done), order, parity


def _small_lu(a: Node) -> Factors:
    """The same of a matrix with as many rows as columns, or more."""
    (i, k), rows = _indices(a), IOTA(extent=a.shape[0], dtype=INT64)

    def step(j: Node, state: Factors) -> Factors:
        rest, order, parity = state
        pivot = argmax(where(rows >= j, abs(rest[:, j]), -1))
        moved = where(rows == j, pivot, where(rows == pivot, j, rows))
        rest = rest[moved]
        below = where((rows > j) & (rest[j, j] != 0), rest[:, j] / rest[j, j], 0)
        inner = where(i > j, rest - _column(below) * rest[j][None], rest)
        after = where(k > j, inner, where((k == j) & (i > j), _column(below), rest))
        return after, order[moved], where(pivot == j, parity, -parity)

    return fori_loop(0, a.shape[1], step, (a, rows, constant(1, a.dtype)))


def _logabsdet(a: Node) -> Node:
    return sum(log(abs(diagonal(_lu(a)[0]))))


def _detsign(a: Node) -> Node:
    lu, _, parity = _lu(a)
    return parity * prod(sign(diagonal(lu)))


_WAYS: dict[Op, Callable[..., Node]] = {
    CHOLESKY: _cholesky,
    TRIANGULAR_SOLVE: _triangular_solved,
    SOLVE: _solved,
    LOGABSDET: _logabsdet,
    DETSIGN: _detsign,
}
