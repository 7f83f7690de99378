"""Movement: operators that only say where an element comes from. None computes, and lowering copies none.

Each is one index map, and so is the derivative of each, except that of `expand`, which is a sum. They are
declared through `movement`, whose rules are plain functions of the argument's type and the parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np

from graphc.errors import ShapeError
from graphc.node import Node, Op, Params, Sample, constant, make
from graphc.ops.declare import Mask, offence, unmask
from graphc.types import Extent, Shape, Type, product

if TYPE_CHECKING:
    from graphc.ops.lanes import Lanes

Axes: TypeAlias = tuple[int, ...]
Index: TypeAlias = tuple[Extent, ...]
Tangents: TypeAlias = "Sequence[Node | None]"
Read: TypeAlias = Callable[..., Node]
Array: TypeAlias = "np.ndarray[Any, Any]"


def multilinear_jvp(y: Node, tangents: Tangents) -> Node | None:
    """The tangent of what is linear in each argument: the sum over arguments, each replaced by its tangent."""
    terms = [make(y.op, (*y.args[:i], t, *y.args[i + 1 :]), y.params) for i, t in enumerate(tangents) if t is not None]
    return None if not terms else sum(terms[1:], terms[0])


def moved(rule: Callable[[Node], Node], g: Node) -> Node:
    """A rule that moves elements, applied to a cotangent and to its masks alike, so that they stay outside."""
    masks: list[Mask] = []
    mask, inner = unmask(g)
    while mask is not None:
        masks.append(mask._replace(condition=rule(mask.condition)))
        mask, inner = unmask(inner)
    return reduce(lambda inner, mask: mask.apply(inner), reversed(masks), rule(inner))


def behind(axes: Axes) -> Axes:
    """The same axes, one further back: where they are behind lanes."""
    return tuple([axis + 1 for axis in axes])


def movement(
    name: str,
    params: tuple[str, ...],
    *,
    infer: Callable[..., Type],
    source: Callable[..., Index],
    vjp: Callable[..., Node],
    batch: Callable[..., Params],
    numpy: Callable[..., Array],
    samples: tuple[Sample, ...],
) -> Op:
    """An operator whose element at `index` is its argument's element at `source(index, x, *params)`.

    `infer(x, *params)` is its type and `vjp(g, x, *params)` its cotangent, where x is the argument's type;
    `batch(x, *params)` are the parameters for an x with lanes in front.
    """

    def pull(read: Read, y: Node, index: Index) -> Node:
        return read(0, source(index, y.args[0].typed, *y.params))

    return Op(
        name=name,
        params=params,
        infer=lambda types, values: infer(*types, *values),
        vjp=lambda g, y, i: moved(lambda g: vjp(g, y.args[0].typed, *y.params), g),
        jvp=multilinear_jvp,
        pull=pull,
        batch=lambda y, args, lanes: make(y.op, tuple(args), batch(args[0].typed, *y.params)),
        numpy=numpy,
        samples=samples,
    )


# -- expand -----------------------------------------------------------------------------------------


def _expand_type(types: Sequence[Type], params: Params) -> Type:
    (x,), (axes, extents) = types, cast("tuple[Axes, Shape]", params)
    kept, new = iter(x.shape), dict(zip(axes, extents, strict=True))
    return x.with_shape(tuple(new[k] if k in new else next(kept) for k in range(x.ndim + len(axes))))


def _expand_pull(read: Read, y: Node, index: Index) -> Node:
    axes, _ = cast("tuple[Axes, Shape]", y.params)
    return read(0, tuple(i for axis, i in enumerate(index) if axis not in axes))


def _expand_numpy(x: Array, axes: Axes, extents: Axes) -> Array:
    shape = _expand_type([Type(x.dtype, x.shape)], (axes, extents)).shape
    return np.broadcast_to(np.expand_dims(x, axes), shape)  # type: ignore[arg-type]


def _expand_vjp(g: Node, y: Node, i: int) -> Node:
    """The sum along the new axes, masks that are the same all along them kept outside."""
    axes, _ = cast("tuple[Axes, Shape]", y.params)
    mask, inner = unmask(g)
    condition = None if mask is None else _unexpanded(mask.condition, axes)
    if mask is None or condition is None:
        return g.sum(axis=axes)
    return mask._replace(condition=condition).apply(_expand_vjp(inner, y, i))


def _unexpanded(x: Node, axes: Axes) -> Node | None:
    """x without these axes, if it is an expansion along them."""
    if x.op is not EXPAND or not set(axes) <= set(cast("Axes", x.params[0])):
        return None
    new, extents = cast("tuple[Axes, Shape]", x.params)
    rest = {axis - sum(dropped < axis for dropped in axes): n for axis, n in zip(new, extents) if axis not in axes}
    return EXPAND(x.args[0], axes=tuple(rest), extents=tuple(rest.values())) if rest else x.args[0]


def _expand_batch(y: Node, args: Sequence[Node], lanes: Lanes) -> Node:
    axes, extents = cast("tuple[Axes, Shape]", y.params)
    return EXPAND(*args, axes=behind(axes), extents=extents)


EXPAND = Op(
    name="expand",
    params=("axes", "extents"),  # new axes, by their places in the result
    infer=_expand_type,
    pull=_expand_pull,
    vjp=_expand_vjp,
    jvp=multilinear_jvp,
    batch=_expand_batch,
    numpy=_expand_numpy,
    samples=(
        Sample(((3,),), {"axes": (0,), "extents": (2,)}),
        Sample(((2, 3),), {"axes": (1, 3), "extents": (4, 1)}),
        Sample(((),), {"axes": (0, 1), "extents": (3, 2)}),
        Sample(((3,),), {"axes": (1,), "extents": (0,)}),
    ),
)


def spread(value: Node, x: Type, axes: Axes) -> Node:
    """A value without some of the axes of x, the same all along these."""
    return EXPAND(value, axes=axes, extents=tuple(x.shape[axis] for axis in axes)) if axes else value


def fill(value: object, type: Type) -> Node:
    """A node whose elements are all the same: a scalar constant, expanded."""
    return spread(constant(value, type.dtype), type, tuple(range(type.ndim)))


# -- transpose and flip -----------------------------------------------------------------------------


def inverse(axes: Axes) -> Axes:
    """The permutation that undoes one."""
    return tuple(sorted(range(len(axes)), key=axes.__getitem__))


def _transpose_type(x: Type, axes: Axes) -> Type:
    if sorted(axes) != list(range(x.ndim)):
        raise ShapeError(offence("transpose", f"{axes} does not order the axes of {x}", "name each axis once"))
    return x.with_shape(tuple(x.shape[axis] for axis in axes))


def _transpose_source(index: Index, x: Type, axes: Axes) -> Index:
    return tuple(index[place] for place in inverse(axes))


def _transpose_vjp(g: Node, x: Type, axes: Axes) -> Node:
    return TRANSPOSE(g, axes=inverse(axes))


TRANSPOSE = movement(
    "transpose",
    ("axes",),  # axis k of the result is axis axes[k] of the argument
    infer=_transpose_type,
    source=_transpose_source,
    vjp=_transpose_vjp,
    batch=lambda x, axes: ((0, *behind(axes)),),
    numpy=np.transpose,
    samples=(
        Sample(((2, 3),), {"axes": (1, 0)}),
        Sample(((2, 3, 5),), {"axes": (2, 0, 1)}),
        Sample(((2, 0, 1),), {"axes": (1, 2, 0)}),
    ),
)


def permuted(x: Node, axes: Axes) -> Node:
    """The node of a transpose: none where the order stays."""
    return x if axes == tuple(range(x.ndim)) else TRANSPOSE(x, axes=axes)


def _flip_type(x: Type, axes: Axes) -> Type:
    return x


def _flip_source(index: Index, x: Type, axes: Axes) -> Index:
    return tuple(n - 1 - i if axis in axes else i for axis, (i, n) in enumerate(zip(index, x.shape)))


def _flip_vjp(g: Node, x: Type, axes: Axes) -> Node:
    return FLIP(g, axes=axes)


FLIP = movement(
    "flip",
    ("axes",),
    infer=_flip_type,
    source=_flip_source,
    vjp=_flip_vjp,
    batch=lambda x, axes: (behind(axes),),
    numpy=np.flip,
    samples=(Sample(((5,),), {"axes": (0,)}), Sample(((2, 3, 4),), {"axes": (0, 2)})),
)


# -- reshape ----------------------------------------------------------------------------------------


def _reshape_type(x: Type, shape: Shape) -> Type:
    if x.size != product(shape):
        what = f"{x} has {x.size} elements and ({', '.join(map(str, shape))}) has {product(shape)}"
        raise ShapeError(offence("reshape", what, "give a shape of equal size, or -1 for one extent"))
    return x.with_shape(shape)


def reshape_groups(old: Shape, new: Shape) -> Iterator[tuple[range, range]]:
    """The smallest runs of axes that a reshape maps onto each other.

    >>> [(list(a), list(b)) for a, b in reshape_groups((2, 3, 5), (6, 5))]
    [([0, 1], [0]), ([2], [1])]
    """
    # the first place where each product of leading extents stands
    i, j = ({product(shape[:k]): k for k in reversed(range(len(shape) + 1))} for shape in (old, new))
    cuts = sorted([(i[size], j[size]) for size in i.keys() & j.keys()])
    if (len(old), len(new)) not in cuts:  # only ones follow the last cut
        cuts.append((len(old), len(new)))
    for starts, stops in pairwise(cuts):
        yield range(starts[0], stops[0]), range(starts[1], stops[1])


def _reshape_source(index: Index, x: Type, shape: Shape) -> Index:
    """Row-major: number the elements of each group by its new axes, then split the number along its old ones."""
    found: list[Extent] = [0] * x.ndim
    if x.size == 0:
        return tuple(found)
    for old, new in reshape_groups(x.shape, shape):
        number: Extent = 0
        for axis in new:
            number = number * shape[axis] + (0 if shape[axis] == 1 else index[axis])
        for axis in reversed([axis for axis in old if x.shape[axis] != 1]):
            rest = number // x.shape[axis] if any(x.shape[k] != 1 for k in range(old.start, axis)) else 0
            found[axis], number = number - rest * x.shape[axis], rest
    return tuple(found)


def view_base(node: Node) -> Node:
    """What a chain of reshapes is a view of."""
    while node.op is RESHAPE:
        (node,) = node.args
    return node


def _reshape_vjp(g: Node, x: Type, shape: Shape) -> Node:
    return RESHAPE(g, shape=x.shape)


RESHAPE = movement(
    "reshape",
    ("shape",),
    infer=_reshape_type,
    source=_reshape_source,
    vjp=_reshape_vjp,
    batch=lambda x, shape: ((x.shape[0], *shape),),
    numpy=np.reshape,
    samples=(
        Sample(((6,),), {"shape": (2, 3)}),
        Sample(((2, 3, 5),), {"shape": (6, 5)}),
        Sample(((2, 3, 4),), {"shape": (4, 6)}),
        Sample(((1, 3, 1),), {"shape": (3,)}),
        Sample(((),), {"shape": (1, 1)}),
        Sample(((0, 3),), {"shape": (3, 0, 2)}),
    ),
)
