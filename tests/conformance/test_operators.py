"""Every operator against its own declaration: values, types, first and second derivatives, both modes.

Cases are drawn from each `Op`'s samples. The oracle is its NumPy function, through the interpreter; derivatives
are compared with differences of fourth order, and with the complex step where NumPy's function is analytic.
"""

import importlib
import pkgutil
from itertools import count
from zlib import crc32

import numpy as np
import pytest

import graphc.ops
from graphc import compile, sym
from graphc.autodiff.api import grad, jvp, vjp
from graphc.errors import DTypeError
from graphc.interpret import interpret
from graphc.node import Op, make, variable
from graphc.types import BOOL, FLOAT32, FLOAT64, INT64, Dim, Type

DTYPES = [np.dtype(name) for name in ("float64", "float32", "int64", "int32", "int8", "uint8", "bool")]
MODULES = [importlib.import_module(f"graphc.ops.{module.name}") for module in pkgutil.iter_modules(graphc.ops.__path__)]
OPS = {op.name: op for module in MODULES for op in vars(module).values() if isinstance(op, Op) and op.samples}
SMOOTH = [op for op in OPS.values() if op.vjp]

NUMBERS = count()  # of variables: every name is new
FIXED = {"reshape"}  # operators whose parameters hold for given extents only

# operators whose NumPy function is analytic in complex arguments
COMPLEX = """
    add subtract multiply divide negative exp exp2 expm1 log log2 log10 log1p sqrt sin cos tan arcsin arccos arctan
    sinh cosh tanh arcsinh arccosh arctanh expand transpose reshape slice flip pad concat sum prod contract
"""

every_operator = pytest.mark.parametrize("op", OPS.values(), ids=str)
every_variable_operator = pytest.mark.parametrize("op", [op for op in OPS.values() if op.name not in FIXED], ids=str)
every_smooth_operator = pytest.mark.parametrize("op", SMOOTH, ids=str)


# -- cases --------------------------------------------------------------------------------------------


def cases(op, dtypes=DTYPES, symbolic=False):
    """Nodes that apply the operator to fresh variables, one for each sample and dtype it takes."""
    found = []
    for sample in op.samples:
        params = tuple(dict(sample.params)[name] for name in op.params)
        for dtype in dtypes:
            for kinds in argument_dtypes(len(sample.shapes), dtype):
                types = [Type(d, named(s) if symbolic else s) for d, s in zip(kinds, sample.shapes, strict=True)]
                try:
                    node = make(op, tuple(variable(f"x{next(NUMBERS)}", t) for t in types), params)
                except DTypeError:
                    continue
                found.append((node, sample))
                break
    return found


def argument_dtypes(count, dtype):
    """The dtype for all arguments, or a bool first, or int64 for all but the first."""
    mixed = [(BOOL, *(dtype,) * (count - 1)), (dtype, *(INT64,) * (count - 1))]
    return [(dtype,) * count, *(mixed if count > 1 and dtype != BOOL else [])]


def symbolic_cases(op):
    """Every extent a name, in one dtype: extents that are equal have one name."""
    dtypes = [d for d in DTYPES if cases(op, [d])][:1]
    return cases(op, dtypes, symbolic=True)


def named(shape):
    return tuple(Dim.symbol(f"n{extent}") for extent in shape)


def arrays(node, sample, seed=0):
    """Random data for the variables of a case, within the sample's domains."""
    rng = np.random.default_rng([seed, crc32(node.op.name.encode())])
    domains = sample.domains or ((-2.0, 2.0),) * len(sample.shapes)
    return [
        draw(rng, arg.dtype, shape, *domain)
        for arg, shape, domain in zip(node.args, sample.shapes, domains, strict=True)
    ]


def draw(rng, dtype, shape, low, high):
    if dtype == BOOL:
        return rng.random(shape) < 0.5
    if dtype.kind == "f":
        return rng.uniform(low, high, shape).astype(dtype)
    info = np.iinfo(dtype)
    low, high = max(int(np.ceil(low)), int(info.min)), min(int(np.floor(high)), int(info.max))
    return rng.integers(low, max(low, high), shape, endpoint=True).astype(dtype)


def run(outputs, node, data):
    return interpret(outputs, dict(zip(node.args, data, strict=True)))


def assert_same(got, expected, ulps=8):
    assert got.dtype == expected.dtype and got.shape == expected.shape
    if got.dtype.kind == "f":
        tolerance = ulps * np.finfo(got.dtype).eps
        np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)
    else:
        np.testing.assert_array_equal(got, expected)


# -- values -------------------------------------------------------------------------------------------


@every_operator
def test_oracle_gives_what_the_type_rule_says(op):
    for node, sample in cases(op):
        run(node, node, arrays(node, sample))  # the interpreter compares dtype and shape


@every_variable_operator
def test_type_rule_holds_for_symbolic_extents(op):
    for node, sample in symbolic_cases(op):
        run(node, node, arrays(node, sample))


@every_operator
def test_compiled_value_is_the_interpreted_one(op):
    programs = cases(op)
    nodes = [node for node, _ in programs]
    data = [arrays(node, sample) for node, sample in programs]
    program = compile([arg for node in nodes for arg in node.args], nodes)
    expected = [run(node, node, given) for node, given in zip(nodes, data, strict=True)]
    for layout in (np.asarray, strided):
        for got, wanted in zip(program(*[layout(a) for given in data for a in given]), expected, strict=True):
            assert_same(got, wanted)


def strided(array):
    """The same values with a gap between neighbours, axes stored in reverse order."""
    wide = np.repeat(array.T, 2, axis=-1) if array.ndim else array
    return wide[..., ::2].T if array.ndim else array


@every_variable_operator
def test_one_code_serves_symbolic_extents(op):
    programs = symbolic_cases(op)
    nodes = [node for node, _ in programs]
    data = [arrays(node, sample) for node, sample in programs]
    program = compile([arg for node in nodes for arg in node.args], nodes)
    results = program(*[a for given in data for a in given])
    for got, node, given in zip(results, nodes, data, strict=True):
        assert_same(got, run(node, node, given))


# -- derivatives --------------------------------------------------------------------------------------


def smooth_cases(op, dtype=FLOAT64):
    """Cases of floats that give floats of the same dtype."""
    return [(node, sample) for node, sample in cases(op, [dtype]) if node.dtype == dtype]


def floats(node):
    return [arg for arg in node.args if arg.dtype.kind == "f"]


def weights(types, seed):
    """One fixed random constant a type."""
    rng = np.random.default_rng(seed)
    return [rng.uniform(0.5, 1.5, t.shape).astype(t.dtype) for t in types]


def scalar(outputs, seed=1):
    """A generic linear function of some nodes."""
    return sum((sym.sum(y * w) for y, w in zip(outputs, weights([y.type for y in outputs], seed), strict=True)), 0.0)


def assert_slopes(function, gradients, node, data, rtol):
    """Gradients of a scalar node against its slope along random directions."""
    for seed in range(2):
        directions = weights([arg.type for arg in floats(node)], 10 + seed)
        slope = sum((g * t).sum() for g, t in zip(gradients, directions, strict=True))
        h = 1e-3
        far, near, close, away = (moved(function, node, data, directions, k * h) for k in (-2, -1, 1, 2))
        np.testing.assert_allclose(slope, (far - 8 * near + 8 * close - away) / (12 * h), rtol=rtol, atol=rtol)


def moved(function, node, data, directions, h):
    """The function's value where the float arguments have moved by h in these directions."""
    rest = iter(directions)
    return run(function, node, [a + h * next(rest) if a.dtype.kind == "f" else a for a in data])


@every_smooth_operator
def test_gradient_agrees_with_differences(op):
    for node, sample in smooth_cases(op):
        data = arrays(node, sample)
        loss = scalar([node])
        assert_slopes(loss, run(grad(loss, floats(node)), node, data), node, data, 1e-7)


@every_smooth_operator
def test_second_derivative_agrees_with_differences_of_the_gradient(op):
    for node, sample in smooth_cases(op):
        data = arrays(node, sample)
        slope = scalar(grad(scalar([node]), floats(node)), seed=2)
        assert_slopes(slope, run(grad(slope, floats(node)), node, data), node, data, 1e-6)


@every_smooth_operator
def test_forward_mode_is_the_transpose_of_reverse_mode(op):
    for node, sample in smooth_cases(op):
        data, xs = arrays(node, sample), floats(node)
        ts, (g,) = weights([x.type for x in xs], 3), weights([node.type], 4)
        pushed, pulled = run([jvp(node, xs, ts), vjp(node, xs, g)], node, data)
        expected = sum((a * t).sum() for a, t in zip(pulled, ts, strict=True))
        np.testing.assert_allclose((g * pushed).sum(), expected, rtol=1e-12, atol=1e-12)


@every_smooth_operator
def test_second_derivatives_are_symmetric_in_both_modes(op):
    for node, sample in smooth_cases(op):
        data, xs = arrays(node, sample), floats(node)
        gradient = grad(scalar([node]), xs)
        u, v = (weights([x.type for x in xs], seed) for seed in (5, 6))
        hu, hv = run([jvp(gradient, xs, u), grad(scalar_with(gradient, v), xs)], node, data)
        left = sum((a * b).sum() for a, b in zip(hu, v, strict=True))
        right = sum((a * b).sum() for a, b in zip(hv, u, strict=True))
        np.testing.assert_allclose(left, right, rtol=1e-11, atol=1e-11)


def scalar_with(nodes, factors):
    return sum((sym.sum(y * w) for y, w in zip(nodes, factors, strict=True)), 0.0)


@pytest.mark.parametrize("op", [op for op in SMOOTH if op.name in COMPLEX.split()], ids=str)
def test_gradient_agrees_with_the_complex_step(op):
    for node, sample in smooth_cases(op):
        data = arrays(node, sample)
        moves = weights([arg.type for arg in node.args], 7)
        pushed = run(jvp(node, node.args, moves), node, data)
        stepped = op.numpy(*[a + 1e-30j * m for a, m in zip(data, moves, strict=True)], *node.params)
        np.testing.assert_allclose(pushed, np.imag(stepped) / 1e-30, rtol=1e-12, atol=1e-12)


@every_smooth_operator
def test_gradient_in_float32_agrees_with_float64(op):
    for (wide, sample), (narrow, _) in zip(smooth_cases(op), smooth_cases(op, FLOAT32), strict=True):
        data = arrays(narrow, sample)
        exact = run(grad(scalar([wide]), floats(wide)), wide, [a.astype(x.dtype) for a, x in zip(data, wide.args)])
        got = run(grad(scalar([narrow]), floats(narrow)), narrow, data)
        for a, b in zip(got, exact, strict=True):
            assert a.dtype == FLOAT32
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


@every_smooth_operator
def test_compiled_derivatives_are_the_interpreted_ones(op):
    programs = smooth_cases(op)
    outputs, inputs, data, expected = [], [], [], []
    for node, sample in programs:
        first = grad(scalar([node]), floats(node))
        second = grad(scalar(first, seed=2), floats(node))
        given = arrays(node, sample)
        inputs += node.args
        data += given
        outputs += [*first, *second]
        expected += run([*first, *second], node, given)
    for got, wanted in zip(compile(inputs, outputs)(*data), expected, strict=True):
        assert_same(got, wanted, ulps=256)
