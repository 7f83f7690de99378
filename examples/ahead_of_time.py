"""Ahead of time: a small model becomes an object file and a header, and a C program calls it, with no Python in it.

The same plain C function also lies in this process, for ctypes, cffi, numba and SciPy.

python examples/ahead_of_time.py
"""

import ctypes
import os
import shutil
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import graphc
from graphc import sym

MAIN = """\
#include <stdio.h>
#include "model.h"

int main(void)
{
    double x[ROWS * 4], y[ROWS * 3];
    for (int i = 0; i < ROWS * 4; i++)
        x[i] = 0.25 * i - 1;
    int status = model(x, y, ROWS);
    if (status != MODEL_OK)
        return status;
    for (int i = 0; i < ROWS; i++)
        printf("%.17g %.17g %.17g\\n", y[3 * i], y[3 * i + 1], y[3 * i + 2]);
    return 0;
}
"""


def heading(text: str) -> None:
    print(f"\n== {text}")


def make_model() -> graphc.Function:
    """Two layers and a softmax; the weights are constants, so they go into the object."""
    rng = np.random.default_rng(0)
    x = sym.var("x", shape=("n", 4))
    hidden = sym.tanh(x @ rng.normal(size=(4, 16)) + rng.normal(size=16))
    return graphc.compile(x, sym.softmax(hidden @ rng.normal(size=(16, 3))))


def batch(rows: int) -> np.ndarray:
    """The numbers that the C program makes too."""
    return 0.25 * np.arange(4.0 * rows).reshape(rows, 4) - 1


def run_in_c(folder: Path, rows: int) -> np.ndarray | None:
    """What a C program prints that is built from the exported files; None where there is no C compiler."""
    compiler = os.environ.get("CC", "").split() or [found for found in [shutil.which("cc")] if found]
    if not compiler:
        return None
    (folder / "main.c").write_text(MAIN)
    build = [*compiler, "-std=c99", f"-DROWS={rows}", "main.c", "model.c", "model.o", "-o", "program"]
    subprocess.run(build, cwd=folder, check=True)
    run = subprocess.run([folder / "program"], capture_output=True, text=True, check=True)
    return np.array([line.split() for line in run.stdout.splitlines()], float)


def show_export(f: graphc.Function, folder: Path) -> None:
    heading("exported: an object file, a header, and a loader in plain C")
    files = graphc.export(f, folder / "model")
    for file in (files.code, files.header, files.loader):
        print(f"{file.name}  {file.stat().st_size} bytes")
    print(files.header.read_text())

    heading("for other machines, by name")
    for target in ("x86-64", "avx2", "aarch64", "wasm32"):
        code = graphc.export(f, folder / target.replace("-", "_"), target).code
        print(f"{target:8} {code.stat().st_size} bytes")


def show_c(f: graphc.Function, folder: Path) -> None:
    heading("a C program that calls it")
    for rows in (2, 5):
        found = run_in_c(folder, rows)
        if found is None:
            print("no C compiler is here: install cc, or set CC, to see a C program call the model")
            return
        np.testing.assert_allclose(found, f(batch(rows)), rtol=1e-12)
        print(f"{rows} rows: the C program and Python agree; the last row is {found[-1]}")


def show_address(f: graphc.Function) -> None:
    heading("the same function in this process")
    print(f.native_signature)
    x, wanted = batch(3), f(batch(3))

    y = np.empty((3, 3))
    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
    function = kind(f.address)
    status = function(x.ctypes.data, y.ctypes.data, 3)
    assert status == 0 and np.array_equal(y, wanted)
    print("ctypes calls it")

    if find_spec("cffi"):
        import cffi

        ffi, y = cffi.FFI(), np.empty((3, 3))
        called = ffi.cast("int (*)(const double *, double *, int64_t)", f.address)
        status = called(*(ffi.from_buffer("double[]", a) for a in (x, y)), 3)
        assert status == 0 and np.array_equal(y, wanted)
        print("cffi calls it")

    if find_spec("numba"):
        import numba

        @numba.njit
        def through_numba(x, y):
            return function(x.ctypes.data, y.ctypes.data, len(x))

        y = np.empty((3, 3))
        assert through_numba(x, y) == 0 and np.array_equal(y, wanted)
        print("numba calls it, from its own compiled code")

    if find_spec("scipy"):
        from scipy.integrate import quad

        t, rate = sym.var("t", shape=()), sym.var("rate", shape=())
        density = graphc.compile([t, rate], rate * sym.exp(-rate * t))
        total, _ = quad(density.low_level_callable(), 0, np.inf, args=(2.0,))
        np.testing.assert_allclose(total, 1)
        print(f"SciPy's quad calls a function of scalars: an exponential density integrates to {total:.6f}")


def main() -> None:
    f = make_model()
    with tempfile.TemporaryDirectory() as place:
        show_export(f, Path(place))
        show_c(f, Path(place))
    show_address(f)


if __name__ == "__main__":
    main()
