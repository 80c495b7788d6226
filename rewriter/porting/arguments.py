"""Write the arguments of a call of Keras 2 as Keras 3 takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rewriter.analysis.layer_kinds import is_recurrent
from rewriter.analysis.noise_layers import MASKS
from rewriter.graph.calls import Arguments, Constant, Hole
from rewriter.graph.graph import Layer
from rewriter.graph.nested import leaves, map_leaves
from rewriter.porting.refusals import RefusedError

_USES_TRAINING = frozenset(
    {"BatchNormalization", "SyncBatchNormalization", "SpectralNormalization"}
)


def converted_arguments(layer: Layer, arguments: Arguments, pinned: bool = False) -> Arguments:
    """Return what a layer of Keras 3 is called with.

    Parameters
    ----------
    layer : Layer
        Of Keras 2.
    arguments : Arguments
        What it is called with there.
    pinned : bool
        Whether ``training=True`` is baked into the call, itself or through the model it stands in.

    Raises
    ------
    RefusedError
        Keras 3 has no such call.

    Examples
    --------
    >>> from rewriter.graph import Hole
    >>> given = Arguments([[Hole(0), Hole(1), Hole(2)]], {"training": None})
    >>> converted = converted_arguments(Layer("lstm", "LSTM", {}), given)
    >>> converted.args, converted.kwargs
    ([Hole(index=0)], {'initial_state': [Hole(index=1), Hole(index=2)]})
    """
    if not arguments.args:
        return Arguments([], {})
    structure = _single(arguments.args[0])
    kwargs = {key: value for key, value in arguments.kwargs.items() if value is not None}
    kwargs.pop("training", None)
    if pinned:
        _refuse_pin(layer)
    if is_recurrent(layer):
        structure, kwargs = _states(structure, kwargs)
    if any(isinstance(leaf, Constant) for leaf in leaves([structure])):
        raise RefusedError(
            "it is called on a constant", "have the constant come in as an input of the model"
        )
    return Arguments([structure], kwargs)


def _single(structure: Any) -> Any:
    """Return the one tensor of a structure that holds one alone, as Keras 2 does."""
    is_one = isinstance(structure, list | tuple) and len(structure) == 1
    return _single(structure[0]) if is_one else structure


def is_always_on(layer: Layer) -> bool:
    """Whether a pinned layer is noise that this package has as always on."""
    return layer.class_name in MASKS and not layer.inner


def _refuse_pin(layer: Layer) -> None:
    """Refuse ``training=True`` where it matters: Keras 3 saves it and ignores it (keras#20285)."""
    if layer.graph is not None or is_always_on(layer):
        return
    if any(_draws_or_counts(each) for each in layer.walk()):
        raise RefusedError(
            "training=True is baked into its call, which Keras 3 ignores at inference",
            "call it without training= in Keras 2, or use Dropout",
        )


def _draws_or_counts(layer: Layer) -> bool:
    config = layer.config
    rates = (config.get(key) for key in ("rate", "dropout", "recurrent_dropout", "stddev"))
    if layer.graph is not None or layer.class_name in _USES_TRAINING:
        return True
    if layer.class_name.startswith("Random"):
        return True
    return any(isinstance(rate, int | float) and rate > 0 for rate in rates)


def _states(structure: Any, kwargs: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return the sequence alone, with the states that stood behind it as ``initial_state``."""
    kept = dict(kwargs)
    if kept.pop("constants", None) is not None:
        raise RefusedError(
            "its call has constants", "give them to the cell in another way in Keras 2"
        )
    if isinstance(structure, list | tuple):
        more: Sequence[Any] = structure[1:]
        structure = structure[0]
        if more:
            kept["initial_state"] = list(more)
    if "initial_state" in kept:
        kept["initial_state"] = map_leaves(lambda leaf: leaf, _as_list(kept["initial_state"]))
    return structure, kept


def _as_list(states: Any) -> list[Any]:
    if isinstance(states, Hole):
        return [states]
    return list(states)
