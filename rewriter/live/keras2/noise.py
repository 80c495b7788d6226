"""Draw, and forget, the dropout masks inside recurrent layers and cells of Keras 2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tf_keras.src.layers.rnn.dropout_rnn_cell_mixin import DropoutRNNCellMixin

from rewriter.live.adapters import Live


def forget_masks(layer: Live) -> None:
    """Make a cell draw new masks at its next call, as a recurrent layer around it does."""
    for each in (layer, getattr(layer, "cell", None)):
        if isinstance(each, DropoutRNNCellMixin):
            each.reset_dropout_mask()
            each.reset_recurrent_dropout_mask()


def draw_masks(layer: Live, inputs: Any, state: Any) -> Mapping[str, Sequence[Any]]:
    """Return the masks that a layer draws in training, by the key of their rate.

    Parameters
    ----------
    layer : live layer
        One that mixes in DropoutRNNCellMixin; others give nothing.
    inputs, state : tensor
        Of the shapes of what the masks are for; a state of None has none.
    """
    if not isinstance(layer, DropoutRNNCellMixin):
        return {}
    found = {"dropout": layer.get_dropout_mask_for_cell(inputs, True, count=1)}
    if state is not None:
        drawn = layer.get_recurrent_dropout_mask_for_cell(state, True, count=1)
        found["recurrent_dropout"] = drawn
    return {key: _several(masks) for key, masks in found.items() if masks is not None}


def _several(masks: Any) -> Sequence[Any]:
    return masks if isinstance(masks, list | tuple) else [masks]
