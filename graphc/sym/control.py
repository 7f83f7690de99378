"""Control flow as users write it: choices and loops whose parts are functions of nodes.

The functions are called while the graph is built; states, operands and results may be structures of nodes. What a
function reads from outside is an operand by itself, and gets derivatives like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, SupportsIndex, TypeVar

from graphc.errors import BindError, ShapeError
from graphc.node import Node, constant
from graphc.ops.control import ITEM, SWITCH, require_same_results
from graphc.ops.declare import offence
from graphc.ops.policy import Policy, as_policy
from graphc.sym.axes import as_axis
from graphc.sym.loop import as_bound, as_length, as_limit, element, run_count, run_scan, run_while
from graphc.sym.movement import concat, flip, moveaxis, stack
from graphc.sym.promote import as_node, promote
from graphc.sym.record import public
from graphc.sym.trace import Traced, close, fresh, parameter_names, trace
from graphc.sym.weak import Number, is_number
from graphc.tree import LEAF, Tree, TreeDef, flatten, map_tree, unflatten
from graphc.types import INT64, Dim, Extent, Type

T = TypeVar("T")

__all__ = ["cond", "switch", "checkpoint", "while_loop", "fori_loop", "scan", "map", "associative_scan"]

# -- choices ----------------------------------------------------------------------------------------


def cond(pred: Any, true_fn: Callable[..., Tree], false_fn: Callable[..., Tree], *operands: Tree) -> Any:
    """`true_fn(*operands)` where the scalar `pred` holds, else `false_fn(*operands)`; only one of them runs.

    >>> from graphc import sym
    >>> x = sym.var('x', shape=())
    >>> cond(x > 0, lambda: x, lambda: 100 * x).type
    Type(dtype=dtype('float64'), shape=())
    """
    if isinstance(pred, bool):
        return (true_fn if pred else false_fn)(*operands)
    return _choose("cond", _node("cond", pred), (false_fn, true_fn), operands)


def switch(index: Any, branches: Sequence[Callable[..., Tree]], *operands: Tree) -> Any:
    """`branches[index](*operands)`; only that branch runs. Below and above the range it is the first or last one."""
    if not branches:
        raise ShapeError(offence("switch", "there are no branches", "give one at least"))
    return _choose("switch", _node("switch", index), tuple(branches), operands)


def _choose(name: str, index: Node, functions: Sequence[Callable[..., Tree]], operands: Sequence[Tree]) -> Any:
    given, forms = _nodes(name, operands)
    traces = [_trace_branch(function, forms, given) for function in functions]
    for number, traced in enumerate(traces):
        if traced.form != traces[0].form:
            what = f"branch {number} gives another structure than branch 0"
            raise ShapeError(offence(name, what, "return the same tuples and dicts from all branches"))
    results = run_switch(name, index, traces, [list(t.captured) for t in traces], given)
    return unflatten(traces[0].form, results)


def _trace_branch(function: Callable[..., Tree], forms: Sequence[TreeDef], given: Sequence[Node]) -> Traced:
    arguments = fresh(parameter_names(function, len(forms)), forms, [x.type for x in given])
    return trace(function, arguments, hoist=False)  # what only one branch computes stays inside it


@public(outputs=lambda name, index, traces, captured, operands: [*range(len(traces[0].outputs))])
def run_switch(
    name: str, index: Node, traces: Sequence[Traced], captured: Sequence[Sequence[Node]], operands: Sequence[Node]
) -> list[Node]:
    """The results of one of some traced functions, which captured these nodes."""
    types = [x.typed for x in operands]
    branches = [traced.retyped(types, own) for traced, own in zip(traces, captured)]
    shared = list(dict.fromkeys(x for own in captured for x in own))
    aligned = [promote(name, *leaves) for leaves in zip(*(branch.outputs for branch in branches))]
    results = [list(column) for column in zip(*aligned)] or [[] for _ in branches]
    for number, other in enumerate(results):
        require_same_results(name, [y.typed for y in results[0]], [y.typed for y in other], number)
    graphs = tuple([close([*branch.bound, *shared], ys) for branch, ys in zip(branches, results)])
    node = SWITCH(index, *operands, *shared, branches=graphs)
    return [ITEM(node, index=k) for k in range(len(aligned))]


def checkpoint(function: Callable[..., T]) -> Callable[..., T]:
    """The function, whose derivative keeps nothing of it but its operands and computes the rest again.

    It takes structures of nodes, and gives one.

    >>> from graphc import sym
    >>> x = sym.var('x', shape=(3,))
    >>> checkpoint(lambda x: sym.exp(sym.sin(x)))(x).type == x.type
    True
    """

    @wraps(function)
    def call(*operands: Tree) -> Any:
        return _choose("checkpoint", constant(0), (function,), operands)

    return call


# -- loops ------------------------------------------------------------------------------------------


def while_loop(
    cond_fn: Callable[[Any], Any],
    body_fn: Callable[[Any], Any],
    init: Tree,
    max_iterations: int | None = None,
    checkpoint: bool | int | str = False,
) -> Any:
    """The state after `state = body_fn(state)` as long as `cond_fn(state)` holds, from `init` on.

    The state is a node or a structure of nodes, of the same shapes and dtypes always; a Python number has the dtype
    that the loop makes of it. A loop that would take more than `max_iterations` is an `IterationError`.

    The derivative in reverse needs values of all iterations. They are kept, unless `checkpoint=True` has the state kept
    only now and then, about √n times in n iterations, and what lies between computed again. A number k keeps the state
    before every k-th iteration; bytes, as in `'64 MB'`, as many values as go into them.

    >>> from graphc import sym
    >>> b = sym.var('b', shape=(3,))
    >>> while_loop(lambda b: sym.sum(b) < 1000, lambda b: 2 * b, b).type == b.type
    True
    """
    given, form = _states("while_loop", init)
    policy, limit = as_policy("while_loop", checkpoint), as_limit("while_loop", max_iterations)

    def traces(types: Sequence[Type | None]) -> tuple[Traced, Traced]:
        (i, state), (_, again) = (
            fresh(["i", *parameter_names(f, 1)], [LEAF, form], [Type(INT64), *types]) for f in (body_fn, cond_fn)
        )
        return trace(lambda _, state: body_fn(state), [i, state]), trace(cond_fn, [again])

    (body, condition), states = _traced("while_loop", traces, given)
    _require_form("while_loop", form, body.form)
    if condition.form != LEAF:
        raise ShapeError(offence("while_loop", "the condition is a structure", "give one bool, without axes"))
    read, captured = list(condition.captured), list(body.captured)
    results = run_while("while_loop", condition, read, body, captured, states, limit, policy)
    return unflatten(form, results)


def fori_loop(
    lower: Any, upper: Any, body_fn: Callable[[Any, Any], Any], init: Tree, checkpoint: bool | int | str = False
) -> Any:
    """The state after `state = body_fn(i, state)` for every i from `lower` up to `upper`, from `init` on.

    The bounds are integers, extents, or scalar nodes. For `checkpoint` see `while_loop`.

    >>> from graphc import sym
    >>> x = sym.var('x', shape=())
    >>> fori_loop(0, 3, lambda i, y: y * x + i, x).type == x.type
    True
    """
    given, form = _states("fori_loop", init)
    policy = as_policy("fori_loop", checkpoint)
    start, end = (as_bound("fori_loop", _node("fori_loop", bound)) for bound in (lower, upper))
    names = parameter_names(body_fn, 2)

    def step(i: Node, state: Tree) -> Tree:
        return body_fn(i if isinstance(lower, int) and lower == 0 else start + i, state)

    def traces(types: Sequence[Type | None]) -> tuple[Traced, ...]:
        return (trace(step, fresh(names, [LEAF, form], [Type(INT64), *types])),)

    (body,), states = _traced("fori_loop", traces, given)
    _require_form("fori_loop", form, body.form)
    captured = list(body.captured)
    if (trip := _trip(lower, upper, policy)) is not None:
        results = run_scan("fori_loop", body, captured, states, [], trip, False, policy)
    else:
        results = run_count("fori_loop", body, captured, states, end - start, policy)
    return unflatten(form, results)


def _trip(lower: Any, upper: Any, policy: Policy) -> Extent | None:
    """How many iterations, if that is an extent. Only checkpoints mind that one of a range may be negative."""
    if not isinstance(lower, int | Dim) or not isinstance(upper, int | Dim):
        return None
    trip = upper - lower
    if isinstance(trip, int):
        return max(0, trip)
    positive = all(factor > 0 and all(isinstance(x, str) for x in names) for names, factor in trip.terms)
    return trip if policy is None or positive else None


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Tree,
    xs: Tree = None,
    length: Any = None,
    reverse: bool = False,
    checkpoint: bool | int | str = False,
) -> tuple[Any, Any]:
    """The last state, and all ys stacked, of `state, y = f(state, x)` for every x along the first axis of `xs`.

    `xs` and y are nodes or structures of nodes; without `xs`, `length` says how often. In `reverse` the last x is
    taken first, and ys stand where their xs do. For `checkpoint` see `while_loop`.

    >>> from graphc import sym
    >>> x = sym.var('x', shape=('n',))
    >>> total, sums = scan(lambda s, x: (s + x, s + x), sym.zeros(()), x)
    >>> sums.type == x.type
    True
    """
    given, form = _states("scan", init)
    elements, (of_x,) = _nodes("scan", [xs])
    policy, trip = as_policy("scan", checkpoint), as_length("scan", length)
    if not elements and length is None:
        raise ShapeError(offence("scan", "there are no xs", "give xs, or length="))

    def traces(types: Sequence[Type | None]) -> tuple[Traced, ...]:
        whole = [Type(INT64), *types, *(element("scan", x) for x in elements)]
        arguments = fresh(["i", *parameter_names(f, 2)], [LEAF, form, of_x], whole)
        return (trace(lambda _, state, x: _pair(f(state, x)), arguments),)

    (body,), states = _traced("scan", traces, given)
    of_state, of_y = body.form.children
    _require_form("scan", form, of_state)
    results = run_scan("scan", body, list(body.captured), states, elements, trip, reverse, policy)
    return unflatten(form, results[: form.size]), unflatten(of_y, results[form.size :])


def map(f: Callable[[Any], Any], xs: Tree, checkpoint: bool | int | str = False) -> Any:
    """f of every element along the first axis of `xs`, stacked. For `checkpoint` see `while_loop`.

    >>> from graphc import sym
    >>> x = sym.var('x', shape=('n', 3))
    >>> map(sym.sum, x).shape
    (n,)
    """
    return scan(lambda _, x: ((), f(x)), (), xs, checkpoint=checkpoint)[1]


def _nodes(name: str, structures: Sequence[Tree]) -> tuple[list[Node], list[TreeDef]]:
    """The leaves of structures as nodes, and what the structures are."""
    found, forms = zip(*[flatten(structure) for structure in structures]) if structures else ((), ())
    return [_node(name, x) for leaves in found for x in leaves], list(forms)


def _states(name: str, init: Tree) -> tuple[list[Node | Number], TreeDef]:
    """The leaves of a structure as nodes, but Python numbers as they are; and what the structure is."""
    leaves, form = flatten(init)
    return [x if is_number(x) else _node(name, x) for x in leaves], form


def _traced(
    name: str, traces: Callable[[Sequence[Type | None]], tuple[Traced, ...]], states: Sequence[Node | Number]
) -> tuple[tuple[Traced, ...], list[Node | Number]]:
    """Functions traced for states; numbers among these have no type yet, unless a function asks for it."""
    try:
        return traces([x.type if isinstance(x, Node) else None for x in states]), list(states)
    except BindError:
        nodes = [_node(name, x) for x in states]
        return traces([x.type for x in nodes]), list(nodes)


def _node(name: str, value: Any) -> Node:
    """The value as a node, which may have no type yet."""
    return value if isinstance(value, Node) else as_node(name, value)


def _pair(result: Any) -> tuple[Any, Any]:
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise ShapeError(offence("scan", f"the function gives {type(result).__name__}", "return a pair, (state, y)"))
    return result[0], result[1]


def _require_form(name: str, before: TreeDef, after: TreeDef) -> None:
    if before != after:
        shown = [str(map_tree(lambda _: _Leaf(), unflatten(form, range(form.size)))) for form in (before, after)]
        what = f"the state is {shown[0]} before an iteration and {shown[1]} after it"
        raise ShapeError(offence(name, what, "return the structure that came in"))


class _Leaf:
    __slots__ = ()

    def __repr__(self) -> str:
        return "·"


# -- prefix sums and their like, as a tree ------------------------------------------------------------


def associative_scan(f: Callable[[Any, Any], Any], xs: Tree, reverse: bool = False, axis: SupportsIndex = 0) -> Any:
    """All results of combining the first, the first two, … elements along an axis by an associative f.

    `f(a, b)` combines arrays element by element along their first axis, which has a fixed extent. Work is done in
    about 2 log2(n) steps of many elements each. In `reverse`, it is the last, the last two, … elements.

    >>> from graphc import sym
    >>> x = sym.var('x', shape=(4,))
    >>> associative_scan(sym.multiply, x).shape
    (4,)
    """
    leaves, (form,) = _nodes("associative_scan", [xs])
    function = trace(f, fresh(parameter_names(f, 2), [form, form], [None] * (2 * len(leaves))))
    _require_form("associative_scan", form, function.form)
    results = run_tree("associative_scan", function, list(function.captured), leaves, reverse, axis)
    return unflatten(form, results)


@public(outputs=lambda name, function, captured, leaves, reverse, axis: [*range(len(leaves))])
def run_tree(
    name: str, function: Traced, captured: Sequence[Node], leaves: Sequence[Node], reverse: bool, axis: SupportsIndex
) -> list[Node]:
    """The prefixes of a traced function over arrays."""
    places = [as_axis(name, axis, x.typed) for x in leaves]
    extents = {x.shape[place] for x, place in zip(leaves, places)}
    if len(extents) != 1 or not all(isinstance(extent, int) for extent in extents):
        what = f"the axis has {' and '.join(str(extent) for extent in extents)} elements"
        raise ShapeError(offence(name, what, "give arrays of one extent, a number"))

    def combine(a: Sequence[Node], b: Sequence[Node]) -> list[Node]:
        return [as_node(name, y) for y in function.applied((*a, *b), captured)]

    first = [moveaxis(x, place, 0) for x, place in zip(leaves, places)]
    found = _prefixes(combine, [flip(x, 0) for x in first] if reverse else first)
    return [moveaxis(flip(x, 0) if reverse else x, 0, place) for x, place in zip(found, places)]


def _prefixes(combine: Callable[[Sequence[Node], Sequence[Node]], list[Node]], xs: Sequence[Node]) -> list[Node]:
    """Of pairs first: those are every second result; what lies between them takes one element more."""
    n = len(xs[0])
    if n < 2:
        return list(xs)
    odd = _prefixes(combine, combine([x[: n - 1 : 2] for x in xs], [x[1::2] for x in xs]))
    between = combine([y[: (n - 1) // 2] for y in odd], [x[2::2] for x in xs]) if n > 2 else [x[:0] for x in xs]
    even = [concat([x[:1], y]) for x, y in zip(xs, between)]
    return [_interleaved(a, b) for a, b in zip(even, odd)]


def _interleaved(a: Node, b: Node) -> Node:
    """a[0], b[0], a[1], b[1], …; a may have one element more."""
    n = len(b)
    pairs = stack([a[:n], b], axis=1).reshape((2 * n, *b.shape[1:]))
    return concat([pairs, a[n:]]) if len(a) > n else pairs
