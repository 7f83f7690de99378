"""Instances that are called without a Python frame."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from graphc.runtime import capi
from graphc.runtime.callable import vectorcall


class Plain:
    """A class to be made callable."""

    def __init__(self, target: Callable[..., Any], name: str = "f") -> None:
        self.target = target
        self.name = name


class Slotted:
    __slots__ = ("__weakref__", "name")

    def __init__(self, target: Callable[..., Any], name: str = "f") -> None:
        self.target = target
        self.name = name


@pytest.fixture(params=["native", "portable"])
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "portable":
        monkeypatch.setattr(capi, "SUPPORTED", False)
    elif not capi.SUPPORTED:
        pytest.skip("not on this interpreter")


@pytest.fixture(params=[Plain, Slotted])
def base(request: pytest.FixtureRequest, path: None) -> type[Any]:
    return request.param


def test_call_of_the_instance_is_a_call_of_its_target(base: type[Any]) -> None:
    f = vectorcall(base)(lambda *args, **kwargs: (args, kwargs), name="g")
    assert f(1, 2) == ((1, 2), {})
    assert f(1, x=2) == ((1,), {"x": 2})
    assert f(*[1, 2], **{"y": 3}) == ((1, 2), {"y": 3})
    assert f.name == "g" and isinstance(f, base) and callable(f)


def test_class_keeps_its_name_and_documentation(path: None) -> None:
    made = vectorcall(Plain)
    assert (made.__name__, made.__module__, made.__doc__) == ("Plain", Plain.__module__, Plain.__doc__)


def test_target_may_replace_itself_while_it_runs(base: type[Any]) -> None:
    def make() -> Any:
        def first(x: int) -> int:
            f.target = lambda x: x + 1
            gc.collect()
            return x

        return first

    f = vectorcall(base)(make())
    assert (f(1), f(1)) == (1, 2)


def test_error_of_the_target_comes_through(base: type[Any]) -> None:
    with pytest.raises(ZeroDivisionError):
        vectorcall(base)(lambda: 1 // 0)()


def test_call_without_a_target_is_an_error_and_no_crash(base: type[Any]) -> None:
    f = vectorcall(base)(print)
    del f.target
    with pytest.raises((TypeError, AttributeError)):
        f()


def test_cycle_through_the_target_is_collected(base: type[Any]) -> None:
    f = vectorcall(base)(print)
    f.target = [f].append
    gone = weakref.ref(f)
    del f
    gc.collect()
    assert gone() is None


def test_subclass_is_called_the_same_way(base: type[Any]) -> None:
    class Special(vectorcall(base)):
        """A subclass in Python."""

    assert Special(lambda x: x * 2)(4) == 8
