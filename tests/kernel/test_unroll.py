"""Unroll: short innermost axes are written out where a long one is around them, and not too much comes of it."""

import pytest

from graphc import sym
from graphc.graph import Graph
from graphc.kernel.fuse import fuse
from graphc.kernel.program import Program


def loops(shape):
    """The extents of the loops of the only kernel that reads an array of this shape, padded."""
    x = sym.var("x", shape=shape)
    graph = Graph.of(sym.exp(sym.pad(x, [(1, 1)] * len(shape))))  # padding: no two axes are one
    (kernel,) = Program.of(graph, fuse(graph)).kernels
    return tuple(axis.extent for axis in kernel.axes)


@pytest.mark.parametrize(("shape", "written"), [((98, 1), (100,)), ((98, 1, 2), (100,)), ((98, 10, 1), (100, 12))])
def test_short_axes_are_written_out(shape, written):
    assert loops(shape) == written


@pytest.mark.parametrize("shape", [(98, 5, 5), (98, 7), (5, 1), (98, 2, 4, 1)])
def test_short_axes_stay_if_not_all_can_go(shape):
    assert loops(shape) == tuple(extent + 2 for extent in shape)


def test_many_values_are_not_written_out():
    x = sym.var("x", shape=(100, 7))
    y = x
    for _ in range(100):
        y = sym.sin(y)
    graph = Graph.of(sym.sum(y, axis=1))
    (kernel,) = Program.of(graph, fuse(graph)).kernels
    assert [axis.extent for axis in kernel.axes] == [100, 7]
