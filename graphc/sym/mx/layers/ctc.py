"""Connectionist temporal classification: the loss of labels in order, whose places in a sequence nobody knows.

Graves and others, 2006. A path names a class, or none (blank), at each time; it spells the labels that are left when
repetitions and then blanks are taken out. The loss is −log of the probability of all paths that spell the labels. It is
a scan over time, in logarithms, of the paths that end at each place of `blank a blank b blank …`.
"""

from __future__ import annotations

from typing import Any, Literal

from graphc.errors import ShapeError
from graphc.node import Node
from graphc.ops.creation import extent_value, index_along
from graphc.ops.declare import offence
from graphc.ops.movement import fill
from graphc.sym.control import scan
from graphc.sym.creation import arange
from graphc.sym.elementwise import astype, equal, logaddexp, not_equal, where
from graphc.sym.movement import concat, expand_dims, pad, reshaped, stack
from graphc.sym.mx.layer import Shapes, Values, layer
from graphc.sym.nn import log_softmax
from graphc.sym.reduction import logsumexp, max, min
from graphc.types import INT32

__all__ = ["CTCLoss"]

NEVER = -1e30  # log of the probability of what cannot be; −∞ would have no derivative


def _lengths(known: Shapes, a: Values) -> Shapes:
    batch = known["data"][1:2] if "data" in known else known["label"][:1] if "label" in known else None
    return {} if batch is None else {"data_lengths": batch, "label_lengths": batch}


@layer(
    aliases=("ctc_loss", "_contrib_CTCLoss", "_contrib_ctc_loss"),
    shapes=_lengths,
    outputs=lambda a: ("output0",),
    when={"data_lengths": lambda a: a["use_data_lengths"], "label_lengths": lambda a: a["use_label_lengths"]},
)
def CTCLoss(
    data: Node,
    label: Node,
    data_lengths: Node | None = None,
    label_lengths: Node | None = None,
    *,
    use_data_lengths: bool = False,
    use_label_lengths: bool = False,
    blank_label: Literal["first", "last"] = "first",
) -> Node:
    """−log of the probability that `softmax(data)`, `[time, batch, classes]`, spells the labels, for each example.

    Labels are `[batch, length]`. The blank is class 0, and labels end before the first 0; or with
    `blank_label='last'` it is the last class, and they end before the first −1. Lengths may be given instead.

    >>> from graphc import sym
    >>> y = CTCLoss(sym.var('x', shape=(20, 'n', 11)), name='ctc')
    >>> y.list_arguments(), y.infer_shape(x=(20, 8, 11), ctc_label=(8, 5))[1]
    (['x', 'ctc_label'], [(8,)])
    """
    if data.ndim != 3 or label.ndim != 2:
        what = f"{data.type} with labels {label.type}"
        raise ShapeError(offence("CTCLoss", what, "give [time, batch, classes] and [batch, length]"))
    first = blank_label == "first"
    classes, blank = astype(label, INT32), 0 if first else _last(data)
    ends = _length(classes, 0 if first else -1) if label_lengths is None else astype(label_lengths, INT32)
    places = _with_blanks(classes, blank)
    scores = _at(log_softmax(data, 2), places)
    return -_spelt(_reached(scores, places, blank, data_lengths), ends)


def _last(data: Node) -> int:
    """The number of the last class."""
    if not isinstance(data.shape[2], int):
        what = f"{data.type} has an unknown number of classes"
        raise ShapeError(offence("CTCLoss", what, "declare it, or take blank_label='first'"))
    return data.shape[2] - 1


def _length(classes: Node, padding: int) -> Node:
    """How many labels stand before the first that is padding."""
    place = index_along(classes.typed, 1, INT32)
    return min(where(equal(classes, padding), place, extent_value(classes.shape[1], INT32)), 1)


def _with_blanks(classes: Node, blank: Any) -> Node:
    """The labels with a blank before, between and behind them: `[batch, places]`."""
    n, length = classes.shape
    between = fill(blank, classes.typed)
    pairs = reshaped(stack([between, classes], 2), (n, 2 * length))
    return concat([pairs, fill(blank, classes.typed.with_shape((n, 1)))], 1)


def _at(scores: Node, places: Node) -> Node:
    """The scores of the classes that stand at the places: `[time, batch, places]`."""
    hit = equal(expand_dims(places, 2), arange(scores.shape[2], dtype=INT32))
    return max(where(hit, expand_dims(scores, 2), NEVER), 3)


def _reached(scores: Node, places: Node, blank: Any, lengths: Node | None) -> Node:
    """For each place log of the probability of all paths that end there, at the end of the sequence."""
    leaps = not_equal(places, blank) & not_equal(places, _moved(places, 2, blank))  # past a blank, to another label
    start = equal(index_along(scores.typed.with_shape(places.shape), 1, INT32), 0)
    time = index_along(scores.typed.with_shape(scores.shape[:2]), 0, INT32)
    running = fill(1, time.typed) > 0 if lengths is None else time < astype(lengths, INT32)

    def step(reached: Node, now: tuple[Node, Node]) -> tuple[Node, tuple[()]]:
        score, runs = now
        on = logaddexp(reached, _moved(reached, 1, NEVER))
        on = logaddexp(on, where(leaps, _moved(reached, 2, NEVER), NEVER)) + score
        return where(expand_dims(runs, 1), on, reached), ()

    before = astype(where(start, 0, NEVER), scores.dtype)  # the first step stays at the first place, or goes on
    reached, _ = scan(step, before, (scores, running))
    return reached


def _moved(x: Node, count: int, value: Any) -> Node:
    """What stands so many places before, along the last axis."""
    return pad(x, ((0, 0), (count, 0)), constant_values=value)[:, : x.shape[1]]


def _spelt(reached: Node, ends: Node) -> Node:
    """log of the probability of the paths that end with the last label, or with the blank behind it."""
    place, last = index_along(reached.typed, 1, INT32), expand_dims(2 * ends, 1)
    return logsumexp(where(equal(place, last) | equal(place, last - 1), reached, NEVER), 1)
