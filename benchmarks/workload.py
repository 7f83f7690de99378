"""What a workload is: seeded inputs, a float64 reference, the work it cannot do without, a builder per peer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from typing import ClassVar

import numpy as np

from benchmarks.machine import Machine

TOLERANCE = {"float32": 1e-4, "float64": 1e-9}  # of the largest element of the output

# Multiply-adds that one evaluation costs, measured on straight-line vector expansions of at most 2 ulp.
FMAS = {
    "float32": {"exp": 18, "log": 25, "tanh": 23, "erf": 33, "sin": 14},
    "float64": {"exp": 21, "log": 26, "tanh": 23, "erf": 40, "sin": 20},
}


@dataclass(frozen=True)
class Work:
    """Each input read once, each output written once, and the arithmetic no formula avoids."""

    dtype: str
    bytes: float
    flops: float = 0
    evaluations: Mapping[str, float] = field(default_factory=dict[str, float])

    def floor(self, machine: Machine) -> float:
        """Seconds below which no implementation on this machine gets."""
        fmas = sum(count * FMAS[self.dtype][name] for name, count in self.evaluations.items())
        flops = max(self.flops, 2 * fmas)
        return max(machine.call, self.bytes / machine.bandwidth(self.bytes), flops / machine.flops[self.dtype])


@dataclass(frozen=True)
class Target:
    """At most `ratio` times what `peer` takes, for the same workload or for the one named."""

    peer: str
    ratio: float
    workload: str = ""


class Workload:
    """Subclasses are frozen dataclasses whose fields are the sizes; a builder is the method named like its peer.

    A builder takes nothing and returns a callable: the peer's arrays in, an array or a tuple of arrays out.
    A peer without a builder does not take part.
    """

    name: ClassVar[str]
    targets: ClassVar[tuple[Target, ...]] = (Target("jax", 1.0),)

    @property
    def title(self) -> str:
        """The name with the sizes: `cross_entropy 4096x1000`."""
        return f"{self.name} {'x'.join(str(size) for size in astuple(self))}"  # pyright: ignore[reportArgumentType]

    def inputs(self) -> tuple[np.ndarray, ...]:
        """Seeded: every process makes the same."""
        raise NotImplementedError

    def reference(self, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        """The outputs by the plainest NumPy, from the inputs in float64."""
        raise NotImplementedError

    def work(self) -> Work:
        """What the floor is computed from."""
        raise NotImplementedError


def expected(workload: Workload) -> tuple[np.ndarray, ...]:
    """The reference outputs for the workload's own inputs."""
    doubles = (a.astype(np.float64) if a.dtype.kind == "f" else a for a in workload.inputs())
    return tuple(np.asarray(a) for a in workload.reference(*doubles))


def mismatch(outputs: tuple[np.ndarray, ...], wanted: tuple[np.ndarray, ...], dtype: str) -> str:
    """What is wrong with the outputs, or nothing."""
    if len(outputs) != len(wanted):
        return f"{len(outputs)} outputs, not {len(wanted)}"
    for k, (out, ref) in enumerate(zip(outputs, wanted, strict=True)):
        if out.shape != ref.shape:
            return f"output {k} has shape {out.shape}, not {ref.shape}"
        if out.ndim and out.dtype != dtype:
            return f"output {k} is {out.dtype}, not {dtype}"
        error = np.max(np.abs(out - ref), initial=0) / np.max(np.abs(ref), initial=np.finfo(float).tiny)
        if not error <= TOLERANCE[dtype]:  # a NaN is wrong too
            return f"output {k} is off by {error:.1e} of its largest element, more than {TOLERANCE[dtype]:.0e}"
    return ""
