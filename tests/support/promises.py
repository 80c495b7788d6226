"""Tell which findings name a fix that leaves them, and which are mended by one that they lack."""

from __future__ import annotations

from collections.abc import Iterator

from rewriter.checks import CODES, check_graph
from rewriter.checks.findings import Finding
from rewriter.errors import PassError
from rewriter.graph import ModelGraph
from rewriter.pipeline.run import make_plan


def is_mended(graph: ModelGraph, fix: str, finding: Finding) -> bool:
    """Whether a pass changes a model so that a finding is gone."""
    try:
        plan = make_plan(graph.copy(), [fix])
    except PassError:
        return False
    left = {(each.code, each.layer) for each in check_graph(plan.after)}
    return bool(plan.changes) and (finding.code, finding.layer) not in left


def broken_promises(graph: ModelGraph) -> Iterator[tuple[Finding, str]]:
    """Yield the findings whose fix leaves them, or that have one and name none."""
    for finding in check_graph(graph):
        if finding.fix is not None and not is_mended(graph, finding.fix, finding):
            yield finding, f"{finding.fix} leaves it"
        usual = CODES[finding.code].fix
        if finding.fix is None and usual and is_mended(graph, usual, finding):
            yield finding, f"{usual} mends it"
