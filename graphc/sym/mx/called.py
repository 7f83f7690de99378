"""What made a node: a layer or another public function, read off the note or the record that the call left."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from graphc.node import PUBLIC, Node
from graphc.ops.control import ITEM
from graphc.ops.note import CALLED
from graphc.sym.mx.layer import LAYERS, SCOPE, Layer
from graphc.sym.mx.words import translated
from graphc.sym.record import CALL, Template
from graphc.tree import flatten


@dataclass(frozen=True, eq=False)
class Called:
    """A call: the function by MXNet's name (by its own, if MXNet has none such), operands and attributes.

    Attributes are those that differ from their defaults, `attr` what the user attached. `layer` is MXNet's operator,
    if there is one. A function that was not called as a layer has no name. Of several results the node is number
    `index`, and `value` what the note is around; of a record, nothing.
    """

    function: str
    name: str
    operands: dict[str, Node]
    attributes: dict[str, Any]
    attr: dict[str, str]
    layer: Layer | None
    index: int = 0
    value: Node | None = None

    @property
    def full_attributes(self) -> dict[str, Any]:
        """The attributes with the layer's defaults."""
        return self.attributes if self.layer is None else self.layer.complete(self.attributes)

    @property
    def outputs(self) -> tuple[str, ...]:
        """What the results are called after the name, `output` if there is one."""
        return ("output",) if self.layer is None else self.layer.outputs(self.full_attributes)

    @property
    def output(self) -> str:
        """What MXNet calls the result: `fc1_output`."""
        return f"{self.name}_{self.outputs[self.index]}"


def called(node: Node) -> Called | None:
    """The call that a node is a result of; None for variables, and for what operators alone made.

    >>> from graphc import sym
    >>> call = called(sym.FullyConnected(sym.var('x'), num_hidden=10, name='fc'))
    >>> call.function, call.name, [*call.operands], call.attributes
    ('FullyConnected', 'fc', ['data', 'weight', 'bias'], {'num_hidden': 10})
    """
    if node.op is CALLED:
        function, template, index = cast("tuple[str, Template, int]", node.params)
        return _called(function, template, node.args[:-1], index, node.args[-1])
    call, index = (node.args[0], cast("int", node.params[0])) if node.op is ITEM else (node, 0)
    if call.op is not CALL:
        return None
    function, template = cast("tuple[str, Template]", call.params)
    return _called(function, template, call.args, index, None)


def _called(function: str, template: Template, nodes: Sequence[Node], index: int, value: Node | None) -> Called:
    args, kwargs = template.fill(nodes)
    if not function.startswith(SCOPE):
        return replace(_in_words(function, args, kwargs), index=index, value=value)
    layer = LAYERS[function.removeprefix(SCOPE)]
    attributes = {k: v for k, v in kwargs.items() if k not in ("name", "attr")}
    name, attr = kwargs.get("name", ""), kwargs.get("attr", {})
    return Called(layer.name, name, _operands(layer, args, attributes), attributes, attr, layer, index, value)


def _operands(layer: Layer, nodes: Sequence[Node], attributes: Mapping[str, Any]) -> dict[str, Node]:
    """A layer's operands by name, but for those that MXNet does not know."""
    return dict(zip(layer.names(layer.complete(attributes), len(nodes)), nodes))


def _in_words(function: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Called:
    """The call of a plain function: in MXNet's words, or by the names of its own parameters."""
    words = translated(function, args, kwargs)
    if words is None:
        return Called(function, "", *_by_parameters(function, args, kwargs), {}, None)
    layer = LAYERS[words.name]
    attributes = layer.explicit(layer.complete(words.attributes))
    return Called(layer.name, "", _operands(layer, words.operands, attributes), attributes, {}, layer)


def _by_parameters(
    function: str, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[dict[str, Node], dict[str, Any]]:
    """A call's nodes by the names of parameters (`arrays0`, `arrays1`, … for several in one), and what is no node."""
    told = inspect.signature(PUBLIC[function]).bind(*args, **kwargs).arguments
    operands: dict[str, Node] = {}
    attributes: dict[str, Any] = {}
    for name, value in told.items():
        nodes = [leaf for leaf in flatten(value)[0] if isinstance(leaf, Node)]
        if isinstance(value, Node):
            operands[name] = value
        elif nodes:
            operands |= {f"{name}{k}": node for k, node in enumerate(nodes)}
        else:
            attributes[name] = value
    return operands, attributes
