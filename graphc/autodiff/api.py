"""What users ask for: `grad`, `vjp`, `jvp`, `hvp`, `jacobian`, `hessian`; on structures of nodes, typed or not yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from graphc.autodiff.forward import push_forward
from graphc.autodiff.reverse import pull_back
from graphc.batching.api import vmap
from graphc.errors import GradientError
from graphc.node import Node
from graphc.ops.movement import fill
from graphc.source import show_source
from graphc.sym.creation import eye
from graphc.sym.promote import as_node
from graphc.sym.record import public
from graphc.tree import Tree, TreeDef, flatten, unflatten

__all__ = ["grad", "vjp", "jvp", "hvp", "jacobian", "hessian"]

Unused: TypeAlias = Literal["zero", "raise"]


def _numbered(structure: Tree) -> Tree:
    """The structure with its leaves numbered: what a recorded call gives back."""
    leaves, form = flatten(structure)
    return unflatten(form, range(len(leaves)))


@public(outputs=lambda y, wrt, head=None, unused="zero": _numbered(wrt))
def grad(y: Node, wrt: Tree, head: Any = None, unused: Unused = "zero") -> Any:
    """The gradient of y with respect to a node, or to a structure of nodes and then in that structure.

    A y with axes needs `head`: the gradient, with respect to y, of what is meant in the end. Where y does not
    depend on a node the gradient is zero, or an error with `unused='raise'`.

    >>> from graphc import sym
    >>> x = sym.var('x', shape=(3,))
    >>> grad(sym.sum(x * x), x).type == x.type
    True
    """
    _require_float("grad", y)
    if head is None and y.shape:
        raise GradientError(
            f"grad: {y.op.name} is {y.type} ({show_source(y.source)}), no scalar; give head=, a gradient of that type, "
            "or differentiate sym.sum(y)"
        )
    return _pull("grad", [y], [1.0 if head is None else head], wrt, unused)


@public(outputs=lambda outputs, wrt, cotangents, unused="zero": _numbered(wrt))
def vjp(outputs: Tree, wrt: Tree, cotangents: Tree, unused: Unused = "zero") -> Any:
    """Cotangents pulled back from a structure of outputs to one of nodes: the vector-Jacobian product.

    `cotangents` has the structure of the outputs; None in the place of a node is zero.
    """
    ys, form = flatten(outputs)
    return _pull("vjp", ys, _aligned("vjp", form, cotangents), wrt, unused)


@public(outputs=lambda outputs, wrt, tangents: _numbered(outputs))
def jvp(outputs: Tree, wrt: Tree, tangents: Tree) -> Any:
    """Tangents pushed forward from a structure of nodes to one of outputs: the Jacobian-vector product.

    `tangents` has the structure of `wrt`; None in the place of a node is zero.
    """
    (ys, form), (xs, given) = flatten(outputs), flatten(wrt)
    ts = [_like("jvp", x, t) for x, t in zip(xs, _aligned("jvp", given, tangents))]
    for y in ys:
        _require_float("jvp", y)
    pushed = push_forward(ys, [(x, t) for x, t in zip(xs, ts) if t is not None])
    return unflatten(form, [fill(0, y.typed) if t is None else t for y, t in zip(ys, pushed)])


@public(outputs=lambda y, wrt, vectors: _numbered(wrt))
def hvp(y: Node, wrt: Tree, vectors: Tree) -> Any:
    """The Hessian of a scalar y times vectors in the structure of `wrt`: forward mode over reverse mode."""
    return jvp(grad(y, wrt), wrt, vectors)


Mode: TypeAlias = Literal["reverse", "forward", "auto"]


def _products(y: Tree, x: Tree) -> Tree:
    """A structure of y whose leaves are structures of x, numbered."""
    (_, of_y), (_, of_x) = flatten(y), flatten(x)
    rows = [unflatten(of_x, range(k * of_x.size, (k + 1) * of_x.size)) for k in range(of_y.size)]
    return unflatten(of_y, rows)


@public(outputs=lambda y, x, mode="auto": _products(y, x))
def jacobian(y: Tree, x: Tree, mode: Mode = "auto") -> Any:
    """The derivative of every element of y by every element of x, of shape `(*y.shape, *x.shape)`.

    Of structures of nodes it is a structure like y, of structures like x. It is `vmap` of `vjp` over the elements of y
    in reverse mode, of `jvp` over those of x in forward mode; 'auto' takes forward mode where x is known to be smaller.

    >>> from graphc import sym
    >>> x = sym.var('x', shape=(3,))
    >>> jacobian(sym.stack([x[0] * x[1], x[2]]), x).shape
    (2, 3)
    """
    if mode not in ("reverse", "forward", "auto"):
        raise GradientError(f"jacobian: mode is 'reverse', 'forward' or 'auto', not {mode!r}")
    (ys, form), (xs, of_x) = flatten(y), flatten(x)
    for node in (*ys, *xs):
        _require_float("jacobian", node)
    forward = mode == "forward" or (mode == "auto" and _is_smaller(xs, ys))
    rows = [_jacobian_forward(each, xs) if forward else _jacobian_reverse(each, xs) for each in ys]
    return unflatten(form, [unflatten(of_x, row) for row in rows])


def _is_smaller(xs: Sequence[Node], ys: Sequence[Node]) -> bool:
    sizes = [sum([node.size for node in nodes], start=0) for nodes in (xs, ys)]
    return isinstance(sizes[0], int) and isinstance(sizes[1], int) and sizes[0] < sizes[1]


def _jacobian_reverse(y: Node, xs: Sequence[Node]) -> list[Node]:
    """One pull for each element of y."""
    rows = vmap(lambda g: vjp(y, list(xs), g))(_basis(y))
    return [row.reshape((*y.shape, *x.shape)) for x, row in zip(xs, rows)]


def _jacobian_forward(y: Node, xs: Sequence[Node]) -> list[Node]:
    """One push for each element of x."""
    columns = [vmap(lambda t, x=x: jvp(y, x, t), out_axes=-1)(_basis(x)) for x in xs]
    return [column.reshape((*y.shape, *x.shape)) for x, column in zip(xs, columns)]


def _basis(x: Node) -> Node:
    """For each element of x, an array like x that is 1 there, else 0."""
    return eye(x.size, dtype=x.dtype).reshape((x.size, *x.shape))


@public(outputs=lambda y, x: _products(x, x))
def hessian(y: Node, x: Tree) -> Any:
    """The second derivatives of a scalar y, of shape `(*x.shape, *x.shape)`: forward mode over reverse mode.

    Of a structure of nodes it is that structure, of such structures.

    >>> from graphc import sym
    >>> x = sym.var('x', shape=(3,))
    >>> hessian(sym.sum(x ** 3), x).shape
    (3, 3)
    """
    return jacobian(grad(y, x), x, mode="forward")


def _pull(name: str, ys: Sequence[Node], heads: Sequence[Any], wrt: Tree, unused: Unused) -> Any:
    if unused not in ("zero", "raise"):
        raise GradientError(f"{name}: unused is 'zero' or 'raise', not {unused!r}")
    xs, form = flatten(wrt)
    for x in xs:
        _require_float(name, x)
    found = pull_back(ys, [_like(name, y, head) for y, head in zip(ys, heads)], xs)
    if unused == "raise" and (idle := [x for x in xs if x not in found]):
        listed = ", ".join(f"{x.name} ({show_source(x.source)})" for x in idle)
        raise GradientError(f"{name}: the output does not depend on {listed}; leave it out, or take unused='zero'")
    return unflatten(form, [found[x] if x in found else fill(0, x.typed) for x in xs])


def _aligned(name: str, form: TreeDef, tree: Tree) -> list[Any]:
    """The parts of a tree in the places where the structure has leaves; lists and tuples are alike."""
    if form.kind is None:
        return [tree]
    parts = _parts(form, tree)
    if parts is None:
        raise GradientError(
            f"{name}: {type(tree).__name__} given where the nodes are a {form.kind.__name__} of {len(form.children)}; "
            "mirror their structure, with None for zero"
        )
    return [leaf for child, part in zip(form.children, parts) for leaf in _aligned(name, child, part)]


def _parts(form: TreeDef, tree: Tree) -> Sequence[Any] | None:
    """What a level of a tree holds, in the structure's order; None if it does not fit."""
    match tree:
        case dict() if tree.keys() == set(form.keys):
            return [tree[key] for key in form.keys]
        case list() | tuple() if not form.keys and len(tree) == len(form.children):
            return tree
        case None if not form.children:
            return ()
        case _:
            return None


def _like(name: str, node: Node, value: Any) -> Node | None:
    """A cotangent or tangent as a node of the type of the node it is for; numbers and lists take its dtype."""
    _require_float(name, node)
    if value is None:
        return None
    found = as_node(name, value, None if isinstance(value, Node | np.ndarray | np.generic) else node.dtype)
    if found.type != node.type:
        raise GradientError(
            f"{name}: {found.type} was given for {node.name} ({show_source(node.source)}), which is {node.type}; "
            "shape and dtype must be the same"
        )
    return found


def _require_float(name: str, node: Any) -> None:
    if not isinstance(node, Node):
        raise GradientError(f"{name}: derivatives are of nodes and with respect to nodes, not {node!r}")
    if node.dtype.kind != "f":
        raise GradientError(
            f"{name}: {node.name} is {node.type} ({show_source(node.source)}), and only floats have derivatives; "
            "cast it to a float"
        )
