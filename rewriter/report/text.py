"""Write a plan as a diff in plain text."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rewriter.analysis.known_layers import is_known
from rewriter.graph.changes import Action, Change
from rewriter.graph.model_graph import ModelGraph
from rewriter.graph.printable import printable, value_text
from rewriter.pipeline.passes import Guarantee
from rewriter.pipeline.run import PlanData
from rewriter.report.diff import (
    SIGNS,
    Gap,
    Row,
    brief,
    config_changes,
    is_dropped,
    near_changes,
    rows,
)
from rewriter.report.line import Line

if TYPE_CHECKING:
    from rewriter.rehearsal import Compared

NOTES = 8
"""So many notes, and layers that were not looked into, are shown unless all are asked for."""

_PAST = {
    Action.INSERT: "inserted",
    Action.REMOVE: "removed",
    Action.MOVE: "moved",
    Action.REPLACE: "replaced",
    Action.CONFIGURE: "configured",
    Action.REWIRE: "rewired",
}


def plan_text(
    plan: PlanData,
    *,
    full: bool = False,
    width: int | None = None,
    rehearsal: Compared | None = None,
) -> str:
    """Return a plan as a diff.

    Parameters
    ----------
    plan : PlanData
        The plan.
    full : bool
        Whether unchanged calls are shown that are not near a changed one, and every note.
    width : int, optional
        Columns after which lines are broken; by default none is.
    rehearsal : Compared, optional
        What training steps before and after showed; the rows of the layers concerned say it.
    """
    lines = plan_lines(plan, full=full, width=width, rehearsal=rehearsal)
    return "\n".join(line.text for line in lines)


def plan_lines(
    plan: PlanData,
    *,
    full: bool = False,
    width: int | None = None,
    rehearsal: Compared | None = None,
) -> list[Line]:
    """Return the lines of `plan_text` with their styles."""
    every = rows(plan)
    shown: Sequence[Row | Gap] = every if full else near_changes(every)
    lines = [Line(title(plan), "title"), Line("")]
    lines += _table(shown if plan.changes or full else [], width, _rehearsed(rehearsal))
    lines += _notes(plan, full, width)
    lines += _not_looked_into(plan.after, full, width)
    if lines[-1].text:
        lines.append(Line(""))
    return [*lines, Line(summary(plan), "result")]


def title(plan: PlanData) -> str:
    """Return what is planned for which model."""
    passes = ", ".join(plan.passes) or "none"
    calls = sum(len(graph.network) for graph in plan.before.walk())
    model = printable(plan.model)
    return f"{model} ({plan.kind}, Keras {plan.keras}, {calls} calls); passes: {passes}"


def summary(plan: PlanData) -> str:
    """Return what changes, and the guarantee, in one line."""
    counts: dict[Action, int] = {}
    for change in plan.changes:
        counts[change.action] = counts.get(change.action, 0) + 1
    parts = [f"{SIGNS[action]} {number} {_PAST[action]}" for action, number in counts.items()]
    if not parts:
        return "nothing to change"
    exact = f", within {plan.tolerance:g}" if plan.tolerance else ""
    if not exact and plan.guarantee is Guarantee.SAME:
        exact = ", to the bit"
    return f"{', '.join(parts)}; guarantee: {plan.guarantee.value}{exact}"


def not_looked_into(graph: ModelGraph) -> list[tuple[str, str, str]]:
    """Return path, class and reason of the layers that no pass can see through."""
    opaque = []
    for each in graph.walk():
        for outer in each.layers:
            for layer in outer.walk():
                path = each.path_of(outer.name)
                if layer is not outer:
                    path = f"{path}/{layer.name}"
                if layer.class_name == "Lambda":
                    opaque.append((path, layer.class_name, "its code is not read"))
                elif not is_known(layer, graph.keras):
                    opaque.append((path, layer.class_name, "not a layer of Keras"))
    return opaque


def change_detail(change: Change) -> str:
    """Return what a change does, beside its row."""
    if change.action in (Action.MOVE, Action.REWIRE):
        return printable(f"{change.before} -> {change.after}", 300)
    if change.action is Action.REPLACE:
        old, new = change.before["class"], change.after["class"]
        return printable(f"{old} -> {new}")
    if change.action in (Action.INSERT, Action.REMOVE):
        held = brief((change.after or change.before)["config"])
        pairs = [f"{printable(str(key))}={json_text(value)}" for key, value in held.items()]
        return ", ".join(pairs)
    return ""


def option_changes(change: Change) -> list[str]:
    """Return what a change does to each option of a layer that stays."""
    texts = []
    for key, old, new in config_changes(change):
        becomes = f"{_value(old)} -> {_value(new)}"
        if is_dropped(change, key):
            becomes = f"{json_text(old)}, dropped"
        texts.append(f"{printable(str(key))}: {becomes}")
    return texts


def _value(value: Any) -> str:
    """Return a value of a config; Keras takes null and an option that is not there alike."""
    return "not set" if value is None else json_text(value)


def json_text(value: Any) -> str:
    """Return a short value of a config."""
    return value_text(value) if not isinstance(value, str) else json.dumps(printable(value))


def _table(
    shown: Sequence[Row | Gap], width: int | None, rehearsed: Mapping[str, str]
) -> Iterator[Line]:
    calls = [row for row in shown if isinstance(row, Row)]
    most = 60 if width is None else max(width // 2, 16)
    names = min(max((_name_width(row) for row in calls), default=0), most)
    classes = min(max((len(printable(row.class_name)) for row in calls), default=0), most)
    for row in shown:
        if isinstance(row, Gap):
            yield Line(f"  {'  ' * row.depth}... {row.rows} unchanged", "dim")
            continue
        yield from _row(row, names, classes, width)
        if row.layer in rehearsed:
            under = " " * (4 + 2 * row.depth)
            yield from _wrapped(rehearsed[row.layer], f"{under}| ", width, "reason")


def _name_width(row: Row) -> int:
    return 2 * row.depth + len(printable(row.label))


def _row(row: Row, names: int, classes: int, width: int | None) -> Iterator[Line]:
    style = row.sign.strip()
    name = "  " * row.depth + printable(row.label)
    head = f"{row.sign} {name:<{names}}  {printable(row.class_name):<{classes}}".rstrip()
    detail = "; ".join(filter(None, map(change_detail, row.changes)))
    under = " " * (4 + 2 * row.depth)
    beside = f"{head:<{names + classes + 4}}  {detail}".rstrip()
    if width is None or len(beside) <= width:
        yield Line(beside, style)
    else:
        yield Line(head, style)
        yield from _wrapped(detail, under, width, style)
    for change in row.changes:
        for text in option_changes(change):
            yield from _wrapped(text, under, width, style)
    for reason in dict.fromkeys(_said(each.reason, each.pass_name) for each in row.changes):
        yield from _wrapped(reason, f"{under}| ", width, "reason")


def _rehearsed(rehearsal: Compared | None) -> dict[str, str]:
    """Return what a rehearsal says of each layer, before and after, in short."""
    rows = () if rehearsal is None else rehearsal.layers
    return {row.layer: f"rehearsed: {' before, '.join(row.short)} after" for row in rows}


def _said(reason: str, pass_name: str) -> str:
    return f"{printable(reason, 400)} [{pass_name}]"


def _notes(plan: PlanData, full: bool, width: int | None) -> Iterator[Line]:
    texts = [
        f"{printable(note.layer)} ({printable(note.class_name)}): "
        + _said(note.reason, note.said_by)
        for note in plan.notes
    ]
    yield from _listed("notes:", texts, full, width)


def _not_looked_into(graph: ModelGraph, full: bool, width: int | None) -> Iterator[Line]:
    texts = [
        f"{printable(path)} ({printable(class_name)}): {reason}"
        for path, class_name, reason in not_looked_into(graph)
    ]
    yield from _listed("not looked into:", texts, full, width)


def _listed(heading: str, texts: list[str], full: bool, width: int | None) -> Iterator[Line]:
    if not texts:
        return
    yield Line("")
    yield Line(heading, "title")
    shown = texts if full or len(texts) <= NOTES else texts[: NOTES - 1]
    for text in shown:
        yield from _wrapped(text, "  ", width, "")
    if len(shown) < len(texts):
        yield Line(f"  ... {len(texts) - len(shown)} more; --full shows them", "dim")


def _wrapped(text: str, indent: str, width: int | None, style: str) -> Iterator[Line]:
    if width is None or len(indent) + len(text) <= width:
        yield Line(indent + text, style)
        return
    room = max(width, len(indent) + 20)
    onward = indent if indent.endswith("| ") else f"{indent}  "
    for line in textwrap.wrap(
        text, room, initial_indent=indent, subsequent_indent=onward, break_on_hyphens=False
    ):
        yield Line(line, style)
