"""What Keras does while it loads a file: memory in proportion to the file, and nothing left."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import zipfile
from pathlib import Path

import pytest

import rewriter
from rewriter.analysis import run_sizes
from rewriter.errors import ModelReadError
from rewriter.live import load_limits as bounded
from rewriter.live.keras_patches import temporaries_in
from rewriter.saved.safety import links_and_sizes

ROOT = Path(__file__).parents[2]
FORMS = [(2, ".keras"), (2, ".h5"), (2, ""), (3, ".keras"), (3, ".h5")]
forms = pytest.mark.parametrize(("number", "ending"), FORMS, ids=[f"{n}{e}" for n, e in FORMS])


def module(number):
    return importlib.import_module({2: "tf_keras", 3: "keras"}[number])


def saved(path, number, *layers, compiled=False):
    keras = module(number)
    model = layers[0]
    if not isinstance(model, keras.Model):
        model = keras.Sequential([keras.layers.Input((4,)), *layers])
    if compiled:
        model.compile("adam", "mse")
    model.save(path, **({} if path.suffix else {"save_format": "tf"}))
    return path


def without_floor(monkeypatch, share):
    monkeypatch.setattr(links_and_sizes, "INFLATION_FLOOR", 0)
    monkeypatch.setattr(links_and_sizes, "INFLATION_LIMIT", share)


@forms
@pytest.mark.parametrize("compiled", [True, False])
def test_weights_out_of_proportion_are_refused_and_the_option_lifts_it(
    tmp_path, monkeypatch, number, ending, compiled
):
    dense = module(number).layers.Dense(64, name="dense")
    path = saved(tmp_path / f"model{ending}", number, dense, compiled=compiled)
    assert rewriter.rewrite(path, [], verify=False).model
    monkeypatch.setattr(bounded, "refuse_inflation", refuse_all)
    with pytest.raises(ModelReadError, match="dense: too much") as refused:
        rewriter.rewrite(path, [], verify=False)
    assert "--no-limits" in refused.value.fix
    assert rewriter.rewrite(path, [], verify=False, limits=False).model


def refuse_all(declared, size, what):
    assert (declared, what) == (4 * 4 * 64, " of weights")
    raise ModelReadError("too much", fix=links_and_sizes.LIFT)


@forms
def test_weights_count_against_the_whole_file(tmp_path, monkeypatch, number, ending):
    path = saved(tmp_path / f"model{ending}", number, module(number).layers.Dense(3000))
    without_floor(monkeypatch, 1.5)  # as many bytes as the file has
    assert rewriter.rewrite(path, [], verify=False).model
    without_floor(monkeypatch, 0.5)
    monkeypatch.setattr("rewriter.saved.safety.admission.references_of", lambda *_, **how: [])
    with pytest.raises(ModelReadError, match="it declares 0 MB of weights in a file of 0"):
        rewriter.rewrite(path, [], verify=False)


@forms
def test_tensors_out_of_bounds_are_refused_and_the_option_lifts_it(
    tmp_path, monkeypatch, number, ending
):
    layers = module(number).layers
    path = saved(tmp_path / f"model{ending}", number, layers.RepeatVector(500, name="repeat"))
    monkeypatch.setattr(run_sizes, "TENSOR_LIMIT", run_sizes.ROWS * 2000)
    assert rewriter.rewrite(path, [], verify=False).model
    monkeypatch.setattr(run_sizes, "TENSOR_LIMIT", run_sizes.ROWS * 2000 - 1)
    with pytest.raises(ModelReadError, match="repeat: it gives a tensor of 0 MB for 7 rows"):
        rewriter.rewrite(path, [], verify=False)
    assert rewriter.rewrite(path, [], verify=False, limits=False).model


def test_a_tensor_inside_a_nested_model_counts(dialect, tmp_path, monkeypatch):
    keras = dialect.keras
    layers = keras.layers
    x = keras.Input((4,))
    flat = layers.GlobalAveragePooling1D()(layers.RepeatVector(500, name="repeat")(x))
    path = saved(tmp_path / "model.keras", dialect.number, keras.Model(x, flat))
    monkeypatch.setattr(run_sizes, "TENSOR_LIMIT", run_sizes.ROWS * 2000 - 1)
    with pytest.raises(ModelReadError, match="repeat: it gives a tensor"):
        rewriter.rewrite(path, [], verify=False)


def test_what_no_config_tells_is_traced_and_not_run(dialect, tmp_path, monkeypatch):
    keras = dialect.keras
    x = keras.Input((None, 2))
    rows = x[:, :1] + x  # no layer of a class that the tables know
    path = saved(tmp_path / "model.keras", dialect.number, keras.Model(x, rows))
    monkeypatch.setattr(bounded, "TENSOR_LIMIT", run_sizes.ROWS * run_sizes.STEPS * 2)
    assert rewriter.rewrite(path, [], verify=False).model
    monkeypatch.setattr(bounded, "TENSOR_LIMIT", run_sizes.ROWS * run_sizes.STEPS * 2 - 1)
    with pytest.raises(ModelReadError, match="it gives a tensor of 0 MB for 7 rows"):
        rewriter.rewrite(path, [], verify=False)
    assert rewriter.rewrite(path, [], verify=False, limits=False).model


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_a_refusal_that_a_layer_swallows_stands(dialect, tmp_path, ending):
    class Greedy(dialect.keras.layers.Layer):
        size = 1

        def build(self, shape):
            try:
                self.add_weight(name="w", shape=(self.size,), initializer="zeros")
            except ModelReadError:
                raise ValueError("not said why") from None

        def call(self, x):
            return x

    path = saved(tmp_path / f"model{ending}", dialect.number, Greedy(name="greedy"))
    Greedy.size = 10**10
    with pytest.raises(ModelReadError, match="greedy: it declares 38,147 MB of weights"):
        rewriter.rewrite(path, [], custom_objects={"Greedy": Greedy})


def test_layers_looked_at_one_by_one_after_a_failure_are_bounded_too(dialect, tmp_path):
    """Keras rejects the model first; which layer is to blame is asked of each of them."""
    path = saved(tmp_path / "model.keras", dialect.number, dialect.keras.layers.Dense(1, name="d"))
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    document = json.loads(members["config.json"])
    document["config"]["name"] = ["no", "name"]
    document["config"]["layers"][1]["config"]["units"] = 2 * 10**7
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (members | {"config.json": json.dumps(document)}).items():
            archive.writestr(name, content)
    with pytest.raises(ModelReadError, match="d: it declares 305 MB of weights"):
        rewriter.rewrite(path, [])


LOADS = """if True:
    import importlib, os, signal, sys, tempfile
    import rewriter
    path, name, tempfile.tempdir = sys.argv[1:]
    saving = importlib.import_module(name + ".src.saving.saving_lib")
    saving._MEMORY_UPPER_BOUND = 0  # as Keras 3 loads where little memory is free
    saving._load_state = lambda *_, **how: os.kill(os.getpid(), signal.SIGKILL)
    rewriter.rewrite(path, [], verify=False)
"""


@pytest.mark.skipif(os.name == "nt", reason="POSIX alone")
def test_a_killed_load_leaves_one_known_directory_that_the_next_load_removes(
    dialect, tmp_path, monkeypatch
):
    keras = dialect.keras
    folder, system = tmp_path / "models", tmp_path / "system"
    folder.mkdir()
    system.mkdir()
    path = saved(folder / "model.keras", dialect.number, keras.layers.Dense(2))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("assets/note.txt", "unpacked with the rest")
    done = subprocess.run(
        [sys.executable, "-c", LOADS, str(path), keras.__name__, str(system)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert list(folder.iterdir()) == [path]
    (left,) = system.iterdir()
    assert left.name.startswith(".keras.rewriter-")
    assert any(each.is_file() for each in left.rglob("*"))
    monkeypatch.setattr(tempfile, "tempdir", str(system))
    assert rewriter.rewrite(path, [], verify=False).model
    assert list(system.iterdir()) == []


def test_a_load_needs_no_folder_for_temporary_files(dialect, tmp_path, monkeypatch):
    path = saved(tmp_path / "model.keras", dialect.number, dialect.keras.layers.Dense(2))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    assert rewriter.rewrite(path, [], verify=False).model


def test_other_threads_make_their_temporary_files_where_they_did(dialect, tmp_path):
    library = importlib.import_module(f"{dialect.keras.__name__}.src.saving.saving_lib")
    made = []

    def make():
        made.append(Path(library.get_temp_dir()))

    with temporaries_in(lambda: tmp_path, dialect.number):
        make()
        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
    make()
    for each in made:
        each.rmdir()
    system = Path(tempfile.gettempdir())
    assert [each.parent for each in made] == [tmp_path, system, system]
    assert library.tempfile is tempfile
