"""JSON against its schema, plans that are applied later, Markdown, SARIF, the table of codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft7Validator, Draft202012Validator
from support.command import run
from support.plans import PLANS, VERIFICATION, hostile, masked_and_moved, moved, pinned, text_model
from support.written import save, sequential

import rewriter
from rewriter.api.plans import plan_graph
from rewriter.api.saved_plan import read_plan
from rewriter.checks import CODES
from rewriter.checks.files import Checked, check_file
from rewriter.checks.findings import Finding
from rewriter.dialects import decode
from rewriter.errors import RewriterError
from rewriter.rehearsal.findings import CODES as MEASURED
from rewriter.report.files import check_report, write_report
from rewriter.report.findings import codes_table, explanation, readme_with_codes
from rewriter.report.markdown import markdown_report
from rewriter.report.plan_json import digest
from rewriter.report.sarif import sarif

pytestmark = pytest.mark.fast

SCHEMA = Path(rewriter.__file__).parent / "report" / "plan.schema.json"
SARIF = Path(__file__).parent / "schemas" / "sarif-2.1.0-rtm.5.json"


@pytest.mark.parametrize("plan", PLANS, ids=lambda each: each.__name__)
def test_a_plan_as_json_is_what_the_schema_says(plan):
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    document = json.loads(json.dumps(plan().to_json(), default=str))
    Draft202012Validator(schema).validate(document)
    measured = {**document, "verification": VERIFICATION.to_json(), "output": "m.keras"}
    Draft202012Validator(schema).validate(json.loads(json.dumps(measured)))


def test_the_findings_of_a_plan_are_those_of_check():
    assert [each["code"] for each in masked_and_moved().to_json()["findings"]] == ["RW203"]


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(text_model(), 3, tmp_path / "m.keras")
    return tmp_path


def test_a_saved_plan_is_applied_to_its_model(files, monkeypatch, capsys):
    run(monkeypatch, "rewrite", "m.keras", "--dry-run", "-p", "move-dropout", "--format", "json")
    Path("plan.json").write_text(capsys.readouterr().out)
    assert run(monkeypatch, "rewrite", "m.keras", "--dry-run", "--plan", "plan.json") == 0
    assert "> 1 moved" in capsys.readouterr().out


def test_a_report_in_json_is_a_plan_that_can_be_applied(files, monkeypatch, capsys):
    run(monkeypatch, "rewrite", "m.keras", "--dry-run", "-p", "move-dropout", "--report", "r.json")
    assert run(monkeypatch, "rewrite", "m.keras", "--dry-run", "--plan", "r.json") == 0


def saved_plan(path: Path, **changes) -> Path:
    plan = plan_graph(decode(text_model(), 3), ["move-dropout"])
    path.write_text(json.dumps({**plan.to_json(), **changes}, default=str))
    return path


def test_a_plan_whose_reasons_are_in_other_words_holds(tmp_path):
    path = saved_plan(tmp_path / "p.json")
    plan = json.loads(path.read_text())
    plan["changes"] = [{**change, "reason": "in other words"} for change in plan["changes"]]
    path.write_text(json.dumps(plan))
    read_plan(path).hold_against(plan_graph(decode(text_model(), 3), ["move-dropout"]))


def test_a_plan_for_another_model_is_refused(tmp_path):
    other = decode(sequential(3, ("InputLayer", {"batch_shape": [None, 4]})), 3)
    with pytest.raises(RewriterError, match="made for another model"):
        read_plan(saved_plan(tmp_path / "p.json")).hold_against(plan_graph(other, ["move-dropout"]))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"changes": []}, "no longer do what the plan says, first at dropout"),
        ({"passes": []}, "no longer do what the plan says, first at dropout"),
        ({"version": 2}, "no plan of version 1"),
        ({"digest": 3}, "no plan of version 1"),
        ({"passes": ["no-such-pass"]}, "unknown pass 'no-such-pass'"),
    ],
)
def test_a_plan_that_does_something_else_now_is_refused(tmp_path, changes, words):
    with pytest.raises(RewriterError, match=words):
        saved = read_plan(saved_plan(tmp_path / "p.json", **changes))
        saved.hold_against(plan_graph(decode(text_model(), 3), saved.passes))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff" * 9, b"[" * 100_000])
def test_what_is_no_plan_is_refused_in_one_line(files, monkeypatch, capsys, content):
    Path("p.json").write_bytes(content)
    assert run(monkeypatch, "rewrite", "m.keras", "--dry-run", "--plan", "p.json") == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: p.json: no plan can be read")


def test_passes_and_a_plan_exclude_each_other(files, monkeypatch, capsys):
    assert run(monkeypatch, "rewrite", "m.keras", "--dry-run") == 2
    saved_plan(Path("p.json"))
    both = ("--plan", "p.json", "-p", "move-dropout")
    assert run(monkeypatch, "rewrite", "m.keras", "--dry-run", *both) == 2


def test_the_digest_is_of_the_config_alone(tmp_path):
    graph = decode(text_model(), 3)
    assert digest(graph) == digest(decode({**text_model(), "compile_config": {"x": 1}}, 3))
    other = text_model()
    other["config"]["layers"][1]["config"]["output_dim"] = 5
    assert digest(graph) != digest(decode(other, 3))


@pytest.mark.parametrize("ending", ["html", "json", "md"])
def test_reports_are_written_in_the_form_of_their_ending(files, monkeypatch, ending):
    path = f"report.{ending}"
    run(monkeypatch, "rewrite", "m.keras", "--dry-run", "-p", "move-dropout", "--report", path)
    text = Path(path).read_text(encoding="utf-8")
    assert text.startswith({"html": "<!DOCTYPE html>", "json": "{", "md": "## Rewrite"}[ending])


def test_a_report_that_cannot_be_written_is_refused_first(tmp_path):
    with pytest.raises(RewriterError, match="names no form of report"):
        check_report(tmp_path / "report.pdf")
    with pytest.raises(RewriterError, match="there is no folder"):
        check_report(tmp_path / "missing" / "report.html")


def test_markdown_has_the_diff_the_notes_and_the_verification():
    text = markdown_report(pinned(), VERIFICATION)
    assert "```diff\n" in text
    assert "| `always` | `strip-dropout` | stays: it draws noise at inference too" in text
    assert "verification failed" in text


def test_names_cannot_end_a_table_or_a_fence_in_markdown():
    document = sequential(
        2,
        ("InputLayer", {"batch_shape": [None, 4]}),
        ("DynamicDropout", {"rate": 0.5, "always_on": True, "name": "a|b```\n# c <img src=x>"}),
        ("Dense", {"units": 1}),
    )
    text = markdown_report(plan_graph(decode(document, 2), ["strip-dropout"]))
    row = next(line for line in text.splitlines() if line.startswith("| `"))
    assert row.count("|") - row.count("\\|") == 4
    fences = [line for line in text.splitlines() if line.startswith("```")]
    assert len(fences) == 2 and len(fences[0].rstrip("dif")) > 3
    assert markdown_report(hostile()).isprintable() is False  # line ends, and nothing else
    assert markdown_report(hostile()).replace("\n", "").isprintable()


def test_sarif_is_valid(tmp_path):
    schema = json.loads(SARIF.read_text(encoding="utf-8-sig"))
    path = str(save(text_model(), 3, tmp_path / "a b#ü.keras"))
    odd = Checked(
        "x\ud800.keras", (Finding("RW305", "d\ud800/e", "odd"), Finding("RW502", "", "y"))
    )
    log = sarif([check_file(path), check_file(str(tmp_path / "missing.h5")), odd], "1.2.3")
    Draft7Validator(schema).validate(json.loads(json.dumps(log)))
    run = log["runs"][0]
    assert [each["ruleId"] for each in run["results"]] == ["RW203", "RW305", "RW502"]
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    assert run["invocations"][0]["executionSuccessful"] is False
    assert (
        "no such file" in run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"]
    )


def test_sarif_is_written_to_standard_output(files, monkeypatch, capsys):
    assert run(monkeypatch, "check", "m.keras", "--format", "sarif") == 1
    log = json.loads(capsys.readouterr().out)
    uri = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"][
        "uri"
    ]
    assert uri == "m.keras"


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_explained_from_its_record(code, monkeypatch, capsys):
    assert run(monkeypatch, "explain", code) == 0
    said = capsys.readouterr().out
    about = CODES[code]
    assert said == explanation(about) + "\n"
    assert about.source in said and "Keras 2:" in said and "keras.Model" in said


def test_the_table_of_codes_has_every_code_once():
    first, second = codes_table().split("\n\n")
    codes = [
        [row.split(" | ")[0].strip("| ") for row in each.splitlines()[2:]]
        for each in (first, second)
    ]
    assert codes == [list(CODES), list(MEASURED)]
    assert not set(CODES) & set(MEASURED)


def test_codes_that_only_a_rehearsal_finds_are_explained_too(monkeypatch, capsys):
    for code, what in MEASURED.items():
        assert run(monkeypatch, "explain", code) == 0
        assert what in capsys.readouterr().out


def test_the_readme_has_the_table_as_it_is():
    readme = Path(__file__).parents[2] / "README.md"
    text = readme.read_text(encoding="utf-8")
    if "<!-- codes -->" not in text:
        pytest.skip("the README has no place for the table")
    # python -m rewriter.report.findings README.md makes it so
    assert text == readme_with_codes(text)


def test_a_moved_layer_is_one_row_in_every_format():
    document = moved().to_json()
    assert [change["action"] for change in document["changes"]] == ["move"]


@pytest.mark.parametrize("ending", ["html", "md", "json"])
def test_a_report_says_when_nothing_was_verified(tmp_path, ending):
    path = tmp_path / f"report.{ending}"
    write_report(path, pinned(), VERIFICATION)
    told = ("nothing was compared", '"verification": null')
    assert not any(words in path.read_text(encoding="utf-8").lower() for words in told)
    write_report(path, pinned())
    assert any(words in path.read_text(encoding="utf-8").lower() for words in told)
