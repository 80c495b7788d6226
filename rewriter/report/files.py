"""Write a report to a file, in the format that its ending names."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from rewriter.errors import ModelWriteError
from rewriter.pipeline.run import PlanData
from rewriter.report.plan_json import plan_json
from rewriter.saved.writing.output import new_mode
from rewriter.saved.writing.temporary import temporary_for

if TYPE_CHECKING:
    from rewriter.rehearsal import Compared
    from rewriter.verification.result import Verification

ENDINGS = (".html", ".json", ".md")


def check_report(path: Path, force: bool = False) -> None:
    """Refuse a report that cannot be written, or must not be, before any work is done.

    Parameters
    ----------
    path : Path
        Where it is to be written.
    force : bool
        Whether a report that exists is replaced.

    Raises
    ------
    ModelWriteError
        The ending names no format, there is no such folder, or something stands there already.
    """
    if path.suffix.lower() not in ENDINGS:
        raise ModelWriteError(
            "the ending names no form of report",
            where=str(path),
            fix=f"end it in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}",
        )
    if not path.absolute().parent.is_dir():
        raise ModelWriteError(
            f"there is no folder {path.parent}", where=str(path), fix="make it first"
        )
    if path.exists() and not path.is_file():
        raise ModelWriteError(
            "it exists and is no regular file", where=str(path), fix="name another file"
        )
    if path.exists() and not force:
        raise ModelWriteError(
            "it exists already",
            where=str(path),
            fix="name another file for the report, or replace it with --force",
        )


def write_report(
    path: Path,
    plan: PlanData,
    verification: Verification | None = None,
    rehearsal: Compared | None = None,
    like: Path | None = None,
) -> None:
    """Write a plan, and what was measured of it, to a file: whole, or not at all.

    Parameters
    ----------
    path : Path
        The file; its ending names the form.
    plan : PlanData
        The plan.
    verification : Verification, optional
        What was measured of its guarantee.
    rehearsal : Compared, optional
        What training steps showed.
    like : Path, optional
        A file whose permissions a new report does not exceed.

    Raises
    ------
    ModelWriteError
        The file cannot be written.
    """
    try:
        text = _report(path, plan, verification, rehearsal)
        place = Path(os.path.realpath(path))
        with temporary_for(place, new_mode(place, like), path.suffix) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="\n", errors="backslashreplace")
            temporary.replace(place)
    except OSError as error:
        raise ModelWriteError(f"the report cannot be written: {error}", where=str(path)) from error


def _report(
    path: Path, plan: PlanData, verification: Verification | None, rehearsal: Compared | None
) -> str:
    if path.suffix.lower() == ".html":
        from rewriter.report.html import html_report

        return html_report(plan, verification, rehearsal)
    if path.suffix.lower() == ".md":
        from rewriter.report.markdown import markdown_report

        return markdown_report(plan, verification, rehearsal)
    measured = None if verification is None else verification.to_json()
    document = {**plan_json(plan), "verification": measured}
    if rehearsal is not None:
        document["rehearsal"] = rehearsal.to_json()
    return json.dumps(document, indent=2, default=str) + "\n"
