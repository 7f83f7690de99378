"""Saved graphs: what is written comes back, and strange files are errors of ours and nothing else."""

import contextlib
import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphc
from graphc import sym
from graphc.io.json import from_json, to_json

SCHEMA = json.loads((Path(graphc.__file__).parent / "io" / "schema.json").read_text())


def model():
    x, w = sym.var("x", shape=("n", 3)), sym.var("w", shape=(3,))
    loss = sym.mean(sym.softmax(x * w)[:, ::2] ** 2.5) + sym.sum(sym.pad(w, 1)) * np.inf
    return {"x": x, "w": w}, {"loss": loss, "gradients": [graphc.grad(loss, w), None, (x.T @ x,)]}


def leaves(tree):
    return [tree["loss"], tree["gradients"][0], tree["gradients"][2][0]]


def test_equal_variables_give_the_very_nodes_that_were_saved(tmp_path):
    variables, outputs = model()
    graphc.save(tmp_path / "model.json", outputs)
    again = graphc.load(tmp_path / "model.json", variables=variables).outputs
    assert all(a is b for a, b in zip(leaves(again), leaves(outputs), strict=True))
    assert again["gradients"][1] is None and isinstance(again["gradients"][2], tuple)


def test_new_variables_compute_the_same():
    _, outputs = model()
    again = from_json(to_json(outputs))
    data = {"x": np.random.default_rng(0).normal(size=(4, 3)), "w": np.ones(3)}
    for a, b in zip(leaves(outputs), leaves(again), strict=True):
        np.testing.assert_array_equal(value(a, data), value(b, data))


def value(y, data):
    inputs = graphc.Graph.of(y).inputs
    return graphc.compile(inputs, y)(*[data[x.name] for x in inputs])


def test_graphs_without_types_are_kept_as_they_were_written():
    a, b = sym.var("a"), sym.var("b")
    again = from_json(to_json(sym.sum(2 * a + b, axis=0)))
    assert again.type is None
    assert graphc.compile(graphc.Graph.of(again).inputs, again)(a=np.ones(3), b=np.zeros(3)) == 6


def test_what_is_written_follows_the_schema():
    jsonschema.validate(json.loads(to_json(model()[1])), SCHEMA)
    jsonschema.validate(json.loads(to_json(2 * sym.var("a") + 1)), SCHEMA)


def untyped_loop():
    a, b = sym.var("a"), sym.var("b", shape=(3,))
    step = lambda s: {"u": s["u"] * b, "k": s["k"] + 1}  # noqa: E731
    return {"a": a, "b": b}, sym.while_loop(lambda s: s["k"] < 3, step, {"u": a, "k": 0}, checkpoint=True)


def test_a_loop_that_waits_for_types_is_the_same_again(tmp_path):
    variables, outputs = untyped_loop()
    jsonschema.validate(json.loads(to_json(outputs)), SCHEMA)
    graphc.save(tmp_path / "loop.json", outputs)
    again = graphc.load(tmp_path / "loop.json", variables=variables).outputs
    assert again["u"] is outputs["u"] and again["k"] is outputs["k"]


def test_a_loop_that_waits_for_types_runs_on_new_variables():
    again = from_json(to_json(untyped_loop()[1]))
    f = graphc.compile(graphc.Graph.of([again["u"], again["k"]]).inputs, again)
    assert f(a=np.ones(3), b=np.full(3, 2.0))["u"].tolist() == [8, 8, 8]


@pytest.mark.parametrize("weights", ["npz", "safetensors"])
def test_parameters_come_back_bit_by_bit(tmp_path, weights):
    outputs = model()[1]
    w = np.array([1.5, -0.0, np.nan])
    graphc.save(tmp_path / "model.json", outputs, params={"w": w}, weights=weights)
    loaded = graphc.load(tmp_path / "model.json").params
    assert list(loaded) == ["w"] and loaded["w"].tobytes() == w.tobytes()


def test_parameters_that_fit_no_variable_are_refused(tmp_path):
    outputs = model()[1]
    for params in ({"v": np.ones(3)}, {"w": np.ones(4)}, {"w": np.ones(3, "f")}):
        with pytest.raises(graphc.BindError, match="parameter"):
            graphc.save(tmp_path / "model.json", outputs, params=params)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "[" * 100_000, '{"format": "graphc", "version": 2}', '{"format": "graphc", "version": 1}', "NaN"],
)
def test_what_is_no_graph_is_an_error_of_ours(text):
    with pytest.raises(graphc.GraphcError):
        from_json(text)


def places(data, path=()):
    yield path
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield from places(value, (*path, key))


TEXTS = ["", "n", "os.system", "((n//(0)))", "expand", "var"]
STRANGE = [None, True, -1, 0, 1, 10**30, 1.5, [], {}, [[]], {"dim": "n"}, *TEXTS]
TEXT = to_json(model()[1])
PLACES = list(places(json.loads(TEXT)))


@settings(max_examples=150, deadline=None)
@given(place=st.sampled_from(PLACES[1:]), value=st.sampled_from(STRANGE))
def test_a_changed_file_is_read_or_an_error_of_ours(place, value):
    data = json.loads(TEXT)
    *outer, last = place
    inner = data
    for key in outer:
        inner = inner[key]
    inner[last] = value
    with contextlib.suppress(graphc.GraphcError):
        from_json(json.dumps(data))


@settings(max_examples=60, deadline=None)
@given(position=st.integers(0, 2000), byte=st.integers(0, 255), suffix=st.sampled_from([".npz", ".safetensors"]))
def test_changed_parameters_are_read_or_an_error_of_ours(position, byte, suffix, tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    graphc.save(folder / "m.json", model()[1], params={"w": np.ones(3)}, weights=suffix[1:])
    path = (folder / "m.json").with_suffix(suffix)
    data = bytearray(path.read_bytes())
    data[position % len(data)] = byte
    path.write_bytes(data)
    with contextlib.suppress(graphc.GraphcError):
        graphc.load(folder / "m.json")
