"""PyTorch's gradients, by its tape when eager and by its function transforms when compiled; and its compiler."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


def eager(function: Callable[..., Any], wrt: Sequence[int]) -> Callable[..., tuple[Any, ...]]:
    """The function's value, and the gradients of its sum with respect to some arguments."""
    import torch

    def value_and_gradients(*arrays: Any) -> tuple[Any, ...]:
        leaves = [array.detach().requires_grad_(k in wrt) for k, array in enumerate(arrays)]
        value = function(*leaves)
        gradients = torch.autograd.grad(value, [leaves[k] for k in wrt], torch.ones_like(value))
        return value.detach(), *gradients

    return value_and_gradients


def compiled(function: Callable[..., Any], wrt: Sequence[int]) -> Callable[..., tuple[Any, ...]]:
    """The same, forward and backward in one compiled graph."""
    import torch

    def total(*arrays: Any) -> tuple[Any, Any]:
        value = function(*arrays)
        return value.sum(), value

    transformed = torch.func.grad_and_value(total, argnums=tuple(wrt), has_aux=True)

    def value_and_gradients(*arrays: Any) -> tuple[Any, ...]:
        gradients, (_, value) = transformed(*arrays)
        return value, *gradients

    return compile_afresh(value_and_gradients)


def compile_afresh(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compiled for the shapes it meets, with nothing left over from other workloads or other sizes."""
    import torch

    torch.compiler.reset()
    return torch.compile(function, dynamic=False)
