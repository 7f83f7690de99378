"""States: arrays that live between calls. A state is a node, so graphs read it, and compiled functions update it.

Nobody writes into a state's array: whoever changes the state puts another array in its place, and who still looks at
the old one keeps it. So a view is a snapshot, a call that fails has changed nothing, and no thread sees half a value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from threading import Lock
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from graphc.errors import BindError, ShapeError
from graphc.node import Node, Op, Params, topological
from graphc.settings import default_float
from graphc.source import show_source, user_source
from graphc.types import Type, as_dtype

Array = NDArray[Any]


def state(value: Any, name: str | None = None) -> State:
    """A new state that starts with a copy of an array or number; without a name it names itself.

    >>> import graphc
    >>> count = graphc.state(0)
    >>> tick = graphc.compile([], count, updates={count: count + 1})
    >>> tick(), tick(), count.get()
    (array(0), array(1), array(2))
    """
    array = np.asarray(value)
    python_floats = array.dtype.kind == "f" and not hasattr(value, "dtype")
    dtype = default_float() if python_floats else as_dtype(array.dtype)
    return State(f"s{next(_numbers)}" if name is None else name, np.array(array, dtype, order="C"))


_numbers = count()


def _no_type(types: Sequence[Type], params: Params) -> NoReturn:
    raise AssertionError("states are not made through their type rule")


STATE = Op(name="state", infer=_no_type, params=("name",), kind="source")


class State(Node):
    """A node with a value of its own, which changes between calls; see `state`."""

    __slots__ = ("_array",)
    _array: Array

    def __init__(self, name: str, array: Array) -> None:
        super().__init__(STATE, (), (name,), Type(array.dtype, array.shape), user_source())
        _put(self, array)

    @property
    def name(self) -> str:
        return str(self.params[0])

    def get(self) -> Array:
        """A copy of the value."""
        return self._array.copy()

    def view(self) -> Array:
        """The value without a copy: read-only, and the same for ever, whatever the state becomes."""
        array = self._array
        array.flags.writeable = False  # nor can the view be made writeable
        return array.view()

    def set(self, value: Any) -> None:
        """Take a copy of another value, of the same dtype and shape."""
        array = np.asarray(value)
        casting = "safe" if hasattr(value, "dtype") else "same_kind"
        if array.shape != self.shape or not np.can_cast(array.dtype, self.dtype, casting):
            raise BindError(
                f"state {self.name!r} is {self.type} ({show_source(self.source)}), not {array.dtype}"
                f"{list(array.shape)}; give data of its type, or make another state"
            )
        new = np.array(array, self.dtype, order="C")
        with _changing:
            _put(self, new)

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"state {self.name!r} belongs to this process; pickle its value, {self.name}.get(), instead")

    @property
    def cell(self) -> int:
        """The address of the reference to its array, for native code, which changes it under the GIL."""
        return id(self) + Node.__basicsize__  # the one slot beside a node's

    @property
    def array(self) -> Array:
        """The very array, which only the runtime touches."""
        return self._array


_put = State.__dict__["_array"].__set__  # past the `__setattr__` of nodes, which refuses
_changing = Lock()


def states_of(roots: Iterable[Node]) -> list[State]:
    """The states that nodes depend on."""
    return [node for node in topological(roots) if isinstance(node, State)]


def exchange(states: Sequence[State], seen: Sequence[Array], new: Sequence[Array]) -> bool:
    """Give the first states new arrays, if all still have those that were seen; whether that was so."""
    with _changing:
        if any(each.array is not array for each, array in zip(states, seen, strict=True)):
            return False
        for each, array in zip(states, new, strict=False):
            _put(each, array)
        return True


def check_updates(updates: Mapping[Any, Any]) -> None:
    """Raise `BindError` unless states are updated by nodes, and `ShapeError` unless by nodes of their types.

    Those that have no type yet are checked when they have.
    """
    for each, new in updates.items():
        if not isinstance(each, State):
            raise BindError(f"updates change states, not {each!r}; make one by graphc.state(value)")
        if not isinstance(new, Node):
            raise BindError(f"the update of state {each.name!r} is a node, not {new!r}; {each.name}.set(…) sets values")
        if new.type is not None and new.type != each.type:
            raise ShapeError(
                f"the update of state {each.name!r}, {each.type} ({show_source(each.source)}), is {new.type} "
                f"({show_source(new.source)}); cast or reshape it to the state's type"
            )
