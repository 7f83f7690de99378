"""The default float dtype."""

import threading

import pytest

from graphc import sym
from graphc.errors import DTypeError
from graphc.settings import default_float, set_default_float, use_default_float
from graphc.types import FLOAT32, FLOAT64


def test_default_float_is_float64_at_first():
    assert default_float() == FLOAT64


def test_block_sets_the_default_and_restores_it():
    with use_default_float("float32"):
        assert sym.var("x", shape=3).dtype == FLOAT32
        assert sym.exp(sym.var("k", shape=3, dtype="int64")).dtype == FLOAT32
        assert sym.add(sym.var("k", shape=3, dtype="int64"), 1.5).dtype == FLOAT32
    assert sym.var("x", shape=3).dtype == FLOAT64


def test_setting_reaches_other_threads_and_a_block_does_not():
    seen = []
    set_default_float("float32")
    try:
        with use_default_float("float64"):
            thread = threading.Thread(target=lambda: seen.append(default_float()))
            thread.start()
            thread.join()
            assert default_float() == FLOAT64
    finally:
        set_default_float("float64")
    assert seen == [FLOAT32]


def test_default_must_be_a_float():
    with pytest.raises(DTypeError, match="int32"):
        set_default_float("int32")
