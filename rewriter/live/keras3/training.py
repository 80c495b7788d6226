"""Read and restore the compile settings and the optimizer of a Keras 3 model."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
from keras.src.backend import Variable  # keras.Variable is a class of its own before 3.8
from keras.src.trainers.trainer import Trainer

from rewriter.live.adapters import Live

# Lists of variables that are registers, and say nothing of what a variable is for.
_REGISTERS = ("_variables", "_trainable_variables")


def is_compiled(model: Live) -> bool:
    """Whether a model is compiled."""
    return bool(model.compiled)


def has_own_compile(model: Live) -> bool:
    """Whether the model's class has a ``compile`` of its own."""
    return type(model).compile is not Trainer.compile


def has_own_compile_config(model: Live) -> bool:
    """Whether the model's class says itself how it is compiled from a config."""
    return type(model).compile_from_config is not Trainer.compile_from_config


def compile_arguments(model: Live) -> dict[str, Any]:
    """Return what a model was compiled with, as live objects."""
    config = getattr(model, "_compile_config", None)
    return {} if config is None else dict(config.config)


def compile_model(model: Live, original: Live, arguments: Mapping[str, Any]) -> None:
    """Compile a model, and set what may have been set on the original since it was compiled."""
    model.compile(**arguments)
    model.run_eagerly = original.run_eagerly
    model.jit_compile = original.jit_compile


def compile_from_config(model: Live, original: Live, scope: Mapping[str, Any]) -> None:
    """Compile a model whose class says itself how."""
    with keras.saving.custom_object_scope(dict(scope)):
        model.compile_from_config(original.get_compile_config())


def loss_of(model: Live, targets: Any, outputs: Any) -> Any:
    """Return the loss that a model is compiled with, regularizers included."""
    return model.compute_loss(y=targets, y_pred=outputs)


def output_names(model: Live) -> list[str]:
    """Return the names of the outputs; none where their structure has keys of its own."""
    if isinstance(getattr(model, "_outputs_struct", None), Mapping):
        return []
    return list(getattr(model, "output_names", None) or ())


def copy_metric(metric: Live, prefixes: Sequence[str], scope: Mapping[str, Any]) -> Live:
    """Return a new metric like this one."""
    try:
        with keras.saving.custom_object_scope(dict(scope)):
            return type(metric).from_config(metric.get_config())
    except Exception:
        return copy.deepcopy(metric)


def is_metric(value: Any) -> bool:
    """Whether a value is a metric, which has state, and not a function or a name."""
    return isinstance(value, keras.metrics.Metric)


def parts(optimizer: Live) -> list[Live]:
    """Return an optimizer and what it holds: the one that it wraps, and schedules."""
    inner = [part for each in inner_optimizers(optimizer) for part in parts(each)]
    return [optimizer, *inner, _rate(optimizer)]


def inner_optimizers(optimizer: Live) -> list[Live]:
    """Return the optimizers that an optimizer hands gradients to.

    LossScaleOptimizer has one, MultiOptimizer (Keras 3.14) one for each group of variables.
    """
    inner = getattr(optimizer, "inner_optimizer", None)
    return list(getattr(optimizer, "_inner_optimizers", () if inner is None else [inner]))


def new_optimizer(old: Live, scope: Mapping[str, Any]) -> Live:
    """Return a new optimizer of the same class and config; a schedule is used by both."""
    config = old.get_config()
    rate = _rate(old)
    if callable(rate) and not isinstance(rate, Variable):
        config["learning_rate"] = rate
    with keras.saving.custom_object_scope(dict(scope)):
        return type(old).from_config(config)


def _rate(optimizer: Live) -> Any:
    return getattr(optimizer, "_learning_rate", None)


def is_built(optimizer: Live) -> bool:
    """Whether an optimizer has its variables."""
    return bool(optimizer.built)


def build(optimizer: Live, variables: Sequence[Live]) -> None:
    """Make the variables of an optimizer, all slots fresh."""
    optimizer.build(list(variables))


def knows(optimizer: Live, variable: Live) -> bool:
    """Whether an optimizer was built for a variable of a model."""
    return any(variable is each for each in optimizer._trainable_variables)


def strangers(optimizer: Live, variables: Sequence[Live]) -> list[str]:
    """Return the variables that an optimizer was built for and that are not among these."""
    known = {id(variable) for variable in variables}
    return [each.path for each in optimizer._trainable_variables if id(each) not in known]


def optimizer_state(
    optimizer: Live, variables: Sequence[Live], prefix: str = ""
) -> Iterator[tuple[str, Live | None, Live]]:
    """Yield name, model variable (None: of the optimizer as a whole) and variable of the state.

    The slots of a class stand in lists, in the order of the variables that the optimizer was
    built for (keras/src/optimizers/base_optimizer.py, `add_optimizer_variables`).
    """
    owners = optimizer._trainable_variables
    for name, value in vars(optimizer).items():
        if isinstance(value, Variable):
            yield prefix + name, None, value
        elif isinstance(value, keras.optimizers.Optimizer):
            yield from optimizer_state(value, variables, f"{prefix}{name}.")
        elif name == "_inner_optimizers":
            for number, each in enumerate(value):
                yield from optimizer_state(each, variables, f"{prefix}{number}.")
        elif isinstance(value, list) and name not in _REGISTERS and len(value) == len(owners):
            for owner, slot in zip(owners, value, strict=True):
                if isinstance(slot, Variable):
                    yield prefix + name, owner, slot


def optimizer_variables(optimizer: Live) -> list[Live]:
    """Return everything that an optimizer keeps and saves."""
    return list(optimizer.variables)


def copy_counters(old: Live, new: Live) -> None:
    """Copy what an optimizer counts outside of its variables: here nothing."""


def copy_exclusions(old: Live, new: Live, pairs: Sequence[tuple[Live, Live]]) -> None:
    """Copy which variables get no weight decay: a method call tells it, and no config.

    keras/src/optimizers/base_optimizer.py, `exclude_from_weight_decay`; each backend has a key of
    its own for a variable, `_var_key`: on TensorFlow its path.
    """
    followers = {old._var_key(before): new._var_key(after) for before, after in pairs}
    keys = getattr(old, "_exclude_from_weight_decay", None)
    if keys is not None:
        new._exclude_from_weight_decay = {followers.get(key, key) for key in keys}
        pattern = getattr(old, "_exclude_from_weight_decay_pattern", None)
        new._exclude_from_weight_decay_pattern = pattern
        new._exclude_from_weight_decay_cache = {}
