"""For all tests: every stage of every compilation is checked; `--update` writes golden files anew."""

import atexit
import os
import shutil
import tempfile

import pytest

os.environ["GRAPHC_CHECK"] = "1"
os.environ["GRAPHC_CACHE_DIR"] = tempfile.mkdtemp(prefix="graphc-tests-")
atexit.register(shutil.rmtree, os.environ["GRAPHC_CACHE_DIR"], ignore_errors=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", help="write tests/golden/*.txt anew instead of comparing")
