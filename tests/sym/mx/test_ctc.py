"""CTC against the sum over all paths, written out."""

from itertools import groupby, product

import numpy as np
import pytest

from graphc import check_gradient, sym
from graphc.errors import ShapeError

DATA = np.random.default_rng(0).normal(size=(4, 3, 3))


def spelt(path, blank):
    """What a path spells: repetitions are one, then blanks go."""
    return [c for c, _ in groupby(path) if c != blank]


def loss(data, label, blank=0):
    """−log of the probability of all paths of one example that spell the label."""
    p = np.exp(data) / np.exp(data).sum(1, keepdims=True)
    paths = product(range(data.shape[1]), repeat=len(data))
    return -np.log(sum(np.prod(p[range(len(data)), path]) for path in paths if spelt(path, blank) == list(label)))


@pytest.mark.parametrize(
    "labels", [[[1, 2], [1, 0], [0, 0]], [[2, 2], [1, 1], [2, 1]], [[1, 0, 2], [0, 1, 1], [2, 1, 2]]]
)
def test_the_loss_is_that_of_all_paths_that_spell_the_labels_before_the_first_blank(labels):
    ends = [(row + [0]).index(0) for row in labels]
    expected = [loss(DATA[:, b], labels[b][: ends[b]]) for b in range(3)]
    found = sym.CTCLoss(sym.var("x"), sym.var("y")).eval(x=DATA, y=np.array(labels, float))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_the_last_class_may_be_the_blank():
    labels = np.array([[0, 1], [1, -1], [-1, -1]])
    found = sym.CTCLoss(sym.var("x"), sym.var("y"), blank_label="last").eval(x=DATA, y=labels)
    np.testing.assert_allclose(found, [loss(DATA[:, b], labels[b][: 2 - b], 2) for b in range(3)], rtol=1e-12)


def test_lengths_may_be_given():
    net = sym.CTCLoss(sym.var("x"), sym.var("y"), use_data_lengths=True, use_label_lengths=True, name="ctc")
    assert net.list_arguments() == ["x", "y", "ctc_data_lengths", "ctc_label_lengths"]
    assert net.infer_shape((4, 3, 3), (3, 2))[0][2:] == [(3,), (3,)]
    lengths = {"ctc_data_lengths": np.array([4.0, 2, 3]), "ctc_label_lengths": np.array([2.0, 1, 0])}
    found = net.eval(x=DATA, y=np.array([[1.0, 2]] * 3), **lengths)
    expected = [loss(DATA[:t, b], [1, 2][:k]) for b, (t, k) in enumerate([(4, 2), (2, 1), (3, 0)])]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_its_gradient_agrees_with_differences():
    x = sym.var("x", shape=DATA.shape)
    losses = sym.CTCLoss(x, np.array([[1, 2], [2, 2], [1, 0]]))
    assert check_gradient(sym.sum(losses * np.array([1.0, 2, 3])), x, {"x": DATA}) < 1e-7


def test_labels_that_no_path_has_time_for_are_never_spelt():
    net = sym.sum(sym.CTCLoss(sym.var("x"), sym.var("y")))
    ex = net.bind({"x": DATA, "y": np.array([[1.0, 1, 1, 2]] * 3)})
    assert ex.forward()[0] > 1e29
    ex.backward()
    assert np.isfinite(ex.grad_dict["x"]).all()


def test_data_of_other_axes_is_an_error():
    with pytest.raises(ShapeError, match=r"CTCLoss: float64\[4, 3\] with labels .* give \[time, batch, classes\]"):
        sym.CTCLoss(sym.var("x", shape=(4, 3)), sym.var("y", shape=(4, 3)))
