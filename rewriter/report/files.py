"""Write a report to a file, in the format that its ending names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from rewriter.errors import ModelWriteError
from rewriter.pipeline.run import PlanData
from rewriter.report.plan_json import plan_json

if TYPE_CHECKING:
    from rewriter.rehearsal import Compared
    from rewriter.verification.result import Verification

ENDINGS = (".html", ".json", ".md")


def check_report(path: Path) -> None:
    """Refuse a report that cannot be written, before any work is done.

    Raises
    ------
    ModelWriteError
        The ending names no format, or there is no such folder.
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


def write_report(
    path: Path,
    plan: PlanData,
    verification: Verification | None = None,
    rehearsal: Compared | None = None,
) -> None:
    """Write a plan, and what was measured of it, to a file.

    Raises
    ------
    ModelWriteError
        The file cannot be written.
    """
    try:
        path.write_text(
            _report(path, plan, verification, rehearsal), encoding="utf-8", newline="\n"
        )
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
