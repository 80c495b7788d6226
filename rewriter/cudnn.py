"""The fast (cuDNN) kernels of LSTM and GRU in Keras 3, and why a new mask turns them off.

On a GPU, Keras 3 runs an LSTM or GRU of the usual configuration with cuDNN, which takes masks
of padding behind the sequence alone. In compiled functions it asserts that (`_assert_valid_mask`
in keras/src/backend/tensorflow/rnn.py): a layer that newly receives a mask with padding in
front, or a row of padding alone, fails where it ran before. ``use_cudnn=False`` avoids it.
Keras 3.15 takes that argument from a config, and does not write it into one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rewriter.graph import Layer

# What cuDNN computes, from `cudnn_ok` there and the constructors of the two layers.
_NEEDED: Mapping[str, Any] = {
    "activation": "tanh",
    "recurrent_activation": "sigmoid",
    "recurrent_dropout": 0,
    "unroll": False,
    "use_bias": True,
    "reset_after": True,
    "use_cudnn": "auto",
}


def fast_layers(layer: Layer, role: str | None = None) -> Iterator[tuple[str | None, Layer]]:
    """Yield the LSTM and GRU layers that cuDNN may run, with their roles in wrappers.

    Parameters
    ----------
    layer : Layer
        A layer, or a wrapper around one.
    role : str, optional
        The place of the layer in the wrapper that is looked at.

    Examples
    --------
    >>> [name for name, _ in fast_layers(Layer("lstm", "LSTM", {"unroll": True}))]
    []
    """
    if layer.class_name in ("LSTM", "GRU"):
        if all(layer.config.get(key, value) == value for key, value in _NEEDED.items()):
            yield role, layer
    elif "layer" in layer.inner:
        # Bidirectional hands what its forward layer says on to the one that runs backward.
        yield from fast_layers(layer.inner["layer"], "layer" if role is None else f"{role}.layer")
