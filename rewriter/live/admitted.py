"""Open an ``.h5`` file for Keras with the configs that were checked, whatever it holds now."""

from __future__ import annotations

import json
from typing import Any

import h5py

from rewriter.saved.safety.open_file import OpenModelFile


class AdmittedHDF5(h5py.File):  # type: ignore[misc]
    """An ``.h5`` file whose configs are those that were read, whatever stands in it now."""

    def __init__(self, source: OpenModelFile) -> None:
        file = source.file
        configs = {"model_config": file.document, "training_config": file.training_config}
        self._configs = {key: json.dumps(each) for key, each in configs.items() if each is not None}
        super().__init__(source.opened, "r")

    @property
    def attrs(self) -> dict[str, Any]:
        """The configs, by the names under which Keras looks for them."""
        return self._configs
