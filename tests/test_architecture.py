"""The shape of the code: imports go downward, heavy packages load late, files stay short and say what they are."""

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import graphc

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "graphc"

# From the bottom up. A module imports from its own layer and from those above it in this list, never from those below.
LAYERS = [
    ["errors", "source", "tree"],
    ["types"],
    ["settings"],
    ["node"],
    ["graph"],
    ["ops"],
    ["state"],
    ["sym"],
    ["batching"],
    ["autodiff"],
    ["passes"],
    ["kernel"],
    ["show"],
    ["codegen"],
    ["runtime"],
    ["check", "executor", "interpret", "io", "optim"],
    ["late"],
    ["__init__", "__main__"],
]
HEAVY = {"networkx", "matplotlib", "scipy", "platformdirs"}  # may be imported inside a function, and only there
LONGEST = 400

RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
FILES = {str(path.relative_to(ROOT).with_suffix("")).replace("/", "."): path for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {module: ast.parse(path.read_text()) for module, path in FILES.items()}

every_module = pytest.mark.parametrize("module", TREES)


@every_module
def test_imports_go_downward_only(module: str):
    above = [name for name in sources(module, TREES[module]) if rank(name) > rank(module)]
    assert not above, f"{module} imports what is built on it: {', '.join(above)}"


def test_imports_have_no_cycle():
    TopologicalSorter({module: set(sources(module, tree)) - {module} for module, tree in TREES.items()}).prepare()


@every_module
def test_imports_stand_at_the_top_except_heavy_packages(module: str):
    at_top = packages(imports(TREES[module], into_functions=False))
    inside = packages(found for function in functions(TREES[module]) for found in imports(function))
    assert not inside - HEAVY, f"{module} imports {', '.join(inside - HEAVY)} inside a function"
    assert not at_top & HEAVY, f"{module} loads {', '.join(at_top & HEAVY)} for everybody"


def test_importing_graphc_loads_no_heavy_package():
    script = f"import sys, graphc; print(*sorted({HEAVY} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


def test_importing_graphc_loads_neither_executors_nor_files():
    script = "import sys, graphc; print(*(m for m in sys.modules if m.startswith(('graphc.executor', 'graphc.io'))))"
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


def test_all_public_names_are_there():
    assert set(graphc.__all__) <= set(dir(graphc))
    assert all(hasattr(graphc, name) for name in graphc.__all__)


@every_module
def test_file_is_short(module: str):
    lines = FILES[module].read_text().count("\n")
    assert lines <= LONGEST, f"{module} has {lines} lines; which two ideas is it?"


@every_module
def test_file_says_its_idea_first(module: str):
    assert ast.get_docstring(TREES[module]), f"{module} starts without a docstring"


def rank(module: str) -> int:
    """The layer of a module's first name below the package; one that no layer lists is an error."""
    part = (module.removesuffix(".__init__").split(".") + ["__init__"])[1]
    assert part in RANK, f"graphc.{part} has no place in LAYERS"
    return RANK[part]


def sources(module: str, tree: ast.AST) -> Iterator[str]:
    """The modules of graphc that a module's text imports."""
    for found in imports(tree):
        match found:
            case ast.Import(names=names):
                candidates = [alias.name for alias in names]
            case ast.ImportFrom(module=base, names=names, level=level):
                stem = ".".join([*module.split(".")[:-level], *filter(None, [base])] if level else [base or ""])
                candidates = [f"{stem}.{alias.name}" if known(f"{stem}.{alias.name}") else stem for alias in names]
        yield from filter(None, map(known, candidates))


def known(name: str) -> str:
    """The module a dotted name stands for, if it is one of graphc's, else an empty string."""
    return next((module for module in (name, f"{name}.__init__") if module in FILES), "")


def imports(tree: ast.AST, into_functions: bool = True) -> Iterator[ast.Import | ast.ImportFrom]:
    """The imports under a node that run: those for the type checker alone make no dependence."""
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.Import() | ast.ImportFrom():
                yield node
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                pass
            case ast.FunctionDef() | ast.AsyncFunctionDef() if not into_functions:
                pass
            case _:
                yield from imports(node, into_functions)


def functions(tree: ast.AST) -> list[ast.AST]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def packages(found: Iterable[ast.Import | ast.ImportFrom]) -> set[str]:
    """The top-level packages that imports load."""
    names: set[str] = set()
    for statement in found:
        match statement:
            case ast.Import(names=aliases):
                names |= {alias.name.split(".")[0] for alias in aliases}
            case ast.ImportFrom(module=base, level=level):
                names.add("graphc" if level else (base or "").split(".")[0])
    return names
