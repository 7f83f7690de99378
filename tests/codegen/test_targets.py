"""Other processors: programs compile for all named targets, call no libm, and run where this machine can."""

import re

import numpy as np
import pytest

import graphc
from graphc import sym
from graphc.codegen.parallel import PARALLEL
from graphc.codegen.program import emit_program
from graphc.codegen.target import Target
from graphc.runtime import engine

NAMES = ["avx512", "avx2", "x86-64", "aarch64"]


def programs():
    x, w = sym.var("x", shape=("n", 5), dtype="float32"), sym.var("w", shape=(5,), dtype="float32")
    k = sym.var("k", shape=("n",), dtype="int64")
    loss = sym.cross_entropy(sym.tanh(x * w), k)
    yield "float32", [x, w, k], [loss, *graphc.grad(loss, [x, w])]
    a, b = sym.var("a", shape=(7, 3)), sym.var("b", shape=(3,))
    y = sym.sum(sym.erf(a / sym.norm(a, axis=1, keepdims=True)) ** b, axis=0)
    yield "float64", [a, b], [y, sym.floor(a), a > b, sym.cast(a, "int32") // 2, a[::-1, ::2], sym.argmax(a, axis=0)]
    image, key = sym.var("image", shape=(2, 3, 64, 64), dtype="float32"), sym.var("key", shape=(2,), dtype="uint32")
    pooled = sym.max_pool(sym.random.dropout(image, key, 0.5), 3, strides=2, padding=1)
    yield "windows", [image, key], [pooled, graphc.grad(sym.sum(pooled), image), sym.cast(image, "int16")[..., 1::3]]

    left, right = sym.var("left", shape=("n", 20), dtype="float32"), sym.var("right", shape=(20, 37), dtype="float32")
    product = left @ right
    yield "products", [left, right], [product, graphc.grad(sym.sum(product * product), right)]


PROGRAMS = {name: (inputs, outputs) for name, inputs, outputs in programs()}


def data(inputs):
    rng = np.random.default_rng(0)
    for x in inputs:
        shape = tuple(9 if isinstance(e, graphc.Dim) else e for e in x.shape)
        yield rng.integers(0, 5, shape, x.dtype) if x.dtype.kind in "iu" else rng.uniform(0.5, 2, shape).astype(x.dtype)


def runs_here(name):
    host = Target.host()
    width = {"avx512": 64, "avx2": 32, "x86-64": 16}.get(name, 1 << 30)
    return "x86_64" in host.triple and width <= host.vector_bytes


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_compile_for_every_target_without_libm(name, program):
    code = graphc.compile(*PROGRAMS[program]).code
    target = Target.named(name)
    text = emit_program(code.program, target, np.dtype(np.int64)).text()
    assembly = engine.assembly(text, target)
    called = set(re.findall(r"^\s+(?:callq?|bl)\s+\"?([^\s\"]+)", assembly, re.MULTILINE))
    defined = set(re.findall(r"^\"?([\w.]+)\"?:", assembly, re.MULTILINE))
    assert {name.split("@")[0] for name in called} <= defined | {PARALLEL}


@pytest.mark.parametrize("name", [name for name in NAMES if runs_here(name)])
@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_give_the_same_on_every_target_that_runs_here(name, program):
    inputs, outputs = PROGRAMS[program]
    arrays = list(data(inputs))
    here, there = graphc.compile(inputs, outputs), graphc.compile(inputs, outputs, target=name)
    for a, b in zip(here(*arrays), there(*arrays), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5 if a.dtype == "float32" else 1e-13, atol=1e-6)


def test_a_target_that_this_machine_cannot_run_is_refused():
    with pytest.raises(ValueError, match=r"this machine does not run code for wasm32; `graphc.export` writes it"):
        graphc.compile([], sym.zeros(3), target="wasm32")


def test_an_unknown_target_is_refused():
    with pytest.raises(ValueError, match="no target is named 'z80'; there are avx512"):
        graphc.compile([], sym.zeros(3), target="z80")
