"""The log of a function: what was compiled, why anew, and how long every stage took."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

from graphc.kernel.program import Program
from graphc.node import Node
from graphc.types import Type


@dataclass(frozen=True)
class Compilation:
    """One program that was made.

    >>> from graphc import compile, sym
    >>> x = sym.var('x', shape=('n',))
    >>> print(*compile(x, 2 * x + 1).compile_log)  # doctest: +ELLIPSIS
    x float64[n] -> float64[n]: 1 kernel in ... ms, since all inputs have types
        simplify ..., fuse ..., lower ..., emit ..., LLVM ..., load ...
    """

    why: str
    inputs: Mapping[str, Type]
    outputs: tuple[Type, ...]
    kernels: int
    calls: int  # of a library
    cached: bool  # whether the machine code was on disk
    seconds: Mapping[str, float]  # of every stage

    def __str__(self) -> str:
        came = ", ".join(f"{name} {type}" for name, type in self.inputs.items())
        made = ", ".join(map(str, self.outputs))
        steps = [_counted(self.kernels, "kernel"), *([_counted(self.calls, "library call")] if self.calls else [])]
        total = 1e3 * sum(self.seconds.values())
        times = ", ".join(f"{name} {1e3 * taken:.1f}{self._remark(name)}" for name, taken in self.seconds.items())
        return f"{came} -> {made}: {' and '.join(steps)} in {total:.1f} ms, since {self.why}\n    {times}"

    def _remark(self, stage: str) -> str:
        return " (from disk)" if stage == "LLVM" and self.cached else ""


class Stopwatch:
    """The stages of one compilation, each from the end of the one before."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = perf_counter()

    def lap(self, stage: str) -> None:
        """This stage ends now."""
        now = perf_counter()
        self.seconds[stage], self._last = now - self._last, now

    def record(self, why: str, program: Program, cached: bool) -> Compilation:
        """What was compiled."""
        graph, kernels = program.graph, len(program.kernels)
        inputs = {x.name: x.typed for x in graph.inputs}
        outputs = tuple(y.typed for y in graph.outputs)
        return Compilation(why, inputs, outputs, kernels, len(program.steps) - kernels, cached, self.seconds)


def reason(inputs: Sequence[Node], key: Sequence[Type], known: Iterable[Sequence[Type]]) -> str:
    """Why code is made for these types of the untyped inputs, where there is code for others.

    Of those, the one with the fewest differences tells.
    """
    names = [x.name for x in inputs if x.type is None]
    if not names:
        return "all inputs have types"
    differences = [[(k, other[k]) for k, type in enumerate(key) if type != other[k]] for other in known]
    if not differences:
        return f"the first call says what {' and '.join(names)} {'are' if len(names) > 1 else 'is'}"
    fewest = min(differences, key=len)
    return " and ".join(f"{names[k]} came as {key[k]}, not as {other}" for k, other in fewest)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"
