"""Products that are no contraction of two axes: of Kronecker, of vectors in space, convolutions, polynomials."""

from __future__ import annotations

from typing import Literal, SupportsIndex

from graphc.errors import ShapeError
from graphc.node import Node
from graphc.ops.declare import offence
from graphc.ops.window import windows
from graphc.sym.axes import as_axis
from graphc.sym.contraction import contracted
from graphc.sym.creation import iota, zeros_like
from graphc.sym.cumulative import diff
from graphc.sym.indexing import getitem
from graphc.sym.movement import flip, moveaxis, pad, ravel, reshaped, stack
from graphc.sym.promote import ArrayLike, as_node, broadcast, promote
from graphc.sym.record import public
from graphc.sym.reduction import sum
from graphc.types import Extent

__all__ = ["kron", "cross", "vdot", "convolve", "correlate", "polyval", "vander", "trapezoid"]

Mode = Literal["full", "same", "valid"]


@public
def kron(a: ArrayLike, b: ArrayLike) -> Node:
    """Every element of a times all of b, these blocks in the places of a's elements.

    >>> from graphc import sym
    >>> kron(sym.var('a', shape=('n', 2)), sym.eye(3)).shape
    (3*n, 6)
    """
    x, y = promote("kron", a, b)
    ndim = max(x.ndim, y.ndim)
    left, right = ((1,) * (ndim - node.ndim) + node.shape for node in (x, y))
    blocks = reshaped(x, tuple(e for n in left for e in (n, 1))) * reshaped(y, tuple(e for n in right for e in (1, n)))
    return reshaped(blocks, tuple(n * m for n, m in zip(left, right)))


@public
def cross(a: ArrayLike, b: ArrayLike, axis: SupportsIndex = -1) -> Node:
    """The vector at right angles to two in space, whose three components lie along an axis; the others broadcast.

    >>> from graphc import sym
    >>> cross(sym.var('a', shape=('n', 3)), [0.0, 0.0, 1.0]).shape
    (n, 3)
    """
    x, y = (moveaxis(node, axis, -1) for node in promote("cross", a, b))
    if x.shape[-1] != 3 or y.shape[-1] != 3:
        raise ShapeError(offence("cross", f"{x.shape[-1]} and {y.shape[-1]} components", "give three of both"))
    x, y = broadcast("cross", x, y)
    (a0, a1, a2), (b0, b1, b2) = ([getitem(node, (..., k)) for k in range(3)] for node in (x, y))
    return moveaxis(stack([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0], -1), -1, axis)


@public
def vdot(a: ArrayLike, b: ArrayLike) -> Node:
    """The sum of all products of elements, both flattened.

    >>> from graphc import sym
    >>> vdot(sym.var('a', shape=('n', 3)), sym.var('b', shape=('n', 3))).shape
    ()
    """
    x, y = promote("vdot", ravel(a), ravel(b))
    return contracted("vdot", x, "k", y, "k", "")


# -- one vector slid along another ------------------------------------------------------------------


@public
def convolve(a: ArrayLike, v: ArrayLike, mode: Mode = "full") -> Node:
    """Sums of products of two vectors whose indices add up to 0, 1, …, as coefficients of polynomials multiply.

    'full' are all sums, 'valid' those where the shorter vector lies within the longer one, 'same' as many as that
    one has elements, from the middle. Where an extent is known only when data is bound, v is taken as the shorter.

    >>> from graphc import sym
    >>> convolve(sym.var('a', shape=('n',)), [1.0, 2.0, 1.0], 'same').shape
    (n,)
    """
    x, y = _vectors("convolve", a, v)
    return _slid("convolve", x, y, mode)


@public
def correlate(a: ArrayLike, v: ArrayLike, mode: Mode = "valid") -> Node:
    """Sums of products of two vectors, v moved along a: `convolve` with v in reverse.

    >>> from graphc import sym
    >>> correlate(sym.var('a', shape=('n',)), [1.0, 2.0, 1.0]).shape
    (n - 2,)
    """
    x, y = _vectors("correlate", a, v)
    return _slid("correlate", x, flip(y), mode)


def _vectors(name: str, a: ArrayLike, v: ArrayLike) -> list[Node]:
    nodes = promote(name, a, v)
    if any(x.ndim != 1 or x.shape[0] == 0 for x in nodes):
        what = f"{nodes[0].type} and {nodes[1].type}"
        raise ShapeError(offence(name, what, "give vectors with elements, or use sym.conv for arrays"))
    return nodes


def _slid(name: str, x: Node, y: Node, mode: Mode) -> Node:
    """All sums of products of x and y, in reverse, at the places of the mode."""
    (n,), (m,) = x.shape, y.shape
    if isinstance(n - m, int) and n - m < 0:  # type: ignore[operator]
        x, y, m = y, x, n
    before: Extent = {"full": m - 1, "same": m // 2, "valid": 0}.get(mode, -1)
    if mode not in ("full", "same", "valid"):
        raise ShapeError(offence(name, f"mode={mode!r} is unknown", "use 'full', 'same' or 'valid'"))
    after: Extent = {"full": m - 1, "same": m - 1 - m // 2, "valid": 0}[mode]
    slid = windows(pad(x, (before, after)), (0,), (m,), (1,), (1,))
    return contracted(name, slid, "pk", flip(y), "k", "p")


# -- sums -------------------------------------------------------------------------------------------


@public
def polyval(p: ArrayLike, x: ArrayLike) -> Node:
    """The polynomial with the coefficients p, that of the highest power first, at x.

    >>> from graphc import sym
    >>> polyval([1, 0, -1], sym.var('x', shape=('n',))).shape
    (n,)
    """
    coefficients, at = promote("polyval", p, x)
    if coefficients.ndim != 1 or not isinstance(coefficients.shape[0], int):
        what = f"the coefficients are {coefficients.type}"
        raise ShapeError(offence("polyval", what, "give a vector of a known extent"))
    found = zeros_like(at)
    for k in range(coefficients.shape[0]):
        found = found * at + getitem(coefficients, k)
    return found


@public
def vander(x: ArrayLike, N: int | None = None, increasing: bool = False) -> Node:
    """For each element of a vector its powers, the highest first: N of them, or as many as there are elements.

    >>> from graphc import sym
    >>> vander(sym.var('x', shape=('n',)), 3).shape
    (n, 3)
    """
    node = as_node("vander", x)
    if node.ndim != 1:
        raise ShapeError(offence("vander", f"{node.type} is no vector", "flatten it"))
    powers = iota(node.shape[0] if N is None else N)
    return getitem(node, (slice(None), None)) ** (powers if increasing else flip(powers))


@public
def trapezoid(y: ArrayLike, x: ArrayLike | None = None, dx: float = 1.0, axis: SupportsIndex = -1) -> Node:
    """The area below a line through points along an axis, at the places x, or `dx` apart.

    >>> from graphc import sym
    >>> trapezoid(sym.var('y', shape=('n', 5)), dx=0.1).shape
    (n,)
    """
    (heights,) = promote("trapezoid", y)
    k = as_axis("trapezoid", axis, heights.typed)
    rows = moveaxis(heights, k, -1)
    width = dx if x is None else _widths(as_node("trapezoid", x), k)
    return sum((getitem(rows, (..., slice(1, None))) + getitem(rows, (..., slice(None, -1)))) / 2 * width, -1)


def _widths(x: Node, axis: int) -> Node:
    """From one place to the next, the axis last."""
    return diff(x if x.ndim == 1 else moveaxis(x, axis, -1))
