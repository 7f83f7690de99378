"""Flat graphs: nodes as a list of plain records, arguments first, each naming others by number.

The data is pure (see `values`), so that JSON or anything else can carry it:

    {"nodes": [{"op": "var", "params": {"name": "x"}, "type": {"dtype": "float64", "shape": [3]}},
               {"op": "exp", "args": [0], "type": {"dtype": "float64", "shape": [3]}, "source": ["model.py", 12]}],
     "roots": [1]}

Parameters that are graphs, as those of loops, are data of the same kind, with their inputs; and so are the functions of
loops that wait for types, with what they take from outside as inputs too.

Reading trusts nothing: operators are looked up by name, types are inferred again and must be those written, and
whatever does not fit is a `GraphcError`. No code is run but that of the operators' type rules.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias, cast

from graphc.errors import GraphcError
from graphc.graph import Graph
from graphc.io.layers import check_layer
from graphc.io.values import (
    Data,
    is_a,
    one_of,
    read_structure,
    read_type,
    read_value,
    require_few_terms,
    write_structure,
    write_type,
    write_value,
)
from graphc.node import PUBLIC, VAR, Literal, Node, Op, make, make_untyped, topological, variable
from graphc.ops.control import ITEM, LOOP, LoopParams
from graphc.ops.note import CALLED
from graphc.source import Source
from graphc.state import STATE
from graphc.sym.mx.layer import SCOPE
from graphc.sym.record import CALL, Template, called_from, static
from graphc.sym.trace import Traced, local
from graphc.types import Bundle, Dim, Type, as_shape

MakeVariable: TypeAlias = Callable[[str, "Type | None"], Node]

_LAST_LINE = 2**31 - 1

# Parameters that are axes, and whose: those of an argument, or of the result (-1) where that has more
_AXES = {("axes",): (0, -1), ("axis",): (0,), ("axes_a", "batch_a"): (0,), ("axes_b", "batch_b"): (1,)}


def operators() -> dict[str, Op]:
    """Every operator of graphs by its name, of all modules that are loaded."""
    loaded = [module for name, module in sys.modules.items() if name.startswith("graphc.")]
    found = [value for module in loaded for value in vars(module).values() if isinstance(value, Op)]
    return {op.name: op for op in found if op.kind != "kernel"}


# -- writing ----------------------------------------------------------------------------------------


def write_flat(roots: Iterable[Node]) -> dict[str, Data]:
    """The roots and all they depend on as data."""
    roots = list(roots)
    nodes, known = topological(roots), operators()
    if states := [node.name for node in nodes if node.op is STATE]:
        raise GraphcError(
            f"the graph reads the state {states[0]!r}, which is not written; graphc.freeze(outputs) has its value "
            "instead, or make it a variable, and write its value, state.get(), beside it"
        )
    number = {node: k for k, node in enumerate(nodes)}
    if foreign := [node.op.name for node in nodes if known.get(node.op.name) is not node.op]:
        raise GraphcError(f"{foreign[0]} is no operator of graphc, and cannot be written")
    return {"nodes": [_write(node, number) for node in nodes], "roots": [number[root] for root in roots]}


def _write(node: Node, number: Mapping[Node, int]) -> dict[str, Data]:
    record: dict[str, Data] = {"op": node.op.name}
    if node.args:
        record["args"] = [number[arg] for arg in node.args]
    if node.params:
        record["params"] = {name: _write_param(value) for name, value in zip(node.op.params, node.params, strict=True)}
    if node.type is not None:
        record["type"] = write_type(node.type)
    if node.source is not None:
        record["source"] = list(node.source)
    return record


def _write_param(value: object) -> Data:
    match value:
        case Graph():
            roots = write_flat([*value.inputs, *value.outputs])
            return {"graph": {**roots, "inputs": len(value.inputs)}}
        case Template():
            leaves = [None if leaf is None else {"is": _write_param(leaf.value)} for leaf in value.leaves]
            return {"template": {"structure": write_structure(value.definition), "leaves": leaves}}
        case Traced():
            return {"function": _write_function(value)}
        case tuple():
            return [_write_param(item) for item in cast("tuple[object, ...]", value)]
        case _:
            return write_value(value)


def _write_function(traced: Traced) -> Data:
    own = traced.closed
    nodes = [y for y in own.outputs if isinstance(y, Node)]
    others = [None if isinstance(y, Node) else {"is": _write_param(static(own.name, y).value)} for y in own.outputs]
    return {
        "name": own.name,
        **write_flat([*own.bound, *own.captured, *nodes]),
        "inputs": len(own.bound),
        "captured": len(own.captured),
        "structure": write_structure(own.form),
        "leaves": others,
    }


# -- reading ----------------------------------------------------------------------------------------


def read_flat(data: Data, make_variable: MakeVariable = variable) -> list[Node]:
    """The roots that data describes: the nodes there are already, where there are; variables are new.

    `make_variable(name, type)` is called for each variable in order, and may give one that exists.
    """
    nodes, known = list[Node](), operators()
    try:
        for record in is_a(list, data["nodes"]):
            op = known[one_of(known.keys(), record["op"])]
            nodes.append(_read(op, record, nodes, make_variable))
        return [_at(nodes, index) for index in is_a(list, data["roots"])]
    except Exception as error:  # whatever strange data may lead to
        what = str(error) if isinstance(error, GraphcError) else f"{type(error).__name__}: {error}"
        raise GraphcError(f"node {len(nodes)} of a flat graph cannot be read: {what}") from error


def _read_graph(data: Data) -> Graph:
    """A graph inside a node: its variables are local, and all are inputs."""
    roots, count = read_flat(data, lambda name, type: local(name, is_a(Type, type))), is_a(int, data["inputs"])
    graph = Graph(tuple(roots[:count]), tuple(roots[count:]))
    variables = [node for node in topological(roots) if node.op is VAR]
    if count < 0 or {id(x) for x in graph.inputs} != {id(x) for x in variables} or len(variables) != count:
        raise GraphcError(f"a graph of {len(variables)} variables does not have them, each once, as its inputs")
    return graph


def _read_function(data: Data) -> Traced:
    """A function of variables that are local, as are those in the place of what it takes from outside."""
    roots, form, leaves = read_flat(data, local), read_structure(data["structure"]), is_a(list, data["leaves"])
    split, end = is_a(int, data["inputs"]), is_a(int, data["inputs"]) + is_a(int, data["captured"])
    nodes, variables = roots[end:], {node for node in topological(roots) if node.op is VAR}
    if not 0 <= split <= end <= len(roots) or set(roots[:end]) != variables or len(variables) != end:
        raise GraphcError(f"a function of {len(variables)} variables does not have them, each once, as its inputs")
    if len(leaves) != form.size or leaves.count(None) != len(nodes):
        raise GraphcError(f"a function gives {len(nodes)} nodes in a structure of {form.size}")
    rest = iter(nodes)
    outputs = [next(rest) if leaf is None else _read_leaf(leaf) for leaf in leaves]
    return Traced(is_a(str, data["name"]), tuple(roots[:split]), tuple(outputs), form, tuple(roots[split:end]))


def _read_template(data: Data) -> Template:
    structure, leaves = read_structure(data["structure"]), is_a(list, data["leaves"])
    if len(leaves) != structure.size:
        raise GraphcError(f"a call has {len(leaves)} arguments in a structure of {structure.size}")
    called = "a recorded call"
    return Template(structure, tuple([None if leaf is None else static(called, _read_leaf(leaf)) for leaf in leaves]))


def _read_leaf(data: Data) -> Any:
    """What stands in the place of a node."""
    value = _read_param(data["is"])
    return value.array if isinstance(value, Literal) else value


_READERS: dict[str, Callable[[Data], Any]] = {
    "graph": _read_graph,
    "template": _read_template,
    "function": _read_function,
}


def _read(op: Op, record: Data, before: Sequence[Node], make_variable: MakeVariable) -> Node:
    args = tuple([_at(before, index) for index in is_a(list, record.get("args", []))])
    params = _read_params(op, record.get("params", {}))
    type = None if record.get("type") is None else read_type(record["type"])
    source = _read_source(record.get("source"))
    node = called_from(source, _make, op, args, params, type, make_variable)
    if node.type != type:
        raise GraphcError(f"{op.name} is said to be {type}, but is {node.type or 'untyped'}")
    return node


def _make(op: Op, args: tuple[Node, ...], params: tuple[Any, ...], type: Type | None, new: MakeVariable) -> Node:
    if op is VAR:
        (name,) = params
        if args or not is_a(str, name):
            raise GraphcError(f"a variable has a name and no arguments, not {name!r} and {len(args)}")
        return new(name, type)
    if op is CALL:
        check_call(args, *params)
    elif op is CALLED:
        function, template, index = params
        check_layer(is_a(str, function), is_a(Template, template), args[:-1], index)
    elif op is ITEM:
        (node,), (index,) = args, params
        _check_item(node, index)
    elif op is LOOP:
        _check_loop(len(args), LoopParams(*params))
    else:
        _check_count(op, len(args))
    if op is CALL or (op is ITEM and args[0].type is None):
        return make_untyped(op, args, params)
    node = make(op, args, params)
    _check_axes(node)
    return node


def check_call(args: Sequence[Node], function: Any, template: Any) -> None:
    """Only public functions that are recorded may be named: one that is not may do more than make nodes."""
    layer = is_a(str, function).startswith(SCOPE)
    if not layer and not hasattr(PUBLIC.get(function), "__wrapped__"):
        raise GraphcError(f"{function!r} is no function that is recorded")
    if is_a(Template, template).leaves.count(None) != len(args):
        raise GraphcError(f"a call of {function} has {len(args)} nodes in {template.leaves.count(None)} places")
    if all(arg.type is not None for arg in args):
        raise GraphcError(f"a call of {function} is recorded, but all its arguments have types")
    if layer:
        check_layer(function, template, args)


def _check_item(node: Node, index: Any) -> None:
    """Of a node that gives several results, one that it has; how many a recorded call has is not known yet."""
    count = len(node.type.types) if isinstance(node.type, Bundle) else is_a(int, index) + (node.op is CALL)
    if not 0 <= is_a(int, index) < count:
        raise GraphcError(f"{node.op.name} has no result {index}")


def _check_loop(count: int, p: LoopParams) -> None:
    """As many arguments and results as it says that it has, and iterations that can be counted."""
    parts = (p.states, p.xs, 0 if p.limit is None else p.limit)
    given, made = count - (p.trip is None and p.cond is None), len(is_a(Graph, p.body).outputs)
    if min([is_a(int, part) for part in parts]) < 0 or p.states + p.xs > given or p.states > made:
        raise GraphcError(f"a loop of {p.states} states, {p.xs} xs and at most {p.limit} iterations cannot be")
    if not isinstance(p.trip, Dim | None):
        as_shape(is_a(int, p.trip))
    for flag in (p.reverse, p.joined, p.whole):
        is_a(bool, flag)


def _check_count(op: Op, count: int) -> None:
    """As many arguments as the samples have; if those differ, as many as they like."""
    counts = {len(sample.shapes) for sample in op.samples}
    if counts and (count < min(counts) or (len(counts) == 1 and count not in counts)):
        raise GraphcError(f"{op.name} takes {min(counts)} arguments, not {count}")


def _check_axes(node: Node) -> None:
    """Axes are axes, each named once: type rules rely on it."""
    given = dict(zip(node.op.params, node.params, strict=True))
    for names, places in _AXES.items():
        axes = [is_a(int, axis) for name in names for axis in _several(given.get(name, ()))]
        rank = max([(*node.args, node)[place].ndim for place in places], default=0) if axes else 0
        if len(set(axes)) != len(axes) or not all(0 <= axis < rank for axis in axes):
            raise GraphcError(f"the axes of {node.op.name} are {axes}, where there are {rank}")


def _several(axes: Any) -> tuple[Any, ...]:
    return axes if isinstance(axes, tuple) else (axes,)


def _read_params(op: Op, data: Data) -> tuple[Any, ...]:
    if data.keys() != set(op.params):
        raise GraphcError(f"the parameters of {op.name} are {', '.join(op.params) or 'none'}, not {', '.join(data)}")
    return tuple([_read_param(data[name]) for name in op.params])


def _read_param(data: Data) -> Any:
    if isinstance(data, list):
        values = tuple([_read_param(item) for item in cast("list[Data]", data)])
        require_few_terms(values)
        return values
    if isinstance(data, dict) and len(found := cast("dict[str, Data]", data)) == 1:
        ((kind, content),) = found.items()
        if kind in _READERS:
            return _READERS[kind](content)
    return read_value(data)


def _read_source(data: Data) -> Source:
    if data is None:
        return None
    file, line = data
    return is_a(str, file), min(max(is_a(int, line), 1), _LAST_LINE)


def _at(nodes: Sequence[Node], index: Data) -> Node:
    if not 0 <= is_a(int, index) < len(nodes):
        raise GraphcError(f"there is no node {index} before it")
    return nodes[index]
