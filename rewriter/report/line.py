"""Define a line of a report with its style."""

from __future__ import annotations

from typing import NamedTuple


class Line(NamedTuple):
    """A line of text and its style.

    Parameters
    ----------
    text : str
        What it says.
    style : str
        A sign of the diff, ``title``, ``reason``, ``dim``, ``result``, ``error`` or none.
    """

    text: str
    style: str = ""
