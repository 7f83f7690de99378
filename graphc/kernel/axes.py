"""Axis classes: which axes of which nodes are one loop, found by union-find over the graph.

Elementwise operators unify the axes of arguments and result, `expand` adds one, a reduction drops some;
slices, pads and the like keep the axes they leave alone. Two axes of one node never become one class
(`x + x.T` of a square matrix): then the argument is simply read at another index.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from graphc.node import Node
from graphc.types import Extent, Shape

PARTS = 16  # the most arguments of a concat that one kernel stores


class AxisClasses:
    """The class of each axis of each node; `classes[node]` has one number an axis, `extents[c]` its extent."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        self._parent: list[int] = []
        self._neighbours: list[set[int]] = []
        self.extents: list[Extent] = []
        self._classes: dict[Node, tuple[int, ...]] = {}
        for node in nodes:
            self._classes[node] = self._of(node)
            self._keep_apart(self._classes[node])

    def __getitem__(self, node: Node) -> tuple[int, ...]:
        return tuple([self._find(c) for c in self._classes[node]])

    def loops(self, node: Node) -> tuple[int, ...]:
        """Those of the axes worth a loop: not those of one element."""
        return tuple(c for c in self[node] if self.extents[c] != 1)

    def parts(self, node: Node) -> tuple[Node, ...]:
        """The arguments of a concat that all have the same loops: one kernel stores each in its place."""
        if node.op.name != "concat" or len(node.args) > PARTS:
            return ()
        return node.args if len({self.loops(arg) for arg in node.args}) == 1 else ()

    def _of(self, node: Node) -> tuple[int, ...]:
        match node.op.kind, node.op.name:
            case "elementwise", _:
                return self._unify_all(node.args)
            case "reduction", _:
                axes: Sequence[int] = node.params[0]  # type: ignore[assignment]
                return tuple(c for axis, c in enumerate(self._classes[node.args[0]]) if axis not in axes)
            case "movement", "transpose":
                axes = node.params[0]  # type: ignore[assignment]
                return tuple(self._classes[node.args[0]][axis] for axis in axes)
            case "movement", "expand":
                added: Sequence[int] = node.params[0]  # type: ignore[assignment]
                kept = iter(self._classes[node.args[0]])
                return tuple(self._new(e) if axis in added else next(kept) for axis, e in enumerate(node.shape))
            case "movement", "reshape":
                return self._through_reshape(node)
            case "movement", _ if node.args:
                return self._where_unchanged(node)
            case "gather", _:
                place = self._unify_all(node.args[1:])
                return (*place, *map(self._apart_from(place), self._classes[node.args[0]][len(node.args) - 1 :]))
            case "scatter", _:
                first, *_ = node.args
                place = self._unify_all(node.args[1:])
                for a, b in zip(place, self._classes[first], strict=False):
                    self._unify(a, b)
                return (*map(self._new, node.params[0]), *self._classes[first][len(place) :])  # type: ignore[arg-type]
            case _:
                return tuple(map(self._new, node.shape))

    def _unify_all(self, nodes: Iterable[Node]) -> tuple[int, ...]:
        first, *rest = [self._classes[node] for node in nodes]
        for other in rest:
            for a, b in zip(first, other, strict=True):
                self._unify(a, b)
        return first

    def _apart_from(self, classes: tuple[int, ...]) -> Callable[[int], int]:
        """A class as it is, or a new one of its extent if it is among these."""
        taken = {self._find(c) for c in classes}
        return lambda c: self._new(self.extents[c]) if self._find(c) in taken else c

    def _where_unchanged(self, node: Node) -> tuple[int, ...]:
        """Slice, pad, flip, concat: an axis whose elements stay where they are keeps its class."""
        moved = moved_axes(node)
        source = self._classes[node.args[0]]
        for arg in node.args[1:]:
            for axis, (a, b) in enumerate(zip(source, self._classes[arg], strict=True)):
                if axis not in moved:
                    self._unify(a, b)
        return tuple(self._new(e) if axis in moved else source[axis] for axis, e in enumerate(node.shape))

    def _through_reshape(self, node: Node) -> tuple[int, ...]:
        """Leading and trailing axes that a reshape leaves alone, and all that are not of extent one."""
        source, old, new = self._classes[node.args[0]], node.args[0].shape, node.shape
        if [e for e in old if e != 1] == [e for e in new if e != 1]:
            kept = iter([c for c, e in zip(source, old, strict=True) if e != 1])
            return tuple(self._new(e) if e == 1 else next(kept) for e in new)
        head = common_prefix(old, new)
        tail = min(common_prefix(old[::-1], new[::-1]), len(old) - head, len(new) - head)
        middle = [self._new(e) for e in new[head : len(new) - tail]]
        return (*source[:head], *middle, *source[len(old) - tail :])

    def _new(self, extent: Extent) -> int:
        self._parent.append(len(self._parent))
        self._neighbours.append(set())
        self.extents.append(extent)
        return len(self._parent) - 1

    def _find(self, c: int) -> int:
        while self._parent[c] != c:
            self._parent[c] = c = self._parent[self._parent[c]]
        return c

    def _unify(self, a: int, b: int) -> None:
        a, b = self._find(a), self._find(b)
        if a == b or a in self._neighbours[b]:
            return
        self._parent[b] = a
        for c in self._neighbours[b]:
            self._neighbours[c].discard(b)
            self._neighbours[c].add(a)
        self._neighbours[a] |= self._neighbours[b]

    def _keep_apart(self, classes: tuple[int, ...]) -> None:
        roots = [self._find(c) for c in classes]
        for c in roots:
            self._neighbours[c] |= {d for d in roots if d != c}


def moved_axes(node: Node) -> frozenset[int]:
    """The axes along which a slice, pad, flip, concat or slide puts elements elsewhere."""
    match node.op.name:
        case "flip" | "slide" | "unslide":
            return frozenset(node.params[0])  # type: ignore[arg-type]
        case "concat":
            return frozenset({node.params[0]})  # type: ignore[arg-type]
        case _:
            return frozenset(k for k, (a, b) in enumerate(zip(node.args[0].shape, node.shape, strict=True)) if a != b)


def common_prefix(a: Shape, b: Shape) -> int:
    """How many leading extents are equal."""
    return next((k for k, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
