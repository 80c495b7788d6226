"""Compile a ported model as the original of Keras 2 was, and carry its optimizer's state over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rewriter.errors import first_line
from rewriter.graph.changes import Note
from rewriter.graph.nested import leaves
from rewriter.live.adapters import Live, live_keras, training_keras
from rewriter.porting.refusals import RefusedError
from rewriter.porting.training import (
    OTHERWISE,
    function_name,
    loss_config,
    optimizer_config,
    slot_name,
)

Pairs = Sequence[tuple[Live, Live]]
"""Variables of the original, each with the one of the new model that has its value."""


def carry_training(
    original: Live, new: Live, pairs: Pairs, custom_objects: Mapping[str, Any]
) -> list[Note]:
    """Compile a model of Keras 3 as one of Keras 2 is, and give its optimizer the same state.

    Parameters
    ----------
    original, new : live model
        Of Keras 2, and the same model of Keras 3, which is compiled.
    pairs : sequence of (variable, variable)
        Which variable is which.
    custom_objects : mapping
        The user's own losses and metrics for Keras 3, by name.

    Returns
    -------
    list of Note
        What starts fresh, or goes otherwise in training.
    """
    notes: list[Note] = []

    def note(reason: str) -> None:
        notes.append(Note(new.name, type(new).__name__, reason, "port"))

    if not training_keras(2).is_compiled(original):
        return notes
    try:
        lost = _compile(original, new, custom_objects)
    except RefusedError as error:
        note(f"is not compiled: {error.reason}; {error.fix}")
        return notes
    except Exception as error:
        reason = f"{type(error).__name__}: {first_line(error)}"
        note(f"is not compiled: Keras 3 cannot compile it as the original was: {reason}")
        return notes
    for each in lost:
        note(each)
    if original.optimizer is not None:
        _copy_state(original, new, pairs, note)
        inner = getattr(original.optimizer, "inner_optimizer", original.optimizer)
        said = OTHERWISE.get((type(inner).__name__, _is_legacy(inner)))
        if said:
            note(f"in training, {said}")
    return notes


def _compile(original: Live, new: Live, custom_objects: Mapping[str, Any]) -> list[str]:
    """Compile a model; return what Keras 3 forgets of it once it is saved."""
    arguments = training_keras(2).compile_arguments(original)
    kept = ("loss_weights", "run_eagerly", "steps_per_execution")
    given = {key: arguments[key] for key in kept if arguments.get(key) is not None}
    for key in ("loss", "metrics", "weighted_metrics"):
        is_metric = key != "loss"
        given[key] = _mapped(
            lambda leaf, of=is_metric: _measure(leaf, custom_objects, of), arguments.get(key)
        )
    optimizer = original.optimizer
    given["optimizer"] = "rmsprop" if optimizer is None else _optimizer(optimizer)
    new.compile(**given, jit_compile=bool(original.jit_compile))
    return _forgotten(leaves([arguments.get("loss")]), leaves([given["loss"]]))


def _forgotten(old: Iterable[Any], new: Iterable[Any]) -> list[str]:
    """Return the arguments of losses that Keras 3 computes with, and does not save."""
    said = []
    for before, after in zip(old, new, strict=True):
        if hasattr(before, "get_config") and hasattr(after, "get_config"):
            missing = loss_config(before.get_config()).keys() - after.get_config().keys()
            said += [
                f"Keras 3 computes the loss {type(after).__name__} with {key}, and does not save "
                "it: once the file is loaded, compile the model again"
                for key in sorted(missing)
            ]
    return said


def _mapped(function: Any, structure: Any) -> Any:
    if isinstance(structure, Mapping):
        return {key: _mapped(function, value) for key, value in structure.items()}
    if isinstance(structure, list | tuple):
        return [_mapped(function, value) for value in structure]
    return function(structure)


def _measure(value: Any, custom_objects: Mapping[str, Any], is_metric: bool) -> Any:
    """Return a loss or metric of Keras 3 for one of Keras 2."""
    import keras
    import tf_keras

    if value is None or isinstance(value, str):
        return custom_objects.get(value) or _named(value, is_metric) if value else None
    name = getattr(value, "__name__", type(value).__name__)
    if name in custom_objects:
        made = custom_objects[name]
        return made.from_config(value.get_config()) if hasattr(value, "get_config") else made
    if type(value).__name__ == "MeanMetricWrapper":
        return _wrapped(value, custom_objects)
    if type(value).__name__ == "LossFunctionWrapper":
        return _named(value.fn.__name__, is_metric)
    if not str(getattr(value, "__module__", "")).startswith(("tf_keras", "keras")):
        raise RefusedError(f"{name} is a loss or metric of the user's own", "name it by --custom")
    if isinstance(value, tf_keras.losses.Loss):
        return getattr(keras.losses, name).from_config(loss_config(value.get_config()))
    if isinstance(value, tf_keras.metrics.Metric):
        return getattr(keras.metrics, name).from_config(value.get_config())
    return _named(name, is_metric)


_CHOSEN_BY_SHAPE = ("acc", "accuracy", "ce", "crossentropy")
"""Metrics of which both Keras choose the function by the shape of the outputs."""


def _named(name: str, is_metric: bool) -> Any:
    """Return a loss or metric of Keras 3 by the name that it has in Keras 2."""
    if is_metric and name not in _CHOSEN_BY_SHAPE:
        return _metric(name, name)
    return function_name(name)


def _metric(function: str, name: str) -> Live:
    """Return the mean of a function, which may be one that Keras 3 has as a loss alone."""
    import keras

    try:
        return type(keras.metrics.get(function_name(function)))(name=name)
    except ValueError:
        loss = keras.losses.get(function_name(function))
        return keras.metrics.MeanMetricWrapper(loss, name=name)


def _wrapped(metric: Live, custom_objects: Mapping[str, Any]) -> Live:
    """Return the mean of a function, under the name that it has."""
    import keras

    function = metric._fn.__name__
    if function in custom_objects:
        wrapped = keras.metrics.MeanMetricWrapper
        return wrapped(custom_objects[function], name=metric._name)
    return _metric(function, metric._name)


def _optimizer(old: Live) -> Live:
    """Return the optimizer of Keras 3 that does what one of Keras 2 does."""
    import keras

    name = type(old).__name__
    inner = getattr(old, "inner_optimizer", None)
    if inner is not None:
        scale = old.initial_scale
        steps = old.dynamic_growth_steps or 2000
        return keras.optimizers.LossScaleOptimizer(
            _optimizer(inner), initial_scale=float(scale), dynamic_growth_steps=int(steps)
        )
    config = old.get_config()
    config["learning_rate"] = _told_rate(config.get("learning_rate"))
    config = optimizer_config(name, config)
    rate = config.get("learning_rate")
    if isinstance(rate, Mapping):
        schedule = getattr(keras.optimizers.schedules, str(rate["class_name"]), None)
        if schedule is None:
            raise RefusedError(
                f"its schedule {rate['class_name']} is of the user's own", "compile it in Keras 3"
            )
        told = {key: each for key, each in rate["config"].items() if each is not None}
        config["learning_rate"] = schedule.from_config(told)
    return getattr(keras.optimizers, name).from_config(
        {key: value for key, value in config.items() if value is not None}
    )


def _told_rate(rate: Any) -> Any:
    if isinstance(rate, Mapping) or not hasattr(rate, "get_config"):
        return rate
    return {"class_name": type(rate).__name__, "config": rate.get_config()}


def _is_legacy(optimizer: Live) -> bool:
    return ".legacy." in type(optimizer).__module__


def _copy_state(original: Live, new: Live, pairs: Pairs, note: Any) -> None:
    """Copy each slot by its kind and the variable that it belongs to."""
    two, three = training_keras(2), training_keras(3)
    old = original.optimizer
    if not two.is_built(old):
        return
    inner = getattr(old, "inner_optimizer", old)
    name = type(inner).__name__
    source = {id(after): before for before, after in pairs}
    three.build(new.optimizer, new.trainable_variables)
    have: dict[tuple[str, int | None], Any] = {}
    for kind, owner, value in two.optimizer_state(old, list(original.variables)):
        prefix, _, last = kind.rpartition(".")
        key = (f"{prefix}." if prefix else "") + slot_name(name, last)
        have.setdefault((key, None if owner is None else id(owner)), value)
    fresh: dict[str, None] = {}
    for kind, owner, value in three.optimizer_state(new.optimizer, new.trainable_variables):
        before = None if owner is None else id(source.get(id(owner)))
        kept = have.get((kind, before))
        if kept is not None and tuple(kept.shape) == tuple(value.shape):
            live_keras(3).assign(value, kept.numpy())
        elif owner is not None:
            fresh[owner.path] = None
    for path in fresh:
        note(f"the optimizer starts fresh for {path}")
