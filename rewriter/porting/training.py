"""List what Keras 3 calls otherwise in optimizers, losses and metrics, and write their configs.

Sources: tf_keras/src/optimizers (and legacy), keras/src/optimizers, keras/src/losses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rewriter.porting.refusals import RefusedError

_OPTIMIZERS = """
SGD Adam AdamW Adamax Nadam RMSprop Adagrad Adadelta Ftrl Adafactor Lion
"""
OPTIMIZERS = frozenset(_OPTIMIZERS.split())

_DROPPED = ("jit_compile", "is_legacy_optimizer")

SLOTS: Mapping[str, Mapping[str, str]] = {
    "SGD": {"momentum": "momentums"},
    "Adam": {"m": "_momentums", "v": "_velocities", "vhat": "_velocity_hats"},
    "Adamax": {"m": "_m", "v": "_u"},
    "Nadam": {"m": "_momentums", "v": "_velocities", "_m_cache": "_u_product"},
    "RMSprop": {"rms": "_velocities", "momentum": "_momentums", "mg": "_average_gradients"},
    "Adagrad": {"accumulator": "_accumulators"},
    "Adadelta": {"accum_grad": "_accumulated_grads", "accum_var": "_accumulated_delta_vars"},
    "Ftrl": {"accumulator": "_accumulators", "linear": "_linears"},
    "Lion": {"momentums": "_momentums"},
}
"""What Keras 3 calls the slots that have another name in Keras 2, legacy optimizers counted."""

_NADAM = "Nadam of Keras 3 computes the schedule of its momentum otherwise: the next step differs"

OTHERWISE: Mapping[tuple[str, bool], str] = {
    ("Nadam", False): _NADAM,
    ("Nadam", True): _NADAM,
    ("RMSprop", True): (
        "epsilon stands elsewhere in RMSprop of Keras 3: the next step differs by up to a "
        "hundredth of the learning rate"
    ),
}
"""Optimizers whose next step is another one, by class and whether they are legacy ones."""

FUNCTIONS: Mapping[str, str] = {
    "logcosh": "log_cosh",
    "kullback_leibler_divergence": "kl_divergence",
    "kld": "kl_divergence",
    "KLD": "kl_divergence",
    "cosine_proximity": "cosine_similarity",
}
"""Losses and metrics whose names Keras 3 does not know."""


def optimizer_config(class_name: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config of an optimizer as Keras 3 takes it, but for a schedule.

    Raises
    ------
    RefusedError
        It is a class of the user's own.

    Examples
    --------
    >>> optimizer_config("SGD", {"learning_rate": 0.5, "decay": 0.0, "jit_compile": True})
    {'learning_rate': 0.5}
    """
    if class_name not in OPTIMIZERS:
        raise RefusedError(f"{class_name} is no optimizer of Keras 3", "compile it in Keras 3")
    decay = float(config.get("decay") or 0.0)
    new = {key: _number(value) for key, value in config.items() if key not in _DROPPED}
    new.pop("decay", None)
    if decay and class_name != "Nadam":  # Nadam's is that of its momentum
        new["learning_rate"] = {
            "class_name": "InverseTimeDecay",
            "config": {
                "initial_learning_rate": new["learning_rate"],
                "decay_steps": 1,
                "decay_rate": decay,
            },
        }
    return new


def _number(value: Any) -> Any:
    """Return a number of Python for one of numpy; all else as it is."""
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", 1) == 0 else value


def slot_name(class_name: str, name: str) -> str:
    """Return what Keras 3 calls a part of an optimizer's state.

    Examples
    --------
    >>> slot_name("Adam", "m"), slot_name("Adam", "_iterations")
    ('_momentums', '_iterations')
    """
    renamed = {"learning_rate": "_learning_rate", **SLOTS.get(class_name, {})}
    return renamed.get(name, name)


def function_name(name: str) -> str:
    """Return what Keras 3 calls a loss or a metric."""
    return FUNCTIONS.get(name, name)


def loss_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config of a loss as Keras 3 takes it.

    Examples
    --------
    >>> loss_config({"reduction": "auto", "name": "mse", "fn": "mse"})
    {'reduction': 'sum_over_batch_size', 'name': 'mse'}
    """
    new = {key: value for key, value in config.items() if key != "fn"}
    if new.get("reduction") == "auto":
        new["reduction"] = "sum_over_batch_size"
    return new
