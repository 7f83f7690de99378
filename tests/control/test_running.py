"""Loops as they run: limits, interrupts, a million iterations, the memory of stacks."""

import os
import signal
import sys
import threading

import numpy as np
import pytest

import graphc
from graphc import grad, interpret, sym
from graphc.runtime import memory

MANY = 1_000_000


def doubling(a, limit=None):
    return sym.while_loop(lambda b: b < 1000, lambda b: b * 2, a, max_iterations=limit)


def test_max_iterations_are_an_error_that_names_the_line():
    a = sym.var("a", shape=())
    f = graphc.compile(a, doubling(a, 10))
    with pytest.raises(graphc.IterationError, match=r"test_running.py:\d+.* goes on after 10 iterations"):
        f(0.0)
    assert f(1.0) == 1024  # of which the tenth is the last
    with pytest.raises(RuntimeError, match="10 iterations"):
        interpret(doubling(a, 10), {"a": 0.0})


def test_max_iterations_reach_out_of_nested_loops():
    a = sym.var("a", shape=(3,))
    f = graphc.compile(a, sym.map(lambda x: doubling(sym.cond(x < 5, lambda: x, lambda: doubling(x, 4)), 20), a))
    np.testing.assert_array_equal(f(np.ones(3)), [1024] * 3)
    for bad in ([1, 0, 1], [1, 1, 6]):
        with pytest.raises(graphc.IterationError):
            f(np.array(bad, float))


def test_an_error_leaves_no_memory_behind():
    x = sym.var("x", shape=(1000,))
    y = sym.while_loop(lambda s: sym.max(s) < 10, lambda s: sym.sin(s) * s, x, max_iterations=5000)
    f = graphc.compile(x, grad(sym.sum(y), x))
    before = memory.stats().in_use
    for _ in range(3):
        with pytest.raises(graphc.IterationError):
            f(np.ones(1000))
    assert memory.stats().in_use == before


def test_a_million_iterations_forward_and_in_reverse_leave_no_memory_behind():
    x = sym.var("x", shape=())
    step = lambda s: (s[0] + 1e-6 * s[0] * (x - s[0]), s[1] + 1)  # noqa: E731
    by_while = sym.while_loop(lambda s: s[1] < MANY, step, (0.1 + 0 * x, 0))[0]
    by_count = sym.fori_loop(0, MANY, lambda _, s: s + 1e-6 * s * (x - s), 0.1 + 0 * x)
    f = graphc.compile(x, [by_while, grad(by_while, x), by_count, grad(by_count, x)])
    first = f(0.3)
    in_use = memory.stats().in_use
    value, slope, again, same = f(0.3)
    assert memory.stats().in_use == in_use
    np.testing.assert_array_equal([value, slope], [again, same])
    assert first[1] == slope
    # ds/dt = s (x - s) from 0.1 until t = 1 has this solution
    assert value == pytest.approx(0.3 / (1 + 2 * np.exp(-0.3)), rel=1e-6)


def test_a_stack_holds_what_is_kept_of_each_iteration_and_no_more():
    """A stack at most doubles, and while it grows the old one is there too: three times what is kept."""
    x = sym.var("x", shape=(512,))
    n = sym.var("n", shape=(), dtype="int64")
    y = sym.while_loop(lambda s: s[1] < n, lambda s: (sym.sin(s[0]) + sym.cos(s[0]), s[1] + 1), (x, 0))[0]
    f = graphc.compile([x, n], grad(sym.sum(y), x))
    f(np.ones(512), 3)
    memory.clear()
    f(np.ones(512), 1000)
    kept = 1000 * 512 * 8
    assert f.cost().stacked * 1000 == kept  # in an iteration
    assert kept < memory.stats().cached < 5 * kept  # of all sizes that it had, in the pool's classes


@pytest.mark.skipif(sys.platform == "win32", reason="signals of its own")
def test_a_loop_that_never_ends_is_interrupted():
    a = sym.var("a", shape=())
    f = graphc.compile(a, doubling(a))
    timer = threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        f(0.0)
    timer.join()
    assert f(1.0) == 1024


def test_a_long_loop_lets_other_threads_run():
    a = sym.var("a", shape=())
    f = graphc.compile(a, doubling(a))
    ended = threading.Event()
    thread = threading.Thread(target=ended.set)
    signalled: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda *_: signalled.append(1) or (_ for _ in ()).throw(TimeoutError))
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    thread.start()
    try:
        with pytest.raises(TimeoutError):
            f(0.0)
    finally:
        signal.signal(signal.SIGALRM, before)
    thread.join()
    assert ended.is_set() and signalled


def test_results_go_into_the_callers_arrays():
    a = sym.var("a", shape=(4,))
    f = graphc.compile(a, sym.fori_loop(0, 3, lambda _, s: s * 2, a))
    out = np.zeros(4)
    f(np.ones(4), out=out)
    np.testing.assert_array_equal(out, [8] * 4)
