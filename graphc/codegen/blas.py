"""A contraction of matrices, for each index of its batch axes: code of its own, or a call of BLAS."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import TypeAlias

import numpy as np

from graphc.codegen.emit import ADDRESS, INT32, INT64, Emitter, Value
from graphc.codegen.indices import Evaluate
from graphc.codegen.parallel import Span
from graphc.codegen.product import Operands, emit_product
from graphc.node import Node
from graphc.ops.contraction import batch_strides, pairing, summed_products
from graphc.ops.product import Lying, Product, is_generated
from graphc.types import Extent, product

Range: TypeAlias = "tuple[Value | int, Value | int]"

ROW_MAJOR, PLAIN, TRANSPOSED = 101, 111, 112


def emit_contraction(
    e: Emitter, node: Node, places: Operands, evaluate: Evaluate, integer: np.dtype, part: Mapping[str, Span]
) -> None:
    """All its products, or of a part those of a range of the batch, of rows or of columns; `integer` is BLAS's."""
    (a, _), pairs, matrices = node.args, pairing(node), Product.of(node)
    summed = pairs.axes_a[: summed_products(node)]
    kept = [product(node.shape[axis + 1 :]) for axis in range(len(pairs.batch_a))]
    steps = [*batch_strides(node), (*kept, *(0 for _ in summed))]

    def one(at: Operands, index: Sequence[Value]) -> None:
        more = reduce(e.or_, index[len(kept) :], e.const(0, INT64))
        if is_generated(node):
            emit_product(e, matrices, at, evaluate, more, part)
        else:
            _call(e, matrices, at, evaluate, more, integer)

    ranges: list[Range] = [(0, evaluate(a.shape[axis])) for axis in (*pairs.batch_a, *summed)]
    if "batch" in part:
        ranges[0] = part["batch"]
    _over_batch(e, ranges, steps, places, evaluate, one)


def _call(
    e: Emitter,
    matrices: Product,
    at: Operands,
    evaluate: Evaluate,
    more: Value,
    integer: np.dtype,
) -> None:
    """The call of gemm, which adds to the result if there is more than the first product; transposes are flags."""
    m, n, k, left, right = matrices
    dtype = at[2].dtype

    def value(extent: Extent) -> Value:
        found = evaluate(extent)
        return e.convert(found, integer) if isinstance(found, Value) else e.const(found, integer)

    def leading(stride: Extent) -> Value:
        return value(max(1, stride)) if isinstance(stride, int) else e.maximum(value(stride), 1)

    def flag(lying: Lying) -> Value:
        return e.const(TRANSPOSED if lying.flipped else PLAIN, INT32)

    a, b, c = (Value(pointer.text, ADDRESS) for pointer in at)
    form = [e.const(ROW_MAJOR, INT32), flag(left), flag(right), value(m), value(n), value(k)]
    one, zero = e.const(1, dtype), e.const(0, dtype)
    kept = zero if more.is_constant else e.select(e.ne(more, 0), one, zero)
    scaled = [one, a, leading(left.lead), b, leading(right.lead), kept, c, leading(n)]
    e.do("blas_sgemm" if dtype.itemsize == 4 else "blas_dgemm", [*form, *scaled])


def _over_batch(
    e: Emitter,
    ranges: Sequence[Range],
    steps: Sequence[Sequence[Extent]],
    at: Operands,
    evaluate: Evaluate,
    one: Callable[[Operands, Sequence[Value]], None],
    index: Sequence[Value] = (),
) -> None:
    """Nested loops over some axes, with the three addresses moved along."""
    if not ranges:
        one(at, index)
        return

    def body(i: Value, _: list[Value]) -> list[Value]:
        a, b, c = (e.offset(x, e.mul(i, evaluate(step[0]))) for x, step in zip(at, steps, strict=True))
        _over_batch(e, ranges[1:], [step[1:] for step in steps], (a, b, c), evaluate, one, (*index, i))
        return []

    e.loop(*ranges[0], 1, [], body)
