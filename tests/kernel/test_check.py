"""Broken schedules and programs are caught, each by the invariant it breaks."""

from dataclasses import replace

import pytest

from graphc import InternalError, sym
from graphc.graph import Graph
from graphc.kernel.check import check_kernel, check_phases, check_program, check_steps
from graphc.kernel.fuse import fuse
from graphc.kernel.kernel import Axis, Kernel
from graphc.kernel.phases import Phases, plan_phases
from graphc.kernel.program import Program
from graphc.types import Dim
from tests.show.models import CLASSICS, cross_entropy, layer_norm, mlp, program, softmax


@pytest.mark.parametrize("model", CLASSICS, ids=lambda model: model.__name__)
@pytest.mark.parametrize("merge", [True, False])
def test_what_fusion_makes_is_sound(model, merge: bool):
    graph = model()
    schedule = fuse(graph, merge)
    check_steps("fuse", graph, schedule.steps)
    check_program(Program.of(graph, schedule))


def test_steps_in_the_wrong_order_are_caught():
    made = program(mlp())
    with pytest.raises(InternalError, match="fuse, step 0: .* is read before it is written"):
        check_steps("fuse", made.graph, made.steps[::-1])


def test_output_that_is_never_written_is_caught():
    made = program(mlp())
    with pytest.raises(InternalError, match="is never written"):
        check_steps("fuse", made.graph, made.steps[:-1])


def test_buffer_written_in_two_steps_is_caught():
    made = program(softmax())
    with pytest.raises(InternalError, match="written a second time"):
        check_steps("fuse", made.graph, made.steps * 2)


def kernel_of(model) -> Kernel:
    return program(model()).kernels[0]


def test_axis_that_no_loop_runs_is_caught():
    kernel = kernel_of(softmax)
    with pytest.raises(InternalError, match="@1 is no axis of the kernel"):
        check_kernel("here", replace(kernel, axes=kernel.axes[:1]))


@pytest.mark.parametrize("change", [lambda i: i + 1, lambda i: 2 * i, lambda i: i - 1000 * Dim.symbol("@0")])
def test_store_that_does_not_cover_its_buffer_is_caught(change):
    kernel = kernel_of(softmax)
    (statement,) = kernel.statements
    broken = replace(kernel, statements=(replace(statement, index=change(statement.index)),))
    with pytest.raises(InternalError, match="do not count through"):
        check_kernel("here", broken)


def test_value_stored_again_along_an_axis_is_caught():
    kernel = kernel_of(softmax)
    more = replace(kernel, axes=(Axis("@9", 3), *kernel.axes))
    with pytest.raises(InternalError, match="stored again along @9"):
        check_kernel("here", more)


def test_fold_over_part_of_a_row_is_caught():
    kernel = kernel_of(softmax)
    outer, lane = kernel.axes
    with pytest.raises(InternalError, match="not along the whole lane|do not count"):
        check_kernel("here", replace(kernel, axes=(outer, replace(lane, extent=999))))


def test_short_axes_written_out_are_sound():
    x = sym.var("x", shape=("n", 3))
    graph = Graph((x,), (x * 2, x.T + 1, x.sum(axis=0), x.sum(axis=1)))
    check_program(program(graph))


def test_phases_in_the_wrong_order_are_caught():
    kernel = kernel_of(softmax)
    phases = plan_phases(kernel)
    with pytest.raises(InternalError, match="phase 0: .* not there yet"):
        check_phases("here", kernel, Phases(phases.phases[::-1], phases.kept))


def test_value_that_is_not_kept_but_read_later_is_caught():
    kernel = kernel_of(cross_entropy)
    phases = plan_phases(kernel)
    broken = tuple(replace(phase, keeps=()) for phase in phases.phases)
    with pytest.raises(InternalError, match="exp .*not there yet"):
        check_phases("here", kernel, Phases(broken, phases.kept))


def test_statement_that_no_phase_does_is_caught():
    kernel = kernel_of(layer_norm)
    phases = plan_phases(kernel)
    broken = tuple(replace(phase, statements=()) for phase in phases.phases)
    with pytest.raises(InternalError, match="a statement is not in one phase"):
        check_phases("here", kernel, Phases(broken, phases.kept))
