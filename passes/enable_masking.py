"""Switch masking on, so that padding no longer counts."""

from __future__ import annotations

from collections.abc import Iterator

from rewriter.changes import Change, Note
from rewriter.graph import ModelGraph
from rewriter.masking import CallFlow, mask_flow
from rewriter.pipeline import Guarantee, Pass


class EnableMasking(Pass):
    """Set ``mask_zero=True`` on every Embedding whose mask would be used.

    1. An Embedding without a mask gets one if that mask reaches a layer that uses it.
    2. It stays, with a note, where every way of the mask ends before such a layer, where
       the mask would make a layer fail, and where it reaches a layer that this program does
       not know before any that it knows to use it.

    Index 0 must be padding and nothing else, which is what ``mask_zero`` says of it.
    """

    name = "enable-masking"
    guarantee = Guarantee.SAME_WHERE_UNPADDED

    def run_model(self, model: ModelGraph) -> Iterator[Change | Note]:
        """Edit a model with what is nested in it, in one go: masks flow across the borders."""
        places = {
            graph.path_of(layer.name): (graph, layer)
            for graph in model.walk()
            for layer in graph.layers
            if layer.class_name == "Embedding" and not layer.config.get("mask_zero")
        }
        used_by, refused = _decide(model, list(places))
        for path, (graph, layer) in places.items():
            if path in refused:
                yield Note(path, layer.class_name, f"stays unmasked: {refused[path]}")
            else:
                reason = f"padding no longer counts in {used_by[path]}, which the mask reaches"
                yield graph.configure(layer.name, {"mask_zero": True}, reason=reason)

    def run(self, graph: ModelGraph) -> Iterator[Change | Note]:
        """Edit one graph."""
        return self.run_model(graph)


def _decide(model: ModelGraph, paths: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return which layers use the mask of each source, and the sources that stay off, with why.

    Sources are looked at together, for a merge may pass masks on only if all its inputs
    have one; when one is refused, the others are looked at again without it.
    """
    refused: dict[str, str] = {}
    while True:
        wanted = [path for path in paths if path not in refused]
        reached: dict[str, list[CallFlow]] = {path: [] for path in wanted}
        for flow in mask_flow(model, wanted):
            for source in flow.mask_in.sources:
                if source in reached:
                    reached[source].append(flow)
        reasons = {path: _refusal(flows) for path, flows in reached.items()}
        if not any(reasons.values()):
            return {path: _users(flows) for path, flows in reached.items()}, refused
        refused |= {path: reason for path, reason in reasons.items() if reason}


def _users(reached: list[CallFlow]) -> str:
    users = dict.fromkeys(flow.layer for flow in reached if flow.uses and flow.mask_in.known)
    return ", ".join(users)


def _refusal(reached: list[CallFlow]) -> str | None:
    """Return why a source stays off, given the calls that its mask would reach."""
    for flow in reached:
        if flow.fails:
            return f"{flow.layer} ({flow.class_name}) {flow.rule.value}"
    if _users(reached):
        return None
    for flow in reached:
        if not flow.mask_out.known:
            return f"what {flow.layer} ({flow.class_name}) does with the mask is not known"
    for flow in reached:
        if flow.loses:
            return (
                f"{flow.layer} ({flow.class_name}) drops the mask "
                "before any layer that could use it"
            )
    return "no layer uses the mask"
