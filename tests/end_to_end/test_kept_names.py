"""What stands in a file under names close to Keras' own is kept as it is, or named."""

from __future__ import annotations

import json
import stat
import zipfile

import pytest

import rewriter
from rewriter.errors import ModelWriteError
from rewriter.saved.writing.replace import replacing

MEMBERS = (
    "config.json.sig",
    "model.weights.h5.sha256",
    "metadata.json.bak",
    "assets/readme.txt",
    "Config.json",
)


@pytest.fixture
def saved(dialect, tmp_path):
    """A model in a .keras file, with a dropout to take out, and the way to change its config."""
    layers = dialect.keras.layers
    x = dialect.keras.Input((4, 3))
    norm = layers.Dense(3, kernel_regularizer="l2", dtype="float32", name="dense")
    y = layers.Bidirectional(layers.LSTM(2, return_sequences=True, name="lstm"), name="both")(x)
    y = layers.Dropout(0.5, name="drop")(norm(y))
    path = tmp_path / "model.keras"
    dialect.keras.Model(x, y).save(path)
    return path


def with_additions(path, change, comment=b"", members=()):
    with zipfile.ZipFile(path) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    document = json.loads(held["config.json"])
    change(document)
    held["config.json"] = json.dumps(document).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in held.items():
            archive.writestr(name, content)
        for name in members:
            archive.writestr(name, name)
        archive.comment = comment


def layer_of(document, name):
    return next(each for each in document["config"]["layers"] if each["config"]["name"] == name)


def rewritten(path, tmp_path):
    output = tmp_path / "out.keras"
    rewriter.rewrite(path, ["strip-dropout"], output=output, verify=False)
    with zipfile.ZipFile(output) as archive:
        return json.loads(archive.read("config.json")), archive.comment, archive.namelist()


def test_members_and_the_comment_are_kept(saved, tmp_path):
    with_additions(saved, lambda document: None, b"made by hand", MEMBERS)
    _, comment, names = rewritten(saved, tmp_path)
    assert comment == b"made by hand"
    assert set(MEMBERS) <= set(names)


def test_unknown_keys_are_kept_wherever_they_stand(saved, tmp_path):
    places = {
        "beside the layer in a wrapper": lambda d: layer_of(d, "both")["config"]["layer"],
        "in a regularizer": lambda d: layer_of(d, "dense")["config"]["kernel_regularizer"],
        "in build_config": lambda d: layer_of(d, "dense")["build_config"],
    }

    def change(document):
        for name, place in places.items():
            place(document)["mine"] = name

    with_additions(saved, change)
    document, _, _ = rewritten(saved, tmp_path)
    assert {name: place(document).get("mine") for name, place in places.items()} == {
        name: name for name in places
    }


def test_a_key_in_the_config_of_the_model_itself_is_kept(tmp_path):
    """In tf_keras: Keras 3 hands such keys to the model, which takes none."""
    import tf_keras

    x = tf_keras.Input((3,))
    path = tmp_path / "model.keras"
    tf_keras.Model(x, tf_keras.layers.Dropout(0.5)(tf_keras.layers.Dense(2)(x))).save(path)
    with_additions(path, lambda document: document["config"].update(mine={"of": "ours"}))
    document, _, _ = rewritten(path, tmp_path)
    assert document["config"]["mine"] == {"of": "ours"}


def test_what_goes_with_its_layer_is_named(saved, tmp_path):
    with_additions(saved, lambda document: layer_of(document, "drop").update(mine=1))
    result = rewriter.rewrite(saved, ["strip-dropout"], output=tmp_path / "o.keras", verify=False)
    assert [(note.layer, note.reason) for note in result.plan.notes if "mine" in note.reason] == [
        ("drop", "'mine' beside it is not in the new file")
    ]


def test_a_comment_has_no_place_in_hdf5(saved, tmp_path):
    with_additions(saved, lambda document: None, b"made by hand")
    with pytest.raises(ModelWriteError, match="comment of the archive"):
        rewriter.rewrite(saved, [], output=tmp_path / "out.h5", verify=False)


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_a_new_file_lets_nobody_in_whom_the_input_keeps_out(saved, tmp_path, ending):
    saved.chmod(0o600)
    output = tmp_path / f"out{ending}"
    rewriter.rewrite(saved, ["strip-dropout"], output=output, verify=False)
    assert stat.S_IMODE(output.stat().st_mode) == 0o600


def test_a_directory_lets_nobody_in_whom_the_input_keeps_out(tmp_path):
    import tf_keras

    path = tmp_path / "model.h5"
    tf_keras.Sequential([tf_keras.layers.Input((3,)), tf_keras.layers.Dense(2)]).save(path)
    path.chmod(0o600)
    for _ in range(2):  # the record that the first writes is no reason to refuse the second
        rewriter.rewrite(path, [], output=tmp_path / "out", verify=False, force=True)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o700


def test_the_slower_of_two_runs_is_told_what_happened(tmp_path):
    output = tmp_path / "out.keras"
    with (
        pytest.raises(ModelWriteError, match="another run has written it meanwhile"),
        replacing(output, force=False) as temporary,
    ):
        temporary.write_text("ours")
        output.write_text("theirs")
    assert output.read_text() == "theirs"
    assert [path.name for path in tmp_path.iterdir()] == ["out.keras"]
