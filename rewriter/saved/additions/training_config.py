"""Copy the training configuration of one model file into another as it stands."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from rewriter.errors import ModelWriteError
from rewriter.saved.formats.saved_model import put_training_config
from rewriter.saved.formats.zip_members import replace_member
from rewriter.saved.model_file import ModelFile, read
from rewriter.saved.writing.hdf5_writer import hdf5_to_write


def carry_training_config(file: ModelFile, written: Path) -> None:
    """Put the training configuration of a file into another file of the same format.

    For a model that could only be loaded without it, because it names a loss or a metric that is
    not at hand. Without a training configuration nothing happens.

    Parameters
    ----------
    file : ModelFile
        The file that has it.
    written : Path
        A file that Keras has just saved, still under a temporary name: it is changed in place.

    Raises
    ------
    ModelWriteError
        If the formats differ: each has a form of its own for it.
    """
    if file.training_config is None:
        return
    other = read(written)
    if other.format != file.format:
        ending = f"that ends in {file.path.suffix}" if file.path.suffix else "without an ending"
        raise ModelWriteError(
            f"the training configuration of {file.path} cannot be kept: .h5 files, .keras "
            "files and SavedModel directories write it in different ways",
            fix=f"name an output {ending}, or give the custom objects that the configuration names",
        )
    if file.format == "savedmodel":
        put_training_config(written, file.training_config)
    elif file.format == "h5":
        with hdf5_to_write(written, "r+") as group:
            group.attrs["training_config"] = json.dumps(file.training_config).encode()
    else:
        document = other.document | {"compile_config": file.training_config}
        with zipfile.ZipFile(written, "a") as archive:
            replace_member(archive, "config.json", json.dumps(document))
