"""Rules that step each parameter by its own gradient, from gradient descent to LAMB.

`learning_rate` is a number, a node, or a schedule (see `graphc.optim.schedule`); `clip` a function of the gradients,
such as `lambda grads: clip_by_global_norm(grads, 1)`; `weight_decay` adds that multiple of the parameter to its
gradient, if nothing else is said. In the formulas w is a parameter, g its gradient, η the learning rate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from graphc import sym
from graphc.node import Node
from graphc.optim.optimiser import Optimiser, Rate, each, like
from graphc.tree import Tree

Clip = Callable[[Tree], Tree] | None
Slots = Mapping[str, Node]


def sgd(learning_rate: Rate, weight_decay: float = 0.0, clip: Clip = None) -> Optimiser:
    """Gradient descent: w - ηg (Robbins and Monro, A stochastic approximation method, 1951)."""

    def rule(w: Node, g: Node, slots: Slots, rate: Node, t: Node) -> tuple[Node, Slots]:
        return w - rate * _decayed(g, w, weight_decay), {}

    return each([], rule, learning_rate, clip)


def momentum(learning_rate: Rate, decay: float = 0.9, weight_decay: float = 0.0, clip: Clip = None) -> Optimiser:
    """The heavy ball: v = μv + g, w - ηv (Polyak, Some methods of speeding up convergence, 1964); μ is `decay`."""

    def rule(w: Node, g: Node, slots: Slots, rate: Node, t: Node) -> tuple[Node, Slots]:
        v = decay * slots["velocity"] + _decayed(g, w, weight_decay)
        return w - rate * v, {"velocity": v}

    return each(["velocity"], rule, learning_rate, clip)


def nesterov(learning_rate: Rate, decay: float = 0.9, weight_decay: float = 0.0, clip: Clip = None) -> Optimiser:
    """Nesterov's accelerated gradient: v = μv + g, w - η(g + μv), where μ is `decay`.

    As written for parameters that look ahead by Bengio et al., Advances in optimizing recurrent networks, 2012.
    """

    def rule(w: Node, g: Node, slots: Slots, rate: Node, t: Node) -> tuple[Node, Slots]:
        g = _decayed(g, w, weight_decay)
        v = decay * slots["velocity"] + g
        return w - rate * (g + decay * v), {"velocity": v}

    return each(["velocity"], rule, learning_rate, clip)


def adagrad(learning_rate: Rate, epsilon: float = 1e-10, weight_decay: float = 0.0, clip: Clip = None) -> Optimiser:
    """s = s + g², w - ηg / (√s + ε) (Duchi, Hazan and Singer, Adaptive subgradient methods, 2011)."""

    def rule(w: Node, g: Node, slots: Slots, rate: Node, t: Node) -> tuple[Node, Slots]:
        g = _decayed(g, w, weight_decay)
        s = slots["sum"] + g * g
        return w - rate * g / (sym.sqrt(s) + epsilon), {"sum": s}

    return each(["sum"], rule, learning_rate, clip)


def rmsprop(
    learning_rate: Rate, decay: float = 0.9, epsilon: float = 1e-8, weight_decay: float = 0.0, clip: Clip = None
) -> Optimiser:
    """s = ρs + (1-ρ)g², w - ηg / (√s + ε) (Tieleman and Hinton, Lecture 6.5 of Coursera, 2012); ρ is `decay`."""

    def rule(w: Node, g: Node, slots: Slots, rate: Node, t: Node) -> tuple[Node, Slots]:
        g = _decayed(g, w, weight_decay)
        s = decay * slots["square"] + (1 - decay) * g * g
        return w - rate * g / (sym.sqrt(s) + epsilon), {"square": s}

    return each(["square"], rule, learning_rate, clip)


def adam(
    learning_rate: Rate = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    weight_decay: float = 0.0,
    clip: Clip = None,
) -> Optimiser:
    """m = β₁m + (1-β₁)g, v = β₂v + (1-β₂)g², w - ηm̂ / (√v̂ + ε), with m̂ = m / (1-β₁ᵗ) and v̂ = v / (1-β₂ᵗ).

    Kingma and Ba, Adam: a method for stochastic optimization, 2015.
    """

    def rule(w: Node, g: Node, slots: Slots, rate: Node, t: Node) -> tuple[Node, Slots]:
        direction, moments = _adam(w, _decayed(g, w, weight_decay), slots, t, (beta1, beta2), epsilon)
        return w - rate * direction, moments

    return each(["mean", "square"], rule, learning_rate, clip)


def adamw(
    learning_rate: Rate = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    weight_decay: float = 1e-2,
    clip: Clip = None,
) -> Optimiser:
    """Adam with the weights' decay apart from the gradient: w - η(m̂ / (√v̂ + ε) + λw).

    Loshchilov and Hutter, Decoupled weight decay regularization, 2019; λ is `weight_decay`.
    """

    def rule(w: Node, g: Node, slots: Slots, rate: Node, t: Node) -> tuple[Node, Slots]:
        direction, moments = _adam(w, g, slots, t, (beta1, beta2), epsilon)
        return w - rate * _decayed(direction, w, weight_decay), moments

    return each(["mean", "square"], rule, learning_rate, clip)


def lamb(
    learning_rate: Rate = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-6,
    weight_decay: float = 0.0,
    clip: Clip = None,
) -> Optimiser:
    """AdamW's direction r, in proportion to the parameter: w - η(‖w‖ / ‖r‖)r, the ratio 1 where a norm is 0.

    You et al., Large batch optimization for deep learning, 2020, with φ the identity.
    """

    def rule(w: Node, g: Node, slots: Slots, rate: Node, t: Node) -> tuple[Node, Slots]:
        direction, moments = _adam(w, g, slots, t, (beta1, beta2), epsilon)
        r = _decayed(direction, w, weight_decay)
        of_w, of_r = sym.sqrt(sym.sum(w * w)), sym.sqrt(sym.sum(r * r))
        some = sym.logical_and(of_w > 0, of_r > 0)
        ratio = sym.where(some, of_w / sym.where(some, of_r, 1.0), 1.0)
        return w - rate * ratio * r, moments

    return each(["mean", "square"], rule, learning_rate, clip)


def _adam(
    w: Node, g: Node, slots: Slots, t: Node, betas: tuple[float, float], epsilon: float
) -> tuple[Node, dict[str, Node]]:
    """Adam's direction, and the new moments. The corrections are factors, float64 as long as they are scalars."""
    beta1, beta2 = betas
    m = beta1 * slots["mean"] + (1 - beta1) * g
    v = beta2 * slots["square"] + (1 - beta2) * g * g
    m_hat, root = m * like(1 / (1 - beta1**t), w), sym.sqrt(v) * like(1 / sym.sqrt(1 - beta2**t), w)
    return m_hat / (root + epsilon), {"mean": m, "square": v}


def _decayed(g: Node, w: Node, weight_decay: float) -> Node:
    return g + weight_decay * w if weight_decay else g
