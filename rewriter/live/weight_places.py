"""Find the HDF5 group and key under which Keras stores each weight of a live model."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from rewriter.live.adapters import Live, LiveKeras

Places = dict[str, dict[str, Any]]
"""Groups of an HDF5 file, and in each the variables by their name or their number."""


class Recorder:
    """What `_save_state` of either Keras writes to in place of a file."""

    def __init__(self) -> None:
        self.places: Places = {}

    def __bool__(self) -> bool:
        return True

    def make(self, path: str, metadata: Any = None) -> dict[str, Any]:
        """Return what holds the variables of one object."""
        return self.places.setdefault(f"{path}/vars".lstrip("/"), {})


def places(keras: LiveKeras, model: Live, ending: str) -> Places | None:
    """Return where the weights of a model belong in a file.

    Parameters
    ----------
    keras : LiveKeras
        The Keras of the model.
    model : live model
        The model.
    ending : str
        ``.keras``: every group of the weights file with the names in it, the optimizer's too. Empty
        for a SavedModel directory: one group, of the places in its checkpoint. Else the groups of
        ``.h5`` files with the places in their ``weight_names``, by which Keras loads.

    Returns
    -------
    dict or None
        None where a layer saves itself in a way that only a file bears.
    """
    if ending == ".keras":
        with suppress(Exception):
            return keras.archive_places(model)
        return None
    if not ending:
        return {"": keras.checkpoint_places(model)}
    found = {layer.name: _in_order(layer) for layer in model.layers}
    found["top_level_model_weights"] = keras.own_variables(model)
    return {
        f"model_weights/{name}": {str(number): each for number, each in enumerate(variables)}
        for name, variables in found.items()
    }


def _in_order(layer: Live) -> list[Live]:
    """Return the weights of a layer in the order of .h5 files (`_legacy_weights`)."""
    return [*layer.trainable_weights, *layer.non_trainable_weights]
