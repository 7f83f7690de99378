"""Names and attributes: what layers call themselves, and the words that users attach to layers and variables.

Scopes are context managers and hold for the thread they are entered in: `NameManager` numbers anew, `Prefix` puts
a word before every name of a layer, `AttrScope` attaches attributes. Attributes are no part of a node's identity.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextvars import ContextVar, Token
from itertools import count
from typing import TypeVar
from weakref import finalize

from graphc.errors import BindError
from graphc.node import Node
from graphc.ops.declare import offence

__all__ = ["AttrScope", "NameManager", "Prefix"]

Attributes = dict[str, str]
Self = TypeVar("Self", bound="NameManager")

# kept as `__lr_mult__` and so on
HIDDEN = {"ctx_group", "lr_mult", "wd_mult", "force_mirroring", "mirror_stage", "init"}


# -- names ------------------------------------------------------------------------------------------


class NameManager:
    """Names for layers that are given none: in lower case, with a number that runs anew in this scope.

    >>> from graphc import sym
    >>> with NameManager():
    ...     sym.Activation(sym.var('x'), act_type='relu').attr('name')
    'activation0'
    """

    def __init__(self) -> None:
        self._numbers: dict[str, Iterator[int]] = {}
        self._tokens: list[Token[NameManager]] = []

    def get(self, name: str | None, hint: str) -> str:
        """The name itself, or if there is none the next one of this hint."""
        return f"{hint}{next(self._numbers.setdefault(hint, count()))}" if name is None else name

    def __enter__(self: Self) -> Self:
        self._tokens.append(_names.set(self))
        return self

    def __exit__(self, *error: object) -> None:
        _names.reset(self._tokens.pop())


class Prefix(NameManager):
    """Puts a prefix before the names of layers, given ones too.

    >>> from graphc import sym
    >>> with Prefix('net_'):
    ...     sym.FullyConnected(sym.var('x'), num_hidden=2, name='fc').list_arguments()
    ['x', 'net_fc_weight', 'net_fc_bias']
    """

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self._prefix = prefix

    def get(self, name: str | None, hint: str) -> str:
        return self._prefix + super().get(name, hint)


_names: ContextVar[NameManager] = ContextVar("names", default=NameManager())  # noqa: B039  (the one outermost scope)


def named(name: str | None, hint: str) -> str:
    """What a layer is called here."""
    if name is not None and (not isinstance(name, str) or not name):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise BindError(offence(hint, f"a name is text that is not empty, not {name!r}", "leave name= out"))
    return _names.get().get(name, hint)


# -- attributes -------------------------------------------------------------------------------------


class AttrScope:
    """Attaches attributes to all variables and layers made in its scope; inner scopes and own attributes win.

    >>> from graphc import sym
    >>> with AttrScope(ctx_group='stage1'):
    ...     sym.var('x').attr('ctx_group')
    'stage1'
    """

    def __init__(self, **attributes: str) -> None:
        self._attributes = checked("AttrScope", attributes)
        self._tokens: list[Token[Attributes]] = []

    def __enter__(self) -> AttrScope:
        self._tokens.append(_scope.set(_scope.get() | self._attributes))
        return self

    def __exit__(self, *error: object) -> None:
        _scope.reset(self._tokens.pop())


_scope: ContextVar[Attributes] = ContextVar("attributes", default={})  # noqa: B039  (never changed, only replaced)


def checked(name: str, attributes: Mapping[str, str]) -> Attributes:
    """Attributes by the names they are kept under; an error unless all are text."""
    for key, value in attributes.items():
        if not isinstance(key, str) or not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(offence(name, f"the attribute {key!r} is {value!r}", "keys and values are text"))
    return {f"__{key}__" if key in HIDDEN else key: value for key, value in attributes.items()}


def scoped(name: str, attributes: Mapping[str, str] | None) -> Attributes:
    """Attributes given by the user, over those of the scopes around."""
    return _scope.get() | checked(name, attributes or {})


_attached: dict[int, Attributes] = {}  # of variables, by identity; an entry leaves with its variable


def attach(variable: Node, attributes: Mapping[str, str]) -> Node:
    """The variable, which now has these attributes."""
    if attributes:
        if id(variable) not in _attached:
            finalize(variable, _attached.pop, id(variable)).atexit = False
        _attached[id(variable)] = dict(attributes)
    return variable


def attached(variable: Node) -> Attributes:
    """The attributes of a variable."""
    return dict(_attached.get(id(variable), {}))
