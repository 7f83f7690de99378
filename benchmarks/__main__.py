"""The command line: which workloads and peers, how many rounds, and where the numbers go."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import workloads
from benchmarks.harness import Plan, run
from benchmarks.machine import Machine, measure_machine
from benchmarks.peers import PEERS, settings
from benchmarks.report import Report


def main() -> None:
    """Measure, print the tables, and write the numbers if asked."""
    options = _options()
    chosen = [w for w in workloads.full() if _named(w.title, options.workloads)]
    peers = [peer for peer in PEERS if not options.peers or peer.name in options.peers]
    cores = sorted(os.sched_getaffinity(0))[-options.threads :]
    rounds, seconds = (5, 0.02) if options.quick else (15, 0.1)
    plan = Plan(options.rounds or rounds, seconds, cores)
    machine = _given(options.machine) if options.machine else _measured(cores[-1])
    with TemporaryDirectory() as scratch:
        os.environ.update(settings(scratch, options.threads))
        report = Report(machine, chosen, run(chosen, peers, plan, say))
    print(report)
    if options.json:
        options.json.write_text(json.dumps(report.json(), indent=1))


def say(line: str) -> None:
    """Progress, beside the report."""
    print(line, file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks", description="graphc, its peers and the floor")
    parser.add_argument("--workloads", nargs="+", metavar="WORD", help="only those with such a word in their title")
    parser.add_argument("--peers", nargs="+", choices=[peer.name for peer in PEERS], help="only these")
    parser.add_argument("--rounds", type=int, help="batches of each peer (15; 5 with --quick)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="of each peer, on so many cores (1)")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter batches")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every number there")
    parser.add_argument("--machine", type=Path, metavar="FILE", help="take the machine's limits from such a file")
    return parser.parse_args()


def _named(title: str, words: Sequence[str] | None) -> bool:
    return not words or any(word in title for word in words)


def _given(file: Path) -> Machine:
    return Machine(**json.loads(file.read_text())["machine"])


def _measured(core: int) -> Machine:
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    machine = measure_machine()
    os.sched_setaffinity(0, allowed)
    return machine


if __name__ == "__main__":
    main()
