import pytest

from graphc import formula, grad, simplify, sym

x, y = sym.var("x", shape=()), sym.var("y", shape=())


@pytest.mark.parametrize(
    ("node", "text"),
    [
        (x + y * 2, "x + y*2"),
        ((x + y) * 2, "(x + y)*2"),
        (x - (y - 1), "x - (y - 1)"),
        (x - y - 1, "x - y - 1"),
        (x / y * 2, "(x / y)*2"),
        (x / (y * 2), "x / (y*2)"),
        (x / (y / 2), "x / (y / 2)"),
        ((x * y) / 2, "x*y / 2"),
        (-x * y, "-x*y"),
        (-(x * y), "-(x*y)"),
        ((-x) ** 3, "(-x)**3"),
        (-(x**3), "-x**3"),
        (2.0**-x, "2**-x"),
        ((x**3) ** y, "(x**3)**y"),
        (x ** (y**3), "x**y**3"),
        (x * x, "x**2"),
        (x + -3.0, "x - 3"),
        (x - -3.0, "x - -3"),
        ((x < y) & (y < 2), "(x < y) & (y < 2)"),
        (sym.exp(x + 1), "exp(x + 1)"),
        (sym.where(x < y, x, 0), "where(x < y, x, 0)"),
    ],
)
def test_formula_has_just_the_parentheses_it_needs(node, text: str):
    assert formula(node) == text


def test_untyped_formula_reads_as_it_was_written():
    a, b = sym.var("a"), sym.var("b")
    assert formula(2 * a + b) == "2*a + b"
    assert formula(sym.sum(-a, axis=0) ** 2) == "sum(-a, axis=0)**2"


def test_derivative_of_the_chapter_is_its_formula():
    assert formula(simplify(grad(4 * x**3 + x**2 + 3, x))) == "2*x + 12*x**2"


def test_broadcast_is_silent():
    a, b = sym.var("a", shape=("n", 3)), sym.var("b", shape=(3,))
    assert formula(2 * a + b) == "2*a + b"


def test_shared_expression_has_a_name():
    e = sym.exp(2 * x)
    assert formula(e / (1 + e)) == "a = exp(2*x)\na / (1 + a)"


def test_name_of_a_shared_expression_avoids_the_variables():
    a = sym.var("a", shape=())
    e = sym.exp(2 * a)
    assert formula(e / (1 + e)) == "a1 = exp(2*a)\na1 / (1 + a1)"


def test_formula_of_repeated_squares_grows_with_the_graph_only():
    z = x + 1
    sizes = []
    for _ in range(1, 60):
        z = sym.sin(z) * z
        sizes.append(len(formula(z)))
    assert sizes[-1] < 2 * sizes[len(sizes) // 2] + 100
