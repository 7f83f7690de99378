"""One peer in a process of its own, pinned to its cores: it prepares a workload, then times a batch when asked."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection
from timeit import Timer
from traceback import format_exception_only
from typing import Any

import numpy as np

from benchmarks.peers import Peer
from benchmarks.workload import Workload, expected, mismatch


@dataclass(frozen=True)
class Failed:
    """What the peer said instead of an answer, on one line."""

    reason: str


def serve(pipe: Connection, peer: Peer, cores: Sequence[int], batch_seconds: float) -> None:
    """Send the peer's version, then an answer a request: a workload is prepared, for None a batch is timed."""
    os.sched_setaffinity(0, cores)
    os.environ.update({name: os.path.expandvars(value) for name, value in peer.environment})
    pipe.send(_attempt(_import, peer))
    # On a core of its own a process's time is the wall's, less what other processes took of it.
    timed = _Timed(peer, batch_seconds, time.process_time if len(cores) == 1 else time.perf_counter)
    while True:
        workload: Workload | None = pipe.recv()
        pipe.send(_attempt(timed.prepare, workload) if workload else _attempt(timed.batch))


class _Timed:
    """The workload prepared last: a statement that calls and waits, and how many of them make a batch."""

    def __init__(self, peer: Peer, batch_seconds: float, clock: Callable[[], float]) -> None:
        self.peer = peer
        self.clock = clock
        self.batch_seconds = batch_seconds
        self.timer = Timer()
        self.number = 1

    def prepare(self, workload: Workload) -> float:
        """Build, call for the first time, check; the seconds these take but for the check."""
        self.timer = Timer()  # lets go of the last workload's arrays before this one's come
        arrays = {f"a{k}": self.peer.native(array) for k, array in enumerate(workload.inputs())}
        start = time.perf_counter()
        call = getattr(workload, self.peer.builder)()
        outputs = call(*arrays.values())
        several = isinstance(outputs, (tuple, list))
        found = tuple(np.asarray(out) for out in (outputs if several else [outputs]))
        seconds = time.perf_counter() - start
        if wrong := mismatch(found, expected(workload), workload.work().dtype):
            raise ArithmeticError(wrong)
        wait = self.peer.wait and "[0]" * several + self.peer.wait  # the results of one program are ready together
        statement = f"call({', '.join(arrays)}){wait}"
        self.timer = Timer(statement, timer=self.clock, globals=arrays | {"call": call})
        self.number = self._calls_in_a_batch()
        return seconds

    def batch(self) -> float:
        """Seconds of one call, the mean of a batch; a call goes before, since another peer has had the caches."""
        self.timer.timeit(1)
        return self.timer.timeit(self.number) / self.number

    def _calls_in_a_batch(self) -> int:
        number = 1
        while (seconds := self.timer.timeit(number)) < self.batch_seconds / 4:
            number *= 2
        return max(1, round(number * self.batch_seconds / seconds))


def _import(peer: Peer) -> str:
    return getattr(import_module(peer.module), "__version__", "")


def _attempt(work: Callable[..., Any], *args: Any) -> Any:
    try:
        return work(*args)
    except Exception as error:
        return Failed("".join(format_exception_only(error)).strip().partition("\n")[0])
