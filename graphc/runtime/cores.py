"""How many threads this process may use: what the environment says, else what the system lets it have."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def available(root: Path = Path("/")) -> int:
    """`OMP_NUM_THREADS`; else the cores the process may run on, or fewer if its control groups have less time."""
    given = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if given.isdecimal() and int(given):
        return int(given)
    return max(1, min([_cores(), *_quotas(root)]))


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quotas(root: Path) -> Iterator[int]:
    """Whole cores whose time the process's control groups have, in Linux's files of version 2 and 1."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, kinds, path = line.split(":", 2)
        mount = root / "sys/fs/cgroup" / ("cpu" if kinds else "")
        if kinds and "cpu" not in kinds.split(","):
            continue
        for place in _upwards(path):
            files = ("cpu.cfs_quota_us", "cpu.cfs_period_us") if kinds else ("cpu.max",)
            quota, period, *_ = (" ".join(_text(mount / place / file) for file in files) + " max max").split()
            if quota.isdecimal() and period.isdecimal() and int(period):
                yield int(quota) // int(period)


def _upwards(path: str) -> Iterator[str]:
    """A group's folder and those around it: a container may see the outermost only."""
    parts = path.strip("/").split("/")
    return ("/".join(parts[:count]) for count in range(len(parts), -1, -1))


def _text(file: Path) -> str:
    with suppress(OSError):
        return file.read_text()
    return ""
