"""Layers: MXNet's operators as public functions, each declared once by a decorator around its body.

    @layer(shapes=_parameters, when={"bias": lambda a: not a["no_bias"]})
    def FullyConnected(data: Node, weight: Node, bias: Node | None = None, *, num_hidden: int, …) -> Node:

Positional parameters are operands in MXNet's order, those by keyword are attributes. A call takes `name=` and `attr=`
besides, makes the operands it is not given as variables, `<name>_weight` and the like, and leaves a note of itself:
around a typed value CALLED, else a recorded CALL. `called` reads both.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from importlib import import_module
from typing import Any, Protocol, TypeAlias, TypeVar, overload

from graphc.errors import ShapeError
from graphc.graph import Graph
from graphc.node import PUBLIC, Node, make_untyped, variable
from graphc.ops.control import ITEM
from graphc.ops.declare import offence
from graphc.ops.note import CALLED
from graphc.sym.mx.attribute import Attribute
from graphc.sym.naming import attach, named, scoped
from graphc.sym.promote import as_node, floating
from graphc.sym.record import CALL, record
from graphc.types import Shape, Type

V = TypeVar("V")
Values: TypeAlias = Mapping[str, Any]
Shapes: TypeAlias = Mapping[str, Shape]
ShapeRule: TypeAlias = Callable[[Shapes, Values], Shapes]

SCOPE = "mx."  # before the names under which layers are recorded: `softmax` and others are NumPy's, too


@dataclass(frozen=True, eq=False, kw_only=True)
class Layer:
    """One of MXNet's operators: its operands and attributes, and the body that computes it.

    `operands` are in MXNet's order, the auxiliary states `aux` among them, last; a `variadic` layer takes any number
    of others, called `arg0`, `arg1`, …, and those that `behind` names. An operand in `when` is there only if its
    condition on the attributes holds.
    `shapes(known, attributes)` says the shapes of operands, of which some are known. `outputs` are the names of the
    results: `output`, unless there are several. The derivative of a `loss` asks for no head gradient. Operands that
    are `hidden`, the keys of random numbers, MXNet does not know; one that is not given is made from the layer's name.
    """

    name: str
    body: Callable[..., Any]
    operands: tuple[str, ...]
    attributes: Mapping[str, Attribute]
    aux: tuple[str, ...] = ()
    variadic: bool = False
    behind: Callable[[Values], tuple[str, ...]]
    when: Mapping[str, Callable[[Values], bool]]
    shapes: ShapeRule | None = None
    outputs: Callable[[Values], tuple[str, ...]]
    loss: bool = False
    hidden: Mapping[str, Callable[[str], Node]]

    @property
    def recorded_as(self) -> str:
        """The public function that records name."""
        return SCOPE + self.name

    def complete(self, attributes: Values) -> dict[str, Any]:
        """All attributes, with defaults where none are given; an error for one that is missing, unknown or wrong."""
        told = self.attributes.keys() | ({"num_args"} if self.variadic else set())  # their number goes without saying
        if unknown := sorted(attributes.keys() - told):
            known = ", ".join(self.attributes) or "none"
            raise TypeError(offence(self.name, f"there is no attribute {unknown[0]!r}", f"there are: {known}"))
        return {key: each.read(self.name, attributes.get(key, each.default)) for key, each in self.attributes.items()}

    def explicit(self, attributes: Values) -> dict[str, Any]:
        """The attributes that differ from their defaults."""
        return {k: v for k, v in attributes.items() if not _same(v, self.attributes[k].default)}

    def spelled(self, attributes: Values) -> dict[str, str]:
        """Attributes as MXNet writes them in files."""
        return {k: self.attributes[k].spell(v) for k, v in attributes.items()}

    def needed(self, attributes: Values) -> tuple[str, ...]:
        """The operands that these attributes (all of them) ask for, but for those of a variadic layer."""
        return self._there(self.operands, attributes)

    def names(self, attributes: Values, count: int) -> tuple[str, ...]:
        """What so many operands are called."""
        if not self.variadic:
            return self.needed(attributes)
        behind = self.behind(attributes)
        return (*[f"arg{k}" for k in range(count - len(behind))], *behind)

    def _there(self, names: Iterable[str], attributes: Values) -> tuple[str, ...]:
        return tuple([x for x in names if x not in self.when or self.when[x](attributes)])

    def inferred(self, known: Shapes, attributes: Values) -> Shapes:
        """The shapes of operands as far as those of some say; an error if these have too few axes, or too many."""
        try:
            return {} if self.shapes is None else self.shapes(known, attributes)
        except ShapeError:
            raise
        except (IndexError, ValueError) as error:
            told = ", ".join(f"{name} of shape {shape}" for name, shape in known.items())
            raise ShapeError(offence(self.name, f"it takes no {told}", "give data of other axes")) from error

    # -- calls ----------------------------------------------------------------------------------

    def call(self, args: Sequence[Any], kwargs: Values, name: str | None, attr: Mapping[str, str] | None) -> Any:
        """What a user's call gives: what is missing is made, then the layer applied; several results are a graph."""
        given, attributes = self._bound(args, kwargs)
        label, attr = named(name, self.name.lower()), scoped(self.name, attr)
        found = self.apply(*self._made(given, attributes, label, attr), name=label, attr=attr, **attributes)
        return Graph(None, found) if isinstance(found, tuple) else found

    def apply(self, *operands: Node, name: str = "", attr: Mapping[str, str] | None = None, **attributes: Any) -> Any:
        """The results, of operands that are all there: noted if these are typed, else recorded."""
        full = self.complete(attributes)
        operands = operands if self.variadic else self._all(operands, full, name)
        told = {**self.explicit(full), **({"name": name} if name else {}), **({"attr": dict(attr)} if attr else {})}
        nodes, params = record(self.recorded_as, operands, told)
        count = len(self.outputs(full))
        if any(x.type is None for x in operands):
            call = make_untyped(CALL, nodes, params)
            results = [call] if count == 1 else [make_untyped(ITEM, (call,), (k,)) for k in range(count)]
        else:
            self._check(operands, full)
            found = self.body(*operands, **full) if self.variadic else self.body(**self._named(operands, full), **full)
            values: Sequence[Node] = found if isinstance(found, tuple) else (found,)
            function, template = params
            results = [CALLED(*nodes, y, function=function, template=template, index=k) for k, y in enumerate(values)]
        return results[0] if count == 1 else tuple(results)

    def _all(self, operands: tuple[Node, ...], attributes: Values, name: str) -> tuple[Node, ...]:
        """The operands and the hidden ones, which are made if they are not there; an error unless they are as many."""
        needed, hidden = self.needed(attributes), self._there(self.hidden, attributes)
        if len(operands) == len(needed):
            operands = (*operands, *[self.hidden[key](name) for key in hidden])
        if len(operands) != len(needed) + len(hidden):
            raise TypeError(offence(self.name, f"{len(operands)} operands", f"give {', '.join(needed)}"))
        return operands

    def _bound(self, args: Sequence[Any], kwargs: Values) -> tuple[dict[str, Node], dict[str, Any]]:
        """Operands and all attributes, told apart; operands may be given by name, attributes by place."""
        places = [f"arg{k}" for k in range(len(args))] if self.variadic else [*self.operands, *self.attributes]
        if len(args) > len(places):
            raise TypeError(offence(self.name, f"{len(args)} arguments are too many", f"it takes {', '.join(places)}"))
        told = dict(zip(places, args))
        if twice := told.keys() & kwargs.keys():
            raise TypeError(offence(self.name, f"{min(twice)} is given twice", "give it once"))
        told |= kwargs
        names = places if self.variadic else (*self.operands, *self.hidden)
        attributes = self.complete({k: v for k, v in told.items() if k not in names})
        given = {k: _as_operand(self.name, told[k]) for k in names if told.get(k) is not None}
        if not self.variadic and (idle := sorted(given.keys() - set(self._there(names, attributes)))):
            raise TypeError(offence(self.name, f"{idle[0]} is given, but takes no part", "leave it out"))
        if self.variadic and not given:
            raise TypeError(offence(self.name, "there is nothing to take", "give one operand at least"))
        return given, attributes

    def _made(self, given: Mapping[str, Node], attributes: Values, label: str, attr: Mapping[str, str]) -> list[Node]:
        """All operands in order; those not given are new variables, typed if what is given says their types."""
        needed = self.names(attributes, max(len(given), 1 + len(self.behind(attributes))))
        given = dict(zip(needed, given.values())) if self.variadic else given
        known = {k: x.shape for k, x in given.items() if x.type is not None}
        dtypes = [x.dtype for x in given.values() if x.type is not None]
        shapes = self.inferred(known, attributes) if known and len(given) < len(needed) else {}
        inherited = {k: v for k, v in attr.items() if k.startswith("__") and k.endswith("__")}

        def made(name: str) -> Node:
            type = Type(floating(self.name, dtypes[0]), shapes[name]) if name in shapes else None
            return attach(variable(f"{label}_{name}", type), inherited)

        return [given[k] if k in given else made(k) for k in needed] + [given[k] for k in self.hidden if k in given]

    def _named(self, operands: Sequence[Node], attributes: Values) -> dict[str, Node]:
        """Operands by name, hidden ones last."""
        return dict(zip(self._there((*self.operands, *self.hidden), attributes), operands))

    def _check(self, operands: Sequence[Node], attributes: Values) -> None:
        """Raise `ShapeError` unless the operands' shapes are what the rule says."""
        if self.variadic:
            return
        actual = self._named(operands, attributes)
        wanted = self.inferred({k: x.shape for k, x in actual.items()}, attributes)
        for name, x in actual.items():
            if name in wanted and wanted[name] != x.shape:
                first = next(iter(actual))
                what = f"{name} is {x.type}, which does not fit {first}, {actual[first].type}"
                raise ShapeError(offence(self.name, what, f"give it the shape {wanted[name]}"))


def _same(value: Any, default: Any) -> bool:
    return type(value) is type(default) and value == default


def _as_operand(name: str, value: Any) -> Node:
    return value if isinstance(value, Node) else as_node(name, value)


def _signature(parameters: Sequence[inspect.Parameter]) -> inspect.Signature:
    """What a layer takes: operands, which may be left out, its attributes, and a name and attributes of the user."""
    own = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None) for name in ("name", "attr")]
    operands = [p.replace(default=None) if p.kind is p.POSITIONAL_OR_KEYWORD else p for p in parameters]
    return inspect.Signature([*operands, *own])


# -- declaring --------------------------------------------------------------------------------------


class _Declared(dict[str, V]):
    """By MXNet's names; the families of layers are imported when the first is asked for, since few programs do."""

    def __missing__(self, name: str) -> V:
        import_module(f"{__package__}.layers")
        if name not in self:
            raise KeyError(name)
        return self[name]


LAYERS = _Declared[Layer]()
FUNCTIONS = _Declared[Callable[..., Any]]()  # what users call


class Declaring(Protocol):
    """What turns the body of a layer into the layer; of several results it makes a graph."""

    @overload
    def __call__(self, body: Callable[..., Node], /) -> Callable[..., Node]: ...
    @overload
    def __call__(self, body: Callable[..., tuple[Node, ...]], /) -> Callable[..., Any]: ...


def layer(
    *,
    name: str | None = None,
    aliases: tuple[str, ...] = (),
    aux: tuple[str, ...] = (),
    behind: Callable[[Values], tuple[str, ...]] = lambda attributes: (),
    when: Mapping[str, Callable[[Values], bool]] | None = None,
    shapes: ShapeRule | None = None,
    outputs: Callable[[Values], tuple[str, ...]] = lambda attributes: ("output",),
    loss: bool = False,
    hidden: Mapping[str, Callable[[str], Node]] | None = None,
) -> Declaring:
    """Declare a layer around its body; see `Layer`. MXNet's name for it is the function's, unless one is given.

    By its `aliases` it is found, too; MXNet's files have had other names in the course of time.
    """

    def declare(body: Callable[..., Any]) -> Callable[..., Any]:
        parameters = [*inspect.signature(body, eval_str=True).parameters.values()]
        keys = hidden or {}
        variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters)
        new = Layer(
            name=name or body.__name__,
            body=body,
            operands=tuple([p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD and p.name not in keys]),
            attributes={p.name: Attribute.of(p) for p in parameters if p.kind is p.KEYWORD_ONLY},
            aux=aux,
            variadic=variadic,
            behind=behind,
            when=when or {},
            shapes=shapes,
            outputs=outputs,
            loss=loss,
            hidden=keys,
        )
        PUBLIC[new.recorded_as] = new.apply

        @wraps(body)
        def call(*args: Any, name: str | None = None, attr: Mapping[str, str] | None = None, **kwargs: Any) -> Any:
            return new.call(args, kwargs, name, attr)

        call.__name__ = call.__qualname__ = new.name
        call.__signature__ = _signature(parameters)  # type: ignore[attr-defined]
        for known in (new.name, *aliases):
            LAYERS[known], FUNCTIONS[known] = new, call
        return call

    return declare
