"""Variables: what data is bound to."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any

from graphc.errors import BindError, DTypeError
from graphc.node import Node, variable
from graphc.ops.declare import offence
from graphc.settings import default_float
from graphc.source import show_source, user_source
from graphc.sym.naming import attach, scoped
from graphc.types import Type, as_dtype, as_shape

_given: set[str] = set()  # names that users chose, which no variable gives itself
_numbers = count()


def var(
    name: str | None = None,
    shape: object = None,
    dtype: object = None,
    *,
    attr: Mapping[str, str] | None = None,
    init: object = None,
    lr_mult: float | None = None,
    wd_mult: float | None = None,
) -> Node:
    """A new variable; without a name it names itself, without a shape its type waits for data.

    Extents may be names, known when data is bound. A shape without a dtype is of the default float. What else is
    given is attached to the variable as text, to be read by `x.attr(key)`: `attr` whatever the user likes, `init`,
    `lr_mult` and `wd_mult` what initialisers and optimisers ask for.

    >>> var('images', shape=('n', 784), dtype='float32')
    <images: float32[n, 784]>
    >>> var('a')
    <a: untyped>
    >>> var('w', lr_mult=0.1).attr('lr_mult')
    '0.1'
    """
    if name is None:
        name = _unused_name()
    elif isinstance(name, str) and name:  # pyright: ignore[reportUnnecessaryIsInstance]
        _given.add(name)
    else:
        what = f"a name is text that is not empty, not {name!r}"
        raise BindError(offence("var", what, "the variance is sym.variance"))
    hints = {"init": init, "lr_mult": lr_mult, "wd_mult": wd_mult}
    told = {**(attr or {}), **{key: _as_text(hint) for key, hint in hints.items() if hint is not None}}
    return attach(variable(name, _declared(name, shape, dtype)), scoped("var", told))


Variable = var  # as MXNet calls it


def _as_text(hint: Any) -> str:
    """What a hint says; MXNet's initialisers say it by `dumps`."""
    return hint.dumps() if hasattr(hint, "dumps") else str(hint)


def _unused_name() -> str:
    return next(name for name in map("v{}".format, _numbers) if name not in _given)


def _declared(name: str, shape: object, dtype: object) -> Type | None:
    if shape is not None:
        return Type(default_float() if dtype is None else as_dtype(dtype), as_shape(shape))
    if dtype is None:
        return None
    raise DTypeError(
        f"var: {name!r} has a dtype but no shape ({show_source(user_source())}); "
        "give both, or neither and both come with the data"
    )
