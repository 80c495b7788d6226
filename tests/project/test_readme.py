"""What the README shows is what the program prints."""

import re
from pathlib import Path

import pytest

import rewriter
from rewriter.pipeline.registry import load_pass, registered_passes
from rewriter.report.passes import passes_text

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = sorted(path.relative_to(ROOT) for path in (ROOT / "docs").rglob("*.md"))


def test_the_readme_shows_what_its_command_prints(monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    model, passes = "examples/models/vowels_tokens.keras", ["enable-masking", "move-dropout"]
    assert str(rewriter.plan(model, passes)) in README
    result = rewriter.rewrite(model, passes, output=tmp_path / "rewritten.keras")
    assert str(result.verification) in README


@pytest.mark.fast
def test_the_readme_lists_the_passes():
    assert passes_text([load_pass(name) for name in registered_passes()]) in README


@pytest.mark.fast
@pytest.mark.parametrize(
    "command", ["&& pip install '.[tensorflow]' && rewriter rewrite", "&& pytest\n"]
)
def test_the_readme_has_its_two_commands_in_a_line_each(command):
    lines = [line + "\n" for line in README.splitlines() if command.rstrip("\n") in line]
    assert [line for line in lines if line.startswith("python3 -m venv") and command in line]


@pytest.mark.fast
def test_the_readme_shows_the_example_of_a_pass():
    example = (ROOT / "examples" / "own_pass.py").read_text(encoding="utf-8")
    shown = example[example.index("from dataclasses") : example.index("def main")].strip()
    assert shown in README


@pytest.mark.parametrize("document", ["README.md", "SECURITY.md", *map(str, DOCUMENTS)])
def test_every_path_that_a_document_names_is_there(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    named = re.findall(r"\b(?:rewriter|passes|tests|examples|docs)/[\w/.-]*\w", text)
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/architecture.md"]
)
def test_what_a_page_names_is_there(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    linked = re.findall(r"\]\(([^)#:]+)\)", text)
    named = re.findall(r"`((?:rewriter|passes|tests|docs|examples|\.ci)/[\w./]*)`", text)
    beside = [(ROOT / page).parent / each for each in linked] + [ROOT / each for each in named]
    made_up = ROOT / "passes" / "cap_rate.py", ROOT / "tests" / "passes" / "test_cap_rate.py"
    assert [str(path) for path in beside if not path.exists() and path not in made_up] == []
