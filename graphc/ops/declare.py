"""How elementwise operators are declared: a type rule, one element's instructions, and derivatives as mathematics.

A derivative is one function per argument, linear in its first: `lambda g, y, a, b: …` gives the part of the
cotangent g of y that argument a or b gets, and as well the part of the tangent of y that a tangent g of the
argument makes. It is written with Python's operators and other operators: `g * COS(x)`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from operator import add, and_
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

from graphc.errors import DTypeError, ShapeError
from graphc.node import CONST, PUBLIC, Literal, Node, Op, Params, Sample, make
from graphc.source import show_source, user_source
from graphc.types import DType, Type

if TYPE_CHECKING:
    from graphc.codegen.emit import Value
    from graphc.ops.lanes import Lanes

Derivative: TypeAlias = "Callable[..., Node | None] | None"
Interval: TypeAlias = tuple[float, float]
TypeRule: TypeAlias = Callable[[Sequence[Type], Params], Type]
N = TypeVar("N", Node, "Node | None")

KINDS = {"b": "bool", "i": "integers", "u": "unsigned integers", "f": "floats"}
SHAPES = ((), (5,), (2, 3), (0,))
MASKS = 3  # how many masks of a cotangent stay apart


def elementwise(
    name: str,
    element: Callable[..., Value],
    *derivatives: Derivative,
    numpy: Callable[..., Any],
    kinds: str = "f",
    result: DType | None = None,
    infer: TypeRule | None = None,
    domains: tuple[Interval, ...] = ((-3, 3),),
    transcendental: bool = False,
    flops: int = 1,
) -> Op:
    """Declare an operator whose arguments are of one shape and one dtype, of the kinds given.

    It has as many arguments as domains, the intervals that tests draw from. Without derivatives it is
    constant almost everywhere.
    """
    return Op(
        name=name,
        infer=infer or (lambda types, params: _common_type(name, types, kinds, result)),
        numpy=numpy,
        vjp=_vjp(derivatives) if derivatives else None,
        jvp=_jvp(derivatives) if derivatives else None,
        element=element,
        batch=each,
        samples=tuple([Sample((shape,) * len(domains), {}, domains) for shape in SHAPES]),
        flops=0 if transcendental else flops,
        transcendental=transcendental,
        kind="elementwise",
    )


def _common_type(name: str, types: Sequence[Type], kinds: str, result: DType | None) -> Type:
    require_same(name, types)
    if types[0].dtype.kind not in kinds:
        taken = " or ".join([KINDS[kind] for kind in kinds])
        raise DTypeError(offence(name, f"{types[0]} is not of {taken}", "cast it"))
    return types[0] if result is None else types[0].with_dtype(result)


def require_same(name: str, types: Sequence[Type]) -> None:
    """Raise an error unless all types are equal."""
    first, *others = types
    if any(type.shape != first.shape for type in others):
        what = f"{' and '.join(map(str, types))} have different shapes"
        raise ShapeError(offence(name, what, f"broadcast them, as sym.{name} does"))
    if any(type.dtype != first.dtype for type in others):
        what = f"{' and '.join(map(str, types))} have different dtypes"
        raise DTypeError(offence(name, what, f"cast one of them, as sym.{name} does"))


def each(y: Node, args: Sequence[Node], lanes: Lanes) -> Node:
    """The batching rule of what is done element by element: the same to the elements of all lanes."""
    return make(y.op, tuple(lanes.all(y, args)), y.params)


def offence(name: str, what: str, way_out: str) -> str:
    """The text of an error: operator, offence, the user's line, the way out."""
    return f"{name}: {what} ({show_source(user_source())}); {way_out}"


# -- derivatives ------------------------------------------------------------------------------------


def _vjp(derivatives: Sequence[Derivative]) -> Callable[[Node, Node, int], Node | None]:
    def vjp(g: Node, y: Node, i: int) -> Node | None:
        rule = derivatives[i]
        return None if rule is None else through_mask(lambda g: rule(g, y, *y.args), g)

    return vjp


def _jvp(derivatives: Sequence[Derivative]) -> Callable[[Node, Sequence[Node | None]], Node | None]:
    def jvp(y: Node, tangents: Sequence[Node | None]) -> Node | None:
        parts = [rule(t, y, *y.args) for rule, t in zip(derivatives, tangents) if rule is not None and t is not None]
        terms = [part for part in parts if part is not None]
        return reduce(add, terms) if terms else None

    return jvp


def where(condition: Node, x: Node | float, y: Node | float) -> Node:
    """The public function, which takes numbers too."""
    return PUBLIC["where"](condition, x, y)


def select(condition: Node, g: Node) -> Node:
    """g where the condition holds, else 0."""
    return where(condition, g, 0)


def uniform(node: Node) -> bool | int | float | None:
    """The number that every element is, if the node is a scalar constant or the expansion of one."""
    while node.op.name == "expand":
        (node,) = node.args
    if node.op is not CONST:
        return None
    (literal,) = node.params
    assert isinstance(literal, Literal)
    return literal.array.item() if literal.array.ndim == 0 else None


# -- masked cotangents: see the note at the end -----------------------------------------------------


class Mask(NamedTuple):
    """What `where(condition, inner, 0)` is made of, or with `inverted`, `where(condition, 0, inner)`."""

    condition: Node
    inverted: bool

    def apply(self, inner: Node) -> Node:
        return where(self.condition, 0, inner) if self.inverted else where(self.condition, inner, 0)

    def holds(self) -> Node:
        """Where something shows through."""
        return ~self.condition if self.inverted else self.condition


def unmask(g: Node) -> tuple[Mask | None, Node]:
    """The outermost mask of a node, and what it masks."""
    if g.op.name == "where":
        condition, x, y = g.args
        if uniform(y) == 0:
            return Mask(condition, False), x
        if uniform(x) == 0:
            return Mask(condition, True), y
    return None, g


def through_mask(rule: Callable[[Node], N], g: Node) -> N:
    """A linear rule of a cotangent, its masks kept outside: a few of them, the others joined to one."""
    masks: list[Mask] = []
    mask, inner = unmask(g)
    while mask is not None:
        masks.append(mask)
        mask, inner = unmask(inner)
    part = rule(inner)
    return part if part is None else reduce(lambda inner, mask: mask.apply(inner), reversed(_few(masks)), part)


def _few(masks: list[Mask]) -> list[Mask]:
    """The same masks, the inner ones joined where there are many: a chain of masks must not grow with its square."""
    if len(masks) <= MASKS:
        return masks
    outer, inner = masks[: MASKS - 1], masks[MASKS - 1 :]
    return [*outer, Mask(reduce(and_, [mask.holds() for mask in inner]), False)]


def accumulate(g: Node, h: Node) -> Node:
    """The sum of two cotangents, the mask that both have kept outside."""
    (mask, inner), (other, rest) = unmask(g), unmask(h)
    if mask is None or other is None or not _same(mask, other):
        return g + h
    return mask.apply(accumulate(inner, rest))


def _same(mask: Mask, other: Mask) -> bool:
    return mask.condition is other.condition and mask.inverted == other.inverted


# Masked cotangents
#
# The cotangent of `sqrt(x)` in `where(x > 0, sqrt(x), 0)` is `where(x > 0, g, 0)`. Multiplied by the derivative
# of sqrt, infinite at 0, it would be 0 * inf = NaN where the true derivative is 0. But a derivative is linear
# in the cotangent, so the mask may as well be applied last: `where(x > 0, g * 0.5 / sqrt(x), 0)`.
