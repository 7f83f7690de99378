"""The native entry and its twin in Python: what they take, what they give, and that they leak nothing."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from typing import Any

import numpy as np
import pytest

from graphc.codegen.emit import INT64, Emitter, Pointer, Value
from graphc.errors import InternalError
from graphc.runtime import capi, memory
from graphc.runtime.entry import MOST_PLANS
from graphc.runtime.native import Entry
from graphc.runtime.signature import Buffer, Signature, Slot
from tests.runtime.programs import COUNT, arrays, entry, load, plan, slow

BIG = memory.POOLED // 4  # float32 elements of a pooled result


@pytest.fixture(autouse=True, params=["native", "portable"])
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every test runs on both paths."""
    if request.param == "portable":
        monkeypatch.setattr(capi, "SUPPORTED", False)
    elif not capi.SUPPORTED:
        pytest.skip("this interpreter's arrays cannot be read natively")
    return request.param


def is_slow(result: Any, *args: Any, **kwargs: Any) -> bool:
    """Whether the slow path got these very objects."""
    if not isinstance(result, tuple) or result[0] != "slow" or result[2].keys() != kwargs.keys():
        return False
    same = all(x is y for x, y in zip(result[1], args, strict=True))
    return same and all(result[2][name] is value for name, value in kwargs.items())


# -- results


@pytest.mark.parametrize(
    "structure",
    [0, 1, (0, 1), [1, 0], (), [], {}, None, (0, 0), {"x": 0, "y": (1, [None, {"z": 0}], {})}, ((((1,),),),)],
    ids=str,
)
def test_result_has_the_structure_asked_for(structure: Any) -> None:
    a, b = arrays(5)
    result = entry(structure, outputs=2, plans=[plan(5)]).function(a, b)

    def check(wanted: Any, got: Any) -> None:
        if isinstance(wanted, int):
            np.testing.assert_array_equal(got, 2 * a + b + wanted)
            return
        assert type(got) is type(wanted)
        if wanted is not None:
            assert len(got) == len(wanted)
            pairs = wanted.items() if isinstance(wanted, dict) else enumerate(wanted)
            for key, child in pairs:
                check(child, got[key])

    check(structure, result)


def test_output_named_twice_is_one_array() -> None:
    first, second = entry((0, 0), plans=[plan(3)]).function(*arrays(3))
    assert first is second


def test_dictionary_keeps_the_order_of_its_keys() -> None:
    result = entry({"b": 0, "a": 1, "c": 0}, outputs=2, plans=[plan(3)]).function(*arrays(3))
    assert list(result) == ["b", "a", "c"]


@pytest.mark.parametrize("dtype", ["float32", "float64", "int8", "int64", "uint16", "float16"])
def test_every_dtype_is_taken_and_given(dtype: str) -> None:
    a, b = arrays(7, dtype)
    result = entry(dtype=dtype, plans=[plan(7)]).function(a, b)
    assert result.dtype == np.dtype(dtype) and result.dtype is np.dtype(dtype)
    np.testing.assert_array_equal(result, 2 * a + b)


def test_zero_dimensional_arrays_come_back_as_arrays() -> None:
    a, b = np.array(1.5, np.float32), np.array(2.0, np.float32)
    result = entry(shape=(), plans=[plan(1)]).function(a, b)
    assert type(result) is np.ndarray and result.shape == () and result == 5.0


def test_zero_size_arrays_keep_their_shape() -> None:
    function = entry(shape=(0, Slot(COUNT + 1)), plans=[plan(0, 3)]).function
    empty = np.empty((0, 3), np.float32)
    assert function(empty, empty).shape == (0, 3)
    other = np.empty((0, 4), np.float32)
    assert is_slow(function(other, other), other, other)


def test_extents_of_size_one_may_have_any_stride() -> None:
    a = np.ones((1, 6), np.float32)[:, :4].reshape(1, 4)
    strange = np.lib.stride_tricks.as_strided(a, (1, 4), (12345, 4))
    result = entry(shape=(1, Slot(COUNT)), plans=[plan(4)]).function(strange, a)
    np.testing.assert_array_equal(result, np.full((1, 4), 3))


def test_results_are_writeable_contiguous_and_apart() -> None:
    for n in (4, BIG):
        x, y = entry((0, 1), outputs=2, plans=[plan(n)]).function(*arrays(n))
        assert x.flags.c_contiguous and x.flags.aligned and x.flags.writeable
        assert not np.shares_memory(x, y)


# -- what goes to the slow path


def rejected() -> dict[str, tuple[tuple[Any, ...], dict[str, Any]]]:
    a, b = arrays(6)
    frozen = np.ma.masked_array(a)
    return {
        "too few": ((a,), {}),
        "too many": ((a, b, b), {}),
        "none": ((), {}),
        "keyword": ((a,), {"b": b}),
        "keyword besides": ((a, b), {"c": b}),
        "list": ((a, [1.0] * 6), {}),
        "scalar": ((a, 1.0), {}),
        "None": ((None, b), {}),
        "subclass": ((a, frozen), {}),
        "dtype": ((a, b.astype(np.float64)), {}),
        "byte order": ((a, b.astype(">f4")), {}),
        "rank": ((a, b.reshape(6, 1)), {}),
        "lower rank": ((a, b[0:1].reshape(())), {}),
        "strided": ((a, np.zeros(12, np.float32)[::2]), {}),
        "reversed": ((a[::-1], b), {}),
        "misaligned": ((a, np.zeros(25, np.uint8)[1:].view(np.float32)), {}),
        "extents differ": ((a, b[:5]), {}),
        "unknown extent": ((a[:4], b[:4]), {}),
    }


@pytest.mark.parametrize("case", rejected())
def test_slow_path_gets_what_the_entry_does_not_take(case: str) -> None:
    args, kwargs = rejected()[case]
    result = entry(plans=[plan(6)]).function(*args, **kwargs)
    assert is_slow(result, *args, **kwargs)


def test_static_extent_is_checked() -> None:
    function = entry(shape=(2, Slot(COUNT)), plans=[plan(3)]).function
    good, bad = np.ones((2, 3), np.float32), np.ones((3, 3), np.float32)
    assert not is_slow(function(good, good), good, good)
    assert is_slow(function(bad, bad), bad, bad)


def test_no_plan_means_the_slow_path() -> None:
    a, b = arrays(3)
    assert is_slow(entry().function(a, b), a, b)


def test_error_of_the_slow_path_is_the_callers() -> None:
    def refuse(*args: Any) -> Any:
        raise KeyError("no")

    array = Buffer(np.dtype(np.float32), ())
    signature = Signature((array,), (array,), 0)
    loaded = load(signature, lambda e, pointers, plan: None)
    with pytest.raises(KeyError):
        Entry(loaded.address("program"), signature, refuse, loaded).function(1)


# -- plans


def test_several_shapes_stay_fast_and_the_oldest_is_forgotten() -> None:
    made = entry()
    for n in range(MOST_PLANS + 1):
        made.install(plan(n))
    for n in range(1, MOST_PLANS + 1):
        a, b = arrays(n)
        np.testing.assert_array_equal(made.function(a, b), 2 * a + b)
    a, b = arrays(0)
    assert is_slow(made.function(a, b), a, b)


def test_installing_the_latest_plan_again_changes_nothing() -> None:
    made, held = entry(), plan(3)
    made.install(held)
    before = made._state.known
    made.install(held)
    assert made._state.known is before


def test_forgotten_plan_is_released() -> None:
    made = entry()
    first = plan(3)
    gone = weakref.ref(first)
    made.install(first)
    del first
    made.function(*arrays(3))
    for n in range(MOST_PLANS):
        assert gone() is not None
        made.install(plan(n))
    assert gone() is None


@pytest.mark.parametrize(
    "bad", [np.zeros(2, np.int64), np.zeros(4, np.int32), np.zeros((1, 3), np.int64), np.zeros(6, np.int64)[::2]]
)
def test_malformed_plan_is_an_internal_error(bad: np.ndarray[Any, Any]) -> None:
    with pytest.raises(InternalError, match="a plan is 3 or more int64"):
        entry().install(bad)


# -- the caller's buffers


def test_into_writes_into_the_callers_arrays_and_returns_none() -> None:
    a, b = arrays(5)
    x, y = np.zeros((2, 5), np.float32)
    assert entry(None, outputs=2, into=True, plans=[plan(5)]).function(a, b, x, y) is None
    np.testing.assert_array_equal([x, y], [2 * a + b, 2 * a + b + 1])


def test_into_detects_overlap_by_address() -> None:
    function = entry(outputs=2, into=True, plans=[plan(4)]).function
    a, b = arrays(4)
    row = np.zeros(20, np.float32)
    apart = (a, b, row[:4], row[4:8])
    for args in [
        (a, b, a, row[:4]),
        (a, b, row[:4], b),
        (a, b, row[:4], row[3:7]),
        (a, b, row[3:7], row[:4]),
        (row[:4], row[:4], row[8:12], row[3:7]),
    ]:
        assert is_slow(function(*args), *args)
    assert function(*apart) is None
    assert function(row[:4], row[2:6], row[8:12], row[12:16]) is None  # inputs may share


def test_into_needs_a_writeable_output() -> None:
    a, b = arrays(4)
    out = np.zeros(4, np.float32)
    out.flags.writeable = False
    a.flags.writeable = False
    function = entry(into=True, plans=[plan(4)]).function
    assert is_slow(function(a, b, out), a, b, out)
    assert function(a, b, np.zeros(4, np.float32)) is None
    assert is_slow(function(a, b), a, b)


# -- lifetimes and failures


def counts(objects: list[Any]) -> list[int]:
    """The references to each, once no garbage holds any."""
    gc.collect()
    return [sys.getrefcount(x) for x in objects]


@pytest.mark.parametrize("n", [4, BIG])
def test_reference_counts_stay_where_they_were(n: int) -> None:
    a, b = arrays(n)
    held = [a, b, a.dtype, np.ndarray, None, slow, "x", plan(n, workspace=10_000, long=True)]
    function = entry({"x": 0, "y": (0, None)}, plans=held[-1:]).function
    function(a, b)
    before = counts(held)
    in_use = memory.stats().in_use
    for _ in range(20_000 if n == 4 else 500):
        function(a, b)
    after = counts(held)
    assert [abs(x - y) < 10 for x, y in zip(before, after, strict=True)] == [True] * len(held)
    assert memory.stats().in_use == in_use


def test_reference_counts_stay_on_the_slow_path() -> None:
    a, b = arrays(4)
    function = entry(plans=[plan(3)]).function
    function(a, b)
    before = counts([a, b, slow])
    for _ in range(1000):
        function(a, b)
        function(a, b=b)
    assert counts([a, b, slow]) == before


def test_result_outlives_its_entry_and_the_pool() -> None:
    a, b = arrays(BIG)
    made = entry(plans=[plan(BIG)])
    result = made.function(a, b)
    view = result[10:20]
    del made, result
    gc.collect()
    memory.clear()
    np.testing.assert_array_equal(view, (2 * a + b)[10:20])


def test_function_alone_keeps_its_code_alive() -> None:
    function = entry({"key": 0}, plans=[plan(3)]).function
    gc.collect()
    a, b = arrays(3)
    np.testing.assert_array_equal(function(a, b)["key"], 2 * a + b)


def test_cycle_through_the_slow_path_is_collected() -> None:
    class Owner:
        def __init__(self) -> None:
            array = Buffer(np.dtype(np.float32), ())
            signature = Signature((array,), (array,), 0)
            loaded = load(signature, lambda e, pointers, plan: None)
            self.entry = Entry(loaded.address("program"), signature, self.slow, loaded)

        def slow(self, *args: Any) -> Any: ...

    owner = weakref.ref(Owner())
    gc.collect()
    assert owner() is None


@pytest.mark.parametrize("n, workspace", [(1 << 55, 0), (4, 1 << 60)])
def test_want_of_memory_is_a_memory_error_that_leaks_nothing(n: int, workspace: int) -> None:
    small, large = Buffer(np.dtype(np.float32), ()), Buffer(np.dtype(np.float32), (Slot(COUNT),))
    signature = Signature((small,), (small, large), (0, 1))
    loaded = load(signature, lambda e, pointers, plan: None)
    made = Entry(loaded.address("program"), signature, slow, loaded)
    held = plan(n, workspace=workspace)
    made.install(held)
    a = np.array(1, np.float32)
    in_use, references = memory.stats().in_use, counts([a.dtype])[0]
    for _ in range(100):
        with pytest.raises(MemoryError):
            made.function(a)
    assert memory.stats().in_use == in_use
    assert abs(counts([a.dtype])[0] - references) < 10


def test_every_allocation_may_fail(path: str) -> None:
    if path == "portable":
        pytest.skip("Python's own errors")
    testcapi = pytest.importorskip("_testcapi")
    function = entry({"x": (0, [1]), "y": {"z": 0}}, outputs=2, plans=[plan(BIG, workspace=10_000)]).function
    a, b = arrays(BIG)
    function(a, b)
    in_use, failures, made = memory.stats().in_use, 0, None
    for start in range(60):
        testcapi.set_nomemory(start, start + 1)
        try:
            made = function(a, b)
        except MemoryError:
            failures += 1
        finally:
            testcapi.remove_mem_hooks()
        made = None
        assert memory.stats().in_use == in_use
    assert failures >= 5 and made is None


# -- workspace and threads


@pytest.mark.parametrize("workspace", [0, 1, 4096, 4097, 1 << 20])
def test_workspace_is_aligned_and_may_be_written(workspace: int) -> None:
    def body(e: Emitter, pointers: list[Pointer], plan: Pointer) -> None:
        room, size = pointers[-1], e.load(e.offset(plan, 0))
        address = e.assign(f"ptrtoint ptr {room.text} to i64", INT64)

        def write(i: Value, _: list[Value]) -> list[Value]:
            e.store(e.const(255, room.dtype), e.offset(room, i))
            return []

        e.loop(0, size, 1, [], write)
        e.store(e.and_(address, 63), pointers[2])

    made = entry(shape=(), dtype="int64", body=body, plans=[plan(workspace=workspace)])
    x = np.array(0)
    assert made.function(x, x) == 0


def test_long_work_runs_without_the_gil_in_many_threads_at_once() -> None:
    def meet(e: Emitter, pointers: list[Pointer], plan: Pointer) -> None:
        """Count this call in, and wait (not for ever) until the other has come too."""
        counter, _, seen, _ = pointers
        e.line(f"atomicrmw add ptr {counter.text}, i64 1 seq_cst")
        e.jump("wait")
        e.label("wait")
        e.line("%round = phi i64 [ 0, %entry ], [ %following, %wait ]")
        e.line("%following = add i64 %round, 1")
        e.line(f"%now = load atomic i64, ptr {counter.text} seq_cst, align 8")
        e.line("%met = icmp sge i64 %now, 2")
        e.line("%late = icmp sgt i64 %round, 20000000000")
        e.line("%stop = or i1 %met, %late")
        e.line("br i1 %stop, label %go, label %wait")
        e.label("go")
        e.store(Value("%now", INT64), seen)

    function = entry(shape=(), dtype="int64", body=meet, plans=[plan(workspace=10_000, long=True)]).function
    counter, seen = np.array(0), []
    threads = [threading.Thread(target=lambda: seen.append(int(function(counter, counter)))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [2, 2]


def test_threads_share_one_function() -> None:
    made = entry((0, 1), outputs=2)
    wrong: list[int] = []

    def work(n: int) -> None:
        a, b = arrays(n)
        for _ in range(200):
            made.install(plan(n, workspace=5000, long=True))
            result = made.function(a, b)
            if isinstance(result[0], np.ndarray) and not np.array_equal(result[1], 2 * a + b + 1):
                wrong.append(n)

    threads = [threading.Thread(target=work, args=(n,)) for n in (3, 1000, BIG, BIG + 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
