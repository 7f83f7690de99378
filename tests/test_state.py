"""States keep their value between calls; updates come all at once or not at all, from any number of threads."""

import gc
import os
import pickle
import signal
import threading
import weakref

import numpy as np
import pytest

import graphc
from graphc import sym
from graphc.runtime import capi, memory
from graphc.state import exchange


@pytest.fixture(autouse=True, params=["native", "portable"])
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every test runs on both paths."""
    if request.param == "portable":
        monkeypatch.setattr(capi, "SUPPORTED", False)
    elif not capi.SUPPORTED:
        pytest.skip("this interpreter's arrays cannot be read natively")
    return request.param


# -- the value ----------------------------------------------------------------------------------------


def test_state_starts_with_a_copy():
    start = np.arange(3.0)
    w = graphc.state(start, "w")
    start[:] = 7
    w.get()[:] = 8
    np.testing.assert_array_equal(w.get(), [0, 1, 2])
    assert (w.name, w.shape, w.dtype) == ("w", (3,), np.float64)


def test_float_list_has_the_default_dtype_and_an_array_its_own():
    with graphc.use_default_float("float32"):
        assert graphc.state([1.0, 2.0]).dtype == np.float32
        assert graphc.state(np.ones(2)).dtype == np.float64


def test_states_without_a_name_name_themselves_differently():
    assert graphc.state(0).name != graphc.state(0).name


def test_set_takes_what_fits_and_refuses_the_rest():
    w = graphc.state(np.zeros(3, np.float32), "w")
    w.set([1, 2, 3])
    for wrong in (np.zeros(3), np.zeros((2, 2)), np.float64(1)):
        with pytest.raises(graphc.BindError, match=r"state 'w' is float32\[3\] \(test_state.py:\d+\), not float64"):
            w.set(wrong)
    np.testing.assert_array_equal(w.get(), [1, 2, 3])


def test_view_is_read_only_and_a_snapshot():
    w = graphc.state(np.zeros(100_000))
    before = w.view()
    assert np.shares_memory(before, w.view())
    with pytest.raises(ValueError):
        before.flags.writeable = True
    step = graphc.compile([], [], updates={w: w + 1})
    for _ in range(5):
        step()
    assert not before.any()
    assert (w.view() == 5).all()


# -- updates ------------------------------------------------------------------------------------------


def test_outputs_see_the_old_value_and_later_calls_the_new():
    w, x = graphc.state(np.ones(3)), sym.var("x", shape=3)
    f = graphc.compile(x, {"old": w * x}, updates={w: w + x})
    np.testing.assert_array_equal(f(np.ones(3))["old"], [1, 1, 1])
    np.testing.assert_array_equal(f(np.ones(3))["old"], [2, 2, 2])
    np.testing.assert_array_equal(w.get(), [3, 3, 3])


def test_result_that_is_the_update_too_does_not_lead_into_the_state():
    w = graphc.state(np.ones(3))
    result = graphc.compile([], w + 1, updates={w: w + 1})()
    result[:] = 9
    np.testing.assert_array_equal(w.get(), [2, 2, 2])


def test_updates_are_simultaneous():
    a, b = graphc.state(1.0), graphc.state(2.0)
    graphc.compile([], [], updates={a: b, b: a})()
    assert (a.get(), b.get()) == (2, 1)


def test_state_that_is_not_read_can_be_set_by_an_update():
    w, x = graphc.state(1.0), sym.var("x", shape=())
    graphc.compile(x, None, updates={w: x})(np.array(5.0))
    assert w.get() == 5


def test_several_functions_share_a_state():
    w = graphc.state(1.0)
    double, read = graphc.compile([], [], updates={w: 2 * w}), graphc.compile([], w + 0)
    double()
    assert read() == 2
    w.set(10.0)
    double()
    assert read() == 20


def test_gradient_step_matches_the_functional_form():
    random = np.random.default_rng(0)
    start, data = random.standard_normal((4, 3)), random.standard_normal((5, 4))
    x, v = sym.var("x", shape=("n", 4)), sym.var("v", shape=(4, 3))
    w = graphc.state(start)

    def stepped(w: graphc.Node) -> graphc.Node:
        return w - 0.1 * graphc.grad(sym.sum(sym.tanh(x @ w)), w)

    with_state = graphc.compile(x, [], updates={w: stepped(w)})
    functional = graphc.compile([x, v], stepped(v))
    value = start
    for _ in range(4):
        with_state(data)
        value = functional(data, value)
        np.testing.assert_array_equal(w.get(), value)


def test_untyped_inputs_and_several_specialisations_update_one_state():
    w, x = graphc.state(0.0), sym.var("x")
    f = graphc.compile(x, [], updates={w: w + sym.sum(x)})
    f(np.ones(3))
    f(np.ones((2, 2)))
    assert w.get() == 7


def test_state_is_captured_by_a_loop():
    w = graphc.state(2.0)
    y = sym.fori_loop(0, 5, lambda i, y: y * w, 1.0)
    f = graphc.compile([], [y, graphc.grad(y, w)])
    assert f() == [32, 80]
    w.set(1.0)
    assert f() == [1, 5]


def test_out_receives_results_while_states_are_updated():
    w, x = graphc.state(np.ones(3)), sym.var("x", shape=3)
    f, out = graphc.compile(x, w * x, updates={w: w + x}), np.zeros(3)
    assert f(np.full(3, 2.0), out=out) is out
    np.testing.assert_array_equal(out, [2, 2, 2])
    np.testing.assert_array_equal(w.get(), [3, 3, 3])


# -- all or nothing -----------------------------------------------------------------------------------


def test_failing_call_changes_no_state():
    a, b, x = graphc.state(1.0), graphc.state(2.0), sym.var("x", shape=())
    endless = sym.while_loop(lambda y: y > 0, lambda y: y + x, x, max_iterations=10)
    f = graphc.compile(x, [], updates={a: a + 1, b: endless})
    with pytest.raises(graphc.IterationError):
        f(np.array(1.0))
    assert (a.get(), b.get()) == (1, 2)
    f(np.array(-1.0))
    assert (a.get(), b.get()) == (2, -1)


def test_interrupt_changes_no_state(path: str):
    if path == "portable":
        pytest.skip("signals are looked at under the GIL, which ctypes has released")
    a, b, x = graphc.state(1.0), graphc.state(2.0), sym.var("x", shape=())
    forever = sym.while_loop(lambda y: y > 0, lambda y: y + 0 * x, x)
    f = graphc.compile(x, [], updates={a: a + 1, b: forever})
    timer = threading.Timer(0.1, os.kill, [os.getpid(), signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        f(np.array(1.0))
    assert (a.get(), b.get()) == (1, 2)


def test_argument_that_does_not_fit_changes_no_state():
    w, x = graphc.state(np.ones(3)), sym.var("x", shape=3)
    f = graphc.compile(x, [], updates={w: w + x})
    with pytest.raises(graphc.BindError):
        f(np.ones(4))
    np.testing.assert_array_equal(w.get(), [1, 1, 1])


def test_exchange_refuses_when_a_state_changed_meanwhile():
    a, b = graphc.state(1.0), graphc.state(2.0)
    seen = [a.array, b.array]
    b.set(3.0)
    assert not exchange([a, b], seen, [np.array(9.0)])
    assert exchange([a, b], [a.array, b.array], [np.array(9.0)])
    assert (a.get(), b.get()) == (9, 3)


@pytest.mark.parametrize("size", [3, 300_000])  # with the GIL held, and released
def test_no_update_is_lost_or_torn_between_threads(size: int):
    w, twin = graphc.state(np.zeros(size)), graphc.state(np.zeros(size))
    step = graphc.compile([], [], updates={w: w + 1, twin: twin + 1})
    read = graphc.compile([], [sym.min(w), sym.max(w), sym.min(twin), sym.max(twin)])
    rounds, torn = 20, list[object]()

    def update() -> None:
        for _ in range(rounds):
            step()

    def look() -> None:
        for _ in range(rounds):
            if len(seen := {float(value) for value in read()}) != 1:
                torn.append(seen)

    threads = [threading.Thread(target=target) for target in (update, update, look)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not torn
    assert (w.view() == 2 * rounds).all()
    assert (twin.view() == 2 * rounds).all()


# -- memory -------------------------------------------------------------------------------------------


def test_memory_goes_with_the_last_function_and_state():
    w = graphc.state(np.zeros(100_000))
    f = graphc.compile([], [], updates={w: w + 1})
    f()
    gone, array = weakref.ref(w), weakref.ref(w.array)
    del w
    assert gone() is not None  # the function holds it
    del f
    gc.collect()
    assert gone() is None
    assert array() is None


def test_updates_keep_no_old_values():
    w = graphc.state(np.zeros(100_000))
    f = graphc.compile([], [], updates={w: w + 1})
    f()
    before, old = memory.stats().in_use, weakref.ref(w.array)
    for _ in range(10):
        f()
    assert memory.stats().in_use == before
    assert old() is None


# -- around it ----------------------------------------------------------------------------------------


def test_state_is_no_argument_but_is_read_everywhere():
    w, x = graphc.state(np.full(3, 2.0), "w"), sym.var("x", shape=3)
    y = sym.sum(w * x)
    assert y.list_arguments() == ["x"]
    assert y.eval(x=np.ones(3)) == 6
    assert graphc.interpret(y, {"x": np.ones(3)}) == 6
    bound = y.bind({"x": np.ones(3)})
    assert bound.forward()[0] == 6
    bound.backward()
    np.testing.assert_array_equal(bound.grad_dict["x"], [2, 2, 2])
    assert graphc.formula(w * x) == "w*x"
    assert "name='w'" in graphc.to_text(y)


def test_wrong_updates_are_refused_with_both_lines():
    w, x = graphc.state(np.ones(3), "w"), sym.var("x", shape=3)
    with pytest.raises(graphc.ShapeError, match=r"'w', float64\[3\] \(test_state.py:\d+\), is float64\[\] \(test_"):
        graphc.compile(x, [], updates={w: sym.sum(w * x)})
    with pytest.raises(graphc.BindError, match="updates change states"):
        graphc.compile(x, [], updates={x: x})
    with pytest.raises(graphc.BindError, match=r"w\.set"):
        graphc.compile(x, [], updates={w: 1.0})
    with pytest.raises(graphc.BindError, match="an input is a variable"):
        graphc.compile([x, w], x + w)


def test_update_of_an_untyped_node_is_checked_when_called():
    w, x = graphc.state(np.ones(3), "w"), sym.var("x")
    f = graphc.compile(x, [], updates={w: w + x})
    f(np.ones(3))
    with pytest.raises(graphc.ShapeError, match="the update of state 'w'"):
        f(np.ones((2, 3)))
    np.testing.assert_array_equal(w.get(), [2, 2, 2])


def test_functions_with_states_stay_in_their_process(tmp_path):
    w, x = graphc.state(1.0, "w"), sym.var("x", shape=())
    f = graphc.compile(x, w * x)
    for leave in (
        lambda: f.address,
        lambda: f.native_signature,
        f.low_level_callable,
        lambda: graphc.export(f, tmp_path / "f"),
    ):
        with pytest.raises(graphc.BindError, match=r"the states w, which live in this process; compile graphc.freeze"):
            leave()
    for write in (lambda: pickle.dumps(f), lambda: graphc.save(tmp_path / "g.json", w * x)):
        with pytest.raises(graphc.GraphcError, match="the state 'w', which is not written"):
            write()
    with pytest.raises(TypeError, match="state 'w' belongs to this process"):
        pickle.dumps(w)


def test_frozen_nodes_have_the_values_of_now_and_leave_the_process(tmp_path):
    w, x, u = graphc.state([1.0, 2.0], "w"), sym.var("x", shape=(2,)), sym.var("u")
    looped = sym.fori_loop(0, 3, lambda i, s: s * w, x)
    y, *rest = graphc.freeze([looped, (w + u,)])
    w.set([0, 0])
    f = graphc.compile([x, u], [y, rest])
    for g in (f, pickle.loads(pickle.dumps(f))):
        got, [(other,)] = g(np.ones(2), np.ones(2))
        np.testing.assert_array_equal(got, [1, 8])
        np.testing.assert_array_equal(other, [2, 3])
    graphc.save(tmp_path / "g.json", y)
    loaded = graphc.load(tmp_path / "g.json", {"x": x}).outputs
    assert loaded is y
    assert graphc.export(graphc.compile(x, y), tmp_path / "f").code.exists()
    assert graphc.freeze(x) is x
