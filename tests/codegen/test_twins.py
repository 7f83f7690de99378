"""Twins: kernels and products that differ only in their arrays are one function of the module."""

import re

import numpy as np
import pytest

from graphc import compile, sym


def blocks(count, shape=(64, 100)):
    """Blocks of a network that all do the same, with weights of their own."""
    x = sym.var("x", shape=shape)
    weights = [sym.var(f"w{k}", shape=(shape[1], shape[1])) for k in range(count)]
    y = x
    for w in weights:
        y = sym.layer_norm(sym.tanh(y @ w) + sym.exp(-y))
    return [x, *weights], y


def functions(f, pattern):
    return len(re.findall(rf"^define internal void @{pattern}\(", f.llvm, re.M))


@pytest.mark.parametrize("shape", [(64, 100), ("n", 100)])
def test_equal_blocks_are_one_function(shape):
    few, many = (compile(*blocks(count, shape)) for count in (4, 8))
    shared = r"step\d+(_part)?_shared"
    assert functions(many, shared) == functions(few, shared) == 2
    assert len(many.llvm) < len(few.llvm) * 1.2


def test_equal_blocks_compute_with_their_own_arrays():
    rng = np.random.default_rng(0)
    inputs, y = blocks(5)
    data = [rng.standard_normal(x.shape) / 10 for x in inputs]
    want, *weights = data
    for w in weights:
        made = np.tanh(want @ w) + np.exp(-want)
        made -= made.mean(axis=-1, keepdims=True)
        want = made / np.sqrt((made**2).mean(axis=-1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(compile(inputs, y)(*data), want, rtol=1e-9, atol=1e-9)


def test_a_block_that_is_alone_is_not_called():
    assert functions(compile(*blocks(1)), r"\w+_shared") == 0


def test_bodies_of_loops_are_not_shared():
    x = sym.var("x", shape=(8,))
    y = sym.fori_loop(0, 10, lambda i, y: sym.tanh(sym.sin(y) * sym.cos(y) + sym.exp(y)), x)
    z = sym.fori_loop(0, 11, lambda i, y: sym.tanh(sym.sin(y) * sym.cos(y) + sym.exp(y)), x)
    assert functions(compile(x, [y, z]), r"\w+_shared") == 0
