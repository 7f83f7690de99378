import pytest

from graphc import BindError, Graph, sym
from graphc.show.plan import show_plan
from tests.show.models import affine, mlp, program


def test_plan_of_named_dimensions_has_formulas_and_no_offsets():
    text = show_plan(program(mlp()))
    assert "t0" in text and "128*n B" in text and "at " not in text


def test_plan_of_given_dimensions_has_offsets():
    lines = show_plan(program(mlp()), {"n": 32}).split("\n")
    assert all(" at " in line for line in lines[1:]) and "4.1 KB" in lines[1]


def test_plan_needs_every_dimension():
    with pytest.raises(BindError, match="dimension n"):
        show_plan(program(mlp()), {"m": 3})


def test_row_buffer_belongs_to_its_kernel():
    x = sym.var("x", shape=(8, 1000), dtype="float32")
    assert "row of kernel 0  float32[1000]  4 KB  at 0  ■" in show_plan(program(Graph((x,), (sym.softmax(x),))))


def test_life_of_a_buffer_is_drawn_step_by_step():
    plan = program(mlp())
    for line, slab in zip(show_plan(plan).split("\n")[1:], plan.slabs.values(), strict=True):
        life = line.split()[-1]
        assert len(life) == len(plan.steps)
        assert (life.index("■"), life.rindex("■")) == (slab.first, slab.last)


def test_program_without_workspace_says_so():
    assert show_plan(program(affine())) == "workspace 0 B in 0 buffers"


def test_what_parts_reduce_has_a_place_for_each():
    x = sym.var("x", shape=(4096, 1000), dtype="float32")
    assert "parts of kernel 0  float32[64, 1000]  256 KB" in show_plan(program(Graph((x,), (sym.sum(x, axis=0),))))
