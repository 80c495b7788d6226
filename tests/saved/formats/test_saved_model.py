"""SavedModel directories: what is read of them without TensorFlow, and what is refused."""

import json
import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.model_files import run_python

import rewriter
from rewriter.errors import ModelReadError, ModelWriteError, RewriterError, UnsupportedModelError
from rewriter.saved import read
from rewriter.saved.formats.protobuf import encoded, fields, messages, number, text
from rewriter.saved.formats.saved_model import (
    GRAPH,
    METADATA,
    change_metadata,
    lookups,
    objects_of,
    put_training_config,
)


@pytest.fixture(scope="session")
def directories(tmp_path_factory):
    """A SavedModel of a model with shared layers and several inputs, and directories like it."""
    import keras
    import tensorflow as tf
    import tf_keras as k

    folder = tmp_path_factory.mktemp("directories")
    shared = k.layers.Dense(4, name="shared")
    nested = []
    for name in ("left", "right"):
        y = k.Input((4,), name=f"{name}_in")
        nested.append(k.Model(y, k.layers.Dropout(0.5, name="noise")(shared(y)), name=name))
    a, b = k.Input((4,), name="a"), k.Input((4,), name="b")
    total = k.layers.Add(name="sum")([nested[0](a), nested[1](b)])
    model = k.Model([a, b], total, name="model")
    model.compile("adam", "mse")
    model.fit([np.ones((2, 4))] * 2, np.ones((2, 4)), verbose=0)
    model.save(folder / "whole", save_format="tf")
    tf.saved_model.save(model, str(folder / "bare"))
    model.export(folder / "exported2")
    x = keras.Input((3,))
    keras.Model(x, keras.layers.Dense(2)(x)).export(folder / "exported3")
    return folder


@pytest.fixture
def directory(directories, tmp_path):
    return shutil.copytree(directories / "whole", tmp_path / "model")


def old(path):
    """Move the configs to where they stood before TensorFlow 2.5."""
    held = {
        number(node, 2): node for node in messages(memoryview((path / METADATA).read_bytes()), 1)
    }

    def with_config(place, node):
        if place not in held:
            return node
        user = [(1, text(held[place], 4).encode()), (3, text(held[place], 5).encode())]
        kept = [(key, value) for key, value in fields(node) if key != 4]
        return encoded([*kept, (4, encoded(user))])

    def mapped(message, steps, change):
        wanted, *rest = steps
        found = []
        for place, (key, value) in enumerate(fields(message)):
            new = value
            if key == wanted:
                new = mapped(value, rest, change) if rest else change(place, value)
            found.append((key, new))
        return encoded(found)

    graph = mapped(memoryview((path / GRAPH).read_bytes()), [2, 7, 1], with_config)
    (path / GRAPH).write_bytes(graph)
    (path / METADATA).unlink()
    return path


@pytest.mark.parametrize("age", [lambda path: path, old], ids=["TensorFlow 2.5 on", "before"])
def test_a_directory_tells_its_keras_its_config_and_its_training_config(directory, age):
    file = read(age(directory))
    assert (file.format, file.keras) == ("savedmodel", 2)
    assert file.version.startswith("2.")
    assert file.training_config["loss"] == "mse"
    layers = file.document["config"]["layers"]
    assert [layer["config"]["name"] for layer in layers] == ["a", "b", "left", "right", "sum"]
    assert layers[0]["config"]["batch_input_shape"] == [None, 4]


def test_layers_that_are_one_object_are_known_as_one_and_inputs_are_not(directory):
    graph = rewriter.read(directory)
    left, right = (layer.graph for layer in graph.layers if layer.graph is not None)
    identities = [model.layer("shared").identity for model in (left, right)]
    assert identities[0] is not None
    assert identities[0] == identities[1]
    assert all(layer.identity is None for layer in graph.layers)
    assert all(model.layer("noise").identity is None for model in (left, right))


def test_reading_and_planning_import_no_tensorflow(directory):
    code = """if True:
        import sys, rewriter
        print(len(rewriter.plan(sys.argv[1], ["strip-dropout"]).changes))
        rewriter.check(sys.argv[1])
        print(sorted({"keras", "tf_keras", "tensorflow"} & set(sys.modules)))
    """
    assert run_python(code, directory) == "2\n[]\n"


@pytest.mark.parametrize("name", ["exported2", "exported3", "bare"])
def test_graphs_without_layers_are_refused_with_what_to_do(directories, name):
    with pytest.raises(UnsupportedModelError, match="no layers") as caught:
        read(directories / name)
    assert "model.save(DIRECTORY)" in caught.value.fix


@pytest.mark.fast
def test_a_graph_as_text_is_refused(tmp_path):
    (tmp_path / "saved_model.pbtxt").touch()
    with pytest.raises(UnsupportedModelError, match="pbtxt"):
        read(tmp_path)


@pytest.mark.parametrize("name", [GRAPH, METADATA])
@pytest.mark.parametrize("content", [b"\xff" * 40, b"\x12\xff\x01", b"\x0b", b"\n\x05\xff\xff"])
def test_a_damaged_directory_is_an_error(directory, name, content):
    (directory / name).write_bytes(content)
    with pytest.raises(RewriterError) as caught:
        read(directory)
    assert caught.value.where == str(directory)


def test_an_empty_graph_is_an_error(directory):
    (directory / GRAPH).write_bytes(b"")
    with pytest.raises(ModelReadError, match="empty"):
        read(directory)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    name=st.sampled_from([GRAPH, METADATA]),
    changes=st.lists(
        st.tuples(st.integers(0, 2**20), st.binary(min_size=1, max_size=4)), min_size=1, max_size=6
    ),
    end=st.none() | st.integers(0, 2**20),
)
def test_a_spoilt_directory_gives_a_result_or_a_rewriter_error(
    directories, tmp_path, name, changes, end
):
    for each in (GRAPH, METADATA):
        content = bytearray((directories / "whole" / each).read_bytes())
        if each == name:
            for place, new in changes:
                start = place % len(content)
                content[start : start + len(new)] = new
            if end is not None:
                del content[end % len(content) :]
        (tmp_path / each).write_bytes(content)
    try:
        assert isinstance(read(tmp_path).document, dict)
    except RewriterError as error:
        assert error.where == str(tmp_path)


def test_a_config_beyond_the_limits_is_refused_and_read_without_them(directory, monkeypatch):
    monkeypatch.setattr("rewriter.saved.model_file.CONFIG_MEMORY", 10)
    limits = read.__globals__["_Limits"](config_memory=10)
    monkeypatch.setattr("rewriter.saved.model_file._Limits", lambda: limits)
    with pytest.raises(ModelReadError, match="MB that are read"):
        read(directory)
    assert read(directory, limits=False).document


def test_a_training_config_is_put_in_and_nothing_else_changed(directory):
    before = read(directory)
    put_training_config(directory, {"loss": "mae"})
    after = read(directory)
    assert after.training_config == {"loss": "mae"}
    assert json.dumps(after.document) == json.dumps(before.document)


@pytest.mark.fast
def test_a_vocabulary_that_is_in_no_config_is_found_at_any_depth():
    layer = {"class_name": "StringLookup", "config": {"name": "words", "vocabulary": None}}
    given_ = {"class_name": "StringLookup", "config": {"name": "given", "vocabulary": ["a"]}}
    document = {"config": {"layers": [{"class_name": "T", "config": {"layer": layer}}, given_]}}
    assert list(lookups(document)) == ["words"]


def test_a_folder_of_models_is_checked_with_its_directories(directory, tmp_path):
    from rewriter.checks.files import expanded

    assert expanded([str(tmp_path)]) == [str(directory)]
    assert expanded([str(directory)]) == [str(directory)]


def test_keras_3_is_said_not_to_load_it(directory):
    found = rewriter.check(directory, select=["RW502"])
    assert "loads no SavedModel directories" in found[0].message


def noted(path, note):
    """Write notes into the metadata of a directory: what a function adds to each object's."""
    change_metadata(path, lambda place, metadata: note(metadata) or metadata)


def with_note(name):
    """Return a function that writes a note of its own beside what Keras says of an object."""

    def note(metadata):
        if metadata["name"] == name:
            metadata["note"] = f"of {name}"

    return note


def notes(path):
    return {metadata["name"]: metadata.get("note") for _, metadata in objects_of(path)}


@pytest.mark.parametrize("age", [lambda path: path, old], ids=["TensorFlow 2.5 on", "before"])
def test_what_is_unknown_beside_an_object_is_carried_over(directory, tmp_path, age):
    for name in ("model", "sum"):
        noted(directory, with_note(name))
    rewriter.rewrite(age(directory), ["strip-dropout"], output=tmp_path / "out", verify=False)
    found = notes(tmp_path / "out")
    assert (found["model"], found["sum"], found["shared"]) == ("of model", "of sum", None)
    assert rewriter.rewrite(tmp_path / "out", []).verification.ok


def test_what_is_unknown_beside_a_layer_that_goes_goes_with_it(directory, tmp_path):
    noted(directory, with_note("noise"))
    rewriter.rewrite(directory, ["strip-dropout"], output=tmp_path / "out", verify=False)
    assert "noise" not in notes(tmp_path / "out")


def test_what_is_unknown_beside_two_objects_of_one_name_is_refused(directory, tmp_path):
    noted(directory, with_note("noise"))
    with pytest.raises(ModelWriteError, match=r"'note \(noise\)'"):
        rewriter.rewrite(directory, [], output=tmp_path / "out", verify=False)
    assert not (tmp_path / "out").exists()


def test_what_is_unknown_in_a_config_is_carried_over(directory, tmp_path):
    def note(metadata):
        for entry in metadata["config"].get("layers", ()):
            entry["note"] = entry["config"]["name"]
        for entry in metadata.get("model_config", {}).get("config", {}).get("layers", ()):
            entry["note"] = entry["config"]["name"]

    noted(directory, note)
    rewriter.rewrite(directory, ["strip-dropout"], output=tmp_path / "out", verify=False)
    layers = read(tmp_path / "out").document["config"]["layers"]
    assert [layer["note"] for layer in layers] == ["a", "b", "left", "right", "sum"]
    written = dict(objects_of(tmp_path / "out"))[0]
    assert written["config"]["layers"][0]["note"] == "a"


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_what_is_unknown_beside_an_object_has_no_place_in_another_format(
    directory, tmp_path, ending
):
    noted(directory, with_note("sum"))
    with pytest.raises(ModelWriteError, match=r"'note \(sum\)' .* has no place in a"):
        rewriter.rewrite(directory, [], output=tmp_path / f"out.{ending}", verify=False)
