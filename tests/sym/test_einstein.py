"""Einstein's summation against NumPy's, and what graphs and programs it makes."""

import numpy as np
import pytest

import graphc
from graphc import sym
from graphc.autodiff.api import grad, jvp
from graphc.errors import ShapeError
from graphc.graph import Graph
from graphc.interpret import interpret
from graphc.io.json import from_json, to_json
from graphc.kernel.fuse import Contraction
from graphc.sym.record import replay
from tests.batching.programs import check
from tests.sym.test_contraction import draw

CALLS = [
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("ij,jk->ki", (2, 3), (3, 4)),
    ("ij,jk", (2, 3), (3, 4)),
    ("ij,jk->", (2, 3), (3, 4)),
    ("bij,bjk->ibk", (2, 3, 4), (2, 4, 5)),
    ("ij,ij->ij", (2, 3), (2, 3)),
    ("i,j->ij", (2,), (3,)),
    ("ii", (3, 3)),
    ("ii->i", (3, 3)),
    ("iii->i", (3, 3, 3)),
    ("ijkji->k", (2, 3, 4, 3, 2)),
    ("ij->j", (3, 2)),
    ("ba", (2, 3)),
    ("Ab", (2, 3)),
    (" i j -> j i ", (2, 3)),
    ("->", ()),
    (",ij", (), (2, 3)),
    ("...", (2, 3)),
    ("i...j", (2, 4, 3)),
    ("...ij,...jk", (5, 1, 2, 3), (4, 3, 2)),
    ("...,...", (2, 3), (3,)),
    ("i...,i...->...", (2, 3), (2, 4, 3)),
    ("i->i...", (3,)),
    ("ij,jk->ik", (2, 1), (3, 4)),
    ("ii,i->i", (1, 1), (3,)),
    ("ij,j->i", (2, 0), (0,)),
    ("ij,jk->ik", (0, 3), (3, 2)),
    ("i,i,i", (3,), (3,), (3,)),
    ("iij,jk,k->i", (3, 3, 2), (2, 4), (4,)),
    ("i,j,k->kij", (2,), (3,), (4,)),
    ("ij,jk,kl,lm->im", (2, 3), (3, 4), (4, 5), (5, 2)),
    ("a,ab,bc,cd,de,ef,fg,gh,hi,i->", (2,), *[(2, 2)] * 8, (2,)),
]


@pytest.mark.parametrize(("subscripts", "shapes"), [(text, shapes) for text, *shapes in CALLS])
def test_einsum_is_numpys(subscripts, shapes):
    for dtypes in (("float64", "float64"), ("float32", "int8"), ("int8", "int8"), ("bool", "bool")):
        arrays = [draw(shape, dtypes[k % 2], k) for k, shape in enumerate(shapes)]
        expected = np.asarray(np.einsum(subscripts, *arrays))
        nodes = list(map(sym.asarray, arrays))
        untyped = [sym.var(f"x{k}") for k in range(len(arrays))]
        replayed = replay([sym.einsum(subscripts, *untyped)], dict(zip(untyped, nodes)))[0]
        for got in (sym.einsum(subscripts, *arrays), replayed):
            value = interpret(got, {})
            assert value.dtype == expected.dtype and value.shape == expected.shape
            np.testing.assert_allclose(value, expected, rtol=1e-6)


@pytest.mark.parametrize(("subscripts", "shapes"), [(text, shapes) for text, *shapes in CALLS])
def test_gradient_of_einsum_agrees_with_differences(subscripts, shapes):
    xs = [sym.var(f"x{k}", shape=shape) for k, shape in enumerate(shapes)]
    y = sym.einsum(subscripts, *xs)
    rng = np.random.default_rng(2)
    head, data = rng.normal(size=y.shape), {x: rng.normal(size=x.shape) for x in xs}
    moves = {x: rng.normal(size=x.shape) for x in xs}
    gradients, tangent = interpret([grad(y, xs, head=head), jvp(y, xs, list(moves.values()))], data)
    each = [(g * moves[x]).sum() for x, g in zip(xs, gradients, strict=True)]
    for x, slope in zip(xs, each):  # exact: y is linear in each operand
        step = interpret(y, {**data, x: data[x] + moves[x]}) - interpret(y, data)
        np.testing.assert_allclose(slope, (head * step).sum(), atol=1e-9)
    np.testing.assert_allclose(sum(each), (head * tangent).sum(), atol=1e-9)


def test_second_derivatives_and_vmap_of_einsum_are_those_of_a_loop():
    rng = np.random.default_rng(0)
    check(lambda a, b: sym.einsum("ij,jk,ii->k", a, b, a), rng.normal(size=(2, 3, 3)), rng.normal(size=(2, 3, 2)),
          second=True)  # fmt: skip
    check(lambda a, b: sym.einsum("...j,jk->...k", a, b), rng.normal(size=(4, 2, 3)), rng.normal(size=(3, 2)),
          axes=[0, None])  # fmt: skip


@pytest.mark.parametrize(
    ("subscripts", "shapes", "result"),
    [
        ("ij,jk", (("n", 3), (3, "m")), "(n, m)"),
        ("bij,bjk->bik", (("b", "n", 3), ("b", 3, "m")), "(b, n, m)"),
        ("...i,i", (("b", "n", 3), (3,)), "(b, n)"),
        ("ii->i", (("n", "n"),), "(n,)"),
        ("ij,ij->j", (("n", 1), ("n", "m")), "(m,)"),
        ("ij,jk,kl->il", (("n", 100), (100, "m"), ("m", 2)), "(n, 2)"),
    ],
)
def test_symbolic_extents_of_one_letter_are_equal(subscripts, shapes, result):
    xs = [sym.var(f"x{k}", shape=shape) for k, shape in enumerate(shapes)]
    y = sym.einsum(subscripts, *xs)
    assert str(y.shape) == result
    sizes = {"b": 2, "n": 3, "m": 4}
    arrays = [np.random.default_rng(k).normal(size=[sizes.get(n, n) for n in shape]) for k, shape in enumerate(shapes)]
    np.testing.assert_allclose(graphc.compile(xs, y)(*arrays), np.einsum(subscripts, *arrays))


@pytest.mark.parametrize(
    ("subscripts", "shapes"),
    [
        ("ij,jk->ik", ((64, 64), (64, 64))),
        ("ij,jk->ki", ((64, 64), (64, 64))),
        ("ji,jk->ik", ((64, 64), (64, 64))),
        ("bij,bjk->bik", ((8, 64, 64), (8, 64, 64))),
        ("ibj,bjk->bik", ((64, 8, 64), (8, 64, 64))),
        ("ijk,jkl->il", ((64, 8, 8), (8, 8, 64))),
    ],
)
def test_two_operands_are_one_contraction_without_copies(subscripts, shapes):
    xs = [sym.var(f"x{k}", shape=shape) for k, shape in enumerate(shapes)]
    y = sym.einsum(subscripts, *xs)
    assert [node.op.name for node in Graph.of(y) if node.op.kind != "source"] == ["contract"]
    if subscripts != "ij,jk->ki":  # there a transposed copy of the right operand pays
        (step,) = graphc.compile(xs, y).program.steps
        assert isinstance(step, Contraction)


def test_a_chain_is_contracted_in_the_order_of_fewest_multiplications():
    a, b, v = sym.var("a", shape=(50, 50)), sym.var("b", shape=(50, 50)), sym.var("v", shape=("n",))
    y = sym.einsum("ij,jk,k->i", a, b, sym.var("w", shape=(50,)))
    assert y.args[0] is a and y.args[1].shape == (50,)
    z = sym.einsum("i,j,jk->ik", v, sym.var("u", shape=(50,)), b)  # the sum first, then the table of n rows
    assert z is sym.outer(v, sym.einsum("j,jk", Graph.of(z).inputs[1], b))


def test_einsum_is_saved_and_read_again():
    a, b = sym.var("a"), sym.var("b", shape=(3, 3))
    again = from_json(to_json(sym.einsum("ij,jj->i", a, b)))
    f = graphc.compile(Graph.of(again).inputs, again)
    x, y = np.arange(6.0).reshape(2, 3), np.arange(9.0).reshape(3, 3)
    np.testing.assert_allclose(f(a=x, b=y), np.einsum("ij,jj->i", x, y))


@pytest.mark.parametrize(
    ("subscripts", "shapes", "message"),
    [
        (
            "ij,jk",
            ((3, 4), (5, 6)),
            r"einsum: 'j' has 5 elements in operand 1, float64\[5, 6\], and 4 before it "
            r"\(test_einstein.py:\d+\); slice or pad one of them, or use another letter",
        ),
        ("ij,jk", (("n", "m"), ("n", 2)), "'j' has n elements in operand 1, .*, and m before it"),
        ("...,...", ((2, 3), (4,)), r"axis -1 of ... has 4 elements in operand 1, .*, and 3 before it"),
        ("ii", ((1, 3),), "'i' stands for 1 and for 3 elements of float64.*; slice it to a square"),
        ("ij,k", ((3, 4),), "'ij,k' is for 2 operands, not for 1"),
        ("ijk", ((3, 4),), r"'ijk' has 3 letters for float64\[3, 4\] .*; write a letter for each axis"),
        ("i", ((3, 4),), "'i' has 1 letters for"),
        ("i.j", ((3, 4),), r"'\.' in 'i\.j' is no letter"),
        ("i1", ((3, 4),), "'1' in 'i1' is no letter"),
        ("ij->ji->j", ((3, 4),), "'-' in 'ji->j' is no letter"),
        ("ij->k", ((3, 4),), "'k' of the result is in no operand"),
        ("ij->ii", ((3, 4),), "'i' stands twice in the result"),
        ("...j->j", ((3, 4),), "'j' leaves out the axes that ... stands for"),
    ],
)
def test_wrong_subscripts_say_which_letter(subscripts, shapes, message):
    with pytest.raises(ShapeError, match=message):
        sym.einsum(subscripts, *[sym.var(f"x{k}", shape=shape) for k, shape in enumerate(shapes)])
