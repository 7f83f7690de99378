"""Einstein's summation: `einsum("ij,jk->ik", a, b)`; more than two operands are contracted in pairs.

An operand becomes a term: a node whose axes are labelled, by letters, and by -1, -2, … those of an ellipsis, from the
last. Alone, a term loses what no other needs: letters it repeats, axes that stretch, letters nobody else has. Two
terms are one contraction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from functools import cache
from itertools import chain, combinations
from math import prod
from typing import NamedTuple, TypeAlias

from graphc.errors import ShapeError
from graphc.node import Node
from graphc.ops.declare import offence
from graphc.ops.movement import permuted
from graphc.ops.reduction import MAX, SUM
from graphc.sym.contraction import contracted
from graphc.sym.diagonals import along_diagonal
from graphc.sym.movement import reshaped
from graphc.sym.promote import ArrayLike, promote
from graphc.sym.record import public
from graphc.types import BOOL, Extent, typical

__all__ = ["einsum"]

Label: TypeAlias = "str | int"
Labels: TypeAlias = "tuple[Label, ...]"
Some: TypeAlias = frozenset[int]  # which operands

DOTS = "..."
SEARCHED = 8  # operands up to which all orders are compared


class Term(NamedTuple):
    """A node, and a label for each of its axes."""

    node: Node
    labels: Labels


@public
def einsum(subscripts: str, *operands: ArrayLike) -> Node:
    """Products summed over the letters that the result leaves out.

    Without `->` the result has the letters that stand once, in alphabetical order. A letter repeated within an operand
    is its diagonal; `...` are axes that broadcast. Several operands are contracted in pairs, the cheapest way.

    >>> from graphc import sym
    >>> a, b = sym.var('a', shape=('n', 3)), sym.var('b', shape=(3, 'm'))
    >>> einsum('ij,jk->ki', a, b).shape
    (m, n)
    """
    nodes = promote("einsum", *operands)
    terms, result = _read(subscripts, nodes)
    extents = _extents(terms)
    terms = [_unstretched(_once(term), extents) for term in terms]
    uses = Counter(chain(result, *(term.labels for term in terms)))
    found = _joined([_summed(term, uses) for term in terms], result, extents)
    return permuted(found.node, tuple(map(found.labels.index, result)))


# -- what is written --------------------------------------------------------------------------------


def _read(subscripts: str, nodes: Sequence[Node]) -> tuple[list[Term], Labels]:
    """The operands with their labels, and the labels of the result."""
    left, arrow, right = subscripts.replace(" ", "").partition("->")
    texts = left.split(",")
    if len(texts) != len(nodes):
        what = f"'{subscripts}' is for {len(texts)} operands, not for {len(nodes)}"
        raise ShapeError(offence("einsum", what, "separate the letters of operands by commas"))
    terms = [Term(node, _labels(text, node)) for text, node in zip(texts, nodes)]
    hidden = max(sum(isinstance(label, int) for label in term.labels) for term in terms)
    return terms, _explicit(right, terms, hidden) if arrow else _implicit(terms, hidden)


def _labels(text: str, node: Node) -> Labels:
    """One label for each axis of an operand."""
    before, dots, after = text.partition(DOTS)
    _require_letters(text, before + after)
    hidden = node.ndim - len(before + after)
    if hidden < 0 or (hidden > 0 and not dots):
        way_out = "write a letter for each axis, or ... for the others"
        raise ShapeError(offence("einsum", f"'{text}' has {len(before + after)} letters for {node.type}", way_out))
    return (*before, *range(-hidden, 0), *after)


def _require_letters(text: str, letters: str) -> None:
    for letter in letters:
        if not (letter.isascii() and letter.isalpha()):
            raise ShapeError(offence("einsum", f"'{letter}' in '{text}' is no letter", "use letters, and one ..."))


def _explicit(text: str, terms: Sequence[Term], hidden: int) -> Labels:
    before, dots, after = text.partition(DOTS)
    _require_letters(text, before + after)
    if hidden and not dots:
        way_out = "put ... into the result, or sum over them first"
        raise ShapeError(offence("einsum", f"'{text}' leaves out the axes that ... stands for", way_out))
    known = set(chain(*(term.labels for term in terms)))
    for letter, count in Counter(before + after).items():
        if letter not in known:
            raise ShapeError(offence("einsum", f"'{letter}' of the result is in no operand", "leave it out"))
        if count > 1:
            raise ShapeError(offence("einsum", f"'{letter}' stands twice in the result", "name each letter once"))
    return (*before, *range(-hidden, 0), *after)


def _implicit(terms: Sequence[Term], hidden: int) -> Labels:
    letters = Counter(x for x in chain(*(term.labels for term in terms)) if isinstance(x, str))
    return (*range(-hidden, 0), *sorted(letter for letter, count in letters.items() if count == 1))


def _extents(terms: Sequence[Term]) -> dict[Label, Extent]:
    """The extent that each label stands for; axes of extent 1 stretch to it."""
    found: dict[Label, Extent] = {}
    for number, (node, labels) in enumerate(terms):
        for label, n in zip(labels, node.shape):
            known = found.get(label, 1)
            if n != known and n != 1 and known != 1:
                axis = f"'{label}'" if isinstance(label, str) else f"axis {label} of ..."
                what = f"{axis} has {n} elements in operand {number}, {node.type}, and {known} before it"
                raise ShapeError(offence("einsum", what, "slice or pad one of them, or use another letter"))
            found[label] = known if n == 1 else n
    return found


# -- one term ---------------------------------------------------------------------------------------


def _once(term: Term) -> Term:
    """A term with each label once: along its diagonal where one stands twice."""
    node, labels = term
    for axis, label in enumerate(labels):
        if label not in labels[axis + 1 :]:
            continue
        other = labels.index(label, axis + 1)
        if node.shape[axis] != node.shape[other]:
            what = f"'{label}' stands for {node.shape[axis]} and for {node.shape[other]} elements of {node.type}"
            raise ShapeError(offence("einsum", what, "slice it to a square"))
        return _once(Term(along_diagonal(node, axis, other), labels[:axis] + labels[axis + 1 :]))
    return term


def _unstretched(term: Term, extents: Mapping[Label, Extent]) -> Term:
    """A term without the axes that stretch."""
    kept = [k for k, (label, n) in enumerate(zip(term.labels, term.node.shape)) if n == extents[label]]
    node = reshaped(term.node, tuple(term.node.shape[k] for k in kept))
    return Term(node, tuple(term.labels[k] for k in kept))


def _summed(term: Term, uses: Mapping[Label, int]) -> Term:
    """A term with just the labels that others have too, or the result."""
    alone = tuple(axis for axis, label in enumerate(term.labels) if uses[label] == 1)
    fold = MAX if term.node.dtype == BOOL else SUM
    kept = tuple(label for label in term.labels if uses[label] > 1)
    return Term(fold(term.node, axes=alone), kept) if alone else term


# -- all terms --------------------------------------------------------------------------------------


def _joined(terms: Sequence[Term], result: Labels, extents: Mapping[Label, Extent]) -> Term:
    """All terms as one, contracted in pairs in the order of fewest multiplications."""

    def kept(some: Some) -> set[Label]:
        others = [terms[k].labels for k in range(len(terms)) if k not in some]
        return {label for k in some for label in terms[k].labels}.intersection(chain(result, *others))

    def cost(parts: tuple[Some, Some]) -> int:
        labels = kept(parts[0]) | kept(parts[1])
        return sum(map(work, parts)) + prod(typical(extents[label]) for label in labels)

    @cache
    def work(some: Some) -> int:
        return min(map(cost, _halves(some)), default=0)

    def join(some: Some) -> Term:
        if len(some) == 1:
            return terms[min(some)]
        a, b = map(join, min(_halves(some), key=cost))
        return _contracted(a, b, kept(some), result)

    return join(frozenset(range(len(terms))))


def _halves(some: Some) -> Iterator[tuple[Some, Some]]:
    """The ways to divide some operands in two; of very many, only the last one is split off."""
    *others, last = sorted(some)
    for size in range(len(others) if len(some) <= SEARCHED else 1):
        for more in combinations(others, size):
            yield some.difference((*more, last)), frozenset((*more, last))


def _contracted(a: Term, b: Term, kept: Container[Label], result: Labels) -> Term:
    """Two terms as one, with its labels in the order of the result, if one contraction gives them so."""
    labels = _natural(a, b, kept)
    if labels != result == _natural(b, a, kept):
        a, b, labels = b, a, result
    return Term(contracted("einsum", a.node, a.labels, b.node, b.labels, labels), labels)


def _natural(a: Term, b: Term, kept: Container[Label]) -> Labels:
    """The labels of a contraction as it gives them: those of both that are kept, then those of a and b alone."""
    batch = [label for label in a.labels if label in b.labels and label in kept]
    return (*batch, *(x for x in a.labels if x not in b.labels), *(x for x in b.labels if x not in a.labels))
