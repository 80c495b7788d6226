"""A numbered rule of a pass is marked in its code, and every pass has a test file of its name."""

import ast
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.fast

ROOT = Path(__file__).parents[2]
PASSES = sorted(path for path in (ROOT / "passes").glob("*.py") if path.name != "__init__.py")


def rules_of(source: str) -> set[int]:
    """Return the numbers of the rules in the docstrings of the classes."""
    classes = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    texts = [ast.get_docstring(node) or "" for node in classes]
    return {int(number) for text in texts for number in re.findall(r"(?m)^(\d+)\. ", text)}


def marks_of(source: str) -> set[int]:
    """Return the numbers that comments such as ``# Rules 1 and 3:`` mark."""
    comments = re.findall(r"#[^\n]*", source)
    marks = re.findall(r"[Rr]ules? (\d+(?:(?:, | and )\d+)*)", "\n".join(comments))
    return {int(number) for mark in marks for number in re.findall(r"\d+", mark)}


@pytest.mark.parametrize("path", PASSES, ids=[path.stem for path in PASSES])
def test_every_rule_of_a_pass_is_marked_where_it_is_applied(path):
    source = path.read_text(encoding="utf-8")
    assert rules_of(source), "the docstring of the pass numbers no rule"
    assert marks_of(source) == rules_of(source), "mark each rule in the code: # Rule 1"


@pytest.mark.parametrize("path", PASSES, ids=[path.stem for path in PASSES])
def test_every_pass_has_a_test_file_of_its_name(path):
    assert (ROOT / "tests" / "passes" / f"test_{path.stem}.py").is_file()
