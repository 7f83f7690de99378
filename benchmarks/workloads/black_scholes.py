"""European call options: the Black-Scholes price, and its derivatives delta, vega, theta and rho."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi, sqrt

import numpy as np

from benchmarks import torch_gradients
from benchmarks.workload import Work, Workload

GREEKS = (0, 4, 2, 3)  # by spot, volatility, time (theta, but for its sign) and rate


def price_with(exp, log, sqrt, erf):
    """The price of a call, in any library that has these four."""

    def normal_cdf(x):
        return 0.5 + 0.5 * erf(x * 0.5**0.5)

    def price(spot, strike, time, rate, volatility):
        deviation = volatility * sqrt(time)
        d1 = (log(spot / strike) + (rate + 0.5 * volatility**2) * time) / deviation
        return spot * normal_cdf(d1) - strike * exp(-rate * time) * normal_cdf(d1 - deviation)

    return price


@dataclass(frozen=True)
class BlackScholes(Workload):
    """n options, each with its own spot, strike, time, rate and volatility."""

    name = "black_scholes"
    n: int = 1_000_000

    def inputs(self):
        rng = np.random.default_rng(0)
        bounds = ((50, 150), (50, 150), (0.1, 2), (0.01, 0.06), (0.1, 0.5))
        return tuple(rng.uniform(low, high, self.n) for low, high in bounds)

    def reference(self, spot, strike, time, rate, volatility):
        from scipy.special import ndtr

        d1 = (np.log(spot / strike) + (rate + volatility**2 / 2) * time) / (volatility * np.sqrt(time))
        d2 = d1 - volatility * np.sqrt(time)
        present = strike * np.exp(-rate * time)
        vega = spot * np.exp(-(d1**2) / 2) / np.sqrt(2 * np.pi) * np.sqrt(time)
        decay = vega * volatility / (2 * time) + rate * present * ndtr(d2)
        return spot * ndtr(d1) - present * ndtr(d2), ndtr(d1), vega, decay, time * present * ndtr(d2)

    def work(self):
        once = {"log": self.n, "erf": 2 * self.n, "exp": 2 * self.n}  # exp: the discount and one density
        return Work("float64", bytes=(5 + 5) * 8 * self.n, flops=30 * self.n, evaluations=once)

    def graphc(self):
        import graphc
        from graphc import sym

        names = ("spot", "strike", "time", "rate", "volatility")
        options = [sym.var(name, shape=(self.n,), dtype="float64") for name in names]
        price = price_with(sym.exp, sym.log, sym.sqrt, sym.erf)(*options)
        greeks = graphc.grad(sym.sum(price), [options[k] for k in GREEKS])
        return graphc.compile(options, (price, *greeks))

    def numpy(self):
        from scipy.special import ndtr

        def price_and_greeks(spot, strike, time, rate, volatility):
            root = np.sqrt(time)
            deviation = volatility * root
            d1 = (np.log(spot / strike) + (rate + 0.5 * volatility * volatility) * time) / deviation
            delta = ndtr(d1)
            exercise = strike * np.exp(-rate * time) * ndtr(d1 - deviation)
            slope = spot * np.exp(-0.5 * d1 * d1) * (1 / sqrt(2 * pi))
            decay = slope * volatility * (0.5 / root) + rate * exercise
            return spot * delta - exercise, delta, slope * root, decay, time * exercise

        return price_and_greeks

    def jax(self):
        import jax
        import jax.numpy as jnp

        price = price_with(jnp.exp, jnp.log, jnp.sqrt, jax.scipy.special.erf)

        def total(*options):
            value = price(*options)
            return value.sum(), value

        @jax.jit
        def price_and_greeks(*options):
            (_, value), greeks = jax.value_and_grad(total, GREEKS, has_aux=True)(*options)
            return value, *greeks

        return price_and_greeks

    def torch(self):
        import torch

        return torch_gradients.eager(price_with(torch.exp, torch.log, torch.sqrt, torch.erf), GREEKS)

    def torch_compile(self):
        import torch

        return torch_gradients.compiled(price_with(torch.exp, torch.log, torch.sqrt, torch.erf), GREEKS)

    def pytensor(self):
        import pytensor
        import pytensor.tensor as pt

        options = pt.dvectors(5)
        price = price_with(pt.exp, pt.log, pt.sqrt, pt.erf)(*options)
        greeks = pytensor.grad(price.sum(), [options[k] for k in GREEKS])
        f = pytensor.function(options, [price, *greeks])
        f.trust_input = True
        return f

    def numba(self):
        import math

        import numba

        half, density = 0.5**0.5, 1 / sqrt(2 * pi)

        @numba.njit(fastmath=True, error_model="numpy")
        def price_and_greeks(spot, strike, time, rate, volatility):
            price, delta, vega, decay, rho = [np.empty_like(spot) for _ in range(5)]
            for i in range(len(spot)):
                root = math.sqrt(time[i])
                deviation = volatility[i] * root
                d1 = (math.log(spot[i] / strike[i]) + (rate[i] + 0.5 * volatility[i] ** 2) * time[i]) / deviation
                delta[i] = 0.5 + 0.5 * math.erf(d1 * half)
                below = 0.5 + 0.5 * math.erf((d1 - deviation) * half)
                exercise = strike[i] * math.exp(-rate[i] * time[i]) * below
                slope = spot[i] * math.exp(-0.5 * d1 * d1) * density
                price[i] = spot[i] * delta[i] - exercise
                vega[i] = slope * root
                decay[i] = slope * volatility[i] * 0.5 / root + rate[i] * exercise
                rho[i] = time[i] * exercise
            return price, delta, vega, decay, rho

        return price_and_greeks


WORKLOADS = (BlackScholes(),)
SMALL = (BlackScholes(101),)
