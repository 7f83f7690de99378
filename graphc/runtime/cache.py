"""Machine code kept on disk between processes, in files named by a hash of all that made it.

A file is written beside its place and moved there, and holds a checksum of its name and contents: what is found is
whole and its own, or is removed and made again. The files lie in sixteen folders, each of which holds its share of
the size allowed: a write tidies the one it goes to, the least recently used files first. Nothing here ever raises:
a folder that cannot be read or written is one that holds nothing.

`GRAPHC_CACHE=0` turns the cache off, `GRAPHC_CACHE_DIR` says where it is, `GRAPHC_CACHE_SIZE` how many MB it holds.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from pathlib import Path

SIZE = 256  # MB
_FOLDERS = "0123456789abcdef"
_MAGIC = b"graphc\x00\x01"  # the last byte counts layouts of the file
_HEAD = len(_MAGIC) + 8 + 32
_NAME = re.compile(r"[0-9a-f]{64}\.o(\.\d+-\d+\.draft)?")
_ABANDONED = 3600.0  # seconds after which nobody finishes a draft
_drafts = count()


def key(*parts: str) -> str:
    """The name of what these texts make."""
    return sha256("\0".join(parts).encode()).hexdigest()


def read(key: str) -> bytes | None:
    """The code of this name, if it is there and whole."""
    path = _path(key)
    if path is None:
        return None
    try:
        data = path.read_bytes()
    except OSError:
        return None
    code = data[_HEAD:]
    if data[:_HEAD] != _head(key, code):
        _remove(path)
        return None
    _touch(path)
    return code


def write(key: str, code: bytes) -> None:
    """Keep code under this name, if that is possible."""
    path = _path(key)
    if path is None:
        return
    draft = path.with_name(f"{path.name}.{os.getpid()}-{next(_drafts)}.draft")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft.write_bytes(_head(key, code) + code)
        draft.replace(path)
    except OSError:
        _remove(draft)
    else:
        _tidy(path.parent)


def _head(key: str, code: bytes) -> bytes:
    return _MAGIC + len(code).to_bytes(8, "little") + sha256(key.encode() + code).digest()


# -- where ------------------------------------------------------------------------------------------


def folder() -> Path | None:
    """Where the cache is; None if it is turned off, or this user has no place for it."""
    if os.environ.get("GRAPHC_CACHE") == "0":
        return None
    if given := os.environ.get("GRAPHC_CACHE_DIR"):
        return Path(given)
    try:
        return _users_caches() / "graphc"
    except RuntimeError:  # no home
        return None


def _users_caches() -> Path:
    if sys.platform == "win32":
        return _absolute("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return _absolute("XDG_CACHE_HOME") or Path.home() / ".cache"


def _absolute(variable: str) -> Path | None:
    path = Path(os.environ.get(variable, ""))
    return path if path.is_absolute() else None


def _path(key: str) -> Path | None:
    root = folder()
    return None if root is None else root / key[0] / f"{key}.o"


# -- what is there ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class File:
    """One file of the cache, and when it was last used, in seconds since the epoch."""

    path: Path
    size: int
    used: float


def files() -> list[File]:
    """All files of the cache, those used last first; files of others are not among them."""
    root = folder()
    found = [] if root is None else [file for name in _FOLDERS for file in _listed(root / name)]
    return sorted(found, key=lambda file: -file.used)


def clear() -> None:
    """Remove them all; programs that run keep their code."""
    for file in files():
        _remove(file.path)


def limit() -> int:
    """How many bytes the cache holds at most."""
    try:
        return int(float(os.environ.get("GRAPHC_CACHE_SIZE", SIZE)) * 1e6)
    except (ValueError, OverflowError):
        return int(SIZE * 1e6)


def _listed(place: Path) -> Iterator[File]:
    try:
        with os.scandir(place) as entries:
            for entry in entries:
                if _NAME.fullmatch(entry.name):
                    about = entry.stat(follow_symlinks=False)
                    yield File(Path(entry), about.st_size, about.st_mtime)
    except OSError:  # not there, or another process clears it now
        return


def _tidy(place: Path) -> None:
    """Remove what exceeds one folder's share, and drafts that nobody will finish."""
    room, now = limit() // len(_FOLDERS), time.time()
    for file in sorted(_listed(place), key=lambda file: -file.used):
        room -= file.size
        if room < 0 or (file.path.suffix == ".draft" and now - file.used > _ABANDONED):
            _remove(file.path)


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


def _touch(path: Path) -> None:
    with suppress(OSError):
        os.utime(path)
