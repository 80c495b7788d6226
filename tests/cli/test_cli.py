"""The command line: what it prints, where, and with which exit code."""

import json
import re
import subprocess
import sys

import h5py
import numpy as np
import pytest
from support.written import save, sequential

from rewriter import cli
from rewriter.cli import console


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with models of all kinds, good and bad, made once."""
    import keras
    import tf_keras

    folder = tmp_path_factory.mktemp("models")
    for module, name in ((tf_keras, "two.h5"), (keras, "three.keras")):
        layers = module.layers
        model = module.Sequential(
            [
                layers.Input((None,), dtype="int32"),
                layers.Embedding(9, 3, name="emb"),
                layers.Dropout(0.5, name="drop"),
                layers.GRU(2, name="gru"),
            ]
        )
        model.save(folder / name)
    model.save_weights(folder / "alone.weights.h5")
    (folder / "torn.keras").write_bytes((folder / "three.keras").read_bytes()[:-200])
    (folder / "empty").mkdir()
    (folder / "saved_model").mkdir()
    (folder / "saved_model" / "saved_model.pb").write_bytes(b"")
    own_layer(keras).save(folder / "own.keras")
    with h5py.File(folder / "subclassed.h5", "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "MyModel", "config": {"name": "m"}})
        file.attrs["keras_version"] = "2.15.0"
    return folder


def own_layer(keras):
    class Own(keras.layers.Layer):
        def call(self, x):
            return x

    return keras.Sequential([keras.layers.Input((3,)), Own(), keras.layers.Dense(2)])


@pytest.fixture(scope="module")
def fixed_batch(tmp_path_factory):
    """A model with noise that fixes the batch size, of each Keras."""
    import keras
    import tf_keras

    folder = tmp_path_factory.mktemp("fixed")
    for module, name in ((tf_keras, "two.h5"), (keras, "three.keras")):
        layers = module.layers
        noise = layers.Dropout(0.5, noise_shape=(4, 1, 3), name="drop")
        rnn = layers.SimpleRNN(2, name="rnn")
        module.Sequential([layers.Input((None, 3)), noise, rnn]).save(folder / name)
    return folder


@pytest.fixture
def run(folder, monkeypatch, capsys):
    def run(*words: str, cwd=folder) -> tuple[int, str, str]:
        monkeypatch.chdir(cwd)
        monkeypatch.setattr(sys, "argv", ["rewriter", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        return ended.value.code, out, err

    return run


@pytest.mark.parametrize("name", ["two.h5", "three.keras"])
def test_rewriting_shows_the_diff_verifies_and_writes(run, tmp_path, name):
    output = tmp_path / name
    code, out, _ = run(
        "rewrite", name, "-o", str(output), "-p", "enable-masking", "-p", "move-dropout"
    )
    assert code == 0
    assert "mask_zero: false -> true" in out
    assert "verified same-where-unpadded: equal to the bit" in out
    assert out.rstrip().endswith(f"wrote {output}")
    assert output.exists()


def test_an_output_without_an_ending_gets_the_format_of_the_input(run, tmp_path):
    run("rewrite", "two.h5", "-o", str(tmp_path / "out"), "-p", "strip-dropout", "--no-verify")
    assert [path.name for path in tmp_path.iterdir()] == ["out.h5"]


def test_json_carries_plan_verification_and_output_and_nothing_else_is_printed(run, tmp_path):
    output = tmp_path / "out.keras"
    code, out, _ = run(
        "rewrite", "three.keras", "-o", str(output), "-p", "strip-dropout", "--format", "json"
    )
    told = json.loads(out)
    assert code == 0
    assert told["verification"]["ok"] is True
    assert told["output"] == str(output)
    assert [change["layer"] for change in told["changes"]] == ["drop"]


def test_without_verification_that_is_said(run, tmp_path):
    _, out, _ = run(
        "rewrite", "two.h5", "-o", str(tmp_path / "o.h5"), "-p", "strip-dropout", "--no-verify"
    )
    assert "nothing was compared" in out


def test_a_dry_run_tells_changes_by_its_exit_code_if_asked(run):
    assert run("rewrite", "two.h5", "-p", "strip-dropout", "--dry-run")[0] == 0
    assert run("rewrite", "two.h5", "-p", "strip-dropout", "--dry-run", "--exit-code")[0] == 1
    code, out, _ = run(
        "rewrite", "two.h5", "-p", "strip-dropout:", "--dry-run", "--exit-code", "--format", "json"
    )
    assert code == 1
    assert json.loads(out)["guarantee"] == "same"


def test_without_passes_those_of_the_project_are_run(run, folder, tmp_path):
    table = '[tool.rewriter]\npasses = ["move-dropout:recurrent=false", "strip-dropout"]\n'
    (tmp_path / "pyproject.toml").write_text(f"{table}verify = false\n")
    below = tmp_path / "below"
    below.mkdir()
    model = str(folder / "two.h5")
    code, out, _ = run("rewrite", model, "-o", "out.h5", cwd=below)
    assert code == 0
    assert "passes: move-dropout:recurrent=false, strip-dropout" in out
    assert "nothing was compared" in out
    _, out, _ = run("rewrite", model, "-p", "enable-masking", "--dry-run", cwd=below)
    assert "passes: enable-masking" in out
    _, out, _ = run("rewrite", model, "-o", "again.h5", "--verify", cwd=below)
    assert "verified same" in out
    (tmp_path / "pyproject.toml").write_text('[tool.rewriter]\nselect = ["RW2"]\n')
    code, _, err = run("rewrite", model, "-o", "third.h5", cwd=below)
    assert code == 2
    assert "no passes" in err


@pytest.mark.parametrize("name", ["two.h5", "three.keras"])
def test_a_dry_run_imports_no_keras_and_writes_nothing(folder, name):
    before = sorted(path.name for path in folder.iterdir())
    script = (
        "import sys\nfrom rewriter.cli import main\n"
        f"sys.argv = ['rewriter', 'rewrite', {name!r}, '-p', 'strip-dropout', '--dry-run']\n"
        "try:\n    main()\nexcept SystemExit as ended:\n    assert ended.code == 0\n"
        "print(sorted({'tensorflow', 'keras', 'tf_keras'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert sorted(path.name for path in folder.iterdir()) == before


def test_the_module_runs_as_the_command_does(folder):
    done = subprocess.run(
        [sys.executable, "-m", "rewriter", "rewrite", "two.h5", "-p", "strip-dropout", "--dry-run"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "1 removed; guarantee: same" in done.stdout


@pytest.mark.parametrize("name", ["two.h5", "three.keras"])
def test_rehearsing_a_model_tells_what_breaks_by_its_exit_code(run, fixed_batch, name):
    sizes = ["--batch", "3", "--batch", "4", "--length", "5"]
    code, out, _ = run("rehearse", str(fixed_batch / name), *sizes)
    assert code == 1
    assert "drop: RW151 training fails at batch 3 length 5 (eager and compiled)" in out
    assert "[fix: free-batch]" in out
    code, out, _ = run("rehearse", str(fixed_batch / name), *sizes, "--format", "json")
    told = json.loads(out)
    assert (code, told["ok"], told["keras"]) == (1, False, 2 if name == "two.h5" else 3)
    assert [finding["layer"] for finding in told["findings"]] == ["drop"]


@pytest.mark.parametrize("name", ["two.h5", "three.keras"])
def test_a_rehearsed_rewrite_says_before_and_after_in_its_rows(run, fixed_batch, tmp_path, name):
    report, output = tmp_path / "report.md", tmp_path / name
    words = ["rewrite", str(fixed_batch / name), "-p", "free-batch", "-o", str(output)]
    code, out, _ = run(*words, "--rehearse", "--report", str(report))
    assert code == 0
    row = "| rehearsed: fails, wrong batch before, in order after"
    assert out.index("noise_shape: ") < out.index(row)
    assert out.count("passes: free-batch") == 1
    assert "eager before" in out
    assert "RW151 training fails at batch 2 length 7" in out
    assert re.search(r"  after:  noise on its input: rate 0.5, dropped 0\.(50|49)", out)
    assert "after: no findings" in out
    assert row in report.read_text()
    code, out, _ = run(*words, "--rehearse", "--force", "--format", "json")
    told = json.loads(out)["rehearsal"]
    assert (code, told["ok"]) == (0, True)
    (layer,) = told["layers"]
    assert layer["layer"] == "drop"
    assert layer["before"] != layer["after"]
    sizes = {
        (size["batch"], size["mode"]): (size["before"], size["after"]) for size in told["sizes"]
    }
    assert sizes[1, "eager"] == ("wrong batch", "trains")
    assert sizes[7, "compiled"] == ("fails", "trains")
    assert sizes[4, "eager"] == ("trains", "trains")


def test_a_rehearsal_that_still_fails_after_the_rewrite_exits_with_one(run, fixed_batch, tmp_path):
    output = tmp_path / "out.keras"
    code, out, _ = run(
        *("rewrite", str(fixed_batch / "three.keras"), "-p", "enable-masking"),
        *("-o", str(output), "--rehearse"),
    )
    assert code == 1
    assert output.exists()
    assert "after: 2 findings" in out


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["missing.keras"], "missing.keras"),
        (["empty"], "empty"),
        (["saved_model"], "SavedModel is empty"),
        (["torn.keras"], "torn.keras"),
        (["alone.weights.h5"], "weights alone"),
        (["subclassed.h5"], "no graph"),
        (["two.h5", "-p", "strip-dropot"], "did you mean 'strip-dropout'"),
        (["two.h5", "-p", "move-dropout:maskin=true"], "did you mean 'masking'"),
        (["own.keras"], "--custom"),
        (["two.h5", "-o", "three.keras"], "--force"),
        (["two.h5", "-o", "two.h5"], "the file that the model comes from"),
        (["two.h5", "-o", "nowhere/out.h5"], "nowhere"),
        (["two.h5", "-o", "out.onnx"], ".keras, .h5"),
        (["two.h5", "--data", "two.h5"], "numpy.savez"),
        (["two.h5", "--custom", "no_such_module"], "--custom no_such_module"),
        (["two.h5", "--bogus"], "--bogus"),
    ],
)
def test_bad_input_gets_one_line_that_says_what_where_and_what_to_do(run, folder, words, named):
    before = sorted(path.name for path in folder.iterdir())
    words = words if "-o" in words else [*words, "-o", "out.keras"]
    words = words if "-p" in words else [*words, "-p", "strip-dropout"]
    code, out, err = run("rewrite", *words)
    lines = [line for line in err.splitlines() if line.startswith("error: ")]
    assert code == 2
    assert len(lines) == 1
    assert named in lines[0]
    assert "Traceback" not in err + out
    assert sorted(path.name for path in folder.iterdir()) == before


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["verify", "two.h5", "two.h5", "--guarantee", "sane"], "same-where-unpadded"),
        (["rehearse", "two.h5", "--batch", "-3"], "-3"),
        (["rehearse", "two.h5", "--length", "0"], "sizes from 1 on"),
        (["check", "two.h5", "--keras-version", "three"], "'three'"),
    ],
)
def test_an_option_that_means_nothing_gets_one_line(run, folder, words, named):
    code, out, err = run(*words)
    lines = [line for line in err.splitlines() if line.startswith("error: ")]
    assert (code, out, len(lines)) == (2, "", 1)
    assert named in lines[0]


def test_the_limits_of_a_rehearsal_are_lifted_by_the_option_that_the_error_names(run, folder):
    assert run("rehearse", "two.h5", "--no-limits", "--batch", "1")[0] == 0


@pytest.mark.parametrize("command", ["check", "show"])
def test_the_limits_of_reading_are_lifted_by_the_option_that_the_error_names(
    run, tmp_path, command
):
    path = str(save(sequential(3, *[("Dense", {"units": 1})] * 100_001), 3, tmp_path / "m.keras"))
    code, _, err = run(command, path)
    assert code == 2
    assert "--no-limits" in err
    assert "--no-limits" not in run(command, path, "--no-limits")[2]


def test_another_backend_is_refused(run, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    code, _, err = run("rewrite", "three.keras", "-o", "out.keras", "-p", "strip-dropout")
    assert code == 2
    assert "KERAS_BACKEND" in err


def test_custom_layers_come_from_a_module_that_is_named(run, folder, tmp_path):
    (folder / "own_layers.py").write_text(
        "import keras\nclass Own(keras.layers.Layer):\n    def call(self, x):\n        return x\n"
    )
    output = str(tmp_path / "out.keras")
    words = ["rewrite", "own.keras", "-o", output, "-p", "strip-dropout", "--custom"]
    assert run(*words, "own_layers:Own")[0] == 0
    assert run(*words, "own_layers.py", "--force")[0] == 0


def test_a_failed_verification_exits_with_one_and_writes_nothing(run, tmp_path, monkeypatch):
    from rewriter.pipeline import Guarantee, Pass

    class Sabotage(Pass):
        """Promise the same and double the units' activation."""

        name = "sabotage"
        guarantee = Guarantee.SAME

        def run(self, graph):
            yield graph.configure("gru", {"activation": "relu"}, reason="to be caught")

    class Entry:
        name = "sabotage"

        @staticmethod
        def load():
            return Sabotage

    monkeypatch.setattr(
        "rewriter.pipeline.registry.registered_passes", lambda: {"sabotage": Entry()}
    )
    code, _, err = run("rewrite", "two.h5", "-o", str(tmp_path / "o.h5"), "-p", "sabotage")
    assert code == 1
    assert "first at layer gru" in err
    assert list(tmp_path.iterdir()) == []


def test_two_files_are_compared(run, folder, tmp_path):
    output = tmp_path / "masked.h5"
    run("rewrite", "two.h5", "-o", str(output), "-p", "enable-masking")
    assert run("verify", "two.h5", "two.h5")[0] == 0
    code, out, _ = run("verify", "two.h5", str(output))
    assert code == 1
    assert "first at layer gru" in out
    np.savez(tmp_path / "inputs.npz", ids=np.array([[1, 2, 3]]))
    words = ["--guarantee", "same-where-unpadded", "--data", str(tmp_path / "inputs.npz")]
    assert run("verify", "two.h5", str(output), *words)[0] == 0


def test_the_passes_are_listed_with_their_guarantees_and_options(run):
    assert "same-where-unpadded" in run("passes")[1]
    assert "recurrent=true" in run("passes", "move-dropout")[1]
    assert run("passes", "no-such-pass")[0] == 2


def test_a_chain_deeper_than_pythons_usual_limit_comes_through(dialect, tmp_path, monkeypatch):
    """Keras 2 follows a chain by nested calls; so does Keras 3 when it makes a model."""
    keras, usual, low = dialect.keras, sys.getrecursionlimit(), 400
    sys.setrecursionlimit(console.NESTED_CALLS)
    x = y = keras.Input((2,))
    for _ in range(low):
        y = keras.layers.Dropout(0.1)(y)
    path = tmp_path / ("deep.h5" if dialect.number == 2 else "deep.keras")
    keras.Model(x, keras.layers.Dense(1)(y)).save(path)
    arguments = ["rewriter", "rewrite", str(path), "-o", str(tmp_path / f"out{path.suffix}")]
    monkeypatch.setattr(sys, "argv", [*arguments, "-p", "strip-dropout"])
    try:
        sys.setrecursionlimit(low)
        with pytest.raises(SystemExit) as ended:
            cli.main()
    finally:
        sys.setrecursionlimit(usual)
    assert ended.value.code == 0
