"""Every rule of the algebra: both sides agree, and it is used."""

import ast
import itertools

import numpy as np
import pytest

from graphc import sym
from graphc.graph import Graph
from graphc.interpret import interpret
from graphc.node import PUBLIC
from graphc.passes.algebra import RULES
from graphc.passes.simplify import _parts, _root, apply_rule, simplify

DTYPES = {"i": "int32", "u": "uint8", "f": "float64", "b": "bool"}
NUMBERS = {"f": (2.0, 0.5, 3.0, -4.0, 0.1), "i": (2, 3, -5), "u": (2, 3, 7)}
SPECIAL = {
    "f": [0.0, 1.0, -1.0, 2.5, -0.3, 1e10, np.inf, -np.inf, np.nan],
    "i": [0, 1, -1, 7, 2**31 - 1, -(2**31)],
    "u": [0, 1, 5, 255],
    "b": [False, True],
}


def names(expression):
    return sorted({n.id for n in ast.walk(expression) if isinstance(n, ast.Name)} - functions(expression))


def functions(expression):
    return {n.func.id for n in ast.walk(expression) if isinstance(n, ast.Call)}


def build(expression, bindings):
    match expression:
        case ast.Name(id=name):
            return bindings[name]
        case ast.Constant() | ast.UnaryOp(operand=ast.Constant()):
            return ast.literal_eval(expression)
        case _:
            return PUBLIC[_root(expression)](*[build(part, bindings) for part in _parts(expression)])


def cases():
    for rule in RULES:
        for kind in rule.kinds:
            yield pytest.param(rule, kind, id=f"{rule}-{DTYPES[kind]}{'-fast' if rule.fast else ''}")


def numbers_for(rule, kind):
    used = [name for name in names(rule.pattern) if name in "cd"]
    for chosen in itertools.product(NUMBERS[kind], repeat=len(used)) if used else [()]:
        numbers = dict(zip(used, chosen, strict=True))
        if rule.holds(numbers):
            return numbers
    raise AssertionError(f"no numbers meet the condition of {rule}")


def sides(rule, kind, shape):
    """The left side as a node, its variables, and what the rule makes of it."""
    dtype = DTYPES[kind]
    variables = {
        name: sym.var(name, shape=shape, dtype="bool" if name in "pqr" else dtype)
        for name in names(rule.pattern)
        if name not in "cd"
    }
    left = build(rule.pattern, {**variables, **numbers_for(rule, kind)})
    return left, list(variables.values()), apply_rule(rule, left)


@pytest.mark.parametrize(("rule", "kind"), list(cases()))
def test_both_sides_of_a_rule_agree(rule, kind):
    left, variables, right = sides(rule, kind, (9,))
    assert right is not None, "the rule does not match its own left side"
    rng = np.random.default_rng(0)
    for _ in range(8):
        if rule.fast:  # true for numbers that are neither huge nor special
            data = {v: rng.uniform(0.5, 2.0, 9).astype(v.dtype) for v in variables}
        else:
            data = {v: rng.choice(SPECIAL[v.dtype.kind], 9).astype(v.dtype) for v in variables}
        with np.errstate(all="ignore"):
            a, b = interpret([left, right], data)
        np.testing.assert_allclose(a, b, rtol=1e-15 if "**" not in rule.left and not rule.fast else 1e-12)


@pytest.mark.parametrize(("rule", "kind"), list(cases()))
def test_simplify_leaves_nothing_that_a_rule_matches(rule, kind):
    left, _, _ = sides(rule, kind, (2, 3))
    (simple,) = simplify(Graph.of(left), fast_math=rule.fast).outputs
    assert simple is not left
    assert apply_rule(rule, simple) is None


def test_exact_rules_do_not_assume_finite_numbers():
    x = sym.var("x", shape=(3,))
    for y in (x - x, 0 * x, x / x):
        assert simplify(Graph.of(y)).outputs[0] is not None
        with np.errstate(invalid="ignore", divide="ignore"):
            (value,) = interpret(list(simplify(Graph.of(y)).outputs), {x: np.array([np.inf, np.nan, 1.0])})
        assert np.isnan(value[:2]).all()
