import numpy as np
import pytest

from graphc import Graph, compile, sym
from tests.show.models import cross_entropy, layer_norm, logistic_regression, program, softmax


def loops(text: str) -> list[str]:
    """The lines below the title, without indentation."""
    return [line.strip() for line in text.split("\n") if line.strip().split(" ")[0] not in ("kernel", "reads", "call")]


def test_softmax_reads_as_three_passes():
    assert str(program(softmax())).split("\n") == [
        "kernel 0: x float32[4096, 1000] -> y float32[4096, 1000]",
        "          reads 16.4 MB, writes 16.4 MB, 16.4 M flops, 4.1 M exp",
        "  for i in 4096 (parallel, chunks of 8):",
        "    lanes j in 1000:  m = max(x[i, j])",
        "    lanes j in 1000:  e[j] = exp(x[i, j] - m); s = sum(e[j])",
        "    lanes j in 1000:  y[i, j] = e[j] / s",
    ]


def test_named_dimension_is_an_extent():
    x = sym.var("x", shape=("n", "m"))
    head, line = loops(str(compile(x, x.T * 2).program))
    assert head == "for i in m (parallel if large):" and line == "lanes j in n:  y[i, j] = 2*x[j, i]"


def test_axes_that_are_one_in_memory_have_one_index():
    x = sym.var("x", shape=(20, 30))
    assert loops(str(compile(x, x * 2).program)) == ["lanes i in 600:  y[i] = 2*x[i]"]


def test_lane_of_unknown_length_may_be_parallel():
    x = sym.var("x", shape=("n", 30))
    [line] = loops(str(compile(x, x * 2).program))
    assert line == "lanes i in 30*n (parallel if large, chunks of 16384):  y[i] = 2*x[i]"


def test_parallel_product_shows_how_it_is_cut():
    x, w = (sym.var(name, shape=shape, dtype="float32") for name, shape in (("x", (32, 128)), ("w", (128, 512))))
    assert "(generated, 128 terms; columns parallel, chunks of 64)" in str(compile([x, w], x @ w).program)


@pytest.mark.parametrize(
    ("read", "shown"),
    [
        (lambda x: x[::-1], "x[-i + 19, j]"),
        (lambda x: x[:, 2:], "x[i, j + 2]"),
        (lambda x: x[1:, ::3], "x[i + 1, 3*j]"),
        (lambda x: x.T, "x[j, i]"),
        (lambda x: x[3], "x[3, i]"),
    ],
)
def test_index_of_several_axes_is_recovered(read, shown: str):
    x = sym.var("x", shape=(20, 40))
    assert shown in str(compile(x, read(x) * 2).program)


def test_guarded_read_is_marked():
    x = sym.var("x", shape=(20, 30))
    text = str(compile(x, sym.pad(x, ((1, 1), (0, 2)))).program)
    assert "where(0 <= i - 1 < 20 and 0 <= j < 30, x[i - 1, j]?, 0)" in text


def test_accumulated_buffer_is_filled_first():
    lines = loops(str(program(logistic_regression())))
    assert lines.index("y1[:] = 0") < next(k for k, line in enumerate(lines) if "y1[j] +=" in line)


def test_accumulated_maximum_is_written_out():
    x = sym.var("x", shape=("n", 50))
    assert "y[j] = max(y[j], x[i, j])" in str(compile(x, sym.max(x, axis=0)).program)


def test_library_call_shows_transposes_and_terms():
    x, w = sym.var("x", shape=("n", 256)), sym.var("w", shape=(300, 256))
    text = str(program(Graph((x, w), (x @ w.T,))))
    assert "call 0: x float64[n, 256], w float64[300, 256] -> y float64[n, 300]" in text
    assert "y = x @ w.T    (BLAS dgemm, 256 terms)" in text


def test_buffers_have_one_name_in_all_kernels():
    first, second = map(str, program(cross_entropy()).kernels)
    assert "-> t0 float32[]" in first and second.startswith("kernel 1: t0 float32[] -> y0 float32[]")


def test_variable_may_have_the_name_of_an_index():
    i = sym.var("i", shape=(5,))
    assert loops(str(compile(i, i + 1).program)) == ["lanes i1 in 5:  y[i1] = 1 + i[i1]"]


def test_scalar_kernel_has_no_loop():
    x = sym.var("x", shape=())
    assert loops(str(compile(x, sym.exp(x) + 1).program)) == ["y = 1 + exp(x)"]


def test_long_expression_is_cut_into_named_parts():
    x = sym.var("x", shape=("n",))
    y = x
    for k in range(40):
        y = sym.sin(y) * (y + k)
    assert all(len(line) < 120 for line in str(compile(x, y).program).split("\n"))


def test_kernel_of_a_layer_norm_shows_every_output():
    (kernel,) = program(layer_norm()).kernels
    assert all(f"y{k} float32" in str(kernel) for k in range(4))


def test_constant_array_is_named():
    x = sym.var("x", shape=(40,))
    assert "c0[i]" in str(compile(x, x * np.arange(40.0)).program)
