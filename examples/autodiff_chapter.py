"""The chapter on automatic differentiation, point by point; every claim is computed, checked and printed.

    python examples/autodiff_chapter.py [FOLDER]

With a folder, the pictures (a graph before and after pruning as DOT, sin and its derivative as SVG) are written there.
"""

import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

import graphc
from graphc import sym

LINE = np.arange(4.0)  # 0 1 2 3, the chapter's example


def check(claim: str, found: object, expected: object) -> None:
    """Print a claim with what was found, having made sure of it."""
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-12)
    print(f"  {claim}: {found}".replace("\n", "\n    "))


# -- symbolic, numerical, automatic -------------------------------------------------------------------


def symbolic_derivative() -> None:
    """The derivative of a formula is a formula again, and comes out simplified."""
    x = sym.var("x", shape=())
    derivative = graphc.simplify(graphc.grad(4 * x**3 + x**2 + 3, x))
    print(f"  D[4x³ + x² + 3] = {derivative.formula()}")
    assert derivative is graphc.simplify(2 * x + 12 * x**2)
    print("  which is the very node that the formula written by hand becomes")
    check("at x = 3", derivative.eval(x=3.0), 2 * 3 + 12 * 9)


def numerical_derivative() -> None:
    """Differences have an error that no step makes small: truncation for large steps, rounding for small ones."""
    x = sym.var("x", shape=())
    y = 4 * x**3 + x**2 + 3
    value, slope = graphc.compile(x, y), graphc.compile(x, graphc.grad(y, x))
    exact, errors = slope(1.0), {}
    for power in range(1, 16):
        h = 10.0**-power
        errors[power] = abs((value(1.0 + h) - value(1.0 - h)) / (2 * h) - exact)
        digits = -math.log10(max(errors[power], 1e-16))
        print(f"  h = 1e-{power:02}  error {errors[power]:.1e}  {'#' * round(3 * digits)}")
    best = min(errors, key=errors.__getitem__)
    assert 3 <= best <= 8 and errors[1] > 1e3 * errors[best] and errors[15] > 1e3 * errors[best]
    print(f"  the best step is near 1e-{best}; the derivative of the graph, {exact}, needs none")
    print(f"  check_gradient, with differences of higher order: error {graphc.check_gradient(y, x, {'x': 1.0}):.1e}")


def growth_of_derivatives() -> None:
    """The derivative's graph grows with the depth of a composition, its expanded formula explodes."""
    print("  depth  nodes  terms of the expanded formula")
    counts = []
    for depth in (2, 4, 8, 16, 32, 64):
        x = sym.var("x", shape=())
        y = x
        for _ in range(depth):
            y = 4 * y * (1 - y)
        derivative = graphc.Graph.of(graphc.grad(y, x))
        counts.append(len(derivative.nodes))
        print(f"  {depth:5}  {counts[-1]:5}  {float(written_out(derivative)):.1e}")
    assert counts[-1] - counts[-2] == 2 * (counts[-2] - counts[-3]), "growth should be linear"


def written_out(graph: graphc.Graph) -> int:
    """How many terms the graph has when every shared node is written out again at each use."""
    terms: dict[graphc.Node, int] = {}
    for node in graph.nodes:
        terms[node] = 1 + sum(terms[arg] for arg in node.args)
    return sum(terms[output] for output in graph.outputs)


def variables_without_shape() -> None:
    """A formula needs neither names nor shapes; both come with the data."""
    a, b = sym.var(), sym.var()
    c = 2 * a + b
    f = graphc.compile([a, b], c)
    check("2a + b of vectors", f(LINE, np.ones(4)), 2 * LINE + 1)
    check("2a + b of matrices, the same function", f(np.eye(2), np.ones((2, 2))), 2 * np.eye(2) + 1)


# -- gradients ----------------------------------------------------------------------------------------


def gradient_of_dot() -> None:
    """The gradient of 2 x·x is 4x."""
    x = sym.var("x", shape=(4,))
    y = 2 * sym.dot(x, x)
    value, gradient = graphc.compile(x, [y, graphc.grad(y, x)])(LINE)
    check("2 x·x at [0 1 2 3]", value, 28)
    check("its gradient 4x", gradient, 4 * LINE)
    check("gradient of x.sum()", graphc.compile(x, graphc.grad(x.sum(), x))(LINE), np.ones(4))


def vector_chain_rule() -> None:
    """The Jacobian of a composition is the product of the Jacobians."""
    x, u = sym.var("x", shape=(3,)), sym.var("u", shape=(2,))

    def inner(x: graphc.Node) -> graphc.Node:
        return sym.stack([x[0] * x[1], sym.sin(x[2])])

    def outer(u: graphc.Node) -> graphc.Node:
        return sym.stack([u[0] ** 2, u[0] * u[1], sym.exp(u[1])])

    at = np.array([1.0, 2.0, 0.5])
    p, s, c = at[0] * at[1], np.sin(at[2]), np.cos(at[2])
    whole = jacobian(outer(inner(x)), x, at)
    product = jacobian(outer(u), u, np.array([p, s])) @ jacobian(inner(x), x, at)
    by_hand = [[2 * p * at[1], 2 * p * at[0], 0], [at[1] * s, at[0] * s, p * c], [0, 0, np.exp(s) * c]]
    check("Jacobian of the composition", whole, by_hand)
    check("product of the Jacobians", product, by_hand)


def jacobian(y: graphc.Node, x: graphc.Node, at: np.ndarray) -> np.ndarray:
    """The Jacobian at a point, row by row: the gradient for each unit head."""
    head = sym.var("head", shape=y.shape)
    row = graphc.compile([x, head], graphc.vjp(y, x, head))
    return np.stack([row(at, unit) for unit in np.eye(*y.shape)])


def head_gradient() -> None:
    """An output that is no scalar needs a head gradient; a head of ones is the gradient of the sum."""
    x = sym.var("x", shape=(4,))
    y = x * x
    try:
        graphc.grad(y, x)
    except graphc.GradientError as error:
        print(f"  without a head: {error}")
    else:
        raise AssertionError("a gradient of a vector without a head should be an error")
    head = sym.var("head", shape=(4,))
    with_head = graphc.compile([x, head], graphc.grad(y, x, head=head))
    check("x² with a head of ones", with_head(LINE, np.ones(4)), [0, 2, 4, 6])
    check("the same from the sum", graphc.compile(x, graphc.grad(y.sum(), x))(LINE), [0, 2, 4, 6])


def detached() -> None:
    """A detached factor is a constant of the derivative."""
    x = sym.var("x", shape=(4,))
    y = x * x
    u = sym.stop_gradient(y)
    check("gradient of u·x, where u is x² detached: u", gradient_at(u * x, x), LINE**2)
    check("x² itself stays differentiable: 2x", gradient_at(y, x), 2 * LINE)


def gradient_at(y: graphc.Node, x: graphc.Node) -> np.ndarray:
    return graphc.compile(x, graphc.grad(y.sum(), x))(LINE)


def storage_of_gradients() -> None:
    """An executor keeps gradients: it writes over them, adds to them, or does not compute them at all."""
    a, b = sym.var("a"), sym.var("b")
    executor = (a * b).bind({"a": LINE, "b": LINE + 1}, grad_req={"a": "write", "b": "add"})
    for _ in range(2):
        executor.forward()
        executor.backward(np.ones(4))
    check("da, written twice", executor.grad_dict["a"], LINE + 1)
    check("db, added twice", executor.grad_dict["b"], 2 * LINE)
    executor.zero_grad()
    check("db after zero_grad", executor.grad_dict["b"], np.zeros(4))
    null = (a * b).bind({"a": LINE, "b": LINE + 1}, grad_req={"a": "write", "b": "null"})
    null.forward()
    null.backward(np.ones(4))
    assert "b" not in null.grad_dict
    print("  with 'null', b has no gradient and none is computed")


# -- modes, costs, pruning ----------------------------------------------------------------------------


def forward_and_reverse() -> None:
    """One graph, both modes: they agree, and their costs differ with the shape of the function."""
    x, t = sym.var("x", shape=("n",)), sym.var("t", shape=("n",))
    y = sym.sum(sym.sin(x) * x)
    value = graphc.compile(x, y)
    forward = graphc.compile([x, t], graphc.jvp(y, x, t))
    reverse = graphc.compile(x, graphc.grad(y, x))
    at, direction = np.linspace(0, 1, 64), np.cos(np.arange(64))
    check("forward mode along a direction", forward(at, direction), reverse(at) @ direction)

    print("  operations, known before any data is seen")
    functions = {"value": value, "reverse, whole gradient": reverse, "forward, one direction": forward}
    for name, function in functions.items():
        print(f"    {name}: {operations(function)}")
    once, backward, pushed = (operations(f).evaluate({"n": 64}) for f in (value, reverse, forward))
    assert backward <= 5 * once < 64 * pushed


def operations(function: graphc.Function) -> graphc.Dim:
    """Arithmetic and elementary functions that a call computes."""
    cost = function.cost()
    return cost.flops + cost.transcendentals


def memory_of_modes() -> None:
    """Reverse mode keeps what the way back needs, so its memory grows with depth; forward mode's does not."""
    print("  depth  workspace in bytes: forward, reverse")
    kept = []
    for depth in (4, 8, 16):
        x, t = (sym.var(name, shape=(64, 64)) for name in "xt")
        w = sym.var("w", shape=(64, 64))
        y = x
        for _ in range(depth):
            y = sym.tanh(y @ w)
        forward = graphc.compile([x, w, t], graphc.jvp(y, x, t)).cost().workspace
        reverse = graphc.compile([x, w], graphc.grad(y.sum(), x)).cost().workspace
        kept.append((forward, reverse))
        print(f"  {depth:5}  {forward:9}  {reverse:9}")
    assert kept[0][0] == kept[1][0] == kept[2][0], "forward mode should be flat"
    assert kept[2][1] - kept[1][1] == 2 * (kept[1][1] - kept[0][1]) > 0, "reverse mode should be linear"


def pruning() -> dict[str, str]:
    """What nobody asked for is not computed: the graph of all gradients, and of one."""
    x, v, w = (sym.var(name, shape=(8, 8)) for name in "xvw")
    y = sym.sum(sym.tanh(x @ v) @ w)
    every = graphc.grad(y, [x, v, w])
    one = every[2]
    everything, enough = graphc.compile([x, v, w], every), graphc.compile([x, v, w], one)
    assert len(enough.graph.nodes) < len(everything.graph.nodes) and enough.cost().flops < everything.cost().flops / 2
    print(f"  flops of all gradients {everything.cost().flops}, of the one of w {enough.cost().flops}")
    print("  " + graphc.why(one, every).replace("\n", "\n  "))
    before = graphc.to_dot([y, *every], gradients=every)
    after = graphc.to_dot([y, one], gradients=one, whole=every)  # what went is drawn grey
    return {"before_pruning.dot": before, "after_pruning.dot": after}


# -- derivatives of derivatives -----------------------------------------------------------------------


def second_derivatives() -> None:
    """A gradient is a graph, so it has a gradient; a Hessian times a vector needs no Hessian."""
    x, t = sym.var("x", shape=(4,)), sym.var("t", shape=(4,))
    y = sym.sum(x**3)
    first = graphc.grad(y, x)
    second = graphc.grad(first.sum(), x)
    product = graphc.compile([x, t], graphc.hvp(y, x, t))
    check("x³ twice, 6x", graphc.compile(x, second)(LINE), 6 * LINE)
    check("Hessian times [1 0 0 2]", product(LINE, np.array([1.0, 0, 0, 2])), [0, 0, 0, 36])
    costs = [graphc.compile(x, node).cost().flops for node in (y, first, second)]
    print(f"  flops of value, first and second derivative: {costs}")


def sine_without_cosine() -> dict[str, str]:
    """The derivative of sin, drawn without anybody's writing cos."""
    x = sym.var("x", shape=("n",))
    y = sym.sin(x)
    f = graphc.compile(x, [y, graphc.grad(y.sum(), x)])
    at = np.linspace(-np.pi, np.pi, 61)
    sine, slope = f(at)
    np.testing.assert_allclose(slope, np.cos(at), atol=1e-12)
    for row in (sine, slope):
        print("  " + "".join("▁▂▃▄▅▆▇█"[min(7, int(4 * (value + 1)))] for value in row))
    return {"sine.svg": drawing(at, {"steelblue": sine, "crimson": slope})}


def drawing(xs: np.ndarray, curves: dict[str, np.ndarray]) -> str:
    """Curves as SVG, a colour each."""
    lines = [
        f'<polyline fill="none" stroke="{colour}" points="{" ".join(f"{x:.3f},{-y:.3f}" for x, y in zip(xs, ys))}"/>'
        for colour, ys in curves.items()
    ]
    frame = f"{xs[0]:.3f} -1.1 {xs[-1] - xs[0]:.3f} 2.2"
    body = "\n".join(lines)
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{frame}" stroke-width="0.02">\n{body}\n</svg>\n'


POINTS: list[Callable[[], dict[str, str] | None]] = [
    symbolic_derivative,
    numerical_derivative,
    growth_of_derivatives,
    variables_without_shape,
    gradient_of_dot,
    vector_chain_rule,
    head_gradient,
    detached,
    storage_of_gradients,
    forward_and_reverse,
    memory_of_modes,
    pruning,
    second_derivatives,
    sine_without_cosine,
]


def main(folder: Path | None) -> None:
    np.set_printoptions(precision=6, suppress=True)
    for point in POINTS:
        print(f"\n{point.__doc__}")
        for name, picture in (point() or {}).items():
            print(f"  picture {name}: {len(picture)} bytes")
            if folder:
                folder.mkdir(parents=True, exist_ok=True)
                (folder / name).write_text(picture, encoding="utf-8")
    print("\nevery claim above was checked")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else None)
