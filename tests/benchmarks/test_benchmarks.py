"""The benchmarks' own arithmetic, and that graphc and NumPy by hand compute what each workload says."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
import pytest

from benchmarks import workloads
from benchmarks.harness import Measured, Plan, run
from benchmarks.machine import Machine
from benchmarks.peers import Peer
from benchmarks.report import Report, duration, ratio, table
from benchmarks.workload import Target, Work, Workload, expected, mismatch

MACHINE = Machine(call=1.0, levels=((100, 50.0), (1000, 10.0)), flops={"float32": 20.0, "float64": 10.0})
NUMPY = Peer("numpy", "numpy", "numpy")


@dataclass(frozen=True)
class Doubling(Workload):
    name = "doubling"
    targets = (Target("numpy", 0.5),)
    n: int = 3

    def inputs(self):
        return (np.arange(1.0, self.n + 1),)

    def reference(self, x):
        return (2 * x,)

    def work(self):
        return Work("float64", bytes=100)

    def numpy(self):
        return lambda x: x + x

    def wrong(self):
        return lambda x: x + 1

    def raises(self):
        raise ValueError("not today\nnor tomorrow")

    def dies(self):
        os._exit(3)


def plan():
    return Plan(rounds=2, batch_seconds=0, cores=[max(os.sched_getaffinity(0))])


def measured(**seconds):
    return [Measured("doubling 3", peer, 1.0, (s, 9 * s, s)) for peer, s in seconds.items()]


def test_time_is_median_of_batches():
    assert Measured("w", "p", 0.0, (5.0, 1.0, 3.0)).seconds == 3


@pytest.mark.parametrize(
    ("work", "floor"),
    [
        (Work("float32", bytes=0), 1),
        (Work("float32", bytes=100), 2),
        (Work("float32", bytes=500), 50),
        (Work("float32", bytes=5000), 500),
        (Work("float32", bytes=0, flops=60), 3),
        (Work("float64", bytes=0, flops=60), 6),
        (Work("float64", bytes=0, flops=60, evaluations={"exp": 2, "log": 1}), 2 * (2 * 21 + 26) / 10),
    ],
)
def test_floor_is_largest_of_call_bytes_flops_and_evaluations(work, floor):
    assert work.floor(MACHINE) == floor


def test_mismatch_names_what_is_wrong():
    wanted = (np.array([1.0, 100.0]),)
    assert mismatch((np.array([1.0, 100.0 + 1e-8]),), wanted, "float64") == ""
    assert "off by 1.0e-03" in mismatch((np.array([1.1, 100.0]),), wanted, "float64")
    assert "off by nan" in mismatch((np.array([np.nan, 100.0]),), wanted, "float64")
    assert "shape (1,), not (2,)" in mismatch((np.ones(1),), wanted, "float64")
    assert "is float32" in mismatch((np.array([1, 100], np.float32),), wanted, "float64")
    assert "0 outputs, not 1" in mismatch((), wanted, "float64")


def test_table_aligns_its_columns():
    assert table([["a", "long"], ["longer", "b"]]).splitlines() == [
        "| a      | long |",
        "|--------|------|",
        "| longer | b    |",
    ]


def test_durations_have_three_figures_in_the_unit_that_suits():
    assert [duration(s) for s in (1.5e-7, 1e-6, 0.0123456, 12.0)] == ["0.15 us", "1 us", "12.3 ms", "12 s"]


def test_ratio_of_missing_time_is_a_dash():
    assert (ratio(3.0, 2.0), ratio(None, 2.0), ratio(3.0, None)) == ("1.5", "-", "-")


def test_ratios_compare_graphc_with_floor_and_the_best_of_the_others():
    report = Report(MACHINE, [Doubling()], measured(graphc=4.0, numpy=8.0, jax=16.0))
    assert report.ratios() == [
        ["workload", "graphc / floor", "best other / floor", "graphc / best other", "numpy", "jax"],
        ["doubling 3", "2", "4", "0.5", "0.5", "0.25"],
    ]


@pytest.mark.parametrize(("seconds", "verdict"), [(4.0, "met"), (4.1, "missed")])
def test_target_is_met_up_to_its_ratio(seconds, verdict):
    report = Report(MACHINE, [Doubling()], measured(graphc=seconds, numpy=8.0))
    assert report.targets()[1][1::2] == ["0.5 x numpy doubling 3", verdict]


def test_failure_is_shown_beside_the_times_and_has_no_ratio():
    failed = Measured("doubling 3", "jax", error="ValueError: no")
    report = Report(MACHINE, [Doubling()], [*measured(graphc=4.0), failed])
    assert report.times()[1] == ["doubling 3", "2 s", "4 s", "failed", "jax: ValueError: no"]
    assert report.ratios()[1] == ["doubling 3", "2", "-", "-", "-"]
    assert "ValueError: no" in str(report)


def test_peer_without_a_builder_takes_no_part():
    lines: list[str] = []
    results = run([Doubling()], [NUMPY, Peer("other", "other", "numpy")], plan(), lines.append)
    assert [(m.peer, len(m.batches), m.error) for m in results] == [("numpy", 2, "")]
    assert lines == [f"numpy {np.__version__}", f"other {np.__version__}", "doubling 3 ..."]


def test_peer_that_cannot_be_imported_is_left_out_with_a_line():
    lines: list[str] = []
    assert run([Doubling()], [Peer("nobody", "numpy", "no_such_module")], plan(), lines.append) == []
    assert lines[0] == "nobody is left out: ModuleNotFoundError: No module named 'no_such_module'"


@pytest.mark.parametrize(
    ("builder", "error"),
    [
        ("wrong", "ArithmeticError: output 0 is off by 3.3e-01 of its largest element, more than 1e-09"),
        ("raises", "ValueError: not today"),
        ("dies", "the process ended with exit code 3"),
    ],
)
def test_failing_peer_says_why_and_goes_on_with_the_next_workload(builder, error):
    results = run([Doubling(), Doubling(2)], [Peer("it", builder, "numpy")], plan(), lambda _: None)
    assert results[0] == Measured("doubling 3", "it", error=error)
    assert results[1].workload == "doubling 2"


def test_workloads_have_titles_of_their_own_and_small_sizes():
    titles = [w.title for w in workloads.full()]
    assert len(set(titles)) == len(titles)
    assert {w.name for w in workloads.full()} == {w.name for w in workloads.small()}


@pytest.mark.parametrize("workload", workloads.small(), ids=lambda w: w.title)
def test_inputs_are_the_same_in_every_process(workload):
    for one, other in zip(workload.inputs(), workload.inputs(), strict=True):
        np.testing.assert_array_equal(one, other, strict=True)


def builds(workload, peer):
    outputs = getattr(workload, peer)()(*workload.inputs())
    outputs = outputs if isinstance(outputs, (tuple, list)) else (outputs,)
    return tuple(np.asarray(out) for out in outputs)


@pytest.mark.parametrize("workload", workloads.small(), ids=lambda w: w.title)
def test_numpy_by_hand_reproduces_the_reference(workload):
    assert mismatch(builds(workload, "numpy"), expected(workload), workload.work().dtype) == ""


@pytest.mark.parametrize("workload", [w for w in workloads.small() if hasattr(w, "graphc")], ids=lambda w: w.title)
def test_graphc_reproduces_the_reference(workload):
    assert mismatch(builds(workload, "graphc"), expected(workload), workload.work().dtype) == ""
