"""Nodes: interned values of the graph, the operators they apply, and where the user made them.

Building a node twice gives the same object, so common subexpressions are one node by construction,
equality is `is`, and what nobody refers to is collected. The user's symbol is a `Node`; its methods
call the public functions by name (`sym` fills the table), so that this file knows no operator.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, NoReturn, TypeAlias
from weakref import WeakValueDictionary

import numpy as np

from graphc.errors import BindError, ShapeError
from graphc.source import Source, show_source, user_source
from graphc.types import DType, Extent, Shape, Type

Params: TypeAlias = tuple[Hashable, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Op:
    """One operator, declared once: everything graphc knows of it.

    `infer(types, params)` is the type rule; `numpy(*arrays, *params)` the oracle. `vjp(g, y, i)` is the
    cotangent of argument i of node y, given y's cotangent g; `jvp(y, tangents)` the tangent of y, given one
    tangent (or None for zero) for each argument; an operator without them is constant almost everywhere.
    `pull(read, y, index)` says what y's element at an index is, through `read(argument, index, guards)`;
    elementwise operators have `element(emitter, *values)` instead, one instruction sequence. A reduction's
    `element(emitter, accumulated, value)` combines two values, starting from `identity(dtype)`.
    `batch(y, args, lanes)` is y for all lanes of a `vmap`, given its arguments: some have lanes, in front.
    `samples` are shapes of arguments with parameters and domains, from which the conformance tests are made.
    """

    name: str
    infer: Callable[[Sequence[Type], Params], Type]
    numpy: Callable[..., Any] | None = None
    params: tuple[str, ...] = ()
    vjp: Callable[[Node, Node, int], Node | None] | None = None
    jvp: Callable[[Node, Sequence[Node | None]], Node | None] | None = None
    pull: Callable[..., Node] | None = None
    element: Callable[..., Any] | None = None
    identity: Callable[[DType], object] | None = None
    batch: Callable[[Node, Sequence[Node], Any], Node] | None = None
    samples: tuple[Sample, ...] = ()
    flops: int = 0
    transcendental: bool = False
    kind: str = "movement"  # and elementwise, reduction, gather, scatter, … : what passes and fusion ask first

    def __call__(self, *args: Node, **params: Hashable) -> Node:
        return make(self, args, tuple(params[name] for name in self.params))

    def __repr__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Sample:
    """One case for the generated tests: argument shapes, parameters, and the interval of each argument."""

    shapes: tuple[tuple[int, ...], ...]
    params: Mapping[str, Hashable] = ()  # type: ignore[assignment]
    domains: tuple[tuple[float, float], ...] = ()


class Node:
    """An operator applied to nodes: immutable, interned, typed (or not typed yet)."""

    __slots__ = ("__weakref__", "args", "born", "op", "params", "source", "type")
    __array_ufunc__ = None  # NumPy arrays leave `array + node` to the node
    __hash__ = object.__hash__

    op: Op
    args: tuple[Node, ...]
    params: Params
    type: Type | None
    source: Source
    born: int  # counts nodes: what a traced function makes is younger than what was there before

    def __init__(self, op: Op, args: tuple[Node, ...], params: Params, type: Type | None, source: Source) -> None:
        _set_op(self, op)
        _set_args(self, args)
        _set_params(self, params)
        _set_type(self, type)
        _set_source(self, source)
        _set_born(self, next(births))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a node is immutable; {name} cannot be set")

    def __getattr__(self, name: str) -> Any:
        """Public array functions are methods too: `x.sum(axis=0)` is `sym.sum(x, axis=0)`."""
        if name not in METHODS:
            raise AttributeError(f"a node has no attribute {name!r}")
        function = PUBLIC[name]
        return lambda *args, **kwargs: function(self, *args, **kwargs)

    def __dir__(self) -> Iterable[str]:
        return [*object.__dir__(self), *METHODS]

    # -- what it is -----------------------------------------------------------------------------

    @property
    def typed(self) -> Type:
        """The type; `BindError` while it is unknown."""
        if self.type is None:
            raise BindError(
                f"{self.op.name} ({show_source(self.source)}) has no type before data is bound; "
                "declare its variables with shape= and dtype=, or ask after binding"
            )
        return self.type

    @property
    def shape(self) -> Shape:
        return self.typed.shape

    @property
    def dtype(self) -> DType:
        return self.typed.dtype

    @property
    def ndim(self) -> int:
        return self.typed.ndim

    @property
    def size(self) -> Extent:
        return self.typed.size

    @property
    def T(self) -> Node:
        return _call("transpose", self)

    @property
    def at(self) -> Any:
        """To be indexed as the node is: `x.at[key].set(values)` is x with other values there."""
        return _call("at", self)

    @property
    def name(self) -> str:
        """A variable's name; the operator's for every other node."""
        return str(self.params[0]) if self.op.name == "var" else self.op.name

    def __str__(self) -> str:
        return _call("to_text", self)

    def __repr__(self) -> str:
        return f"<{self.name}: {self.type or 'untyped'}>"

    def __bool__(self) -> NoReturn:
        raise TypeError(
            f"{self.op.name} ({show_source(self.source)}) has no truth value before it runs; "
            "use sym.where, sym.logical_and … in the graph, `is` to compare nodes"
        )

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError(f"{self.op.name} is 0-d and has no length")
        if not isinstance(self.shape[0], int):
            raise ShapeError(f"the first extent, {self.shape[0]}, is known only when data is bound; use x.shape[0]")
        return self.shape[0]

    def __iter__(self) -> Iterator[Node]:
        return (self[i] for i in range(len(self)))

    def __copy__(self) -> Node:
        return self

    def __deepcopy__(self, memo: object) -> Node:
        return self

    def __call__(self, *args: Any, **named: Any) -> Node:
        return PUBLIC["compose"](self, *args, **named)

    # -- Python's operators, by the names of the public functions -----------------------------------

    def __getitem__(self, key: Any) -> Node:
        return _call("getitem", self, key)

    def __add__(self, other: Any) -> Node:
        return _call("add", self, other)

    def __radd__(self, other: Any) -> Node:
        return _call("add", other, self)

    def __sub__(self, other: Any) -> Node:
        return _call("subtract", self, other)

    def __rsub__(self, other: Any) -> Node:
        return _call("subtract", other, self)

    def __mul__(self, other: Any) -> Node:
        return _call("multiply", self, other)

    def __rmul__(self, other: Any) -> Node:
        return _call("multiply", other, self)

    def __truediv__(self, other: Any) -> Node:
        return _call("divide", self, other)

    def __rtruediv__(self, other: Any) -> Node:
        return _call("divide", other, self)

    def __floordiv__(self, other: Any) -> Node:
        return _call("floor_divide", self, other)

    def __rfloordiv__(self, other: Any) -> Node:
        return _call("floor_divide", other, self)

    def __mod__(self, other: Any) -> Node:
        return _call("remainder", self, other)

    def __rmod__(self, other: Any) -> Node:
        return _call("remainder", other, self)

    def __pow__(self, other: Any) -> Node:
        return _call("power", self, other)

    def __rpow__(self, other: Any) -> Node:
        return _call("power", other, self)

    def __matmul__(self, other: Any) -> Node:
        return _call("matmul", self, other)

    def __rmatmul__(self, other: Any) -> Node:
        return _call("matmul", other, self)

    def __neg__(self) -> Node:
        return _call("negative", self)

    def __pos__(self) -> Node:
        return self

    def __abs__(self) -> Node:
        return _call("abs", self)

    def __invert__(self) -> Node:
        return _call("bitwise_invert", self)

    def __and__(self, other: Any) -> Node:
        return _call("bitwise_and", self, other)

    def __rand__(self, other: Any) -> Node:
        return _call("bitwise_and", other, self)

    def __or__(self, other: Any) -> Node:
        return _call("bitwise_or", self, other)

    def __ror__(self, other: Any) -> Node:
        return _call("bitwise_or", other, self)

    def __xor__(self, other: Any) -> Node:
        return _call("bitwise_xor", self, other)

    def __rxor__(self, other: Any) -> Node:
        return _call("bitwise_xor", other, self)

    def __lshift__(self, other: Any) -> Node:
        return _call("bitwise_left_shift", self, other)

    def __rshift__(self, other: Any) -> Node:
        return _call("bitwise_right_shift", self, other)

    def __lt__(self, other: Any) -> Node:
        return _call("less", self, other)

    def __le__(self, other: Any) -> Node:
        return _call("less_equal", self, other)

    def __gt__(self, other: Any) -> Node:
        return _call("greater", self, other)

    def __ge__(self, other: Any) -> Node:
        return _call("greater_equal", self, other)

    def __eq__(self, other: object) -> Node:  # type: ignore[override]
        return _call("equal", self, other)

    def __ne__(self, other: object) -> Node:  # type: ignore[override]
        return _call("not_equal", self, other)


# slots written past `__setattr__`, which refuses
_set_op, _set_args, _set_params, _set_type, _set_source, _set_born = (
    Node.__dict__[name].__set__ for name in ("op", "args", "params", "type", "source", "born")
)
births = count()

PUBLIC: dict[str, Callable[..., Any]] = {}  # public functions by name; `sym` and others register here
METHODS: set[str] = set()  # those which are methods of nodes too


def _call(name: str, *args: Any) -> Any:
    return PUBLIC[name](*args)


_interned: WeakValueDictionary[tuple[Op, tuple[Node, ...], Params], Node] = WeakValueDictionary()


def make(op: Op, args: tuple[Node, ...], params: Params = ()) -> Node:
    """The node that applies an operator: the one that exists, or a new one with its type inferred."""
    key = (op, args, params)
    node = _interned.get(key)
    if node is None:
        types = [arg.typed for arg in args]
        node = Node(op, args, params, op.infer(types, params), user_source())
        _interned[key] = node
    return node


def make_untyped(op: Op, args: tuple[Node, ...], params: Params) -> Node:
    """A recorded call: interned like any node, but its type is known only once it is replayed."""
    key = (op, args, params)
    node = _interned.get(key)
    if node is None:
        node = Node(op, args, params, None, user_source())
        _interned[key] = node
    return node


# -- sources: variables and constants -------------------------------------------------------------


class Literal:
    """A constant array: read-only, compared and hashed by its bytes."""

    __slots__ = ("_hash", "array")

    def __init__(self, array: np.ndarray) -> None:
        self.array = np.array(array, order="C", copy=True)
        self.array.flags.writeable = False
        self._hash = hash((self.array.dtype, self.array.shape, self.array.tobytes()))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Literal) or self._hash != other._hash:
            return False
        a, b = self.array, other.array
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()

    def __str__(self) -> str:
        return str(self.array.item()) if self.array.size == 1 else f"array{list(self.array.shape)}"


def _literal_type(types: Sequence[Type], params: Params) -> Type:
    array: np.ndarray = params[0].array  # type: ignore[attr-defined]
    return Type(array.dtype, array.shape)


def _no_type(types: Sequence[Type], params: Params) -> NoReturn:
    raise AssertionError("variables and recorded calls are not made through their type rule")


CONST = Op(name="const", infer=_literal_type, params=("value",), numpy=lambda value: value.array, kind="source")
VAR = Op(name="var", infer=_no_type, params=("name",), kind="source")


def constant(value: object, dtype: DType | None = None) -> Node:
    """A constant node from an array or number."""
    return make(CONST, (), (Literal(np.asarray(value, dtype)),))


def variable(name: str, type: Type | None) -> Node:
    """A new variable: never the same as another, whatever its name."""
    return Node(VAR, (), (name,), type, user_source())


# -- walking --------------------------------------------------------------------------------------


def topological(roots: Iterable[Node], stop: Callable[[Node], bool] | None = None) -> list[Node]:
    """All nodes that the roots depend on, arguments first; below a node where `stop` holds it does not look."""
    order: dict[Node, None] = {}
    seen: set[Node] = set()
    stack = list(roots)[::-1]
    while stack:
        node = stack[-1]
        if node in seen:
            order[stack.pop()] = None
            continue
        seen.add(node)
        if node.args and (stop is None or not stop(node)):
            stack += [arg for arg in reversed(node.args) if arg not in seen]
    return list(order)
