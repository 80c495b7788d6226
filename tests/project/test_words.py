"""The page of words names things that there are."""

import pkgutil
import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "words.md"
NAMES = sorted(set(re.findall(r"`(rewriter\.[\w.]+)`", PAGE.read_text(encoding="utf-8"))))


def test_every_name_on_the_page_of_words_is_defined():
    assert len(NAMES) > 20
    missing = [name for name in NAMES if not resolves(name)]
    assert missing == []


def resolves(name: str) -> bool:
    """Whether a name is a module, or stands in one."""
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True
