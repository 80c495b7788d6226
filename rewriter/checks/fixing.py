"""Choose the passes that mend findings, and confine each to the layers of the findings."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from rewriter.checks.findings import Finding
from rewriter.graph.changes import Action, Change, Note
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph
from rewriter.pipeline.context import Context
from rewriter.pipeline.passes import Guarantee, Pass
from rewriter.pipeline.registry import to_pass

_COVER = "left as it is: "


def fixes(findings: Sequence[Finding]) -> list[Pass]:
    """Return the passes that mend findings without a change at inference, in order.

    Parameters
    ----------
    findings : sequence of Finding
        What was found. Those that no pass mends, or none with the guarantee ``same``, are
        left out.
    """
    layers: dict[str, set[str]] = {}
    for finding in findings:
        if finding.fix and to_pass(finding.fix).guarantee is Guarantee.SAME:
            layers.setdefault(finding.fix, set()).add(finding.layer)
    return [focused(to_pass(fix), paths) for fix, paths in layers.items()]


def focused(fixing: Pass, paths: Collection[str]) -> Pass:
    """Return a pass that changes no other layers than these; it may insert some beside them.

    Every other layer that the pass would change is covered: while the pass runs it has a class
    that no pass knows, and whatever holds for layers of unknown classes holds for it.

    Parameters
    ----------
    fixing : Pass
        The pass.
    paths : collection of str
        Paths of the layers, or of layers inside of wrappers.
    """
    within = set(paths)

    class Focused(Pass):
        name = fixing.name
        guarantee = fixing.guarantee
        tolerance = fixing.tolerance

        def run_with(self, model: ModelGraph, context: Context) -> Iterator[Change | Note]:
            covered: set[str] = set()
            while beside := _changed_beside(fixing, model, context, covered, within):
                if beside <= covered:
                    what = f"the pass cannot be held to {', '.join(sorted(within))}"
                    yield Note(min(beside), "", f"{what}: it changes this too")
                    return
                covered |= beside
            hidden = _cover(model, covered)
            for word in fixing.run_with(model, context):
                if isinstance(word, Change) or _belongs(word.layer, within):
                    yield word
            _uncover(model, hidden)

        def tolerance_of(self, change: Change) -> float:
            return fixing.tolerance_of(change)

        def __str__(self) -> str:
            return str(fixing)

    return Focused()


def _changed_beside(
    fixing: Pass,
    model: ModelGraph,
    context: Context,
    covered: Collection[str],
    within: Collection[str],
) -> set[str]:
    """Return the layers that a pass would change and must not."""
    trial = model.copy()
    _cover(trial, covered)
    said = [word for word in fixing.run_with(trial, context) if isinstance(word, Change)]
    changed = {word.layer for word in said if word.action is not Action.INSERT}
    return {path for path in changed if not _belongs(path, within)}


def _belongs(path: str, within: Collection[str]) -> bool:
    """Whether a path is one of those meant, or that of a wrapper around one, or inside one."""
    return any(
        path == each or each.startswith(f"{path}/") or path.startswith(f"{each}/")
        for each in within
    )


def _cover(model: ModelGraph, paths: Collection[str]) -> dict[tuple[tuple[str, ...], str], Layer]:
    """Give layers a class that no pass knows; return them as they were."""
    hidden: dict[tuple[tuple[str, ...], str], Layer] = {}
    for graph in model.walk():
        for layer in graph.layers:
            place = graph.path_of(layer.name)
            if any(path == place or path.startswith(f"{place}/") for path in paths):
                if layer.graph is not None:
                    continue
                hidden[graph.path, layer.name] = layer
                graph.replace(layer.name, _covered(layer), reason="")
    return hidden


def _covered(layer: Layer) -> Layer:
    inner = {role: _covered(each) for role, each in layer.inner.items()}
    return replace(layer, class_name=f"{_COVER}{layer.class_name}", inner=inner)


def _uncover(model: ModelGraph, hidden: dict[tuple[tuple[str, ...], str], Layer]) -> None:
    for graph in model.walk():
        for layer in graph.layers:
            original = hidden.get((graph.path, layer.name))
            if original is not None:
                graph.replace(layer.name, original, reason="")
