"""A file read back before it takes its place: the layers and every weight."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from rewriter.dialects import decode
from rewriter.errors import ModelWriteError, RewriterError
from rewriter.graph import ModelGraph
from rewriter.saved.contents import seekable
from rewriter.saved.directory import WEIGHTS
from rewriter.saved.reading import read

if TYPE_CHECKING:
    from numpy.typing import NDArray


def read_back(written: Path, graph: ModelGraph, weights: Sequence[Any]) -> None:
    """Compare a written file with the live model that it was saved from.

    Parameters
    ----------
    written : Path
        The file.
    graph : ModelGraph
        Of the live model.
    weights : sequence of arrays
        Of the live model.

    Raises
    ------
    ModelWriteError
        If a layer is missing or another, or the bytes of a weight are nowhere in the file.
    """
    try:
        file = read(written, limits=False)
        found = _layers(decode(file.document, file.keras))
        stored = set(_checksums(written))
    except (RewriterError, OSError, RuntimeError, KeyError, zipfile.BadZipFile) as error:
        raise _otherwise(f"it cannot be read: {error}") from error
    missing = sorted(_layers(graph) ^ found)
    if missing:
        raise _otherwise(f"layer {missing[0][0]!r} is not as it was")
    for weight in weights:
        if _checksum(weight) not in stored:
            raise _otherwise(f"a weight of shape {tuple(weight.shape)} is not as it was")


def _otherwise(how: str) -> ModelWriteError:
    return ModelWriteError(
        f"the file reads back otherwise than it was written: {how}",
        fix="check the disk, and write to another; what was there before is untouched",
    )


def _layers(graph: ModelGraph) -> set[tuple[str, str]]:
    """Return paths and classes; those of inputs vary with the way a model is written."""
    return {
        ("/".join((*each.path, layer.name)), layer.class_name.rpartition(">")[2])
        for each in graph.walk()
        for layer in each.layers
        if layer.class_name != "InputLayer" and layer.graph is None
    }


def _checksums(path: Path) -> Iterator[bytes]:
    if path.is_dir():
        yield from _of_checkpoint(path / WEIGHTS)
        return
    if not zipfile.is_zipfile(path):
        with path.open("rb") as raw:
            yield from _of_hdf5(raw)
        return
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if info.filename.endswith(".h5"):
                with seekable(archive, info) as member:
                    yield from _of_hdf5(member)


def _of_checkpoint(prefix: Path) -> Iterator[bytes]:
    import numpy as np
    import tensorflow as tf

    checkpoint = tf.train.load_checkpoint(str(prefix))
    for name in checkpoint.get_variable_to_shape_map():
        yield _checksum(np.asarray(checkpoint.get_tensor(name)))


def _of_hdf5(raw: Any | BinaryIO) -> Iterator[bytes]:
    import h5py

    with h5py.File(raw, "r") as root:
        pending: list[Any] = [root]
        while pending:
            for each in pending.pop().values():
                if isinstance(each, h5py.Group):
                    pending.append(each)
                else:
                    yield _checksum(each[()])


def _checksum(array: NDArray[Any]) -> bytes:
    import numpy as np

    plain = np.ascontiguousarray(array)
    digest = hashlib.blake2b(str(tuple(array.shape)).encode(), digest_size=16)
    digest.update(plain.tobytes())
    return digest.digest()
