"""Make a plan from a file or a live model, show it, and hand it on to be applied."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from rewriter.analysis.known_layers import is_known
from rewriter.errors import PassError, RewriterError, UnsupportedModelError
from rewriter.graph.changes import Note, Stage
from rewriter.graph.model_graph import ModelGraph
from rewriter.pipeline.context import Context
from rewriter.pipeline.passes import Pass
from rewriter.pipeline.run import PlanData, make_plan
from rewriter.saved import ModelFile
from rewriter.saved.decoding import graph_of

if TYPE_CHECKING:  # a plan of a file needs neither findings nor what loads a model
    from rewriter.analysis.graph_differences import Difference
    from rewriter.checks.findings import Finding
    from rewriter.live.loading import Loaded

Load = Callable[[ModelGraph | None], "Loaded"]
"""Loads a file, given the graph of the file where that is known."""

Model = Any
"""A live Keras model, or the path of a saved one."""

Passes = Sequence[Pass | type[Pass] | str]


@dataclass(frozen=True, slots=True)
class Source:
    """What a plan was made from.

    Parameters
    ----------
    file : ModelFile, optional
        The file as it was read.
    loaded : Loaded, optional
        The file's model, where it had to be loaded for its graph to be known.
    """

    file: ModelFile | None = None
    loaded: Loaded | None = None


@dataclass(frozen=True, slots=True)
class Plan(PlanData):
    """Everything that a list of passes would do to a model.

    `rewriter.rewrite` takes a plan in the place of the list, and applies it as it is.

    Parameters
    ----------
    model : str
        Path or name of the model.
    passes : tuple of str
        As on the command line.
    guarantee : Guarantee
        The weakest of the passes that change something.
    tolerance : float
        The widest of their changes.
    changes : tuple of Change
        What is changed, in the order in which it was.
    notes : tuple of Note
        Where a pass declined, and why.
    before, after : ModelGraph
        The graph as read, and as the passes left it.
    context : Context
        What the passes were told beside the graph.
    source : Source
        What the plan was made from.
    """

    source: Source = field(default=Source(), repr=False, compare=False)

    @classmethod
    def of(cls, plan: PlanData, source: Source | None = None) -> Plan:
        """Return what the pipeline gives, with the methods of a plan."""
        given = {each.name: getattr(plan, each.name) for each in fields(PlanData)}
        return cls(**given, source=source or Source())

    @property
    def findings(self) -> list[Finding]:
        """What `check` says of the model before."""
        from rewriter.report.plan_json import plan_findings

        return plan_findings(self)

    def to_json(self) -> dict[str, Any]:
        """Return the plan as plain data, in the form of ``rewriter/report/plan.schema.json``."""
        from rewriter.report.plan_json import plan_json

        return plan_json(self)

    def to_html(self) -> str:
        """Return the plan as one HTML page that needs no network."""
        from rewriter.report.html import html_report

        return html_report(self)

    def to_markdown(self) -> str:
        """Return the plan in Markdown, for a pull request."""
        from rewriter.report.markdown import markdown_report

        return markdown_report(self)

    def __str__(self) -> str:
        """Return the plan as a diff."""
        from rewriter.report.text import plan_text

        return plan_text(self)


def plan_graph(
    graph: ModelGraph,
    passes: Passes,
    model: str | None = None,
    context: Context | None = None,
    source: Source | None = None,
) -> Plan:
    """Plan from a graph; `make_plan` with the methods of a plan, and what it was made from."""
    try:
        return Plan.of(make_plan(graph, passes, model, context), source)
    except PassError as error:
        if error.plan is not None:
            error.plan = Plan.of(error.plan, source)
        raise


def plan_file(file: ModelFile, passes: Passes, data: Any = None) -> Plan:
    """Plan from a file alone.

    Raises
    ------
    UnsupportedModelError
        The file alone does not tell the model's graph.
    """
    return _plan_file(file, graph_of(file), passes, data)


def _plan_file(file: ModelFile, graph: ModelGraph, passes: Passes, data: Any) -> Plan:
    context = Context(_named(graph, data))
    plan = plan_graph(graph, passes, str(file.path), context, Source(file))
    return replace(plan, notes=(*plan.notes, *_not_told(graph)))


def _not_told(graph: ModelGraph) -> list[Note]:
    """Say which layers a live model would tell more of than the file does."""
    own = [
        f"{each.path_of(layer.name)} ({layer.class_name})"
        for each in graph.walk()
        for layer in each.layers
        if not is_known(layer) and (graph.keras == 2 or layer.envelope.get("registered_name"))
    ]
    if not own:
        return []
    said = (
        f"the file does not tell what {', '.join(own)} does with masks, or is made of: load the "
        "model and give it to rewriter.rewrite, and the passes see both"
    )
    return [Note(graph.name, graph.class_name, said, stage=Stage.READ)]


def plan_live(model: Any, passes: Passes, data: Any = None) -> Plan:
    """Plan from a live model."""
    graph, declared = live_graph(model)
    return plan_graph(graph, passes, str(model.name), Context(_named(graph, data), declared))


def plan_file_or_loaded(file: ModelFile, passes: Passes, data: Any, load: Load) -> Plan:
    """Plan from a file; from its loaded model where the file alone does not tell the graph.

    Parameters
    ----------
    file : ModelFile
        The file.
    passes : sequence of Pass or str
        The passes.
    data : mapping of str to array, or None
        Inputs that passes may learn from.
    load : callable
        Loads the file; the plan's `source` keeps the model.

    Raises
    ------
    UnsupportedModelError
        The loaded model has no graph either.
    """
    try:
        graph = graph_of(file)
    except UnsupportedModelError as error:
        try:
            loaded = load(None)
            graph, declared = live_graph(loaded.model)
        except RewriterError:
            raise error from None
        context = Context(_named(graph, data), declared)
        return plan_graph(graph, passes, str(file.path), context, Source(file, loaded))
    return _plan_file(file, graph, passes, data)


def plan_for_live(model: Any, passes: Passes | Plan, data: Any) -> Plan:
    """Return the plan for a live model: the given one, if it was made for this model."""
    if not isinstance(passes, Plan):
        return plan_live(model, passes, data)
    from rewriter.analysis.graph_differences import differences

    difference = next(differences(passes.before, live_graph(model)[0]), None)
    if difference is not None:
        raise _other_model(passes, difference)
    return passes


def plan_and_load(
    file: ModelFile, passes: Passes | Plan, data: Any, load: Load
) -> tuple[Plan, Loaded]:
    """Return the plan for a file and the file's model, which is the one that was planned for.

    Raises
    ------
    UnsupportedModelError
        Keras loads another model than the file tells, or the plan is for another one.
    """
    plan = passes if isinstance(passes, Plan) else plan_file_or_loaded(file, passes, data, load)
    made_from_file = plan.source.file is file
    if made_from_file and plan.source.loaded is not None:
        return plan, plan.source.loaded
    from rewriter.analysis.graph_differences import differences
    from rewriter.live.reading import written_graph

    loaded = load(plan.before if made_from_file else None)
    difference = next(differences(plan.before, written_graph(loaded.model)), None)
    if difference is None:
        return plan, loaded
    if not made_from_file:
        raise _other_model(plan, difference)
    raise UnsupportedModelError(
        f"Keras loads another model than the file tells: {difference.what}",
        where=f"{file.path}: {difference.layer}",
        fix="look at what your own class changes, or load the model in Python and give it to "
        "rewriter.rewrite",
    )


def _other_model(plan: Plan, difference: Difference) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"the plan was made for another model: {difference.what}",
        where=f"{plan.model}: {difference.layer}",
        fix="make a plan for this model",
    )


def live_graph(model: Any) -> tuple[ModelGraph, dict[str, str]]:
    """Return the graph of a live model, and what its custom layers declare to do with masks."""
    from rewriter.live.adapters import live_keras, require_tensorflow_backend

    require_tensorflow_backend()
    from rewriter.live.declared_masks import declared_masks
    from rewriter.live.reading import read_live

    graph = read_live(model)
    return graph, declared_masks(live_keras(graph.keras), graph, model)


def _named(graph: ModelGraph, data: Any) -> dict[str, Any]:
    """Return the user's inputs by the names of the model's."""
    if data is None:
        return {}
    from rewriter.verification.inputs.given import given_inputs
    from rewriter.verification.inputs.specs import input_specs

    specs = input_specs(graph)
    arrays = given_inputs(specs, data)
    return {spec.name: array for spec, array in zip(specs, arrays, strict=True)}
