"""Head gradients: what `backward` is given, and what it knows by itself, as one for each output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast

import numpy as np

from graphc.errors import GradientError
from graphc.executor.binding import Array, Binding
from graphc.executor.programs import Programs
from graphc.node import Node
from graphc.ops.declare import offence
from graphc.source import show_source
from graphc.sym.mx.layer import LAYERS
from graphc.sym.symbol import layer_call, output_names

Given: TypeAlias = tuple[tuple[bool, ...], list[Array]]  # whether each output has one (else it is zero), and those


class Heads:
    """The head gradients of a symbol's outputs."""

    def __init__(self, binding: Binding) -> None:
        self.names = output_names(binding.symbol.outputs)
        self._nodes = binding.graph.outputs
        self._losses = [_is_loss(y) for y in binding.symbol.outputs]
        self._own: dict[Programs, Given] = {}

    def of(self, out_grads: Any, programs: Programs, outputs: Sequence[Array]) -> Given:
        """Those that `backward` is given: one array, a list, or a dict by name; without any, those known by themselves.

        A loss has one by itself, and so has a scalar if none are given; else one is asked for if a gradient needs it.
        """
        if out_grads is not None:
            return _given(self._told(out_grads, outputs))
        if programs not in self._own:
            self._own[programs] = _given([self._one(k, y, programs) for k, y in enumerate(outputs)])
        return self._own[programs]

    def _one(self, place: int, output: Array, programs: Programs) -> Array | None:
        if self._losses[place] or not output.shape:
            return np.ones_like(output)
        if not programs.matters[place]:
            return None
        y = self._nodes[place]
        raise GradientError(
            f"backward: {self.names[place]} is {y.type} ({show_source(y.source)}), no scalar; give its head gradient, "
            "or bind sym.sum(y)"
        )

    def _told(self, out_grads: Any, outputs: Sequence[Array]) -> list[Array | None]:
        heads = self._listed(out_grads)
        for place, (head, output) in enumerate(zip(heads, outputs)):
            if head is not None:
                heads[place] = self._fitting(place, head, output)
            elif self._losses[place]:
                heads[place] = np.ones_like(output)
        return heads

    def _listed(self, given: Any) -> list[Any]:
        count = len(self.names)
        if isinstance(given, np.ndarray):
            heads: list[Any] = [given]
        elif isinstance(given, Mapping):
            named = cast("Mapping[str, Any]", given)
            if unknown := sorted(named.keys() - set(self.names)):
                what = f"no output is named {unknown[0]!r}"
                raise GradientError(offence("backward", what, f"there are {', '.join(self.names)}"))
            heads = [named.get(name) for name in self.names]
        else:
            several = isinstance(given, list | tuple) and (count > 1 or any(isinstance(h, np.ndarray) for h in given))
            heads = list(given) if several else [given]
        if len(heads) != count:
            raise GradientError(
                offence("backward", f"{len(heads)} head gradients for {count} outputs", "give one for each")
            )
        return heads

    def _fitting(self, place: int, head: Any, output: Array) -> Array:
        """A head gradient as an array of its output's shape and dtype."""
        array = np.asarray(head)
        if array.dtype is output.dtype and array.shape == output.shape:
            return array
        if array.shape == output.shape and np.can_cast(array.dtype, output.dtype, "same_kind"):
            return array.astype(output.dtype, copy=False)
        y = self._nodes[place]
        what = f"the head gradient of {self.names[place]} is {array.dtype}{list(array.shape)}"
        wanted = f"{output.dtype}{list(output.shape)}"
        raise GradientError(offence("backward", what, f"give it as the output is, {wanted} ({show_source(y.source)})"))


def _given(heads: Sequence[Array | None]) -> Given:
    return tuple([head is not None for head in heads]), [head for head in heads if head is not None]


def _is_loss(y: Node) -> bool:
    call = layer_call(y)
    return call is not None and LAYERS[call.function].loss
