"""Seeing: every stage as text, graphs as pictures, and what a program costs."""

from graphc.show.costs import cost
from graphc.show.dot import to_dot
from graphc.show.formula import formula
from graphc.show.pruning import why
from graphc.show.text import to_text

__all__ = ["cost", "formula", "to_dot", "to_text", "why"]
