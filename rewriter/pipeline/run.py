"""Run passes over a copy of a graph, and keep what each of them changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from rewriter.analysis.known_layers import is_assumed
from rewriter.errors import GraphError, PassError
from rewriter.graph.changes import Change, Note
from rewriter.graph.gc_pause import collection_paused
from rewriter.graph.model_graph import ModelGraph
from rewriter.pipeline.context import Context
from rewriter.pipeline.passes import Guarantee, Pass
from rewriter.pipeline.registry import to_pass


@dataclass(frozen=True, slots=True)
class PlanData:
    """Everything that a list of passes would do to a model.

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
    without_noise : Guarantee
        The weakest of the passes that change no output on purpose: what holds of the outputs
        without the noise that others put in.
    drops_states : bool
        Whether one of the passes takes the states from layers on purpose.
    """

    model: str
    passes: tuple[str, ...]
    guarantee: Guarantee
    tolerance: float
    changes: tuple[Change, ...]
    notes: tuple[Note, ...]
    before: ModelGraph
    after: ModelGraph
    context: Context = field(default=Context(), repr=False, compare=False)
    without_noise: Guarantee = Guarantee.SAME
    drops_states: bool = False

    @property
    def keras(self) -> int:
        """The Keras of the model, 2 or 3."""
        return self.before.keras

    @property
    def kind(self) -> str:
        """Class of the model: Sequential, Functional, or a subclass of these."""
        return self.before.class_name


def make_plan(
    graph: ModelGraph,
    passes: Sequence[Pass | type[Pass] | str],
    model: str | None = None,
    context: Context | None = None,
) -> PlanData:
    """Run passes over a copy of a graph.

    Parameters
    ----------
    graph : ModelGraph
        Is not changed.
    passes : sequence of Pass or str
        Passes, their classes, or as on the command line: ``name`` or
        ``name:option=value,option=value``.
    model : str, optional
        Path or name to show.
    context : Context, optional
        What passes are told beside the graph.

    Raises
    ------
    PassError
        A pass or option is unknown, or a pass left a broken graph; ``plan`` of the error is
        the plan of the passes before it.
    """
    ready = [to_pass(each) for each in passes]
    plan = PlanData(
        model=model or graph.name,
        passes=(),
        guarantee=Guarantee.SAME,
        tolerance=0.0,
        changes=(),
        notes=graph.notes,
        before=graph,
        after=graph,
        context=context or Context(),
    )
    with collection_paused():
        for each in ready:
            plan = _with_pass(plan, each)
    return replace(plan, notes=_once((*plan.notes, *_assumed(plan))))


def _once(notes: Sequence[Note]) -> tuple[Note, ...]:
    """Return notes, of those that several passes say the first."""
    said = {(note.layer, note.reason): note for note in reversed(notes)}
    return tuple(note for note in notes if said[note.layer, note.reason] is note)


def _assumed(plan: PlanData) -> Iterator[Note]:
    """Say whose classes of the changed layers are assumed, where the file names no module."""
    changed = {change.layer for change in plan.changes}
    layers = [
        layer
        for graph in plan.before.walk()
        for outer in graph.layers
        for layer in outer.walk()
        if {graph.path_of(outer.name), f"{graph.path_of(outer.name)}/{layer.name}"} & changed
    ]
    classes = dict.fromkeys(each.class_name for each in layers if is_assumed(each))
    if classes:
        said = (
            f"the file names no modules: {', '.join(classes)} are taken for Keras' own, for they "
            "are named so and have no keys but theirs"
        )
        yield Note(plan.before.name, plan.kind, said)


def _with_pass(plan: PlanData, asked: Pass) -> PlanData:
    after = plan.after.copy()
    try:
        said = [replace(word, pass_name=asked.name) for word in asked.run_with(after, plan.context)]
        after.validate()
    except GraphError as error:
        broken = PassError(
            f"the pass broke the graph: {error}",
            where=asked.name,
            fix="leave the pass out and report it to its author",
        )
        broken.plan = plan
        raise broken from error
    changes = tuple(word for word in said if isinstance(word, Change))
    notes = tuple(word for word in said if isinstance(word, Note))
    acted = [asked] if changes else []
    kept = [one.guarantee for one in acted if one.guarantee is not Guarantee.CHANGED_ON_PURPOSE]
    return replace(
        plan,
        passes=(*plan.passes, str(asked)),
        guarantee=Guarantee.weakest([plan.guarantee, *(one.guarantee for one in acted)]),
        tolerance=max([plan.tolerance, *(asked.tolerance_of(change) for change in changes)]),
        changes=plan.changes + changes,
        notes=plan.notes + notes,
        after=after,
        without_noise=Guarantee.weakest([plan.without_noise, *kept]),
        drops_states=plan.drops_states or any(one.drops_states for one in acted),
    )
