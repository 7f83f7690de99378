"""Python numbers as states of loops: weak, as everywhere, they have the dtype that the body makes of them.

The body is run on the number itself, as unrolled it would be: elementwise functions of numbers alone give a number of
some kind, of numbers and nodes a node of the nodes' dtype. That dtype must then be what an iteration leaves as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias, TypeGuard, cast

import numpy as np

from graphc.node import Node, topological, variable
from graphc.sym import elementwise
from graphc.sym.promote import as_node, common_dtype
from graphc.sym.record import CALL, replay
from graphc.sym.trace import Traced
from graphc.types import INT64, DType, Type

Number: TypeAlias = "bool | int | float"

_NUMBERS: dict[str, Number] = {"b": True, "i": 1, "u": 1, "f": 1.0}  # of each kind of dtypes
_MOST_ROUNDS = 4  # a dtype that an iteration raises rises to an integer, a float, a wider one


def is_number(value: object) -> TypeGuard[Number]:
    """Whether it is a Python number, not one of NumPy, which has a dtype."""
    return isinstance(value, bool | int | float) and not isinstance(value, np.generic)


def state_types(
    name: str, body: Traced, captured: Sequence[Node], states: Sequence[Node | Number], elements: Sequence[Type]
) -> list[Type]:
    """The type of each state: that of its node, or what the body makes of a number."""
    if all(isinstance(x, Node) for x in states):
        return [cast("Node", x).typed for x in states]
    i, *xs = [variable("x", type) for type in (Type(INT64), *elements)]
    before = [variable(x.name, x.typed) if isinstance(x, Node) else x for x in states]
    after = _on_numbers(name, body, [i, *before, *xs], captured)
    types = [x.typed if isinstance(x, Node) else Type(common_dtype([x, y])) for x, y in zip(states, after)]
    for _ in range(_MOST_ROUNDS):
        step = body.retyped([Type(INT64), *types, *elements], captured)
        raised = [_raised(x, type, y) for x, type, y in zip(states, types, step.outputs)]
        if raised == types:
            break
        types = raised
    return types


def _raised(state: Node | Number, type: Type, after: Any) -> Type:
    """What a number's type becomes if an iteration gives another dtype."""
    return type if isinstance(state, Node) or not isinstance(after, Node) else Type(common_dtype([state, after]))


def _on_numbers(name: str, body: Traced, args: Sequence[Any], captured: Sequence[Node]) -> list[Any]:
    """The leaves of a body's result on nodes and numbers."""
    found: dict[Node, Any] = dict(zip((*body.bound, *body.captured), (*args, *captured), strict=True))
    for node in topological([y for y in body.outputs if isinstance(y, Node)], found.__contains__):
        if node not in found:
            found[node] = _again(name, node, [found[arg] for arg in node.args])
    return [found[y] if isinstance(y, Node) else y for y in body.outputs]


def _again(name: str, node: Node, args: list[Any]) -> Any:
    """A node on these arguments: a number if they all are numbers, and the function is elementwise.

    Another function, as a loop inside, gets nodes: of the dtype of those beside them.
    """
    if node.op is not CALL or node.params[0] not in elementwise.__all__:
        args = [as_node(name, arg, _beside(arg, args)) if is_number(arg) else arg for arg in args]
    result: Any = replay([node], dict(zip(node.args, args)))[0]  # a node, or the structure that a call gives
    weak = bool(args) and all(map(is_number, args)) and isinstance(result, Node) and not result.shape
    return _NUMBERS[result.dtype.kind] if weak else result


def _beside(number: Number, args: Sequence[Any]) -> DType:
    """The dtype that a number has among nodes of its kind."""
    kinds = "b" if isinstance(number, bool) else "iu" if isinstance(number, int) else "f"
    return common_dtype([number, *(x for x in args if isinstance(x, Node) and x.dtype.kind in kinds)])
