"""Escape and shorten names and values from files, so that they are safe to print."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

_LONGEST_NAME = 120
_LONGEST_VALUE = 200
_LONGEST_LINE = 2000


def printable(text: str, longest: int = _LONGEST_NAME) -> str:
    r"""Return a text on one line, control characters escaped and its middle cut if it is long.

    Examples
    --------
    >>> printable("drop\x1b[31m")
    'drop\\x1b[31m'
    """
    if len(text) > longest:
        half = longest // 2
        text = f"{text[:half]}...{text[-half:]}"
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_escaped, text))


def text_of(lines: Iterable[str]) -> str:
    r"""Return lines as one text; what stands in a line can neither end it nor steer a terminal.

    Examples
    --------
    >>> text_of(["a\nb", "c"])
    'a\\nb\nc'
    """
    return "\n".join(printable(line, _LONGEST_LINE) for line in lines)


def value_text(value: Any) -> str:
    """Return a value of a config on one line.

    Examples
    --------
    >>> value_text({"rate": 0.5, "seed": None})
    '{"rate": 0.5, "seed": null}'
    """
    return printable(json.dumps(value, default=str, ensure_ascii=False), _LONGEST_VALUE)


def _escaped(letter: str) -> str:
    # not printable are control characters, those that turn the direction of writing, surrogates,
    # separators of lines, and spaces that look like others
    return letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
