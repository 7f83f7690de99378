"""Public functions called on arrays, against NumPy's of the same name: values before and after typing, derivatives."""

from typing import NamedTuple

import numpy as np

from graphc import compile, sym
from graphc.interpret import interpret
from graphc.tree import flatten
from tests.batching.programs import check


class Call(NamedTuple):
    """A function's name, shapes of its arrays, and what else it is called with."""

    name: str
    shapes: tuple
    kwargs: dict

    def apply(self, module, arrays):
        return flatten(getattr(module, self.name)(*arrays, **self.kwargs))[0]

    def __str__(self):
        return f"{self.name}{self.shapes}{self.kwargs or ''}"


def call(name, *shapes, **kwargs):
    return Call(name, shapes, kwargs)


def draw(shape, dtype, seed):
    """Numbers from -4 to 4 that often are equal; of unsigned integers and bools, not below 0."""
    rng = np.random.default_rng([seed, 7])
    return rng.integers(-4 if np.dtype(dtype).kind in "if" else 0, 5, shape).astype(dtype)


def check_values(calls, dtypes, rtol=1e-6):
    """Compiled and interpreted, for each combination of dtypes all calls as one program."""
    for kinds in dtypes:
        data = [[draw(s, kinds[k % len(kinds)], k) for k, s in enumerate(each.shapes)] for each in calls]
        for typed in (True, False):
            xs = [
                [sym.var(f"x{k}_{i}", *([a.shape, a.dtype] if typed else [])) for i, a in enumerate(arrays)]
                for k, arrays in enumerate(data)
            ]
            ys = [each.apply(sym, nodes) for each, nodes in zip(calls, xs)]
            inputs, given = [x for nodes in xs for x in nodes], [a for arrays in data for a in arrays]
            for found in (compile(inputs, ys)(*given), interpret(ys, dict(zip(inputs, given)))):
                for each, arrays, got in zip(calls, data, found, strict=True):
                    _agree(each, kinds, got, each.apply(np, arrays), rtol)


def _agree(each, kinds, got, wanted, rtol):
    for a, b in zip(got, map(np.asarray, wanted), strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape), f"{each} of {kinds}"
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-12, err_msg=f"{each} of {kinds}")


def check_derivatives(each):
    """Both orders and both modes, and instances, against a loop over these."""
    rng = np.random.default_rng(3)
    arrays = [rng.normal(size=(2, *shape)) for shape in each.shapes]
    check(lambda *xs: [y * y for y in each.apply(sym, xs)], *arrays, second=True)
