"""Recorded calls as text: `sum(_, axis=1)`, where each `_` is the next node. No text is trusted, none is run.

call  = name "(" value, …, name=value, … ")"
value = _ | number | text | None | True | False | Ellipsis | tuple | list | dict | slice(…) | dtype('…')
"""

from __future__ import annotations

import ast
import math
from typing import Any

from graphc.errors import GraphcError
from graphc.sym.record import Template, static
from graphc.tree import flatten
from graphc.types import as_dtype

LONGEST = 100_000
NODE = object()  # what `_` stands for
NAMES = {"_": NODE, "inf": math.inf, "nan": math.nan, "Ellipsis": Ellipsis}


def write_call(function: str, template: Template) -> str | None:
    """The call as text; None, if it has arguments that no text stands for."""
    text = f"{function}({template.show(['_'] * template.leaves.count(None))})"
    try:
        return text if read_call(text) == (function, template) else None
    except GraphcError:
        return None


def read_call(text: str) -> tuple[str, Template]:
    """The function and the arguments of a call."""
    try:
        if len(text) > LONGEST:
            raise GraphcError("it is too long")
        return _call(ast.parse(text, mode="eval").body)
    except (GraphcError, SyntaxError, TypeError, ValueError, MemoryError, RecursionError) as error:
        raise GraphcError(f"{text!r:.80} is no call: {error}") from error


def _call(tree: ast.expr) -> tuple[str, Template]:
    match tree:
        case ast.Call(ast.Name(function), args, keywords):
            named = {word.arg: _value(word.value) for word in keywords if word.arg is not None}
            if len(named) < len(keywords):
                raise GraphcError("an argument is unpacked, or there twice")
            leaves, definition = flatten((tuple([_value(arg) for arg in args]), named))
            statics = tuple([None if leaf is NODE else static(function, leaf) for leaf in leaves])
            return function, Template(definition, statics)
        case _:
            raise GraphcError("it calls nothing by name")


def _value(tree: ast.expr) -> Any:
    match tree:
        case ast.Constant(value) if not isinstance(value, bytes | complex):
            return value
        case ast.Name(name) if name in NAMES:
            return NAMES[name]
        case ast.UnaryOp(ast.USub(), operand) if isinstance(number := _value(operand), int | float):
            return -number
        case ast.Tuple(items):
            return tuple([_value(item) for item in items])
        case ast.List(items):
            return [_value(item) for item in items]
        case ast.Dict(keys, values):
            return {ast.literal_eval(key): _value(value) for key, value in zip(keys, values) if key is not None}
        case ast.Call(ast.Name("slice"), args, []):
            return slice(*[_value(arg) for arg in args])
        case ast.Call(ast.Name("dtype"), [ast.Constant(str(name))], []):
            return as_dtype(name)
        case _:
            raise GraphcError(f"{ast.unparse(tree):.40} is no argument")
