"""The pool of recycled memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphc.runtime import capi, memory
from tests.runtime.programs import arrays, entry, plan

pytestmark = pytest.mark.skipif(not capi.SUPPORTED, reason="results come from NumPy here")

MIB = 1 << 20
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def empty_pool() -> Iterator[None]:
    before = memory.limit()
    memory.clear()
    yield
    memory.set_limit(before)
    memory.clear()


def compute(n: int) -> np.ndarray[Any, Any]:
    return entry(plans=[plan(n)]).function(*arrays(n))


def test_block_is_used_again() -> None:
    first = compute(MIB)
    address = first.ctypes.data
    del first
    before = memory.stats()
    second = compute(MIB - 100)
    after = memory.stats()
    assert second.ctypes.data == address
    assert (after.fresh, after.reused) == (before.fresh, before.reused + 1)


def test_block_in_use_is_not_given_out() -> None:
    first, second = compute(MIB), compute(MIB)
    view = first[5:]
    del first
    third = compute(MIB)
    assert not any(np.shares_memory(x, y) for x, y in [(view, second), (view, third), (second, third)])


def test_small_results_are_numpys_own() -> None:
    before = memory.stats()
    result = compute(memory.POOLED // 4 - 1)
    assert result.flags.owndata and memory.stats() == before


def test_block_is_at_most_a_quarter_larger_than_asked_for() -> None:
    for size in (memory.POOLED, memory.POOLED + 4, 5 * MIB, 7 * MIB + 4, 8 * MIB):
        before = memory.stats().in_use
        result = compute(size // 4)
        assert result.nbytes <= memory.stats().in_use - before <= 1.25 * result.nbytes
        del result


def test_blocks_are_aligned_to_cache_lines_and_large_ones_to_huge_pages() -> None:
    assert compute(memory.POOLED // 4).ctypes.data % 64 == 0
    assert compute(MIB).ctypes.data % (2 * MIB if memory._ADVISES else 64) == 0


def test_clear_gives_everything_back() -> None:
    kept = compute(MIB)
    compute(2 * MIB)
    assert memory.stats().cached >= 8 * MIB
    memory.clear()
    assert memory.stats().cached == 0 and memory.stats().in_use >= kept.nbytes
    np.testing.assert_array_equal(kept[:3], [3, 5, 7])


def test_pool_stays_within_its_limit() -> None:
    memory.set_limit(9 * MIB)
    results = [compute(MIB) for _ in range(4)]
    while results:
        results.pop()
        assert memory.stats().cached <= 9 * MIB
    assert memory.stats().cached > 0


def test_lower_limit_takes_effect_at_once() -> None:
    compute(MIB)
    memory.set_limit(MIB)
    assert memory.stats().cached == 0
    compute(MIB)
    assert memory.stats().cached == 0
    with pytest.raises(ValueError, match="set_limit: -1 bytes"):
        memory.set_limit(-1)


def test_results_alive_at_exit_do_no_harm() -> None:
    script = """
import sys
from tests.runtime.programs import arrays, entry, plan
made = entry(plans=[plan(1 << 20)])
sys.result = made.function(*arrays(1 << 20))
sys.entry, sys.cycle = made, [made.function(*arrays(1 << 20))]
sys.cycle.append(sys.cycle)
"""
    done = subprocess.run([sys.executable, "-X", "dev", "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
