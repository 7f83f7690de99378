"""Sizes and counts as text: three digits and a unit, or the formula in named dimensions."""

from __future__ import annotations

from graphc.types import Extent


def bytes_text(size: Extent) -> str:
    """`16.4 MB`, `8*n B`."""
    return _scaled(size, ("B", "KB", "MB", "GB", "TB")) if isinstance(size, int) else f"{size} B"


def count_text(count: Extent) -> str:
    """`4.1 M`, `10*n`."""
    return _scaled(count, ("", "k", "M", "G", "T")) if isinstance(count, int) else str(count)


def _scaled(number: int, units: tuple[str, ...]) -> str:
    value, unit = float(number), 0
    while value >= 999.5 and unit < len(units) - 1:
        value, unit = value / 1000, unit + 1
    shown = str(number) if unit == 0 else f"{value:.3g}"
    return f"{shown} {units[unit]}".rstrip()
