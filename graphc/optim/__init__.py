"""Optimisers: graphs from parameters and gradients to new parameters, their learning rates and clipped gradients."""

from graphc.optim import schedule
from graphc.optim.clip import clip_by_global_norm, clip_by_norm, clip_by_value
from graphc.optim.lbfgs import lbfgs
from graphc.optim.optimiser import Optimiser
from graphc.optim.rules import adagrad, adam, adamw, lamb, momentum, nesterov, rmsprop, sgd

__all__ = [
    "Optimiser",
    "adagrad",
    "adam",
    "adamw",
    "clip_by_global_norm",
    "clip_by_norm",
    "clip_by_value",
    "lamb",
    "lbfgs",
    "momentum",
    "nesterov",
    "rmsprop",
    "schedule",
    "sgd",
]
