"""Layers of order against what MXNet 1.9.1 gives."""

import numpy as np

from graphc import sym
from tests.sym.mx.cases import case, check_gradients, check_values, draws

normal = draws(5)
X, T = normal(2, 3, 4), np.array([[0.3, 0.2, 0.4, 0.3], [0.1, 0.3, 0.2, 0.1]])


def single(rows):
    return lambda x: np.array(rows, np.float32)


CASES = [
    case("sort", [X], np.sort),
    case("sort", [X], lambda x: np.sort(x, None)[::-1], axis=None, is_ascend=False),
    case("sort", [X], lambda x: np.sort(x, 1), axis=1),
    case("argsort", [T], single([[1, 0, 3, 2], [0, 3, 2, 1]]), smooth=False),
    case("argsort", [T], single([[1, 0, 1, 1], [0, 1, 0, 0]]), smooth=False, axis=0),
    case("argsort", [T], single([4, 7, 1, 6, 0, 3, 5, 2]), smooth=False, axis=None),
    case("argsort", [T], single([[2, 0, 3, 1], [1, 2, 0, 3]]), smooth=False, is_ascend=False),
    case("argsort", [T], lambda x: np.argsort(x, kind="stable"), smooth=False, dtype="int64"),
    case("topk", [T], single([[2], [1]]), smooth=False),
    case("topk", [T], single([[2, 0], [1, 2]]), smooth=False, k=2),
    case("topk", [T], single([[1, 0], [0, 3]]), smooth=False, k=2, is_ascend=True),
    case("topk", [T], single([[0, 1, 0, 0], [1, 0, 1, 1]]), smooth=False, k=2, axis=0),
    case("topk", [T], single([2, 0, 3]), smooth=False, k=3, axis=None),
    case("topk", [T], lambda x: np.array([[1.0, 0, 1, 0], [0, 1, 1, 0]]), smooth=False, k=2, ret_typ="mask"),
    case("topk", [T], lambda x: np.array([[1.0, 0, 1, 1], [0] * 4]), smooth=False, k=3, axis=None, ret_typ="mask"),
    case("topk", [X], lambda x: np.sort(x)[..., :1:-1], k=2, ret_typ="value"),
    case("topk", [X], lambda x: np.sort(x)[..., ::-1], k=0, ret_typ="value"),
    case(
        "topk",
        [X],
        lambda x: (np.sort(x, 1)[:, :2], np.argsort(x, 1)[:, :2].astype(np.float32)),
        k=2,
        axis=1,
        ret_typ="both",
        is_ascend=True,
    ),
]


def test_sorted_elements_and_their_places_are_mxnets():
    check_values(CASES, typed=True)
    check_values(CASES, typed=False)


def test_gradients_go_to_the_elements_that_were_taken():
    check_gradients(CASES)


def test_results_have_mxnets_names():
    x = sym.var("x")
    names = {ret: ["t_output"] for ret in ("indices", "mask")} | {"value": ["t_output0"]}
    for ret, wanted in (names | {"both": ["t_output0", "t_output1"]}).items():
        found = sym.mx.topk(x, k=2, ret_typ=ret, name="t")
        assert (sym.Group(found) if isinstance(found, tuple) else found).list_outputs() == wanted
    assert sym.mx.sort(x, name="t").list_outputs() == ["t_output0"]
    assert sym.mx.argsort(x, name="t").list_outputs() == ["t_output"]
