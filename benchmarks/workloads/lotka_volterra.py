"""Prey and predators after many steps of Runge and Kutta's method, and the gradient by their four parameters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.workload import Target, Work, Workload

H = 1e-3  # of time, a step


def slopes(x, y, a, b, c, d):
    """How fast prey x and predators y grow."""
    return a * x - b * x * y, c * x * y - d * y


def step(x, y, *parameters):
    """One step of the classical method of fourth order, in any library with arithmetic."""
    k1, l1 = slopes(x, y, *parameters)
    k2, l2 = slopes(x + H / 2 * k1, y + H / 2 * l1, *parameters)
    k3, l3 = slopes(x + H / 2 * k2, y + H / 2 * l2, *parameters)
    k4, l4 = slopes(x + H * k3, y + H * l3, *parameters)
    return x + H / 6 * (k1 + 2 * k2 + 2 * k3 + k4), y + H / 6 * (l1 + 2 * l2 + 2 * l3 + l4)


@dataclass(frozen=True)
class LotkaVolterra(Workload):
    """The last prey and predators, and the gradient of their sum; by tangents in Numba, by complex steps in NumPy."""

    name = "lotka_volterra"
    targets = (Target("jax", 1 / 5),)
    steps: int = 10_000

    def inputs(self):
        return np.array([10.0, 5.0]), np.array([1.1, 0.4, 0.1, 0.4])

    def reference(self, start, parameters):
        return _by_complex_steps(self.steps, start, parameters)

    def work(self):
        return Work("float64", bytes=8 * 12, flops=3 * 50 * self.steps)

    def graphc(self):
        import graphc
        from graphc import sym

        start, parameters = sym.var("start", shape=(2,)), sym.var("parameters", shape=(4,))
        p = [parameters[k] for k in range(4)]
        x, y = sym.fori_loop(0, self.steps, lambda i, state: step(*state, *p), (start[0], start[1]))
        return graphc.compile([start, parameters], [sym.stack([x, y]), graphc.grad(x + y, parameters)])

    def numpy(self):
        return lambda start, parameters: _by_complex_steps(self.steps, start, parameters)

    def jax(self):
        import jax
        import jax.numpy as jnp

        def total(parameters, start):
            def body(state, _):
                return step(*state, *parameters), None

            (x, y), _ = jax.lax.scan(body, (start[0], start[1]), length=self.steps)
            return x + y, jnp.stack([x, y])

        @jax.jit
        def last_and_gradient(start, parameters):
            (_, last), gradient = jax.value_and_grad(total, has_aux=True)(parameters, start)
            return last, gradient

        return last_and_gradient

    def numba(self):
        import numba

        compiled = numba.njit(fastmath=True)
        tangent_step, steps = compiled(_tangent_step_of(compiled(slopes), compiled(tangent_slopes))), self.steps

        @compiled
        def last_and_gradient(start, parameters):
            p = (parameters[0], parameters[1], parameters[2], parameters[3])
            last, gradient = np.empty(2), np.empty(4)
            for k in range(4):
                t = (1.0 * (k == 0), 1.0 * (k == 1), 1.0 * (k == 2), 1.0 * (k == 3))
                x, y, tx, ty = start[0], start[1], 0.0, 0.0
                for _ in range(steps):
                    x, y, tx, ty = tangent_step(x, y, tx, ty, p, t)
                gradient[k] = tx + ty
            last[0], last[1] = x, y
            return last, gradient

        return last_and_gradient


def tangent_slopes(x, y, tx, ty, p, t):
    """The tangents of the slopes, where those of the parameters p are t."""
    product = tx * y + x * ty
    return (
        p[0] * tx + t[0] * x - p[1] * product - t[1] * x * y,
        p[2] * product + t[2] * x * y - p[3] * ty - t[3] * y,
    )


def _tangent_step_of(slopes, tangent_slopes):
    def tangent_step(x, y, tx, ty, p, t):
        a, b, c, d = p
        k1, l1 = slopes(x, y, a, b, c, d)
        u1, v1 = tangent_slopes(x, y, tx, ty, p, t)
        x2, y2, tx2, ty2 = x + H / 2 * k1, y + H / 2 * l1, tx + H / 2 * u1, ty + H / 2 * v1
        k2, l2 = slopes(x2, y2, a, b, c, d)
        u2, v2 = tangent_slopes(x2, y2, tx2, ty2, p, t)
        x3, y3, tx3, ty3 = x + H / 2 * k2, y + H / 2 * l2, tx + H / 2 * u2, ty + H / 2 * v2
        k3, l3 = slopes(x3, y3, a, b, c, d)
        u3, v3 = tangent_slopes(x3, y3, tx3, ty3, p, t)
        x4, y4, tx4, ty4 = x + H * k3, y + H * l3, tx + H * u3, ty + H * v3
        k4, l4 = slopes(x4, y4, a, b, c, d)
        u4, v4 = tangent_slopes(x4, y4, tx4, ty4, p, t)
        return (
            x + H / 6 * (k1 + 2 * k2 + 2 * k3 + k4),
            y + H / 6 * (l1 + 2 * l2 + 2 * l3 + l4),
            tx + H / 6 * (u1 + 2 * u2 + 2 * u3 + u4),
            ty + H / 6 * (v1 + 2 * v2 + 2 * v3 + v4),
        )

    return tangent_step


def _by_complex_steps(steps, start, parameters):
    """d f / d p is the imaginary part of f(p + ih) / h, to the last bit if h is as small as numbers get."""
    tiny, gradient = 1e-200, []
    for k in range(4):
        p = [complex(value, tiny * (k == j)) for j, value in enumerate(parameters)]
        x, y = map(complex, start)
        for _ in range(steps):
            x, y = step(x, y, *p)
        gradient.append((x.imag + y.imag) / tiny)
    return np.array([x.real, y.real]), np.array(gradient)


WORKLOADS = (LotkaVolterra(),)
SMALL = (LotkaVolterra(20),)
