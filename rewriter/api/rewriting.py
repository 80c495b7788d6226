"""Carry a plan out: rebuild, carry the training state over, verify, write."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rewriter.api.plans import Plan
from rewriter.dialects import decode, encode
from rewriter.errors import (
    ModelReadError,
    ModelWriteError,
    RewriterError,
    VerificationError,
    first_line,
)
from rewriter.graph.changes import Note, Stage
from rewriter.live.adapters import Live, live_keras
from rewriter.live.keras_patches import temporaries_in
from rewriter.live.weight_places import places
from rewriter.saved import ModelFile
from rewriter.saved.additions.carry import carry_additions
from rewriter.saved.additions.training_config import carry_training_config
from rewriter.saved.read_back import read_back
from rewriter.saved.safety.file_state import require_unchanged
from rewriter.saved.writing.replace import replacing

if TYPE_CHECKING:
    from rewriter.verification.result import Verification

Progress = Callable[[str], AbstractContextManager[Any]]
"""Given what is being done, in words, returns a context that lasts as long."""

LOADING = "loading the model"
"""What is being done where Keras is needed first."""


def carry_out(
    plan: Plan,
    original: Live,
    doing: Progress,
    *,
    verify: bool,
    data: Any,
    custom_objects: Mapping[str, Any],
    compiled: bool = True,
    share: bool = False,
) -> tuple[Live, Plan, Verification | None]:
    """Make the model of a plan, and measure its guarantee.

    Raises
    ------
    VerificationError
        The guarantee does not hold.
    """
    from rewriter.rebuild.builder import rebuild

    keras = live_keras(plan.keras)
    with doing("rebuilding the model and copying the weights"), keras.strategy_scope(original):
        rebuilt = rebuild(plan.after, plan.before, original, custom_objects, share=share)
    if compiled:
        from rewriter.rebuild.compiling import carry_training

        with doing("carrying the optimizer over"), keras.strategy_scope(original):
            said = carry_training(keras, original, rebuilt, custom_objects)
        plan = replace(plan, notes=(*plan.notes, *said))
    verification = None
    if verify:
        verification = measured(
            plan, original, rebuilt.model, doing, data, custom_objects, share=share
        )
    return rebuilt.model, plan, verification


def measured(
    plan: Plan,
    original: Live,
    new: Live,
    doing: Progress,
    data: Any,
    custom_objects: Mapping[str, Any],
    *,
    share: bool,
) -> Verification:
    """Measure the guarantee of a plan on two live models.

    Raises
    ------
    VerificationError
        It does not hold.
    """
    from rewriter.verification.result import Verification
    from rewriter.verification.running import Subject
    from rewriter.verification.verify import verify as verify_guarantee

    if not plan_changes(plan):
        return Verification.of_no_change(plan.guarantee)
    with doing("verifying the outputs"):
        verification = verify_guarantee(
            Subject(plan.before, original),
            Subject(plan.after, new),
            guarantee=plan.guarantee,
            silent=plan.without_noise,
            tolerance=plan.tolerance,
            data=data,
            custom_objects=custom_objects,
            changed={change.layer for change in plan.changes},
            copies=not share,
            drops_states=plan.drops_states,
        )
    if not verification.ok:
        raise _not_kept(plan, original, new, verification)
    return verification


def plan_changes(plan: Plan) -> bool:
    """Whether a plan leaves another graph, whatever its passes say."""
    return bool(plan.changes) or encode(plan.before) != encode(plan.after)


def _not_kept(
    plan: Plan, original: Live, rewritten: Live, verification: Verification
) -> VerificationError:
    error = VerificationError(str(verification), where=plan.model, fix="nothing was written")
    error.verification, error.model, error.rewritten = verification, original, rewritten
    return error


def write(  # noqa: PLR0913
    model: Live,
    plan: Plan,
    target: Path,
    file: ModelFile | None,
    *,
    compiled: bool,
    verification: Verification | None,
    original: Live,
    custom_objects: Mapping[str, Any],
    force: bool = True,
) -> tuple[Verification | None, list[Note]]:
    """Write a model whole, or not at all, with a record of what was done to it.

    The file is read back before it takes the target's place: its layers, and every weight
    in its place; and where the guarantee was verified, Keras loads it and it is compared.
    The notes name what of the original has no place in the file any more.

    Raises
    ------
    ModelWriteError
        Keras or the file system refused, or the file reads back otherwise.
    """
    from rewriter.verification.running import Subject
    from rewriter.verification.written_file import compare_written

    keras = live_keras(plan.keras)
    in_place = file is not None and target.exists() and target.samefile(file.path)
    like = None if file is None else file.path
    with replacing(target, backup=in_place, like=like, force=force) as temporary:
        try:
            with temporaries_in(lambda: temporary.parent, plan.keras):
                keras.save(model, temporary)
            if file is not None and not compiled:
                carry_training_config(file, temporary)
            lost = carry_additions(
                file,
                temporary,
                record_of(plan, verified=verification is not None and verification.compared),
            )
            if file is not None:
                require_unchanged(file.path, file.state)
            graph = decode(keras.document(model), plan.keras)
            ending = "" if temporary.is_dir() else target.suffix
            read_back(temporary, graph, model.weights, places(keras, model, ending))
            if verification is not None:
                subject = Subject(plan.after, model)
                said = compare_written(
                    temporary, subject, original, custom_objects, run=verification.compared
                )
                verification = replace(verification, written=said)
        except ModelReadError as error:  # the folder is gone, or somebody else writes to the file
            raise ModelWriteError(error.what, where=str(target), fix=error.fix) from error
        except RewriterError as error:
            if error.where is None:
                error.where = str(target)
            raise
        except Exception as error:
            raise ModelWriteError(
                f"Keras {plan.keras} cannot save the model: {first_line(error)}", where=str(target)
            ) from error
    return verification, lost_notes(lost)


def lost_notes(lost: Iterable[tuple[str, str]]) -> list[Note]:
    """Say which keys of the original have no place in the file any more."""
    return [
        Note(layer, "", f"{key!r} beside it is not in the new file", stage=Stage.REWRITE)
        for key, layer in lost
    ]


def record_of(plan: Plan, *, verified: bool) -> dict[str, Any]:
    """Return what a file says of the rewrite that made it."""
    return {
        "version": version("keras-rewriter"),
        "passes": list(plan.passes),
        "guarantee": plan.guarantee.value,
        "verified": verified,
    }
