"""The first graph: a formula first, data later; then its text, its picture, its gradient and its machine code's plan.

python examples/first_graph.py
"""

import numpy as np

import graphc
from graphc import sym


def heading(text: str) -> None:
    print(f"\n== {text}")


def main() -> None:
    heading("a formula of two variables that have no shape yet")
    a, b = sym.var("a"), sym.var("b")
    c = 2 * a + b
    print(c)

    heading(
        "what would follow from shapes and dtypes: those of the arguments, of the outputs, of (no) auxiliary states"
    )
    print(c.infer_shape(a=(3,), b=(2, 1)))
    print(c.infer_type(a="float32", b="int32"))

    heading("as DOT: pipe it into `dot -Tsvg`")
    print(c.to_dot())

    heading("compiled and called, by position and by name, with any shape")
    f = graphc.compile([a, b], c)
    print(f(np.arange(3.0), np.ones(3)))
    print(f(a=np.eye(2), b=np.ones((2, 2))))

    heading("the kernels it became")
    x, y = sym.var("x", shape=("n",)), sym.var("y", shape=("n",))
    value = sym.sum(sym.exp(2 * x + y))
    g = graphc.compile([x, y], [value, graphc.grad(value, [x, y])])
    print(*g.kernels, sep="\n")
    print(g.cost())

    heading("and what it computes: a value and its two gradients")
    total, (dx, dy) = g(np.array([0.0, 0.5]), np.array([1.0, -1.0]))
    print(f"value {total:.6f}, d/dx {dx}, d/dy {dy}")
    np.testing.assert_allclose(dx, 2 * dy)


if __name__ == "__main__":
    main()
