"""Memory for results and workspaces, recycled: fresh pages cost more than the arithmetic that fills them.

A pool of blocks in size classes, four to each power of two, one list of free blocks a class. It is native code,
called with the GIL held: that is its lock. Blocks of huge-page size are aligned to it, and Linux is asked for such
pages. A result of `POOLED` bytes or more is an array over a block, whose base gives the block back when the array and
all its views are gone; smaller ones are NumPy's own.
"""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache
from typing import NamedTuple

from graphc.codegen.emit import ADDRESS, BOOL, INT32, INT64, Emitter, Module, Pointer, Value
from graphc.codegen.target import Target
from graphc.runtime import capi, engine
from graphc.runtime.words import call, read, require

POOLED = 64 * 1024  # bytes from which a result comes from the pool
SMALLEST = 4096  # the pool's functions are for more bytes than this
_HUGE_PAGE = 2 << 20
_CLASSES = 4 * (63 - 12)
_LIMIT, _CACHED, _IN_USE, _FRESH, _REUSED, _LISTS = range(6)  # words of the pool; a list for each class follows
_EXPORTS = ("graphc_take", "graphc_give", "graphc_array", "graphc_clear")

_MADV_HUGEPAGE = 14
_ADVISES = sys.platform == "linux"
_WINDOWS = sys.platform == "win32"
_ALLOCATE, _FREE = ("_aligned_malloc", "_aligned_free") if _WINDOWS else ("aligned_alloc", "free")


class Stats(NamedTuple):
    """What the pool holds, in bytes, and how often it asked the system for a block or had one already."""

    cached: int
    in_use: int
    fresh: int
    reused: int


def stats() -> Stats:
    """The state of the pool."""
    return Stats(*(_pool[word] for word in (_CACHED, _IN_USE, _FRESH, _REUSED)))


def limit() -> int:
    """How many bytes of free blocks are kept at most."""
    return _pool[_LIMIT]


def set_limit(size: int) -> None:
    """Keep at most so many bytes of free blocks; 0 recycles nothing."""
    if size < 0:
        raise ValueError(f"memory.set_limit: {size} bytes; give 0 to recycle nothing, or a positive size")
    _pool[_LIMIT] = size
    if _pool[_CACHED] > size:
        clear()


def clear() -> None:
    """Give all free blocks back to the system; blocks in use stay good."""
    if _pool[_CACHED]:
        ctypes.PYFUNCTYPE(None)(symbols()["graphc_clear"])()


def symbols() -> dict[str, int]:
    """Where the pool's functions are; compiled when first asked for.

    `graphc_take(bytes) -> block or null`, `graphc_give(block, bytes)`, and
    `graphc_array(dtype, rank, shape, bytes) -> new array, or null and MemoryError`.
    """
    loaded = _library()
    return {name: loaded.address(name) for name in _EXPORTS}


@cache
def _library() -> engine.Engine:
    module = Module(Target.host())
    for emit in (_emit_clear, _emit_map, _emit_take, _emit_give, _emit_release, _emit_array):
        emit(Emitter(module))
    system = ctypes.cdll.msvcrt if _WINDOWS else ctypes.CDLL(None)
    names = [_ALLOCATE, _FREE, *(["madvise"] if _ADVISES else [])]
    found = {name: ctypes.cast(getattr(system, name), ctypes.c_void_p).value or 0 for name in names}
    loaded = engine.load(
        module.text(), module.target, _EXPORTS, capi.symbols() | found | {"graphc_pool": ctypes.addressof(_pool)}
    )
    # Arrays may outlive this module at exit, and are then given back by this code: code and pool are never freed.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object((loaded, _pool)))
    return loaded


def _default_limit() -> int:
    """An eighth of the machine's memory, at most 1 GiB."""
    try:
        physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 256 << 20
    return min(physical // 8, 1 << 30)


_pool = (ctypes.c_int64 * (_LISTS + _CLASSES))(_default_limit())

# -- the pool as native code --------------------------------------------------------------------------------


def _word(e: Emitter, word: int) -> Pointer:
    return e.member(e.module.external("graphc_pool"), 8 * word, INT64)


def _bump(e: Emitter, word: int, amount: Value | int) -> None:
    e.store(e.add(e.load(_word(e, word)), amount), _word(e, word))


def _class(e: Emitter) -> tuple[Value, Pointer]:
    """The class of a request of `%bytes`: the size of its blocks, and where its list of free ones starts.

    With 2^t <= bytes-1 < 2^(t+1), a block is the next multiple of 2^(t-2): at most a quarter more than asked for.
    """
    last = e.sub(Value("%bytes", INT64), 1)
    top = e.sub(63, e.call("llvm.ctlz.i64", "i64", [last, e.const(True, BOOL)], INT64))
    step = e.sub(top, 2)
    quarters = e.shr(last, step)  # 4, 5, 6 or 7
    index = e.add(e.mul(e.sub(top, 12), 4), e.sub(quarters, 4))
    lists = e.member(e.module.external("graphc_pool"), 8 * _LISTS, ADDRESS)
    return e.shl(e.add(quarters, 1), step), e.offset(lists, index)


def _emit_clear(e: Emitter) -> None:
    def empty(index: Value, _: list[Value]) -> list[Value]:
        head = e.offset(e.member(e.module.external("graphc_pool"), 8 * _LISTS, ADDRESS), index)
        again, free, done = e.new_label("again"), e.new_label("free"), e.new_label("empty")
        e.jump(again)
        e.label(again)
        block = e.load(head)
        e.branch(e.eq(block, 0), done, free)
        e.label(free)
        e.store(read(e, block, 0), head)
        e.do(_FREE, [block])
        e.jump(again)
        e.label(done)
        return []

    e.loop(0, _CLASSES, 1, [], empty)
    e.store(e.const(0, INT64), _word(e, _CACHED))
    e.line("ret void")
    e.define("graphc_clear", [])


def _emit_take(e: Emitter) -> None:
    size, free = _class(e)
    head = e.load(free)
    _bump(e, _IN_USE, size)
    e.branch(e.eq(head, 0), "fresh", "reuse")
    e.label("reuse")
    e.store(read(e, head, 0), free)
    _bump(e, _CACHED, e.sub(0, size))
    _bump(e, _REUSED, 1)
    e.line(f"ret ptr {head.text}")
    e.label("fresh")
    first = call(e, "graphc_map", size)

    def retry() -> list[Value]:
        e.do("graphc_clear", [])
        return [call(e, "graphc_map", size)]

    [block] = e.if_else(e.eq(first, 0), retry, lambda: [first])
    failed = e.eq(block, 0)
    _bump(e, _FRESH, e.select(failed, e.const(0, INT64), e.const(1, INT64)))
    _bump(e, _IN_USE, e.select(failed, e.sub(0, size), e.const(0, INT64)))
    e.line(f"ret ptr {block.text}")
    e.define("graphc_take", ["i64 %bytes"], "ptr")


def _emit_map(e: Emitter) -> None:
    size = Value("%size", INT64)
    huge = e.ge(size, _HUGE_PAGE if _ADVISES else 1 << 62)
    align = e.select(huge, e.const(_HUGE_PAGE, INT64), e.const(64, INT64))
    block = call(e, _ALLOCATE, *((size, align) if _WINDOWS else (align, size)))
    e.branch(e.and_(huge, e.ne(block, 0)), "advise", "done")
    e.label("advise")
    if _ADVISES:
        e.call("madvise", "i32", [block, size, e.const(_MADV_HUGEPAGE, INT32)], INT32)
    e.jump("done")
    e.label("done")
    e.line(f"ret ptr {block.text}")
    e.define("graphc_map", ["i64 %size"], "ptr")


def _emit_give(e: Emitter) -> None:
    """Keep the block; a pool that would grow past its limit is emptied first, so stale sizes do not fill it."""
    size, free = _class(e)
    block, most = Value("%block", ADDRESS), e.load(_word(e, _LIMIT))
    _bump(e, _IN_USE, e.sub(0, size))
    e.branch(e.gt(e.add(e.load(_word(e, _CACHED)), size), most), "full", "fits")
    e.label("full")
    e.do("graphc_clear", [])
    e.branch(e.gt(size, most), "drop", "fits")
    e.label("drop")
    e.do(_FREE, [block])
    e.line("ret void")
    e.label("fits")
    e.store(e.load(free), e.member(block, 0, ADDRESS))
    e.store(block, free)
    _bump(e, _CACHED, size)
    e.line("ret void")
    e.define("graphc_give", ["ptr %block", "i64 %bytes"])


def _emit_release(e: Emitter) -> None:
    """The destructor of the capsule that is a result's base: its pointer is the block, its context the bytes."""
    capsule = Value("%capsule", ADDRESS)
    block = call(e, "PyCapsule_GetPointer", capsule, e.const(0, ADDRESS))
    size = e.call("PyCapsule_GetContext", "i64", [capsule], INT64)
    e.do("graphc_give", [block, size])
    e.line("ret void")
    e.define("graphc_release", ["ptr %capsule"])


def _emit_array(e: Emitter) -> None:
    null, size = e.const(0, ADDRESS), Value("%bytes", INT64)

    def new(data: Value, flags: int) -> Value:
        e.do("Py_IncRef", [Value("%dtype", ADDRESS)])  # NumPy takes this reference over
        header = [
            e.module.external("PyArray_Type"),
            Value("%dtype", ADDRESS),
            Value("%rank", INT32),
            Value("%shape", ADDRESS),
        ]
        return call(e, "PyArray_NewFromDescr", *header, null, data, e.const(flags, INT32), null)

    e.branch(e.lt(size, POOLED), "small", "pooled")
    e.label("small")
    e.line(f"ret ptr {new(null, 0).text}")
    e.label("pooled")
    block = call(e, "graphc_take", size)
    require(e, e.ne(block, 0), "no_block")
    capsule = call(e, "PyCapsule_New", block, null, Value("@graphc_release", ADDRESS))
    require(e, e.ne(capsule, 0), "no_capsule")
    e.call("PyCapsule_SetContext", "i32", [capsule, size], INT32)
    array = new(block, capi.CONTIGUOUS | capi.ALIGNED | capi.WRITEABLE)
    require(e, e.ne(array, 0), "no_array")
    status = e.call("PyArray_SetBaseObject", "i32", [array, capsule], INT32)  # takes the capsule over, failing too
    e.branch(e.lt(status, 0), "no_base", "done")
    e.label("done")
    e.line(f"ret ptr {array.text}")
    e.label("no_block")
    e.line(f"ret ptr {call(e, 'PyErr_NoMemory').text}")
    e.label("no_capsule")
    e.do("graphc_give", [block, size])
    e.line("ret ptr null")
    e.label("no_array")
    e.do("Py_DecRef", [capsule])
    e.line("ret ptr null")
    e.label("no_base")
    e.do("Py_DecRef", [array])
    e.line("ret ptr null")
    e.define("graphc_array", ["ptr %dtype", "i32 %rank", "ptr %shape", "i64 %bytes"], "ptr")
