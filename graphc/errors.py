"""What can go wrong, in the user's words; and one error for what is our own fault."""

from __future__ import annotations


class GraphcError(Exception):
    """Base of every error that wrong input causes."""


class ShapeError(GraphcError, ValueError):
    """Shapes, axes or extents that do not fit."""


class DTypeError(GraphcError, TypeError):
    """A dtype that an operator does not take, or a value that would be narrowed."""


class BindError(GraphcError, TypeError):
    """Data that does not fit the variables: a wrong name, count, dtype or shape; or a variable with no type yet."""


class GradientError(GraphcError, ValueError):
    """A derivative that is not defined as asked: no head gradient, an integer variable, an unused argument."""


class IterationError(GraphcError, RuntimeError):
    """A loop that reached its `max_iterations`."""


class InternalError(AssertionError):
    """A broken invariant of graphc itself; the message names the stage that broke it."""
