import pytest

from graphc import GraphcError, compile, grad, sym
from graphc.show.dump import STAGES


def compiled():
    x = sym.var("x", shape=("n",))
    return compile(x, grad(sym.sum(sym.tanh(x) * 3), x))


def test_nothing_is_dumped_unless_asked(monkeypatch, capsys):
    monkeypatch.delenv("GRAPHC_DUMP", raising=False)
    compiled()
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("stage", "shown"),
    [
        ("grad", "# test_dump.py:"),
        ("graph", "return %3"),
        ("kernels", "lanes i in n (parallel"),
        ("plan", "workspace 0 B"),
        ("llvm", "target triple"),
        ("asm", "program:"),
    ],
)
def test_each_stage_is_shown_alone(stage: str, shown: str, monkeypatch, capsys):
    monkeypatch.setenv("GRAPHC_DUMP", stage)
    compiled()
    text = capsys.readouterr().err
    titles = [line.split()[2] for line in text.split("\n") if line.startswith("== ")]
    assert set(titles) == {stage} and shown in text


def test_graph_is_shown_after_every_pass(monkeypatch, capsys):
    monkeypatch.setenv("GRAPHC_DUMP", "graph")
    compiled()
    text = capsys.readouterr().err
    assert " simplify ==" in text and " outputs ==" in text


def test_all_stages_go_to_files_of_a_folder(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("GRAPHC_DUMP", "all")
    monkeypatch.setenv("GRAPHC_DUMP_DIR", str(tmp_path / "dumps"))
    compiled()
    found = {path.stem.split("-")[1] for path in (tmp_path / "dumps").iterdir()}
    assert found == set(STAGES) and capsys.readouterr().err == ""


def test_unknown_stage_is_an_error_that_lists_the_others(monkeypatch):
    monkeypatch.setenv("GRAPHC_DUMP", "graph,ir")
    with pytest.raises(GraphcError, match="no stage is named ir; there are grad, graph"):
        compiled()
