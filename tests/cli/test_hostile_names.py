"""What a model is called can neither steer a terminal nor add a line, whatever prints it."""

from __future__ import annotations

import sys

import pytest
from support.written import Written, save

from rewriter.cli.app import main

NAME = "dr\x1b[31mop\x1b]0;title\x07\nerror: made up\r\u202egnp\u2028</td><script>"
READING = {
    "check": ["check"],
    "check as JSON": ["check", "--format", "json"],
    "check as SARIF": ["check", "--format", "sarif"],
    "show": ["show"],
    "show as JSON": ["show", "--format", "json"],
    "show --masks": ["show", "--masks"],
    "show --masks as JSON": ["show", "--masks", "--format", "json"],
    "plan": ["rewrite", "-p", "strip-dropout", "-p", "carry-mask", "--dry-run", "--full"],
    "check --to keras3": ["check", "--to", "keras3"],
    "port": ["port", "--dry-run"],
    "port, as far as it goes": ["port", "--partial"],
    "port as JSON": ["port", "--dry-run", "--format", "json"],
    "plan as JSON": ["rewrite", "-p", "strip-dropout", "--dry-run", "--format", "json"],
}
LOADING = {
    "rewrite": ["rewrite", "-p", "strip-dropout"],
    "rewrite as JSON": ["rewrite", "-p", "strip-dropout", "--format", "json"],
    "verify": ["verify"],
    "verify as JSON": ["verify", "--format", "json"],
    "rehearse": ["rehearse", "--batch", "2", "--length", "7"],
    "rehearse as JSON": ["rehearse", "--batch", "2", "--length", "7", "--format", "json"],
}


def printed_by(command, monkeypatch, capfd):
    monkeypatch.setattr(sys, "argv", ["rewriter", *map(str, command)])
    with pytest.raises(SystemExit):
        main()
    out, err = capfd.readouterr()
    return out + err


def is_harmless(text):
    lines = text.split("\n")
    assert [line for line in lines if not line.isprintable()] == []
    return not any(line.startswith("error: made up") for line in lines)


@pytest.mark.parametrize("keras", [2, 3])
@pytest.mark.parametrize("command", READING)
def test_reading_prints_no_control_characters(command, keras, tmp_path, monkeypatch, capfd):
    model = Written(keras)
    x = model.input(f"x{NAME}", (None, 4, 3))
    y = model.call(f"Custom{NAME}", f"own{NAME}", model.call("Masking", f"mask{NAME}", x))
    y = model.call("LSTM", "lstm", model.call("Dropout", NAME, y, rate=0.5), units=2)
    path = save(model.document(y), keras, tmp_path / "model.keras")
    text = printed_by([*READING[command], path], monkeypatch, capfd)
    assert is_harmless(text)
    assert "dr" in text or command.startswith("check") or "of Keras 3 already" in text


def test_a_port_replaces_a_report_with_force_alone(tmp_path, monkeypatch, capfd):
    model = Written(2)
    y = model.call("ReLU", NAME, model.input("x", (None, 4)))
    path = save(model.document(y), 2, tmp_path / "model.keras")
    path.chmod(0o600)
    report = tmp_path / "report.md"
    command = ["port", path, "--dry-run", "--report", report]
    assert is_harmless(printed_by(command, monkeypatch, capfd))
    assert report.stat().st_mode & 0o777 == 0o600
    assert "it exists already" in printed_by(command, monkeypatch, capfd)
    assert "it exists already" not in printed_by([*command, "--force"], monkeypatch, capfd)


@pytest.mark.parametrize("ending", [".html", ".md", ".json"])
def test_reports_hold_no_control_characters(ending, tmp_path, monkeypatch, capfd):
    model = Written(3)
    y = model.call("Dropout", NAME, model.input("x", (None, 4)), rate=0.5)
    path = save(model.document(y), 3, tmp_path / "model.keras")
    report = tmp_path / f"report{ending}"
    command = ["rewrite", path, "-p", "strip-dropout", "--dry-run", "--report", report]
    assert is_harmless(printed_by(command, monkeypatch, capfd))
    text = report.read_text(encoding="utf-8")
    assert "\x1b" not in text and "\x07" not in text and "\u202e" not in text
    if ending == ".html":
        assert "<script>" not in text.split("</td>", 1)[-1].split("dr")[1][:200]
    assert "it exists already" in printed_by(command, monkeypatch, capfd)
    assert "it exists already" not in printed_by([*command, "--force"], monkeypatch, capfd)


@pytest.fixture(scope="module")
def live_file(tmp_path_factory):
    import keras

    layers = keras.layers
    x = keras.Input((7, 3), name="x")
    y = layers.Dropout(0.5, name=NAME.replace("/", "|"))(layers.Dense(2)(x))
    path = tmp_path_factory.mktemp("live") / "model.keras"
    keras.Model(x, layers.LSTM(2)(y)).save(path)
    yield path
    # TensorFlow refuses such a name as that of a scope, and Keras 3 then keeps the scope open.
    keras.utils.clear_session()


@pytest.mark.parametrize("command", LOADING)
def test_loading_prints_no_control_characters(command, live_file, tmp_path, monkeypatch, capfd):
    more = {"rewrite": ["-o", tmp_path / "out.keras"], "verify": [live_file]}
    words = LOADING[command]
    text = printed_by(
        [words[0], live_file, *more.get(words[0], []), *words[1:]], monkeypatch, capfd
    )
    assert is_harmless(text)
    assert "\nerror: " not in text.replace("\nerror: made up", "")
