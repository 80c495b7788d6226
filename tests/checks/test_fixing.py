"""`--fix`: the passes that findings name, held to the layers that they name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.command import run
from support.written import Written, sequential, written_layer

import rewriter
from rewriter.checks import check_graph
from rewriter.checks.fixing import fixes
from rewriter.dialects import decode
from rewriter.pipeline.run import make_plan


@pytest.fixture(params=[2, 3], ids=["keras2", "keras3"])
def keras(request) -> int:
    return request.param


def mended(graph, **options):
    return make_plan(graph, fixes(check_graph(graph, **options)))


def changes(plan) -> list[tuple[str, str]]:
    return [(change.action.value, change.layer) for change in plan.changes]


@pytest.mark.fast
def test_only_the_layers_of_the_findings_are_changed(keras):
    document = sequential(
        keras,
        ("InputLayer", {"batch_shape": [None, 4]}),
        ("Dropout", {"rate": 0.5, "name": "alive"}),
        ("Dropout", {"rate": 0.0, "name": "dead"}),
        ("Dense", {"units": 1}),
    )
    plan = mended(decode(document, keras))
    assert changes(plan) == [("remove", "dead")]
    assert [str(call) for call in plan.after.calls()] == ["inputlayer", "alive", "dense"]
    assert [layer.class_name for layer in plan.after.layers][1] == "Dropout"


@pytest.mark.fast
def test_rates_inside_other_layers_stay(keras):
    inner = written_layer("LSTM", "inner", keras, units=2, dropout=0.5, return_sequences=True)
    model = Written(keras)
    x = model.call("Bidirectional", "both", model.input("x", (None, 7, 4)), layer=inner)
    x = model.call("Dropout", "dead", x, rate=0.0)
    x = model.call("GRU", "gru", x, units=2, dropout=0.3)
    plan = mended(model.graph(model.call("Dense", "dense", x, units=1)), codes=["RW305"])
    assert changes(plan) == [("remove", "dead")]
    both = plan.after.layer("both")
    assert both.class_name == "Bidirectional" and both.inner["layer"].class_name == "LSTM"
    assert both.inner["layer"].config["dropout"] == 0.5


@pytest.mark.fast
def test_one_of_two_layers_of_a_kind_is_mended(keras):
    model = Written(keras)
    x = model.input("x", (None, None, 1))
    x = model.call("Dropout", "hides", x, rate=0.5)
    x = model.call("Masking", "masking", x, mask_value=0.0)
    x = model.call("LSTM", "one", x, units=2, return_sequences=True)
    x = model.call("Dense", "between", x, units=2)
    x = model.call("Dropout", "usual", x, rate=0.5)
    graph = model.graph(model.call("LSTM", "two", x, units=2))
    plan = mended(graph, codes=["RW201"])
    assert changes(plan) == [("move", "hides")]


@pytest.mark.fast
def test_layers_of_nested_models_are_mended_where_they_are(keras):
    inner = Written(keras, "encoder")
    y = inner.call("Dropout", "dead", inner.input("y", (None, 4)), rate=0.0)
    y = inner.call("Dropout", "alive", inner.call("Dense", "d", y, units=4), rate=0.5)
    outer = Written(keras)
    x = outer.input("x", (None, 4))
    x = outer.call("Functional", "encoder", x, document=inner.document(y))
    x = outer.call("Dropout", "kept", x, rate=0.5)
    plan = mended(outer.graph(outer.call("Dense", "dense", x, units=1)))
    assert changes(plan) == [("remove", "encoder/dead")]


@pytest.mark.fast
def test_what_changes_the_outputs_is_not_among_the_fixes():
    model = Written(3)
    x = model.call("Embedding", "emb", model.input("ids", (None, None)), input_dim=9)
    graph = model.graph(model.call("LSTM", "lstm", x, units=2))
    assert [each.code for each in check_graph(graph)] == ["RW203"]
    assert fixes(check_graph(graph)) == []


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_a_model_is_mended_in_place_and_the_old_file_is_kept(
    dialect, ending, tmp_path, monkeypatch, capsys
):
    layers = dialect.keras.layers
    x = dialect.keras.Input((4,))
    y = layers.Dense(3)(layers.Dropout(0.5)(layers.Dropout(0.0, name="dead")(x)))
    model = dialect.keras.Model(x, y)
    path = tmp_path / f"m{ending}"
    model.save(path)
    old = path.read_bytes()
    options = ("--select", "RW305", "--fix", "--force")
    assert run(monkeypatch, "check", path, *options) == 0
    assert Path(f"{path}.bak").read_bytes() == old
    new = dialect.keras.models.load_model(path)
    assert [layer.name for layer in new.layers if layer.name == "dead"] == []
    assert sum(type(layer).__name__ == "Dropout" for layer in new.layers) == 1
    given = np.ones((3, 4), "float32")
    assert np.array_equal(model.predict(given, verbose=0), new.predict(given, verbose=0))
    assert rewriter.check(path, select=["RW305"]) == []


@pytest.mark.fast
def test_without_an_output_nothing_is_mended(tmp_path, monkeypatch, capsys):
    assert run(monkeypatch, "check", tmp_path / "m.keras", "--fix") == 2
    assert "give -o OUT, or --force" in capsys.readouterr().err
    both = (tmp_path / "a.keras", tmp_path / "b.keras", "--fix", "-o", tmp_path / "c.keras")
    assert run(monkeypatch, "check", *both) == 2
    assert "cannot be written to one output" in capsys.readouterr().err
