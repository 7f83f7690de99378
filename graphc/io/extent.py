"""Extents as text, `2*n - 1`: what a `Dim` prints, read by a parser that takes just that.

sum      = ["-"] product { ("+" | "-") product }
product  = power { "*" power }
power    = atom ["**" number]
atom     = number | name | "((" sum ")//(" sum "))"
"""

from __future__ import annotations

import re

from graphc.errors import GraphcError
from graphc.types import Dim, Extent

LONGEST = 10_000  # characters
DEEPEST = 20  # quotients inside quotients
HIGHEST = 64  # exponent

_TOKEN = re.compile(r"\s*([0-9]+|[^\W\d]\w*|\*\*|//|[-+*()])")


def read_extent(text: str) -> Extent:
    """The polynomial that a text is."""
    return _Parser(text).whole()


class _Parser:
    """A place in a text; each method reads one part of the grammar and goes on."""

    def __init__(self, text: str) -> None:
        self.text, self.depth = text, 0
        self.tokens = self._tokens()
        self.next = 0

    def _tokens(self) -> list[str]:
        if len(self.text) > LONGEST:
            raise self._error(f"is longer than {LONGEST} characters")
        found, end = list[str](), 0
        while match := _TOKEN.match(self.text, end):
            found.append(match[1])
            end = match.end()
        if self.text[end:].strip():
            raise self._error(f"has {self.text[end]!r}, which no extent has")
        return found

    def _error(self, what: str) -> GraphcError:
        return GraphcError(f"the extent {self.text!r:.60} {what}")

    def whole(self) -> Extent:
        total = self.sum()
        if self.next < len(self.tokens):
            raise self._error(f"goes on after its end: {self.tokens[self.next]}")
        return total

    def sum(self) -> Extent:
        total: Extent = self.product() * -1 if self._took("-") else self.product()
        while True:
            if self._took("+"):
                total = total + self.product()
            elif self._took("-"):
                total = total - self.product()
            else:
                return total

    def product(self) -> Extent:
        total = self.power()
        while self._took("*"):
            total = total * self.power()
        return total

    def power(self) -> Extent:
        base: Extent = self.atom()
        if not self._took("**"):
            return base
        total, exponent = base, self._take()
        if not exponent.isdecimal() or len(exponent) > 2 or not 1 < int(exponent) <= HIGHEST:
            raise self._error(f"has the exponent {exponent}; from 2 to {HIGHEST} there are")
        for _ in range(int(exponent) - 1):
            total = total * base
        return total

    def atom(self) -> Extent:
        token = self._take()
        if token.isdecimal():
            return int(token)
        if token.isidentifier():
            return Dim.symbol(token)
        if token != "(":
            raise self._error(f"has {token} where a number or a name should be")
        return self.quotient()

    def quotient(self) -> Extent:
        self.depth += 1
        if self.depth > DEEPEST:
            raise self._error(f"has more than {DEEPEST} quotients inside each other")
        self._require("(")
        dividend = self.sum()
        for token in (")", "//", "("):
            self._require(token)
        divisor = self.sum()
        for token in (")", ")"):
            self._require(token)
        self.depth -= 1
        if divisor == 0:
            raise self._error("divides by 0")
        return dividend // divisor

    def _took(self, token: str) -> bool:
        """Whether the next token was this one, which then is behind us."""
        found = self.next < len(self.tokens) and self.tokens[self.next] == token
        self.next += found
        return found

    def _take(self) -> str:
        if self.next == len(self.tokens):
            raise self._error("ends too early")
        self.next += 1
        return self.tokens[self.next - 1]

    def _require(self, token: str) -> None:
        if (found := self._take()) != token:
            raise self._error(f"has {found} where {token} should be")
