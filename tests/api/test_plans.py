"""One plan, made once: what is shown is what is applied."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import replace

import pytest

import rewriter
from rewriter import cli
from rewriter.analysis.graph_differences import differences
from rewriter.api.plans import Plan
from rewriter.errors import PassError, UnsupportedModelError
from rewriter.graph.changes import Stage

CUSTOM = """
import {keras} as k


class Grows(k.layers.Layer):
    def __init__(self, factor=1, **others):
        super().__init__(**others)
        self.factor = factor

    def call(self, x):
        return x * self.factor

    def get_config(self):
        return {{**super().get_config(), "factor": self.factor}}

    @classmethod
    def from_config(cls, config):
        return cls(**{{**config, "factor": config["factor"] + {more}}})


class ByArguments(k.Model):
    def __init__(self, units=2, **others):
        x = k.Input((3,), name="x")
        y = k.layers.Dropout(0.5, name="drop")(x)
        super().__init__(x, k.layers.Dense(units, name="out")(y), **others)
        self.units = units

    def get_config(self):
        return {{"units": self.units, "name": self.name}}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**config)
"""


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["rewriter", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        return ended.value.code, out, err

    return run


@pytest.fixture
def custom(dialect, tmp_path, monkeypatch):
    """A module of custom classes, written anew for each test."""

    def write(more: int = 0):
        import importlib

        name = f"custom_{dialect.keras.__name__}_{more}"
        text = CUSTOM.format(keras=dialect.keras.__name__, more=more)
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.syspath_prepend(str(tmp_path))
        sys.modules.pop(name, None)
        return importlib.import_module(name)

    return write


def noisy(keras, rate=0.5):
    x = keras.Input((3,), name="x")
    y = keras.layers.Dropout(rate, name="drop")(x)
    return keras.Model(x, keras.layers.Dense(2, name="out")(y))


def ending(dialect) -> str:
    return ".h5" if dialect.number == 2 else ".keras"


@pytest.fixture
def counted(monkeypatch):
    """How often each file was read, and each pass was run."""
    from rewriter.passes.strip_dropout import StripDropout

    from rewriter.saved import model_file

    counts: Counter[str] = Counter()
    read_file, run_pass = model_file._read, StripDropout.run_model

    def counting_read(path, limits):
        counts[path.name] += 1
        return read_file(path, limits)

    def counting_run(self, model):
        counts[self.name] += 1
        return run_pass(self, model)

    monkeypatch.setattr(model_file, "_read", counting_read)
    monkeypatch.setattr(StripDropout, "run_model", counting_run)
    return counts


@pytest.mark.parametrize("suffix", ["", ".h5", ".keras"])
def test_one_rewrite_reads_its_input_once_and_runs_each_pass_once(
    dialect, run, counted, tmp_path, suffix
):
    if dialect.number == 3 and not suffix:
        pytest.skip("Keras 3 writes no directories")
    model, path = noisy(dialect.keras), tmp_path / f"before{suffix}"
    model.save(path, **({} if suffix else {"save_format": "tf"}))
    code, _, _ = run("rewrite", path.name, "-o", f"after{suffix}", "-p", "strip-dropout")
    assert code == 0
    assert (counted["strip-dropout"], counted[path.name]) == (1, 1)


def test_a_plan_stands_for_the_list_and_is_applied_as_it_is(dialect, counted, tmp_path):
    path = tmp_path / f"m{ending(dialect)}"
    model = noisy(dialect.keras)
    model.save(path)
    for one in (model, path, str(path)):
        counted.clear()
        plan = rewriter.plan(one, ["strip-dropout"])
        result = rewriter.rewrite(one, plan)
        assert counted["strip-dropout"] == 1
        assert counted[path.name] == (one is not model)
        assert result.plan.changes == plan.changes
        assert [layer.name for layer in result.model.layers] == ["x", "out"]


def test_a_plan_for_another_model_is_refused(dialect, tmp_path):
    path = tmp_path / f"m{ending(dialect)}"
    other = noisy(dialect.keras, rate=0.25)
    other.save(path)
    plan = rewriter.plan(noisy(dialect.keras), ["strip-dropout"])
    for one in (other, path):
        with pytest.raises(UnsupportedModelError, match=r"made for another model: rate 0\.5"):
            rewriter.rewrite(one, plan)


def test_a_plan_of_a_file_is_applied_to_its_live_model(dialect, tmp_path):
    path = tmp_path / f"m{ending(dialect)}"
    noisy(dialect.keras).save(path)
    plan = rewriter.plan(path, ["strip-dropout"])
    result = rewriter.rewrite(dialect.keras.models.load_model(path), plan)
    assert [layer.name for layer in result.model.layers] == ["x", "out"]


def test_a_file_that_loads_as_another_model_stops_the_rewrite(dialect, custom, run):
    keras, module = dialect.keras, custom(more=2)
    x = keras.Input((3,), name="x")
    keras.Model(x, module.Grows(name="grows")(x)).save(f"m{ending(dialect)}")
    words = ["rewrite", f"m{ending(dialect)}", "-p", "strip-dropout", "--custom", module.__name__]
    code, _, err = run(*words, "-o", f"out{ending(dialect)}")
    assert code == 2
    assert "grows: Keras loads another model than the file tells" in err
    assert "factor 1 is loaded as 3" in err


def test_a_model_that_only_loading_tells_is_loaded_planned_once_and_shown(
    dialect, custom, run, counted
):
    module, name = custom(), f"m{ending(dialect)}"
    module.ByArguments(name="m").save(name)
    words = ["rewrite", name, "-p", "strip-dropout", "--custom", module.__name__]
    code, out, err = run(*words, "-o", f"out{ending(dialect)}")
    assert code == 0, err
    assert out.count("does not list its layers") == 1
    assert "- drop" in out
    assert (counted["strip-dropout"], counted[name]) == (1, 1)


def test_notes_of_the_plan_and_of_the_training_are_told_once(dialect, run):
    keras = dialect.keras
    ids = keras.Input((3,), dtype="int32", name="ids")
    x = keras.layers.Flatten(name="flat")(keras.layers.Embedding(9, 2, name="emb")(ids))
    first = keras.layers.Dense(2, name="first")(x)
    drop = keras.layers.Dropout(0.5, name="drop")(keras.layers.Dense(2, name="second")(x))
    model = keras.Model(ids, [first, drop], name="m")
    model.compile("sgd", loss={"first": "mse", "drop": "mae"})
    model.save("m.keras")
    words = ["rewrite", "m.keras", "-p", "enable-masking", "-p", "strip-dropout", "--no-verify"]
    words += ["-o", "out.keras"]
    code, out, _ = run(*words)
    assert code == 0
    assert out.count("stays unmasked") == out.count("the output drop gets the name second") == 1
    code, out, _ = run(*words, "--force", "--format", "json")
    notes = json.loads(out)["notes"]
    assert [(note["stage"], note["pass"], note["layer"]) for note in notes] == [
        ("plan", "enable-masking", "emb"),
        ("rewrite", "rewrite", "m"),
    ]


class Learns(rewriter.Pass):
    """Say what was told beside the graph."""

    name = "learns"
    guarantee = rewriter.Guarantee.SAME

    def run(self, graph):
        return iter(())

    def run_with(self, model, context):
        yield rewriter.Note(",".join(context.data), ",".join(context.declared_masks), "told")


def test_a_pass_is_told_the_data_and_what_custom_layers_declare(dialect, custom):
    import numpy as np

    keras = dialect.keras
    x = keras.Input((3,), name="x")
    model = keras.Model(x, custom().Grows(name="grows")(x))
    plan = rewriter.plan(model, [Learns()], data={"x": np.ones((2, 3), "float32")})
    assert [(note.layer, note.class_name, note.stage) for note in plan.notes] == [
        ("x", "grows", Stage.PLAN)
    ]


class Breaks(rewriter.Pass):
    """Leave a broken graph."""

    name = "breaks"
    guarantee = rewriter.Guarantee.SAME

    def run(self, graph):
        edge = next(iter(graph.network.edges(keys=True)))
        graph.network.remove_edge(*edge)
        return iter(())


def test_the_plan_before_a_broken_pass_has_the_methods_of_a_plan(dialect):
    with pytest.raises(PassError) as caught:
        rewriter.plan(noisy(dialect.keras), ["strip-dropout", Breaks()])
    assert isinstance(caught.value.plan, Plan)
    assert "drop" in str(caught.value.plan)


def test_differences_are_told_by_layer(dialect):
    graph = rewriter.read(noisy(dialect.keras))
    assert list(differences(graph, graph.copy())) == []
    other = graph.copy()
    other.configure("out", {"units": 3}, reason="")
    assert [(each.layer, each.what) for each in differences(graph, other)] == [
        ("out", "units 2 is loaded as 3")
    ]
    other = graph.copy()
    other.replace("drop", replace(graph.layer("drop"), class_name="AlphaDropout"), reason="")
    assert [each.what for each in differences(graph, other)] == [
        "class Dropout is loaded as AlphaDropout"
    ]
    other = graph.copy()
    other.remove(graph.calls_of("drop")[0], reason="")
    assert [(each.layer, each.what) for each in differences(graph, other)] == [
        ("drop", "it is in the file alone"),
        ("out", "it is called with other tensors"),
    ]
