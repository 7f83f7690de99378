"""Layers that fold, multiply matrices, and read at computed places, against NumPy."""

import numpy as np
import pytest

from tests.sym.mx.cases import PLACES, case, check_gradients, check_values, draws

normal = draws(3)
A, B, ROW, X = normal(2, 3), normal(2, 3), normal(3), normal(2, 3, 4)
WITH_NAN = np.array([[1.0, np.nan, 3.0], [2.0, 4.0, np.nan]])
LENGTHS = np.array([1, 3, 2])
SERIES = normal(4, 3, 2)

CASES = [
    case("sum", [X], lambda x: x.sum().reshape(1)),
    case("sum", [X], lambda x: x.sum((0, 2)), axis=(0, 2)),
    case("sum", [X], lambda x: x.sum((0, 2)), axis=1, exclude=True),
    case("mean", [X], lambda x: x.mean(-1, keepdims=True), axis=-1, keepdims=True),
    case("prod", [X], lambda x: x.prod(1), axis=1),
    case("max", [X], lambda x: x.max((1, 2)), axis=(1, 2)),
    case("min", [X], lambda x: x.min().reshape(1)),
    case("nansum", [WITH_NAN], lambda x: np.nansum(x, 1), smooth=False, axis=1),
    case("nanprod", [WITH_NAN], lambda x: np.nanprod(x).reshape(1), smooth=False),
    case("norm", [X], lambda x: np.sqrt((x * x).sum()).reshape(1)),
    case("norm", [X], lambda x: np.abs(x).sum(1), ord=1, axis=1),
    case("argmax", [X], lambda x: x.argmax(1) * 1.0, smooth=False, axis=1),
    case("argmin", [X], lambda x: x.argmin().reshape(1) * 1.0, smooth=False),
    case("argmax_channel", [A], lambda x: x.argmax(1) * 1.0, smooth=False),
    case("dot", [X, normal(4, 5)], lambda x, y: x @ y),
    case("dot", [X, normal(2, 5)], lambda x, y: np.tensordot(x.T, y, 1), transpose_a=True),
    case("dot", [A, normal(5, 3)], lambda x, y: x @ y.T, transpose_b=True),
    case("dot", [ROW, ROW], lambda x, y: (x @ y).reshape(1)),
    case("batch_dot", [X, normal(2, 4, 5)], np.matmul),
    case(
        "batch_dot",
        [X, normal(2, 5, 3)],
        lambda x, y: x.swapaxes(1, 2) @ y.swapaxes(1, 2),
        transpose_a=True,
        transpose_b=True,
    ),
    case("_linalg_gemm", [X, normal(2, 4, 5), normal(2, 3, 5)], lambda x, y, z: 2 * x @ y + 3 * z, alpha=2.0, beta=3.0),
    case("_linalg_syrk", [X], lambda x: x @ x.swapaxes(1, 2)),
    case("_linalg_syrk", [X], lambda x: 2 * x.swapaxes(1, 2) @ x, transpose=True, alpha=2.0),
    case("moments", [X], lambda x: (x.mean((0, 2)), x.var((0, 2))), axes=(0, 2)),
    case("moments", [X], lambda x: (x.mean(keepdims=True), x.var(keepdims=True)), keepdims=True),
    case("_linalg_gemm2", [X, normal(2, 4, 5)], lambda x, y: 2 * x @ y, alpha=2.0),
    case("Embedding", [PLACES, normal(4, 3)], lambda i, w: w[np.clip(i, 0, 3).astype(int)], input_dim=4, output_dim=3),
    case("take", [X, PLACES], lambda x, i: np.take(x, i.astype(int), 1, mode="clip"), axis=1),
    case("take", [X, PLACES], lambda x, i: np.take(x, i.astype(int), 0, mode="wrap"), mode="wrap"),
    case("pick", [A, np.array([2, 0])], lambda x, i: x[[0, 1], i]),
    case("pick", [A, np.array([[1, 7, 0]])], lambda x, i: x[[[1, 1, 0]], [0, 1, 2]], axis=0, keepdims=True),
    case("batch_take", [A, np.array([2, 0])], lambda x, i: x[[0, 1], i]),
    case("gather_nd", [X, np.array([[1, 0, 1], [2, 0, 2]])], lambda x, i: x[i[0], i[1]]),
    case("scatter_nd", [A, np.array([[1, 3]])], lambda x, i: np.insert(x, [0, 1], 0, axis=0), shape=(4, 3)),
    case(
        "one_hot",
        [np.array([0, 2, 9])],
        lambda i: np.eye(10, 3, dtype="float32")[i] * 4 - 1,
        smooth=False,
        depth=3,
        on_value=3,
        off_value=-1,
    ),
    case("where", [np.array([[1, 0, 2], [0, 0, 1]]), A, B], lambda c, x, y: np.where(c, x, y)),
    case("where", [np.array([1, 0]), A, B], lambda c, x, y: np.stack([x[0], y[1]])),
    case("SequenceMask", [SERIES], lambda x: x),
    case(
        "SequenceMask",
        [SERIES, LENGTHS],
        lambda x, n: np.where(np.arange(4)[:, None, None] < n[:, None], x, -1),
        use_sequence_length=True,
        value=-1,
    ),
    case(
        "SequenceMask",
        [SERIES, np.array([1, 3, 2, 0])],
        lambda x, n: np.where(np.arange(3)[:, None] < n[:, None, None], x, 0),
        use_sequence_length=True,
        axis=1,
    ),
    case("SequenceLast", [SERIES], lambda x: x[-1]),
    case("SequenceLast", [SERIES, LENGTHS], lambda x, n: x[n - 1, range(3)], use_sequence_length=True),
    case("SequenceReverse", [SERIES], lambda x: x[::-1]),
    case(
        "SequenceReverse",
        [SERIES, LENGTHS],
        lambda x, n: np.stack([np.concatenate([x[:k, b][::-1], x[k:, b]]) for b, k in enumerate(n)], 1),
        use_sequence_length=True,
    ),
]


@pytest.mark.parametrize("typed", [True, False], ids=["typed", "untyped"])
def test_values_are_those_of_numpy(typed):
    check_values(CASES, typed)


def test_gradients_agree_with_differences():
    check_gradients(CASES)
