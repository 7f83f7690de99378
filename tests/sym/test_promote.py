"""Operands become nodes of one dtype and one shape, as NumPy's arrays would."""

from itertools import product

import numpy as np
import pytest

from graphc import sym
from graphc.errors import DTypeError, ShapeError
from graphc.node import CONST
from graphc.ops.elementwise import ADD, CAST
from graphc.ops.movement import EXPAND, RESHAPE
from graphc.settings import use_default_float
from graphc.sym.promote import as_node, broadcast, promote
from graphc.types import SUPPORTED, Dim

DTYPES = sorted(SUPPORTED, key=str)
SCALARS = [True, 2, 1.5]


def variable(dtype="float64", shape=(3,)):
    return sym.var(shape=shape, dtype=dtype)


# -- dtypes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("one, other", list(product(DTYPES, DTYPES)), ids=str)
def test_arrays_promote_as_in_numpy(one, other):
    assert (variable(one) + variable(other)).dtype == np.add(np.ones(1, one), np.ones(1, other)).dtype


@pytest.mark.parametrize("dtype, scalar", list(product(DTYPES, SCALARS)), ids=str)
def test_python_scalars_are_weak_as_in_numpy(dtype, scalar):
    expected = np.add(np.ones(1, dtype), scalar).dtype
    if expected == np.float16:  # bool and small integers with a float: the default float, not a half
        expected = np.float64
    assert (variable(dtype) + scalar).dtype == (scalar + variable(dtype)).dtype == expected


def test_numpy_scalars_and_arrays_are_strong():
    x = variable("float32")
    assert (x + np.float64(2)).dtype == np.float64
    assert (np.ones(3) + x).dtype == np.float64
    assert (x + np.int8(2)).dtype == np.float32


@pytest.mark.parametrize(
    "scalars, dtype", [((True, False), "bool"), ((True, 2), "int64"), ((1, 2), "int64"), ((1, 2.0), "float64")]
)
def test_scalars_alone_have_the_default_dtype_of_their_kind(scalars, dtype):
    assert sym.add(*scalars).dtype == dtype


def test_list_of_floats_is_of_the_default_float():
    with use_default_float("float32"):
        assert as_node("add", [1.5, 2.5]).dtype == np.float32
        assert as_node("add", np.array([1.5, 2.5])).dtype == np.float64


def test_array_becomes_a_constant_of_the_common_dtype():
    _, constant = promote("add", variable("float64"), np.arange(3))
    assert constant.op is CONST and constant.dtype == np.float64


def test_node_is_cast_only_if_it_must_be():
    x, k = variable("float64"), variable("int64")
    same, cast = promote("add", x, k)
    assert same is x and cast.op is CAST and cast.dtype == np.float64


@pytest.mark.parametrize("dtype, number", [("int8", 300), ("uint8", -1), ("int64", 2**63)])
def test_python_integer_out_of_range_is_an_error(dtype, number):
    with pytest.raises(DTypeError, match=rf"multiply: {number} does not fit {dtype} \(test_promote\.py:\d+\); cast"):
        variable(dtype) * number


@pytest.mark.parametrize("operand", [np.ones(3, complex), np.array(["a"]), None, 1j, object(), [[1], [1, 2]]])
def test_what_is_no_array_of_numbers_is_an_error(operand):
    with pytest.raises(DTypeError, match=r"add: .* is no array of numbers \(test_promote\.py:\d+\)"):
        sym.add(variable(), operand)


def test_list_of_nodes_is_an_error_that_names_stack():
    with pytest.raises(TypeError, match=r"add: several nodes are no array .*sym\.stack"):
        variable() + [variable(), 1]


# -- shapes -------------------------------------------------------------------------------------------

SHAPES = [(), (1,), (3,), (1, 1), (2, 1), (1, 3), (2, 3), (0, 1), (4, 1, 3), (1, 2, 1)]


@pytest.mark.parametrize("one, other", list(product(SHAPES, SHAPES)), ids=str)
def test_shapes_broadcast_as_in_numpy(one, other):
    x, y = variable(shape=one), variable(shape=other)
    try:
        expected = np.broadcast_shapes(one, other)
    except ValueError:
        with pytest.raises(ShapeError):
            x + y
    else:
        node = x + y
        assert node.shape == expected and {arg.shape for arg in node.args} == {expected}


def test_equal_shapes_are_left_alone():
    x, y = variable(), variable()
    assert (x + y) is ADD(x, y)


def test_broadcast_drops_axes_of_extent_one_and_inserts_new_ones():
    x, _ = broadcast("add", variable(shape=(2, 1, 3)), variable(shape=(5, 2, 4, 3)))
    assert x.op is EXPAND and dict(zip(x.op.params, x.params)) == {"axes": (0, 2), "extents": (5, 4)}
    assert x.args[0].op is RESHAPE and x.args[0].shape == (2, 3)


def test_equal_dimensions_broadcast():
    n = Dim.symbol("n")
    x, y = variable(shape=(n, 1, 2 * n)), variable(shape=("m", n * 2))
    assert (x * y).shape == (n, Dim.symbol("m"), 2 * n)


@pytest.mark.parametrize("extent", [3, "m", Dim.symbol("n") + 1])
def test_dimension_known_at_run_time_stretches_to_nothing(extent):
    with pytest.raises(ShapeError, match="stretches to nothing else"):
        variable(shape="n") + variable(shape=(extent,))


def test_shape_error_names_operator_types_axis_and_line():
    text = r"add: float64\[3\] and float64\[4\] differ at axis 0 \(test_promote\.py:\d+\); slice or pad one of them"
    with pytest.raises(ShapeError, match=text):
        variable() + variable(shape=4)


def test_shape_error_counts_axes_from_the_end_where_ranks_differ():
    with pytest.raises(ShapeError, match="differ at axis -1"):
        variable(shape=(2, 3)) + variable(shape=4)
