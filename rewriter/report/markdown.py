"""Write a plan in Markdown, for pull requests and issues."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rewriter.graph.printable import printable
from rewriter.pipeline.run import PlanData
from rewriter.report.text import not_looked_into, plan_text, summary

if TYPE_CHECKING:
    from rewriter.rehearsal import Compared
    from rewriter.verification.result import Verification


def markdown_report(
    plan: PlanData, verification: Verification | None = None, rehearsal: Compared | None = None
) -> str:
    """Return a plan in Markdown: the summary, the diff, the notes, what was measured."""
    parts = [
        f"## Rewrite of {code(plan.model)}",
        f"{escaped(plan.kind)}, Keras {plan.keras}. "
        f"Passes: {', '.join(map(code, plan.passes)) or 'none'}.",
        f"**{escaped(summary(plan))}**",
        _fenced(plan_text(plan, rehearsal=rehearsal)),
    ]
    if plan.notes:
        rows = [
            (_cell(note.layer), _cell(note.said_by), escaped(note.reason)) for note in plan.notes
        ]
        parts.append(_table("Notes", ("layer", "pass", "reason"), rows))
    hidden = not_looked_into(plan.after)
    if hidden:
        rows = [(_cell(path), _cell(name), escaped(reason)) for path, name, reason in hidden]
        parts.append(_table("Not looked into", ("layer", "class", "reason"), rows))
    if verification is not None:
        parts.append(f"### Verification\n\n{_fenced(str(verification), language='')}")
    else:
        parts.append("Nothing was compared.")
    if rehearsal is not None:
        parts.append(f"### Rehearsal\n\n{_fenced(str(rehearsal), language='')}")
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    r"""Return a text that Markdown shows as it is.

    Examples
    --------
    >>> escaped("a_b <img>|")
    'a\\_b &lt;img&gt;\\|'
    """
    plain = printable(text, 1000).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]()#+!|~@])", r"\\\1", plain)


def code(text: str) -> str:
    """Return a text as a span of code that nothing in it can end.

    Examples
    --------
    >>> code("a`b")
    '``a`b``'
    """
    plain = printable(text, 300)
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", plain)), default=0))
    pad = " " if plain.startswith("`") or plain.endswith("`") else ""
    return f"{fence}{pad}{plain}{pad}{fence}"


def _cell(text: str) -> str:
    """Return a span of code in a table, whose cells end at a bar, in code too."""
    return code(text).replace("|", "\\|")


def _fenced(text: str, language: str = "diff") -> str:
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}"


def _table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def lines() -> Iterator[str]:
        yield f"### {title}\n"
        yield f"| {' | '.join(heads)} |"
        yield f"| {' | '.join('---' for _ in heads)} |"
        for row in rows:
            yield f"| {' | '.join(row)} |"

    return "\n".join(lines())
