"""MXNet's executor: a graph bound to arrays, run forward and backward; and `eval`, which binds for one run.

The forward program gives, beside the outputs, the values that the backward program reads (see the note on
what is kept). Both read the caller's own arrays, and the backward program writes into his.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from graphc.autodiff.reverse import pull_back
from graphc.errors import BindError, GradientError
from graphc.graph import Graph
from graphc.node import Node, topological, variable
from graphc.ops.arithmetic import ADD
from graphc.ops.movement import fill
from graphc.runtime.function import compile
from graphc.settings import default_float
from graphc.source import show_source
from graphc.sym.inspect import infer_shape, method
from graphc.sym.record import replay
from graphc.tree import flatten
from graphc.types import Dim, Shape, Type, as_dtype, evaluate, match_extents

__all__ = ["Executor", "bind", "simple_bind"]

Array: TypeAlias = NDArray[Any]
REQUESTS = ("write", "add", "null")


class Executor:
    """Outputs bound to the arrays they are computed from, and to those their gradients go to.

    `arg_dict` and `grad_dict` hold the caller's arrays by name: what is written into an argument is read by the
    next `forward`, and `backward` writes or adds to the gradients. `outputs` are the results of the last `forward`.
    """

    def __init__(
        self, outputs: Sequence[Node], arguments: Mapping[Node, Array], gradients: Mapping[Node, tuple[str, Array]]
    ) -> None:
        self.arg_dict: dict[str, Array] = {v.name: array for v, array in arguments.items()}
        self.grad_dict: dict[str, Array] = {v.name: array for v, (_, array) in gradients.items()}
        self.outputs: list[Array] = []
        self._nodes = tuple(outputs)
        self._arguments = tuple(arguments)
        self._requests = {v: request for v, (request, _) in gradients.items()}
        self._heads = [variable(f"@head{k}", y.type) for k, y in enumerate(outputs)]
        self._kept_values: list[Array] = []
        self._backward: dict[tuple[bool, ...], Callable[..., Any]] = {}

    def forward(self, **data: Any) -> list[Array]:
        """Compute the outputs; data given by name is first written into the arguments' arrays."""
        for name, value in data.items():
            _overwrite(self._argument(name), name, value)
        self.outputs, self._kept_values = self._forward(*self.arg_dict.values())
        return self.outputs

    def backward(self, head: Any = None) -> None:
        """Write or add the gradients, given that of each output: one array, or a list of them (None for zero).

        Scalar outputs need none. It may run several times after one `forward`.
        """
        if not self.outputs:
            raise BindError("backward: the intermediate values come from forward(); call it first")
        heads = self._as_heads(head)
        given = tuple(h is not None for h in heads)
        if given not in self._backward:
            self._backward[given] = compile(*self._backward_graph(given))
        added = [self.grad_dict[v.name] for v, request in self._requests.items() if request == "add"]
        passed = [h for h in heads if h is not None]
        inputs = [*self.arg_dict.values(), *self._kept_values, *passed, *added]
        self._backward[given](*inputs, out=list(self.grad_dict.values()))

    def zero_grad(self) -> None:
        """Set every gradient to zero."""
        for array in self.grad_dict.values():
            array.fill(0)

    def _argument(self, name: str) -> Array:
        if name not in self.arg_dict:
            raise BindError(f"forward: no argument is named {name!r}; there are {', '.join(self.arg_dict)}")
        return self.arg_dict[name]

    def _as_heads(self, head: Any) -> list[Any]:
        if head is None:
            for y in self._nodes:
                _require_scalar(y)
            return [np.ones((), y.dtype) for y in self._nodes]
        several = isinstance(head, list | tuple) and (
            len(self._nodes) > 1 or any(isinstance(h, np.ndarray) for h in cast("list[Any]", head))
        )
        heads: list[Any] = list(head) if several else [head]
        if len(heads) != len(self._nodes):
            raise GradientError(
                f"backward: {len(heads)} head gradients for {len(self._nodes)} outputs; give one for each"
            )
        for y, output, h in zip(self._nodes, self.outputs, heads):
            if h is not None:
                _require_shape(y, output.shape, np.shape(h))
        return heads

    # -- the two programs -----------------------------------------------------------------------

    @cached_property
    def _forward(self) -> Callable[..., Any]:
        return compile(list(self._arguments), [list(self._nodes), self._kept])

    @cached_property
    def _kept(self) -> list[Node]:
        """The inner values of the forward graph that the backward graph reads."""
        sizes: dict[str, int] = {}
        for v in self._arguments:
            match_extents(v.shape, self.arg_dict[v.name].shape, sizes)
        return boundary(self._gradients([True] * len(self._heads)), self._nodes, sizes)

    def _gradients(self, given: Sequence[bool]) -> list[Node]:
        heads = [head if is_given else None for head, is_given in zip(self._heads, given)]
        found = pull_back(self._nodes, heads, self._requests)
        return [found[v] if v in found else fill(0, v.typed) for v in self._requests]

    def _backward_graph(self, given: Sequence[bool]) -> tuple[list[Node], list[Node]]:
        """The inputs and results of the backward program, for the outputs that have a head gradient."""
        stands_for = {node: variable(f"@kept{k}", node.type) for k, node in enumerate(self._kept)}
        gradients = replay(self._gradients(given), stands_for)
        olds = {v: variable(f"@old {v.name}", v.type) for v, request in self._requests.items() if request == "add"}
        heads = [head for head, is_given in zip(self._heads, given) if is_given]
        results = [ADD(olds[v], g) if v in olds else g for v, g in zip(self._requests, gradients)]
        return [*self._arguments, *stands_for.values(), *heads, *olds.values()], results


def boundary(gradients: Iterable[Node], outputs: Sequence[Node], sizes: Mapping[str, int]) -> list[Node]:
    """The nodes of the forward graph to keep for the gradients; see the note on what is kept."""
    forward = topological(outputs)
    inner = set(forward)
    read = set(topological(gradients, stop=lambda node: node in inner and not _is_view(node, sizes)))
    kept: list[Node] = []
    at_hand: set[Node] = set()
    for node in forward:
        if at_hand.issuperset(node.args) and (node.op.kind == "movement" or _is_free(node, read)):
            at_hand.add(node)
        elif node in read and not _is_view(node, sizes):
            kept.append(node)
            at_hand.add(node)
    return kept


def _is_view(node: Node, sizes: Mapping[str, int]) -> bool:
    """Whether a node is moved from arguments that are no larger together."""
    return node.op.kind == "movement" and sum(_size(arg, sizes) for arg in node.args) <= _size(node, sizes)


def _is_free(node: Node, read: set[Node]) -> bool:
    """Whether a node is, once its arguments are at hand, sooner computed than loaded."""
    return not node.args or (node in read and node.op.kind == "elementwise" and not node.op.transcendental)


def _size(node: Node, sizes: Mapping[str, int]) -> int:
    return 0 if not node.args else evaluate(node.size, sizes)


def _require_scalar(y: Node) -> None:
    if y.shape:
        raise GradientError(
            f"backward: {y.op.name} is {y.type} ({show_source(y.source)}), no scalar; give its head gradient, "
            "or bind sym.sum(y)"
        )


def _require_shape(y: Node, shape: tuple[int, ...], given: tuple[int, ...]) -> None:
    if given != shape:
        raise GradientError(
            f"backward: the head gradient of {y.name} ({show_source(y.source)}) has shape {given}; it must be that "
            f"of the output, {shape}"
        )


def _overwrite(array: Array, name: str, value: Any) -> None:
    if np.shape(value) != array.shape:
        raise BindError(
            f"forward: {name} is bound to shape {array.shape}, not {np.shape(value)}; bind again for another"
        )
    try:
        np.copyto(array, value, casting="safe" if hasattr(value, "dtype") else "same_kind")
    except TypeError as error:
        raise BindError(f"forward: {name} is bound as {array.dtype}; convert the new data: {error}") from error


# -- binding ----------------------------------------------------------------------------------------


@method
def bind(node: Any, args: Any, args_grad: Any = None, grad_req: Any = "write") -> Executor:
    """An executor of a node (or of a list of nodes) on the caller's arrays: a dict by name, or a list in call order.

    `grad_req` is 'write', 'add' or 'null' for all arguments, or a dict or list of them; an argument that a dict
    leaves out, and one with no array in a given `args_grad`, gets no gradient, nor do integers. Without
    `args_grad` arrays of zeros are made.
    """
    roots, _ = flatten(node)
    variables = Graph.of(roots).inputs
    named = _by_name("args", args, variables)
    arrays = [_as_argument(v, named) for v in variables]
    typed = {v: variable(v.name, Type(as_dtype(a.dtype), a.shape)) for v, a in zip(variables, arrays) if v.type is None}
    arguments = {typed.get(v, v): array for v, array in zip(variables, arrays)}
    _check(arguments)
    return Executor(replay(roots, typed), arguments, _gradients(arguments, args_grad, grad_req))


@method
def simple_bind(node: Node, grad_req: Any = "write", **shapes: Any) -> Executor:
    """An executor on arrays of zeros, made in the shapes given by name or declared."""
    found, _, _ = infer_shape(node, **shapes)
    arrays = [_zeros(v, shape) for v, shape in zip(Graph.of(node).inputs, found)]
    return bind(node, arrays, grad_req=grad_req)


@method
def eval(node: Node, **bindings: Any) -> Any:
    """The value of a node, given the values of its variables by name; the program is kept for the next time.

    >>> from graphc import sym
    >>> a, b = sym.var('a'), sym.var('b')
    >>> (2 * a + b).eval(a=np.arange(3.0), b=np.ones(3))
    array([1., 3., 5.])
    """
    return _program(node)(**bindings)


@lru_cache(maxsize=64)
def _program(node: Node) -> Callable[..., Any]:
    return compile(list(Graph.of(node).inputs), node)


def _by_name(what: str, given: Any, variables: Sequence[Node]) -> dict[str, Any]:
    """What a dict or a list gives to each variable, by name; places that hold None are left out."""
    names = [v.name for v in variables]
    if not isinstance(given, Mapping):
        if len(given) != len(names):
            raise BindError(f"bind: {what} has {len(given)} entries for the arguments {', '.join(names)}")
        given = dict(zip(names, given))
    if unknown := given.keys() - set(names):
        raise BindError(f"bind: {what} names {', '.join(sorted(unknown))}; the arguments are {', '.join(names)}")
    return {name: value for name, value in given.items() if value is not None}


def _zeros(v: Node, shape: Shape) -> Array:
    if open_extents := [str(extent) for extent in shape if isinstance(extent, Dim)]:
        raise BindError(
            f"simple_bind: nothing says what {', '.join(open_extents)} is in {v.name} ({show_source(v.source)}); "
            f"give {v.name}=(…)"
        )
    return np.zeros(cast("tuple[int, ...]", shape), default_float() if v.type is None else v.dtype)


def _as_argument(v: Node, named: Mapping[str, Any]) -> Array:
    """The caller's own array, or a new one from numbers or a list."""
    if v.name not in named:
        raise BindError(f"bind: the argument {v.name} ({show_source(v.source)}) has no array")
    value = named[v.name]
    if isinstance(value, np.ndarray):
        return value
    array = np.asarray(value)
    return array if v.type is None else array.astype(v.dtype, casting="same_kind")


def _check(arguments: Mapping[Node, Array]) -> None:
    sizes: dict[str, int] = {}
    for v, array in arguments.items():
        if array.dtype != v.dtype:
            raise BindError(
                f"bind: {v.name} is {v.type} ({show_source(v.source)}), not {array.dtype}; convert the array"
            )
        if wrong := match_extents(v.shape, array.shape, sizes):
            raise BindError(f"bind: {v.name} is {v.type} ({show_source(v.source)}), but the array {wrong}")


def _gradients(arguments: Mapping[Node, Array], args_grad: Any, grad_req: Any) -> dict[Node, tuple[str, Array]]:
    """For every argument that gets a gradient, how and where."""
    variables = tuple(arguments)
    arrays = None if args_grad is None else _by_name("args_grad", args_grad, variables)
    if isinstance(grad_req, str):
        held = [v for v in variables if v.dtype.kind == "f" and (arrays is None or v.name in arrays)]
        requests = {v.name: grad_req for v in held}
    else:
        requests = _by_name("grad_req", grad_req, variables)
    wanted = {v: _checked_request(v, requests[v.name]) for v in variables if requests.get(v.name, "null") != "null"}
    return {v: (request, _gradient_array(v, arguments[v], arrays)) for v, request in wanted.items()}


def _checked_request(v: Node, request: Any) -> str:
    if request not in REQUESTS:
        raise BindError(f"bind: grad_req of {v.name} is {request!r}; use 'write', 'add' or 'null'")
    if v.dtype.kind != "f":
        raise GradientError(f"bind: {v.name} is {v.type} ({show_source(v.source)}) and has no gradient; ask for 'null'")
    return request


def _gradient_array(v: Node, argument: Array, arrays: Mapping[str, Any] | None) -> Array:
    if arrays is None:
        return np.zeros_like(argument)
    array = arrays.get(v.name)
    if not isinstance(array, np.ndarray) or (array.dtype, array.shape) != (argument.dtype, argument.shape):
        raise BindError(
            f"bind: args_grad of {v.name} must be an array {argument.dtype}{list(argument.shape)} to write into"
        )
    return cast("Array", array)


# -- What is kept -----------------------------------------------------------------------------------
# The gradient graph reads the forward graph at some nodes. Kept are those, except what is at hand anyway: sources;
# movements of no more elements than they give (a broadcast, a transpose), whose arguments are kept in their stead
# and read through the index; and arithmetic on what is at hand, which costs less than the memory it would go through.
