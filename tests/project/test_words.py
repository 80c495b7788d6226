"""The page of words names things that there are."""

import importlib
import importlib.util
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "words.md"
NAMES = sorted(set(re.findall(r"`(rewriter\.[\w.]+)`", PAGE.read_text(encoding="utf-8"))))


@pytest.mark.fast
def test_every_name_on_the_page_of_words_is_defined():
    assert len(NAMES) > 20
    missing = [name for name in NAMES if not resolves(name)]
    assert missing == []


def resolves(name: str) -> bool:
    """Whether the longest part of a name that is a module has the rest."""
    module, _, rest = name, "", ""
    while importlib.util.find_spec(module) is None:
        module, _, last = module.rpartition(".")
        rest = f"{last}.{rest}" if rest else last
    found = importlib.import_module(module)
    for part in filter(None, rest.split(".")):
        found = getattr(found, part, None)
    return found is not None
