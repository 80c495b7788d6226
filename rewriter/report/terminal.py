"""Print lines on a terminal: fit its width, and use colour where it has any."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence

from rewriter.graph.printable import printable, text_of
from rewriter.report.line import Line

_STYLES = {
    "+": "green",
    "-": "red",
    ">": "cyan",
    "!": "magenta",
    "~": "yellow",
    "title": "bold",
    "reason": "dim",
    "dim": "dim",
    "result": "bold",
    "error": "red",
}


def show(lines: Callable[[int | None], Sequence[Line]]) -> None:
    """Print lines on standard output.

    Parameters
    ----------
    lines : callable
        Given the columns that a terminal has, or None where there is none, returns the lines.
        Signs and words say everything; colour, which ``NO_COLOR`` and ``TERM=dumb`` switch
        off, says it once more.
    """
    if not sys.stdout.isatty():
        print(text_of(line.text for line in lines(None)))
        return
    from rich.console import Console
    from rich.text import Text

    # one column stays free: a terminal may break a line that fills the last one
    made = lines(max(shutil.get_terminal_size().columns - 1, 20))
    console = Console(highlight=False, soft_wrap=True)
    for line in made:
        console.print(Text(printable(line.text, len(line.text)), style=_STYLES.get(line.style, "")))
