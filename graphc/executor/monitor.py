"""Monitors: what every call inside a graph gives, shown while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from graphc.executor.binding import Array, Binding
from graphc.executor.programs import Programs
from graphc.node import Node
from graphc.sym.mx.called import called
from graphc.sym.symbol import call_names, ending, is_source, is_value


class Monitor:
    """A callback, and the values that it is shown by name: results of calls, and if asked for, their operands."""

    def __init__(self, callback: Callable[[str, Array], object], binding: Binding, operands_too: bool) -> None:
        watched = list(_watched(binding.symbol.outputs, operands_too))
        self._callback = callback
        self._names = [name for name, _ in watched]
        self._nodes = [binding.typed[node] for _, node in watched]
        self._programs: dict[Programs, Callable[..., Any]] = {}

    def run(self, programs: Programs, *inputs: Array) -> tuple[list[Array], list[Array], list[Array]]:
        """What `programs.forward` gives, each value shown on the way."""
        if programs not in self._programs:
            self._programs[programs] = programs.watched(self._nodes)
        outputs, kept, after, seen = self._programs[programs](*inputs)
        for name, value in zip(self._names, seen):
            self._callback(name, value)
        return outputs, kept, after


def _watched(outputs: Sequence[Node], operands_too: bool) -> Iterator[tuple[str, Node]]:
    for node, name in call_names(outputs).items():
        if is_source(node) or not is_value(node):
            continue
        call = called(node) if operands_too else None
        for operand, x in call.operands.items() if call is not None else ():
            yield f"{name}_{operand}", x
        yield name + ending(node), node
