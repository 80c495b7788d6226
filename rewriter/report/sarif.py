"""Write findings as SARIF 2.1.0, which code hosts and editors show beside the files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import quote

from rewriter.checks import CODES, Code
from rewriter.checks.files import Checked
from rewriter.checks.findings import Finding

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(checked: Sequence[Checked], version: str, settings: Path | None = None) -> dict[str, Any]:
    """Return a log with one run: its rules are the codes, its notifications what failed.

    Its property ``settings`` is the file that decides which codes are looked for, if one does.

    The specification is at
    https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html.
    """
    driver = {
        "name": "keras-rewriter",
        "semanticVersion": version,
        "rules": [_rule(code) for code in CODES.values()],
    }
    errors = [_notification(each) for each in checked if each.error]
    invocation = {"executionSuccessful": not errors, "toolExecutionNotifications": errors}
    results = [_result(each.path, finding) for each in checked for finding in each.findings]
    run: dict[str, Any] = {"tool": {"driver": driver}, "invocations": [invocation]}
    run["results"] = results
    if settings is not None:
        run["properties"] = {"settings": _text(str(settings))}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(code: Code) -> dict[str, Any]:
    words = [part.capitalize() for part in code.name.split("-")]
    return {
        "id": code.code,
        "name": "".join(words),
        "shortDescription": {"text": code.title},
        "fullDescription": {"text": code.reason},
        "help": {"text": f"{code.reason}\nMended by: {code.fix or 'no pass'}"},
        "defaultConfiguration": {"level": "warning"},
    }


def _result(path: str, finding: Finding) -> dict[str, Any]:
    location = _location(path)
    if finding.layer:
        name = finding.layer.rpartition("/")[2]
        location["logicalLocations"] = [
            {"name": _text(name), "fullyQualifiedName": _text(finding.layer), "kind": "layer"}
        ]
    fix = f" Fix: {finding.fix}." if finding.fix else ""
    place = f"{_text(finding.layer)}: " if finding.layer else ""
    return {
        "ruleId": finding.code,
        "ruleIndex": list(CODES).index(finding.code),
        "level": "warning",
        "message": {"text": f"{place}{_text(finding.message)}.{fix}"},
        "locations": [location],
    }


def _notification(checked: Checked) -> dict[str, Any]:
    return {
        "level": "error",
        "message": {"text": _text(checked.error)},
        "locations": [_location(checked.path)],
    }


def _location(path: str) -> dict[str, Any]:
    pure = PurePath(path)
    posix = quote(pure.as_posix(), errors="replace")
    uri = f"file://{posix}" if pure.is_absolute() else posix
    return {"physicalLocation": {"artifactLocation": {"uri": uri}}}


def _text(text: str) -> str:
    """Return a text without lone surrogates, which no JSON reader must take."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
