"""Graphs as DOT, for Graphviz: variables are ovals, operators boxes, constants plain numbers, outputs double circles.

The part that only gradients need is orange, what was pruned grey and dashed, kernels are frames around their nodes.
Edges carry types; a tooltip says where in the user's program a node was made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, cast

from graphc.kernel.fuse import writes
from graphc.kernel.program import Program
from graphc.node import CONST, VAR, Node, topological
from graphc.ops.control import inner_arguments, subgraphs
from graphc.ops.note import CALLED
from graphc.show.infix import number
from graphc.show.pruning import needed_by, pruned, reason
from graphc.show.text import inline_numbers, literal, parameters, part_titles, roots_of
from graphc.source import show_source
from graphc.sym.inspect import method
from graphc.sym.record import CALL, ITEM, Template

Attributes = dict[str, str]
Roots = tuple[Node, ...]

GRAPH: Attributes = {
    "bgcolor": "white",
    "fontname": "Helvetica",
    "fontsize": "11",
    "nodesep": "0.3",
    "ranksep": "0.45",
    "ordering": "in",  # arguments from left to right, where the layout allows
}
OPERATOR: Attributes = {
    "shape": "box",
    "style": "filled,rounded",
    "fontname": "Helvetica",
    "fontsize": "11",
    "fontcolor": "#1d2b3f",
    "color": "#5b7aa8",
    "fillcolor": "#e9f0fa",
    "penwidth": "1.1",
    "height": "0.32",
    "margin": "0.12,0.04",
}
EDGE: Attributes = {
    "fontname": "Helvetica",
    "fontsize": "8",
    "fontcolor": "#6b7480",
    "color": "#8a94a3",
    "arrowsize": "0.6",
}
SMALL: Attributes = {"height": "0.2", "margin": "0.03"}
# What differs from an operator's box
VARIABLE: Attributes = {"shape": "ellipse", "style": "filled", "fillcolor": "#d8efdc", "color": "#4d8a5b"}
NUMBER: Attributes = {"shape": "plaintext", "style": "", **SMALL}
ARRAY: Attributes = {"shape": "note", "style": "filled", "fillcolor": "#f3f3f0", "color": "#8c8c80"}
OUTPUT: Attributes = {"shape": "doublecircle", "style": "filled", "fillcolor": "#fbf7d5", "color": "#a8983f", **SMALL}
GRADIENT: Attributes = {"fillcolor": "#fdebd3", "color": "#c98a3a"}
PRUNED: Attributes = {"style": "dashed,rounded", "color": "#b5b5b5", "fontcolor": "#a3a3a3"}
PRUNED_EDGE: Attributes = {"style": "dashed", "color": "#c8c8c8", "fontcolor": "#b5b5b5"}
INNER_EDGE: Attributes = {"style": "dotted", "arrowsize": "0.5"}
FRAME: Attributes = {"style": "rounded", "color": "#b9c2cf", "fontcolor": "#6b7480"}


@method
def to_dot(
    outputs: Any,
    path: str | PathLike[str] | None = None,
    *,
    gradients: Any = (),
    whole: Any = (),
    types: bool = True,
) -> str:
    """A node, a graph, a structure of nodes or a compiled function as DOT text, written to a file if one is named.

    What only `gradients` need, nodes among the outputs, is coloured apart. What only `whole` needs, a larger graph
    that the outputs were pruned from, is drawn grey beside it. Of a compiled function, the graph that runs is drawn,
    each kernel a frame. Without `types`, edges are bare.
    """
    program = outputs if isinstance(outputs, Program) else getattr(outputs, "program", None)
    graph = program.graph if isinstance(program, Program) else outputs
    drawing = _Drawing(roots_of(graph), roots_of(gradients), roots_of(whole), types)
    text = drawing.text(_kernels(program) if isinstance(program, Program) else {})
    if path is not None:
        Path(path).write_text(text, encoding="utf-8")
    return text


def _kernels(program: Program) -> dict[str, list[Node]]:
    """What each step computes: from what it stores down to what is stored elsewhere."""
    stored = {node for step in program.steps for node in writes(step)}
    taken: set[Node] = set()
    frames: dict[str, list[Node]] = {}
    for title, step in zip(program.titles, program.steps, strict=True):
        mine = list(dict.fromkeys(writes(step)))
        below = [arg for node in mine for arg in node.args]
        cone = topological(below, lambda node: node in stored or node.op.kind == "source")
        inside = [node for node in cone if node not in stored and node not in taken and node.op.kind != "source"]
        frames[title] = [*inside, *mine]
        taken.update(inside)
    return frames


class _Drawing:
    """A graph being drawn: what each node is called, and which part it belongs to."""

    def __init__(self, roots: Roots, gradients: Roots, whole: Roots, types: bool, prefix: str = "n") -> None:
        order = topological((*roots, *whole))
        self.roots, self.gradients, self.types = roots, gradients, types
        self.numbers = inline_numbers(order, (*roots, *whole))
        self.drawn = [node for node in order if node not in self.numbers]
        self.identity = {node: f"{prefix}{k}" for k, node in enumerate(self.drawn)}
        values = [root for root in roots if root not in set(gradients)]
        self.forward = set(topological(values) if gradients else order)
        self.grey = set(pruned(roots, whole))
        self.needed = needed_by(whole)

    def text(self, frames: Mapping[str, list[Node]]) -> str:
        """The drawing, with a frame around each group of nodes."""
        styles = {"graph": GRAPH, "node": OPERATOR, "edge": EDGE}
        defaults = [f"{kind} {attributes(style)}" for kind, style in styles.items()]
        body = [f"  {line}" for line in (*defaults, *self._nodes(frames), *self._outputs())]
        return "\n".join(["digraph graphc {", *body, "}"]) + "\n"

    def _nodes(self, frames: Mapping[str, list[Node]]) -> Iterator[str]:
        framed = {node for nodes in frames.values() for node in nodes}
        for k, (title, nodes) in enumerate(frames.items()):
            yield f"subgraph cluster_{k} {{"
            yield f"  graph {attributes(FRAME | {'label': title})}"
            yield from (f"  {line}" for node in nodes if node not in self.numbers for line in self._node(node))
            yield "}"
        for node in self.drawn:
            if node not in framed:
                yield from self._node(node)
        for node in self.drawn:
            yield from self._edges(node)
        for node in self.drawn:
            yield from self._inside(node)

    def _node(self, node: Node) -> Iterator[str]:
        """The node, and beside it the numbers it takes."""
        yield f"{self.identity[node]} {attributes(self._look(node))}"
        for i, arg in enumerate(node.args):
            if arg in self.numbers:
                look = NUMBER | {"label": number(self.numbers[arg]).text} | self._greyed(node)
                yield f"{self.identity[node]}_{i} {attributes(look)}"

    def _edges(self, node: Node) -> Iterator[str]:
        for i, arg in enumerate(node.args):
            look = {"tooltip": f"argument {i} of {node.op.name}"} | (PRUNED_EDGE if node in self.grey else {})
            if arg in self.numbers:
                yield f"{self.identity[node]}_{i} -> {self.identity[node]} {attributes(look | {'arrowsize': '0.4'})}"
            else:
                yield f"{self.identity[arg]} -> {self.identity[node]} {attributes(look | self._type(arg))}"

    def _inside(self, node: Node) -> Iterator[str]:
        """The sub-graphs of control flow, a frame around each; dotted edges lead in from its arguments, and out."""
        for k, (title, inner, feeds) in enumerate(zip(part_titles(node), subgraphs(node), inner_arguments(node))):
            drawing = _Drawing(inner.outputs, (), (), self.types, f"{self.identity[node]}_{k}_")
            yield f"subgraph cluster_{self.identity[node]}_{k} {{"
            yield f"  graph {attributes(FRAME | {'label': title})}"
            yield from (f"  {line}" for line in drawing._nodes({}))
            yield "}"
            names = drawing.identity
            for x, arg in zip(inner.inputs, feeds):
                if arg is not None and x in names and arg in self.identity:
                    yield f"{self.identity[arg]} -> {names[x]} {attributes(INNER_EDGE)}"
            for y in dict.fromkeys(inner.outputs):
                yield f"{names[y]} -> {self.identity[node]} {attributes(INNER_EDGE)}"

    def _type(self, node: Node) -> Attributes:
        return {"label": f" {node.type}"} if self.types and node.type is not None else {}

    def _greyed(self, node: Node) -> Attributes:
        return PRUNED if node in self.grey else {}

    def _look(self, node: Node) -> Attributes:
        """Shape, colours and label of a node."""
        source = {"tooltip": show_source(node.source)}
        if node in self.grey:
            source = {"tooltip": f"{show_source(node.source)}: pruned, {reason(self.needed[node])}"}
        match node.op:
            case op if op is VAR:
                look = VARIABLE | {"label": node.name}
            case op if op is CONST:
                look = ARRAY | {"label": literal(node)}
            case _:
                look = ({} if node in self.forward else GRADIENT) | {"label": _label(node)}
        return look | source | self._greyed(node)

    def _outputs(self) -> Iterator[str]:
        names = {root: f"d{k}" for k, root in enumerate(self.gradients)}
        for k, root in enumerate(self.roots):
            label = names.get(root, "y" if len(self.roots) == 1 else f"y{k}")
            yield f"out{k} {attributes(OUTPUT | {'label': label, 'tooltip': f'output {k}'})}"
            yield f"{self.identity[root]} -> out{k} {attributes(self._type(root))}"


def _label(node: Node) -> str:
    """The operator, and below it its parameters, those that the type does not show."""
    if node.op in (CALL, CALLED):
        name, template, *_ = cast("tuple[str, Template]", node.params)
        return f"{name}\n{template.show('·' for _ in node.args)}"
    if node.op is ITEM:
        return f"[{node.params[0]}]"
    return "\n".join([node.op.name, *parameters(node)])


def attributes(values: Attributes) -> str:
    """`[label="x", shape="box"]`, any text escaped."""
    return f"[{', '.join(f'{name}={quoted(value)}' for name, value in values.items())}]"


def quoted(text: str) -> str:
    """Text as a DOT string that shows every character as it is."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{"".join(c if c.isprintable() else " " for c in escaped)}"'
