"""Where elementary functions break first: special values of powers, huge quotients, the closest calls near π/2."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest
from mpmath import mp

from graphc.codegen.target import Target
from tests.codegen.harness import evaluate, exact, ulp_error

HOST = Target.host()
RUNNABLE = [HOST, Target.named("x86-64")] if platform.machine() in ("x86_64", "AMD64") else [HOST]

each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])
each_target = pytest.mark.parametrize("target", RUNNABLE, ids=lambda t: t.cpu)


def pairs(values: Any, dtype: Any) -> Any:
    return np.array(list(product(values, repeat=2)), dtype).T


def any_magnitude(random: np.random.Generator, count: int, dtype: Any) -> np.ndarray:
    info = np.finfo(dtype)
    exponent = random.integers(info.minexp - info.nmant, info.maxexp, count)
    return (random.choice([-1, 1], count) * np.ldexp(random.uniform(1, 2, count), exponent)).astype(dtype)


def assert_same(result: np.ndarray, expected: np.ndarray) -> None:
    """Equal, the sign of zeros included, NaN for NaN."""
    both_nan = np.isnan(result) & np.isnan(expected)
    assert np.all(both_nan | (result == expected) & (np.signbit(result) == np.signbit(expected)))


@each_dtype
@each_target
def test_pow_of_special_bases_and_exponents_is_numpys(dtype: Any, target: Target) -> None:
    greatest_odd = 2.0 ** (np.finfo(dtype).nmant + 1) - 1
    bases = [0.0, -0.0, 1.0, -1.0, 0.25, -0.25, 4.0, -4.0, np.inf, -np.inf, np.nan]
    exponents = [0.0, 1.0, 2.0, 3.0, 0.5, 1.5, greatest_odd, greatest_odd + 1, 2 * greatest_odd, 1e30, np.inf, np.nan]
    x, y = np.array(list(product(bases, [*exponents, *np.negative(exponents)])), dtype).T
    with np.errstate(all="ignore"):
        assert_same(evaluate("pow", dtype, x, y, target=target), np.power(x, y))


@each_dtype
def test_pow_of_minus_one_alternates_up_to_the_greatest_odd_number(dtype: Any) -> None:
    top = 2.0 ** (np.finfo(dtype).nmant + 1)
    y = np.concatenate([np.arange(-50, 50), top - np.arange(50), top / 2 + np.arange(-50, 50)]).astype(dtype)
    assert_same(evaluate("pow", dtype, -1.0, y), np.where(y.astype(np.int64) % 2 == 0, 1, -1).astype(dtype))


@each_dtype
def test_one_special_lane_leaves_its_neighbours_alone(dtype: Any) -> None:
    x, y = np.linspace(0.1, 9, 640).astype(dtype), np.linspace(-5, 5, 640).astype(dtype)
    alone = evaluate("pow", dtype, x, y)
    x[::7], alone[::7] = 0.0, np.where(y[::7] < 0, np.inf, 0.0)
    assert_same(evaluate("pow", dtype, x, y), alone)


@each_dtype
@each_target
def test_fmod_is_exact_however_large_the_quotient(dtype: Any, target: Target) -> None:
    random = np.random.default_rng(1)
    x, y = any_magnitude(random, 3000, dtype), any_magnitude(random, 3000, dtype)
    info = np.finfo(dtype)
    specials = pairs([0.0, -0.0, 1.0, -3.0, info.max, info.smallest_subnormal, np.inf, np.nan], dtype)
    with np.errstate(all="ignore"):
        multiple = (y * random.integers(0, 2000, 3000)).astype(dtype)
        for a, b in [(x, y), (multiple, y), (np.nextafter(multiple, 0), y), specials]:
            assert_same(evaluate("fmod", dtype, a, b, target=target), np.fmod(a, b))


@each_dtype
@each_target
def test_hypot_neither_overflows_nor_underflows(dtype: Any, target: Target) -> None:
    info = np.finfo(dtype)
    scale = np.ldexp(dtype(1), np.arange(info.minexp - info.nmant, info.maxexp - 3))
    assert_same(evaluate("hypot", dtype, 3 * scale, -4 * scale, target=target), 5 * scale)


@each_dtype
def test_hypot_with_an_infinity_is_infinite_even_beside_nan(dtype: Any) -> None:
    x, y = np.array([np.inf, np.nan, -np.inf, np.nan, 1.0]), np.array([np.nan, -np.inf, np.inf, 1.0, np.nan])
    assert_same(evaluate("hypot", dtype, x, y), np.array([np.inf, np.inf, np.inf, np.nan, np.nan], dtype))


@each_dtype
@each_target
def test_arctan2_knows_every_quadrant_zero_and_infinity(dtype: Any, target: Target) -> None:
    y, x = pairs([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan], dtype)
    result, expected = evaluate("arctan2", dtype, y, x, target=target), np.arctan2(y, x)
    assert np.allclose(result, expected, rtol=2 * np.finfo(dtype).eps, atol=0, equal_nan=True)
    assert np.array_equal(np.signbit(result[~np.isnan(result)]), np.signbit(expected[~np.isnan(result)]))


def closest_to_multiples_of_half_pi() -> Iterator[float]:
    """The float64 that come closest, at every other exponent: denominators of the convergents of 2^e · 2/π."""
    with mp.workprec(2400):
        two_over_pi = int(mp.floor(mp.ldexp(2 / mp.pi, 2200)))
    for exponent in range(-52, 971, 2):
        a, b = 1 << 1200, (two_over_pi >> 1000 - exponent) % (1 << 1200)
        before, denominator = 0, 1
        while denominator < 2**53:
            if denominator > 2**45:
                yield float(np.ldexp(float(denominator), exponent))
            before, denominator = denominator, a // b * denominator + before
            a, b = b, a % b


@each_target
@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_closest_calls_near_multiples_of_half_pi_keep_their_accuracy(name: str, target: Target) -> None:
    x = np.array(list(closest_to_multiples_of_half_pi()))
    with mp.workprec(1300):
        true = exact(getattr(mp, name), x)
    assert np.max(ulp_error(evaluate(name, np.float64, x, target=target), *true)) <= 2.0


@each_dtype
@pytest.mark.parametrize("name", ["sin", "tan", "arcsin", "arctan", "arcsinh", "arctanh", "cbrt"])
def test_odd_functions_are_exactly_odd(name: str, dtype: Any) -> None:
    x = np.abs(any_magnitude(np.random.default_rng(2), 3000, dtype))
    assert_same(evaluate(name, dtype, -x), -evaluate(name, dtype, x))


@each_dtype
@pytest.mark.parametrize("name", ["sin", "tan", "arcsin", "arctan", "arcsinh", "arctanh"])
def test_the_smallest_numbers_map_to_themselves(name: str, dtype: Any) -> None:
    x = np.finfo(dtype).smallest_subnormal * np.array([0.0, -0.0, 1.0, -1.0, 2.0, 3.0], dtype)
    assert_same(evaluate(name, dtype, x), x)
