"""Parameters as pure data: None, booleans, numbers, text, lists, dicts with text keys, and arrays.

What Python's data has no form for is a dict of one entry that names what it is: `{"dtype": "float32"}`. An int stays
an int and a float a float; tuples are lists. Reading checks everything: data may come from anywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, cast

import numpy as np

from graphc.errors import GraphcError
from graphc.io.extent import read_extent
from graphc.node import Literal
from graphc.tree import LEAF, TreeDef
from graphc.types import SUPPORTED, Bundle, Dim, Extent, Stack, Type, as_dtype

Data: TypeAlias = Any  # as the first lines say

_MOST_TERMS = 4096

_NUMBERS: tuple[type, ...] = (bool, int, float, complex)
_TYPES = {t.__name__: t for t in _NUMBERS} | {f"numpy.{d.type.__name__}": d.type for d in SUPPORTED}
_TYPE_NAMES = {t: name for name, t in _TYPES.items()}
_KINDS: dict[str, type | None] = {
    "leaf": None, "tuple": tuple, "list": list, "dict": dict, "slice": slice, "none": type(None)
}  # fmt: skip
_KIND_NAMES = {kind: name for name, kind in _KINDS.items()}

# -- writing ----------------------------------------------------------------------------------------


def write_value(value: object) -> Data:
    """A parameter as data."""
    match value:
        case None | bool() | str():
            return value
        case np.generic():  # before float, which NumPy's float64 is too
            return {"scalar": np.asarray(value)}
        case int():
            return int(value)
        case float():
            return value if math.isfinite(value) else {"float": str(value)}
        case complex():
            return {"complex": [write_value(value.real), write_value(value.imag)]}
        case tuple():
            return [write_value(item) for item in cast("tuple[object, ...]", value)]
        case np.dtype():
            return {"dtype": value.name}
        case Dim():
            return {"dim": _write_dim(value)}
        case Literal():
            return {"array": value.array}
        case type() if value in _TYPE_NAMES:
            return {"type": _TYPE_NAMES[value]}
        case _ if value is Ellipsis:
            return {"ellipsis": None}
        case _:
            raise GraphcError(f"a parameter of type {type(value).__name__} cannot be written: {value!r}")


def _write_dim(dim: Dim) -> str:
    text = str(dim)
    if read_extent(text) != dim:
        raise GraphcError(f"the extent {text} cannot be written; name its dimensions by identifiers")
    return text


def write_structure(definition: TreeDef) -> Data:
    """A structure of nested tuples, lists, dicts and slices as data."""
    if definition.kind not in _KIND_NAMES:
        assert definition.kind is not None
        raise GraphcError(f"a structure of {definition.kind.__name__} cannot be written; use a tuple, list or dict")
    if definition == LEAF:
        return "leaf"
    written: dict[str, Data] = {"kind": _KIND_NAMES[definition.kind]}
    written["children"] = [write_structure(child) for child in definition.children]
    return written | ({"keys": list(definition.keys)} if definition.keys else {})


def write_type(type: Type) -> Data:
    """A type as data."""
    if isinstance(type, Bundle):
        return {"bundle": [write_type(each) for each in type.types]}
    if isinstance(type, Stack):
        return {"stack": write_type(type.element)}
    shape = [_write_dim(extent) if isinstance(extent, Dim) else extent for extent in type.shape]
    return {"dtype": type.dtype.name, "shape": shape}


# -- reading ----------------------------------------------------------------------------------------


def read_value(data: Data) -> Any:
    """The parameter that data stands for."""
    match data:
        case None | bool() | str() | int() | float():
            return data
        case list() | tuple():
            values = tuple([read_value(item) for item in cast("Sequence[Data]", data)])
            require_few_terms(values)
            return values
        case dict() if len(cast("Mapping[str, Data]", data)) == 1:
            ((kind, content),) = cast("Mapping[str, Data]", data).items()
            if kind in _READERS:
                return _READERS[kind](content)
        case _:
            pass
    raise GraphcError(f"{data!r:.60} is no parameter")


def _read_float(data: Data) -> float:
    return float(one_of({"nan", "inf", "-inf"}, data))


def _read_complex(data: Data) -> complex:
    real, imaginary = read_value(data)
    return complex(real, imaginary)


def _read_dtype(data: Data) -> np.dtype:
    return as_dtype(is_a(str, data))


def _read_extent(data: Data) -> Extent:
    """An extent of a shape: a number, or a polynomial as text."""
    return read_extent(data) if isinstance(data, str) else is_a(int, data)


def require_few_terms(extents: Sequence[Any]) -> None:
    """Raise an error if the product of extents, which type rules compute, would have very many terms."""
    terms = math.prod([len(extent.terms) for extent in extents if isinstance(extent, Dim)])
    if terms > _MOST_TERMS:
        raise GraphcError(f"the product of {len(extents)} extents has up to {terms} terms")


def _read_array(data: Data) -> np.ndarray:
    array = is_a(np.ndarray, data)
    as_dtype(array.dtype)
    return array


def read_structure(data: Data) -> TreeDef:
    """The structure that data stands for."""
    if data == "leaf":
        return LEAF
    kind = _KINDS[one_of(_KINDS.keys() - {"leaf"}, data["kind"])]
    children = tuple([read_structure(child) for child in is_a(list, data["children"])])
    keys = tuple([is_a(str, key) for key in is_a(list, data.get("keys", []))])
    count = {dict: len(keys), slice: 3, type(None): 0}.get(kind, len(children))  # type: ignore[call-overload, arg-type]
    if count != len(children) or (keys and kind is not dict) or len(set(keys)) != len(keys):
        raise GraphcError(f"a {data['kind']} of {len(children)} parts with the keys {keys} is no structure")
    return TreeDef(kind, children, keys)


def read_type(data: Data) -> Type:
    """The type that data stands for."""
    if "bundle" in data:
        return Bundle(types=tuple([read_type(each) for each in is_a(list, data["bundle"])]))
    if "stack" in data:
        element = read_type(data["stack"])
        return Stack(element.dtype, element.shape)
    extents = [_read_extent(item) for item in is_a(list, data["shape"])]
    require_few_terms(extents)
    if any(isinstance(extent, int) and extent < 0 for extent in extents):
        raise GraphcError(f"the shape {tuple(extents)} has a negative extent")
    return Type(_read_dtype(data["dtype"]), tuple(extents))


_READERS: dict[str, Callable[[Data], Any]] = {
    "array": lambda data: Literal(_read_array(data)),
    "scalar": lambda data: _read_array(data)[()],
    "float": _read_float,
    "complex": _read_complex,
    "dtype": _read_dtype,
    "dim": lambda data: read_extent(is_a(str, data)),
    "type": lambda data: _TYPES[one_of(_TYPES.keys(), data)],
    "ellipsis": lambda data: Ellipsis,
}


def is_a(kind: type, data: Data) -> Any:
    """The data, if it is of the kind; a bool is no int."""
    if not isinstance(data, kind) or (kind is int and isinstance(data, bool)):
        raise GraphcError(f"{data!r:.60} stands where a {kind.__name__} should")
    return data


def one_of(names: Any, data: Data) -> str:
    """The data, if it is one of these names."""
    if not isinstance(data, str) or data not in names:
        raise GraphcError(f"{data!r:.60} is none of {', '.join(sorted(names))}")
    return data
