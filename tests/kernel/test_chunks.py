"""Which steps are cut into parts, along what, and how long these are."""

import pytest

from graphc import compile, sym
from graphc.kernel.chunks import LANES, MOST


def chunks(inputs, outputs):
    """How each step is cut."""
    program = compile(inputs, outputs).program
    return [program.chunks.get(step) for step in program.steps]


def matrices(*shapes, dtype="float32"):
    return [sym.var(f"x{k}", shape=shape, dtype=dtype) for k, shape in enumerate(shapes)]


def test_large_lane_is_cut_at_multiples_of_all_vectors():
    [x] = matrices((1_000_000,))
    [found] = chunks(x, 2 * x)
    assert found and isinstance(found.length, int) and found.length % LANES == 0 and found.length < 100_000


def test_the_more_work_at_an_index_the_shorter_a_part():
    [x] = matrices((4096, 1000))
    lengths = [found.length for y in (x[:, ::-1] * 2, sym.softmax(x)) for found in chunks(x, y) if found]
    assert lengths == sorted(lengths, reverse=True) and len(set(lengths)) == 2


def test_little_work_is_one_part():
    [x] = matrices((1000,))
    assert chunks(x, [sym.exp(x), sym.sum(x)]) == [None]


def test_extent_known_when_called_decides_then():
    [x] = matrices(("n", 500))
    [found] = chunks(x, sym.softmax(x))
    assert str(found.extent) == "n" and isinstance(found.length, int) and not isinstance(found.work, int)


def test_sums_along_the_axis_have_a_bounded_number_of_parts():
    [x] = matrices((1_000_000, 100))
    [found] = chunks(x, sym.sum(x, axis=0))
    assert found.most == MOST and MOST * found.length >= found.extent


def test_sum_that_needs_too_many_places_is_not_cut():
    x, y = matrices((100, 1_000_000), ("n", "m"))
    assert chunks(x, sym.sum(x, axis=0)) == [None] and chunks(y, sym.sum(y, axis=0)) == [None]


def test_rows_of_unknown_length_kept_between_phases_are_not_cut():
    x, y = matrices(("n", "m"), ("n", 100_000))
    assert chunks(x, sym.softmax(x)) == [None] and chunks(y, sym.softmax(y)) == [None]
    assert chunks(x, x / sym.sum(x, axis=1, keepdims=True)) != [None]


@pytest.mark.parametrize(
    ("left", "right", "along"),
    [
        ((900, 100), (100, 70), "rows"),
        (("n", 100), (100, 70), "rows"),
        ((32, 128), (128, 512), "columns"),
        ((20, 90, 80), (20, 80, 70), "batch"),
    ],
)
def test_product_is_cut_along(left, right, along):
    a, b = matrices(left, right)
    [found] = chunks([a, b], a @ b)
    assert found and found.along == along


def test_product_of_few_rows_and_columns_is_not_cut():
    a, b = matrices((20, 10_000), (10_000, 20))
    assert chunks([a, b], a @ b) == [None]
