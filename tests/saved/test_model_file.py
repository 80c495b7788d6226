"""What is read from whole files, and what from files that are no models."""

import json
import os
import zipfile

import h5py
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.model_files import DOCUMENT, run_python, write_h5, write_keras

from rewriter.errors import ModelReadError, RewriterError, UnsupportedModelError
from rewriter.saved import ModelFile, read


def refusal(path):
    with pytest.raises(RewriterError) as caught:
        read(path)
    assert caught.value.where == str(path)
    assert caught.value.fix
    return caught.value


@pytest.mark.parametrize("generation", [2, 3])
@pytest.mark.parametrize("ending", ["h5", "keras"])
@pytest.mark.parametrize("compiled", [True, False])
def test_a_file_tells_its_format_its_keras_and_its_training_config(
    real_files, generation, ending, compiled
):
    path = real_files[generation, ending, compiled]
    file = read(path)
    assert isinstance(file, ModelFile)
    assert (file.path, file.format, file.keras) == (path, ending, generation)
    assert file.version.startswith(f"{generation}.")
    assert file.document["class_name"] == "Sequential"
    assert [layer["class_name"] for layer in file.document["config"]["layers"]][-1] == "Dense"
    assert (file.training_config is not None) == compiled
    if compiled:
        assert file.training_config["loss"]["class_name"] == "MeanSquaredError"


@pytest.mark.parametrize("generation", [2, 3])
def test_the_document_is_what_keras_reads(real_files, generation):
    path = real_files[generation, "keras", True]
    with zipfile.ZipFile(path) as archive:
        assert read(path).document == json.loads(archive.read("config.json"))
    path = real_files[generation, "h5", True]
    with h5py.File(path) as group:
        assert read(path).document == json.loads(group.attrs["model_config"])
        assert read(path).training_config == json.loads(group.attrs["training_config"])


@pytest.mark.fast
@pytest.mark.parametrize(
    "name", ["census2010_ln_lstm.h5", "fl_all_name_lstm.h5", "nc_voter_name_hispanic_lstm.h5"]
)
def test_models_saved_years_ago_are_read(real_models, name):
    file = read(str(real_models / name))
    assert (file.format, file.keras, file.version) == ("h5", 2, "2.5.0")
    assert file.document["config"]["layers"][1]["class_name"] == "Embedding"
    assert file.training_config["loss"] == "categorical_crossentropy"


@pytest.mark.parametrize("ending", ["h5", "keras"])
def test_the_content_decides_the_format_and_not_the_ending(real_files, tmp_path, ending):
    misnamed = tmp_path / "model.onnx"
    misnamed.write_bytes(real_files[3, ending, False].read_bytes())
    assert read(misnamed).format == ending


@pytest.mark.fast
@pytest.mark.parametrize(
    ("version", "keras"),
    [("2.3.0-tf", 2), ("2.4.0", 2), (b"2.5.0", 2), ("3.15.1", 3), ("3.16.0.dev20260101", 3)],
)
def test_the_version_tells_the_keras(h5_file, version, keras):
    file = read(h5_file(keras_version=version))
    assert file.keras == keras
    assert file.version == (version if isinstance(version, str) else version.decode())


@pytest.mark.fast
def test_a_file_too_old_to_name_its_version_is_for_keras_2(tmp_path):
    file = read(write_h5(tmp_path / "m.h5", model_config=json.dumps(DOCUMENT)))
    assert (file.keras, file.version) == (2, None)


@pytest.mark.fast
@pytest.mark.parametrize("version", ["1.2.2", "4.0.0"])
def test_another_keras_is_refused_by_name(h5_file, version):
    error = refusal(h5_file(keras_version=version))
    assert isinstance(error, UnsupportedModelError)
    assert f"Keras {version}" in error.what


@pytest.mark.fast
@pytest.mark.parametrize("version", ["", "two", "3", "9" * 5000 + ".0"])
def test_a_version_that_is_none_is_an_error(h5_file, keras_file, version):
    assert "no version of Keras" in refusal(h5_file(keras_version=version)).what
    assert "no version of Keras" in refusal(keras_file(metadata={"keras_version": version})).what


@pytest.mark.fast
@pytest.mark.parametrize("metadata", [{}, {"keras_version": 3}, {"keras_version": None}])
def test_an_archive_that_names_no_keras_is_an_error(keras_file, metadata):
    assert "does not tell which Keras" in refusal(keras_file(metadata=metadata)).what


@pytest.mark.fast
@pytest.mark.parametrize("empty", ["{}", "null", ""])
def test_an_empty_training_config_is_none(h5_file, empty):
    assert read(h5_file(training_config=empty)).training_config is None


@pytest.mark.fast
def test_a_model_without_layers_is_returned_as_it_is(keras_file):
    document = {"class_name": "MyModel", "config": {}, "registered_name": "MyModel"}
    assert read(keras_file(document)).document == document


@pytest.mark.parametrize("generation", [2, 3])
def test_weights_alone_are_named_as_such(real_files, generation):
    error = refusal(real_files[generation, "weights", False])
    assert "weights alone" in error.what
    assert "model.save" in error.fix


@pytest.mark.fast
def test_what_is_no_file_is_refused(tmp_path):
    assert refusal(tmp_path / "missing.h5").what == "there is no such file"
    assert refusal(tmp_path).what == "it is a directory without a model"
    assert "cannot be read" in refusal(tmp_path / "null\0character").what
    assert "cannot be read" in refusal(tmp_path / ("long" * 1000)).what
    assert "no regular file" in refusal(os.devnull).what


@pytest.mark.fast
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are POSIX")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.keras")
    assert "no regular file" in refusal(tmp_path / "pipe.keras").what


@pytest.mark.fast
def test_an_unzipped_archive_is_refused_by_name(tmp_path):
    (tmp_path / "config.json").touch()
    (tmp_path / "metadata.json").touch()
    error = refusal(tmp_path)
    assert isinstance(error, UnsupportedModelError)
    assert "unzipped" in error.what


@pytest.mark.fast
@pytest.mark.skipif(os.name == "nt", reason="permission bits are POSIX")
def test_a_file_without_permission_is_an_error(keras_file):
    path = keras_file()
    path.chmod(0)
    code = """if True:
        import os, sys
        from rewriter.errors import ModelReadError
        from rewriter.saved import read
        if os.getuid() == 0:  # nothing is forbidden to root
            for folder in sys.argv[2:]:
                os.chmod(folder, 0o755)
            os.seteuid(65534)
        try:
            read(sys.argv[1])
        except ModelReadError as error:
            print(error)
    """
    parents = [folder for folder in path.parents if folder.stat().st_uid == os.getuid()]
    closed = [folder for folder in parents if folder.stat().st_mode & 0o5 != 0o5]
    modes = [folder.stat().st_mode for folder in closed]
    try:
        said = run_python(code, path, *closed)
    finally:
        for folder, mode in zip(closed, modes, strict=True):
            folder.chmod(mode)
    assert "Permission denied" in said
    assert str(path) in said


@pytest.mark.fast
@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "the file is empty"),
        (b"P", "neither"),
        (bytes(range(256)) * 100, "neither"),
        (b"PK\x03\x04" + bytes(1000), "archive is damaged"),
        (b"PK\x05\x06" + bytes(18), "without config.json"),
        (b"\x89HDF\r\n\x1a\n", "damaged"),
        (b"\x89HDF\r\n\x1a\n" + b"\xff" * 1000, "damaged"),
    ],
)
def test_what_is_no_model_file_is_an_error(tmp_path, content, what):
    path = tmp_path / "model.keras"
    path.write_bytes(content)
    assert what in refusal(path).what


@pytest.mark.parametrize("ending", ["h5", "keras"])
def test_a_truncated_file_is_an_error_wherever_it_ends(real_files, tmp_path, ending):
    content = real_files[3, ending, True].read_bytes()
    path = tmp_path / "model"
    for length in range(1, len(content), len(content) // 199):
        path.write_bytes(content[:length])
        assert isinstance(refusal(path), ModelReadError)


@pytest.mark.fast
@pytest.mark.parametrize(
    "text", ["[]", "null", "3", '"text"', "", "{", "{]", "\ufeff{}", '{"a": 01}', "{'a': 1}"]
)
def test_a_config_that_is_no_json_object_is_an_error(keras_file, h5_file, text):
    assert "config.json" in refusal(keras_file(text.encode())).what
    assert "model_config" in refusal(h5_file(model_config=text)).what


@pytest.mark.fast
def test_a_json_object_that_is_no_model_is_an_error(keras_file):
    assert "does not describe a model" in refusal(keras_file({})).what
    assert "does not describe a model" in refusal(keras_file({"class_name": 3, "config": {}})).what


def test_reading_imports_neither_keras_nor_numpy(real_files):
    code = """if True:
        import sys
        from rewriter.saved import read
        for path in sys.argv[1:]:
            read(path)
        print(sorted({"keras", "tf_keras", "tensorflow", "h5py", "numpy"} & set(sys.modules)))
    """
    paths = [path for (_, ending, _), path in real_files.items() if ending != "weights"]
    assert run_python(code, *paths) == "[]\n"


@pytest.mark.fast
def test_links_to_other_files_are_never_followed(tmp_path, h5_file):
    path = h5_file()
    with h5py.File(path, "r+") as file:
        file["elsewhere"] = h5py.ExternalLink(str(tmp_path / "pipe"), "/")
        file["nowhere"] = h5py.SoftLink("/missing")
        del file.attrs["model_config"]
    assert "no model_config" in refusal(path).what


MUTATIONS = st.lists(
    st.tuples(
        st.sampled_from(["head", "tail", "any"]),
        st.integers(0, 2**20),
        st.one_of(st.binary(min_size=1, max_size=1), st.sampled_from([b"\xff" * 8, bytes(8)])),
    ),
    min_size=1,
    max_size=8,
)


@pytest.mark.parametrize("generation", [2, 3])
@pytest.mark.parametrize("ending", ["h5", "keras"])
@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(mutations=MUTATIONS, end=st.one_of(st.none(), st.integers(0, 2**20)))
def test_a_damaged_file_gives_a_result_or_a_rewriter_error(
    real_files, tmp_path, generation, ending, mutations, end
):
    content = bytearray(real_files[generation, ending, True].read_bytes())
    for where, number, new in mutations:
        place = {
            "head": number % min(len(content), 3000),
            "tail": len(content) - 1 - number % min(len(content), 400),
            "any": number % len(content),
        }[where]
        content[place : place + len(new)] = new
    if end is not None:
        del content[end % len(content) :]
    path = tmp_path / "model"
    path.write_bytes(content)
    try:
        assert isinstance(read(path).document, dict)
    except RewriterError as error:
        assert error.where == str(path)
        assert error.fix


@pytest.mark.fast
def test_a_duplicate_member_is_refused(tmp_path):
    metadata = '{"keras_version": "3.0.0"}'
    with pytest.warns(UserWarning, match="Duplicate"):
        path = write_keras(
            tmp_path / "m.keras",
            [("metadata.json", metadata), ("config.json", "{}"), ("config.json", "{}")],
        )
    assert "'config.json' more than once" in refusal(path).what
