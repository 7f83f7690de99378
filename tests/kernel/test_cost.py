import pytest

from graphc import BindError, compile, cost, grad, jvp, sym
from graphc.graph import Graph
from graphc.kernel.cost import CACHE, program_cost
from graphc.types import Dim
from tests.show.models import affine, cross_entropy, layer_norm, logistic_regression, mlp, program, softmax

n = Dim.symbol("n")


@pytest.mark.parametrize("model", [affine, softmax, layer_norm], ids=lambda model: model.__name__)
def test_classic_is_one_kernel(model):
    assert len(program(model()).steps) == 1


@pytest.mark.parametrize("model", [cross_entropy, logistic_regression], ids=lambda model: model.__name__)
def test_scalar_loss_ends_in_a_second_kernel_of_one_number(model):
    _, last = program_cost(program(model())).steps
    assert last.traffic <= 16


@pytest.mark.parametrize(
    ("model", "most"),
    [(affine, 1), (softmax, 1), (cross_entropy, 1.001), (layer_norm, 1.001), (logistic_regression, 1.001), (mlp, 9)],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_traffic_is_near_the_floor(model, most: float):
    assert program_cost(program(model())).ratio <= most


def test_cost_of_softmax_is_counted_exactly():
    found = program_cost(program(softmax()))
    points = 4096 * 1000
    assert (found.read, found.written, found.floor_bytes) == (4 * points, 4 * points, 8 * points)
    assert found.functions == {"exp": points} and found.flops == 4 * points  # max, subtract, sum, divide
    assert found.workspace == 0  # every thread has a row on its stack


def test_cost_is_a_formula_in_named_dimensions_and_a_number_at_given_ones():
    x = sym.var("x", shape=("n", 50))
    f = compile(x, sym.exp(x) + 1)
    assert (f.cost().read, f.cost().flops, f.cost().transcendentals) == (400 * n, 50 * n, 50 * n)
    assert (f.cost(n=3).read, f.cost(n=3).flops, f.cost(n=3).traffic) == (1200, 150, 2400)


def test_cost_needs_every_dimension():
    f = compile(x := sym.var("x", shape=("n",)), x + 1)
    with pytest.raises(BindError, match="dimension n"):
        f.cost(m=3)


def test_value_kept_in_a_row_is_computed_once():
    x = sym.var("x", shape=("n", 1000))
    assert compile(x, sym.softmax(x)).cost().transcendentals == 1000 * n


def test_row_longer_than_the_cache_is_read_in_every_phase():
    length = CACHE // 4
    x = sym.var("x", shape=(2, length))
    found = compile(x, sym.softmax(x)).cost()
    assert found.read > 16 * length and found.ratio > 1.5


def test_vector_read_in_every_row_counts_once():
    x, w = sym.var("x", shape=(400, 50)), sym.var("w", shape=(50,))
    assert compile([x, w], x * w).cost().read == 8 * (400 * 50 + 50)


def test_matrix_too_large_for_the_cache_is_read_again_in_every_row():
    x, y = sym.var("x", shape=(7, 1, 1)), sym.var("y", shape=(1000, 1000), dtype="float64")
    assert compile([x, y], x * y).cost().read == 7 * 8 * 1000 * 1000 + 7 * 8


def test_part_of_a_buffer_counts_for_itself():
    x = sym.var("x", shape=(100, 100))
    assert compile(x, x[:10] * 2).cost().read == 8 * 1000


def test_buffer_read_at_neighbouring_places_counts_once():
    x = sym.var("x", shape=(1000,))
    assert compile(x, x[1:] - x[:-1]).cost().read == 8 * 1000


def test_unused_gradients_cost_nothing():
    x, v, w = (sym.var(name, shape=(64, 64)) for name in "xvw")
    y = sym.sum(sym.tanh(x @ v) @ w)
    every = compile([x, v, w], grad(y, [x, v, w])).cost()
    one = compile([x, v, w], grad(y, w)).cost()
    assert one.flops < every.flops / 2 and len(one.steps) < len(every.steps)


def test_backward_costs_a_small_multiple_of_forward_before_any_data_is_seen():
    x = sym.var("x", shape=("n",))
    y = sym.sum(sym.sin(x) * x + sym.exp(x))
    forward, backward = cost(y), cost(grad(y, x), beyond=y)
    assert forward.flops == 3 * n and forward.functions == {"sin": n, "exp": n}
    assert backward.functions == {"cos": n} and backward.flops.evaluate({"n": 1000}) <= 5 * 3000  # type: ignore[union-attr]


def test_cost_of_a_contraction_is_two_operations_a_term():
    x, w = sym.var("x", shape=("n", 784)), sym.var("w", shape=(784, 10))
    assert cost(x @ w).flops == 2 * 784 * 10 * n


def test_memory_of_reverse_mode_grows_with_depth_and_of_forward_mode_does_not():
    kept = []
    for depth in (4, 8, 16):
        x, t, w = sym.var("x", shape=("n", 64)), sym.var("t", shape=("n", 64)), sym.var("w", shape=(64, 64))
        y = x
        for _ in range(depth):
            y = sym.tanh(y @ w)
        graphs = Graph((x, w, t), (jvp(y, x, t),)), Graph((x, w), (grad(y.sum(), x),))
        kept.append([program_cost(program(graph)).workspace for graph in graphs])
    (forward, reverse) = zip(*kept, strict=True)
    assert forward[0] == forward[1] == forward[2]
    assert reverse[2] - reverse[1] == 2 * (reverse[1] - reverse[0]) != 0


def test_text_says_what_each_step_moves_and_the_ratio():
    text = str(program_cost(program(mlp()), {"n": 32}))
    assert "call 0" in text and "kernel 0" in text and "times the floor of" in text and "workspace" in text
