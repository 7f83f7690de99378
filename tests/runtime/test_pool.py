"""The pool of threads: results are the same to the last bit whatever runs them; workers come, go and are forgotten."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import graphc
from graphc import sym

RNG = np.random.default_rng(0)
POSIX = pytest.mark.skipif(os.name != "posix", reason="there is one thread here")


@pytest.fixture(autouse=True)
def threads_as_before():
    before = graphc.threads()
    yield
    graphc.set_threads(before)


def data(*shape, dtype="float32"):
    return RNG.standard_normal(shape).astype(dtype)


def programs():
    """Work of all kinds, each of several parts."""
    n, rows = 1_000_003, (3001, 400)
    a, b = sym.var("a", shape=("n",), dtype="float32"), sym.var("b", shape=("n",), dtype="float32")
    x = sym.var("x", shape=("m", 400), dtype="float32")
    target = sym.var("target", shape=("m",), dtype="int64")
    yield "elements", [a, b], [2 * a + b, sym.tanh(a) > b], [data(n), data(n)]
    yield "sums", [a, b], [sym.sum(a), sym.max(a * b), sym.mean(a * a) + 1, a - b], [data(n), data(n)]
    yield "passes", [a], [sym.softmax(a), sym.logsumexp(a)], [data(n)]
    yield "rows", [x], [sym.softmax(x), sym.sum(x, axis=1)], [data(*rows)]
    yield "columns", [x], [sym.sum(x, axis=0), sym.max(x, axis=0), sym.any(x > 4, axis=0), x.T * 2], [data(*rows)]
    loss = sym.cross_entropy(x, target)
    yield "loss", [x, target], [loss, graphc.grad(loss, x)], [data(*rows), RNG.integers(0, 400, rows[0])]
    middle = sym.var("x", shape=(40, 300, 200))
    yield (
        "middle",
        [middle],
        [sym.sum(middle, axis=1), sym.mean(middle, axis=(0, 2))],
        [data(40, 300, 200, dtype="float64")],
    )
    key = sym.var("key", shape=(2,), dtype="uint32")
    yield "random", [key], sym.random.normal(key, (1000, 300)), [np.array([1, 2], "uint32")]
    for name, m, k, width in (("tall", 900, 100, 70), ("flat", 32, 128, 520), ("odd", 33, 300, 333)):
        left, right = (sym.var(side, shape=s, dtype="float32") for side, s in (("left", (m, k)), ("right", (k, width))))
        yield f"{name} product", [left, right], left @ right, [data(m, k), data(k, width)]
    left, right = sym.var("left", shape=("b", 60, 50)), sym.var("right", shape=("b", 50, 70))
    stacks = [data(50, 60, 50, dtype="float64"), data(50, 50, 70, dtype="float64")]
    yield "batch of products", [left, right], left @ right, stacks
    w, xs = sym.var("w", shape=(128, 512), dtype="float32"), sym.var("xs", shape=(5, 64, 512), dtype="float32")

    def step(h, at):
        h = sym.tanh(at + h @ w)[:, :128]
        return h, sym.sum(h, axis=0)

    last, sums = sym.scan(step, sym.zeros((64, 128), dtype="float32"), xs)
    slope = graphc.grad(sym.sum(last * last), w)
    yield "loop", [w, xs], [last, sums, slope], [data(128, 512) / 20, data(5, 64, 512)]


PROGRAMS = {name: rest for name, *rest in programs()}


def bits(results):
    results = results if isinstance(results, list) else [results]
    return [(array.dtype, array.shape, array.tobytes()) for array in results]


@pytest.mark.parametrize("name", PROGRAMS)
def test_results_are_the_same_bits_on_any_number_of_threads(name: str):
    inputs, outputs, arrays = PROGRAMS[name]
    f = graphc.compile(inputs, outputs)
    found = []
    for count in (1, 2, 5):
        graphc.set_threads(count)
        found += [bits(f(*arrays)) for _ in range(3)]
    assert all(each == found[0] for each in found)


@pytest.mark.parametrize("name", PROGRAMS)
def test_parts_compute_what_single_operators_do(name: str):
    inputs, outputs, arrays = PROGRAMS[name]
    results, expected = (graphc.compile(inputs, outputs, fuse=fuse)(*arrays) for fuse in (True, False))
    many = isinstance(results, list)
    for result, reference in zip(results if many else [results], expected if many else [expected], strict=True):
        np.testing.assert_allclose(result, reference, rtol=1e-4, atol=1e-4 * np.abs(reference).max())


def test_every_program_here_is_in_parts():
    for inputs, outputs, _ in PROGRAMS.values():
        assert graphc.compile(inputs, outputs).program.has_parts


def test_small_work_is_not_cut():
    x = sym.var("x", shape=(100, 100))
    assert not graphc.compile(x, sym.softmax(x) @ x).program.has_parts


def test_callers_at_once_get_their_own_results():
    x = sym.var("x", shape=("n",))
    f = graphc.compile(x, [sym.exp(x), sym.sum(x)])
    graphc.set_threads(3)
    arrays = [data(300_000 + 1000 * k, dtype="float64") for k in range(4)]
    expected, wrong = [bits(f(array)) for array in arrays], []

    def work(k: int) -> None:
        wrong.extend(k for _ in range(20) if bits(f(arrays[k])) != expected[k])

    callers = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for caller in callers:
        caller.start()
    for count in (1, 4, 2) * 5:
        graphc.set_threads(count)
    for caller in callers:
        caller.join()
    assert not wrong


# -- processes --------------------------------------------------------------------------------------------------

PREAMBLE = """
import os, sys, threading, numpy as np, graphc
from graphc import sym
x = sym.var('x', shape=('n',), dtype='float32')
f = graphc.compile(x, [sym.tanh(x), sym.sum(x)])
array = np.linspace(-1, 1, 1_000_000, dtype='float32')
def tasks(): return len(os.listdir('/proc/self/task'))
"""


def run(script: str, **environment: str) -> str:
    """What a process of its own prints; it ends well and quietly."""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, **environment})
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@POSIX
@pytest.mark.skipif(sys.platform != "linux", reason="counts the tasks of Linux")
def test_workers_start_with_the_first_large_work_and_stop_when_told():
    printed = run(f"""{PREAMBLE}
graphc.set_threads(4)
before = tasks(); f(array[:10]); print(tasks() - before); f(array); f(array); print(tasks() - before)
graphc.set_threads(2); f(array); print(tasks() - before); graphc.set_threads(1); f(array); print(tasks() - before)
""")
    assert printed.split() == ["0", "3", "1", "0"]


@POSIX
def test_a_forked_child_has_workers_of_its_own():
    run(
        f"""{PREAMBLE}
graphc.set_threads(3)
expected = [a.tobytes() for a in f(array)]
for _ in range(3):
    child = os.fork()
    if child == 0:
        same = [a.tobytes() for a in f(array)] == expected
        graphc.set_threads(2)
        os._exit(0 if same and [a.tobytes() for a in f(array)] == expected else 1)
    assert os.waitpid(child, 0)[1] == 0 and [a.tobytes() for a in f(array)] == expected
""",
        PYTHONWARNINGS="ignore",  # newer Pythons warn of forks beside threads
    )


def test_a_process_ends_quietly_in_the_middle_of_work():
    run(f"""{PREAMBLE}
graphc.set_threads(3)
started = threading.Event()
def work():
    while True:
        f(array); started.set()
for _ in range(3): threading.Thread(target=work, daemon=True).start()
started.wait()
""")


@POSIX
@pytest.mark.parametrize(("word", "count"), [("7", "7"), ("3,2", "3")])
def test_omp_num_threads_says_how_many_there_are(word: str, count: str):
    assert run("import graphc; print(graphc.threads())", OMP_NUM_THREADS=word).strip() == count


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system keeps no such list")
def test_threads_are_no_more_than_the_cores_allowed():
    script = "import os, graphc; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); print(graphc.threads())"
    assert run(script, OMP_NUM_THREADS="") == "1\n"


def test_number_of_threads_is_a_positive_integer():
    with pytest.raises(ValueError, match="set_threads: 0 threads; give 1 to use only the thread that calls, or more"):
        graphc.set_threads(0)
    with pytest.raises(TypeError, match="'float' object cannot be interpreted as an integer"):
        graphc.set_threads(1.5)  # type: ignore[arg-type]
