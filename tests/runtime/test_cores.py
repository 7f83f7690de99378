"""How many threads a process may use, by the files of a system made up here."""

import os

import pytest

from graphc.runtime.cores import available

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


@pytest.fixture(autouse=True)
def no_word_of_the_user(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


def system(root, files: dict[str, str]):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_without_groups_all_cores_are_there(tmp_path):
    assert available(tmp_path) == CORES


@pytest.mark.parametrize("word", ["0", "many", ""])
def test_word_that_is_no_number_of_threads_says_nothing(word, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", word)
    assert available(tmp_path) == CORES


@pytest.mark.parametrize(("quota", "count"), [("max 100000", CORES), ("150000 100000", 1), ("20000 100000", 1)])
def test_quota_of_a_group_bounds_the_threads(quota, count, tmp_path):
    files = {"proc/self/cgroup": "0::/user/job\n", "sys/fs/cgroup/user/job/cpu.max": f"{quota}\n"}
    assert available(system(tmp_path, files)) == count


def test_quota_of_a_group_around_it_counts_too(tmp_path):
    files = {"proc/self/cgroup": "0::/user/job\n", "sys/fs/cgroup/user/cpu.max": "100000 100000\n"}
    assert available(system(tmp_path, files)) == 1


@pytest.mark.parametrize(("quota", "count"), [("-1", CORES), ("100000", 1)])
def test_quota_of_the_first_version_is_two_files(quota, count, tmp_path):
    place = "sys/fs/cgroup/cpu/docker"
    files = {
        "proc/self/cgroup": "5:memory:/docker\n4:cpu,cpuacct:/docker\n",
        f"{place}/cpu.cfs_quota_us": quota,
        f"{place}/cpu.cfs_period_us": "100000",
    }
    assert available(system(tmp_path, files)) == count
