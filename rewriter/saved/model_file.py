"""Read from a model file its format, its Keras and its config.

Nothing here imports Keras, reads weights, or runs code from the file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from rewriter.errors import ModelReadError, RewriterError, UnsupportedModelError
from rewriter.saved.formats import hdf5_attributes, saved_model, zip_members
from rewriter.saved.formats.bounded_json import parse
from rewriter.saved.formats.regular_file import regular
from rewriter.saved.safety.file_state import State, state_of_directory, state_of_file

CONFIG_LIMIT = 64 * 2**20  # bytes of JSON that describe a model
CONFIG_MEMORY = 320 * 2**20  # bytes of memory for them
DETAIL_LIMIT = 4 * 2**20  # the same for training_config and metadata.json
DETAIL_MEMORY = 64 * 2**20
_SAVE_WHOLE = "save the whole model with model.save(...)"
_GET_ANOTHER = "copy or download the file again, or save the model again"
_KNOWN_KERAS = (2, 3)
CALL_LIMIT = 100_000  # calls that a config may list


class _Limits(NamedTuple):
    config: int = CONFIG_LIMIT
    config_memory: int = CONFIG_MEMORY
    detail: int = DETAIL_LIMIT
    detail_memory: int = DETAIL_MEMORY
    calls: int = CALL_LIMIT


_UNBOUNDED = _Limits(*[2**48] * 5)


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model file, as far as it can be known without its weights.

    Parameters
    ----------
    path : Path
        Where it was read, as given.
    format : str
        ``h5``, ``keras`` or ``savedmodel``.
    keras : int
        2 or 3: the Keras that the file is for.
    version : str or None
        ``keras_version`` as written; None if the file tells none, as very old ones do.
    document : dict
        ``{"class_name": ..., "config": ..., ...}``, as in config.json or model_config.
    training_config : dict or None
        How the model was compiled: training_config of ``.h5``, compile_config of ``.keras``.
    state : tuple
        What tells whether it is still the file that was read.
    """

    path: Path
    format: str
    keras: int
    version: str | None
    document: dict[str, Any]
    training_config: dict[str, Any] | None
    state: State = ()


def read(path: str | Path, *, limits: bool = True) -> ModelFile:
    """Read the config of a model file; its content decides the format, not its ending.

    Parameters
    ----------
    path : str or Path
        A ``.keras`` or ``.h5`` file, or a SavedModel directory of Keras 2.
    limits : bool
        Whether what is read is held against the limits of this module.

    Raises
    ------
    ModelReadError
        If there is no such file, or it is damaged, or holds no whole model.
    UnsupportedModelError
        If it is a model in a form that cannot be read yet.

    Examples
    --------
    >>> read("missing.keras")
    Traceback (most recent call last):
    rewriter.errors.ModelReadError: missing.keras: there is no such file; check the path
    """
    path = Path(path)
    try:
        return _read(path, _Limits() if limits else _UNBOUNDED)
    except RewriterError as error:
        if error.where is not None:
            raise
        fix = error.fix or _GET_ANOTHER
        raise type(error)(error.what, where=str(path), fix=fix) from error
    except FileNotFoundError as error:
        raise _unreadable(path, "there is no such file", "check the path") from error
    except (OSError, ValueError) as error:  # a path with a null character is a ValueError
        fix = "check the path and the permissions of the file"
        raise _unreadable(path, f"the file cannot be read: {error}", fix) from error
    except MemoryError as error:
        fix = "read it where more memory is free"
        raise _unreadable(path, "there is too little memory to read it", fix) from error


def _unreadable(path: Path, what: str, fix: str) -> ModelReadError:
    return ModelReadError(what, where=str(path), fix=fix)


def _read(path: Path, limits: _Limits) -> ModelFile:
    if path.is_dir():
        return _read_directory(path, limits)
    with regular(path) as file:
        state = state_of_file(file)
        start = file.read(8)
        if start.startswith(zip_members.SIGNATURES):
            return replace(_read_archive(path, file, limits), state=state)
        if start == hdf5_attributes.SIGNATURE:
            return replace(_read_hdf5(path, file, limits), state=state)
    content = "the file is empty" if not start else "neither a .keras nor an .h5 file"
    raise ModelReadError(content, fix="give a file saved with model.save(...)")


def _read_directory(path: Path, limits: _Limits) -> ModelFile:
    if saved_model.is_saved_model(path):
        state = state_of_directory(path)
        return replace(_read_saved_model(path, limits), state=state)
    if (path / "config.json").exists() and (path / "metadata.json").exists():
        raise UnsupportedModelError(
            "this is an unzipped .keras archive", fix="zip it again, or save as .keras or .h5"
        )
    raise ModelReadError(
        "it is a directory without a model", fix="give a .keras or .h5 file, or a SavedModel"
    )


def _read_saved_model(path: Path, limits: _Limits) -> ModelFile:
    metadata = saved_model.read_metadata(path, limits.config, limits.config_memory)
    document = _described(metadata["model_config"], saved_model.METADATA, limits)
    version = metadata.get("keras_version")
    training = metadata.get("training_config")
    keras = _keras(version) if isinstance(version, str) else 2
    return ModelFile(
        path,
        "savedmodel",
        keras,
        version if isinstance(version, str) else None,
        document,
        training if isinstance(training, dict) and training else None,
    )


def _read_archive(path: Path, file: BinaryIO, limits: _Limits) -> ModelFile:
    wanted = {"config.json": limits.config, "metadata.json": limits.detail}
    members = zip_members.members(file, wanted)
    if "config.json" not in members:
        raise ModelReadError("a zip archive without config.json is no .keras file", fix=_SAVE_WHOLE)
    metadata = parse(members.get("metadata.json", b"{}"), "metadata.json", limits.detail_memory)
    version = metadata.get("keras_version")
    if not isinstance(version, str):
        raise ModelReadError("metadata.json does not tell which Keras saved the model")
    document = _document(members.pop("config.json"), "config.json", limits)
    compiled = document.get("compile_config")
    training = compiled if isinstance(compiled, dict) and compiled else None
    return ModelFile(path, "keras", _keras(version), version, document, training)


def _read_hdf5(path: Path, file: BinaryIO, limits: _Limits) -> ModelFile:
    strings = hdf5_attributes.root_strings(
        file,
        {
            "model_config": limits.config,
            "training_config": limits.detail,
            "keras_version": limits.detail,
        },
    )
    if "model_config" not in strings:
        raise ModelReadError(
            "it has no model_config: it holds weights alone, or is no Keras model", fix=_SAVE_WHOLE
        )
    version = strings["keras_version"].decode("utf-8") if "keras_version" in strings else None
    document = _document(strings.pop("model_config"), "model_config", limits)
    training = None
    if strings.get("training_config", b"null") not in (b"", b"null"):
        memory = limits.detail_memory
        training = parse(strings["training_config"], "training_config", memory) or None
    keras = 2 if version is None else _keras(version)
    return ModelFile(path, "h5", keras, version, document, training)


def _document(text: bytes, name: str, limits: _Limits) -> dict[str, Any]:
    return _described(parse(text, name, limits.config_memory), name, limits)


def _described(document: dict[str, Any], name: str, limits: _Limits) -> dict[str, Any]:
    """Return a document that describes a model, of so many calls at most."""
    if not isinstance(document.get("class_name"), str) or "config" not in document:
        raise ModelReadError(f"{name} does not describe a model", fix=_SAVE_WHOLE)
    calls = _calls(document)
    if calls > limits.calls:
        raise ModelReadError(
            f"{name} lists {calls} calls of layers, more than the {limits.calls} that are read",
            fix="lift the limit with --no-limits (in Python, limits=False)",
        )
    return document


def _calls(document: dict[str, Any]) -> int:
    """Count the layers and their calls, at any depth."""
    count, pending = 0, [document["config"]]
    while pending:
        model = pending.pop()
        layers = model.get("layers") if isinstance(model, dict) else model
        if not isinstance(layers, list):
            continue
        for layer in layers:
            if isinstance(layer, dict):
                nodes = layer.get("inbound_nodes")
                count += max(len(nodes), 1) if isinstance(nodes, list) else 1
                pending.append(layer.get("config"))
    return count


def _keras(version: str) -> int:
    """Return the Keras that writes a version as "2.3.0-tf" or "3.15.1"."""
    major = re.match(r"\d{1,9}(?=\.)", version)
    if major is None:
        raise ModelReadError(f"{version[:40]!r} is no version of Keras")
    if int(major[0]) not in _KNOWN_KERAS:
        raise UnsupportedModelError(
            f"saved by Keras {version[:40]}; only Keras 2 and 3 are known",
            fix="load it and save it again with Keras 2 or 3",
        )
    return int(major[0])
