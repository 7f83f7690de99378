"""MXNet's executor: a symbol bound to arrays, run forward and backward."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, TypeAlias, cast

import numpy as np

from graphc.errors import BindError, GradientError
from graphc.executor.binding import Array, Binding, reshaped
from graphc.executor.monitor import Monitor
from graphc.executor.programs import Programs, trains
from graphc.source import show_source
from graphc.sym.inspect import by_variable, debug_str
from graphc.sym.mx.layer import LAYERS
from graphc.sym.symbol import layer_call, output_names
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
        return dict(zip(self._names, self.outputs))

    # -- running --------------------------------------------------------------------------------

    def forward(self, is_train: bool = False, **data: Any) -> list[Array]:
        """Compute the outputs; data given by name is first written into the arguments' arrays.

        With `is_train`, layers do what they do in training, and auxiliary states are updated.
        """
        for name, value in data.items():
            _require_fitting("forward", name, self._argument(name), value)
        self._last = None
        for name, value in data.items():
            np.copyto(self.arg_dict[name], value, casting="same_kind")
        programs = self._programs(is_train)
        if self._monitor is None:
            self.outputs, kept, after = programs.forward(*self._inputs)
        else:
            self.outputs, kept, after = self._monitor.run(programs, self._inputs)
        for v, value in zip(programs.updated, after):
            np.copyto(self.aux_dict[v.name], value)
        self._last = programs, kept
        return self.outputs

    def backward(self, out_grads: Any = None) -> None:
        """Write or add the gradients, given that of each output: one array, a list (None for zero), or a dict by name.

        Losses and scalars need none: theirs is one. It may run several times after one `forward`, whose mode it takes.
        """
        if self._last is None:
            raise BindError("backward: the intermediate values come from forward(); call it first")
        programs, kept = self._last
        heads = self._heads(out_grads, programs)
        added = [self.grad_dict[v.name] for v, (request, _) in self._binding.gradients.items() if request == "add"]
        passed = [h for h in heads if h is not None]
        backward = programs.backward(tuple([h is not None for h in heads]))
        backward(*self._inputs, *kept, *passed, *added, out=list(self.grad_dict.values()))

    def zero_grad(self) -> None:
        """Set every gradient to zero."""
        for array in self.grad_dict.values():
            array.fill(0)

    def set_monitor_callback(self, callback: Callable[[str, Array], object] | None, monitor_all: bool = False) -> None:
        """Have `callback(name, value)` called in every `forward`, for the result of each call inside.

        With `monitor_all`, also for what each was made on, as `fc1_weight`. None ends it.
        """
        self._monitor = None if callback is None else Monitor(callback, self._binding, monitor_all)

    @property
    def _inputs(self) -> list[Array]:
        return [*self.arg_dict.values(), *self.aux_dict.values()]

    def _argument(self, name: str) -> Array:
        if name not in self.arg_dict:
            raise BindError(f"forward: no argument is named {name!r}; there are {', '.join(self.arg_dict)}")
        return self.arg_dict[name]

    def _programs(self, is_train: bool) -> Programs:
        training = is_train and self._trains
        if training not in self._modes:
            requests = {self._binding.typed[v]: request for v, (request, _) in self._binding.gradients.items()}
            self._modes[training] = Programs(self._binding.graph, requests, self._binding.sizes, training)
        return self._modes[training]

    @cached_property
    def _trains(self) -> bool:
        return trains(self._binding.graph)

    @cached_property
    def _names(self) -> list[str]:
        return output_names(self._binding.symbol.outputs)

    # -- head gradients -------------------------------------------------------------------------

    def _heads(self, given: Any, programs: Programs) -> list[Any]:
        """The head gradient of each output; None for zero."""
        listed = [None] * len(self.outputs) if given is None else self._listed(given)
        heads = [self._default(k, programs, given is None) if h is None else h for k, h in enumerate(listed)]
        for y, output, head in zip(self._binding.graph.outputs, self.outputs, heads):
            if head is not None and np.shape(head) != output.shape:
                raise GradientError(
                    f"backward: the head gradient of {y.name} ({show_source(y.source)}) has shape {np.shape(head)}; "
                    f"it must be that of the output, {output.shape}"
                )
        return heads

    def _listed(self, given: Any) -> list[Any]:
        """Head gradients as one for each output."""
        if isinstance(given, Mapping):
            named = cast("Mapping[str, Any]", given)
            if unknown := sorted(named.keys() - set(self._names)):
                raise GradientError(f"backward: no output is named {unknown[0]!r}; there are {', '.join(self._names)}")
            return [named.get(name) for name in self._names]
        several = isinstance(given, list | tuple) and (
            len(self.outputs) > 1 or any(isinstance(h, np.ndarray) for h in cast("list[Any]", given))
        )
        heads: list[Any] = list(given) if several else [given]
        if len(heads) != len(self.outputs):
            raise GradientError(
                f"backward: {len(heads)} head gradients for {len(self.outputs)} outputs; give one for each"
            )
        return heads

    def _default(self, place: int, programs: Programs, required: bool) -> Any:
        """The head gradient of an output that none is given for: one for a loss, and if required for a scalar."""
        y, output = self._binding.graph.outputs[place], self.outputs[place]
        call = layer_call(self._binding.symbol.outputs[place])
        if (call is not None and LAYERS[call.function].loss) or (required and not output.shape):
            return np.ones_like(output)
        if not required or not programs.matters[place]:
            return None
        raise GradientError(
            f"backward: {y.name} is {y.type} ({show_source(y.source)}), no scalar; give its head gradient, "
            "or bind sym.sum(y)"
        )

    # -- other arrays ---------------------------------------------------------------------------

    def copy_params_from(
        self, arg_params: Values, aux_params: Values | None = None, allow_extra_params: bool = False
    ) -> None:
        """Copy values into the arrays of arguments and auxiliary states, converted to their dtypes.

        Raises `BindError` for a wrong shape, and for a name that there is not, unless extra ones are allowed.
        """
        for kind, arrays, values in self._places(arg_params, aux_params):
            if (extra := sorted(values.keys() - arrays.keys())) and not allow_extra_params:
                known = ", ".join(arrays) or "none"
                raise BindError(
                    f"copy_params_from: no {kind} is named {', '.join(extra)}; there are {known}; "
                    "allow_extra_params=True passes over what is extra"
                )
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
        given = by_variable(self._binding.symbol, {name: as_shape(shape) for name, shape in shapes.items()})
        return Executor(reshaped(self._binding, given, partial_shaping, allow_up_sizing))

    def debug_str(self) -> str:
        """The symbol's calls as text, and the memory of the arrays bound."""
        arrays = [*self.arg_arrays, *self.aux_arrays, *self.grad_dict.values()]
        total = sum(array.nbytes for array in arrays)
        return f"{debug_str(self._binding.symbol)}\nTotal {total} bytes in {len(arrays)} arrays"


def _require_fitting(what: str, name: str, array: Array, value: Any) -> None:
    """Raise `BindError` unless a value can be written into an array, rounded to its dtype."""
    given = np.asarray(value)
    if given.shape != array.shape or not np.can_cast(given.dtype, array.dtype, "same_kind"):
        raise BindError(
            f"{what}: {name} is bound as {array.dtype}{list(array.shape)}, not {given.dtype}{list(given.shape)}; "
            "convert the value, or reshape the executor"
        )
