"""The command line: `python -m graphc cache` lists the machine code kept on disk, or removes it."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from graphc.runtime import cache

LISTED = 20  # how many files are listed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; what it returns is the exit status."""
    parser = argparse.ArgumentParser(prog="python -m graphc", description="A static-graph compiler.")
    commands = parser.add_subparsers(required=True, metavar="command")
    about = commands.add_parser("cache", help="the machine code kept on disk", description="Machine code kept on disk.")
    about.add_argument("action", nargs="?", choices=_CACHE, default="list", help="what to do (default: list)")
    about.set_defaults(run=lambda given: _CACHE[given.action]())
    given = parser.parse_args(arguments)
    return given.run(given)


def _list() -> int:
    files = cache.files()
    for file in files[:LISTED]:
        used = time.strftime("%Y-%m-%d %H:%M", time.localtime(file.used))
        print(f"{used}  {file.size:>9,} B  {file.path.stem}")
    size = sum(file.size for file in files)
    if len(files) > LISTED:
        print(f"and {len(files) - LISTED} used longer ago")
    counted = "1 file" if len(files) == 1 else f"{len(files)} files"
    print(f"{counted}, {size / 1e6:.2f} MB of {cache.limit() / 1e6:.0f} MB, in {_place()}")
    return 0


def _clear() -> int:
    before = sum(file.size for file in cache.files())
    cache.clear()
    left = sum(file.size for file in cache.files())
    print(f"removed {(before - left) / 1e6:.2f} MB from {_place()}")
    return 1 if left else 0


def _path() -> int:
    print(_place())
    return 0


def _place() -> str:
    return str(cache.folder() or "no folder: the cache is off")


_CACHE = {"list": _list, "clear": _clear, "path": _path}

if __name__ == "__main__":
    sys.exit(main())
