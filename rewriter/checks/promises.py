"""Try the pass that a finding names on a copy of the graph, and see whether it mends it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from rewriter.checks.findings import Finding
from rewriter.graph.model_graph import ModelGraph
from rewriter.pipeline.context import Context
from rewriter.pipeline.run import PlanData, make_plan

Check = Callable[[ModelGraph, Sequence[str]], Sequence[Finding]]
"""Returns what is wrong with a graph, of the codes given."""


def with_kept_promises(
    graph: ModelGraph,
    findings: Sequence[Finding],
    check: Check,
    declared: Mapping[str, str] | None = None,
) -> list[Finding]:
    """Return the findings, without the fix of those that their pass would leave.

    Parameters
    ----------
    graph : ModelGraph
        The model.
    findings : sequence of Finding
        What was found.
    check : callable
        Checks the graph that a pass leaves.
    declared : mapping of str to str, optional
        What custom layers declare to do with masks, by the layer's path.
    """
    left: dict[str, set[tuple[str, str]] | None] = {}
    for fix in dict.fromkeys(each.fix for each in findings if each.fix):
        codes = list(dict.fromkeys(each.code for each in findings if each.fix == fix))
        plan = _plan(graph, fix, declared)
        found = check(plan.after, codes) if plan is not None and plan.changes else None
        left[fix] = None if found is None else {(each.code, each.layer) for each in found}
    return [
        each if not each.fix or _is_mended(each, left[each.fix]) else replace(each, fix=None)
        for each in findings
    ]


def _is_mended(finding: Finding, left: set[tuple[str, str]] | None) -> bool:
    return left is not None and (finding.code, finding.layer) not in left


def changes_layer(graph: ModelGraph, fix: str, path: str) -> bool:
    """Whether a pass changes the layer at a path, or one that it wraps or is wrapped by."""
    plan = _plan(graph, fix)
    changed = {change.layer for change in plan.changes} if plan is not None else set()
    return any(f"{path}/".startswith(f"{each}/") or each.startswith(f"{path}/") for each in changed)


def _plan(
    graph: ModelGraph, fix: str, declared: Mapping[str, str] | None = None
) -> PlanData | None:
    try:
        return make_plan(graph, [fix], context=Context(declared_masks=declared or {}))
    except Exception:  # a pass that fails, on values that no Keras writes too, mends nothing
        return None
