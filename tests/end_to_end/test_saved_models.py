"""SavedModel directories of Keras 2: loaded without running their graphs, rewritten, written."""

from __future__ import annotations

import json
import shutil
import warnings

import numpy as np
import pytest
from support.evidence import every_layer, outputs, same, weights
from support.models import MODELS

import rewriter
from rewriter.api import rewriting
from rewriter.errors import ModelReadError, ModelWriteError, UnsupportedModelError
from rewriter.graph.changes import Stage
from rewriter.live import live_keras
from rewriter.live.custom_classes import scope_of
from rewriter.live.keras2.saved_model import checkpoint_places
from rewriter.live.loading import load
from rewriter.saved import read, read_back
from rewriter.saved.formats.checkpoint import arrays_by_place
from rewriter.saved.formats.saved_model import WEIGHTS

NAMES = [name for name, model in MODELS.items() if 2 in model.keras]
SHORT = {
    "layer_in_two_nested_models",
    "nested_model_with_dicts",
    "stacked_rnn_cells",
    "adapted_normalization",
    "custom_cell",
    "operations_of_keras_2",
    "stateful",
}
UNLOADABLE = {
    "custom_layer_with_a_model_inside": "holder: .* 'Functional'",
}
"""What Keras makes out of the graphs alone, since its class cannot read its own config there."""


@pytest.fixture(autouse=True)
def clean():
    import tf_keras

    tf_keras.backend.clear_session()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def objects(model):
    """The custom classes and functions of a model, as a user would bring them."""
    keras = live_keras(2)
    return {
        name: each for layer in every_layer(model) for name, each in scope_of(layer, keras).items()
    }


def saved(name, path):
    import tf_keras

    model = MODELS[name].make(tf_keras)
    model.save(path, save_format="tf")
    return model


def trained(path):
    """A compiled model after a step, saved as a directory."""
    import tf_keras as k

    layers = [k.layers.Input((3,)), k.layers.Dropout(0.5, name="drop"), k.layers.Dense(2)]
    model = k.Sequential(layers, name="trained")
    model.compile(k.optimizers.Adam(0.1), "mse", metrics=["mae"])
    model.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0)
    model.save(path, save_format="tf")
    return model


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """What `trained` saves, made once for tests that look at copies of the files alone."""
    path = tmp_path_factory.mktemp("trained") / "m"
    trained(path)
    return path


@pytest.mark.parametrize(
    "name",
    [name if name in SHORT else pytest.param(name, marks=pytest.mark.long) for name in NAMES],
)
def test_a_model_comes_back_out_of_a_directory_to_the_bit(name, tmp_path):
    model = saved(name, tmp_path / "m")
    places = checkpoint_places(model)
    assert [place for place, _ in arrays_by_place(tmp_path / "m" / WEIGHTS, places)] == [*places]
    assert {id(each) for each in model.variables if hasattr(each, "shape")} <= {
        id(each) for each in places.values()
    }
    file, brought = read(tmp_path / "m"), objects(model)
    if name in UNLOADABLE:
        with pytest.raises(ModelReadError, match=UNLOADABLE[name]):
            load(file, brought, allow_code=True)
        return
    loaded = load(file, brought, allow_code=True)
    assert not loaded.notes
    graph = rewriter.read(model)
    assert same(outputs(loaded.model, graph), outputs(model, graph))
    assert len(list(every_layer(loaded.model))) == len(list(every_layer(model)))
    if name != "frozen_layer_inside_a_wrapper":  # no config tells it: other files lose it too
        assert same(weights(loaded.model), weights(model))
    if "layers" in file.document["config"]:
        rewriter.rewrite(tmp_path / "m", ["strip-dropout"], allow_code=True, custom_objects=brought)


def test_a_graph_that_keras_runs_on_loading_is_not_run(tmp_path):
    import tensorflow as tf
    import tf_keras as k

    trace = tmp_path / "trace"

    class Hostile(tf.saved_model.experimental.TrackableResource):
        def _create_resource(self):
            tf.io.write_file(str(trace), "was here")
            return tf.raw_ops.MutableHashTableV2(key_dtype=tf.int64, value_dtype=tf.int64)

        def _initialize(self):
            tf.io.write_file(str(trace), "was here")

    x = k.Input((3,))
    model = k.Model(x, k.layers.Dense(2)(k.layers.Dropout(0.5)(x)))
    model.hostile = Hostile()
    model.save(tmp_path / "m", save_format="tf")
    trace.unlink(missing_ok=True)
    k.models.load_model(tmp_path / "m")
    assert trace.exists(), "Keras' own loading no longer runs it: the test is of nothing"
    trace.unlink()
    result = rewriter.rewrite(tmp_path / "m", ["strip-dropout"], output=tmp_path / "out")
    assert result.verification.ok
    assert not trace.exists()


def test_a_vocabulary_in_the_graph_is_loaded_for_those_alone_who_trust_it(tmp_path):
    model = saved("string_lookup_given", tmp_path / "m")
    with pytest.raises(UnsupportedModelError, match=r"string_lookup.*vocabulary"):
        rewriter.rewrite(tmp_path / "m", ["strip-dropout"])
    result = rewriter.rewrite(tmp_path / "m", [], allow_code=True, output=tmp_path / "out.keras")
    vocabularies = [
        each.get_layer("string_lookup").get_vocabulary() for each in (model, result.model)
    ]
    assert vocabularies[0] == vocabularies[1]
    assert rewriter.verify(model, tmp_path / "out.keras").ok


@pytest.mark.parametrize("name", ["string_lookup_adapted", "lookup_in_a_nested_model"])
def test_a_vocabulary_that_was_adapted_is_written_and_comes_back(name, tmp_path):
    import tf_keras

    model = MODELS[name].make(tf_keras)
    rewriter.rewrite(model, [], output=tmp_path / "out")
    assert rewriter.verify(model, tmp_path / "out", allow_code=True).ok


def test_a_link_out_of_the_directory_is_refused(directory, tmp_path):
    shutil.copytree(directory, tmp_path / "m")
    shards = tmp_path / "m" / "variables" / "variables.data-00000-of-00001"
    shutil.move(shards, tmp_path / "elsewhere")
    shards.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnsupportedModelError, match="links to the file"):
        rewriter.rewrite(tmp_path / "m", ["strip-dropout"])


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("variables/variables.data-00000-of-00001", "../../other/variables/variables.index"),
        ("variables", "../other/variables"),
        ("fingerprint.pb", "../other/fingerprint.pb"),
        ("assets/one", "two/../../../other/fingerprint.pb"),
        ("assets.extra", "../other"),
        ("assets.extra/loose", "/no/such/file"),
    ],
)
def test_check_names_a_link_out_of_the_directory(directory, tmp_path, name, target):
    shutil.copytree(directory, tmp_path / "m")
    shutil.copytree(directory, tmp_path / "other")
    exchanged(tmp_path / "m" / name, target)
    found = [str(each) for each in rewriter.check(tmp_path / "m", select=["RW501"])]
    assert [f"links to the file {target!r}" in each for each in found] == [True]
    with pytest.raises(UnsupportedModelError, match="links to the file"):
        rewriter.rewrite(tmp_path / "m", ["strip-dropout"])


@pytest.mark.parametrize("name", ["keras_metadata.pb", "saved_model.pb"])
@pytest.mark.parametrize("command", [rewriter.check, rewriter.read, rewriter.rehearse])
def test_a_link_out_of_the_directory_is_not_followed(directory, tmp_path, name, command):
    shutil.copytree(directory, tmp_path / "m")
    shutil.copytree(directory, tmp_path / "other")
    exchanged(tmp_path / "m" / name, f"../other/{name}")
    with pytest.raises(UnsupportedModelError, match=f"{name} links to the file"):
        command(tmp_path / "m")


def test_a_link_within_the_directory_is_followed(directory, tmp_path):
    shutil.copytree(directory, tmp_path / "m")
    (tmp_path / "m" / "keras_metadata.pb").rename(tmp_path / "m" / "kept.pb")
    (tmp_path / "m" / "keras_metadata.pb").symlink_to("kept.pb")
    assert rewriter.rewrite(tmp_path / "m", ["strip-dropout"]).verification.ok


def exchanged(path, target):
    """Put a link in the place of a file or directory."""
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(target)


def test_python_code_in_a_directory_follows_the_rules_of_other_files(tmp_path):
    saved("lambda_with_a_closure", tmp_path / "m")
    with pytest.raises(UnsupportedModelError, match="runs Python code"):
        rewriter.rewrite(tmp_path / "m", ["strip-dropout"])


def test_a_checkpoint_without_a_weight_is_an_error(tmp_path):
    trained(tmp_path / "m")
    other = trained(tmp_path / "other")
    import tensorflow as tf

    tf.train.Checkpoint(step=other.optimizer.iterations).write(
        str(tmp_path / "m" / "variables" / "variables")
    )
    with pytest.raises(ModelReadError, match="checkpoint lacks weights"):
        rewriter.rewrite(tmp_path / "m", ["strip-dropout"])


@pytest.mark.parametrize("ending", ["", ".keras", ".h5"])
def test_a_rewritten_directory_is_written_in_each_form_and_loads_in_keras_alone(tmp_path, ending):
    import tf_keras

    model = trained(tmp_path / "m")
    output = tmp_path / f"out{ending}"
    result = rewriter.rewrite(tmp_path / "m", ["strip-dropout"], output=output)
    assert result.verification.ok
    assert output.is_dir() == (not ending)
    alone = tf_keras.models.load_model(output)
    x = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
    np.testing.assert_array_equal(alone(x, training=False), model(x, training=False))
    assert rewriter.verify(tmp_path / "m", output).ok


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_a_file_is_written_as_a_directory(tmp_path, ending):
    model = trained(tmp_path / "m")
    model.save(tmp_path / f"file{ending}")
    rewriter.rewrite(tmp_path / f"file{ending}", ["strip-dropout"], output=tmp_path / "out")
    assert rewriter.verify(model, tmp_path / "out").ok


@pytest.mark.parametrize("name", ["Adam", "SGD", "legacy.Adam"])
def test_training_goes_on_as_if_nothing_had_been(tmp_path, name):
    import tf_keras as k

    optimizers = k.optimizers
    for part in name.split("."):
        optimizers = getattr(optimizers, part)
    x = k.Input((3,))
    model = k.Model(x, k.layers.Dense(2)(k.layers.Dense(3)(x)))
    model.compile(optimizers(0.1), "mse", metrics=["mae"])
    data = np.ones((4, 3)), np.arange(8.0).reshape(4, 2)
    model.fit(*data, shuffle=False, verbose=0)
    model.save(tmp_path / "m", save_format="tf")
    result = rewriter.rewrite(tmp_path / "m", [], output=tmp_path / "out")
    assert not result.plan.notes
    again = load(read(tmp_path / "out"), {}).model
    for each in (model, result.model, again):
        each.fit(*data, epochs=2, shuffle=False, verbose=0)
    assert same(weights(result.model), weights(model))
    assert same(weights(again), weights(model))


def test_a_training_config_that_names_a_stranger_is_carried_over_as_it_stands(tmp_path):
    import tf_keras as k

    def strange(true, given):
        return k.losses.mean_squared_error(true, given)

    model = k.Sequential([k.layers.Input((3,)), k.layers.Dropout(0.5), k.layers.Dense(2)])
    model.compile("sgd", strange)
    model.save(tmp_path / "m", save_format="tf")
    result = rewriter.rewrite(tmp_path / "m", ["strip-dropout"], output=tmp_path / "out")
    assert "without its training configuration" in str(result.plan.notes)
    assert read(tmp_path / "out").training_config == read(tmp_path / "m").training_config
    with pytest.raises(ModelWriteError, match="SavedModel directories write it in different ways"):
        rewriter.rewrite(tmp_path / "m", ["strip-dropout"], output=tmp_path / "out.h5")


def test_what_others_put_into_a_directory_is_carried_over_and_the_rewrite_recorded(tmp_path):
    trained(tmp_path / "m")
    (tmp_path / "m" / "assets.extra").mkdir()
    (tmp_path / "m" / "assets.extra" / "warmup").write_text("requests")
    (tmp_path / "m" / "README.md").write_text("three weeks")
    rewriter.rewrite(tmp_path / "m", ["strip-dropout"], output=tmp_path / "out")
    assert (tmp_path / "out" / "assets.extra" / "warmup").read_text() == "requests"
    assert (tmp_path / "out" / "README.md").read_text() == "three weeks"
    record = json.loads((tmp_path / "out" / "assets.extra" / "rewriter.json").read_text())
    assert (record["passes"], record["verified"]) == (["strip-dropout"], True)
    with pytest.raises(ModelWriteError, match=r"README\.md"):
        rewriter.rewrite(tmp_path / "out", [], output=tmp_path / "out.h5", verify=False)


def test_a_directory_is_replaced_by_its_own_rewrite_and_kept_beside_it(tmp_path):
    model = trained(tmp_path / "m")
    rewriter.rewrite(tmp_path / "m", ["strip-dropout"], output=tmp_path / "m", force=True)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["m", "m.bak"]
    assert [layer.name for layer in rewriter.read(tmp_path / "m").layers][1:] == ["dense"]
    assert rewriter.verify(model, tmp_path / "m.bak").ok


def rewritten_checkpoint(directory, change):
    """Write the checkpoint of a directory again, with what a function makes of its tensors."""
    import tensorflow as tf

    prefix = str(directory / "variables" / "variables")
    checkpoint = tf.train.load_checkpoint(prefix)
    found = {name: checkpoint.get_tensor(name) for name in checkpoint.get_variable_to_shape_map()}
    found = change(found)
    tf.raw_ops.SaveV2(
        prefix=prefix,
        tensor_names=list(found),
        shape_and_slices=[""] * len(found),
        tensors=[tf.convert_to_tensor(each) for each in found.values()],
    )


def swapped(one, other):
    """Return a function that lets two variables change places."""
    first, second = (f"{name}.ATTRIBUTES/VARIABLE_VALUE" for name in (one, other))
    return lambda found: {**found, first: found[second], second: found[first]}


def two_alike():
    """A trained model with two kernels of one shape in it, and two in a model that it holds."""
    import tf_keras as k

    layers = [k.layers.Input((4,)), k.layers.Dense(4, name="c"), k.layers.Dense(4, name="d")]
    inner = k.Sequential(layers, name="inner")
    x = k.Input((4,))
    y = inner(k.layers.Dense(4, name="b")(k.layers.Dense(4, name="a")(x)))
    model = k.Model(x, y)
    model.compile("adam", "mse")
    model.fit(np.eye(4), np.ones((4, 4)), verbose=0)
    return model


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (swapped("layer_with_weights-0/kernel/", "layer_with_weights-1/kernel/"), "a/kernel"),
        (swapped("variables/4/", "variables/6/"), "c/kernel"),
        (swapped("optimizer/_variables/1/", "optimizer/_variables/2/"), "m/a/kernel"),
    ],
    ids=["in the model", "in a nested one", "in the optimizer"],
)
def test_weights_that_changed_places_are_named_and_nothing_is_put_in_place(
    tmp_path, monkeypatch, change, name
):
    real = rewriting.carry_additions

    def spoil(file, written, record):
        real(file, written, record)
        rewritten_checkpoint(written, change)

    monkeypatch.setattr(rewriting, "carry_additions", spoil)
    with pytest.raises(ModelWriteError, match=f"the weight .*{name}.* is not as it was"):
        rewriter.rewrite(two_alike(), [], output=tmp_path / "out")
    assert not any(tmp_path.iterdir())


def test_a_weight_that_only_a_layer_of_its_own_knows_the_place_of_must_be_somewhere(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(read_back, "arrays_by_place", lambda prefix, places: iter(()))
    model = two_alike()
    assert rewriter.rewrite(model, [], output=tmp_path / "out", verify=False).output
    monkeypatch.setattr(read_back, "arrays", lambda prefix: iter(()))
    with pytest.raises(ModelWriteError, match=r"weight of shape \(4, 4\) is not as it was"):
        rewriter.rewrite(model, [], output=tmp_path / "other", verify=False)


def test_a_checkpoint_that_is_damaged_on_the_disk_is_not_put_in_place(tmp_path, monkeypatch):
    real = rewriting.carry_additions

    def damage(file, written, record):
        real(file, written, record)
        path = written / "variables" / "variables.data-00000-of-00001"
        path.write_bytes(bytes(path.stat().st_size))

    monkeypatch.setattr(rewriting, "carry_additions", damage)
    with pytest.raises(
        ModelWriteError, match=r"does not hold what was written.*checkpoint is damaged"
    ):
        rewriter.rewrite(two_alike(), [], output=tmp_path / "out", verify=False)
    assert not any(tmp_path.iterdir())


def test_keras_3_writes_no_directory_and_is_told_so_before_any_work(tmp_path):
    import keras

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    with pytest.raises(ModelWriteError, match="Keras 3 writes no SavedModel") as caught:
        rewriter.rewrite(model, [], output=tmp_path / "out")
    assert ".keras" in caught.value.fix


def test_a_compiled_model_that_was_never_trained_stays_compiled(tmp_path):
    import tf_keras as k

    model = k.Sequential([k.layers.Input((3,)), k.layers.Dropout(0.5), k.layers.Dense(2)])
    model.compile("adam", "mse")
    model.save(tmp_path / "before")
    for name in ("after", "after.h5"):
        result = rewriter.rewrite(tmp_path / "before", ["strip-dropout"], output=tmp_path / name)
        assert not [note for note in result.plan.notes if note.stage is not Stage.PLAN]
        assert type(result.model.optimizer).__name__ == "Adam"
