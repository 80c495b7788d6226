"""A port carried out: translate, build, copy the weights, write, verify what was written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rewriter.api import Result, _graph_to_rewrite, _handing_back, _shown, _with_data
from rewriter.changes import Note
from rewriter.errors import ModelWriteError, PortError, RewriterError, VerificationError, first_line
from rewriter.graph import ModelGraph
from rewriter.live import Live, keras_of, live_keras
from rewriter.live.hooks import temporaries_in
from rewriter.loading import Loaded, load
from rewriter.pipeline import Guarantee, Pass, Plan, make_plan
from rewriter.porting import Translation, translate
from rewriter.porting.refusals import refused
from rewriter.porting.result import PACKAGE_LAYERS
from rewriter.rewriting import Step
from rewriter.saved import ModelFile, carry_additions, check_output, replacing
from rewriter.saved import read as read_file

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
    passes: Sequence[Pass | type[Pass] | str],
    *,
    model: str,
    custom: Mapping[str, Any],
    hard_sigmoid: str = "exact",
) -> PortPlan:
    """Return what a port would do to a model; no framework is imported.

    Raises
    ------
    PortError
        The model is of Keras 3 already, or something in it has no counterpart.
    """
    if graph.keras != 2:
        raise PortError(
            "it is a model of Keras 3 already", where=model, fix="use rewriter rewrite for passes"
        )
    if hard_sigmoid not in ("exact", "stock"):
        raise RewriterError(f"{hard_sigmoid!r} is neither exact nor stock", where="hard_sigmoid")
    translation = translate(graph, tuple(custom), hard_sigmoid)
    if translation.refusals:
        raise refused(translation.refusals, model)
    after = make_plan(translation.after, passes, model)
    changed = bool(after.changes)
    needs = {PACKAGE_LAYERS} if translation.package or _has_ours(after) else set()
    needs |= _modules(after.after, custom)
    return PortPlan(
        model,
        ("port", *after.passes),
        after.guarantee,
        max(TOLERANCE, translation.tolerance, after.tolerance if changed else 0.0),
        (*translation.changes, *after.changes),
        (*translation.notes, *after.notes),
        graph,
        after.after,
        tuple(sorted(needs)),
        translation,
    )


def _has_ours(plan: Plan) -> bool:
    from rewriter.builtin import OURS

    return any(
        layer.class_name in OURS
        for graph in plan.after.walk()
        for outer in graph.layers
        for layer in outer.walk()
    )


def _modules(graph: ModelGraph, custom: Mapping[str, Any]) -> set[str]:
    """Return the modules of the user's classes and functions that stand in a model."""
    from rewriter.structure import leaves

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
    passes: Sequence[Pass | type[Pass] | str] = (),
    *,
    hard_sigmoid: str = "exact",
    verify: bool = True,
    data: Any = None,
    custom_objects: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    force: bool = False,
    allow_code: bool = False,
    limits: bool = True,
    rehearse: bool = False,
    progress: Step | None = None,
) -> Result:
    """Make a model of Keras 2 a model of Keras 3: layers, weights and masks, verified.

    Parameters
    ----------
    model : live model, str or Path
        A tf_keras model, an ``.h5`` or ``.keras`` file of Keras 2, or a SavedModel directory of
        it. Is not changed.
    output : str or Path, optional
        The ``.keras`` file to write.
    passes : sequence of Pass or str
        Passes to run over the model of Keras 3, as of `rewrite`.
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
    step = progress or (lambda words: nullcontext())
    with _handing_back(model), ExitStack() as stack:
        file = read_file(model, limits=limits) if isinstance(model, str | Path) else None
        target = None if output is None else Path(output)
        check_port_output(target, file, force)
        if (3 if file is None and keras_of(model) == 3 else 2 if file is None else file.keras) == 3:
            raise PortError(
                "it is a model of Keras 3 already",
                where=_shown(model),
                fix="use rewriter rewrite for passes",
            )
        old_objects, new_objects = objects_by_keras(custom_objects)

        def loaded_model() -> Loaded:
            if file is None:
                return Loaded(model)
            with step("loading the model"):
                bare = replace(file, training_config=None)
                return load(bare, old_objects, allow_code=allow_code, limits=limits)

        graph, loaded = _graph_to_rewrite(model, file, loaded_model)
        planned = plan_port(
            _with_data(graph, data),
            passes,
            model=_shown(model),
            custom=new_objects,
            hard_sigmoid=hard_sigmoid,
        )
        loaded = loaded or loaded_model()
        compiled = _is_compiled(file, loaded.model)
        notes = (*loaded.notes, *planned.notes, *(_not_compiled(loaded.model) if compiled else ()))
        planned = replace(planned, notes=notes)
        with step("building the model and copying the weights"):
            new = _built(planned, loaded.model, new_objects)
        written = stack.enter_context(_written(new, planned, target, file, verify, step))
        verification = None
        if verify:
            with step("verifying the file as it was written"):
                new = _reloaded(written, new_objects)
                verification = _verified(planned, loaded.model, new, data)
        compared = None
        if rehearse:
            from rewriter.api import _compared

            with step("rehearsing both models"):
                compared = _compared(loaded.model, new, data, new_objects)
        return Result(new, planned, verification, target, compared)


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


def _is_compiled(file: ModelFile | None, model: Live) -> bool:
    if file is not None:
        return bool(file.training_config)
    return getattr(model, "optimizer", None) is not None


def _not_compiled(model: Live) -> tuple[Note, ...]:
    said = "is not compiled: the optimizer, the losses and the metrics are not carried over"
    return (Note(model.name, type(model).__name__, said, "port"),)


def _built(plan: PortPlan, original: Live, custom_objects: Mapping[str, Any]) -> Live:
    from rewriter.ported import build

    assert plan.translation is not None
    return build(plan.translation, original, custom_objects, after=plan.after)


def _written(
    model: Live,
    plan: PortPlan,
    target: Path | None,
    file: ModelFile | None,
    verified: bool,
    step: Step,
) -> Any:
    """Write a model to a temporary file that takes the target's place once it is verified."""
    from contextlib import contextmanager
    from tempfile import TemporaryDirectory

    @contextmanager
    def writing() -> Any:
        if target is None and not verified:
            yield None
            return
        if target is None:
            with TemporaryDirectory() as folder:
                place = Path(folder) / "ported.keras"
                _save(model, place, plan, verified)
                yield place
            return
        in_place = file is not None and target.exists() and target.samefile(file.path)
        with replacing(target, backup=in_place) as temporary:
            with step(f"writing {target}"):
                _save(model, temporary, plan, verified)
            yield temporary

    return writing()


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


def _reloaded(written: Path, custom_objects: Mapping[str, Any]) -> Live:
    """Load what was written, as a user does: by Keras alone."""
    try:
        return live_keras(3).load(written, custom_objects, compiled=False, allow_code=True)
    except Exception as error:
        raise ModelWriteError(
            f"Keras 3 cannot load the file that it has written: {first_line(error)}",
            fix="report it with the class and the config of the layer",
        ) from error


def _verified(plan: PortPlan, original: Live, new: Live, data: Any) -> Any:
    from rewriter.across import verify_port
    from rewriter.running import Subject

    verification = verify_port(
        Subject(plan.before, original), Subject(plan.after, new), plan.tolerance, data
    )
    if not verification.ok:
        error = VerificationError(str(verification), where=plan.model, fix="nothing was written")
        error.verification, error.model, error.rewritten = verification, original, new
        raise error
    return verification


__all__ = ["Guarantee", "PortPlan", "plan_port", "port"]
