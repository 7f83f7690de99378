"""`vmap` as users call it: axes, structures, closures, symbolic and unknown types, errors, and what code it gives."""

import numpy as np
import pytest

import graphc
from graphc import ShapeError, grad, hvp, interpret, jvp, sym, vmap
from tests.batching.programs import check, check_values
from tests.control.programs import agree

RNG = np.random.default_rng(0)


# -- axes and structures ------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
def test_instances_lie_along_any_axis_of_an_argument(axis):
    check(lambda x: sym.sin(x).sum(0) * x, RNG.normal(size=(2, 3, 4)), axes=[axis])


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2])
def test_instances_lie_along_any_axis_of_a_result(axis):
    x = sym.var("x", shape=(3, 2, 4))
    data = RNG.normal(size=x.shape)
    agree(interpret(vmap(sym.sin, out_axes=axis)(x), {x: data}), np.moveaxis(np.sin(data), 0, axis))


def test_an_axis_for_all_of_a_structure_or_a_structure_of_axes():
    w, b, x = sym.var("w", shape=(3, 2)), sym.var("b", shape=(2, 5)), sym.var("x", shape=(5, 3))
    arrays = {v: RNG.normal(size=v.shape) for v in (w, b, x)}

    def layer(params, x):
        return {"y": sym.tanh(x @ params["w"] + params["b"]), "norm": [sym.sum(params["w"] ** 2)]}

    y = vmap(layer, ({"w": None, "b": 1}, 0), {"y": 1, "norm": None})({"w": w, "b": b}, x)
    assert y["y"].shape == (2, 5) and y["norm"][0].shape == ()
    agree(interpret(y["y"], arrays), np.tanh(arrays[x] @ arrays[w] + arrays[b].T).T)
    z = vmap(lambda pair: pair[0] * pair[1], in_axes=1)((b, b * 2))
    agree(interpret(z, arrays), 2 * arrays[b].T ** 2)


def test_keyword_arguments_are_mapped_over_axis_0():
    x, y = sym.var("x", shape=(3,)), sym.var("y", shape=(3, 2))
    assert vmap(lambda x, *, y: x * y)(x, y=y) is vmap(lambda x, y: x * y)(x, y)


def test_arrays_and_numbers_are_arguments_too():
    found = vmap(lambda x, k, m: x * k + m, (0, None, None))(np.arange(3, dtype=np.float32), 2.5, np.float32([1, 2]))
    assert found.dtype == np.float32  # a Python number is weak
    agree(interpret(found, {}), np.arange(3)[:, None] * 2.5 + [1, 2])


def test_results_that_are_the_same_for_all_are_repeated_or_left_alone():
    x = sym.var("x", shape=(3,))
    y, one, two = vmap(lambda x: (x, 1.0, 2), out_axes=(0, 0, None))(x)
    assert y is x and (one.shape, two.shape) == ((3,), ())


def test_what_a_function_reads_is_the_same_for_all():
    w, x = sym.var("w", shape=(3,)), sym.var("x", shape=(4, 3))
    assert vmap(lambda x: sym.dot(w * 2, x))(x).shape == (4,)
    check(lambda x, w: sym.sum(x * w) * w, RNG.normal(size=(4, 3)), RNG.normal(size=3), axes=[0, None])


def test_keys_of_their_own_give_instances_other_numbers():
    keys = sym.random.split(7, 3)
    found = interpret(vmap(lambda key: sym.random.normal(key, 4))(keys), {})
    agree(found, np.stack(interpret([sym.random.normal(key, 4) for key in keys], {})))
    assert len(np.unique(found)) == 12
    shared = interpret(vmap(lambda x: x * sym.random.normal(7, 4))(sym.ones(3)), {})
    agree(shared, np.broadcast_to(shared[0], (3, 4)))


def test_vmap_of_vmap_is_an_outer_product():
    x, y = sym.var("x", shape=(3,)), sym.var("y", shape=(4,))
    table = vmap(lambda a: vmap(lambda b: a * b)(y))(x)
    data = {x: RNG.normal(size=3), y: RNG.normal(size=4)}
    agree(interpret(table, data), np.outer(data[x], data[y]))


def test_inner_vmap_may_map_what_the_outer_one_does_not():
    def f(x, y):
        return vmap(lambda row: vmap(sym.subtract, (0, None))(row, x))(y)

    check_values(f, RNG.normal(size=(4, 3)), RNG.normal(size=(4, 2, 3)))


# -- derivatives inside -------------------------------------------------------------------------------


def test_gradient_for_each_example():
    w, x, y = sym.var("w", shape=(3,)), sym.var("x", shape=("n", 3)), sym.var("y", shape=("n",))
    loss = lambda x, y: (sym.dot(w, x) - y) ** 2  # noqa: E731
    each = vmap(lambda x, y: grad(loss(x, y), w))(x, y)
    data = [RNG.normal(size=3), RNG.normal(size=(5, 3)), RNG.normal(size=5)]
    found, total = graphc.compile([w, x, y], [each, grad(vmap(loss)(x, y).sum(), w)])(*data)
    agree(found, 2 * (data[1] @ data[0] - data[2])[:, None] * data[1])
    agree(total, found.sum(0))


def test_gradient_of_a_shared_argument_and_of_an_own_one():
    def both(w, x):
        return grad(sym.sin(w * x).sum(), [w, x])

    check_values(both, RNG.normal(size=3), RNG.normal(size=(4, 3)), axes=[None, 0])


def test_second_derivatives_and_products_inside():
    def products(x, t):
        y = sym.sum(sym.sin(x) * x[::-1])
        return hvp(y, x, t), jvp(sym.exp(x), x, t)

    check(products, RNG.normal(size=(2, 3)), RNG.normal(size=(2, 3)))


@pytest.mark.parametrize("mode", ["forward", "reverse", "auto"])
def test_jacobian_is_made_of_gradients(mode):
    x, a = sym.var("x", shape=(3,)), sym.var("a", shape=(2, 3))
    y = {"y": sym.tanh(a @ x), "z": (x**2)[:2].reshape((2, 1))}
    data = {x: RNG.normal(size=3), a: RNG.normal(size=(2, 3))}
    found = interpret(graphc.jacobian(y, [x, a], mode), data)
    for key, node in y.items():
        elements = [node[i] for i in np.ndindex(*node.shape)]
        rows = interpret([grad(element, [x, a]) for element in elements], data)
        for jacobian, columns, wrt in zip(found[key], zip(*rows), (x, a)):
            agree(jacobian, np.reshape(columns, node.shape + wrt.shape))


def test_hessian_is_made_of_products_with_unit_vectors():
    x, w = sym.var("x", shape=("n",)), sym.var("w", shape=())
    data = [RNG.normal(size=3), np.array(0.5)]
    hessian = graphc.hessian(sym.sum(sym.sin(x * w) * x[::-1]), {"x": x, "w": w})
    found = graphc.compile([x, w], hessian)(*data)
    s, c = np.sin(data[0] * 0.5), np.cos(data[0] * 0.5)
    expected = np.diag(-0.25 * s * data[0][::-1]) + 0.5 * (np.diag(c)[::-1] + np.diag(c)[:, ::-1])
    agree(found["x"]["x"], expected)
    agree(found["w"]["w"], np.sum(-s * data[0] ** 2 * data[0][::-1]))
    agree(found["x"]["w"], found["w"]["x"])


def test_jacobian_and_hessian_of_untyped_nodes():
    x = sym.var("x")
    outputs = [graphc.jacobian(x**2, x), graphc.hessian(sym.sum(x**3), x)]
    found = graphc.compile(x, outputs)(np.array([1.0, 2.0]))
    agree(found, [np.diag([2.0, 4.0]), np.diag([6.0, 12.0])])


def test_jacobian_of_integers_or_in_no_mode_is_an_error():
    x = sym.var("x", shape=(3,), dtype="int64")
    with pytest.raises(graphc.GradientError, match="jacobian: x is int64"):
        graphc.jacobian(x * 2.0, x)
    with pytest.raises(graphc.GradientError, match="'reverse', 'forward' or 'auto'"):
        graphc.jacobian(x, x, "backward")


@pytest.mark.parametrize("axes", [(0, None), (0, 0)])
def test_convolution_and_pooling(axes):
    def f(x, w):
        return sym.max_pool(sym.conv(x, w, strides=2, padding=1), 2)

    shapes = [(1, 2, 4, 4), (2, 2, 2, 2)]
    check(f, *(RNG.normal(size=s if a is None else (2, *s)) for s, a in zip(shapes, axes)), axes=axes)


def test_layer_with_moving_statistics_in_training_and_inference():
    x = sym.var("x", shape=(4, 5, 2))
    y = vmap(lambda x: sym.BatchNorm(x, name="norm", fix_gamma=False))(x)
    data = RNG.normal(2.0, 3.0, x.shape)
    ones, zeros = np.ones(2), np.zeros(2)
    values = {"x": data, "norm_gamma": ones, "norm_beta": zeros, "norm_moving_mean": zeros, "norm_moving_var": ones}
    inputs = graphc.Graph.of(y).inputs
    found = [graphc.compile(inputs, y, training=t)(*[values[v.name] for v in inputs]) for t in (False, True)]
    agree(found[0], data, 1e-2)
    agree(found[1], (data - data.mean(1, keepdims=True)) / data.std(1, keepdims=True), 1e-2)


# -- types that are not known -------------------------------------------------------------------------


def test_untyped_function_is_recorded_and_serves_any_type():
    w, x = sym.var("w"), sym.var("x")
    loss = lambda x: sym.sum(sym.tanh(x * w))  # noqa: E731
    y = [vmap(loss)(x), vmap(lambda x: grad(loss(x), w))(x), grad(sym.sum(vmap(loss)(x)), w)]
    program = graphc.compile([w, x], y)
    for shape, dtype in (((3, 2), np.float64), ((4, 5, 2), np.float32)):
        w0, x0 = RNG.normal(size=shape[1:]).astype(dtype), RNG.normal(size=shape).astype(dtype)
        slope = (1 - np.tanh(x0 * w0) ** 2) * x0
        value = np.tanh(x0 * w0).reshape(shape[0], -1).sum(1)
        found = program(w0, x0)
        assert all(a.dtype == dtype for a in found)
        agree(found, [value, slope, slope.sum(0)], 1e-11 if dtype == np.float64 else 1e-5)


def test_untyped_closure_and_untyped_vmap_inside_vmap():
    a, x = sym.var("a"), sym.var("x", shape=(2, 3))
    y = vmap(lambda row: vmap(lambda e: e * a)(row), out_axes=1)(x)
    data = RNG.normal(size=(2, 3))
    agree(graphc.compile([a, x], y)(np.array([1.0, 2.0]), data), np.einsum("ij,k->jik", data, [1.0, 2.0]))


def test_extent_errors_of_untyped_arguments_come_when_types_do():
    a, b = sym.var("a"), sym.var("b")
    program = graphc.compile([a, b], vmap(lambda p, q: p + q)(a, b))
    agree(program(np.ones(3), np.ones(3)), np.full(3, 2.0))
    with pytest.raises(ShapeError, match="p has 3 along axis 0 .*, q has 4 along axis 0"):
        program(np.ones(3), np.ones(4))


# -- errors -------------------------------------------------------------------------------------------


def test_different_extents_are_an_error_that_shows_both_lines():
    x = sym.var("x", shape=(3, 2))
    y = sym.var("y", shape=(2, 4))
    line = r"\(test_vmap.py:\d+\)"
    message = rf"vmap: .*a has 3 along axis 0 {line}, b has 4 along axis 1 {line} {line}; slice one of them"
    with pytest.raises(ShapeError, match=message):
        vmap(lambda a, b: a, (0, 1))(x, y)
    with pytest.raises(ShapeError, match="declare the axes with one name or number"):
        vmap(lambda a, b: a)(x, sym.var("z", shape=("n",)))


@pytest.mark.parametrize("axis", [2, -3])
def test_axis_out_of_range_is_an_error(axis):
    x = sym.var("x", shape=(3, 2))
    with pytest.raises(ShapeError, match=rf"vmap, argument a: float64\[3, 2\] has no axis {axis}"):
        vmap(lambda a: a, axis)(x)
    with pytest.raises(ShapeError, match=rf"vmap, out_axes: float64\[3, 2\] has no axis {axis}"):
        vmap(lambda a: a, 0, axis)(x)


def test_no_mapped_argument_is_an_error():
    x = sym.var("x", shape=(3,))
    for call in (lambda: vmap(lambda: x)(), lambda: vmap(lambda a: a, None)(x), lambda: vmap(lambda a: a, (None,))(x)):
        with pytest.raises(ShapeError, match="no argument is mapped"):
            call()


@pytest.mark.parametrize("axes", [(0, 0), (0, 0, 0, 0), ((0, 0), 0, 0), (0, {"u": 0}, 0), (0, 1.5, 0), (True, 0, 0)])
def test_axes_that_do_not_fit_the_arguments_are_an_error(axes):
    x = sym.var("x", shape=(3,))
    with pytest.raises(ShapeError, match="vmap: in_axes has .*; say an axis, None, or a structure"):
        vmap(lambda a, b, c: a, axes)(x, {"v": x}, x)


def test_axes_that_do_not_fit_the_results_are_an_error():
    x = sym.var("x", shape=(3,))
    with pytest.raises(ShapeError, match="out_axes has .* for a tuple of 2"):
        vmap(lambda a: (a, a), 0, (0, 0, 0))(x)
    with pytest.raises(ShapeError, match=r"vmap: multiply .* differs from instance to instance"):
        vmap(lambda a: a * 2, 0, None)(x)


def test_a_result_that_is_no_array_is_an_error():
    with pytest.raises(graphc.DTypeError, match="vmap: str is no array"):
        vmap(lambda a: "a")(sym.var("x", shape=(3,)))


# -- the code it gives --------------------------------------------------------------------------------


def mlp(params, x):
    for w, b in params:
        x = sym.tanh(x @ w + b)
    return sym.sum(x)


def test_elementwise_code_is_that_of_arrays():
    x, y = sym.var("x", shape=(5, 3)), sym.var("y", shape=(5, 3))
    f = lambda x, y: sym.where(x > y, 2 * x, sym.sin(y) + 1)  # noqa: E731
    assert vmap(f)(x, y) is f(x, y)


def test_sums_and_shared_operands_are_those_of_arrays():
    x, b = sym.var("x", shape=("n", 3)), sym.var("b", shape=(3,))
    found = vmap(lambda x: sym.sum((x + b) ** 2))(x)
    assert found is sym.sum((x + b) ** 2, axis=1)


def test_matrix_times_each_vector_is_one_product_of_matrices():
    w, x = sym.var("w", shape=(40, 30)), sym.var("x", shape=(50, 30))
    found = graphc.simplify(vmap(lambda x: w @ x)(x))
    assert [node.op.name for node in graphc.Graph.of(found).nodes if node.args] == ["contract"]
    assert len(graphc.compile([w, x], found).kernels) == 1


def test_batched_network_has_the_kernels_of_one_written_for_batches():
    x = sym.var("x", shape=(64, 20))
    params = [(sym.var("w0", shape=(20, 30)), sym.var("b0", shape=(30,)))]
    params += [(sym.var("w1", shape=(30, 10)), sym.var("b1", shape=(10,)))]
    inputs = [x, *(p for pair in params for p in pair)]
    by_hand = sym.tanh(sym.tanh(x @ params[0][0] + params[0][1]) @ params[1][0] + params[1][1]).sum()
    mapped = vmap(lambda x: mlp(params, x))(x).sum()
    counts = [len(graphc.compile(inputs, [y, *grad(y, inputs[1:])]).kernels) for y in (by_hand, mapped)]
    assert counts[0] == counts[1]


def test_what_is_the_same_for_all_is_computed_once():
    w, x = sym.var("w", shape=(4,)), sym.var("x", shape=(3,))
    y = vmap(lambda x: sym.exp(w).sum() * x)(x)
    assert [n.shape for n in graphc.Graph.of(y).nodes if n.op.name == "exp"] == [(4,)]


def test_vmapped_code_works_inside_loops():
    w, x = sym.var("w", shape=(3,)), sym.var("x", shape=(2, 3))
    each = lambda s: vmap(lambda r: sym.tanh(r * w))(s)  # noqa: E731
    y = sym.fori_loop(0, 3, lambda i, s: each(s), x)
    data = {w: RNG.normal(size=3), x: RNG.normal(size=(2, 3))}
    expected = data[x]
    for _ in range(3):
        expected = np.tanh(expected * data[w])
    agree(interpret(y, data), expected)
