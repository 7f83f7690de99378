"""The user's own line: where a node was made, and how messages show it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TypeAlias

Source: TypeAlias = "tuple[str, int] | None"
_PACKAGE = str(Path(__file__).parent) + "/"


def user_source() -> Source:
    """File and line of the innermost frame outside graphc."""
    frame = sys._getframe(1)  # type: ignore[reportPrivateUsage]
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return None if frame is None else (frame.f_code.co_filename, frame.f_lineno)


def show_source(source: Source) -> str:
    """`model.py:12`, for messages."""
    return "an unknown line" if source is None else f"{Path(source[0]).name}:{source[1]}"
