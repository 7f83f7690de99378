"""Batches of rows: the same as one row at a time, for any number of rows."""

import numpy as np
import pytest

import graphc
from graphc import sym
from graphc.codegen import batch


def model(dtype, length):
    x, w = sym.var("x", shape=("n", length), dtype=dtype), sym.var("w", shape=(length,), dtype=dtype)
    y = sym.var("y", shape=("n",), dtype=dtype)
    z = x @ w
    loss = sym.mean(sym.softplus(z) - y * z)
    return [x, w, y], [loss, sym.sigmoid(z), sym.tanh(z) > y, sym.sum(sym.exp(z)), *graphc.grad(loss, [w, x])]


@pytest.mark.parametrize("rows", [0, 1, 7, 16, 17, 203])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_batched_rows_give_what_single_rows_give(rows, dtype, monkeypatch):
    inputs, outputs = model(dtype, 20)
    rng = np.random.default_rng(0)
    data = [rng.normal(size=tuple(rows if e == graphc.Dim.symbol("n") else e for e in x.shape)) for x in inputs]
    data = [a.astype(dtype) for a in data]
    batched = graphc.compile(inputs, outputs)
    assert "alloca" in batched.llvm
    monkeypatch.setattr(batch, "_is_worth_batching", lambda *_: False)
    single = graphc.compile(inputs, outputs)
    assert "alloca" not in single.llvm
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    for a, b in zip(batched(*data), single(*data), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def test_long_rows_are_taken_one_by_one():
    assert "alloca" not in graphc.compile(*model("float64", 5000)).llvm
