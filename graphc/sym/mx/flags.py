"""MXNet's numbers of dtypes, and the dtype that an attribute tells of a variable whose shape is not known yet."""

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


def told_dtype(variable: Node) -> DType | None:
    """The dtype by the variable's attribute `__dtype__`, if it has such, and graphc computes in it."""
    text = attached(variable).get("__dtype__", "")
    dtype = DTYPES.get(int(text)) if text.isdecimal() else None
    return dtype if dtype in SUPPORTED else None
