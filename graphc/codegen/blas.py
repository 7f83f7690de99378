"""A contraction of matrices as calls of BLAS; transposes are flags, never copies."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from graphc.codegen.emit import ADDRESS, INT32, INT64, Emitter, Pointer, Value
from graphc.node import Node
from graphc.ops.contraction import pairing
from graphc.types import Extent, product

ROW_MAJOR, PLAIN, TRANSPOSED = 101, 111, 112


def emit_contraction(
    e: Emitter,
    node: Node,
    operands: tuple[Pointer, Pointer],
    result: Pointer,
    evaluate: Callable[[Extent], Value | int],
    integer: np.dtype,
) -> None:
    """One gemm for each index of the batch axes."""
    (a, b), pairs = node.args, pairing(node)
    free_a, free_b = pairs.free_a(a.ndim), pairs.free_b(b.ndim)
    rows, columns = node.shape[len(pairs.batch_a) :][: len(free_a)], node.shape[len(pairs.batch_a) + len(free_a) :]
    terms = tuple(a.shape[axis] for axis in pairs.axes_a)
    m, n, k = product(rows), product(columns), product(terms)

    def value(extent: Extent, dtype: np.dtype = integer) -> Value:
        found = evaluate(extent)
        return e.convert(found, dtype) if isinstance(found, Value) else e.const(found, dtype)

    def leading(stride: Extent) -> Value:
        return e.maximum(value(stride), 1) if not isinstance(stride, int) else value(max(1, stride))

    flag_a, lead_a = _layout(a, free_a, pairs.axes_a)
    flag_b, lead_b = _layout(b, pairs.axes_b, free_b)
    function = "blas_sgemm" if node.dtype.itemsize == 4 else "blas_dgemm"

    def call(at: Sequence[Pointer]) -> None:
        left, right, out = (Value(pointer.text, ADDRESS) for pointer in at)
        one, zero = e.const(1, node.dtype), e.const(0, node.dtype)
        flags = [e.const(flag, INT32) for flag in (ROW_MAJOR, flag_a, flag_b)]
        sizes = [value(m), value(n), value(k)]
        e.do(function, [*flags, *sizes, one, left, leading(lead_a), right, leading(lead_b), zero, out, leading(n)])

    steps = [_strides(a, pairs.batch_a), _strides(b, pairs.batch_b), _strides(node, tuple(range(len(pairs.batch_a))))]
    _over_batch(e, [a.shape[axis] for axis in pairs.batch_a], steps, (*operands, result), evaluate, call)


def _over_batch(
    e: Emitter,
    extents: Sequence[Extent],
    steps: Sequence[Sequence[Extent]],
    at: Sequence[Pointer],
    evaluate: Callable[[Extent], Value | int],
    call: Callable[[Sequence[Pointer]], None],
) -> None:
    """Nested loops over the batch axes, with the three addresses moved along."""
    if not extents:
        call(at)
        return

    def body(i: Value, _: list[Value]) -> list[Value]:
        moved = tuple(e.offset(pointer, e.mul(i, evaluate(step[0]))) for pointer, step in zip(at, steps, strict=True))
        _over_batch(e, extents[1:], [step[1:] for step in steps], moved, evaluate, call)
        return []

    count = evaluate(extents[0])
    e.loop(0, count if isinstance(count, int) else e.convert(count, INT64), 1, [], body)


def _layout(x: Node, rows: tuple[int, ...], columns: tuple[int, ...]) -> tuple[int, Extent]:
    """Whether BLAS sees the matrix transposed, and the distance between its rows as they lie."""
    stride = _stride(x)
    if columns and columns[-1] == x.ndim - 1:
        return PLAIN, stride(rows[-1]) if rows else product(x.shape[axis] for axis in columns)
    return TRANSPOSED, stride(columns[-1]) if columns else product(x.shape[axis] for axis in rows)


def _stride(x: Node) -> Callable[[int], Extent]:
    return lambda axis: product(x.shape[axis + 1 :])


def _strides(x: Node, axes: tuple[int, ...]) -> list[Extent]:
    return [_stride(x)(axis) for axis in axes]
