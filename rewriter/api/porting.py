"""Port a model: translate, build, copy the weights, write, verify what was written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from rewriter.analysis.graph_differences import differences
from rewriter.analysis.known_layers import OURS
from rewriter.api.functions import _handing_back
from rewriter.api.plans import Load, Passes, Plan, Source, _named, live_graph
from rewriter.api.rehearsing import compared as compare_rehearsals
from rewriter.api.result import Result
from rewriter.api.rewriting import Progress
from rewriter.errors import (
    ModelWriteError,
    PortError,
    RewriterError,
    UnsupportedModelError,
    VerificationError,
    first_line,
)
from rewriter.graph.changes import Note
from rewriter.graph.model_graph import ModelGraph
from rewriter.graph.nested import leaves
from rewriter.live.adapters import Live, keras_of, live_keras
from rewriter.live.keras_patches import temporaries_in
from rewriter.live.loading import Loaded, load
from rewriter.pipeline.context import Context
from rewriter.pipeline.run import make_plan
from rewriter.porting import Translation, translate
from rewriter.porting.refusals import refused
from rewriter.porting.result import PACKAGE_LAYERS
from rewriter.saved import ModelFile
from rewriter.saved import read as read_file
from rewriter.saved.additions.carry import carry_additions
from rewriter.saved.decoding import graph_of
from rewriter.saved.writing.output import check_output
from rewriter.saved.writing.replace import replacing

if TYPE_CHECKING:
    from rewriter.verification.result import Verification

Model = Any
"""A live tf_keras model, or the path of one that was saved."""

TOLERANCE = 4e-6
"""How far outputs may differ, in parts of the greatest: rounding, over tf_keras.applications."""


@dataclass(frozen=True, slots=True)
class PortPlan(Plan):
    """Everything that a port, and the passes after it, would do to a model.

    Parameters
    ----------
    needs : tuple of str
        Modules to import before Keras opens the file.
    translation : Translation or None
        The port alone.
    """

    needs: tuple[str, ...] = ()
    translation: Translation | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the plan as plain data: as of a rewrite, with the Keras it leads to."""
        found = Plan.to_json(self)
        count = 0 if self.translation is None else len(self.translation.changes)
        changes = [
            {"stage": "port" if number < count else "passes", **change}
            for number, change in enumerate(found["changes"])
        ]
        return {**found, "to": 3, "needs": list(self.needs), "changes": changes}


def plan_port(
    graph: ModelGraph,
    passes: Passes,
    *,
    model: str,
    custom: Mapping[str, Any],
    hard_sigmoid: str = "exact",
    context: Context | None = None,
    source: Source | None = None,
) -> PortPlan:
    """Return what a port would do to a model; no framework is imported.

    Raises
    ------
    PortError
        The model is of Keras 3 already, or something in it has no counterpart.
    """
    if graph.keras != 2:
        raise _ported_already(model)
    if hard_sigmoid not in ("exact", "stock"):
        raise RewriterError(f"{hard_sigmoid!r} is neither exact nor stock", where="hard_sigmoid")
    context = context or Context()
    translation = translate(graph, tuple(custom), hard_sigmoid, context.declared_masks)
    if translation.refusals:
        raise refused(translation.refusals, model)
    then = make_plan(translation.after, passes, model, context)
    needs = {PACKAGE_LAYERS} if translation.package or _has_ours(then.after) else set()
    needs |= _modules(then.after, custom)
    return PortPlan(
        model,
        ("port", *then.passes),
        then.guarantee,
        max(TOLERANCE, translation.tolerance, then.tolerance if then.changes else 0.0),
        (*translation.changes, *then.changes),
        (*translation.notes, *then.notes),
        graph,
        then.after,
        context=context,
        source=source or Source(),
        needs=tuple(sorted(needs)),
        translation=translation,
    )


def _ported_already(model: str) -> PortError:
    return PortError(
        "it is a model of Keras 3 already", where=model, fix="use rewriter rewrite for passes"
    )


def plan_port_of_file(
    file: ModelFile,
    passes: Passes,
    data: Any,
    custom: Mapping[str, Any],
    hard_sigmoid: str,
    load_file: Load | None = None,
) -> PortPlan:
    """Plan from a file; from its loaded model where the file alone does not tell the graph."""
    if file.keras != 2:
        raise _ported_already(str(file.path))
    source = Source(file)
    declared: dict[str, str] = {}
    try:
        graph = graph_of(file)
    except UnsupportedModelError:
        if load_file is None:
            raise
        loaded = load_file(None)
        graph, declared = live_graph(loaded.model)
        source = Source(file, loaded)
    context = Context(_named(graph, data), declared)
    return plan_port(
        graph,
        passes,
        model=str(file.path),
        custom=custom,
        hard_sigmoid=hard_sigmoid,
        context=context,
        source=source,
    )


def _has_ours(model: ModelGraph) -> bool:
    return any(
        layer.class_name in OURS
        for graph in model.walk()
        for outer in graph.layers
        for layer in outer.walk()
    )


def _modules(graph: ModelGraph, custom: Mapping[str, Any]) -> set[str]:
    """Return the modules of the user's classes and functions that stand in a model."""
    names: set[Any] = set()
    for each in graph.walk():
        for outer in each.layers:
            for layer in outer.walk():
                names |= {layer.class_name, layer.envelope.get("registered_name")}
                names |= {leaf for leaf in leaves(dict(layer.config)) if isinstance(leaf, str)}
    return {str(getattr(custom[name], "__module__", name)) for name in names if name in custom}


def port(  # noqa: PLR0913
    model: Model,
    output: str | Path | None = None,
    passes: Passes | PortPlan = (),
    *,
    hard_sigmoid: str = "exact",
    verify: bool = True,
    data: Any = None,
    custom_objects: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    force: bool = False,
    allow_code: bool = False,
    limits: bool = True,
    rehearse: bool = False,
    progress: Progress | None = None,
) -> Result:
    """Make a model of Keras 2 a model of Keras 3: layers, weights and masks, verified.

    Parameters
    ----------
    model : live model, str or Path
        A tf_keras model, an ``.h5`` or ``.keras`` file of Keras 2, or a SavedModel directory of
        it. Is not changed.
    output : str or Path, optional
        The ``.keras`` file to write.
    passes : sequence of Pass or str, or PortPlan
        Passes to run over the model of Keras 3, as of `rewrite`; or the plan to carry out.
    hard_sigmoid : {"exact", "stock"}
        Whether a function of this package stands for that of Keras 2, to the bit, or the weights
        are scaled so that the function of Keras 3 gives the same, which needs no package.
    verify : bool
        Whether to measure the file as it was written against the original; if their outputs
        differ, nothing is written.
    data : mapping of str to array, optional
        Inputs that passes may learn from, and to verify with besides those that are made.
    custom_objects : mapping, or sequence of mappings, optional
        The user's own classes and functions by name; for each Keras its own.
    force : bool
        Whether an output that exists is replaced.
    allow_code : bool
        Whether a file that would run code is loaded all the same.
    limits : bool
        Whether what a file declares is held against limits before memory is taken for it.
    rehearse : bool
        Whether to make training steps on copies of both models, at several sizes.
    progress : callable, optional
        Given what is being done, in words, returns a context that lasts as long.

    Raises
    ------
    PortError
        Something in the model has no counterpart in Keras 3; `refusals` of the error are all.
    VerificationError
        The model of Keras 3 gives other outputs.

    Examples
    --------
    >>> import tf_keras, rewriter
    >>> layers = tf_keras.layers
    >>> model = tf_keras.Sequential([layers.Input((7, 3)), layers.LSTM(2, name="lstm")])
    >>> result = rewriter.port(model)
    >>> type(result.model).__module__.split(".")[0], str(result.verification).split(":")[0]
    ('keras', 'verified same')
    """
    doing = progress or (lambda words: nullcontext())
    with _handing_back(model), ExitStack() as stack:
        file = None
        if isinstance(model, str | Path):
            given = passes.source.file if isinstance(passes, PortPlan) else None
            file = given or read_file(model, limits=limits)
        target = None if output is None else Path(output)
        check_port_output(target, file, force)
        old_objects, new_objects = objects_by_keras(custom_objects)

        def load_file(graph: ModelGraph | None) -> Loaded:
            assert file is not None
            with doing("loading the model"):
                return load(file, old_objects, allow_code=allow_code, limits=limits, graph=graph)

        if isinstance(passes, PortPlan):
            planned = passes
        elif file is not None:
            planned = plan_port_of_file(file, passes, data, new_objects, hard_sigmoid, load_file)
        else:
            planned = _plan_live(model, passes, data, new_objects, hard_sigmoid)
        loaded = Loaded(model) if file is None else planned.source.loaded
        if loaded is None:
            loaded = load_file(planned.before)
            _require_planned(planned, loaded.model)
        with doing("building the model and copying the weights"):
            new, trained = _built(planned, loaded.model, new_objects)
        notes = (*_without_configuration(loaded), *planned.notes, *trained)
        planned = replace(planned, notes=notes, source=Source())
        written = stack.enter_context(_written(new, planned, target, file, verify, doing))
        verification = None
        if verify:
            with doing("verifying the file as it was written"):
                new = _reloaded(written, new_objects, bool(getattr(new, "compiled", False)))
                verification = _verified(planned, loaded.model, new, data)
        compared = None
        if rehearse:
            with doing("rehearsing both models"):
                compared = compare_rehearsals(loaded.model, new, data, new_objects)
        return Result(new, planned, verification, target, compared)


def _require_planned(plan: PortPlan, model: Live) -> None:
    """Refuse a file of which Keras loads another model than the file tells."""
    from rewriter.live.reading import written_graph

    difference = next(differences(plan.before, written_graph(model)), None)
    if difference is not None:
        raise UnsupportedModelError(
            f"Keras loads another model than the file tells: {difference.what}",
            where=f"{plan.model}: {difference.layer}",
            fix="load the model in Python, look at it, and give it to rewriter.port",
        )


def _plan_live(
    model: Live, passes: Passes, data: Any, custom: Mapping[str, Any], hard_sigmoid: str
) -> PortPlan:
    if keras_of(model) != 2:
        raise _ported_already(str(model.name))
    graph, declared = live_graph(model)
    return plan_port(
        graph,
        passes,
        model=str(model.name),
        custom=custom,
        hard_sigmoid=hard_sigmoid,
        context=Context(_named(graph, data), declared),
    )


def check_port_output(target: Path | None, file: ModelFile | None, force: bool) -> None:
    """Refuse an output that is no ``.keras`` file, or that exists.

    Raises
    ------
    ModelWriteError
        The output cannot be written.
    """
    if target is None:
        return
    if target.suffix != ".keras":
        raise ModelWriteError(
            "a port writes .keras files alone", where=str(target), fix="end the name in .keras"
        )
    check_output(target, None if file is None else file.path, force, 3)


def objects_by_keras(given: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the user's own classes and functions for Keras 2, and those for Keras 3.

    A class that derives from one of Keras is for that Keras; all else is for both.
    """
    found: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    for mapping in [given] if isinstance(given, Mapping) else given or ():
        for name, thing in mapping.items():
            mro = getattr(thing, "__mro__", ())
            roots = {each.__module__.partition(".")[0] for each in mro}
            if "keras" not in roots:
                found[0][name] = thing
            if "tf_keras" not in roots:
                found[1][name] = thing
    return found


def _without_configuration(loaded: Loaded) -> list[Note]:
    """Return the notes of the load; a port has no place for a configuration that Keras refused."""
    if loaded.compiled:
        return list(loaded.notes)
    said = "is not compiled: Keras 2 cannot use the training configuration of the file"
    reason = loaded.notes[0].reason.partition("(")[2].partition(");")[0]
    first = replace(loaded.notes[0], reason=f"{said} ({reason})" if reason else said)
    return [first, *loaded.notes[1:]]


def _built(
    plan: PortPlan, original: Live, custom_objects: Mapping[str, Any]
) -> tuple[Live, list[Note]]:
    """Return the model of Keras 3, compiled if the original is, and what is said of that."""
    from rewriter.rebuild.ported import build
    from rewriter.rebuild.ported_training import carry_training

    assert plan.translation is not None
    pairs: list[tuple[Live, Live]] = []
    model = build(plan.translation, original, custom_objects, after=plan.after, pairs=pairs)
    return model, carry_training(original, model, pairs, custom_objects)


@contextmanager
def _written(
    model: Live,
    plan: PortPlan,
    target: Path | None,
    file: ModelFile | None,
    verified: bool,
    doing: Progress,
) -> Iterator[Path]:
    """Write a model to a file that takes the target's place once the context is left."""
    if target is None:
        with TemporaryDirectory() as folder:
            place = Path(folder) / "ported.keras"
            if verified:
                _save(model, place, plan, verified)
            yield place
        return
    in_place = file is not None and target.exists() and target.samefile(file.path)
    with replacing(target, backup=in_place) as temporary:
        with doing(f"writing {target}"):
            _save(model, temporary, plan, verified)
        yield temporary


def _save(model: Live, place: Path, plan: PortPlan, verified: bool) -> None:
    keras = live_keras(3)
    try:
        with temporaries_in(lambda: place.parent, 3):
            keras.save(model, place)
    except RewriterError:
        raise
    except Exception as error:
        raise ModelWriteError(
            f"Keras 3 cannot save the model: {first_line(error)}", where=plan.model
        ) from error
    record = {
        "version": version("keras-rewriter"),
        "passes": list(plan.passes),
        "guarantee": plan.guarantee.value,
        "verified": verified,
    }
    carry_additions(None, place, record)


def _reloaded(written: Path, custom_objects: Mapping[str, Any], compiled: bool) -> Live:
    """Load what was written, as a user does: by Keras alone."""
    from rewriter.rebuild.ported import load_written

    try:
        return load_written(written, custom_objects, compiled)
    except Exception as error:
        raise ModelWriteError(
            f"Keras 3 cannot load the file that it has written: {first_line(error)}",
            fix="report it with the class and the config of the layer",
        ) from error


def _verified(plan: PortPlan, original: Live, new: Live, data: Any) -> Verification:
    from rewriter.verification.across import verify_port
    from rewriter.verification.running import Subject

    verification = verify_port(
        Subject(plan.before, original), Subject(plan.after, new), plan.tolerance, data
    )
    if not verification.ok:
        error = VerificationError(str(verification), where=plan.model, fix="nothing was written")
        error.verification, error.model, error.rewritten = verification, original, new
        raise error
    return verification
