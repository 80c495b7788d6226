"""Run the command line in this process."""

from __future__ import annotations

import pytest

from rewriter.cli import main


def run(monkeypatch, *arguments) -> int:
    monkeypatch.setattr("sys.argv", ["rewriter", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code
