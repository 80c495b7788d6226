"""What a file holds comes back out of a rewrite: known to Keras or not."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile

import h5py
import numpy as np
import pytest

import rewriter
from rewriter.api import functions, rewriting
from rewriter.errors import ModelWriteError
from rewriter.saved import read, read_back
from rewriter.saved.additions.config_merge import unknown_keys, with_unknown_keys

KEYS = [(name, ending) for name in ("tf_keras", "keras") for ending in ("h5", "keras")]


def members(path):
    """Return everything in a file but dates and the record, weights as arrays."""
    found = {}
    if path.suffix == ".keras":
        with zipfile.ZipFile(path) as archive:
            assert len(archive.namelist()) == len(set(archive.namelist()))
            for name in archive.namelist():
                content = archive.read(name)
                if name.endswith(".json"):
                    found[name] = json.loads(content)
                elif name.endswith(".h5"):
                    with archive.open(name) as member, h5py.File(member) as file:
                        found |= tree(file, name)
                else:
                    found[name] = content
        found["metadata.json"].pop("date_saved")
        found["metadata.json"].pop("rewriter", None)
    else:
        with h5py.File(path) as file:
            found = tree(file, "")
        found.pop("@rewriter", None)
        for name in ("@model_config", "@training_config"):
            found[name] = json.loads(found[name])
    return {key: without_numbers(value) for key, value in found.items()}


def without_numbers(value):
    """Drop the numbers of shared objects, which are addresses in memory."""
    if isinstance(value, dict):
        kept = {key: each for key, each in value.items() if key != "shared_object_id"}
        return {key: without_numbers(each) for key, each in kept.items()}
    return [without_numbers(each) for each in value] if isinstance(value, list) else value


def tree(file, prefix):
    found = {f"{prefix}@{key}": value for key, value in file.attrs.items()}

    def visit(name, each):
        place = f"{prefix}/{name}"
        found.update({f"{place}@{key}": value for key, value in each.attrs.items()})
        if isinstance(each, h5py.Dataset):
            found[place] = each[()]

    file.visititems(visit)
    return found


def same(one, other):
    assert one.keys() == other.keys()
    for key, value in one.items():
        if isinstance(value, np.ndarray | np.generic):
            np.testing.assert_array_equal(value, other[key], err_msg=key)
        else:
            assert value == other[key], key


@pytest.mark.parametrize(("name", "ending"), KEYS)
def test_a_file_that_no_pass_touches_comes_back_as_it_was(rich_files, tmp_path, name, ending):
    path, output = rich_files[name, ending], tmp_path / f"out.{ending}"
    rewriter.rewrite(path, [], output=output, verify=False)
    same(members(path), members(output))


@pytest.mark.parametrize(("name", "ending"), KEYS)
def test_a_model_that_no_pass_touches_comes_back_as_keras_itself_brings_it_back(
    rich_files, tmp_path, monkeypatch, name, ending
):
    """Member by member, but for Keras 3's optimizer in .h5, whose state Keras leaves behind."""
    monkeypatch.setattr(functions, "why_not", lambda *_: "Keras is to write it")
    path, own, output = (
        rich_files[name, ending],
        tmp_path / f"own.{ending}",
        tmp_path / f"out.{ending}",
    )
    importlib.import_module(name).models.load_model(path).save(own)
    rewriter.rewrite(path, [], output=output, verify=False)
    expected, found = members(own), members(output)
    if (name, ending) == ("keras", "h5"):
        kept = {key for key in expected if not key.startswith(("/optimizer_weights", "@training"))}
        assert kept <= found.keys()
        expected, found = ({key: each[key] for key in kept} for each in (expected, found))
    same(expected, found)


@pytest.mark.parametrize(("name", "ending"), KEYS)
def test_the_file_records_what_was_done_and_that_nothing_was_verified(
    rich_files, tmp_path, name, ending
):
    output = tmp_path / f"out.{ending}"
    rewriter.rewrite(rich_files[name, ending], ["strip-dropout"], output=output, verify=False)
    if ending == "keras":
        with zipfile.ZipFile(output) as archive:
            record = json.loads(archive.read("metadata.json"))["rewriter"]
    else:
        with h5py.File(output) as file:
            record = json.loads(file.attrs["rewriter"])
    assert record.pop("version")
    assert record == {"passes": ["strip-dropout"], "guarantee": "same", "verified": False}
    assert rewriter.rewrite(output, []).verification.ok  # Keras loads it


def noted_config(path, change):
    """Have a function change the layers in the config of an .h5 file."""
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        change(config["config"]["layers"])
        file.attrs["model_config"] = json.dumps(config)


def test_a_note_beside_a_layer_is_carried_over_and_has_no_place_in_another_format(
    dialect, tmp_path
):
    k, path = dialect.keras, tmp_path / "noted.h5"
    k.Sequential([k.layers.Input((3,)), k.layers.Dense(2, name="a")]).save(path)
    noted_config(path, lambda layers: layers[-1].update(note="ours"))
    rewriter.rewrite(path, [], output=tmp_path / "out.h5", verify=False)
    assert read(tmp_path / "out.h5").document["config"]["layers"][-1]["note"] == "ours"
    with pytest.raises(ModelWriteError, match=r"'note \(a\)' .* has no place in a"):
        rewriter.rewrite(path, [], output=tmp_path / "out.keras", verify=False)


def test_nothing_that_keras_writes_beside_a_config_is_strange(rich_files):
    for path in rich_files.values():
        assert list(unknown_keys(read(path).document)) == []


def test_which_layers_are_one_object_is_told_by_the_new_file_alone():
    """A number of the old one may be another object's in the new one."""
    shared = {"shared_object_id": 3}
    old, new = (
        {"config": {"layers": [{"class_name": "Dense", "config": {"name": "a"}, **number}]}}
        for number in (shared, {})
    )
    assert with_unknown_keys(old, new) is None
    assert new["config"]["layers"] == [{"class_name": "Dense", "config": {"name": "a"}}]


@pytest.mark.parametrize("name", ["tf_keras", "keras"])
def test_what_is_unknown_in_an_archive_is_carried_over(rich_files, tmp_path, name):
    path = tmp_path / "noted.keras"
    with zipfile.ZipFile(rich_files[name, "keras"]) as old, zipfile.ZipFile(path, "w") as new:
        for each in old.namelist():
            content = old.read(each)
            if each == "metadata.json":
                content = json.dumps(json.loads(content) | {"licence": "ours"}).encode()
            if each == "config.json":
                config = json.loads(content) | {"note": "top"}
                config["config"]["layers"][1] |= {"note": "layer"}
                content = json.dumps(config).encode()
            new.writestr(each, content)
        new.writestr("notes/training.txt", "three weeks")
    output = tmp_path / "out.keras"
    rewriter.rewrite(path, [], output=output, verify=False)
    found = members(output)
    assert found["notes/training.txt"] == b"three weeks"
    assert found["metadata.json"]["licence"] == "ours"
    assert found["config.json"]["note"] == "top"
    assert found["config.json"]["config"]["layers"][1]["note"] == "layer"
    assert rewriter.rewrite(output, [], verify=False).plan.changes == ()


@pytest.mark.parametrize("name", ["tf_keras", "keras"])
def test_what_is_unknown_in_an_hdf5_file_is_carried_over(rich_files, tmp_path, name):
    path = shutil.copy(rich_files[name, "h5"], tmp_path / "noted.h5")
    with h5py.File(path, "r+") as file:
        file.attrs["licence"] = "ours"
        file["history/loss"] = np.arange(3.0)
        config = json.loads(file.attrs["model_config"])
        config["note"] = "top"
        config["config"]["layers"][1]["note"] = "layer"
        file.attrs["model_config"] = json.dumps(config)
    output = tmp_path / "out.h5"
    rewriter.rewrite(path, [], output=output, verify=False)
    found = members(output)
    assert found["@licence"] == "ours"
    np.testing.assert_array_equal(found["/history/loss"], np.arange(3.0))
    assert found["@model_config"]["note"] == "top"
    assert found["@model_config"]["config"]["layers"][1]["note"] == "layer"
    assert rewriter.rewrite(output, [], verify=False).plan.changes == ()


def test_what_has_no_place_in_another_format_is_refused_by_name(rich_files, tmp_path):
    path = shutil.copy(rich_files["keras", "keras"], tmp_path / "noted.keras")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("notes.txt", "three weeks")
    with pytest.raises(ModelWriteError, match=r"notes\.txt"):
        rewriter.rewrite(path, [], output=tmp_path / "out.h5", verify=False)
    assert not (tmp_path / "out.h5").exists()


@pytest.mark.parametrize(("name", "ending"), KEYS)
@pytest.mark.parametrize("spoilt", ["weight", "layer", "unplaced"])
def test_a_file_that_reads_back_otherwise_is_not_put_in_place(
    rich_files, tmp_path, monkeypatch, name, ending, spoilt
):
    output = tmp_path / f"out.{ending}"
    output.write_text("old")
    monkeypatch.setattr(functions, "why_not", lambda *_: "Keras is to write it")
    if spoilt == "weight":
        monkeypatch.setattr(read_back, "_array", lambda variable: np.zeros(tuple(variable.shape)))
    elif spoilt == "unplaced":
        monkeypatch.setattr(rewriting, "places", lambda *_: None)
        monkeypatch.setattr(read_back, "_checksums", lambda root: iter([b""]))
    else:
        layers = read_back._layers
        monkeypatch.setattr(
            read_back, "_layers", lambda graph: layers(graph) ^ {(str(id(graph)), "")}
        )
    with pytest.raises(ModelWriteError, match="does not hold what was written"):
        rewriter.rewrite(rich_files[name, ending], [], output=output, verify=False, force=True)
    assert output.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("ending", ["h5", "keras"])
@pytest.mark.parametrize("whose", ["layers", "inside"])
def test_weights_of_one_shape_that_changed_places_are_found(dialect, tmp_path, ending, whose):
    keras = dialect.keras
    layers = keras.layers
    one = [layers.Input((4,)), layers.Dense(4, name="a"), layers.Dense(4, name="b")]
    inner = keras.Sequential(one, name="inner")
    model = inner if whose == "layers" else keras.Sequential([layers.Input((4,)), inner])
    real = rewriting.carry_additions

    def swap(file, written, record):
        real(file, written, record)
        with weights_to_change(written) as root:
            found = []
            root.visititems(lambda _, each: found.append(each) if is_kernel(each) else None)
            first, second = found
            kept = first[()]
            first[...], second[...] = second[()], kept

    output = tmp_path / f"out.{ending}"
    assert rewriter.rewrite(model, [], output=output, verify=False).output == output
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rewriting, "carry_additions", swap)
        with pytest.raises(ModelWriteError, match=r"the weight .* is not as it was"):
            rewriter.rewrite(model, [], output=output, verify=False, force=True)
    assert [path.name for path in tmp_path.iterdir()] == [output.name]


def is_kernel(each):
    return isinstance(each, h5py.Dataset) and each.shape == (4, 4)


@contextlib.contextmanager
def weights_to_change(path):
    """Open the weights of a model file, and put them back changed."""
    if path.suffix == ".h5":
        with h5py.File(path, "r+") as root:
            yield root
        return
    with zipfile.ZipFile(path) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    content = io.BytesIO(held["model.weights.h5"])
    with h5py.File(content, "r+") as root:
        yield root
    with zipfile.ZipFile(path, "w") as archive:
        for name, each in held.items():
            archive.writestr(name, content.getvalue() if name == "model.weights.h5" else each)


def group_of(root, ending, layer):
    """Return the group that holds a layer's weights."""
    if ending == "h5":
        return root["model_weights"][layer.name]
    found = []
    kind = type(layer).__name__.lower()
    root.visititems(
        lambda name, each: found.append(each) if name.endswith(f"{kind}/vars") else None
    )
    return found[0]


def noted(dialect, path):
    """Save a model, and write things into its weights that Keras knows nothing of."""
    layers = dialect.keras.layers
    stack = [layers.Input((4,)), layers.Dense(2), layers.Dropout(0.5), layers.UnitNormalization()]
    model = dialect.keras.Sequential(stack)
    model.save(path)
    ending = path.suffix[1:]
    with weights_to_change(path) as root:
        top = root["model_weights"] if ending == "h5" else root
        top.attrs["licence"] = "ours"
        top["notes/loss"] = np.arange(3.0)
        top["notes"].attrs["by"] = "us"
        dense = group_of(root, ending, model.layers[0])
        dense.attrs["frozen since"] = 3
        top["shortcut"] = h5py.SoftLink(dense.name)
        found = []
        dense.visititems(lambda _, each: found.append(each) if hasattr(each, "shape") else None)
        found[0].attrs["unit"] = "mV"
        return model, found[0].name


@pytest.mark.parametrize("ending", ["h5", "keras"])
def test_what_is_unknown_among_the_weights_is_carried_over(dialect, tmp_path, ending):
    path, output = tmp_path / f"noted.{ending}", tmp_path / f"out.{ending}"
    model, weight = noted(dialect, path)
    rewriter.rewrite(path, ["strip-dropout"], output=output)
    with weights_to_change(output) as root:
        top = root["model_weights"] if ending == "h5" else root
        assert top.attrs["licence"] == "ours"
        np.testing.assert_array_equal(top["notes/loss"], np.arange(3.0))
        assert top["notes"].attrs["by"] == "us"
        assert group_of(root, ending, model.layers[0]).attrs["frozen since"] == 3
        assert isinstance(top.get("shortcut", getlink=True), h5py.SoftLink)
        assert root[weight].attrs["unit"] == "mV"
    assert rewriter.rewrite(output, []).verification.ok
    assert dialect.keras.models.load_model(output).count_params() == model.count_params()


@pytest.mark.parametrize("ending", ["h5", "keras"])
def test_what_is_unknown_among_the_weights_has_no_place_in_another_format(
    dialect, tmp_path, ending
):
    path = tmp_path / f"noted.{ending}"
    noted(dialect, path)
    output = tmp_path / ("out.h5" if ending == "keras" else "out.keras")
    with pytest.raises(ModelWriteError, match="has no place in a"):
        rewriter.rewrite(path, ["strip-dropout"], output=output)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_a_note_at_a_weight_that_is_gone_is_refused_by_name(dialect, tmp_path):
    path = tmp_path / "noted.keras"
    _, weight = noted(dialect, path)
    from rewriter.saved.additions.unknown_in_hdf5 import carry, unknown_objects

    lost = pytest.raises(ModelWriteError, match=f"{weight.strip('/')}@unit")
    with weights_to_change(path) as source, h5py.File(tmp_path / "empty.h5", "w") as target, lost:
        carry(unknown_objects(source, "keras"), source, target)


@pytest.mark.parametrize(("name", "ending"), KEYS)
def test_nothing_that_keras_wrote_is_unknown(rich_files, name, ending):
    from rewriter.saved.additions.unknown_in_hdf5 import unknown_objects

    with read_back.weights_file(rich_files[name, ending]) as root:
        assert unknown_objects(root, ending) == []


def test_nothing_in_real_models_is_unknown(real_models):
    from rewriter.saved.additions.unknown_in_hdf5 import unknown_objects

    for path in real_models.glob("*.h5"):
        with read_back.weights_file(path) as root:
            assert unknown_objects(root, "h5") == []


FULL = """if True:
    import json, resource, sys
    import rewriter
    from rewriter.errors import ModelWriteError
    said = {}
    for path, limit in json.loads(sys.argv[1]):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        try:
            rewriter.rewrite(path, [], output=path, force=True, verify=False)
        except ModelWriteError as error:
            said[path] = str(error)
    print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def written_to_a_full_disk(rich_files, tmp_path_factory):
    """What each rewrite says whose disk takes a share of the file, by file and share."""
    folders = {
        (key, share): tmp_path_factory.mktemp("full") for key in KEYS for share in (0.3, 0.7)
    }
    limits = {}
    for (key, share), folder in folders.items():
        path = folder / f"model.{key[1]}"
        content = rich_files[key].read_bytes()
        path.write_bytes(content)
        limits[str(path)] = int(share * len(content))
    done = subprocess.run(
        [sys.executable, "-c", FULL, json.dumps(list(limits.items()))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    said = json.loads(line)
    return {
        case: (folder, said[str(folder / f"model.{case[0][1]}")])
        for case, folder in folders.items()
    }


@pytest.mark.skipif(os.name == "nt", reason="POSIX alone")
@pytest.mark.parametrize("share", [0.3, 0.7])
@pytest.mark.parametrize(("name", "ending"), KEYS)
def test_a_disk_that_fills_up_is_told_in_one_line_and_leaves_the_file(
    rich_files, written_to_a_full_disk, name, ending, share
):
    """libhdf5 alone ends the process in a segmentation fault."""
    folder, said = written_to_a_full_disk[(name, ending), share]
    assert "the file cannot be written: File too large" in said
    assert len(said.splitlines()) == 1
    (path,) = folder.iterdir()
    assert path.name == f"model.{ending}"
    assert path.read_bytes() == rich_files[name, ending].read_bytes()


@pytest.mark.parametrize("ending", ["h5", "keras"])
def test_a_folder_that_goes_away_is_told(dialect, tmp_path, monkeypatch, ending):
    layers = dialect.keras.layers
    model = dialect.keras.Sequential([layers.Input((4,)), layers.Dense(2)])
    folder = tmp_path / "folder"
    folder.mkdir()
    real = rewriting.carry_additions

    def gone(file, written, record):
        shutil.rmtree(folder)
        real(file, written, record)

    monkeypatch.setattr(rewriting, "carry_additions", gone)
    output = folder / f"out.{ending}"
    with pytest.raises(ModelWriteError) as told:
        rewriter.rewrite(model, [], output=output, verify=False)
    assert told.value.where == str(output)
