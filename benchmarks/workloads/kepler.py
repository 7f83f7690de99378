"""Kepler's equation by Newton's method for many planets at once; when to stop, only the data decides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.workload import Work, Workload

CLOSE = 1e-12


def newton_step(sin, cos, anomaly, mean, eccentricity):
    """What to add to the eccentric anomaly E, that E - e sin(E) = M, in any library."""
    error = anomaly - eccentricity * sin(anomaly) - mean
    return -error / (1 - eccentricity * cos(anomaly))


@dataclass(frozen=True)
class Kepler(Workload):
    """The eccentric anomaly for each mean anomaly and eccentricity."""

    name = "kepler"
    n: int = 1000

    def inputs(self):
        rng = np.random.default_rng(0)
        return rng.uniform(0, np.pi, self.n), rng.uniform(0, 0.9, self.n)

    def reference(self, mean, eccentricity):
        low, high = np.zeros_like(mean), np.full_like(mean, np.pi)
        for _ in range(60):  # the left side grows with E
            middle = (low + high) / 2
            too_small = middle - eccentricity * np.sin(middle) < mean
            low, high = np.where(too_small, middle, low), np.where(too_small, high, middle)
        return ((low + high) / 2,)

    def work(self):
        return Work("float64", bytes=3 * 8 * self.n, evaluations={"sin": 2 * 4 * self.n})

    def graphc(self):
        import graphc
        from graphc import sym

        mean, eccentricity = (sym.var(name, shape=(self.n,)) for name in ("mean", "eccentricity"))

        def body(state):
            anomaly, _ = state
            by = newton_step(sym.sin, sym.cos, anomaly, mean, eccentricity)
            return anomaly + by, sym.max(sym.abs(by))

        start = mean + eccentricity * sym.sin(mean)
        anomaly, _ = sym.while_loop(lambda state: state[1] > CLOSE, body, (start, 1.0))
        return graphc.compile([mean, eccentricity], anomaly)

    def numpy(self):
        def solve(mean, eccentricity):
            anomaly, by = mean + eccentricity * np.sin(mean), 1.0
            while np.max(np.abs(by)) > CLOSE:
                by = newton_step(np.sin, np.cos, anomaly, mean, eccentricity)
                anomaly += by
            return anomaly

        return solve

    def jax(self):
        import jax
        import jax.numpy as jnp

        def solve(mean, eccentricity):
            def body(state):
                by = newton_step(jnp.sin, jnp.cos, state[0], mean, eccentricity)
                return state[0] + by, jnp.abs(by)

            start = mean + eccentricity * jnp.sin(mean)
            return jax.lax.while_loop(lambda state: state[1] > CLOSE, body, (start, 1.0))[0]

        return jax.jit(jax.vmap(solve))

    def torch(self):
        import torch

        def solve(mean, eccentricity):
            anomaly, largest = mean + eccentricity * torch.sin(mean), 1.0
            while largest > CLOSE:
                by = newton_step(torch.sin, torch.cos, anomaly, mean, eccentricity)
                anomaly, largest = anomaly + by, by.abs().max()
            return anomaly

        return solve

    def numba(self):
        import numba

        step = numba.njit(fastmath=True)(_scalar_step)

        @numba.njit(fastmath=True)
        def solve(means, eccentricities):
            anomalies = np.empty_like(means)
            for k in range(len(means)):
                mean, eccentricity = means[k], eccentricities[k]
                anomaly, by = mean + eccentricity * np.sin(mean), 1.0
                while abs(by) > CLOSE:
                    by = step(anomaly, mean, eccentricity)
                    anomaly += by
                anomalies[k] = anomaly
            return anomalies

        return solve


def _scalar_step(anomaly, mean, eccentricity):
    error = anomaly - eccentricity * np.sin(anomaly) - mean
    return -error / (1 - eccentricity * np.cos(anomaly))


WORKLOADS = (Kepler(),)
SMALL = (Kepler(5),)
