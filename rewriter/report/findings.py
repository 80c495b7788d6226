"""Write findings and the explanations of their codes as text."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from rewriter.checks import CODES, Code
from rewriter.checks.files import Checked
from rewriter.graph.printable import printable
from rewriter.report.line import Line


def findings_lines(checked: Sequence[Checked]) -> list[Line]:
    """Return a line for each finding, as linters write them, and one that counts them."""
    lines = []
    for each in checked:
        for finding in each.findings:
            since = f" (since {finding.since})" if finding.since else ""
            place = ":".join(filter(None, (printable(each.path, 300), printable(finding.layer))))
            message = f"{printable(finding.message, 400)}{since}"
            text = f"{place}: {finding.code} {message} [fix: {finding.fix or 'none'}]"
            lines.append(Line(text))
    return [*lines, Line(count(checked), "result")]


def count(checked: Sequence[Checked]) -> str:
    """Return how much was found, in one line."""
    found = sum(len(each.findings) for each in checked)
    files = sum(bool(each.findings) for each in checked)
    failed = sum(bool(each.error) for each in checked)
    said = f"{_number(found, 'finding')} in {files} of {_number(len(checked), 'model')}"
    return f"{said}; {failed} could not be checked" if failed else said


def _number(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def explanation(code: Code) -> str:
    """Return what a code stands for: the reason, a model that shows it, what each Keras does."""
    since = f" (since {code.since})" if code.since else ""
    lines = [f"{code.code} {code.name}: {code.title}{since}", ""]
    lines += textwrap.wrap(code.reason, 88)
    lines += ["", "A model that shows it", ""]
    lines += [f"    {line}" for line in code.example.strip().splitlines()]
    lines += ["", "What Keras does", ""]
    for name, said in (("Keras 2", code.keras2), ("Keras 3", code.keras3)):
        lines.append(f"    {name}: {said or 'cannot occur'}")
    lines += ["", f"Mended by: {code.fix or 'no pass'}", f"Source: {code.source}"]
    return "\n".join(lines)


def measured_explanation(code: str) -> str:
    """Return what a code stands for that only a rehearsal finds."""
    from rewriter.rehearsal.findings import CODES as MEASURED

    return (
        f"{code}: {MEASURED[code]}\n\nIt is measured: 'rewriter rehearse MODEL' trains a copy of "
        "the model for a step\nat several sizes, and 'rewriter check' cannot see it."
    )


def codes_table() -> str:
    """Return the tables of all codes in Markdown, as the README has them."""
    from rewriter.rehearsal.findings import CODES as MEASURED

    rows = ["| code | name | what | since | mended by |", "| --- | --- | --- | --- | --- |"]
    measured = ["| measured by `rewriter rehearse` | what |", "| --- | --- |"]
    measured += [f"| {code} | {what} |" for code, what in MEASURED.items()]
    return "\n".join([*rows, *_codes_rows(), "", *measured])


def _codes_rows() -> Iterator[str]:
    for code in CODES.values():
        fix = f"`{code.fix}`" if code.fix else "no pass"
        yield f"| {code.code} | {code.name} | {code.title} | {code.since} | {fix} |"


def readme_with_codes(text: str) -> str:
    """Return a README with the table of codes between its two markers.

    Examples
    --------
    >>> text = readme_with_codes("a <!-- codes --> old <!-- /codes --> b")
    >>> text.startswith("a <!-- codes -->") and text.endswith("<!-- /codes --> b")
    True
    """
    before, start, rest = text.partition("<!-- codes -->")
    _, end, after = rest.partition("<!-- /codes -->")
    if not start or not end:
        return text
    return f"{before}{start}\n\n{codes_table()}\n\n{end}{after}"


if __name__ == "__main__":  # python -m rewriter.report.findings README.md
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(readme_with_codes(path.read_text(encoding="utf-8")), encoding="utf-8")
