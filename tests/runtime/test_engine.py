"""From LLVM text to code that runs."""

from __future__ import annotations

import ctypes
import gc

import pytest

from graphc.codegen.target import Target
from graphc.errors import InternalError
from graphc.runtime import engine

HOST = Target.host()
SQUARE = """
define i64 @square(i64 %x) {
  %y = mul i64 %x, %x
  ret i64 %y
}
"""
OUTSIDE = """
declare i64 @outside(i64)
define i64 @twice(i64 %x) {
  %y = call i64 @outside(i64 %x)
  %z = add i64 %y, %y
  ret i64 %z
}
"""
INT_TO_INT = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)


def test_code_runs() -> None:
    loaded = engine.load(SQUARE, HOST, ["square"])
    assert INT_TO_INT(loaded.address("square"))(7) == 49


def test_object_code_links_again() -> None:
    first = engine.load(SQUARE, HOST, ["square"])
    code = first.object_code
    del first
    gc.collect()
    again = engine.link(code, HOST, ["square"])
    assert INT_TO_INT(again.address("square"))(-3) == 9


def test_engines_of_the_same_names_do_not_meet() -> None:
    other = engine.load(SQUARE.replace("mul", "add"), HOST, ["square"])
    loaded = engine.load(SQUARE, HOST, ["square"])
    assert INT_TO_INT(loaded.address("square"))(5) == 25
    assert INT_TO_INT(other.address("square"))(5) == 10


def test_code_calls_what_lies_outside() -> None:
    add_one = INT_TO_INT(lambda x: x + 1)
    address = ctypes.cast(add_one, ctypes.c_void_p).value or 0
    loaded = engine.load(OUTSIDE, HOST, ["twice"], {"outside": address})
    assert INT_TO_INT(loaded.address("twice"))(4) == 10


def test_code_may_copy_and_fill_memory() -> None:
    text = """
    declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
    define void @fill(ptr %x, i64 %n) {
      call void @llvm.memset.p0.i64(ptr %x, i8 7, i64 %n, i1 false)
      ret void
    }
    """
    room = (ctypes.c_uint8 * 1000)()
    loaded = engine.load(text, HOST, ["fill"])
    ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(loaded.address("fill"))(room, 999)
    assert list(room) == [7] * 999 + [0]


def test_missing_symbol_is_an_internal_error() -> None:
    with pytest.raises(InternalError, match="does not link"):
        engine.load(OUTSIDE, HOST, ["twice"])


def test_malformed_text_is_an_internal_error() -> None:
    with pytest.raises(InternalError, match="expected instruction"):
        engine.load("define void @f() {\n nonsense\n}", HOST, ["f"])


@pytest.mark.parametrize("name", ["avx512", "avx2", "x86-64", "aarch64"])
def test_every_target_compiles(name: str) -> None:
    target = Target.named(name)
    text = f'target triple = "{target.triple}"\n{SQUARE}'
    assert "mul" in engine.assembly(text, target)
    assert len(engine.compile_object(text, target)) > 100
