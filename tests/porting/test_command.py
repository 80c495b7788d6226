"""`rewriter port`: what it prints, what it writes, and with which exit code."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from rewriter import cli


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Models of Keras 2 that can be ported, and one that cannot."""
    import tf_keras

    layers, folder = tf_keras.layers, tmp_path_factory.mktemp("models")
    steps = layers.Input((7, 3), name="steps")
    lstm = layers.LSTM(2, recurrent_activation="hard_sigmoid", name="lstm")
    tf_keras.Sequential([steps, lstm]).save(folder / "gates.h5")
    x = tf_keras.Input((7, 3), name="steps")
    y = layers.Dense(2, name="out")(layers.LSTM(2, name="block/lstm")(x))
    tf_keras.Model(x, y).save(folder / "plain.keras")
    y = layers.LocallyConnected1D(2, 2, name="local")(x)
    tf_keras.Model(x, layers.RandomHeight(0.2, name="height")(layers.Reshape((6, 2, 1))(y))).save(
        folder / "without.h5"
    )
    words = tf_keras.Input((1,), dtype="string", name="words")
    lookup = layers.StringLookup(name="lookup")
    lookup.adapt([["a"], ["b"]])
    tf_keras.Model(words, lookup(words)).save(folder / "words.keras")
    return folder


def run(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["rewriter", "port", *map(str, arguments)])
    with pytest.raises(SystemExit) as done:
        cli.main()
    return done.value.code or 0, *capsys.readouterr()


def test_the_plan_is_shown_without_a_framework(files):
    code = (
        "import sys; from rewriter import cli\n"
        f"sys.argv = ['rewriter', 'port', {str(files / 'words.keras')!r}, '--dry-run']\n"
        "try: cli.main()\nexcept SystemExit: pass\n"
        "print({'tensorflow', 'keras', 'tf_keras'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "(the vocabulary that it adapted itself to)" in done.stdout
    assert done.stdout.splitlines()[-1] == "set()"


def test_the_plan_shows_every_key(files, monkeypatch, capsys):
    code, out, _ = run(monkeypatch, capsys, files / "gates.h5", "--dry-run")
    assert code == 0
    assert "time_major: false, dropped" in out
    assert "needs: import rewriter.layers.keras3 before Keras opens the file" in out


def test_the_plan_as_json_says_where_it_leads(files, monkeypatch, capsys):
    code, out, _ = run(
        monkeypatch,
        capsys,
        files / "gates.h5",
        "--dry-run",
        "--format",
        "json",
        "-p",
        "strip-dropout",
    )
    plan = json.loads(out)
    assert (code, plan["keras"], plan["to"]) == (0, 2, 3)
    assert plan["needs"] == ["rewriter.layers.keras3"]
    assert plan["passes"] == ["port", "strip-dropout"]
    assert {change["stage"] for change in plan["changes"]} == {"port"}


def test_stock_needs_no_package(files, monkeypatch, capsys):
    options = ("--dry-run", "--format", "json", "--hard-sigmoid", "stock")
    _, out, _ = run(monkeypatch, capsys, files / "gates.h5", *options)
    assert json.loads(out)["needs"] == []


def test_a_model_is_ported(files, tmp_path, monkeypatch, capsys):
    target = tmp_path / "new.keras"
    report = tmp_path / "report.json"
    code, out, err = run(
        monkeypatch, capsys, files / "plain.keras", "-o", target, "--report", report
    )
    assert code == 0, err
    assert "verified same: equal to the bit" in out
    assert 'name: "block/lstm" -> "block_lstm"' in out
    assert out.splitlines()[-1] == f"wrote {target}"
    assert json.loads(report.read_text())["verification"]["ok"]
    import keras

    assert keras.models.load_model(target).get_layer("block_lstm")


def test_passes_come_after_the_port(files, tmp_path, monkeypatch, capsys):
    import tf_keras

    layers = tf_keras.layers
    model = tf_keras.Sequential([layers.Input((3,)), layers.Dropout(0.5, name="drop")])
    model.add(layers.Dense(2))
    model.save(tmp_path / "old.h5")
    options = ("-p", "strip-dropout", "--dry-run", "--format", "json")
    _, out, _ = run(monkeypatch, capsys, tmp_path / "old.h5", *options)
    stages = {change["layer"]: change["stage"] for change in json.loads(out)["changes"]}
    assert stages["drop"] == "passes"


def test_what_cannot_be_ported_is_one_line(files, tmp_path, monkeypatch, capsys):
    target = tmp_path / "new.keras"
    code, out, err = run(monkeypatch, capsys, files / "without.h5", "-o", target)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "local: LocallyConnected1D cannot be ported" in err
    assert "and 1 more" in err
    assert not target.exists()


def test_partial_lists_every_refusal_and_writes_nothing(files, tmp_path, monkeypatch, capsys):
    target = tmp_path / "new.keras"
    code, _, err = run(monkeypatch, capsys, files / "without.h5", "-o", target, "--partial")
    assert code == 2
    assert [line.split(": ")[1] for line in err.splitlines()] == ["local", "height"]
    assert not target.exists()


@pytest.mark.parametrize("name", ["new.h5", "new"])
def test_another_output_than_a_keras_file_is_refused(name, files, tmp_path, monkeypatch, capsys):
    code, _, err = run(monkeypatch, capsys, files / "gates.h5", "-o", tmp_path / name)
    assert code == 2
    assert "end the name in .keras" in err


def test_a_port_without_an_output_is_refused(files, monkeypatch, capsys):
    code, _, err = run(monkeypatch, capsys, files / "gates.h5")
    assert code == 2
    assert "give -o NEW.keras" in err


def test_a_model_of_keras_3_is_refused(tmp_path, monkeypatch, capsys):
    import keras

    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save(tmp_path / "three.keras")
    code, _, err = run(monkeypatch, capsys, tmp_path / "three.keras", "--dry-run")
    assert code == 2
    assert "it is a model of Keras 3 already" in err
