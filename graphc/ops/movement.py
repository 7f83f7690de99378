"""Movement: operators that only say where an element comes from. None computes, and lowering copies none.

Each is one index map, and the derivative of each is another of them (of `expand`, a sum). They are declared
through `_movement`, whose rules are plain functions of the argument's type and the parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any, TypeAlias, cast

import numpy as np

from graphc.errors import DTypeError, ShapeError
from graphc.node import Node, Op, Params, Sample, constant, make
from graphc.ops.declare import offence
from graphc.ops.logic import WHERE
from graphc.ops.scalar import Guard, Guards, inside
from graphc.types import Extent, Shape, Type, product

Axes: TypeAlias = tuple[int, ...]
Index: TypeAlias = tuple[Extent, ...]
Padding: TypeAlias = tuple[Index, Index, Axes, float]
Tangents: TypeAlias = "Sequence[Node | None]"
Read: TypeAlias = Callable[..., Node]
Array: TypeAlias = "np.ndarray[Any, Any]"


def multilinear_jvp(y: Node, tangents: Tangents) -> Node | None:
    """The tangent of what is linear in each argument: the sum over arguments, each replaced by its tangent."""
    terms = [make(y.op, (*y.args[:i], t, *y.args[i + 1 :]), y.params) for i, t in enumerate(tangents) if t is not None]
    return None if not terms else sum(terms[1:], terms[0])


def _movement(
    name: str,
    params: tuple[str, ...],
    *,
    infer: Callable[..., Type],
    source: Callable[..., Index],
    vjp: Callable[..., Node],
    numpy: Callable[..., Array],
    samples: tuple[Sample, ...],
) -> Op:
    """An operator whose element at `index` is its argument's element at `source(index, x, *params)`.

    `infer(x, *params)` is its type and `vjp(g, x, *params)` its cotangent, where x is the argument's type.
    """

    def pull(read: Read, y: Node, index: Index) -> Node:
        return read(0, source(index, y.args[0].typed, *y.params))

    return Op(
        name=name,
        params=params,
        infer=lambda types, values: infer(*types, *values),
        vjp=lambda g, y, i: vjp(g, y.args[0].typed, *y.params),
        jvp=multilinear_jvp,
        pull=pull,
        numpy=numpy,
        samples=samples,
    )


# -- expand ---------------------------------------------------------------------------------------


def _expand_type(x: Type, axes: Axes, extents: Shape) -> Type:
    kept, new = iter(x.shape), dict(zip(axes, extents, strict=True))
    return x.with_shape(tuple(new[k] if k in new else next(kept) for k in range(x.ndim + len(axes))))


def _expand_source(index: Index, x: Type, axes: Axes, extents: Shape) -> Index:
    return tuple(i for axis, i in enumerate(index) if axis not in axes)


def _expand_vjp(g: Node, x: Type, axes: Axes, extents: Shape) -> Node:
    return g.sum(axis=axes)


def _expand_numpy(x: Array, axes: Axes, extents: tuple[int, ...]) -> Array:
    return np.broadcast_to(np.expand_dims(x, axes), _expand_type(Type(x.dtype, x.shape), axes, extents).shape)  # type: ignore[arg-type]


EXPAND = _movement(
    "expand",
    ("axes", "extents"),  # new axes, by their places in the result
    infer=_expand_type,
    source=_expand_source,
    vjp=_expand_vjp,
    numpy=_expand_numpy,
    samples=(
        Sample(((3,),), {"axes": (0,), "extents": (2,)}),
        Sample(((2, 3),), {"axes": (1, 3), "extents": (4, 1)}),
        Sample(((),), {"axes": (0, 1), "extents": (3, 2)}),
        Sample(((3,),), {"axes": (1,), "extents": (0,)}),
    ),
)


def fill(value: object, type: Type) -> Node:
    """A node whose elements are all the same: a scalar constant, expanded."""
    scalar = constant(value, type.dtype)
    return EXPAND(scalar, axes=tuple(range(type.ndim)), extents=type.shape) if type.shape else scalar


# -- transpose and flip ---------------------------------------------------------------------------


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


TRANSPOSE = _movement(
    "transpose",
    ("axes",),  # axis k of the result is axis axes[k] of the argument
    infer=_transpose_type,
    source=_transpose_source,
    vjp=_transpose_vjp,
    numpy=np.transpose,
    samples=(
        Sample(((2, 3),), {"axes": (1, 0)}),
        Sample(((2, 3, 5),), {"axes": (2, 0, 1)}),
        Sample(((2, 0, 1),), {"axes": (1, 2, 0)}),
    ),
)


def _flip_type(x: Type, axes: Axes) -> Type:
    return x


def _flip_source(index: Index, x: Type, axes: Axes) -> Index:
    return tuple(n - 1 - i if axis in axes else i for axis, (i, n) in enumerate(zip(index, x.shape)))


def _flip_vjp(g: Node, x: Type, axes: Axes) -> Node:
    return FLIP(g, axes=axes)


FLIP = _movement(
    "flip",
    ("axes",),
    infer=_flip_type,
    source=_flip_source,
    vjp=_flip_vjp,
    numpy=np.flip,
    samples=(Sample(((5,),), {"axes": (0,)}), Sample(((2, 3, 4),), {"axes": (0, 2)})),
)


# -- reshape --------------------------------------------------------------------------------------


def _reshape_type(x: Type, shape: Shape) -> Type:
    if x.size != product(shape):
        raise ShapeError(
            offence(
                "reshape",
                f"{x} has {x.size} elements and {_tuple(shape)} has {product(shape)}",
                "give a shape of equal size, or -1 for one extent",
            )
        )
    return x.with_shape(shape)


def _tuple(shape: Shape) -> str:
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def reshape_groups(old: Shape, new: Shape) -> Iterator[tuple[range, range]]:
    """The smallest runs of axes that a reshape maps onto each other.

    >>> [(list(a), list(b)) for a, b in reshape_groups((2, 3, 5), (6, 5))]
    [([0, 1], [0]), ([2], [1])]
    """
    ends = [
        {product(shape[:k]): k for k in reversed(range(len(shape) + 1))} for shape in (old, new)
    ]  # the first place where each partial product stands
    cuts = sorted((ends[0][size], ends[1][size]) for size in ends[0].keys() & ends[1].keys())
    for (i, j), (k, m) in zip(cuts, [*cuts[1:], (len(old), len(new))]):
        yield range(i, k), range(j, m)


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


def _reshape_vjp(g: Node, x: Type, shape: Shape) -> Node:
    return RESHAPE(g, shape=x.shape)


RESHAPE = _movement(
    "reshape",
    ("shape",),
    infer=_reshape_type,
    source=_reshape_source,
    vjp=_reshape_vjp,
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


# -- slice and pad, each the other's derivative ----------------------------------------------------


def _slice_type(x: Type, starts: Index, extents: Shape, steps: Axes) -> Type:
    for axis, (n, start, extent, step) in enumerate(zip(x.shape, starts, extents, steps, strict=True)):
        last = start + step * (extent - 1)
        if step < 1 or any(isinstance(e, int) and e < 0 for e in (start, extent, n - start, extent and n - 1 - last)):
            raise ShapeError(
                offence(
                    "slice",
                    f"{extent} elements from {start} in steps of {step} leave axis {axis} of {x}",
                    "keep within the axis",
                )
            )
    return x.with_shape(extents)


def _slice_source(index: Index, x: Type, starts: Index, extents: Shape, steps: Axes) -> Index:
    return tuple(start + step * i for i, start, step in zip(index, starts, steps))


def _slice_vjp(g: Node, x: Type, starts: Index, extents: Shape, steps: Axes) -> Node:
    # step*extent - (step - 1) elements lie from the first to the last that was read; see `_pad_type` for none
    high = tuple(n - a - (k * e - (k - 1)) for n, a, e, k in zip(x.shape, starts, extents, steps))
    return PAD(g, low=starts, high=high, interior=tuple(k - 1 for k in steps), value=0)


def _slice_numpy(x: Array, starts: Axes, extents: Axes, steps: Axes) -> Array:
    return x[tuple(slice(a, a + k * n, k) for a, n, k in zip(starts, extents, steps))]


SLICE = _movement(
    "slice",
    ("starts", "extents", "steps"),  # element i along an axis is element start + step*i; steps are positive
    infer=_slice_type,
    source=_slice_source,
    vjp=_slice_vjp,
    numpy=_slice_numpy,
    samples=(
        Sample(((5,),), {"starts": (1,), "extents": (3,), "steps": (1,)}),
        Sample(((7, 4),), {"starts": (1, 0), "extents": (3, 2), "steps": (2, 3)}),
        Sample(((3, 4),), {"starts": (3, 1), "extents": (0, 2), "steps": (1, 1)}),
        Sample(((4,),), {"starts": (0,), "extents": (0,), "steps": (3,)}),
    ),
)


def part(x: Node, axis: int, start: Extent, extent: Extent) -> Node:
    """A run of elements along one axis."""
    starts = tuple(start if k == axis else 0 for k in range(x.ndim))
    extents = tuple(extent if k == axis else n for k, n in enumerate(x.shape))
    return SLICE(x, starts=starts, extents=extents, steps=(1,) * x.ndim)


def _pad_type(x: Type, low: Index, high: Index, interior: Axes, value: float) -> Type:
    """Between neighbours go `interior` elements. An empty axis has -1 gaps: so `pad` undoes `slice` for every n."""
    return x.with_shape(tuple(a + n + k * (n - 1) + b for n, a, b, k in zip(x.shape, low, high, interior, strict=True)))


def _pad_source(index: Index, x: Type, low: Index, high: Index, interior: Axes, value: float) -> Index:
    return tuple((i - a) // (k + 1) if k else i - a for i, a, k in zip(index, low, interior))


def _pad_guards(index: Index, x: Type, low: Index, high: Index, interior: Axes, value: float) -> Guards:
    """Where an element is the argument's: its place is within, and no gap lies there."""
    guards: list[Guard] = []
    for i, q, n, a, b, k in zip(index, _pad_source(index, x, low, high, interior, value), x.shape, low, high, interior):
        guards += [(q, 0, n)] if (a, b, k) != (0, 0, 0) else []
        guards += [(i - a - q * (k + 1), 0, 1)] if k else []
    return tuple(guards)


def _pad_pull(read: Read, y: Node, index: Index) -> Node:
    x, padding = y.args[0].typed, cast("Padding", y.params)
    guards = _pad_guards(index, x, *padding)
    element = read(0, _pad_source(index, x, *padding), guards)
    return WHERE(inside(guards), element, constant(padding[-1], y.dtype)) if guards else element


def _pad_vjp(g: Node, x: Type, low: Index, high: Index, interior: Axes, value: float) -> Node:
    return SLICE(g, starts=low, extents=x.shape, steps=tuple(k + 1 for k in interior))


def _pad_jvp(y: Node, tangents: Tangents) -> Node | None:
    (t,) = tangents
    return None if t is None else make(PAD, (t,), (*y.params[:-1], 0))


def _pad_numpy(x: Array, low: Axes, high: Axes, interior: Axes, value: float) -> Array:
    padded = np.full(_pad_type(Type(x.dtype, x.shape), low, high, interior, value).shape, value, x.dtype)  # type: ignore[arg-type]
    padded[tuple(slice(a, a + (k + 1) * n, k + 1) for a, n, k in zip(low, x.shape, interior))] = x
    return padded


PAD = replace(
    _movement(
        "pad",
        ("low", "high", "interior", "value"),
        infer=_pad_type,
        source=_pad_source,
        vjp=_pad_vjp,
        numpy=_pad_numpy,
        samples=(
            Sample(((3,),), {"low": (1,), "high": (2,), "interior": (0,), "value": 0}),
            Sample(((2, 3),), {"low": (0, 1), "high": (1, 0), "interior": (1, 2), "value": 2}),
            Sample(((0, 2),), {"low": (2, 0), "high": (1, 0), "interior": (0, 0), "value": 1}),
        ),
    ),
    jvp=_pad_jvp,
    pull=_pad_pull,
)


# -- concat ---------------------------------------------------------------------------------------


def _concat_type(types: Sequence[Type], params: Params) -> Type:
    (axis,) = cast("Axes", params)
    first = types[0]
    for other in types[1:]:
        if other.dtype != first.dtype:
            raise DTypeError(offence("concat", f"{first} and {other} differ in dtype", "cast one of them"))
        if other.ndim != first.ndim or any(
            k != axis and n != m for k, (n, m) in enumerate(zip(first.shape, other.shape))
        ):
            raise ShapeError(
                offence("concat", f"{first} and {other} differ beside axis {axis}", "reshape, slice or pad one of them")
            )
    total = sum((t.shape[axis] for t in types[1:]), first.shape[axis])
    return first.with_shape((*first.shape[:axis], total, *first.shape[axis + 1 :]))


def _concat_runs(y: Node) -> list[tuple[Extent, Extent]]:
    """The first place and the extent of each argument along the axis."""
    (axis,) = cast("Axes", y.params)
    extents = [x.shape[axis] for x in y.args]
    return list(zip(accumulate(extents, initial=0), extents))


def _concat_vjp(g: Node, y: Node, i: int) -> Node:
    (axis,) = cast("Axes", y.params)
    return part(g, axis, *_concat_runs(y)[i])


def _concat_jvp(y: Node, tangents: Tangents) -> Node | None:
    if all(t is None for t in tangents):
        return None
    return make(CONCAT, tuple(fill(0, x.typed) if t is None else t for x, t in zip(y.args, tangents)), y.params)


def _concat_pull(read: Read, y: Node, index: Index) -> Node:
    (axis,) = cast("Axes", y.params)
    element = None
    for i, (start, extent) in reversed(list(enumerate(_concat_runs(y)))):
        place = index[axis] - start
        guards = ((place, 0, extent),)
        own = read(i, (*index[:axis], place, *index[axis + 1 :]), guards)
        element = own if element is None else WHERE(inside(guards), own, element)
    assert element is not None
    return element


def _concat_numpy(*operands: Any) -> Array:
    *arrays, axis = operands
    return np.concatenate(arrays, axis)


CONCAT = Op(
    name="concat",
    params=("axis",),
    infer=_concat_type,
    vjp=_concat_vjp,
    jvp=_concat_jvp,
    pull=_concat_pull,
    numpy=_concat_numpy,
    samples=(
        Sample(((2,), (3,)), {"axis": 0}),
        Sample(((2, 1, 3), (2, 4, 3), (2, 0, 3)), {"axis": 1}),
        Sample(((4,),), {"axis": 0}),
    ),
)
