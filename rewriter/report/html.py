"""Write a plan as one HTML page that needs no network."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from rewriter.graph.changes import Change
from rewriter.graph.printable import printable
from rewriter.pipeline.run import PlanData
from rewriter.report.diff import SIGNS
from rewriter.report.drawing import Drawings, drawings
from rewriter.report.plan_json import plan_findings
from rewriter.report.text import (
    change_detail,
    not_looked_into,
    option_changes,
    plan_text,
    summary,
)

if TYPE_CHECKING:
    from rewriter.rehearsal import Compared
    from rewriter.verification.result import Verification

_SLOT = re.compile(r"<!--slot (\w+)-->")
_MASK_COLOURS = 5
_BAD = ("differs", "fails", "wrong batch")


def html_report(
    plan: PlanData, verification: Verification | None = None, rehearsal: Compared | None = None
) -> str:
    """Return a plan, and what was measured of it, as an HTML page.

    Parameters
    ----------
    plan : PlanData
        The plan.
    verification : Verification, optional
        What was measured of its guarantee.
    rehearsal : Compared, optional
        What training steps of the model before and after showed.
    """
    drawn = drawings(plan)
    slots = {
        "title": _text(f"Rewrite of {plan.model}"),
        "about": _text(
            f"{plan.kind}, Keras {plan.keras}. Passes: {', '.join(plan.passes) or 'none'}."
        ),
        "verdict": "".join(_verdict(plan, verification, rehearsal)),
        "changes": _changes(plan.changes),
        "models": _models(drawn),
        "tables": "\n".join(_tables(plan, verification, rehearsal)),
        "data": _data({"graphs": drawn.graphs}),
        "licence": _resource("dagre.LICENSE.txt").replace("-->", ""),
        "dagre": _resource("dagre.min.js"),
        "script": _resource("page.js"),
        "css": _resource("page.css"),
    }
    # in one go, so that nothing that a model says can be taken for a slot
    return _SLOT.sub(lambda match: slots[match[1]], _resource("page.html"))


def _resource(name: str) -> str:
    return (files("rewriter.report") / "page" / name).read_text(encoding="utf-8")


def _text(text: str, longest: int = 1000) -> str:
    return escape(printable(text, longest))


def _data(document: Any) -> str:
    """Return JSON that no parser of HTML takes for markup."""
    text = json.dumps(document, default=str)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _verdict(
    plan: PlanData, verification: Verification | None, rehearsal: Compared | None
) -> Iterator[str]:
    yield f'<span class="chip">{_text(summary(plan))}</span>'
    if verification is not None:
        kind, words = "good" if verification.ok else "bad", verification.verdict
        yield f'<span class="chip {kind}">{words}</span>'
    else:
        yield '<span class="chip">nothing was compared</span>'
    if rehearsal is not None:
        kind, words = ("good", "rehearsed") if rehearsal.ok else ("bad", "the rehearsal failed")
        yield f'<span class="chip {kind}">{words}</span>'


def _changes(changes: Sequence[Change]) -> str:
    if not changes:
        return "<p>Nothing is changed.</p>"
    items = "\n".join(map(_change, changes))
    return f'<h2>Changes</h2>\n<ol class="changes">\n{items}\n</ol>'


def _change(change: Change) -> str:
    detail = "; ".join(filter(None, [change_detail(change), *option_changes(change)]))
    action = change.action.value
    return (
        f'<li><span class="sign {action}" title="{action}">{SIGNS[change.action]}</span>'
        f'<span><button type="button" data-path="{_text(change.layer, 300)}">'
        f"{_text(change.layer, 300)}</button> {_text(change.class_name)} {_text(detail)} "
        f'<span class="why">{_text(change.reason)} [{_text(change.pass_name)}]</span></span></li>'
    )


def _models(drawn: Drawings) -> str:
    parts = [_legend(drawn.masks)]
    for number, graph in enumerate(drawn.graphs):
        checked, hidden = (" checked", "") if graph["folded"] else ("", " hidden")
        keys = (
            '<span class="keys faint"><kbd>n</kbd> <kbd>p</kbd> next and previous change, '
            "arrows walk</span>"
        )
        panes = "".join(
            f'<div class="pane" id="pane-{number}-{side}"><h3>{side}</h3></div>'
            for side in ("before", "after")
        )
        parts.append(
            f'<section id="model-{number}"><h2>{escape(graph["title"])}</h2>'
            f'<div class="tools"><label{hidden}>'
            f'<input type="checkbox" id="fold-{number}"{checked}> '
            f"only around changes</label>{keys}</div>"
            f'<div class="panes">{panes}</div></section>'
        )
    return "\n".join(parts)


def _legend(masks: Sequence[str]) -> str:
    def line(colour: str, words: str, dashes: str = "") -> str:
        style = f"stroke:var(--mask-{colour});stroke-width:3;{dashes}"
        return (
            f'<span><svg width="30" height="8"><path d="M0,4H30" style="{style}"/></svg>'
            f"{escape(words)}</span>"
        )

    lines = [line(str(n % _MASK_COLOURS), f"mask of {mask}") for n, mask in enumerate(masks[:12])]
    if len(masks) > 12:
        lines.append(f"<span>and {len(masks) - 12} more masks</span>")
    if masks:
        lines.append(line("unknown", "not known", "stroke-dasharray:4 3"))
        lines.append("<span>&#9679; uses the mask</span><span>&#10005; loses the mask</span>")
    signs = "".join(
        f'<span><b class="sign {action.value}">{sign}</b> {action.value}</span>'
        for action, sign in SIGNS.items()
    )
    return f'<div class="legend faint">{signs}{"".join(lines)}</div>'


def _tables(
    plan: PlanData, verification: Verification | None, rehearsal: Compared | None
) -> Iterator[str]:
    yield _table(
        "Notes",
        ("layer", "class", "why", "pass"),
        [(note.layer, note.class_name, note.reason, note.said_by) for note in plan.notes],
    )
    yield _table("Not looked into", ("layer", "class", "why"), not_looked_into(plan.after))
    yield _table(
        "What check says of the model before",
        ("code", "layer", "what happens", "mended by"),
        [
            (each.code, each.layer, each.message, each.fix or "no pass")
            for each in plan_findings(plan)
        ],
    )
    if verification is not None:
        yield _table("Verification", _CASE_HEADS, map(_case, verification.cases))
        yield f"<pre>{escape(str(verification))}</pre>"
    if rehearsal is not None:
        yield _rehearsal(rehearsal)
    diff = escape(plan_text(plan, rehearsal=rehearsal))
    yield f"<details><summary>The diff as text</summary><pre>{diff}</pre></details>"


_CASE_HEADS = ("inputs", "batch", "length", "mode", "outcome", "difference", "detail")


def _case(case: Any) -> tuple[str, ...]:
    difference = "" if case.difference is None else f"{case.difference:.3g}"
    length = "" if case.length is None else str(case.length)
    return (case.inputs, str(case.batch), length, case.mode, case.outcome, difference, case.detail)


def _rehearsal(rehearsal: Compared) -> str:
    """Return what training steps showed, before and after side by side."""
    outcomes: dict[tuple[str, str, str], list[str]] = {}
    for place, each in enumerate((rehearsal.before, rehearsal.after)):
        for case in each.cases:
            size = (str(case.batch), "" if case.length is None else str(case.length), case.mode)
            outcome = ": ".join(filter(None, (case.outcome, case.layer)))
            outcomes.setdefault(size, ["", ""])[place] = outcome
    heads = ("batch", "length", "mode", "before", "after")
    layers = [
        (row.layer or "the model", "; ".join(row.before) or "-", "; ".join(row.after) or "-")
        for row in rehearsal.layers
    ]
    return _table("Rehearsal", heads, [(*size, *both) for size, both in outcomes.items()]) + _table(
        "What the rehearsal says of layers", ("layer", "before", "after"), layers
    )


def _table(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    body = "".join(
        f"<tr{_bad(row)}>{''.join(f'<td>{_text(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    if not body:
        return ""
    head = "".join(f'<th scope="col">{escape(each)}</th>' for each in heads)
    return (
        f"<h2>{escape(title)}</h2><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table>"
    )


def _bad(row: Sequence[str]) -> str:
    return ' class="bad"' if any(cell.startswith(_BAD) for cell in row) else ""
