"""Files made to do harm are refused by name before Keras sees them, and never leave a mark."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from contextlib import suppress
from dataclasses import replace

import h5py
import pytest
from support import corpus
from support.corpus import HOSTILE, MARK, SECRET, endless, lambda_layer, model, named, save
from support.file_readers import ASKED, MISSING, NOT_FOUND_BY_NAME, READERS, WRITERS
from support.lookups import LIVE, of_text, spec_of

import rewriter
from rewriter.errors import ModelReadError, RewriterError, UnsupportedModelError

ALL = [*HOSTILE, *LIVE, *ASKED]
NAMES = [hostile.name for hostile in ALL]
EXPORT = "tf_keras.src.export.export_lib"  # its ReloadedLayer is the TFSMLayer of Keras 2
LOADS = """if True:
    import sys, rewriter
    from rewriter.errors import RewriterError
    for path in sys.argv[1:]:
        for read in (rewriter.check, rewriter.plan, rewriter.read):
            try:
                read(path, ["strip-dropout"]) if read is rewriter.plan else read(path)
            except RewriterError as error:
                print(error)
    assert not {"tensorflow", "keras", "tf_keras", "h5py", "numpy"} & set(sys.modules)
"""


@pytest.fixture
def made(tmp_path):
    def make(name):
        path = tmp_path / name
        next(each for each in ALL if each.name == name).make(path, tmp_path)
        return path

    return make


@pytest.mark.parametrize("hostile", ALL, ids=NAMES)
def test_a_hostile_file_is_refused(hostile, made, tmp_path, monkeypatch):
    """Before Keras sees it, where that can be; its `source` in corpus.py is the advisory."""
    path = made(hostile.name)
    if not hostile.loaded:
        monkeypatch.setattr(
            "rewriter.live.loading.live_keras", lambda _: pytest.fail("Keras saw it")
        )
    if hostile.make is endless:
        monkeypatch.setattr("rewriter.saved.safety.child_process.TIME_LIMIT", 10)
    with pytest.raises((UnsupportedModelError, ModelReadError)) as refused:
        rewriter.rewrite(path, ["strip-dropout"], output=tmp_path / f"out{path.suffix}")
    assert hostile.says in str(refused.value)
    assert str(path) in str(refused.value)
    assert refused.value.fix
    assert not (tmp_path / MARK).exists()
    assert not (tmp_path / f"out{path.suffix}").exists()


def test_reading_runs_nothing_follows_nothing_and_imports_nothing(made, tmp_path):
    paths = [made(name) for name in NAMES]
    done = subprocess.run(
        [sys.executable, "-c", LOADS, *map(str, paths)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / MARK).exists()
    assert "secret of the host" not in done.stdout
    for hostile in ALL:
        if hostile.readable and hostile.name != "polyglot.h5":
            rewriter.read(tmp_path / hostile.name)


@pytest.mark.parametrize("name", ["lambda2.h5", "lambda2.keras", "lambda3.h5", "lambda3.keras"])
def test_the_payload_is_live_and_allow_code_says_what_runs(made, tmp_path, name):
    path = made(name)
    says = "evil: .* runs Python code that the file holds"
    with pytest.warns(UserWarning, match=says), suppress(ModelReadError):  # it has no weights
        rewriter.rewrite(path, [], allow_code=True, verify=False)
    assert (tmp_path / MARK).exists()


@pytest.mark.parametrize("name", [hostile.name for hostile in LIVE])
def test_the_payload_is_live_where_nothing_looks_the_file_through(
    made, tmp_path, monkeypatch, name
):
    monkeypatch.setattr("rewriter.saved.safety.admission.dangers", lambda *_: iter(()))
    with suppress(Exception):
        rewriter.rewrite(made(name), [], verify=False)
    assert (tmp_path / MARK).exists()


@pytest.mark.parametrize("name", [hostile.name for hostile in READERS])
def test_the_file_is_read_where_nothing_looks_the_model_through(made, monkeypatch, name):
    """Keras' safe mode is on; the file is not there, and TensorFlow says that it looked for it."""
    monkeypatch.setattr("rewriter.saved.safety.admission.dangers", lambda *_: iter(()))
    with pytest.raises(RewriterError, match=MISSING):
        rewriter.verify(made(name), made(name))


@pytest.mark.parametrize("command", [rewriter.rehearse, lambda path: rewriter.verify(path, path)])
@pytest.mark.parametrize("name", [hostile.name for hostile in WRITERS])
def test_a_file_is_written_where_nothing_looks_the_model_through(
    made, tmp_path, monkeypatch, name, command
):
    path = made(name)
    with pytest.raises(UnsupportedModelError, match="runs the operation"):
        command(path)
    assert not (tmp_path / MARK).exists()
    monkeypatch.setattr("rewriter.saved.safety.admission.dangers", lambda *_: iter(()))
    with suppress(RewriterError):
        command(path)
    assert (tmp_path / MARK).exists()


NAMED = [each for each in (*LIVE, *ASKED) if each.name not in NOT_FOUND_BY_NAME]


@pytest.mark.fast
@pytest.mark.parametrize("hostile", NAMED, ids=[hostile.name for hostile in NAMED])
def test_check_names_the_payload(made, tmp_path, hostile):
    found = [str(each) for each in rewriter.check(made(hostile.name), select=["RW501"])]
    assert any(hostile.says.removeprefix("evil: ") in each for each in found)
    assert not (tmp_path / MARK).exists()


def test_a_saved_model_that_stands_for_a_type_is_refused(tmp_path):
    import tensorflow as tf

    module, mark = tf.Module(), str(tmp_path / MARK)

    @tf.function(input_signature=[tf.TensorSpec((None, 1), tf.string)])
    def serve(text):
        tf.io.write_file(mark, "x")
        return text

    module.serve = serve
    tf.saved_model.save(module, str(tmp_path / "other"))
    config = {"name": "x", "filepath": str(tmp_path / "other"), "call_endpoint": "serve"}
    path = tmp_path / "model.keras"
    of_text("standardize", lambda _: spec_of("ReloadedLayer", EXPORT, config))(path, tmp_path)
    with pytest.raises(UnsupportedModelError, match="ReloadedLayer for a type"):
        rewriter.rewrite(path, [])
    assert not (tmp_path / MARK).exists()
    import tf_keras

    tf_keras.models.load_model(path)(tf.constant([["a"]]))  # in its safe mode
    assert (tmp_path / MARK).exists()


def test_the_file_that_a_link_leads_to_is_not_in_the_message(made):
    for name in ("storage.keras", "storage.h5"):
        with pytest.raises(UnsupportedModelError, match=SECRET) as refused:
            rewriter.rewrite(made(name), [])
        assert "of the host" not in str(refused.value)


@pytest.mark.parametrize("name", ["shape.keras", "zip_bomb.keras", "calls.keras"])
def test_options_lift_the_limits(made, name):
    """What comes next is Keras' own refusal, or the graph's."""
    with pytest.raises(RewriterError) as refused:
        rewriter.plan(made(name), [], limits=False)
        from rewriter.saved import read
        from rewriter.saved.safety.admission import admit

        admit(read(made(name)), {}, limits=False)
        raise RewriterError("let in")
    assert "--no-limits" not in str(refused.value)


def test_a_training_configuration_that_calls_anything_is_not_used(dialect, tmp_path):
    keras = dialect.keras
    layers = keras.layers
    plain = keras.Sequential([layers.Input((4,)), layers.Dense(1)])
    plain.compile("sgd", "mse")
    path = tmp_path / "model.h5"
    plain.save(path)
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["training_config"])
        config["loss"] = named("os", "system")
        file.attrs["training_config"] = json.dumps(config)
    result = rewriter.rewrite(path, [], output=tmp_path / "out.h5")
    assert "os.system" in result.plan.notes[0].reason
    with h5py.File(tmp_path / "out.h5") as file:
        assert json.loads(file.attrs["training_config"]) == config


def test_a_live_model_needs_no_permission(dialect):
    keras = dialect.keras
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Lambda(lambda x: 2 * x)])
    assert rewriter.rewrite(model, []).verification.ok


def test_a_nested_compile_config_is_looked_through(tmp_path):
    inner = model(3) | {"compile_config": {"loss": named("os", "system")}}
    path = tmp_path / "nested.keras"
    save(path, 3, model(3, inner))
    with pytest.raises(UnsupportedModelError, match=r"os\.system"):
        rewriter.rewrite(path, [])


@pytest.mark.fast
def test_a_config_that_hdf5_reads_otherwise_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "two_answers.h5"
    save(path, 2, model(2))
    from rewriter.saved import read

    file = read(path)
    with h5py.File(path, "r+") as group:
        group.attrs["model_config"] = json.dumps(model(2, lambda_layer(2, tmp_path)))
    from rewriter.saved.safety.admission import admit

    file = replace(file, state=read(path).state)
    with pytest.raises(ModelReadError, match="reads another model_config"):
        admit(file, {})


def test_the_script_writes_the_whole_corpus(tmp_path):
    subprocess.run(
        [sys.executable, corpus.__file__, str(tmp_path)],
        check=True,
        capture_output=True,
    )
    assert set(NAMES) <= {path.name for path in tmp_path.iterdir()}
    assert zipfile.is_zipfile(tmp_path / "zip_bomb.keras")
