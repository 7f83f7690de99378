"""Run workloads on peers: a process a peer, asked in turn for one batch at a time, so that noise hits all alike."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

from benchmarks.peers import Peer
from benchmarks.worker import Failed, serve
from benchmarks.workload import Workload

PATIENCE = 600  # seconds for an answer


@dataclass(frozen=True)
class Plan:
    """How many rounds, how long a batch, on which cores, one for each thread."""

    rounds: int
    batch_seconds: float
    cores: Sequence[int]


@dataclass(frozen=True)
class Measured:
    """One peer on one workload: seconds of its first call and of a call in every batch, or an error's first line."""

    workload: str
    peer: str
    compile_seconds: float = 0
    batches: tuple[float, ...] = ()
    error: str = ""

    @property
    def seconds(self) -> float:
        """The median over the rounds."""
        return median(self.batches)


def run(workloads: Sequence[Workload], peers: Sequence[Peer], plan: Plan, say: Callable[[str], None]) -> list[Measured]:
    """Every workload on every peer that starts and has a builder for it."""
    results: list[Measured] = []
    with _started(peers, plan, say) as workers:
        for workload in workloads:
            say(f"{workload.title} ...")
            able = [worker for worker in workers if hasattr(workload, worker.peer.builder)]
            results += _run_one(workload, able, plan.rounds)
    return results


def _run_one(workload: Workload, workers: Sequence[_Remote], rounds: int) -> list[Measured]:
    firsts = {worker: worker.ask(workload) for worker in workers}
    alive = deque(worker for worker in workers if not isinstance(firsts[worker], Failed))
    batches: dict[_Remote, list[float | Failed]] = {worker: [] for worker in workers}
    for _ in range(rounds):
        for worker in alive:
            batches[worker].append(worker.ask(None))
        alive.rotate()  # the same one is not always first
    return [_measured(workload.title, worker.peer.name, [firsts[worker], *batches[worker]]) for worker in workers]


def _measured(workload: str, peer: str, answers: Sequence[float | Failed]) -> Measured:
    errors = [answer.reason for answer in answers if isinstance(answer, Failed)]
    if errors:
        return Measured(workload, peer, error=errors[0])
    first, *batches = (answer for answer in answers if not isinstance(answer, Failed))
    return Measured(workload, peer, first, tuple(batches))


@contextmanager
def _started(peers: Sequence[Peer], plan: Plan, say: Callable[[str], None]) -> Generator[list[_Remote]]:
    workers: list[_Remote] = []
    try:
        for worker in (_Remote(peer, plan) for peer in peers):
            workers.append(worker)
            if isinstance(worker.hello, Failed):
                say(f"{worker.peer.name} is left out: {worker.hello.reason}")
            else:
                say(f"{worker.peer.name} {worker.hello}")
        yield [worker for worker in workers if not isinstance(worker.hello, Failed)]
    finally:
        for worker in workers:
            worker.stop()


class _Remote:
    """A worker seen from here: one that dies is a failure of what it was asked, and starts anew with a workload."""

    def __init__(self, peer: Peer, plan: Plan) -> None:
        self.peer = peer
        self.plan = plan
        self.start()

    def start(self) -> None:
        """A fresh process; its first answer is the peer's version."""
        spawn = multiprocessing.get_context("spawn")
        self.pipe, end = spawn.Pipe()
        self.process = spawn.Process(
            target=serve, args=(end, self.peer, self.plan.cores, self.plan.batch_seconds), daemon=True
        )
        self.process.start()
        end.close()
        self.hello = self._answer()

    def ask(self, request: Workload | None) -> float | Failed:
        """Seconds of a workload's first call, or, of None, of a call in one batch."""
        if request and not self.process.is_alive():
            self.start()
        self._signal(signal.SIGCONT)
        try:
            self.pipe.send(request)
        except OSError:
            return Failed("the process is gone")
        answer = self._answer()
        self._signal(signal.SIGSTOP)  # threads that look out for more work would take the others' cores
        return answer

    def _signal(self, number: int) -> None:
        if self.process.is_alive() and self.process.pid:
            os.kill(self.process.pid, number)

    def stop(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.join()

    def _answer(self) -> float | Failed:
        try:
            if self.pipe.poll(PATIENCE):
                return self.pipe.recv()
        except (EOFError, OSError):
            self.process.join()
            return Failed(f"the process ended with exit code {self.process.exitcode}")
        self.stop()
        return Failed(f"no answer in {PATIENCE} s")
