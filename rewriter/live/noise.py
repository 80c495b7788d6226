"""Noise inside recurrent layers: what has to be asked of each Keras."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

from rewriter.live import Live


class NoiseKeras(Protocol):
    """What one Keras knows of the masks that its cells draw."""

    def forget_masks(self, layer: Live) -> None:
        """Make a cell draw new masks at its next call, as a recurrent layer around it does."""

    def draw_masks(self, layer: Live, inputs: Any, state: Any) -> Mapping[str, Sequence[Any]]:
        """Return the masks that a layer draws in training, by the key of their rate."""


def noise_keras(keras: int) -> NoiseKeras:
    """Import the module for the Keras of this number."""
    return cast(NoiseKeras, importlib.import_module(f"rewriter.live.keras{keras}_noise"))
