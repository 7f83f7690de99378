"""Linear algebra: factors of square matrices, and systems of equations.

Each is declared by its value and its derivatives; the pass `factor` puts the loops and products that compute it in its
place. Matrices lie along the last two axes, and there may be any axes before them, the same for all arguments.
(Giles, An extended collection of matrix derivative results, 2008; of Cholesky's: Murray, arXiv:1602.07527.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from graphc.errors import DTypeError, ShapeError
from graphc.node import Node, Op, Params
from graphc.ops.creation import index_along
from graphc.ops.declare import each, offence
from graphc.ops.logic import WHERE
from graphc.ops.movement import Array, Tangents, fill, permuted, spread
from graphc.ops.reduction import SUM
from graphc.types import Type

TypeRule: TypeAlias = Callable[[Sequence[Type], Params], Type]


def _operator(
    name: str,
    infer: TypeRule,
    numpy: Callable[..., Any],
    params: tuple[str, ...] = (),
    vjp: Callable[[Node, Node, int], Node] | None = None,
    jvp: Callable[[Node, Tangents], Node | None] | None = None,
) -> Op:
    return Op(name=name, infer=infer, numpy=numpy, params=params, vjp=vjp, jvp=jvp, batch=each, kind="linalg")


def require_square(name: str, a: Type) -> None:
    """Raise an error unless a is of square matrices of floats."""
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise ShapeError(offence(name, f"{a} is not of square matrices", "give the last two axes one extent"))
    if a.dtype.kind != "f":
        raise DTypeError(offence(name, f"{a} is not of floats", "cast it"))


def _square_type(name: str) -> TypeRule:
    """The type of a factor, which is as large as its matrix."""

    def infer(types: Sequence[Type], params: Params) -> Type:
        require_square(name, types[0])
        return types[0]

    return infer


def _number_type(name: str) -> TypeRule:
    """The type of one number for each matrix."""

    def infer(types: Sequence[Type], params: Params) -> Type:
        require_square(name, types[0])
        return types[0].with_shape(types[0].shape[:-2])

    return infer


def _solution_type(name: str) -> TypeRule:
    def infer(types: Sequence[Type], params: Params) -> Type:
        a, b = types
        require_square(name, a)
        if b.dtype != a.dtype or b.ndim != a.ndim or b.shape[:-1] != a.shape[:-1]:
            what = f"the right sides {b} do not fit {a}"
            raise ShapeError(offence(name, what, f"give as many rows, and the same dtype, as sym.linalg.{name} does"))
        return b

    return infer


def transposed(x: Node) -> Node:
    """Each matrix with rows and columns exchanged."""
    *batch, rows, columns = range(x.ndim)
    return permuted(x, (*batch, columns, rows))


def triangle(x: Node, lower: bool = True, k: int = 0) -> Node:
    """Each matrix with zeros above its k-th diagonal, or below."""
    matrix = x.typed.with_shape(x.shape[-2:])
    row, column = index_along(matrix, 0), index_along(matrix, 1)
    kept = column <= row + k if lower else column >= row + k
    return WHERE(spread(kept, x.typed, tuple(range(x.ndim - 2))), x, fill(0, x.typed))


def identity_like(a: Node) -> Node:
    """The identity matrix in the place of each matrix."""
    i, j = (index_along(a.typed, axis) for axis in (a.ndim - 2, a.ndim - 1))
    return WHERE(i == j, fill(1, a.typed), fill(0, a.typed))


# -- Cholesky's factor --------------------------------------------------------------------------------


def _halved(x: Node) -> Node:
    """The lower triangle, its diagonal halved: the triangle t of a symmetric x = t + t.T."""
    return triangle(x) - 0.5 * (x * identity_like(x))


def _between(left: Node, x: Node, right: Node, lower: bool) -> Node:
    """`inverse(left) x inverse(right).T` of triangular matrices."""
    half = TRIANGULAR_SOLVE(left, x, lower=lower)
    return transposed(TRIANGULAR_SOLVE(right, transposed(half), lower=lower))


def _symmetric(x: Node) -> Node:
    return 0.5 * (x + transposed(x))


def _cholesky_vjp(g: Node, y: Node, i: int) -> Node:
    upper = transposed(y)
    return _symmetric(_between(upper, _halved(upper @ g), upper, lower=False))


def _cholesky_jvp(y: Node, tangents: Tangents) -> Node | None:
    (t,) = tangents
    return None if t is None else y @ _halved(_between(y, _symmetric(t), y, lower=True))


def _cholesky_numpy(a: Array) -> Array:
    """NaN for a matrix that is not positive definite."""
    found = np.full_like(a, np.nan)
    for place in np.ndindex(a.shape[:-2]):
        try:
            found[place] = np.linalg.cholesky(0.5 * (a[place] + a[place].T))
        except np.linalg.LinAlgError:
            found[place] = np.tril(found[place])
    return found


CHOLESKY = _operator(  # of 0.5 (a + a.T)
    "cholesky", _square_type("cholesky"), _cholesky_numpy, vjp=_cholesky_vjp, jvp=_cholesky_jvp
)


# -- systems of equations -----------------------------------------------------------------------------


def _solved(a: Array, b: Array) -> Array:
    """A solution for each matrix; of a singular one, NaN."""
    found = np.full_like(b, np.nan)
    for place in np.ndindex(a.shape[:-2]):
        try:
            found[place] = np.linalg.solve(a[place], b[place])
        except np.linalg.LinAlgError:
            continue
    return found


def _triangular_vjp(g: Node, y: Node, i: int) -> Node:
    a, lower = y.args[0], bool(y.params[0])
    of_b = TRIANGULAR_SOLVE(transposed(a), g, lower=not lower)
    return of_b if i == 1 else -triangle(of_b @ transposed(y), lower)


def _triangular_jvp(y: Node, tangents: Tangents) -> Node | None:
    a, lower = y.args[0], bool(y.params[0])
    right = _right_side(y, tangents, lambda t: triangle(t, lower))
    return None if right is None else TRIANGULAR_SOLVE(a, right, lower=lower)


def _right_side(y: Node, tangents: Tangents, matrix: Callable[[Node], Node]) -> Node | None:
    """What the tangent of a solution y solves: that of b, less that of the matrix times y."""
    of_a, of_b = tangents
    moved = None if of_a is None else matrix(of_a) @ y
    return of_b if moved is None else -moved if of_b is None else of_b - moved


TRIANGULAR_SOLVE = _operator(
    "triangular_solve",
    _solution_type("solve_triangular"),
    lambda a, b, lower: _solved(np.tril(a) if lower else np.triu(a), b),
    params=("lower",),  # whether the triangle that is looked at is the lower one
    vjp=_triangular_vjp,
    jvp=_triangular_jvp,
)


def _matrix(a: Node, flipped: bool) -> Node:
    return transposed(a) if flipped else a


def _solve_vjp(g: Node, y: Node, i: int) -> Node:
    a, flipped = y.args[0], bool(y.params[0])
    of_b = SOLVE(a, g, transposed=not flipped)
    return of_b if i == 1 else -_matrix(of_b @ transposed(y), flipped)


def _solve_jvp(y: Node, tangents: Tangents) -> Node | None:
    a, flipped = y.args[0], bool(y.params[0])
    right = _right_side(y, tangents, lambda t: _matrix(t, flipped))
    return None if right is None else SOLVE(a, right, transposed=flipped)


SOLVE = _operator(
    "solve",
    _solution_type("solve"),
    lambda a, b, transposed: _solved(np.swapaxes(a, -1, -2) if transposed else a, b),
    params=("transposed",),  # whether the system's matrix is the transpose of the argument
    vjp=_solve_vjp,
    jvp=_solve_jvp,
)


# -- determinants -------------------------------------------------------------------------------------


def _logabsdet_vjp(g: Node, y: Node, i: int) -> Node:
    (a,) = y.args
    return spread(g, a.typed, (a.ndim - 2, a.ndim - 1)) * SOLVE(a, identity_like(a), transposed=True)


def _logabsdet_jvp(y: Node, tangents: Tangents) -> Node | None:
    (a,), (t,) = y.args, tangents
    if t is None:
        return None
    return SUM(SOLVE(a, t, transposed=False) * identity_like(a), axes=(a.ndim - 2, a.ndim - 1))


LOGABSDET = _operator(
    "logabsdet",
    _number_type("slogdet"),
    lambda a: np.linalg.slogdet(a)[1],
    vjp=_logabsdet_vjp,
    jvp=_logabsdet_jvp,
)
DETSIGN = _operator("detsign", _number_type("slogdet"), lambda a: np.linalg.slogdet(a)[0])
