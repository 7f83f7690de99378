"""Ahead of time: C programs that call exported functions get what Python gets."""

from __future__ import annotations

import ctypes
import gc
import shutil
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphc import Function, compile, export, grad, sym
from graphc.codegen.plain import LIMIT, MISFIT, NO_MEMORY, OK, shared_places
from graphc.codegen.prototype import Prototype, output_names
from graphc.codegen.target import Target
from graphc.errors import GraphcError, ShapeError
from graphc.kernel.program import Slab
from graphc.tree import flatten
from graphc.types import Dim

CC = shutil.which("cc")
needs_cc = pytest.mark.skipif(CC is None, reason="no C compiler")
N = Dim.symbol("n")


def call(function: Any, f: Function, arrays: Sequence[Any], *extents: int) -> Any:
    """The results of a C function of f's form, in f's structure."""
    function.restype = ctypes.c_int
    wanted = flatten(f(*arrays))[0]
    given = [np.ascontiguousarray(a, x.dtype) for a, x in zip(arrays, f.graph.inputs, strict=True)]
    results = [np.full_like(w, 77) for w in wanted]
    pointers = [ctypes.c_void_p(a.ctypes.data) for a in (*given, *results)]
    assert function(*pointers, *map(ctypes.c_int64, extents)) == OK
    return results


def assert_same(found: Sequence[np.ndarray], wanted: Any) -> None:
    for a, b in zip(found, flatten(wanted)[0], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5 if b.dtype == np.float32 else 1e-12, atol=1e-12)


def here(f: Function) -> Any:
    return ctypes.CFUNCTYPE(ctypes.c_int)(f.address)


def mlp() -> tuple[Function, list[np.ndarray]]:
    """Value and gradients of a network with a named extent and a constant."""
    rng = np.random.default_rng(0)
    x, w, b = sym.var("x", shape=("n", 6)), sym.var("w", shape=(6, 5)), sym.var("b", shape=(5,))
    hidden = sym.tanh(x @ w + b)
    loss = sym.sum(sym.logsumexp(hidden * rng.normal(size=5), axis=1))
    f = compile([x, w, b], {"loss": loss, "grads": dict(zip("xwb", grad(loss, [x, w, b]), strict=True))})
    return f, [rng.normal(size=(7, 6)), rng.normal(size=(6, 5)), rng.normal(size=5)]


# -- functions of this process ----------------------------------------------------------------------


def test_address_holds_a_function_of_the_signature() -> None:
    f, arrays = mlp()
    assert f.native_signature == (
        "int function(const double *x, const double *w, const double *b, double *loss, double *grads_x, "
        "double *grads_w, double *grads_b, int64_t n)"
    )
    assert_same(call(here(f), f, arrays, 7), f(*arrays))
    assert_same(call(here(f), f, [arrays[0][:2], *arrays[1:]], 2), f(arrays[0][:2], *arrays[1:]))


def test_function_without_symbols_takes_no_extents() -> None:
    x = sym.var("x", shape=(300, 5), dtype="float32")
    f = compile(x, sym.softmax(x, axis=0) - sym.mean(x))
    assert f.native_signature == "int function(const float *x, float *out)"
    values = np.random.default_rng(1).normal(size=(300, 5)).astype("f")
    assert_same(call(here(f), f, [values]), f(values))


def test_every_dtype_and_no_elements() -> None:
    x, b = sym.var("x", shape=("n",), dtype="int16"), sym.var("b", shape=("n",), dtype="bool")
    f = compile([x, b], (sym.where(b, x, -x), b & (x > 2), sym.sum(x, dtype="int64")))
    assert "const int16_t *x, const uint8_t *b, int16_t *out0, uint8_t *out1, int64_t *out2" in f.native_signature
    for n in (0, 1, 9):
        arrays = [np.arange(n, dtype=np.int16), np.arange(n) % 2 == 0]
        assert_same(call(here(f), f, arrays, n), f(*arrays))


def test_many_threads_may_call_at_once() -> None:
    f, arrays = mlp()
    wanted, found = f(*arrays), list[Any]()
    function = here(f)
    threads = [threading.Thread(target=lambda: found.append(call(function, f, arrays, 7))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    for results in found:
        assert_same(results, wanted)


def test_parts_give_the_same_bits_in_c() -> None:
    x = sym.var("x", shape=("n",), dtype="float32")
    f, values = compile(x, [sym.sum(x), sym.softmax(x)]), np.linspace(-1, 1, 1_000_000, dtype="float32")
    for a, b in zip(call(here(f), f, [values], values.size), f(values), strict=True):
        np.testing.assert_array_equal(a, b)


def sliced(x: Any) -> Any:
    return x[2:] * x[:-2]


def strided(x: Any) -> Any:
    return sym.sum(x[1::3])


def extreme(x: Any) -> Any:
    return sym.max(x[1:])


def fixed(x: Any) -> Any:
    return x[3:5]


def derivative(x: Any) -> Any:
    return grad(sym.sum(sym.exp(x[1:] - x[:-1])), x)


@pytest.mark.parametrize("rule", [sliced, strided, extreme, fixed, derivative])
def test_extents_fit_in_c_where_they_fit_in_python(rule: Any) -> None:
    x = sym.var("x", shape=("n",))
    f = compile(x, rule(x))
    function = here(f)
    fits = list[int]()
    for n in range(9):
        try:
            f(np.arange(float(n)))
            fits.append(n)
        except ShapeError:
            pass
    room = np.zeros(100)
    statuses = {n: function(*[ctypes.c_void_p(room.ctypes.data)] * 2, ctypes.c_int64(n)) for n in range(-1, 9)}
    assert statuses == {n: OK if n in fits else MISFIT for n in range(-1, 9)}
    assert 8 in fits


def test_memory_that_is_not_there_is_a_status() -> None:
    f = mlp()[0]
    room = np.zeros(100)
    assert here(f)(*[ctypes.c_void_p(room.ctypes.data)] * 7, ctypes.c_int64(1 << 50)) == NO_MEMORY


def test_scipy_integrates_a_function_of_scalars() -> None:
    integrate = pytest.importorskip("scipy.integrate")
    t, a, b = (sym.var(name, shape=()) for name in "tab")
    f = compile([t, a, b], sym.exp(-a * t) * b)
    value, _ = integrate.quad(f.low_level_callable(), 0, np.inf, args=(2.0, 3.0))
    np.testing.assert_allclose(value, 1.5)


def test_callable_of_scipy_outlives_the_function() -> None:
    integrate = pytest.importorskip("scipy.integrate")
    t = sym.var("t", shape=())
    function = compile(t, sym.cos(t)).low_level_callable()
    gc.collect()
    np.testing.assert_allclose(integrate.quad(function, 0, np.pi / 2)[0], 1)


def test_scipy_is_not_offered_functions_of_arrays() -> None:
    x = sym.var("x", shape=(3,))
    with pytest.raises(GraphcError, match=r"SciPy calls functions of float64 scalars to one, not of float64\[3\]"):
        compile(x, sym.sum(x)).low_level_callable()


# -- loops and switches -----------------------------------------------------------------------------


def newton() -> tuple[Function, list[np.ndarray]]:
    """A root found by a while loop, and its derivative, for which a stack grows past its first room."""
    a, tolerance = sym.var("a", shape=(40,)), sym.var("tolerance", shape=())
    step = lambda s: (s[0] * 0.9 + 0.1 * a / s[0], sym.max(sym.abs(s[0] * s[0] - a)))  # noqa: E731
    root, _ = sym.while_loop(lambda s: s[1] > tolerance, step, (a + 1, np.inf), max_iterations=300)
    f = compile([a, tolerance], {"root": root, "slope": grad(sym.sum(root), a)})
    return f, [np.linspace(0.5, 4, 40), np.array(1e-12)]


def nested() -> tuple[Function, list[np.ndarray]]:
    """Loops and switches in each other, over a named extent, with constants that they read."""
    table, w = np.random.default_rng(3).normal(size=(2, 30)), sym.var("w", shape=())
    x = sym.var("x", shape=("n", 30))

    def outer(s: Any, row: Any) -> Any:
        u = sym.fori_loop(0, 3, lambda i, t: sym.sin(t * w) + table[0], s * row)
        s = sym.cond(sym.sum(u) > 0, lambda: u * table[1], lambda: s + u)
        return s, sym.sum(s)

    s, ys = sym.scan(outer, np.ones(30), x)
    loss = sym.sum(s * s) + sym.sum(ys)
    return compile([x, w], [loss, ys, grad(loss, [x, w])]), [
        np.random.default_rng(4).normal(size=(9, 30)),
        np.array(0.7),
    ]


def segments() -> tuple[Function, list[np.ndarray]]:
    """Checkpoints, of a number of iterations known when it runs."""
    x, n = sym.var("x", shape=(7,)), sym.var("n", shape=(), dtype="int64")
    y = sym.fori_loop(0, n, lambda i, s: sym.sin(s * x) + s, x, checkpoint=True)
    return compile([x, n], [y, grad(sym.sum(y), x)]), [np.linspace(0, 1, 7), np.array(100)]


MODELS = pytest.mark.parametrize(("model", "extents"), [(newton, ()), (nested, (9,)), (segments, ())])


@MODELS
def test_loops_are_plain_functions_too(model: Any, extents: tuple[int, ...]) -> None:
    f, arrays = model()
    assert_same(call(here(f), f, arrays, *extents), f(*arrays))


def test_a_loop_without_iterations_is_one_in_c() -> None:
    f, (_, w) = nested()
    x = np.ones((0, 30))
    assert_same(call(here(f), f, [x, w], 0), f(x, w))


def test_a_loop_that_reaches_its_limit_is_a_status() -> None:
    f, (a, _) = newton()
    given, room = [a, np.array(-1.0)], np.zeros(40)
    pointers = [ctypes.c_void_p(x.ctypes.data) for x in (*given, room, room.copy())]
    assert here(f)(*pointers) == LIMIT


def test_scipy_integrates_a_function_with_a_loop() -> None:
    integrate = pytest.importorskip("scipy.integrate")
    t = sym.var("t", shape=())
    f = compile(t, sym.while_loop(lambda s: s[1] < 40, lambda s: (s[0] * t + 1, s[1] + 1), (0.0, 0))[0])  # 1 / (1 - t)
    np.testing.assert_allclose(integrate.quad(f.low_level_callable(), 0, 0.5)[0], np.log(2), rtol=1e-9)


@needs_cc
@MODELS
def test_shared_library_has_its_loops_inside(model: Any, extents: tuple[int, ...], tmp_path: Path) -> None:
    f, arrays = model()
    library = ctypes.CDLL(str(export(f, tmp_path / "model", format="shared").code))
    assert_same(call(library.model, f, arrays, *extents), f(*arrays))


@needs_cc
def test_programs_in_parts_link_together_and_give_the_same_bits(tmp_path: Path) -> None:
    x = sym.var("x", shape=(1_000_000,), dtype="float32")
    first, second = compile(x, [sym.sum(x), 2 * x]), compile(x, sym.softmax(x))
    files = [export(f, tmp_path / name) for name, f in (("first", first), ("second", second))]
    objects = [path for each in files for path in (each.code, each.loader)]
    subprocess.run([str(CC), "-shared", "-fPIC", *map(str, objects), "-o", tmp_path / "both.so"], check=True)
    library, values = ctypes.CDLL(str(tmp_path / "both.so")), np.linspace(-1, 1, 1_000_000, dtype="float32")
    for function, f in ((library.first, first), (library.second, second)):
        for a, b in zip(call(function, f, [values]), flatten(f(values))[0], strict=True):
            np.testing.assert_array_equal(a, b)


LOOP_MAIN = """
#include <stdio.h>
#include "newton.h"

int main(void)
{
    double a[40], tolerance = 1e-12, root[40], slope[40];
    for (int i = 0; i < 40; i++)
        a[i] = 0.5 + i * 3.5 / 39;
    if (newton(a, &tolerance, root, slope) != NEWTON_OK)
        return 1;
    for (int i = 0; i < 40; i++)
        printf("%.17g %.17g\\n", root[i], slope[i]);
    tolerance = -1;
    return newton(a, &tolerance, root, slope) == NEWTON_LIMIT ? 0 : 2;
}
"""


@needs_cc
def test_c_program_runs_a_while_loop_and_its_gradient(tmp_path: Path) -> None:
    header = export(newton()[0], tmp_path / "newton").header.read_text()
    assert "malloc and free" in header
    (tmp_path / "main.c").write_text(LOOP_MAIN)
    strict = ["-std=c11", "-Wall", "-Wextra", "-pedantic", "-Werror"]
    subprocess.run([str(CC), *strict, "main.c", "newton.c", "newton.o", "-o", "program"], cwd=tmp_path, check=True)
    run = subprocess.run([tmp_path / "program"], capture_output=True, text=True)
    assert run.returncode == 0
    root, slope = np.array([line.split() for line in run.stdout.splitlines()], float).T
    expected = np.sqrt(np.linspace(0.5, 4, 40))
    np.testing.assert_allclose(root, expected, rtol=1e-12)
    np.testing.assert_allclose(slope, 0.5 / expected, rtol=1e-9)


@pytest.mark.parametrize("target", ["x86-64", "avx512", "aarch64", "wasm32"])
def test_loops_for_another_machine_need_only_memory(target: str, tmp_path: Path) -> None:
    code = export(newton()[0], tmp_path / "model", target).code
    assert b"malloc" in code.read_bytes()
    if shutil.which("nm") and target != "wasm32":
        run = subprocess.run(["nm", "-u", code], capture_output=True, text=True, check=True)
        assert {line.split()[-1] for line in run.stdout.splitlines()} <= {"malloc", "free", "memcpy"}


# -- names and places -------------------------------------------------------------------------------


def test_outputs_are_named_by_their_places() -> None:
    def names(outputs: Any) -> list[str]:
        return output_names(flatten(outputs)[1])

    assert names(1) == ["out"]
    assert names((1, [2, 3])) == ["out0", "out1_0", "out1_1"]
    assert names({"loss": 1, "grads": (2, {"w": 3})}) == ["loss", "grads_0", "grads_1_w"]


def test_names_are_those_of_c_and_differ() -> None:
    named = [sym.var(name, shape=("n",)) for name in ("x'", "x_", "float", "0", "n", "größe")]
    f = compile(named, {"x_": sum(named[1:], named[0])})
    prototype = Prototype.of("model", f.program, f.structure)
    names = [name for name, _ in (*prototype.inputs, *prototype.outputs, *prototype.dims)]
    assert names == ["x_", "x__2", "float_2", "v0", "n", "gr__e", "x__3", "n_2"]


def test_slabs_that_live_at_once_have_different_places() -> None:
    lives = [(0, 1), (0, 2), (1, 3), (2, 4), (3, 3), (4, 5), (4, 4)]
    slabs = [Slab((k % 2 + 1) * N, first, last) for k, (first, last) in enumerate(lives)]
    places, sizes = shared_places(slabs)
    for k, slab in enumerate(slabs):
        assert sizes[places[k]] == slab.size
        for j, other in enumerate(slabs[:k]):
            if other.first <= slab.last and slab.first <= other.last:
                assert places[j] != places[k]
    assert len(sizes) < len(slabs)


# -- files ------------------------------------------------------------------------------------------


@needs_cc
@pytest.mark.parametrize("target", [None, "x86-64"])
def test_shared_library_computes_what_python_does(target: str | None, tmp_path: Path) -> None:
    if target and not Target.host().triple.startswith("x86_64"):
        pytest.skip("another machine")
    f, arrays = mlp()
    files = export(f, tmp_path / "model", target, "shared")
    library = ctypes.CDLL(str(files.code))
    assert_same(call(library.model, f, arrays, 7), f(*arrays))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([files.code.name, "model.h"])


MAIN = """
#include <stdio.h>
#include <stdlib.h>
#include "one.h"
#include "two.h"

int main(void)
{
    static _Alignas(64) char room[1 << 16];
    double x[4] = {0.5, -1, 2, 3}, y[4], z[4];
    if (one_workspace(4) > (int64_t)sizeof room || one_run(x, y, 4, room) != ONE_OK)
        return 1;
    if (one(x, z, 4) != ONE_OK || two(x, x + 1) != TWO_OK)
        return 2;
    for (int i = 0; i < 4; i++)
        printf("%.17g %.17g\\n", y[i], z[i]);
    printf("%.17g %d %d\\n", x[1], one(x, y, 1), (int)one_workspace(-1));
    return 0;
}
"""


@needs_cc
def test_c_program_calls_two_models(tmp_path: Path) -> None:
    x, s = sym.var("x", shape=("n",)), sym.var("s", shape=())
    one = compile(x, sym.softmax(x) + x[1] + np.arange(1000.0)[:1])
    export(one, tmp_path / "one")
    export(compile(s, sym.exp(s)), tmp_path / "two")
    (tmp_path / "main.c").write_text(MAIN)
    strict = ["-std=c11", "-Wall", "-Wextra", "-pedantic", "-Werror"]
    sources = ["main.c", "one.c", "one.o", "two.c", "two.o"]
    subprocess.run([str(CC), *strict, *sources, "-o", "program"], cwd=tmp_path, check=True)
    run = subprocess.run([tmp_path / "program"], capture_output=True, text=True)
    *rows, last = [line.split() for line in run.stdout.splitlines()]
    assert run.returncode == 0
    expected = one(np.array([0.5, -1, 2, 3]))
    np.testing.assert_allclose(np.array(rows, float), np.stack([expected, expected], 1), rtol=1e-13)
    np.testing.assert_allclose(float(last[0]), np.exp(0.5), rtol=1e-15)
    assert last[1:] == [str(MISFIT), "-1"]


@pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler")
def test_header_is_cplusplus_too(tmp_path: Path) -> None:
    export(mlp()[0], tmp_path / "model")
    subprocess.run(["c++", "-fsyntax-only", "-Wall", "-Werror", "-x", "c++", tmp_path / "model.h"], check=True)


GEMM = """
void cblas_dgemm(int order, int ta, int tb, int m, int n, int k, double alpha, const double *a, int lda,
                 const double *b, int ldb, double beta, double *c, int ldc)
{
    (void)order, (void)beta;
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            double sum = 0;
            for (int l = 0; l < k; l++)
                sum += (ta == 112 ? a[l * lda + i] : a[i * lda + l]) * (tb == 112 ? b[j * ldb + l] : b[l * ldb + j]);
            c[i * ldc + j] = alpha * sum;
        }
}
"""


@needs_cc
def test_blas_is_called_by_its_own_name(tmp_path: Path) -> None:
    a, b = sym.var("a", shape=("n", 256)), sym.var("b", shape=(256, 300))  # too large for generated code
    f = compile([a, b], sym.exp(a @ b))
    (tmp_path / "gemm.c").write_text(GEMM)
    subprocess.run([str(CC), "-O1", "-fPIC", "-c", "gemm.c"], cwd=tmp_path, check=True)
    assert b"cblas_dgemm" in export(f, tmp_path / "object", blas=True).code.read_bytes()
    assert b"blas" not in export(f, tmp_path / "alone").code.read_bytes()
    files = export(f, tmp_path / "model", format="shared", blas=True, libraries=[str(tmp_path / "gemm.o")])
    rng = np.random.default_rng(2)
    arrays = [rng.normal(size=(9, 256)) / 16, rng.normal(size=(256, 300))]
    assert_same(call(ctypes.CDLL(str(files.code)).model, f, arrays, 9), f(*arrays))


@pytest.mark.parametrize(
    ("target", "magic"),
    [("x86-64", b"\x7fELF\x02"), ("avx2", b"\x7fELF\x02"), ("avx512", b"\x7fELF\x02"), ("aarch64", b"\x7fELF\x02")]
    + [("wasm32", b"\0asm")],
)
def test_object_for_another_machine(target: str, magic: bytes, tmp_path: Path) -> None:
    code = export(mlp()[0], tmp_path / "model", target).code.read_bytes()
    assert code.startswith(magic)
    assert b"model_run" in code and b"model_workspace" in code


@pytest.mark.skipif(shutil.which("nm") is None, reason="no nm")
@pytest.mark.parametrize("target", ["x86-64", "avx512", "aarch64"])
def test_object_needs_nothing_from_outside(target: str, tmp_path: Path) -> None:
    x = sym.var("x", shape=("n", 3), dtype="float32")
    y = sym.floor(sym.exp(x) % 3) + sym.round(sym.erf(x) ** 2.5) + x @ np.eye(3, dtype="f")
    code = export(compile(x, (y, sym.argmax(y, axis=1))), tmp_path / "model", target).code
    assert subprocess.run(["nm", "-u", code], capture_output=True, text=True, check=True).stdout == ""


def test_untyped_inputs_have_the_types_of_the_last_call(tmp_path: Path) -> None:
    a = sym.var("a")
    f = compile(a, 2 * a)
    with pytest.raises(GraphcError, match="nothing is compiled yet"):
        export(f, tmp_path / "model")
    f(np.ones(3, np.float32))
    assert "int model(const float *a, float *out);" in export(f, tmp_path / "model").header.read_text()


@needs_cc
def test_names_that_c_or_the_loader_uses_are_no_trouble(tmp_path: Path) -> None:
    names = ["size", "block", "status", "free", "NULL", "int64_t", "model", "model_run", "model_workspace", "int"]
    inputs = [sym.var(name, shape=("n",)) for name in names]
    f = compile(inputs, {"workspace": sum(inputs[1:], inputs[0])})
    files = export(f, tmp_path / "model", format="shared")
    arrays = [np.arange(3.0) + k for k in range(len(names))]
    assert_same(call(ctypes.CDLL(str(files.code)).model, f, arrays, 3), f(*arrays))


# -- what cannot be ---------------------------------------------------------------------------------


def test_wrong_words_are_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    f = mlp()[0]
    with pytest.raises(ValueError, match="no target is named 'z80'; there are avx512"):
        export(f, tmp_path / "model", "z80")
    with pytest.raises(GraphcError, match="no format is named 'jar'"):
        export(f, tmp_path / "model", format="jar")
    with pytest.raises(GraphcError, match="'my-model' cannot be the name of a C function"):
        export(f, tmp_path / "my-model")
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(GraphcError, match="wasm32 needs a compiler for it; set CC"):
        export(f, tmp_path / "model", "wasm32", "shared")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GraphcError, match="needs a C compiler, and there is none"):
        export(f, tmp_path / "model", format="shared")
    assert list(tmp_path.iterdir()) == []


@needs_cc
def test_what_the_linker_says_is_shown(tmp_path: Path) -> None:
    with pytest.raises(GraphcError, match="cannot link .*nowhere"):
        export(mlp()[0], tmp_path / "model", format="shared", libraries=["-lnowhere"])
