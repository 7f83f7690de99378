"""For all tests: every stage of every compilation is checked; `--update` writes golden files anew."""

import os

import pytest

os.environ["GRAPHC_CHECK"] = "1"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", help="write tests/golden/*.txt anew instead of comparing")
