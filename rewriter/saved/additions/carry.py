"""Carry over what a file holds and Keras does not keep, and record the rewrite."""

from __future__ import annotations

import json
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from rewriter.errors import ModelWriteError
from rewriter.saved.additions.config_merge import lost, unknown_keys, with_unknown_keys
from rewriter.saved.additions.saved_model_metadata import carry_metadata, unknown_metadata_keys
from rewriter.saved.additions.unknown_in_hdf5 import carry, copy_object, unknown_objects
from rewriter.saved.formats.saved_model import RECORD_FILE, foreign
from rewriter.saved.formats.weights_h5 import WEIGHTS, weights_file
from rewriter.saved.formats.zip_members import replace_member
from rewriter.saved.model_file import ModelFile, read
from rewriter.saved.safety.file_state import require_same
from rewriter.saved.writing.hdf5_writer import hdf5_to_write

_OF_KERAS = ("metadata.json", "config.json", WEIGHTS)
ASSETS = "assets/"
"""Where layers keep files of their own in an archive: vocabularies."""

_GROUPS_OF_KERAS = ("model_weights", "optimizer_weights")
_ATTRIBUTES_OF_KERAS = ("backend", "keras_version", "model_config", "training_config")
RECORD = "rewriter"
"""The key of metadata.json, and the attribute of ``.h5`` files, that holds the record."""

_ARTICLES = {"keras": "a .keras file", "h5": "an .h5 file", "savedmodel": "a SavedModel directory"}


def carry_additions(
    file: ModelFile | None, written: Path, record: dict[str, Any]
) -> list[tuple[str, str]]:
    """Put into a written file what the file it comes from holds besides a model, and a record.

    Parameters
    ----------
    file : ModelFile or None
        Where the model comes from, if from a file.
    written : Path
        A file that Keras has just saved, still under a temporary name: it is changed in place.
    record : dict
        What the rewrite says of itself, under the key `RECORD`.

    Returns
    -------
    list of (str, str)
        Unknown keys of the file, with the path of their layer, that are lost with it.

    Raises
    ------
    ModelWriteError
        If the formats differ, and the file holds what the other format has no place for.
    """
    target = "h5"
    if written.is_dir():
        target = "savedmodel"
    elif zipfile.is_zipfile(written):
        target = "keras"
    if file is not None and file.format != target:
        _refuse_additions(file, target)
        file = None
    if target == "savedmodel":
        _into_directory(file, written, record)
    elif target == "keras":
        _into_archive(file, written, record)
    else:
        _into_hdf5(file, written, record)
    return [] if file is None else list(lost(file.document, read(written, limits=False).document))


def _refuse_additions(file: ModelFile, target: str) -> None:
    additions = []
    if file.format == "keras":
        with zipfile.ZipFile(file.path) as archive:
            names = [name for name in archive.namelist() if name not in _OF_KERAS]
            additions = [name for name in names if not name.startswith(ASSETS)]
            additions += ["the comment of the archive"] if archive.comment else []
        with weights_file(file.path) as root:
            additions += map(str, unknown_objects(root, "keras"))
    elif file.format == "savedmodel":
        additions = [name for name in foreign(file.path) if name != RECORD_FILE]
        additions += map(str, unknown_metadata_keys(file.path))
    elif file.format == "h5":
        import h5py

        with h5py.File(file.path, "r") as root:
            known = {*_GROUPS_OF_KERAS, *_ATTRIBUTES_OF_KERAS, RECORD}
            additions = [name for name in (*root, *root.attrs) if name not in known]
            additions += map(str, unknown_objects(root, "h5"))
    additions += unknown_keys(file.document)
    if additions:
        raise ModelWriteError(
            f"{additions[0]!r} of {file.path} has no place in {_ARTICLES[target]}",
            fix=f"name an output that ends in {file.path.suffix}"
            if file.path.suffix
            else "name an output without an ending",
        )


def _into_directory(file: ModelFile | None, written: Path, record: dict[str, Any]) -> None:
    if file is not None:
        carry_metadata(file.path, written)
        for name in foreign(file.path):
            require_same(file.path, name, file.state)
            (written / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file.path / name, written / name)
    place = written / RECORD_FILE
    place.parent.mkdir(exist_ok=True)
    place.write_text(json.dumps(record))


def _into_archive(file: ModelFile | None, written: Path, record: dict[str, Any]) -> None:
    old = {} if file is None else _metadata(file.path)
    metadata = {**old, **_metadata(written), RECORD: record}
    config = None if file is None else with_unknown_keys(file.document, read(written).document)
    if file is not None:
        _into_weights(file.path, written)
    with zipfile.ZipFile(written, "a") as archive:
        replace_member(archive, "metadata.json", json.dumps(metadata))
        if config is not None:
            replace_member(archive, "config.json", json.dumps(config))
        if file is None:
            return
        with zipfile.ZipFile(file.path) as source:
            archive.comment = source.comment
            for info in source.infolist():
                name = info.filename
                if name in archive.NameToInfo or name in _OF_KERAS:
                    continue
                with source.open(info) as member, archive.open(info, "w") as copy:
                    shutil.copyfileobj(member, copy)


def _into_weights(path: Path, written: Path) -> None:
    """Carry over what is unknown in the weights file of an archive."""
    import h5py

    with weights_file(path) as source:
        objects = unknown_objects(source, "keras")
        if not objects:
            return
        with tempfile.TemporaryFile() as weights, tempfile.TemporaryFile() as packed:
            with zipfile.ZipFile(written) as archive, zipfile.ZipFile(packed, "w") as copy:
                with archive.open(WEIGHTS) as member:
                    shutil.copyfileobj(member, weights)
                with h5py.File(weights, "r+") as target:
                    carry(objects, source, target)
                for info in archive.infolist():
                    weights.seek(0)
                    held = weights if info.filename == WEIGHTS else archive.open(info)
                    with copy.open(info.filename, "w", force_zip64=True) as member:
                        shutil.copyfileobj(held, member)
            packed.seek(0)
            with written.open("wb") as file:
                shutil.copyfileobj(packed, file)


def _metadata(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        metadata: dict[str, Any] = json.loads(archive.read("metadata.json"))
    return metadata


def _into_hdf5(file: ModelFile | None, written: Path, record: dict[str, Any]) -> None:
    import h5py

    config = None if file is None else with_unknown_keys(file.document, read(written).document)
    with hdf5_to_write(written, "r+") as target:
        target.attrs[RECORD] = json.dumps(record)
        if config is not None:
            target.attrs["model_config"] = json.dumps(config)
        if file is None:
            return
        with h5py.File(file.path, "r") as source:
            for name, value in source.attrs.items():
                if name not in target.attrs and name not in _ATTRIBUTES_OF_KERAS:
                    target.attrs[name] = value
            for name in source:
                if name not in target and name not in _GROUPS_OF_KERAS:
                    copy_object(source, name, target)
            carry(unknown_objects(source, "h5"), source, target)
