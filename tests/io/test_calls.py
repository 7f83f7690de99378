"""Recorded calls as text."""

import numpy as np
import pytest

from graphc import sym
from graphc.errors import GraphcError
from graphc.io.calls import read_call, write_call

A, B = sym.var("a"), sym.var("b")


@pytest.mark.parametrize(
    ("node", "text"),
    [
        (2 * A, "multiply(2, _)"),
        (A * -0.0, "multiply(_, -0.0)"),
        (A - True, "subtract(_, True)"),
        (sym.maximum(A, -np.inf), "maximum(_, -inf)"),
        (sym.sum(A, axis=(0, 1), keepdims=True), "sum(_, axis=(0, 1), keepdims=True)"),
        (sym.concat([A, B], axis=1), "concat([_, _], axis=1)"),
        (A[1:, ..., 2], "getitem(_, (slice(1, None, None), Ellipsis, 2))"),
        (A[:, None], "getitem(_, (slice(None, None, None), None))"),
        (sym.astype(A, np.dtype("float32")), "astype(_, dtype('float32'))"),
        (sym.astype(A, "float32"), "astype(_, 'float32')"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_call_is_the_same_when_read_again(node, text):
    assert write_call(*node.params) == text
    assert read_call(text) == node.params


@pytest.mark.parametrize("node", [A + np.arange(3), A + np.float32(1), A + 1j], ids=["array", "scalar", "complex"])
def test_what_no_text_stands_for_is_not_written(node):
    assert write_call(*node.params) is None


@pytest.mark.parametrize(
    "text",
    ["", "f", "f()()", "f.g()", "f(x)", "f(g())", "f(**_)", "f(*_)", "f(a=1, a=2)", "f(1 + 1)", "f(b'')", "f(-'')",
     "f(slice(start=1))", "f(dtype('object'))", "f(" + "(" * 1000, "f({_: 1})", "f(" + "1, " * 50_000 + ")", "\0"],
    ids=range(18),
)  # fmt: skip
def test_a_text_that_is_no_call_is_an_error(text):
    with pytest.raises(GraphcError, match="is no call"):
        read_call(text)
