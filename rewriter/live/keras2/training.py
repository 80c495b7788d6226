"""Read and restore the compile settings and the optimizer of a Keras 2 model."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf
import tf_keras
from tf_keras.src.mixed_precision import loss_scale_optimizer
from tf_keras.src.optimizers.legacy import optimizer_v2

from rewriter.live.adapters import Live

# Lists of variables that are registers, and say nothing of what a variable is for.
_REGISTERS = ("_variables", "_weights")

_Optimizer = tf_keras.optimizers.Optimizer
_Legacy = optimizer_v2.OptimizerV2
_LossScale = loss_scale_optimizer._DynamicLossScaleState


def is_compiled(model: Live) -> bool:
    """Whether a model is compiled."""
    return bool(model._is_compiled)


def has_own_compile(model: Live) -> bool:
    """Whether the model's class has a ``compile`` of its own."""
    return type(model).compile is not tf_keras.Model.compile


def has_own_compile_config(model: Live) -> bool:
    """Whether the model's class says itself how it is compiled from a config."""
    return type(model).compile_from_config is not tf_keras.Model.compile_from_config


def compile_arguments(model: Live) -> dict[str, Any]:
    """Return what a model was compiled with, as live objects."""
    config = getattr(model, "_compile_config", None)
    return {} if config is None else dict(config.config)


def compile_model(model: Live, original: Live, arguments: Mapping[str, Any]) -> None:
    """Compile a model, and set what may have been set on the original since it was compiled.

    Metrics that were read from an HDF5 file have their final names and keep them.
    """
    final = bool(getattr(original.compiled_metrics, "_from_serialized", False))
    model.compile(**arguments, from_serialized=final)
    model._run_eagerly = original._run_eagerly


def compile_from_config(model: Live, original: Live, scope: Mapping[str, Any]) -> None:
    """Compile a model whose class says itself how."""
    with tf_keras.saving.custom_object_scope(dict(scope)):
        model.compile_from_config(original.get_compile_config())


def loss_of(model: Live, targets: Any, outputs: Any) -> Any:
    """Return the loss that a model is compiled with, regularizers included."""
    return model.compiled_loss(targets, outputs, regularization_losses=model.losses)


def output_names(model: Live) -> list[str]:
    """Return the names of the outputs; none where their structure has keys of its own."""
    if isinstance(getattr(model, "_nested_outputs", None), Mapping):
        return []
    return list(getattr(model, "output_names", None) or ())


def copy_metric(metric: Live, prefixes: Sequence[str], scope: Mapping[str, Any]) -> Live:
    """Return a new metric like this one, under the name that it was given.

    Once a model of several outputs has run, its metrics have the output's name in front
    (tf_keras/src/engine/compile_utils.py, `_set_metric_names`), which would come again.
    """
    try:
        with tf_keras.saving.custom_object_scope(dict(scope)):
            new = type(metric).from_config(metric.get_config())
    except Exception:
        new = copy.deepcopy(metric)
    for prefix in prefixes:
        if new._name.startswith(prefix):
            new._name = new._name.removeprefix(prefix).removeprefix("weighted_")
            break
    return new


def is_metric(value: Any) -> bool:
    """Whether a value is a metric, which has state, and not a function or a name."""
    return isinstance(value, tf_keras.metrics.Metric)


def parts(optimizer: Live) -> list[Live]:
    """Return an optimizer and what it holds: the one that it wraps, and schedules."""
    inner = [part for each in inner_optimizers(optimizer) for part in parts(each)]
    return [optimizer, *inner, _rate(optimizer)]


def inner_optimizers(optimizer: Live) -> list[Live]:
    """Return the optimizers that an optimizer hands gradients to: that of a LossScaleOptimizer."""
    inner = getattr(optimizer, "inner_optimizer", None)
    return [] if inner is None else [inner]


def new_optimizer(old: Live, scope: Mapping[str, Any]) -> Live:
    """Return a new optimizer of the same class and config; a schedule is used by both."""
    config = old.get_config()
    rate = _rate(old)
    if callable(rate) and not isinstance(rate, tf.Variable):
        config["learning_rate"] = rate
    with tf_keras.saving.custom_object_scope(dict(scope)):
        return type(old).from_config(config)


def _rate(optimizer: Live) -> Any:
    if isinstance(optimizer, _Legacy):
        return getattr(optimizer, "_hyper", {}).get("learning_rate")
    return getattr(optimizer, "_learning_rate", None)


def is_built(optimizer: Live) -> bool:
    """Whether an optimizer has its variables."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    if isinstance(inner, _Legacy):
        return bool(inner._weights)
    return bool(getattr(inner, "_built", False))


def build(optimizer: Live, variables: Sequence[Live]) -> None:
    """Make the variables of an optimizer, all slots fresh."""
    if isinstance(optimizer, _Legacy):
        optimizer._create_all_weights(list(variables))
    else:
        optimizer.build(list(variables))


def knows(optimizer: Live, variable: Live) -> bool:
    """Whether an optimizer was built for a variable of a model."""
    return _key(variable) in _places(optimizer)


def strangers(optimizer: Live, variables: Sequence[Live]) -> list[str]:
    """Return the variables that an optimizer was built for and that are not among these."""
    known = {_key(variable) for variable in variables}
    return [key for key in _places(optimizer) if key not in known]


def optimizer_state(
    optimizer: Live, variables: Sequence[Live], prefix: str = ""
) -> Iterator[tuple[str, Live | None, Live]]:
    """Yield name, model variable (None: of the optimizer as a whole) and variable of the state.

    The slots of a class stand in lists, at the places that `_index_dict` gives; those of an
    optimizer of the old kind in a dictionary for each variable.
    """
    places = getattr(optimizer, "_index_dict", {})
    owners = {places[_key(one)]: one for one in variables if _key(one) in places}
    for name, value in vars(optimizer).items():
        if isinstance(value, tf.Variable):
            yield prefix + name, None, value
        elif isinstance(value, _Optimizer | _Legacy | _LossScale):
            yield from optimizer_state(value, variables, f"{prefix}{name}.")
        elif isinstance(value, list) and name not in _REGISTERS and len(value) == len(places):
            for place, owner in owners.items():
                if isinstance(value[place], tf.Variable):
                    yield prefix + name, owner, value[place]
    if isinstance(optimizer, _Legacy):
        yield from _legacy_state(optimizer, variables, prefix)


def _legacy_state(
    optimizer: Live, variables: Sequence[Live], prefix: str
) -> Iterator[tuple[str, Live | None, Live]]:
    for name, value in getattr(optimizer, "_hyper", {}).items():
        if isinstance(value, tf.Variable):
            yield prefix + name, None, value
    for variable in variables:
        for name, slot in getattr(optimizer, "_slots", {}).get(_key(variable), {}).items():
            yield prefix + name, variable, slot


def optimizer_variables(optimizer: Live) -> list[Live]:
    """Return everything that an optimizer keeps and saves."""
    variables = optimizer.weights if isinstance(optimizer, _Legacy) else optimizer.variables
    return list(variables() if callable(variables) else variables)


def copy_counters(old: Live, new: Live) -> None:
    """Copy what an optimizer counts outside of its variables: Nadam does.

    tf_keras/src/optimizers/nadam.py: `_u_product` counts as computed for a step only while
    `_u_product_counter` says so; Keras saves neither.
    """
    if hasattr(old, "_u_product_counter"):
        new._u_product_counter = old._u_product_counter


def _places(optimizer: Live) -> Mapping[str, Any]:
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    held: Mapping[str, Any] = (
        inner._slots if isinstance(inner, _Legacy) else getattr(inner, "_index_dict", {})
    )
    return held


def _key(variable: Live) -> str:
    return str(variable._unique_id)


def copy_exclusions(old: Live, new: Live, pairs: Sequence[tuple[Live, Live]]) -> None:
    """Copy which variables get no weight decay: a method call tells it, and no config.

    tf_keras/src/optimizers/optimizer.py, `exclude_from_weight_decay`.
    """
    followers = {_key(before): _key(after) for before, after in pairs}
    keys = getattr(old, "_exclude_from_weight_decay", None)
    if keys is not None:
        new._exclude_from_weight_decay = [followers.get(key, key) for key in keys]
        new._exclude_from_weight_decay_names = list(old._exclude_from_weight_decay_names)
