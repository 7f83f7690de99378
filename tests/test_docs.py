"""What the documents say is true: their snippets run, print what they claim, and doctests hold."""

import contextlib
import doctest
import importlib
import io
import pkgutil
import re
from pathlib import Path

import pytest

import graphc

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MODULES = [module.name for module in pkgutil.walk_packages(graphc.__path__, "graphc.")]

# A ```python block, and the ```text block that may follow it at once: what the first prints.
SNIPPET = re.compile(
    r"^```python\n(?P<code>.*?)^```$(?:\n\n?^```text\n(?P<printed>.*?)^```$)?", re.MULTILINE | re.DOTALL
)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_snippets_run_in_order_and_print_what_the_document_shows(document: Path, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text, namespace = document.read_text(), {}
    for snippet in SNIPPET.finditer(text):
        line = text.count("\n", 0, snippet.start()) + 1
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(snippet["code"], "model.py", "exec"), namespace)  # the name that messages show
        if snippet["printed"] is not None:
            assert printed.getvalue() == snippet["printed"], f"{document.name}:{line} prints something else"


def test_readme_has_snippets_that_are_checked():
    assert sum(snippet["printed"] is not None for snippet in SNIPPET.finditer(DOCUMENTS[0].read_text())) >= 5


@pytest.mark.parametrize("name", ["graphc", *MODULES])
def test_doctests_hold(name: str):
    failed, _ = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert failed == 0
