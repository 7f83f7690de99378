"""Linear algebra by NumPy's names, for each matrix of arrays whose last two axes are rows and columns.

All of it has derivatives of any order, in both modes. No matrix is an error when run: what has no inverse gives
infinities or NaNs, and what is not positive definite has NaN for Cholesky's factor.
"""

from __future__ import annotations

from collections.abc import Callable

from graphc.errors import ShapeError
from graphc.node import Node
from graphc.ops.declare import offence
from graphc.ops.linalg import CHOLESKY, DETSIGN, LOGABSDET, SOLVE, TRIANGULAR_SOLVE, identity_like, require_square
from graphc.sym.elementwise import exp
from graphc.sym.promote import ArrayLike, broadcast_node, common_shape, floating, promote
from graphc.sym.record import public

__all__ = ["cholesky", "det", "inv", "slogdet", "solve", "solve_triangular"]


@public
def cholesky(a: ArrayLike) -> Node:
    """The lower triangular L with `L @ L.T = a`, for symmetric positive definite matrices `[…, n, n]`.

    What counts is `(a + a.T) / 2`, and the gradient is symmetric.

    >>> import graphc
    >>> from graphc import sym
    >>> a = sym.var('a', shape=(2, 2))
    >>> graphc.compile(a, sym.linalg.cholesky(a))([[4.0, 2.0], [2.0, 5.0]])
    array([[2., 0.],
           [1., 2.]])
    """
    node = _square("cholesky", a)
    return CHOLESKY(node)


@public
def solve(a: ArrayLike, b: ArrayLike) -> Node:
    """The x with `a @ x = b`, for matrices `[…, n, n]` and right sides `[…, n, k]`, or one vector `[n]`.

    By factors with exchange of rows, which the derivatives use again. Axes before the last two broadcast.

    >>> import graphc
    >>> from graphc import sym
    >>> a, b = sym.var('a', shape=(2, 2)), sym.var('b', shape=(2,))
    >>> graphc.compile([a, b], sym.linalg.solve(a, b))([[0.0, 2.0], [4.0, 0.0]], [2.0, 8.0])
    array([2., 1.])
    """
    return _solved("solve", a, b, lambda x, y: SOLVE(x, y, transposed=False))


@public
def solve_triangular(a: ArrayLike, b: ArrayLike, lower: bool = False) -> Node:
    """The x with `a @ x = b`, where a is upper triangular, or lower; the rest of it is not looked at.

    Shapes are as in `solve`.

    >>> from graphc import sym
    >>> sym.linalg.solve_triangular(sym.var('a', shape=('k', 3, 3)), sym.var('b', shape=(3, 2))).shape
    (k, 3, 2)
    """
    return _solved("solve_triangular", a, b, lambda x, y: TRIANGULAR_SOLVE(x, y, lower=lower))


@public
def inv(a: ArrayLike) -> Node:
    """The inverse of matrices `[…, n, n]`. To multiply by it, `solve` is better and faster.

    >>> import graphc
    >>> from graphc import sym
    >>> a = sym.var('a', shape=(2, 2))
    >>> graphc.compile(a, sym.linalg.inv(a))([[2.0, 0.0], [0.0, 4.0]])
    array([[0.5 , 0.  ],
           [0.  , 0.25]])
    """
    node = _square("inv", a)
    return SOLVE(node, identity_like(node), transposed=False)


@public(outputs=lambda a: (0, 1))
def slogdet(a: ArrayLike) -> tuple[Node, Node]:
    """The sign of the determinant of matrices `[…, n, n]`, and the logarithm of its absolute value.

    >>> from graphc import sym
    >>> sign, logabsdet = sym.linalg.slogdet(sym.var('a', shape=(7, 3, 3)))
    >>> logabsdet.shape
    (7,)
    """
    node = _square("slogdet", a)
    return DETSIGN(node), LOGABSDET(node)


@public
def det(a: ArrayLike) -> Node:
    """The determinant of matrices `[…, n, n]`; where it is 0, its gradient is NaN.

    >>> import graphc
    >>> from graphc import sym
    >>> a = sym.var('a', shape=(2, 2))
    >>> graphc.compile(a, graphc.grad(sym.linalg.det(a), a))([[1.0, 2.0], [3.0, 4.0]]).round(12)
    array([[ 4., -3.],
           [-2.,  1.]])
    """
    sign, logarithm = slogdet(_square("det", a))
    return sign * exp(logarithm)


def _square(name: str, a: ArrayLike) -> Node:
    (node,) = promote(name, a, rule=floating)
    require_square(name, node.typed)
    return node


def _solved(name: str, a: ArrayLike, b: ArrayLike, solve: Callable[[Node, Node], Node]) -> Node:
    """What solves matrices and right sides of one dtype, with the same axes before them; one vector for a vector."""
    x, y = promote(name, a, b, rule=floating)
    require_square(name, x.typed)
    if y.ndim == 0:
        raise ShapeError(offence(name, f"the right side {y.type} is a scalar", "give a vector or a matrix"))
    if y.ndim == 1:
        return _solved(name, x, y[:, None], solve)[..., 0]
    batch = common_shape(name, [each.typed.with_shape(each.shape[:-2]) for each in (x, y)])
    return solve(*(broadcast_node(each, (*batch, *each.shape[-2:])) for each in (x, y)))
