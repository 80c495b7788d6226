"""Many files, bad files, settings, and what the command line gives back."""

from __future__ import annotations

import json
import os
import random
import re
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from support.command import run
from support.written import Written, save, sequential

from rewriter.api.pyproject import Settings, read_settings
from rewriter.checks.files import ALONE, check_file, check_files, expanded
from rewriter.errors import RewriterError

pytestmark = pytest.mark.fast


def faulty(keras: int = 3) -> dict:
    return sequential(
        keras,
        ("InputLayer", {"batch_shape": [None, 4]}),
        ("Dropout", {"rate": 0.0}),
        ("Dense", {"units": 1}),
    )


def sound(keras: int = 3) -> dict:
    return sequential(keras, ("InputLayer", {"batch_shape": [None, 4]}), ("Dense", {"units": 1}))


@pytest.fixture
def models(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(faulty(), 3, tmp_path / "faulty.keras")
    save(sound(2), 2, tmp_path / "sound.h5")
    return tmp_path


def test_findings_are_one_line_each_and_the_exit_code_is_1(models, monkeypatch, capsys):
    assert run(monkeypatch, "check", "faulty.keras", "sound.h5") == 1
    assert capsys.readouterr().out.splitlines() == [
        "faulty.keras:dropout: RW305 rate=0: the layer does nothing [fix: strip-dropout]",
        "1 finding in 1 of 2 models",
    ]


def test_without_findings_the_exit_code_is_0(models, monkeypatch, capsys):
    assert run(monkeypatch, "check", "sound.h5") == 0
    assert capsys.readouterr().out == "0 findings in 0 of 1 model\n"


def test_patterns_and_folders_stand_for_the_models_in_them(models, monkeypatch, capsys):
    (models / "deep").mkdir()
    save(faulty(), 3, models / "deep" / "inner.keras")
    (models / "deep" / "notes.txt").write_text("no model")
    assert expanded(["deep", "*.keras", "faulty.keras"]) == ["deep/inner.keras", "faulty.keras"]
    assert expanded(["**/*.keras"]) == ["deep/inner.keras", "faulty.keras"]
    assert expanded(["missing*.h5"]) == ["missing*.h5"]


def test_one_bad_file_does_not_stop_the_others(models, monkeypatch, capsys):
    (models / "bad.keras").write_bytes(b"no model")
    assert run(monkeypatch, "check", "bad.keras", "faulty.keras", "missing.h5") == 2
    out, err = capsys.readouterr()
    assert "faulty.keras:dropout: RW305" in out
    assert "2 could not be checked" in out
    assert [line.split(": ")[1] for line in err.splitlines()] == ["bad.keras", "missing.h5"]


def test_codes_are_selected_and_ignored_from_the_command_line(models, monkeypatch, capsys):
    assert run(monkeypatch, "check", "faulty.keras", "--ignore", "RW3") == 0
    assert run(monkeypatch, "check", "faulty.keras", "--select", "RW2,RW305") == 1
    assert run(monkeypatch, "check", "faulty.keras", "--select", "RW999") == 2
    assert "unknown code 'RW999'" in capsys.readouterr().err


def test_the_nearest_pyproject_decides_what_is_looked_for(models, monkeypatch, capsys):
    (models / "pyproject.toml").write_text('[tool.rewriter]\nignore = ["dead-noise"]\n')
    assert run(monkeypatch, "check", "faulty.keras") == 0
    assert run(monkeypatch, "check", "faulty.keras", "--select", "RW305") == 0


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("[tool.rewriter]\nselct = []", "unknown setting 'selct'"),
        ('[tool.rewriter]\nselect = "RW1"', "select is not a list of codes"),
        ("[tool.rewriter]\nkeras-version = 3", "keras-version is not a string"),
        ("[tool.rewriter", "no TOML"),
    ],
)
def test_wrong_settings_are_told(tmp_path, table, words):
    (tmp_path / "pyproject.toml").write_text(table)
    with pytest.raises(RewriterError, match=re.escape(words)):
        read_settings(tmp_path)


def test_a_pyproject_without_the_table_changes_nothing(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert read_settings(tmp_path) == Settings()


def test_findings_as_json_have_the_fields_of_a_plan(models, monkeypatch, capsys):
    run(monkeypatch, "check", "faulty.keras", "missing.h5", "--format", "json")
    document = json.loads(capsys.readouterr().out)
    first, second = document["files"]
    assert first["findings"] == [
        {
            "code": "RW305",
            "layer": "dropout",
            "message": "rate=0: the layer does nothing",
            "fix": "strip-dropout",
            "since": None,
        }
    ]
    assert second["findings"] == [] and "no such file" in second["error"]


def test_many_files_are_shared_among_processes_and_keep_their_order(tmp_path, monkeypatch):
    monkeypatch.setattr("rewriter.checks.files._processors", lambda: 2)
    paths = []
    for number in range(ALONE * 2):
        document = faulty() if number % 3 else sound()
        paths.append(str(save(document, 3, tmp_path / f"{number}.keras")))
    paths[5] = str(tmp_path / "missing.keras")
    checked = list(check_files(paths))
    assert [each.path for each in checked] == paths
    assert checked == [check_file(path) for path in paths]
    assert [place for place, each in enumerate(checked) if each.error] == [5]


def test_the_version_that_saved_a_file_decides_unless_another_is_given(tmp_path):
    model = Written(3)
    x = model.input("x", (None, None, 4))
    inner = {"class_name": "Dense", "config": {"name": "d", "units": 2}}
    document = model.document(model.call("TimeDistributed", "td", x, layer=inner))
    path = str(save(document, 3, tmp_path / "m.keras", version="3.10.0"))
    assert check_file(path).findings == ()
    assert [each.code for each in check_file(path, version="3.15").findings] == ["RW106"]


# Bad input: one error, no traceback


def bad_files() -> dict[str, bytes]:
    generator = random.Random(0)
    noise = generator.randbytes(5000)
    config = json.dumps(sound()).encode()
    deep = b'{"class_name": "Sequential", "config": ' + b"[" * 1_000_000
    ends = {"name": 7, "layers": [{"class_name": "Dense", "config": {}}], "input_layers": 3}
    ends["output_layers"] = [[["x"]]]
    wrong = json.dumps({"class_name": "Functional", "config": ends}).encode()
    return {
        "empty.keras": b"",
        "noise.keras": noise,
        "noise.h5": b"\x89HDF\r\n\x1a\n" + noise,
        "truncated.keras": archive(config)[:-40],
        "deep.keras": archive(deep),
        "bomb.keras": archive(b" " * 200_000_000),
        "wrong.keras": archive(wrong),
        "list.keras": archive(b"[]"),
        "superblock.h5": b"\x89HDF\r\n\x1a\n" + struct.pack("<B", 2) + b"\xff" * 80,
    }


def archive(config: bytes) -> bytes:
    import io

    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as members:
        members.writestr("metadata.json", '{"keras_version": "3.15.1"}')
        members.writestr("config.json", config)
    return file.getvalue()


BAD = bad_files()


@pytest.mark.parametrize("name", BAD)
def test_any_file_gets_one_error_in_one_line(tmp_path, name, monkeypatch, capsys):
    (tmp_path / name).write_bytes(BAD[name])
    assert run(monkeypatch, "check", tmp_path / name) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith(f"error: {tmp_path / name}")


def test_changed_bytes_in_a_config_give_findings_or_one_error(tmp_path):
    """Every answer is a finding or an error; what is raised would fail the test."""
    model = Written(3)
    x = model.call("Embedding", "emb", model.input("ids", (None, None)), mask_zero=True)
    x = model.call("LSTM", "lstm", x, dropout=0.1)
    text = json.dumps(model.document(x))
    generator = random.Random(1)
    words = ["null", "[]", "{}", "1", '"x"', "-1", "true", '{"class_name":"Dense","config":[]}']
    values = list(re.finditer(r'(?<=: )("[^"]*"|\[[^\[\]]*\]|null|true|false|\d+)', text))
    answers = set()
    for _ in range(300):
        place = generator.choice(values)
        changed = text[: place.start()] + generator.choice(words) + text[place.end() :]
        path = tmp_path / "m.keras"
        path.write_bytes(archive(changed.encode()))
        checked = check_file(str(path))
        assert checked.error.count("\n") == 0
        answers.add(bool(checked.error))
    assert answers == {True, False}


def test_models_nested_so_that_their_calls_have_no_end_are_refused(tmp_path):
    document = None
    for level in range(30):
        model = Written(3, f"m{level}")
        x = model.input("x", (None, 4))
        if document is None:
            x = model.call("Dense", "dense", x, units=4)
        else:
            x = model.call("Functional", "inner", x, document=document)
            x = model.call("Functional", "inner", x)
        document = model.document(x)
    checked = check_file(str(save(document, 3, tmp_path / "m.keras")))
    assert "call each other more than 500,000 times" in checked.error


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_no_file_takes_more_than_500_mb(tmp_path):
    """Measured by the peak of a process of its own: ru_maxrss would count its parent."""
    for name, content in BAD.items():
        (tmp_path / name).write_bytes(content)
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from rewriter.checks.files import check_file\n"
        "answers = [check_file(path).error for path in sys.argv[1:]]\n"
        "assert all(answers), answers\n"
        "print(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])"
    )
    paths = [str(tmp_path / name) for name in BAD]
    done = subprocess.run(
        [sys.executable, "-c", code, *paths], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 500 * 1024  # kilobytes


def test_names_with_control_characters_cannot_reach_the_terminal(tmp_path, monkeypatch, capsys):
    document = sequential(
        3,
        ("InputLayer", {"batch_shape": [None, 4]}),
        ("Dropout", {"rate": 0.0, "name": "\x1b[2J\nfake\ud800"}),
        ("Dense", {"units": 1}),
    )
    save(document, 3, tmp_path / "m.keras")
    run(monkeypatch, "check", os.fspath(tmp_path / "m.keras"))
    out = capsys.readouterr().out
    assert "\x1b" not in out and len(out.splitlines()) == 2
