"""A Gaussian process, its three hyperparameters fitted by the gradient of the likelihood, through Cholesky's factor.

The likelihood, its gradient and the optimiser's step are one compiled call. (Rasmussen and Williams, Gaussian Processes
for Machine Learning, 2006: algorithm 2.1, equation 5.8.)
"""

import numpy as np

import graphc
from graphc import sym

STEPS = 150


def covariance(a, b, theta):
    """The squared exponential of two sets of points on a line; theta holds logarithms."""
    apart = (a[:, None] - b[None]) * sym.exp(-theta[0])
    return sym.exp(2 * theta[1] - 0.5 * apart * apart)


def factor(x, theta):
    """Cholesky's factor of the covariance of noisy observations."""
    return sym.linalg.cholesky(covariance(x, x, theta) + sym.exp(2 * theta[2]) * sym.eye(x.shape[0]))


def negative_log_likelihood(x, y, theta):
    """Of observations y at points x."""
    lower = factor(x, theta)
    white = sym.linalg.solve_triangular(lower, y, lower=True)
    return 0.5 * white @ white + sym.log(sym.diagonal(lower)).sum() + sym.multiply(x.shape[0], 0.5 * np.log(2 * np.pi))


def predict(x, y, theta, points):
    """The mean of the process at points, and how sure that is: one standard deviation."""
    lower, across = factor(x, theta), covariance(x, points, theta)
    white, spread = (sym.linalg.solve_triangular(lower, right, lower=True) for right in (y, across))
    return white @ spread, sym.sqrt(sym.exp(2 * theta[1]) - (spread * spread).sum(axis=0))


def main() -> None:
    """Fit noisy samples of a sine, and compare the prediction with the sine itself."""
    rng = np.random.default_rng(0)
    places = np.sort(rng.uniform(0, 6, 60))
    samples = np.sin(places) + 0.1 * rng.standard_normal(60)

    x, y = sym.var("x", shape=("n",)), sym.var("y", shape=("n",))
    theta = graphc.state(np.zeros(3), "theta")
    loss = negative_log_likelihood(x, y, theta)
    step = graphc.compile([x, y], loss, updates=graphc.optim.adam(0.05).minimize(loss, theta))
    losses = [float(step(places, samples)) for _ in range(STEPS)]
    length, height, noise = np.exp(theta.get())
    print(f"negative log likelihood {losses[0]:.1f} -> {losses[-1]:.1f}")
    print(f"length {length:.2f}, height {height:.2f}, noise {noise:.3f}")

    points = np.linspace(0.5, 5.5, 11)
    mean, deviation = graphc.compile([x, y], graphc.freeze(predict(x, y, theta, points)))(places, samples)
    error = np.abs(mean - np.sin(points))
    print(f"largest error {error.max():.3f}, where the process expects {deviation[error.argmax()]:.3f}")
    assert losses[-1] < losses[0] - 20 and error.max() < 0.1 and abs(noise - 0.1) < 0.03


if __name__ == "__main__":
    main()
