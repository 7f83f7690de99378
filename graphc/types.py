"""Types: a dtype and a shape, whose extents are integers or polynomials of named dimensions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from operator import mul
from typing import SupportsIndex, TypeAlias

import numpy as np

from graphc.errors import BindError, DTypeError, ShapeError

DType: TypeAlias = np.dtype

BOOL = np.dtype(np.bool_)
INT32 = np.dtype(np.int32)
INT64 = np.dtype(np.int64)
FLOAT32 = np.dtype(np.float32)
FLOAT64 = np.dtype(np.float64)
VOID = np.dtype(np.void)

_INTEGERS = (f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64))
SUPPORTED = {  # NumPy's own objects: equal dtypes are not always the same one
    dtype: dtype for dtype in map(np.dtype, ("bool", "float32", "float64", *_INTEGERS))
}


class Dim:
    """An integer polynomial of named dimensions, known when data is bound.

    `Dim.symbol('n')` is the dimension itself; sums, products and exact quotients of dimensions and integers
    are again a `Dim`, or an `int` where the names cancel. Equal polynomials are equal and hash alike.

    >>> n = Dim.symbol('n')
    >>> (n + 1) * (n - 1), (2 * n + 4) // 2, n - n
    (n**2 - 1, n + 2, 0)
    >>> (3 * n).evaluate({'n': 4})
    12
    """

    __slots__ = ("_hash", "_symbols", "terms")
    _symbols: frozenset[str] | None
    terms: tuple[tuple[Monomial, int], ...]

    def __init__(self, terms: Mapping[Monomial, int]) -> None:
        self.terms = tuple(sorted(terms.items(), key=lambda term: (-len(term[0]), [str(atom) for atom in term[0]])))
        self._hash = hash(self.terms)
        self._symbols = None

    @staticmethod
    def symbol(name: str) -> Dim:
        return _symbol(name)

    @staticmethod
    def collect(terms: Iterable[tuple[Monomial, int]]) -> Extent:
        """The sum of terms, of which some may be alike."""
        total: dict[Monomial, int] = {}
        for monomial, coefficient in terms:
            total[monomial] = total.get(monomial, 0) + coefficient
        kept = {m: c for m, c in total.items() if c}
        return kept.get((), 0) if not any(kept) else Dim(kept)

    def __add__(self, other: Extent) -> Extent:
        if not isinstance(other, int | Dim):  # type: ignore[redundant-expr]
            return NotImplemented
        return _sum(self, other)

    __radd__ = __add__

    def __neg__(self) -> Extent:
        return self * -1

    def __sub__(self, other: Extent) -> Extent:
        if not isinstance(other, int | Dim):  # type: ignore[redundant-expr]
            return NotImplemented
        return self + -other

    def __rsub__(self, other: Extent) -> Extent:
        return -self + other

    def __mul__(self, other: Extent) -> Extent:
        if not isinstance(other, int | Dim):  # type: ignore[redundant-expr]
            return NotImplemented
        return _product(self, other)

    __rmul__ = __mul__

    def __floordiv__(self, other: Extent) -> Extent:
        if not isinstance(other, int | Dim):  # type: ignore[redundant-expr]
            return NotImplemented
        exact = self._divide(other)
        if exact is None and isinstance(other, int) and other > 0:
            return self._divide_terms(other)
        return exact if exact is not None else Dim({(Quotient(self, other),): 1})

    def __rfloordiv__(self, other: int) -> Extent:
        return 0 if other == 0 else Dim({(Quotient(other, self),): 1})

    def _divide(self, other: Extent) -> Extent | None:
        """The quotient by a single term, if it is exact."""
        divisors = _terms(other)
        if len(divisors) != 1:
            return 1 if self == other else None
        (divisor, d), quotient = divisors[0], dict[Monomial, int]()
        for monomial, c in self.terms:
            rest = list(monomial)
            for atom in divisor:
                if atom not in rest:
                    return None
                rest.remove(atom)
            if c % d:
                return None
            quotient[tuple(rest)] = c // d
        return Dim.collect(quotient.items())

    def _divide_terms(self, d: int) -> Extent:
        """(d a + r) // d = a + r // d, with as much as can be in a."""
        a = [(m, c // d) for m, c in self.terms if c % d == 0 or not m]
        r = Dim.collect((m, c if m else c % d) for m, c in self.terms if c % d)
        return Dim.collect(a) + (Dim({(Quotient(r, d),): 1}) if isinstance(r, Dim) else 0)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Dim) and self.terms == other.terms)

    def __hash__(self) -> int:
        return self._hash

    def symbols(self) -> frozenset[str]:
        """The names it depends on."""
        if self._symbols is None:
            atoms = {atom for monomial, _ in self.terms for atom in monomial}
            names = [atom.symbols() if isinstance(atom, Quotient) else {atom} for atom in atoms]
            self._symbols = frozenset[str]().union(*names)
        return self._symbols

    def evaluate(self, values: Mapping[str, int]) -> int:
        """Its value, given one for each name."""
        return sum(
            c * reduce(mul, (a.evaluate(values) if isinstance(a, Quotient) else values[a] for a in monomial), 1)
            for monomial, c in self.terms
        )

    def substitute(self, values: Mapping[str, Extent]) -> Extent:
        """The polynomial with names replaced by extents."""
        total: Extent = 0
        for monomial, c in self.terms:
            factors = (a.substitute(values) if isinstance(a, Quotient) else values.get(a, _symbol(a)) for a in monomial)
            total = total + c * product(factors)
        return total

    def __repr__(self) -> str:
        text = " + ".join(_show_term(m, c) for m, c in self.terms)
        return text.replace("+ -", "- ")


@dataclass(frozen=True, slots=True)
class Quotient:
    """A floor division that is not exact: an atom of a `Dim`."""

    dividend: Extent
    divisor: Extent

    def symbols(self) -> frozenset[str]:
        return extent_symbols(self.dividend) | extent_symbols(self.divisor)

    def evaluate(self, values: Mapping[str, int]) -> int:
        return evaluate(self.dividend, values) // evaluate(self.divisor, values)

    def substitute(self, values: Mapping[str, Extent]) -> Extent:
        return substitute(self.dividend, values) // substitute(self.divisor, values)

    def __str__(self) -> str:
        return f"(({self.dividend})//({self.divisor}))"


Monomial: TypeAlias = "tuple[str | Quotient, ...]"
Extent: TypeAlias = "int | Dim"
Shape: TypeAlias = "tuple[Extent, ...]"


def substitute(extent: Extent, values: Mapping[str, Extent]) -> Extent:
    """The extent with names replaced by extents."""
    return extent.substitute(values) if isinstance(extent, Dim) else extent


TYPICAL = 1000  # what a named dimension is taken for where nobody knows


def _symbol(name: str) -> Dim:
    return Dim({(name,): 1})


REMEMBERED = 1 << 12  # sums and products: indices of a large graph are much alike


@lru_cache(REMEMBERED)
def _sum(a: Dim, b: Extent) -> Extent:
    return Dim.collect([*a.terms, *_terms(b)])


@lru_cache(REMEMBERED)
def _product(a: Dim, b: Extent) -> Extent:
    return Dim.collect((tuple(sorted(m + k, key=str)), c * d) for m, c in a.terms for k, d in _terms(b))


def _terms(extent: Extent) -> tuple[tuple[Monomial, int], ...]:
    return extent.terms if isinstance(extent, Dim) else (((), extent),)


def _show_term(monomial: Monomial, coefficient: int) -> str:
    powers = [f"{a}**{monomial.count(a)}" if monomial.count(a) > 1 else str(a) for a in dict.fromkeys(monomial)]
    shown = "*".join(powers)
    if not shown:
        return str(coefficient)
    return shown if coefficient == 1 else f"-{shown}" if coefficient == -1 else f"{coefficient}*{shown}"


def evaluate(extent: Extent, values: Mapping[str, int]) -> int:
    """The extent as a number, given one for each named dimension."""
    return extent.evaluate(values) if isinstance(extent, Dim) else extent


def typical(extent: Extent, dimension: int = TYPICAL) -> int:
    """A number to compare extents by, or what is made of them: the value where every name stands for so much."""
    return evaluate(extent, dict.fromkeys(extent_symbols(extent), dimension))


def extent_symbols(extent: Extent) -> frozenset[str]:
    return extent.symbols() if isinstance(extent, Dim) else frozenset()


def product(extents: Iterable[Extent]) -> Extent:
    """The product of extents; 1 for none."""
    total: Extent = 1
    for extent in extents:
        total = total * extent
    return total


@dataclass(frozen=True, slots=True)
class Type:
    """What a node's value is: the dtype of its elements and its shape."""

    dtype: DType
    shape: Shape = ()

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> Extent:
        return product(self.shape)

    def symbols(self) -> frozenset[str]:
        return frozenset().union(*map(extent_symbols, self.shape))

    def with_shape(self, shape: Shape) -> Type:
        return Type(self.dtype, shape)

    def with_dtype(self, dtype: DType) -> Type:
        return Type(dtype, self.shape)

    def __str__(self) -> str:
        return f"{self.dtype.name}[{', '.join(map(str, self.shape))}]"


@dataclass(frozen=True, slots=True)
class Bundle(Type):
    """What a node of several results gives: one type for each. No operator takes it but `item`, which picks one."""

    dtype: DType = VOID
    shape: Shape = ()
    types: tuple[Type, ...] = ()

    def symbols(self) -> frozenset[str]:
        return frozenset().union(*(type.symbols() for type in self.types))

    def __str__(self) -> str:
        return f"({', '.join(map(str, self.types))})"


@dataclass(frozen=True, slots=True)
class Stack(Type):
    """Values of one type, one for each iteration of a loop whose count is known only when it is done."""

    @property
    def element(self) -> Type:
        return Type(self.dtype, self.shape)

    def __str__(self) -> str:
        return f"stack of {self.dtype.name}[{', '.join(map(str, self.shape))}]"


def as_dtype(dtype: object) -> DType:
    """The dtype that a name, a Python type or a NumPy dtype stands for.

    Raises `DTypeError` for dtypes graphc does not compute in.
    """
    try:
        found = np.dtype(dtype).newbyteorder("=")  # type: ignore[call-overload]
    except TypeError as error:
        raise DTypeError(f"{dtype!r} is no dtype") from error
    if found not in SUPPORTED:
        names = ", ".join(sorted(d.name for d in SUPPORTED))
        raise DTypeError(f"dtype {found} is not supported; use one of {names}")
    return SUPPORTED[found]


def as_shape(shape: object) -> Shape:
    """A shape from an extent or a sequence of them; names become dimensions."""
    items = [shape] if isinstance(shape, (str, Dim, SupportsIndex)) else shape
    if not isinstance(items, Sequence):
        raise ShapeError(f"a shape is a tuple of extents, not {shape!r}")
    return tuple(_as_extent(item) for item in items)


def _as_extent(extent: object) -> Extent:
    match extent:
        case Dim():
            return extent
        case str() if extent.isidentifier():
            return Dim.symbol(extent)
        case SupportsIndex() if extent.__index__() >= 0:
            return extent.__index__()
        case _:
            raise ShapeError(f"an extent is a non-negative integer, a name or a Dim, not {extent!r}")


def match_extents(declared: Shape, given: Sequence[int], values: dict[str, int]) -> str | None:
    """Check concrete extents against declared ones, filling in named dimensions; what is wrong, or None."""
    if declared == given:
        return None
    if len(declared) != len(given):
        return f"has {len(given)} axes instead of {len(declared)}"
    for extent, number in zip(declared, given, strict=True):
        if isinstance(extent, Dim) and len(extent.terms) == 1 and (name := _lone_symbol(extent)) is not None:
            values.setdefault(name, number)
    for axis, (extent, number) in enumerate(zip(declared, given, strict=True)):
        if extent_symbols(extent) <= values.keys() and evaluate(extent, values) != number:
            known = "" if isinstance(extent, int) else f" = {evaluate(extent, values)}"
            return f"has {number} elements along axis {axis} instead of {extent}{known}"
    return None


def _lone_symbol(extent: Dim) -> str | None:
    (monomial, coefficient) = extent.terms[0]
    alone = coefficient == 1 and len(monomial) == 1 and isinstance(monomial[0], str)
    return monomial[0] if alone else None  # type: ignore[return-value]


def require_known(symbols: frozenset[str], values: Mapping[str, int]) -> None:
    """Raise `BindError` if a named dimension got no value."""
    if missing := sorted(symbols - values.keys()):
        raise BindError(
            f"no variable fixes the dimension {', '.join(missing)}: a named extent must stand alone in some shape"
        )
