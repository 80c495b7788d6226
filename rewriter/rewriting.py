"""A plan carried out: load, rebuild, carry the training state over, verify, write."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rewriter.admission import admit
from rewriter.changes import Note
from rewriter.errors import ModelReadError, ModelWriteError, RewriterError, VerificationError
from rewriter.live import Live, live_keras
from rewriter.pipeline import Guarantee, Plan
from rewriter.saved import ModelFile, carry_training_config, replacing

if TYPE_CHECKING:
    from rewriter.verification import Verification

Step = Callable[[str], AbstractContextManager[Any]]
"""Given what is being done, in words, returns a context that lasts as long."""


@dataclass(slots=True)
class Loaded:
    """A saved model, live.

    Parameters
    ----------
    model : live model
        The model.
    compiled : bool
        False where the file has a training configuration that could not be used.
    notes : list of Note
        What the user should know of it.
    """

    model: Live
    compiled: bool = True
    notes: list[Note] = field(default_factory=list)


def require_tensorflow_backend() -> None:
    """Refuse to go on with another backend than TensorFlow."""
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    if backend != "tensorflow":
        raise RewriterError(
            f"the backend is {backend}, this program works with tensorflow",
            where="KERAS_BACKEND",
            fix="set KERAS_BACKEND=tensorflow, or unset it",
        )


def load(
    file: ModelFile,
    custom_objects: Mapping[str, Any],
    *,
    allow_code: bool = False,
    limits: bool = True,
) -> Loaded:
    """Load a saved model; without its training configuration if that cannot be used.

    Raises
    ------
    UnsupportedModelError
        Loading it would run code, or read or write another file, and that is not allowed.
    ModelReadError
        Keras cannot load it, or it declares more than its size allows.
    """
    require_tensorflow_backend()
    admission = admit(file, custom_objects, allow_code=allow_code, limits=limits)
    keras = live_keras(file.keras)
    load_file = partial(keras.load, file.path, custom_objects, allow_code=admission.allow_code)
    reason = admission.reason
    if file.training_config and admission.compiled:
        try:
            return Loaded(load_file(compiled=True))
        except Exception as error:
            reason = first_line(error)
    try:
        model = load_file(compiled=False)
    except Exception as error:
        raise _load_error(file, error) from error
    if not file.training_config:
        return Loaded(model)
    said = (
        f"loaded without its training configuration ({reason}); the configuration is carried "
        "over as it stands in the file, the optimizer's state is not"
    )
    return Loaded(model, False, [Note(model.name, type(model).__name__, said, "load")])


def _load_error(file: ModelFile, error: Exception) -> RewriterError:
    text = first_line(error)
    unknown = ("Unknown layer", "Could not locate", "Unknown ", "not registered")
    fix = "check that the file loads in Keras"
    if any(words in str(error) for words in unknown):
        fix = "name the module that has the custom class or function with --custom MODULE[:NAME]"
    return ModelReadError(
        f"Keras {file.keras} cannot load it: {text}", where=str(file.path), fix=fix
    )


def carry_out(
    plan: Plan,
    original: Live,
    step: Step,
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
    from rewriter.rebuild import rebuild

    keras = live_keras(plan.keras)
    with step("rebuilding the model and copying the weights"), keras.strategy_scope(original):
        rebuilt = rebuild(plan.after, plan.before, original, custom_objects, share=share)
    if compiled:
        from rewriter.training import carry_training

        with step("carrying the optimizer over"), keras.strategy_scope(original):
            said = carry_training(keras, original, rebuilt, custom_objects)
        plan = replace(plan, notes=(*plan.notes, *said))
    verification = None
    if verify:
        with step("verifying the outputs"):
            verification = _verified(plan, original, rebuilt.model, data, custom_objects)
        if not verification.ok:
            raise _not_kept(plan, original, rebuilt.model, verification)
    return rebuilt.model, plan, verification


def _verified(
    plan: Plan, original: Live, rewritten: Live, data: Any, custom_objects: Mapping[str, Any]
) -> Verification:
    """Measure the outputs; in distribution, where noise is drawn at inference."""
    from rewriter.distribution import draws_at_inference, verify_in_distribution
    from rewriter.verification import Subject, verify_models

    on_purpose = plan.guarantee is Guarantee.CHANGED_ON_PURPOSE
    if on_purpose or draws_at_inference(plan.before) or draws_at_inference(plan.after):
        return verify_in_distribution(
            original,
            rewritten,
            keras=plan.keras,
            guarantee=plan.guarantee,
            tolerance=plan.tolerance,
            data=data,
            custom_objects=custom_objects,
        )
    return verify_models(
        Subject(plan.before, original),
        Subject(plan.after, rewritten),
        guarantee=plan.guarantee,
        tolerance=plan.tolerance,
        data=data,
    )


def _not_kept(
    plan: Plan, original: Live, rewritten: Live, verification: Verification
) -> VerificationError:
    error = VerificationError(str(verification), where=plan.model, fix="nothing was written")
    error.verification, error.model, error.rewritten = verification, original, rewritten
    return error


def write(model: Live, keras: int, target: Path, file: ModelFile | None, *, compiled: bool) -> None:
    """Write a model whole, or not at all.

    Raises
    ------
    ModelWriteError
        Keras or the file system refused.
    """
    in_place = file is not None and target.exists() and target.samefile(file.path)
    with replacing(target, backup=in_place) as temporary:
        try:
            live_keras(keras).save(model, temporary)
            if file is not None and not compiled:
                carry_training_config(file, temporary)
        except RewriterError:
            raise
        except Exception as error:
            raise ModelWriteError(
                f"Keras {keras} cannot save the model: {first_line(error)}", where=str(target)
            ) from error


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, with its type where it says nothing."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0].strip()[:300] if lines else type(error).__name__
