"""Functions: what they take, what they refuse and how they say so, what they give."""

import gc
import threading
import weakref
from collections import namedtuple

import numpy as np
import pytest

import graphc
from graphc import sym
from graphc.runtime import function as function_module

A, B = sym.var("a", shape=(3,), dtype="float32"), sym.var("b", shape=(3,), dtype="float32")


@pytest.fixture
def f():
    return graphc.compile([A, B], 2 * A + B)


ONES = np.ones(3, "float32")
Pair = namedtuple("Pair", ["left", "right"])


def test_arguments_come_by_position_or_name(f):
    expected = [2, 3, 4]
    a, b = np.array([0.5, 1, 1.5], "f"), ONES
    for result in (f(a, b), f(a, b=b), f(b=b, a=a)):
        np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize(
    "layout",
    [
        lambda x: x.tolist(),
        lambda x: tuple(x.tolist()),
        lambda x: np.repeat(x, 2)[::2],
        lambda x: x.astype(">f4"),
        lambda x: np.frombuffer(b"\0" + x.tobytes(), "u1")[1:].view("f4"),
        lambda x: x.astype(np.float16),
        lambda x: np.asfortranarray(x),
        lambda x: np.ma.asarray(x),
    ],
)
def test_any_layout_and_byte_order_is_converted(f, layout):
    np.testing.assert_array_equal(f(layout(ONES), ONES), [3, 3, 3])


@pytest.mark.parametrize(
    ("arguments", "named", "message"),
    [
        ((ONES,), {}, r"no data for 'b' \(test_function.py:\d+\)"),
        ((ONES, ONES, ONES), {}, r"3 arrays are given \(test_function.py:\d+\); the inputs are a, b"),
        ((ONES,), {"c": ONES}, r"no input is named 'c' \(test_function.py:\d+\); the inputs are a, b"),
        ((ONES,), {"a": ONES}, r"input 'a' is given by position and by name \(test_function.py:\d+\); give it once"),
        ((ONES.astype("f8"), ONES), {}, r"input 'a' is float32\[3\] \(test_function.py:\d+\); the float64\[3\] given"),
        ((ONES, np.ones(4, "f")), {}, r"input 'b' is float32\[3\].*has 4 elements along axis 0 instead of 3"),
        ((ONES, np.ones((3, 1), "f")), {}, r"input 'b'.*has 2 axes instead of 1"),
        ((np.arange(3), ONES), {}, "cannot become float32 unchanged"),
    ],
)
def test_what_does_not_fit_is_named_and_changes_nothing(f, arguments, named, message):
    before = f(ONES, ONES)
    with pytest.raises(graphc.BindError, match=message):
        f(*arguments, **named)
    np.testing.assert_array_equal(f(ONES, ONES), before)


def test_outputs_of_unknown_variables_are_refused():
    with pytest.raises(graphc.BindError, match=r"depend on 'b' \(test_function.py:\d+\), not among the inputs a"):
        graphc.compile([A], A + B)


def test_two_variables_of_one_name_are_refused_with_both_lines():
    with pytest.raises(graphc.BindError, match=r"two variables are named 'a' \(test_function.py:\d+ and test_func"):
        graphc.compile([A, B], A + B + sym.var("a", shape=(3,), dtype="float32"))


def test_results_mirror_the_structure_of_the_outputs():
    f = graphc.compile([A, B], {"sum": A + B, "all": [A, (B, None, {"twice": 2 * A})]})
    result = f(ONES, ONES)
    assert list(result) == ["sum", "all"] and isinstance(result["all"], list)
    assert result["all"][1][1] is None
    np.testing.assert_array_equal(result["all"][1][2]["twice"], [2, 2, 2])


def test_a_named_tuple_of_outputs_comes_back_as_one():
    result = graphc.compile([A, B], Pair(A + B, [Pair(A, None)]))(ONES, 2 * ONES)
    assert isinstance(result, Pair) and isinstance(result.right[0], Pair)
    np.testing.assert_array_equal(result.left, [3, 3, 3])


def test_results_alias_nothing():
    constant = sym.asarray(np.arange(3.0, dtype="f"))
    f = graphc.compile([A, B], [A, A, constant, A + B, A + B])
    a = ONES.copy()
    results = f(a, ONES)
    arrays = [a, *results]
    assert not any(np.shares_memory(x, y) for k, x in enumerate(arrays) for y in arrays[:k])
    results[2][:] = 9
    np.testing.assert_array_equal(f(a, ONES)[2], [0, 1, 2])


def test_results_go_to_the_buffers_given():
    f = graphc.compile([A, B], [A + B, A * B])
    out = [np.empty(3, "f"), np.empty(3, "f")]
    assert f(2 * ONES, ONES, out=out) is out
    np.testing.assert_array_equal(out, [[3, 3, 3], [2, 2, 2]])


@pytest.mark.parametrize("structure", [list, tuple, lambda pair: {"y": pair[0], "z": {"w": pair[1]}}])
def test_results_go_again_to_buffers_with_no_look_at_the_arguments(structure, monkeypatch):
    f = graphc.compile([A, B], structure([A + B, A * B]))
    buffers = [np.empty(3, "f"), np.empty(3, "f")]
    f(ONES, ONES, out=structure(buffers))
    monkeypatch.setattr(function_module, "arrange", None)
    f(2 * ONES, ONES, out=structure(buffers))
    np.testing.assert_array_equal(buffers, [[3, 3, 3], [2, 2, 2]])


def test_buffers_of_another_size_or_none_at_all_are_told_apart_after_the_first():
    x = sym.var("x", shape=("n",), dtype="float32")
    f = graphc.compile(x, 2 * x)
    for n in (3, 5, 3):
        out = np.empty(n, "f")
        np.testing.assert_array_equal(f(np.ones(n, "f"), out=out), np.full(n, 2))
    with pytest.raises(graphc.BindError, match=r"out= holds float32\[5\] where the result is float32\[3\]"):
        f(ONES, out=np.empty(5, "f"))
    with pytest.raises(graphc.BindError, match="out= holds list where the result is"):
        f(ONES, out=[np.empty(3, "f")])


def test_a_buffer_may_be_an_argument(f):
    a = ONES.copy()
    f(a, ONES, out=a)
    np.testing.assert_array_equal(a, [3, 3, 3])


@pytest.mark.parametrize("wrong", [np.empty(3), np.empty(4, "f"), [0, 0, 0], np.frombuffer(bytes(12), "f")])
def test_a_buffer_that_does_not_fit_is_refused(f, wrong):
    with pytest.raises(graphc.BindError, match="out="):
        f(ONES, ONES, out=wrong)


def test_buffers_that_share_memory_are_refused():
    buffer = np.empty(6, "f")
    with pytest.raises(graphc.BindError, match="out= holds arrays that share memory .*; give each result its own"):
        graphc.compile([A, B], [A + B, A * B])(ONES, ONES, out=[buffer[:3], buffer[1:4]])


def test_an_input_is_listed_once():
    with pytest.raises(graphc.BindError, match=r"input 'a' \(test_function.py:\d+\) is listed twice"):
        graphc.compile([A, B, A], A + B)


@pytest.mark.parametrize("dtype", [np.longlong, ">i8", np.int32])
def test_every_name_of_a_dtype_is_the_same_dtype(dtype):
    data = np.arange(3).astype(dtype)
    for x in (sym.var("x", shape=("n",), dtype="int64"), sym.var("x")):
        np.testing.assert_array_equal(graphc.compile(x, 2 * x)(data), [0, 2, 4])


def test_an_empty_list_is_an_array_of_any_dtype():
    x = sym.var("x", shape=("n",), dtype="int64")
    assert graphc.compile(x, x + 1)([]).dtype == "int64"


def test_an_input_of_no_use_may_have_any_extent():
    x = sym.var("x", shape=("n",))
    for outputs, expected in (([], []), ({"ones": sym.ones(2)}, {"ones": [1, 1]})):
        np.testing.assert_equal(graphc.compile(x, outputs)(np.ones(3)), expected)


def test_sizes_come_back_after_many_others():
    x = sym.var("x", shape=("n",))
    f = graphc.compile(x, x + 1)
    for n in (*range(20), *range(20)):
        assert f(np.zeros(n)).tolist() == [1] * n


def test_one_code_serves_every_size_of_a_named_dimension():
    x, w = sym.var("x", shape=("n", 4)), sym.var("w", shape=(4,))
    f = graphc.compile([x, w], sym.tanh(x @ w).sum())
    rng = np.random.default_rng(0)
    for n in (1, 0, 7, 100, 3):
        data, weights = rng.normal(size=(n, 4)), rng.normal(size=4)
        np.testing.assert_allclose(f(data, weights), np.tanh(data @ weights).sum())
    assert len(f.codes) == 1


def test_named_dimensions_agree_across_inputs():
    x, y = sym.var("x", shape=("n",)), sym.var("y", shape=("n",))
    f = graphc.compile([x, y], x + y)
    with pytest.raises(graphc.BindError, match=r"'y' is float64\[n\].*has 4 elements along axis 0 instead of n = 3"):
        f(np.ones(3), np.ones(4))


def test_untyped_variables_take_the_types_that_come():
    a, b = sym.var("a"), sym.var("b")
    f = graphc.compile([a, b], 2 * a + b)
    for dtype, shape in (("f4", (3,)), ("f8", (2, 2)), ("i8", ()), ("f4", (3,))):
        result = f(np.ones(shape, dtype), np.ones(shape, dtype))
        assert result.dtype == dtype and result.shape == shape and (result == 3).all()
    assert len(f.codes) == 3


def test_without_a_library_products_are_generated(monkeypatch):
    a, b = sym.var("a", shape=(5, "k")), sym.var("b", shape=("k", 6))
    monkeypatch.setattr(function_module, "find_blas", lambda: None)
    f = graphc.compile([a, b], [a @ b, graphc.grad(((a @ b) ** 2).sum(), [a, b])])
    x, y = np.random.default_rng(0).normal(size=(2, 30))
    x, y = x[:20].reshape(5, 4), np.resize(y, (4, 6))
    product, (da, db) = f(x, y)
    np.testing.assert_allclose(product, x @ y)
    np.testing.assert_allclose(da, 2 * (x @ y) @ y.T)
    np.testing.assert_allclose(db, 2 * x.T @ (x @ y))
    assert "blas" not in f.llvm


def test_many_threads_call_one_function():
    x = sym.var("x", shape=("n",))
    f = graphc.compile(x, [sym.exp(x / sym.sum(x)), x * 2])
    sizes = [10, 1000, 200_000]
    expected = {n: np.exp(np.arange(1.0, n + 1) / np.arange(1.0, n + 1).sum()) for n in sizes}
    wrong = []

    def work(n):
        data = np.arange(1.0, n + 1)
        for _ in range(20):
            if not np.allclose(f(data)[0], expected[n], rtol=1e-12):
                wrong.append(n)

    threads = [threading.Thread(target=work, args=(n,)) for n in sizes * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_function_is_collected_with_its_code():
    f = graphc.compile([A, B], A - B)
    f(ONES, ONES)
    gone = weakref.ref(f.code)
    del f
    gc.collect()
    assert gone() is None


def test_results_outlive_the_function():
    x = sym.var("x", shape=(100_000,))
    result = graphc.compile(x, x + 1)(np.zeros(100_000))
    gc.collect()
    assert (result == 1).all()


def test_the_same_call_gives_the_same_bits():
    x = sym.var("x", shape=("n",), dtype="float32")
    data = np.random.default_rng(0).normal(size=100_003).astype("f")
    f, g = graphc.compile(x, sym.sum(sym.exp(x))), graphc.compile(x, sym.sum(sym.exp(x)))
    assert f(data).tobytes() == f(data).tobytes() == g(data).tobytes()


def test_long_float32_sums_are_accurate():
    x = sym.var("x", shape=("n",), dtype="float32")
    data = np.random.default_rng(0).uniform(size=3_000_001).astype("f")
    np.testing.assert_allclose(graphc.compile(x, sym.sum(x))(data), data.sum(dtype="f8"), rtol=3e-7)


def test_more_sizes_than_are_remembered_are_all_right(monkeypatch):
    monkeypatch.setattr(function_module, "PLANS", 4)
    x = sym.var("x", shape=("n",))
    f = graphc.compile(x, sym.sum(x))
    for n in [*range(20), *range(20)]:
        assert f(np.ones(n)) == n
    assert len(f.code._plans) == 4
