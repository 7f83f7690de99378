"""Every elementary function: within 2 ulp of the truth, NumPy's special values, and no library called.

`pytest -s tests/codegen/test_vmath_accuracy.py` prints the worst error of each function and where it lies.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pytest
import scipy.special
from mpmath import mp, mpf

from graphc.codegen.target import Target
from graphc.codegen.vmath import FUNCTIONS
from tests.codegen.harness import assembly, evaluate, exact, ulp_error


@dataclass(frozen=True)
class Truth:
    """A function in any precision and in float64, where to try it, and the spots that are hard."""

    exact: Callable[..., Any]
    wide: Callable[..., Any]
    low: float = -np.inf
    high: float = np.inf
    hard: tuple[float, ...] = (0.0, 1.0, -1.0)
    arity: int = 1


def _cbrt(x: mpf) -> mpf:
    return mp.sign(x) * mp.cbrt(abs(x))


def _fmod(x: mpf, y: mpf) -> mpf:
    return mp.sign(x) * mp.fmod(abs(x), abs(y))


TRUTHS = {
    "exp": Truth(mp.exp, np.exp, -750, 720, (0.0, 709.78, -745.1, 88.72, -103.9, -87.4)),
    "exp2": Truth(lambda x: mpf(2) ** x, np.exp2, -1080, 1030, (0.0, 0.5, 1024, -1074.5, 128, -149.5)),
    "expm1": Truth(mp.expm1, np.expm1, -750, 720, (0.0, 0.35, -0.35, 709.78, 88.72)),
    "sinh": Truth(mp.sinh, np.sinh, -712, 712, (0.0, 0.35, 1.04, 710.47, 89.41)),
    "cosh": Truth(mp.cosh, np.cosh, -712, 712, (0.0, 0.35, 1.04, 710.47, 89.41)),
    "tanh": Truth(mp.tanh, np.tanh, -750, 750, (0.0, 0.55, -0.55, 0.2, 9.0, 19.06)),
    "sigmoid": Truth(lambda x: 1 / (1 + mp.exp(-x)), scipy.special.expit, -750, 750, (0.0, -16.7, 18.2, -88.0)),
    "softplus": Truth(lambda x: mp.log1p(mp.exp(x)), lambda x: np.logaddexp(x, 0), -750, 750, (0.0, 0.7, -0.7)),
    "logaddexp": Truth(lambda x, y: mp.log(mp.exp(x) + mp.exp(y)), np.logaddexp, 0, 1e4, (0.0, 1.0, 30.0), 2),
    "log": Truth(mp.log, np.log, 0, hard=(1.0, 0.75, 1.5)),
    "log2": Truth(lambda x: mp.log(x, 2), np.log2, 0, hard=(1.0, 0.75, 1.5, 2.0)),
    "log10": Truth(mp.log10, np.log10, 0, hard=(1.0, 0.75, 1.5, 10.0)),
    "log1p": Truth(mp.log1p, np.log1p, -1, hard=(0.0, -0.25, 0.5, -1.0, 2.0)),
    "erf": Truth(mp.erf, scipy.special.erf, -30, 30, (0.0, 1.1, 1.5, -1.2, 4.0, 5.9)),
    "erfc": Truth(mp.erfc, scipy.special.erfc, -30, 30, (0.0, 0.6, 1.5, 9.2, 10.05, 26.5, 27.2)),
    "sin": Truth(mp.sin, np.sin, hard=(0.0, np.pi, np.pi / 2, 1e5, 355.0)),
    "cos": Truth(mp.cos, np.cos, hard=(0.0, np.pi, np.pi / 2, 1e5, 355.0)),
    "tan": Truth(mp.tan, np.tan, hard=(0.0, np.pi, np.pi / 2, np.pi / 4, 1e5, 355.0)),
    "arcsin": Truth(mp.asin, np.arcsin, -1, 1, (0.0, 0.5, 1.0, -1.0)),
    "arccos": Truth(mp.acos, np.arccos, -1, 1, (0.0, 0.5, 1.0, -1.0)),
    "arctan": Truth(mp.atan, np.arctan),
    "arctan2": Truth(mp.atan2, np.arctan2, arity=2),
    "arcsinh": Truth(mp.asinh, np.arcsinh, hard=(0.0, 0.75, 1.0, -1.0)),
    "arccosh": Truth(mp.acosh, np.arccosh, 1, hard=(1.0, 1.5)),
    "arctanh": Truth(mp.atanh, np.arctanh, -1, 1, (0.0, 0.5, 1.0, -1.0)),
    "pow": Truth(mp.power, np.power, 0, hard=(1.0, 2.0, 30.0), arity=2),
    "cbrt": Truth(_cbrt, np.cbrt),
    "hypot": Truth(mp.hypot, np.hypot, arity=2),
    "rsqrt": Truth(lambda x: 1 / mp.sqrt(x), lambda x: 1 / np.sqrt(x), 0, hard=(1.0, 2.0)),
    "fmod": Truth(_fmod, np.fmod, hard=(1.0, 3.0), arity=2),
}
HOST = Target.host()
RUNNABLE = [HOST, Target.named("x86-64")] if platform.machine() in ("x86_64", "AMD64") else [HOST]
TARGETS = {"host": HOST, **{name: Target.named(name) for name in ("avx512", "avx2", "x86-64", "aarch64")}}
SPECIAL = [0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 1e30, -1e30, np.inf, -np.inf, np.nan]

each_function = pytest.mark.parametrize("name", FUNCTIONS)
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def points(truth: Truth, dtype: Any, count: int) -> list[np.ndarray]:
    """Arguments: any bit pattern, moderate numbers, and ever closer neighbours of the hard spots."""
    random, info = np.random.default_rng(1), np.finfo(dtype)

    def column() -> np.ndarray:
        bits = random.integers(0, 2 ** (8 * info.bits // 8), count, dtype=np.uint64).astype(f"u{info.bits // 8}")
        moderate = random.choice([-1, 1], count) * np.exp2(random.uniform(-12, 10, count))
        spots = random.choice(truth.hard, count)
        away = np.maximum(np.abs(spots), 0.5) * np.exp2(-random.uniform(0, info.nmant + 1, count))
        near = spots + random.choice([-1, 1], count) * away
        return np.concatenate([bits.view(dtype), moderate.astype(dtype), near.astype(dtype)])

    columns = [column() for _ in range(truth.arity)]
    kept = np.all([np.isfinite(c) & (c >= truth.low) & (c <= truth.high) for c in columns], axis=0)
    return [c[kept] for c in columns]


def test_every_function_has_its_truth() -> None:
    assert FUNCTIONS.keys() == TRUTHS.keys()


@each_function
@each_dtype
@pytest.mark.parametrize("target", RUNNABLE, ids=lambda t: t.cpu)
def test_error_is_at_most_two_ulp(name: str, dtype: Any, target: Target) -> None:
    truth = TRUTHS[name]
    arguments = points(truth, dtype, 50_000 if dtype is np.float32 else 400)
    with np.errstate(all="ignore"):
        if dtype is np.float32:
            true = (truth.wide(*(a.astype(np.float64) for a in arguments)), 0.0)
        else:
            true = exact(truth.exact, *arguments)
        error = ulp_error(evaluate(name, dtype, *arguments, target=target), *true)
    worst = int(np.argmax(error))
    print(f"\n{name:10s} {dtype.__name__} {target.cpu:8s} {error[worst]:.2f} ulp at", *(a[worst] for a in arguments))
    assert error[worst] <= 2.0


@each_function
@each_dtype
@pytest.mark.parametrize("target", RUNNABLE, ids=lambda t: t.cpu)
def test_special_values_are_numpys(name: str, dtype: Any, target: Target) -> None:
    info, truth = np.finfo(dtype), TRUTHS[name]
    values = [*SPECIAL, info.max, -info.max, info.tiny, -info.tiny, info.smallest_subnormal, -info.smallest_subnormal]
    arguments = np.array(list(product(values, repeat=truth.arity)), dtype).T
    result = evaluate(name, dtype, *arguments, target=target)
    with np.errstate(all="ignore"):
        expected = truth.wide(*arguments.astype(np.float64)).astype(dtype)
    signed = ~np.isnan(expected)
    assert np.all(ulp_error(result, expected.astype(np.float64)) <= 2.0)
    assert np.array_equal(np.signbit(result)[signed], np.signbit(expected)[signed])


@each_function
@each_dtype
def test_one_lane_is_computed_like_many(name: str, dtype: Any) -> None:
    arguments = points(TRUTHS[name], dtype, 500)
    many = evaluate(name, dtype, *arguments)
    assert np.array_equal(evaluate(name, dtype, *arguments, lanes=1), many, equal_nan=True)


@each_dtype
@pytest.mark.parametrize("lanes", [2, 4, 8, 32])
@pytest.mark.parametrize("name", ["exp", "log"])
def test_any_width_is_computed_alike(name: str, dtype: Any, lanes: int) -> None:
    arguments = points(TRUTHS[name], dtype, 500)
    assert np.array_equal(evaluate(name, dtype, *arguments, lanes=lanes), evaluate(name, dtype, *arguments))


@each_function
@each_dtype
@pytest.mark.parametrize("target", TARGETS)
def test_code_calls_no_library(name: str, dtype: Any, target: str) -> None:
    text = assembly(name, dtype, TRUTHS[name].arity, TARGETS[target])
    called = set(re.findall(r"^\s+(?:callq?|bl|jmp)\s+(?!\.L)(\S*[a-z]\S*)", text, re.MULTILINE))
    defined = set(re.findall(r"^(\w+):", text, re.MULTILINE))
    assert "kernel" in defined
    assert called <= defined


@each_dtype
def test_sigmoid_never_falls(dtype: Any) -> None:
    x = np.linspace(-110, 40, 200_000).astype(dtype)
    assert np.all(np.diff(evaluate("sigmoid", dtype, x)) >= 0)


@each_dtype
def test_logaddexp_near_zero_is_accurate_for_its_arguments(dtype: Any) -> None:
    random = np.random.default_rng(2)
    x = -np.exp2(random.uniform(-20, 5, 2000)).astype(dtype)
    y = np.log(-np.expm1(x.astype(np.float64))).astype(dtype)  # log(e^x + e^y) is nearly 0
    result = evaluate("logaddexp", dtype, x, y).astype(np.float64)
    error = np.abs(result - np.logaddexp(x.astype(np.longdouble), y.astype(np.longdouble)).astype(np.float64))
    assert np.all(error <= 2 * np.spacing(np.maximum(np.abs(x), np.abs(y))).astype(np.float64))
