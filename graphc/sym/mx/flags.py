"""MXNet's numbers of dtypes, and the attributes that tell the type of a variable."""

from __future__ import annotations

import numpy as np

from graphc.node import Node
from graphc.sym.naming import attached
from graphc.types import SUPPORTED, DType

DTYPES: dict[int, DType] = {
    flag: np.dtype(name)
    for flag, name in enumerate(("float32", "float64", "float16", "uint8", "int32", "int8", "int64", "bool"))
}
FLAGS = {dtype: flag for flag, dtype in DTYPES.items()}


def type_told(variable: Node) -> dict[str, str]:
    """The attributes that tell a declared type: 0 stands for a named dimension, and not every dtype has a number."""
    if variable.type is None:
        return {}
    shape = tuple([extent if isinstance(extent, int) else 0 for extent in variable.shape])
    told = {"__shape__": str(shape)}
    return told | ({"__dtype__": str(FLAGS[variable.dtype])} if variable.dtype in FLAGS else {})


def told_dtype(variable: Node) -> DType | None:
    """The dtype by the variable's attribute `__dtype__`, if it has such, and graphc computes in it."""
    text = attached(variable).get("__dtype__", "")
    dtype = DTYPES.get(int(text)) if text.isdecimal() else None
    return dtype if dtype in SUPPORTED else None
