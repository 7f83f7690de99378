"""Which axis of each argument and result the instances of a `vmap` lie along: as users say it, and checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, SupportsIndex, TypeAlias, cast

from graphc.errors import ShapeError
from graphc.node import Node
from graphc.ops.declare import offence
from graphc.source import show_source
from graphc.sym.axes import as_axis
from graphc.sym.trace import Names, leaf_names
from graphc.tree import Tree, TreeDef
from graphc.types import Extent, Type

Axis: TypeAlias = int | None


def leaf_axes(what: str, axes: Tree, form: TreeDef) -> list[Axis]:
    """An axis, or None, for each leaf of a structure; what is said of a part of it holds for all its leaves."""
    if axes is None or (isinstance(axes, SupportsIndex) and not isinstance(axes, bool)):
        return [None if axes is None else axes.__index__()] * form.size
    parts = _parts(axes, form)
    if parts is None:
        shown = "a leaf" if form.kind is None else f"a {form.kind.__name__} of {len(form.children)}"
        way_out = "say an axis, None, or a structure of them like the one they are for"
        raise ShapeError(offence("vmap", f"{what} has {axes!r} for {shown}", way_out))
    return [axis for part, child in zip(parts, form.children) for axis in leaf_axes(what, part, child)]


def _parts(axes: Tree, form: TreeDef) -> Sequence[Any] | None:
    """What is said of each part of a structure; None if it does not fit."""
    match axes:
        case dict() if form.keys and axes.keys() == set(form.keys):
            return [axes[key] for key in form.keys]
        case list() | tuple() if form.kind and not form.keys and len(cast("Sequence[Any]", axes)) == len(form.children):
            return cast("Sequence[Any]", axes)
        case _:
            return None


def argument_names(stems: Sequence[str], forms: Sequence[TreeDef]) -> list[str]:
    """What the leaves of arguments are called, each by another name."""
    names = Names()
    return [names.fresh(leaf) for stem, form in zip(stems, forms) for leaf in leaf_names(form, stem)]


class Mapped(NamedTuple):
    """An argument of many instances, and the axis that they lie along."""

    name: str
    node: Node
    axis: int

    @property
    def place(self) -> int:
        """The axis counted from the front."""
        return as_axis(f"vmap, argument {self.name}", self.axis, self.node.typed)

    @property
    def extent(self) -> Extent:
        return self.node.shape[self.place]

    @property
    def instance(self) -> Type:
        """The type of one instance."""
        shape, place = self.node.shape, self.place
        return self.node.typed.with_shape(shape[:place] + shape[place + 1 :])

    def __str__(self) -> str:
        return f"{self.name} has {self.extent} along axis {self.axis} ({show_source(self.node.source)})"


def common_extent(arguments: Iterable[Mapped]) -> Extent:
    """How many instances there are; it must be the same for all arguments."""
    first, *others = arguments
    for other in others:
        if other.extent != first.extent:
            known = isinstance(first.extent, int) and isinstance(other.extent, int)
            way_out = "slice one of them" if known else "declare the axes with one name or number"
            raise ShapeError(offence("vmap", f"as many instances of each are needed: {first}, {other}", way_out))
    return first.extent
