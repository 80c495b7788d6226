"""Layers that stand in several places are one: passes see them once, and change them everywhere."""

from __future__ import annotations

import zipfile

import h5py
import numpy as np
import pytest
from support.evidence import document, every_layer
from support.models import MODELS, backbone, custom_layer, encoder

import rewriter
from rewriter.dialects import decode
from rewriter.dialects.shared_layers import join
from rewriter.errors import ModelReadError, RebuildError, UnsupportedModelError
from rewriter.pipeline import Guarantee, Pass
from rewriter.pipeline.run import make_plan


class Halve(Pass):
    """Set every rate to a half of what it is, once."""

    name = "halve"
    guarantee = Guarantee.SAME

    def run(self, graph):
        for layer in graph.layers:
            if layer.class_name == "Dropout" and layer.config["rate"] == 0.5:
                yield graph.configure(layer.name, {"rate": 0.25}, reason="test")


@pytest.mark.parametrize(
    "name",
    ["layer_in_two_nested_models", "nested_model_in_two_models", "layer_called_several_times"],
)
def test_a_shared_layer_is_configured_once_and_stays_shared(dialect, name):
    model = MODELS[name].make(dialect.keras)
    result = rewriter.rewrite(model, [Halve()], verify=False)
    assert len(result.plan.changes) == 1
    noise = [each for each in every_layer(result.model) if type(each).__name__ == "Dropout"]
    assert [each.rate for each in noise] == [0.25]
    assert len(list(every_layer(result.model))) == len(list(every_layer(model)))


def test_a_shared_layer_of_a_file_is_configured_in_every_place(dialect):
    written = document(MODELS["layer_in_two_nested_models"].make(dialect.keras))
    for entry in written["config"]["layers"][1:]:
        for layer in entry["config"]["layers"]:
            if layer["class_name"] == "Dropout":
                layer["shared_object_id"] = 7
    graph = decode(written, dialect.number)
    join(graph)
    plan = make_plan(graph, [Halve()])
    rates = [
        layer.config["rate"]
        for graph in plan.after.walk()
        for layer in graph.layers
        if layer.class_name == "Dropout"
    ]
    assert len(plan.changes) == 1
    assert rates == [0.25, 0.25]


def test_a_cell_that_stands_twice_in_a_list_stays_one_through_files(tmp_path):
    """Of Keras 3, .keras files alone: what else Keras saves of such models, it cannot load."""
    import keras

    model = MODELS["cell_twice_in_a_list"].make(keras)
    model.save(tmp_path / "m.keras")
    rewritten = rewriter.rewrite(
        tmp_path / "m.keras", ["strip-dropout"], output=tmp_path / "out.keras"
    )
    assert len(rewritten.plan.changes) == 1
    again = keras.models.load_model(tmp_path / "out.keras")
    assert len(again.weights) == len(model.weights) == 3
    cells = again.get_layer("twice").cell.cells
    assert cells[0] is cells[1]
    assert cells[0].dropout == 0


def test_constructor_arguments_are_read_from_the_live_layers_and_the_plan_says_so(dialect):
    model = MODELS["subclass_with_constructor_arguments"].make(dialect.keras)
    result = rewriter.rewrite(model, ["strip-dropout"])
    assert [change.layer for change in result.plan.changes] == ["drop"]
    assert "becomes plain Functional" in result.plan.notes[0].reason
    assert type(result.model).__name__ == "Functional"


def test_a_nested_model_keeps_its_class_where_no_pass_changes_it(dialect):
    model = MODELS["nested_subclass_with_constructor_arguments"].make(dialect.keras)
    kept = rewriter.rewrite(model, [], verify=False).model.get_layer("backbone")
    changed = rewriter.rewrite(model, ["strip-dropout"]).model.get_layer("backbone")
    assert [type(each).__name__ for each in (kept, changed)] == ["Backbone", "Functional"]


def test_constructor_arguments_in_a_file_are_refused_by_name(dialect, tmp_path):
    path = tmp_path / "m.keras"
    MODELS["subclass_with_constructor_arguments"].make(dialect.keras).save(path)
    with pytest.raises(UnsupportedModelError, match="Backbone"):
        rewriter.plan(path, ["strip-dropout"])


@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.parametrize("outputs", [(0,), (1,), (2,), (1, 0), (0, 2), (2, 1, 0)])
def test_the_calls_of_a_model_that_a_file_does_not_list_are_told_apart(
    dialect, tmp_path, outputs, ending
):
    k = dialect.keras
    x, inner = k.Input((4,), name="ids"), backbone(k, 4)
    calls = [inner(x)]
    calls.append(inner(k.layers.Dropout(0.1, name="noise")(calls[0])))
    calls.append(inner(calls[1]))
    model = k.Model(x, [calls[each] for each in outputs])
    model.save(tmp_path / f"m{ending}")
    graph = rewriter.read(tmp_path / f"m{ending}")
    assert [str(tensor.call) for tensor in graph.outputs] == [
        ("backbone", "backbone (call 2)", "backbone (call 3)")[each] for each in outputs
    ]
    result = rewriter.rewrite(
        tmp_path / f"m{ending}", ["strip-dropout"], custom_objects={"Backbone": type(inner)}
    )
    assert result.verification.ok


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_what_numbers_cannot_tell_is_refused_by_name_and_rewritten_from_the_loaded_model(
    tmp_path, ending
):
    import keras as k

    x, inner = k.Input((4,), name="ids"), backbone(k, 4)
    first = inner(x)
    second = inner(k.layers.Dropout(0.1, name="noise")(first))
    k.Model(x, [first, k.layers.Dense(2)(second)]).save(tmp_path / f"m{ending}")
    with pytest.raises(UnsupportedModelError, match="backbone: which call of Backbone"):
        rewriter.read(tmp_path / f"m{ending}")
    result = rewriter.rewrite(
        tmp_path / f"m{ending}", ["strip-dropout"], custom_objects={"Backbone": type(inner)}
    )
    assert result.verification.ok
    assert [change.layer for change in result.plan.changes] == ["noise", "backbone/drop"]


def test_layers_of_keras_that_are_called_and_output_alike_are_no_models(tmp_path):
    import keras as k

    x, shared = k.Input((5, 4)), k.layers.LSTM(4, return_sequences=True, name="shared")
    second = shared(k.layers.Dropout(0.1)(shared(x)))
    k.Model(x, [second, k.layers.Dense(2)(second)]).save(tmp_path / "m.h5")
    assert str(rewriter.read(tmp_path / "m.h5").outputs[0].call) == "shared (call 2)"


def test_a_subclassed_model_is_refused(dialect):
    class Own(dialect.keras.Model):
        def call(self, x):
            return x

    with pytest.raises(UnsupportedModelError, match=r"Own|own"):
        rewriter.read(Own())


def test_a_call_whose_tensors_keras_does_not_write_down_is_refused_by_name():
    import tensorflow as tf
    import tf_keras as k

    x = k.Input((4,))
    model = k.Model(x, tf.einsum("ab,cb->ac", x, np.ones((2, 4), "float32")))
    with pytest.raises(UnsupportedModelError, match=r"tf\.einsum.*not in its config"):
        rewriter.read(model)


def test_a_layer_without_a_config_is_named_with_its_path(dialect):
    k = dialect.keras

    class Stubborn(custom_layer(k)):
        def get_config(self):
            raise NotImplementedError("no config")

    y = k.Input((4,), name="y")
    inner = k.Model(y, Stubborn(name="stubborn")(y), name="inner")
    x = k.Input((4,), name="x")
    model = k.Model(x, inner(encoder(k)(x)))
    with pytest.raises(UnsupportedModelError, match="inner/stubborn"):
        rewriter.read(model)


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_a_layer_of_a_file_that_keras_rejects_is_named_with_its_path(dialect, tmp_path, ending):
    k = dialect.keras

    class Picky(custom_layer(k)):
        def __init__(self, factor=2.0, **kwargs):
            if factor < 0:
                raise ValueError("no negative factors")
            super().__init__(factor, **kwargs)

    y = k.Input((4,), name="y")
    inner = k.Model(y, Picky(7.5, name="picky")(y), name="inner")
    x = k.Input((4,), name="x")
    path = tmp_path / f"m{ending}"
    k.Model(x, inner(encoder(k)(x))).save(path)
    spoil(path)
    with pytest.raises(ModelReadError, match="no negative factors") as caught:
        rewriter.rewrite(path, ["strip-dropout"], custom_objects={"Picky": Picky})
    assert caught.value.where == f"{path}: inner/picky"


def spoil(path):
    """Set the factor of a saved layer to one that its class rejects."""
    if path.suffix == ".h5":
        with h5py.File(path, "r+") as file:
            config = file.attrs["model_config"]
            text = config if isinstance(config, str) else config.decode()
            file.attrs["model_config"] = text.replace("7.5", "-7.5")
        return
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["config.json"] = members["config.json"].replace(b"7.5", b"-7.5")
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def test_a_config_that_its_class_rejects_is_named_with_its_path_and_the_original_is_kept(dialect):
    k = dialect.keras

    class Forgetful(custom_layer(k)):
        def __init__(self, needed, **kwargs):
            super().__init__(**kwargs)

    x = k.Input((4,))
    model = k.Model(x, Forgetful(3, name="forgetful")(x))
    calls = [len(layer._inbound_nodes) for layer in model.layers]
    assert issubclass(RebuildError, UnsupportedModelError)
    with pytest.raises(RebuildError, match="forgetful"):
        rewriter.rewrite(model, [], verify=False)
    assert [len(layer._inbound_nodes) for layer in model.layers] == calls
