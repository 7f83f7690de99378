"""Random numbers: known answers, streams that do not meet, moments at fixed seeds, and no state anywhere."""

import numpy as np
import pytest

from graphc import compile, grad, sym
from graphc.errors import DTypeError
from graphc.interpret import interpret
from graphc.node import constant
from graphc.sym import random
from graphc.sym.random import _threefry
from graphc.sym.record import replay

KEY = np.array([1, 2], np.uint32)
SHAPE = (300, 401)
COUNT = 300 * 401

# key, counter, block: from the file of known answers of Random123
KNOWN = [
    ((0x00000000, 0x00000000), (0x00000000, 0x00000000), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
    ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
]


def drawn(function, *args, key=KEY, **kwargs):
    k = sym.var("key", shape=2, dtype="uint32")
    return compile(k, function(k, *args, **kwargs))(key)


# -- the generator ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("key", "counter", "block"), KNOWN)
def test_blocks_are_the_known_answers(key, counter, block):
    k, c = sym.var("k", shape=2, dtype="uint32"), sym.var("c", shape=2, dtype="uint32")
    found = compile([k, c], sym.stack(_threefry((k[0], k[1]), c[0], c[1])))
    assert tuple(found(np.array(key, np.uint32), np.array(counter, np.uint32))) == block


def test_bits_are_blocks_of_their_places():
    blocks = [
        _threefry((constant(KEY[0]), constant(KEY[1])), constant(np.uint32(i)), constant(np.uint32(0)))
        for i in range(6)
    ]
    expected = np.array([interpret(first, {}) for first, _ in blocks]).reshape(2, 3)
    np.testing.assert_array_equal(drawn(random.bits, (2, 3)), expected)


def test_every_bit_is_set_half_of_the_time():
    words = drawn(random.bits, SHAPE, "uint64")
    ones = [((words >> np.uint64(k)) & np.uint64(1)).mean() for k in range(64)]
    np.testing.assert_allclose(ones, 0.5, atol=5 * 0.5 / np.sqrt(COUNT))


def test_words_of_64_bits_begin_with_those_of_32():
    np.testing.assert_array_equal(drawn(random.bits, 9, "uint64") >> np.uint64(32), drawn(random.bits, 9))


# -- keys ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 7, 2**40 + 3, -1])
def test_key_of_a_seed_is_its_two_words(seed):
    expected = [(seed % 2**64) >> 32, seed % 2**32]
    np.testing.assert_array_equal(compile([], random.key(seed))(), np.array(expected, np.uint32))
    s = sym.var("s", shape=(), dtype="int64")
    np.testing.assert_array_equal(compile(s, random.key(s))(np.int64(seed)), np.array(expected, np.uint32))


def test_seed_serves_as_its_key():
    assert random.bits(7, 5) is random.bits(random.key(7), 5)


def test_new_keys_differ_from_each_other_and_from_the_old_one():
    k = sym.var("key", shape=2, dtype="uint32")
    folded = [random.fold_in(k, number) for number in (0, 1, 2**40)]
    keys = [k, *(random.split(k, 50)[i] for i in range(50)), *folded, random.fold_in(folded[0], 0)]
    values = compile(k, keys)(KEY)
    assert len({tuple(value) for value in values}) == len(keys)


def test_numbers_of_different_keys_are_uncorrelated():
    k = sym.var("key", shape=2, dtype="uint32")
    keys = random.split(k, 3)
    draws = compile(k, [random.normal(own, COUNT) for own in (k, keys[0], keys[1], random.fold_in(k, 0))])(KEY)
    np.testing.assert_allclose(np.corrcoef(draws), np.eye(4), atol=5 / np.sqrt(COUNT))


def test_neighbours_are_uncorrelated():
    u = drawn(random.uniform, COUNT)
    for distance in (1, 2, 401):
        assert abs(np.corrcoef(u[:-distance], u[distance:])[0, 1]) < 5 / np.sqrt(COUNT)


@pytest.mark.parametrize("key", [np.zeros(3, np.uint32), np.zeros(2), np.zeros(2, np.int64), 1.5])
def test_what_is_no_key_is_an_error_on_the_users_line(key):
    with pytest.raises(DTypeError, match=r"uniform: .*is no key \(test_random.py"):
        random.uniform(key, 3)


# -- draws --------------------------------------------------------------------------------------------


def assert_moments(x, mean, variance, fourth):
    """Mean and variance within five standard errors; `fourth` is the fourth central moment."""
    assert abs(x.mean() - mean) < 5 * np.sqrt(variance / x.size)
    assert abs(((x - mean) ** 2).mean() - variance) < 5 * np.sqrt((fourth - variance**2) / x.size)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_uniform_numbers(dtype):
    u = drawn(random.uniform, SHAPE, dtype)
    assert u.dtype == dtype and u.shape == SHAPE and u.min() >= 0 and u.max() < 1
    assert_moments(u.astype("float64"), 1 / 2, 1 / 12, 1 / 80)
    counts = np.histogram(u, 50, (0, 1))[0]
    assert ((counts - COUNT / 50) ** 2 / (COUNT / 50)).sum() < 49 + 5 * np.sqrt(2 * 49)


def test_uniform_numbers_between_bounds_that_broadcast_and_have_derivatives():
    low, high = sym.var("low", shape=(3,)), sym.var("high", shape=())
    u = random.uniform(5, (1000, 3), low=low, high=high)
    value, slopes = compile([low, high], [u, grad(sym.sum(u), [low, high])])(np.array([0.0, -10, 4]), 5.0)
    assert (value >= [0, -10, 4]).all() and (value < 5).all()
    unit = compile([], random.uniform(5, (1000, 3)))()
    np.testing.assert_allclose(slopes[0], (1 - unit).sum(0))
    np.testing.assert_allclose(slopes[1], unit.sum())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_normal_numbers(dtype):
    z = drawn(random.normal, SHAPE, dtype)
    assert z.dtype == dtype and np.isfinite(z).all()
    z = z.astype("float64")
    assert_moments(z, 0, 1, 3)
    assert abs((z**3).mean()) < 5 * np.sqrt(15 / COUNT)
    assert abs((z**4).mean() - 3) < 5 * np.sqrt(96 / COUNT)


@pytest.mark.parametrize("p", [0.0, 0.2, 0.5, 1.0])
def test_bernoulli_numbers(p):
    b = drawn(random.bernoulli, p, SHAPE)
    assert b.dtype == bool
    assert abs(b.mean() - p) <= 5 * np.sqrt(p * (1 - p) / COUNT)


def test_each_number_has_its_own_probability():
    p = np.array([[0.0], [1.0]]).repeat(50, 1)
    np.testing.assert_array_equal(drawn(random.bernoulli, p), p.astype(bool))


@pytest.mark.parametrize(
    ("low", "high", "dtype"), [(-5, 7, "int64"), (0, 1, "int32"), (0, 200, "uint8"), (3, 5, "int8")]
)
def test_integers_are_equally_likely(low, high, dtype):
    k = drawn(random.randint, SHAPE, low, high, dtype)
    assert k.dtype == dtype
    counts = np.bincount(k.ravel().astype(int) - low, minlength=high - low)
    n = high - low
    assert len(counts) == n and ((counts - COUNT / n) ** 2 / (COUNT / n)).sum() <= n - 1 + 5 * np.sqrt(2 * (n - 1))


def test_integers_of_the_whole_range():
    k = drawn(random.randint, 10_000, -(2**63), 2**63 - 1)
    assert k.min() < -(2**62) and k.max() > 2**62


def test_no_integer_to_draw_is_an_error():
    with pytest.raises(ValueError, match="no integer is from 3 below 3"):
        random.randint(0, 5, 3, 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: random.uniform(0, 3, "int32"), "uniform: draws floats"),
        (lambda: random.normal(0, 3, "bool"), "normal: draws floats"),
        (lambda: random.randint(0, 3, 0, 5, "float32"), "randint: draws integers"),
        (lambda: random.bits(0, 3, "int32"), "bits: int32"),
    ],
)
def test_dtype_that_is_not_drawn_is_an_error(call, message):
    with pytest.raises(DTypeError, match=message):
        call()


# -- dropout ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.0, 0.3, 0.9])
def test_dropout_keeps_the_expectation(rate):
    x, k = sym.var("x", shape=SHAPE), sym.var("key", shape=2, dtype="uint32")
    y = compile([x, k], random.dropout(x, k, rate))(np.full(SHAPE, 2.0), KEY)
    kept = y != 0
    np.testing.assert_allclose(y[kept], 2 / (1 - rate))
    assert abs(kept.mean() - (1 - rate)) <= 5 * np.sqrt(rate * (1 - rate) / COUNT)


def test_gradient_of_dropout_is_dropped_where_the_value_is():
    x, k = sym.var("x", shape=(50, 40)), sym.var("key", shape=2, dtype="uint32")
    y = random.dropout(x, k, 0.4)
    value, gradient = compile([x, k], [y, grad(sym.sum(y), x)])(np.ones((50, 40)), KEY)
    np.testing.assert_array_equal(value, gradient)


def test_dropout_of_everything_is_zero_and_so_is_its_gradient():
    x = sym.var("x", shape=(4,))
    y = random.dropout(x, 0, 1.0)
    for found in compile(x, [y, grad(sym.sum(y), x)])(np.array([1.0, np.inf, 2, 3])):
        np.testing.assert_array_equal(found, np.zeros(4))


def test_rate_that_is_no_probability_is_an_error():
    with pytest.raises(ValueError, match="rate=1.5"):
        random.dropout(sym.var("x", shape=3), 0, 1.5)


def test_dropout_is_one_kernel_and_stores_no_mask():
    x, k = sym.var("x", shape=("n", 100), dtype="float32"), sym.var("key", shape=2, dtype="uint32")
    y = random.dropout(sym.relu(x), k, 0.5)
    f = compile([x, k], [y, grad(sym.sum(y * y), x)])
    assert len(f.kernels) == 1 and f.cost(n=10).workspace == 0


# -- no state -----------------------------------------------------------------------------------------

DRAWS = [random.bits, random.uniform, random.normal, lambda k, shape: random.randint(k, shape, 0, 9)]


@pytest.mark.parametrize("function", DRAWS)
def test_same_key_gives_the_same_numbers_in_every_program(function):
    k = sym.var("key", shape=2, dtype="uint32")
    node = function(k, (7, 5))
    alone = compile(k, node)(KEY)
    np.testing.assert_allclose(alone, interpret(node, {k: KEY}), rtol=1e-14)
    np.testing.assert_array_equal(alone, compile(k, [node + 0, sym.sum(node)])(KEY)[0])
    np.testing.assert_array_equal(alone, compile([], function(constant(KEY), (7, 5)))())


@pytest.mark.parametrize("function", DRAWS)
def test_symbolic_shape_gives_the_numbers_of_the_known_one(function):
    k, x = sym.var("key", shape=2, dtype="uint32"), sym.var("x", shape=("n", 5))
    f = compile([k, x], [function(k, x.shape), x])
    for n in (7, 1, 0):
        found = f(KEY, np.zeros((n, 5)))[0]
        np.testing.assert_array_equal(found, drawn(function, (n, 5)))


@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 0, 3), (1, 1, 1)])
def test_any_shape_may_be_drawn(shape):
    assert drawn(random.normal, shape).shape == shape


def test_draws_of_untyped_keys_are_recorded():
    k, typed = sym.var("k"), sym.var("typed", shape=2, dtype="uint32")
    for function in (random.uniform, random.normal, random.bits):
        assert replay([function(k, 4)], {k: typed})[0] is function(typed, 4)
    assert replay([random.split(k)[1]], {k: typed})[0] is random.split(typed)[1]
