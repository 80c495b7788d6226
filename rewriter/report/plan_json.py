"""Write a plan as plain data, in the form of ``rewriter/report/plan.schema.json``."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from rewriter.dialects import encode
from rewriter.graph.model_graph import ModelGraph
from rewriter.pipeline.run import PlanData

if TYPE_CHECKING:
    from rewriter.checks.findings import Finding

VERSION = 1
"""Of the schema."""


def plan_json(plan: PlanData) -> dict[str, Any]:
    """Return a plan as plain data."""
    return {
        "version": VERSION,
        "model": plan.model,
        "digest": digest(plan.before),
        "keras": plan.keras,
        "kind": plan.kind,
        "passes": list(plan.passes),
        "guarantee": plan.guarantee.value,
        "tolerance": plan.tolerance,
        "changes": [change.to_json() for change in plan.changes],
        "notes": [note.to_json() for note in plan.notes],
        "findings": [finding.to_json() for finding in plan_findings(plan)],
    }


def plan_findings(plan: PlanData) -> list[Finding]:
    """Return what `check` says of the model before."""
    from rewriter.checks import check_graph

    return check_graph(plan.before, declared=plan.context.declared_masks)


def digest(graph: ModelGraph) -> str:
    """Return a digest of a model's config, the same wherever the model is read from.

    Examples
    --------
    >>> digest(ModelGraph(keras=3, class_name="Functional", name="m"))[:7]
    'sha256:'
    """
    document = {"keras": graph.keras, "config": encode(graph)["config"]}
    text = json.dumps(document, sort_keys=True, default=str)
    return f"sha256:{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"
