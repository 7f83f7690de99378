"""Programs with loops and branches as graphs, with exact gradients and no Python between iterations.

First the program of the chapter on automatic differentiation: double until the norm is large, then branch on a sign.
It is linear in its argument wherever the branches do not change, so its gradient is c / a. Then an ODE solver, and
Newton's iteration, which stops when it is done.
"""

import numpy as np

import graphc
from graphc import sym


def norm(x):
    return sym.sqrt(sym.sum(x * x))


# -- the chapter's program ----------------------------------------------------------------------------


def doubled(a, max_iterations=10_000):
    b = sym.while_loop(lambda b: norm(b) < 1000, lambda b: b * 2, a * 2, max_iterations)
    return sym.cond(sym.sum(b) > 0, lambda: b, lambda: 100 * b)


a = sym.var("a")  # no type yet: it comes with the data
c = doubled(a)
f = graphc.compile(a, [c, graphc.grad(sym.sum(c), a)])
for data in (np.array(0.3), np.array(-0.3), np.random.default_rng(0).normal(size=10)):
    value, gradient = f(data)
    assert np.array_equal(gradient * data, value)
    print(f"a = {data.ravel()[:3]}…  gradient = c / a = {gradient.ravel()[:3]}")

try:
    f(np.array(0.0))
except graphc.IterationError as error:
    print("a = 0 never ends:", error)

print("\nThe program that runs, forwards and backwards:")
print(f.program)
f.to_dot("control_flow.dot")
typed = sym.var("a", shape=(10,))
graphc.to_dot(doubled(typed), "doubled.dot")
print("\ncontrol_flow.dot and doubled.dot show the graphs, each sub-graph in a frame\n")

# -- predator and prey: what do the parameters do to the end? -------------------------------------------

STEPS, H = 10_000, 1e-3
p = sym.var("p", shape=(4,))


def change(state):
    prey, predators = state
    return p[0] * prey - p[1] * prey * predators, p[3] * prey * predators - p[2] * predators


def moved(state, slope, h):
    return tuple(x + h * dx for x, dx in zip(state, slope))


def runge_kutta(_, state):
    k1 = change(state)
    k2 = change(moved(state, k1, H / 2))
    k3 = change(moved(state, k2, H / 2))
    k4 = change(moved(state, k3, H))
    return tuple(x + H / 6 * (a + 2 * b + 2 * c + d) for x, a, b, c, d in zip(state, k1, k2, k3, k4))


prey, predators = sym.fori_loop(0, STEPS, runge_kutta, (1.0, 1.0))
solve = graphc.compile(p, [prey, predators, graphc.grad(prey, p)])
parameters = np.array([1.5, 1.0, 3.0, 1.0])
x, y, slope = solve(parameters)
print(f"Lotka-Volterra after {STEPS} steps: prey {x:.6f}, predators {y:.6f}; d prey / d parameters {slope}")

step = 1e-6
for k in range(4):
    ends = [solve(parameters + sign * step * np.eye(4)[k])[0] for sign in (1, -1)]
    assert abs((ends[0] - ends[1]) / (2 * step) - slope[k]) < 1e-6

# -- Newton: as many iterations as it takes ------------------------------------------------------------

n = sym.var("n", shape=())


def newton(state):
    root, _ = state
    better = root - (root**3 - n) / (3 * root**2)
    return better, sym.abs(better - root)


root, _ = sym.while_loop(lambda state: state[1] > 1e-12, newton, (n, 1.0), max_iterations=100)
cube_root = graphc.compile(n, [root, graphc.grad(root, n)])
value, gradient = cube_root(27.0)
print(f"the cube root of 27 is {value:.12f}, its derivative {gradient:.12f} = 1/27")
assert abs(value - 3) < 1e-12 and abs(gradient - 1 / 27) < 1e-9
