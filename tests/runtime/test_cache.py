"""Machine code on disk: found again by any process, and never trusted further than its checksum."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from graphc import compile, sym
from graphc.__main__ import main
from graphc.codegen.target import Target
from graphc.runtime import cache, engine

ROOT = Path(__file__).parents[2]
HOST = Target.host()
TEXT = """
define i64 @f(i64 %x) {
  %y = mul i64 %x, 3
  ret i64 %y
}
"""
KEY = "ab" * 32


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of its own for every test."""
    monkeypatch.delenv("GRAPHC_CACHE", raising=False)
    monkeypatch.delenv("GRAPHC_CACHE_SIZE", raising=False)
    monkeypatch.setenv("GRAPHC_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def answer() -> int:
    loaded = engine.load(TEXT, HOST, ["f"])
    return ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(loaded.address("f"))(14)


def only_file() -> Path:
    (file,) = cache.files()
    return file.path


def start(script: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    changed = os.environ | {"PYTHONPATH": str(ROOT)} | environment
    return subprocess.Popen([sys.executable, "-c", script, *arguments], env=changed, stdout=subprocess.PIPE, text=True)


# -- found again ------------------------------------------------------------------------------------


def test_code_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert answer() == 42

    def refuse(*_: object) -> bytes:
        raise AssertionError("compiled again")

    monkeypatch.setattr(engine, "compile_object", refuse)
    assert answer() == 42


def test_other_text_target_or_version_is_other_code(monkeypatch: pytest.MonkeyPatch) -> None:
    targets = [HOST, replace(HOST, features=""), replace(HOST, cpu="")]
    engine.cached_object(TEXT, HOST)
    monkeypatch.setattr(engine, "_VERSIONS", ("another",))
    for target in targets:
        assert engine.cached_object(TEXT, target)[1] is False
    assert engine.cached_object(TEXT.replace("3", "4"), HOST)[1] is False
    assert len(cache.files()) == 5


PROGRAM = """
import sys, numpy as np
from graphc import compile, grad, sym
x, w = sym.var('x', shape=('n', 8)), sym.var('w', shape=(8, 4))
loss = sym.sum(sym.logsumexp(sym.tanh(x @ w) * np.arange(4.0), axis=1))
f = compile([x, w], {'loss': loss, 'grads': tuple(grad(loss, [x, w]))})
print(f.compile_log[0].cached, f(np.ones((3, 8)), np.ones((8, 4)))['loss'])
"""


def test_another_process_finds_the_code_whatever_its_hash_seed() -> None:
    outputs = []
    for seed in ("1", "2"):
        outputs.append(start(PROGRAM, PYTHONHASHSEED=seed).communicate()[0].split())
    assert [found for found, _ in outputs] == ["False", "True"]
    assert outputs[0][1] == outputs[1][1]


def test_log_says_why_and_whether_code_was_on_disk() -> None:
    a, b = sym.var("a"), sym.var("b")
    f = compile([a, b], 2 * a + b)
    assert f.compile_log == []
    f(np.ones(3), np.ones(3))
    f(np.ones(3, np.float32), np.ones(3))
    compile([a, b], 2 * a + b)(np.ones(3), np.ones(3))
    first, second = f.compile_log
    assert first.why == "the first call says what a and b are"
    assert second.why == "a came as float32[3], not as float64[3]"
    assert list(first.seconds) == ["simplify", "fuse", "lower", "emit", "LLVM", "load"]
    assert not first.cached and "from disk" not in str(first)
    again = compile([a, b], 2 * a + b)
    again(np.ones(3), np.ones(3))
    assert again.compile_log[0].cached and "from disk" in str(again.compile_log[0])


def test_log_of_typed_inputs_says_so() -> None:
    x = sym.var("x", shape=("n",))
    (only,) = compile(x, sym.exp(x)).compile_log
    assert str(only).startswith("x float64[n] -> float64[n]: 1 kernel in ")
    assert only.why == "all inputs have types"


# -- damaged files ----------------------------------------------------------------------------------


def truncate(length: int) -> Callable[[bytes], bytes]:
    return lambda data: data[:length]


def flip(position: int) -> Callable[[bytes], bytes]:
    return lambda data: data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        *map(truncate, (0, 1, 7, 8, 47, 48, 49, 100, -1)),
        *map(flip, (0, 7, 8, 15, 16, 47, 48, 300, -2)),
        lambda data: data + b"\0",
        lambda data: b"something else entirely" * 100,
        lambda data: bytes(len(data)),
    ],
)
def test_damaged_file_is_replaced(damage: Callable[[bytes], bytes]) -> None:
    answer()
    whole = only_file().read_bytes()
    only_file().write_bytes(damage(whole))
    assert answer() == 42
    assert only_file().read_bytes() == whole


def test_file_under_the_name_of_another_is_removed() -> None:
    cache.write(KEY, b"code")
    other = "ac" * 32
    only_file().rename(only_file().with_name(f"{other}.o"))
    assert cache.read(other) is None
    assert cache.files() == []


def test_folder_in_the_place_of_a_file_does_no_harm(place: Path) -> None:
    (place / KEY[0] / f"{KEY}.o").mkdir(parents=True)
    cache.write(KEY, b"code")
    assert cache.read(KEY) is None


def test_folder_that_cannot_be_made_is_done_without(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place.write_text("a file where the folder should be")
    assert answer() == 42
    assert cache.files() == []


def test_full_disk_is_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(self: Path, data: bytes) -> int:
        with open(self, "wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fill)
    assert answer() == 42
    assert cache.files() == []


def test_cache_can_be_turned_off(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHC_CACHE", "0")
    assert answer() == 42
    assert cache.folder() is None and not place.exists()


def test_user_without_a_home_has_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for variable in ("GRAPHC_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert cache.folder() is None
    assert answer() == 42


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="the rule of other systems")
def test_xdg_cache_home_is_obeyed_if_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRAPHC_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.folder() == tmp_path / "graphc"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache.folder() == Path.home() / ".cache" / "graphc"


# -- size -------------------------------------------------------------------------------------------


def test_least_recently_used_files_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHC_CACHE_SIZE", str(16 * 3.5e-3))  # each folder holds three files of 1000 bytes
    names = [f"a{k}" + "0" * 62 for k in range(4)]
    for age, name in zip((40, 30, 20), names, strict=False):
        cache.write(name, bytes(1000))
        os.utime(next(file.path for file in cache.files() if file.path.stem == name), (time.time() - age,) * 2)
    assert cache.read(names[0]) is not None  # which uses it
    cache.write(names[3], bytes(1000))
    assert {file.path.stem for file in cache.files()} == {names[0], names[2], names[3]}


def test_size_that_is_no_number_is_the_usual_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("", "much", "inf", "nan"):
        monkeypatch.setenv("GRAPHC_CACHE_SIZE", text)
        assert cache.limit() == 256_000_000


def test_abandoned_drafts_go_and_others_stay(place: Path) -> None:
    drafts = [place / "a" / f"{KEY}.o.{k}-0.draft" for k in (1, 2)]
    drafts[0].parent.mkdir(parents=True)
    for draft in drafts:
        draft.write_bytes(b"half")
    os.utime(drafts[0], (time.time() - 7200,) * 2)
    cache.write(KEY, b"code")
    assert not drafts[0].exists() and drafts[1].exists()


def test_clear_leaves_the_files_of_others(place: Path) -> None:
    cache.write(KEY, b"code")
    (place / "a" / "notes.txt").write_text("mine")
    (place / "letter.txt").write_text("mine too")
    cache.clear()
    assert cache.files() == []
    assert (place / "a" / "notes.txt").exists() and (place / "letter.txt").exists()


# -- several processes ------------------------------------------------------------------------------

BUSY = """
import sys, numpy as np
from graphc import compile, sym
from graphc.runtime import cache
x = sym.var('x', shape=('n',))
for k in range(30):
    assert compile(x, x * (k % 10) + 1)(np.arange(3.0)).tolist() == [1, 1 + k % 10, 1 + 2 * (k % 10)]
    if k % 7 == int(sys.argv[1]):
        cache.clear()
print('right')
"""


def test_processes_that_write_and_clear_at_once_are_all_right() -> None:
    both = [start(BUSY, number) for number in ("3", "5")]
    assert [process.communicate()[0].strip() for process in both] == ["right", "right"]
    assert all(cache.read(file.path.stem) for file in cache.files())


WRITER = """
import sys
from graphc.runtime import cache
for k in range(1 << 30):
    cache.write(f'{k:064x}', bytes([k % 256]) * 4_000_000)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_writer_killed_at_any_time_leaves_only_whole_files(place: Path) -> None:
    for _ in range(2):
        writer = start(WRITER)
        while not list(place.glob("*/*.draft")):
            assert writer.poll() is None
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        for path in (place / "0").glob("0000*.o"):
            assert cache.read(path.stem) == bytes([int(path.stem, 16) % 256]) * 4_000_000
    cache.write(KEY, b"code")
    assert cache.read(KEY) == b"code"


# -- the command line -------------------------------------------------------------------------------


def test_command_lists_and_clears(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer()
    assert main(["cache"]) == 0
    listed = capsys.readouterr().out
    assert only_file().stem in listed and "1 file, " in listed and str(place) in listed
    assert main(["cache", "clear"]) == 0
    assert cache.files() == []
    assert main(["cache", "path"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(place)


def test_command_that_is_none_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["cache", "burn"])
    assert "invalid choice: 'burn'" in capsys.readouterr().err
