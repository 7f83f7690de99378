"""MXNet's executor: a symbol bound to arrays, run forward and backward."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import Any, TypeAlias

import numpy as np

from graphc.errors import BindError
from graphc.executor.binding import Array, Binding, reshaped
from graphc.executor.heads import Heads
from graphc.executor.monitor import Monitor
from graphc.executor.programs import Programs, trains
from graphc.ops.declare import offence
from graphc.runtime.arguments import describe
from graphc.sym.implied import by_variable
from graphc.sym.inspect import debug_str
from graphc.types import as_shape

Values: TypeAlias = Mapping[str, Any]


class Executor:
    """Outputs bound to the arrays they are computed from, and to those their gradients go to.

    `arg_dict`, `aux_dict` and `grad_dict` hold the caller's arrays by name: what is written into an argument is read
    by the next `forward`, and `backward` writes or adds to the gradients. `outputs` are the results of the last
    `forward`.
    """

    def __init__(self, binding: Binding) -> None:
        self.arg_dict: dict[str, Array] = {v.name: array for v, array in binding.arguments.items()}
        self.aux_dict: dict[str, Array] = {v.name: array for v, array in binding.states.items()}
        self.grad_dict: dict[str, Array] = {v.name: array for v, (_, array) in binding.gradients.items()}
        self.outputs: list[Array] = []
        self._binding = binding
        self._modes: dict[bool, Programs] = {}
        self._last: tuple[Programs, list[Array]] | None = None  # what ran, and what it kept
        self._monitor: Monitor | None = None

    @property
    def arg_arrays(self) -> list[Array]:
        """The arguments' arrays in the order of `list_arguments`."""
        return list(self.arg_dict.values())

    @property
    def grad_arrays(self) -> list[Array | None]:
        """The gradients' arrays in the same order; None where there is none."""
        return [self.grad_dict.get(name) for name in self.arg_dict]

    @property
    def aux_arrays(self) -> list[Array]:
        """The auxiliary states' arrays in the order of `list_auxiliary_states`."""
        return list(self.aux_dict.values())

    @property
    def output_dict(self) -> dict[str, Array]:
        """The results of the last `forward` by name."""
        return dict(zip(self._heads.names, self.outputs))

    # -- running --------------------------------------------------------------------------------

    def forward(self, is_train: bool = False, **data: Any) -> list[Array]:
        """Compute the outputs; data given by name is first written into the arguments' arrays.

        With `is_train`, layers do what they do in training, and auxiliary states are updated.
        """
        if data:
            self._fill(data)
        programs, self._last = self._modes.get(is_train) or self._programs(is_train), None
        run = programs.forward if self._monitor is None else partial(self._monitor.run, programs)
        self.outputs, kept, after = run(*self.arg_dict.values(), *self.aux_dict.values())
        if after:
            for v, value in zip(programs.updated, after):
                np.copyto(self.aux_dict[v.name], value)
        self._last = programs, kept
        return self.outputs

    def _fill(self, data: Values) -> None:
        """Write data into the arguments' arrays; none of it, if some does not fit."""
        for name, value in data.items():
            if name not in self.arg_dict:
                there = ", ".join(self.arg_dict) or "none"
                raise BindError(offence("forward", f"no argument is named {name!r}", f"there are {there}"))
            _require_fitting("forward", name, self.arg_dict[name], value)
        for name, value in data.items():
            np.copyto(self.arg_dict[name], value, casting="same_kind")

    def backward(self, out_grads: Any = None) -> None:
        """Write or add the gradients, given that of each output: one array, a list (None for zero), or a dict by name.

        Losses and scalars need none: theirs is one. It may run several times after one `forward`, whose mode it takes.
        """
        if self._last is None:
            raise BindError(offence("backward", "there are no intermediate values", "call forward() first"))
        programs, kept = self._last
        given, heads = self._heads.of(out_grads, programs, self.outputs)
        addends, targets = self._addends, [*(self.grad_dict | self._addends).values()]
        programs.backward(given)(*self.arg_dict.values(), *self.aux_dict.values(), *kept, *heads, out=targets)
        for name, addend in addends.items():
            np.add(self.grad_dict[name], addend, out=self.grad_dict[name])

    @cached_property
    def _addends(self) -> dict[str, Array]:
        """Where the gradients are written that are then added to others."""
        requests = self._binding.gradients
        return {v.name: np.empty(array.shape, array.dtype) for v, (how, array) in requests.items() if how == "add"}

    def zero_grad(self) -> None:
        """Set every gradient to zero."""
        for array in self.grad_dict.values():
            array.fill(0)

    def set_monitor_callback(self, callback: Callable[[str, Array], object] | None, monitor_all: bool = False) -> None:
        """Have `callback(name, value)` called in every `forward`, for the result of each call inside.

        With `monitor_all`, also for what each was made on, as `fc1_weight`. None ends it.
        """
        self._monitor = None if callback is None else Monitor(callback, self._binding, monitor_all)

    def _programs(self, is_train: bool) -> Programs:
        training = is_train and self._trains
        if training not in self._modes:
            wrt = [self._binding.typed[v] for v in self._binding.gradients]
            self._modes[training] = Programs(self._binding.graph, wrt, self._binding.sizes, training)
        self._modes[is_train] = self._modes[training]
        return self._modes[training]

    @cached_property
    def _trains(self) -> bool:
        return trains(self._binding.graph)

    @cached_property
    def _heads(self) -> Heads:
        return Heads(self._binding)

    # -- other arrays ---------------------------------------------------------------------------

    def copy_params_from(
        self, arg_params: Values, aux_params: Values | None = None, allow_extra_params: bool = False
    ) -> None:
        """Copy values into the arrays of arguments and auxiliary states, converted to their dtypes.

        Raises `BindError` for a wrong shape, and for a name that there is not, unless extra ones are allowed.
        """
        for kind, arrays, values in self._places(arg_params, aux_params):
            _require_named(kind, values)
            if (extra := sorted(values.keys() - arrays.keys())) and not allow_extra_params:
                what = f"no {kind} is named {', '.join(extra)}, there are {', '.join(arrays) or 'none'}"
                way_out = "allow_extra_params=True passes over what is extra"
                raise BindError(offence("copy_params_from", what, way_out))
            for name in arrays.keys() & values.keys():
                _require_fitting("copy_params_from", name, arrays[name], values[name])
        for _, arrays, values in self._places(arg_params, aux_params):
            for name in arrays.keys() & values.keys():
                np.copyto(arrays[name], values[name], casting="same_kind")

    def _places(self, arg_params: Values, aux_params: Values | None) -> list[tuple[str, dict[str, Array], Values]]:
        return [("argument", self.arg_dict, arg_params), ("auxiliary state", self.aux_dict, aux_params or {})]

    def reshape(self, partial_shaping: bool = False, allow_up_sizing: bool = False, **shapes: Any) -> Executor:
        """An executor for other shapes of some arguments, on the same arrays wherever the shape stays.

        What becomes smaller lies in the memory of what it was; what becomes larger gets new arrays, which
        `allow_up_sizing` must allow. Arguments that are not named may change with those that are only if
        `partial_shaping` allows it.
        """
        given = by_variable("reshape", self._binding.symbol, shapes, as_shape)
        return Executor(reshaped(self._binding, given, partial_shaping, allow_up_sizing))

    def debug_str(self) -> str:
        """The symbol's calls as text, and the memory of the arrays bound."""
        arrays = [*self.arg_arrays, *self.aux_arrays, *self.grad_dict.values()]
        total = sum(array.nbytes for array in arrays)
        return f"{debug_str(self._binding.symbol)}\nTotal {total} bytes in {len(arrays)} arrays"


def _require_named(kind: str, values: object) -> None:
    """Raise `BindError` unless values are given by name."""
    if not isinstance(values, Mapping):
        raise BindError(offence("copy_params_from", f"{type(values).__name__} holds no {kind} by name", "give a dict"))


def _require_fitting(what: str, name: str, array: Array, value: Any) -> None:
    """Raise `BindError` unless a value can be written into an array, rounded to its dtype."""
    given = np.asarray(value)
    if not array.flags.writeable:
        raise BindError(offence(what, f"{name} is bound to an array that is not writeable", "bind a copy of it"))
    fits = given.dtype is array.dtype or np.can_cast(given.dtype, array.dtype, "same_kind")
    if given.shape != array.shape or not fits:
        offered = f"{name} is bound as {describe(array)}, not {describe(given)}"
        raise BindError(offence(what, offered, "convert the value, or reshape the executor"))
