"""How often a loop with checkpoints keeps a state.

'auto'       about as many states as iterations between them: of n iterations, 2 √n values are in memory
k            the state before every k-th iteration
'64 MB'      as few computations again as so much memory allows
"""

from __future__ import annotations

import re
from math import isqrt
from typing import TypeAlias

from graphc.errors import GraphcError
from graphc.ops.declare import offence

Policy: TypeAlias = "int | str | None"

AUTO = "auto"
GROWING = 0  # segments of 1, 2, 3, … iterations
MOST_TRIED = 1000  # lengths of segments
_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def as_policy(name: str, given: object) -> Policy:
    """What a user asks for: True, a number of iterations, bytes, or nothing."""
    if given is None or given is False:
        return None
    if given is True or given == AUTO:
        return AUTO
    if isinstance(given, int) and given > 0:
        return given
    if isinstance(given, str) and _bytes(given) is not None:
        return given
    way_out = "give True, a number of iterations, or bytes such as '64 MB'"
    raise GraphcError(offence(name, f"checkpoint={given!r:.40} says not how often to keep a state", way_out))


def segment(policy: int | str, trip: int | None, each: int, state: int) -> int | None:
    """How many iterations go from one checkpoint to the next, `GROWING`, or None to stack all of them.

    An iteration stacks `each` bytes, a checkpoint has `state` bytes; there are `trip` iterations, if that is known.
    The memory of n iterations in segments of k, n/k * state + k * each, is least for k = √(n * state / each).
    """
    if isinstance(policy, int):
        found = policy
    elif policy != AUTO:
        found = _within(_bytes(policy) or 0, trip, each, state)
    else:
        found = GROWING if trip is None else _divisor(trip, isqrt(max(1, trip * state // max(1, each))))
    return None if trip is not None and found >= trip else found


def rest(policy: int | str, states: int) -> Policy:
    """What is left of a policy inside a segment, when the checkpoints have taken so many bytes."""
    if isinstance(policy, int) or policy == AUTO:
        return None
    return f"{max(1, (_bytes(policy) or 0) - states)} B"


def _within(budget: int, trip: int | None, each: int, state: int) -> int:
    """As long a segment as the memory allows; if none fits, checkpoints take half, and segments are cut in turn."""
    if trip is None:
        return max(1, budget // max(1, 2 * each))
    if trip * each <= budget:
        return trip
    if (square := budget * budget - 4 * each * trip * state) >= 0:  # budget >= trip / k * state + k * each
        longest = (budget + isqrt(square)) // (2 * each)
        for k in range(longest, max(longest // 2, longest - MOST_TRIED), -1):
            if trip // k * state + (k + trip % k) * each <= budget:  # what is left over is there as well
                return k
    return _divisor(trip, trip // max(2, budget // max(1, 2 * state)))


def _divisor(trip: int, wanted: int) -> int:
    """A divisor near the wanted number, so that all segments are alike; if there is none, that number."""
    wanted = max(1, wanted)
    near = [k for k in range(-(-2 * wanted // 3), 3 * wanted // 2 + 1) if trip % k == 0]
    return min(near, key=lambda k: abs(k - wanted), default=wanted)


def _bytes(text: str) -> int | None:
    """`'64 MB'` as a number of bytes; None if that is none."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*", text)
    if found is None or found[2].upper() not in _UNITS:
        return None
    return int(float(found[1]) * _UNITS[found[2].upper()])
