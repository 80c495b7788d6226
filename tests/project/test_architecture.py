"""The page about the architecture: its blocks run, and its folders are those of the package."""

import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "architecture.md"


def test_the_blocks_of_the_page_run(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    text = PAGE.read_text(encoding="utf-8")
    blocks = "\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    test = doctest.DocTestParser().get_doctest(
        blocks, {"folder": tmp_path}, PAGE.name, str(PAGE), 0
    )
    assert len(test.examples) > 20
    said: list[str] = []
    doctest.DocTestRunner(verbose=False).run(test, out=said.append)
    assert said == []


@pytest.mark.fast
def test_the_page_has_a_heading_or_a_line_for_every_folder():
    text = PAGE.read_text(encoding="utf-8")
    folders = {path.parent.name for path in (ROOT / "rewriter").glob("*/__init__.py")}
    assert {folder for folder in folders if f"{folder}/" not in text} == set()
