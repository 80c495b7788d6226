"""A plan as a diff in plain text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from rewriter.changes import Action, Change
from rewriter.graph import Call, ModelGraph
from rewriter.pipeline import Guarantee, Plan
from rewriter.verification import Verification

SIGNS = {
    Action.INSERT: "+",
    Action.REMOVE: "-",
    Action.MOVE: ">",
    Action.REPLACE: "!",
    Action.CONFIGURE: "~",
    Action.REWIRE: "~",
}

CONTEXT = 2
"""Unchanged calls shown on each side of a changed one."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the diff: a layer, its sign, and what is said of it below."""

    sign: str
    layer: str
    class_name: str
    detail: str = ""
    below: tuple[str, ...] = ()
    elided: bool = field(default=False)


def plan_text(plan: Plan, *, full: bool = False) -> str:
    """Return a plan as a diff.

    Parameters
    ----------
    plan : Plan
        The plan.
    full : bool
        Whether unchanged calls are shown that are not near a changed one.
    """
    lines = [f"{plan.model} ({plan.kind}, Keras {plan.keras})", ""]
    rows = _near(list(diff_rows(plan)), full)
    name_width = max((len(row.layer) for row in rows), default=0)
    class_width = max((len(row.class_name) for row in rows), default=0)
    for row in rows:
        if row.elided:
            lines.append("  ...")
            continue
        line = f"{row.sign} {row.layer:<{name_width}}  {row.class_name:<{class_width}}"
        lines.append(f"{line}  {row.detail}".rstrip())
        lines.extend(f"      {text}" for text in row.below)
    if plan.notes:
        lines += ["", "left alone:"]
        for note in plan.notes:
            lines.append(f"  {note.layer} ({note.class_name}): {note.reason} [{note.pass_name}]")
    lines += ["", summary(plan)]
    return "\n".join(lines)


def summary(plan: Plan) -> str:
    """Return what changes, and the guarantee, in one line."""
    counts: dict[str, int] = {}
    for change in plan.changes:
        counts[change.action.value] = counts.get(change.action.value, 0) + 1
    past = {
        "insert": "inserted",
        "remove": "removed",
        "move": "moved",
        "replace": "replaced",
        "configure": "configured",
        "rewire": "rewired",
    }
    parts = [f"{number} {past[action]}" for action, number in counts.items()]
    if not parts:
        return "nothing to change"
    exact = f", within {plan.tolerance:g}" if plan.tolerance else ""
    return f"{', '.join(parts)}; guarantee: {plan.guarantee.value}{exact}"


def diff_rows(plan: Plan) -> Iterator[Row]:
    """Yield a row for each call of the model before and after, in the order of the calls."""
    changes: dict[str, list[Change]] = {}
    for change in plan.changes:
        changes.setdefault(change.layer, []).append(change)
    before = {graph.path: graph for graph in plan.before.walk()}
    for graph in plan.after.walk():
        known = before.get(graph.path)
        for path, class_name, gone in _merged(known, graph):
            yield _row(path, class_name, changes.get(path, []), gone)
        for path in list(changes):
            parent, _, _ = path.rpartition("/")
            if parent and parent in {graph.path_of(layer.name) for layer in graph.layers}:
                for change in changes[path]:
                    if change.action is Action.CONFIGURE:
                        yield _row(path, change.class_name, changes[path], False)


def _merged(before: ModelGraph | None, after: ModelGraph) -> Iterator[tuple[str, str, bool]]:
    """Yield path and class of each layer in the order of calls, removed ones in their old place."""
    removed: dict[str | None, list[tuple[str, str, bool]]] = {}
    anchor: str | None = None
    for call in _first_calls(before) if before is not None else ():
        assert before is not None
        if call.layer in after:
            anchor = call.layer
        else:
            row = (before.path_of(call), before.layer(call).class_name, True)
            removed.setdefault(anchor, []).append(row)
    yield from removed.get(None, [])
    for call in _first_calls(after):
        yield after.path_of(call), after.layer(call).class_name, False
        yield from removed.get(call.layer, [])


def _first_calls(graph: ModelGraph) -> Iterator[Call]:
    return (call for call in graph.calls() if call.number == 0 and not graph.layer(call).implicit)


def _row(path: str, class_name: str, changes: list[Change], gone: bool) -> Row:
    if not changes:
        return Row("-" if gone else " ", path, class_name)
    below = dict.fromkeys(f"{change.reason} [{change.pass_name}]" for change in changes)
    detail = "; ".join(_detail(change) for change in changes)
    order = [Action.REMOVE, Action.INSERT, Action.REPLACE, Action.MOVE, Action.CONFIGURE]
    actions = {change.action for change in changes}
    sign = next((SIGNS[action] for action in order if action in actions), "~")
    return Row(sign, path, class_name, detail, tuple(below))


def _detail(change: Change) -> str:
    if change.action is Action.MOVE:
        return f"{change.before} -> {change.after}"
    if change.action is Action.CONFIGURE:
        return ", ".join(
            f"{key}: {_value(change.before.get(key))} -> {_value(value)}"
            for key, value in change.after.items()
        )
    if change.action is Action.REPLACE:
        return f"{change.before['class']} -> {change.after['class']}"
    if change.action in (Action.INSERT, Action.REMOVE):
        held: Mapping[str, Any] = change.after or change.before
        return str(held["place"])
    return f"{change.before} -> {change.after}"


def _value(value: Any) -> str:
    return json.dumps(value, default=str)


def _near(rows: list[Row], full: bool) -> list[Row]:
    """Leave out rows that are far from any change."""
    if full:
        return rows
    marked = [place for place, row in enumerate(rows) if row.sign != " "]
    keep = {near for place in marked for near in range(place - CONTEXT, place + CONTEXT + 1)}
    shown: list[Row] = []
    for place, row in enumerate(rows):
        if place in keep:
            shown.append(row)
        elif marked and (not shown or not shown[-1].elided):
            shown.append(Row(" ", "", "", elided=True))
    return shown


def verification_text(verification: Verification) -> str:
    """Return what was measured in a few lines."""
    lines = [_verdict(verification)]
    left_out = [case for case in verification.cases if case.outcome == "left out"]
    if left_out:
        lines.append(
            f"  left out: {len(left_out)} inputs on which the original fails ({left_out[0].detail})"
        )
    padding = verification.padding
    if padding is not None and padding.sequences:
        lines.append(
            f"  padded inputs: {padding.changed} of {padding.sequences} change, "
            f"by {padding.difference:.3g} at most; {padding.classes} change their class"
        )
    if padding is not None:
        for place, value in padding.before.items():
            lines.append(
                f"  sensitivity to padding {place}: {value:.3g} before, "
                f"{padding.after.get(place, 0.0):.3g} after"
            )
    return "\n".join(lines)


def _verdict(verification: Verification) -> str:
    tried = [case for case in verification.cases if case.outcome != "left out"]
    what = f"{len(tried)} inputs, eager and compiled"
    scope = ""
    if verification.guarantee is Guarantee.SAME_WHERE_UNPADDED:
        scope = " on sequences without padding"
    if not verification.ok:
        bad = next(case for case in tried if case.outcome == "differs")
        where = f", first at layer {verification.where}" if verification.where else ""
        return (
            f"verification failed: {bad.detail}{where} "
            f"(inputs {bad.inputs}; batch {bad.batch}, {bad.mode})"
        )
    if verification.max_difference == 0.0:
        return f"verified {verification.guarantee.value}: equal to the bit{scope} ({what})"
    return (
        f"verified {verification.guarantee.value}: within {verification.tolerance:g}{scope}, "
        f"{verification.max_difference:.3g} at most ({what})"
    )
