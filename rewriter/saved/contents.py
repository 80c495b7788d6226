"""What a model file holds besides its config, looked through before Keras reads it.

Links are read as links and never followed, and no weights are read.
"""

from __future__ import annotations

import io
import json
import posixpath
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO

from rewriter.errors import ModelReadError, UnsupportedModelError
from rewriter.saved import directory

if TYPE_CHECKING:
    from rewriter.saved.reading import ModelFile

INFLATION_LIMIT = 100
"""How many times the bytes of its file the weights may take."""

INFLATION_FLOOR = 256 * 2**20
"""Bytes that weights may take in any case."""

OBJECT_LIMIT = 1_000_000
"""Groups and data sets of one HDF5 file."""

ENDINGS = {"keras": (".keras",), "h5": (".h5", ".hdf5")}
"""Keras picks the reader by the ending."""


def references(file: ModelFile, *, limits: bool = True) -> Iterator[tuple[str, str]]:
    """Yield what in a file leads out of it, with the place where it stands.

    Parameters
    ----------
    file : ModelFile
        A ``.keras`` or ``.h5`` file, or a SavedModel directory.
    limits : bool
        Whether what the file declares is held against `INFLATION_LIMIT` and `OBJECT_LIMIT`.

    Yields
    ------
    tuple of str
        ``model.weights.h5/layers/dense/vars/0`` and ``links to the file 'other.h5'``.

    Raises
    ------
    ModelReadError
        If the file declares more than its size allows, is damaged, or is not what its ending says.
    """
    if file.path.suffix not in ENDINGS.get(file.format, (file.path.suffix,)):
        raise ModelReadError(
            f"it is a .{file.format} file by its content, and Keras goes by the ending",
            where=str(file.path),
            fix=f"rename it to end in .{file.format}",
        )
    try:
        if file.format == "savedmodel":
            yield from directory.references(file.path, file.document)
        elif file.format == "keras":
            yield from _of_archive(file.path, limits=limits)
        elif file.format == "h5":
            with file.path.open("rb") as raw:
                yield from _of_hdf5(raw, "", file.path.stat().st_size, limits, file.document)
    except (OSError, RuntimeError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ModelReadError(
            f"the file is damaged: {error}", where=str(file.path), fix="copy or download it again"
        ) from error
    except ModelReadError as error:
        raise ModelReadError(error.what, where=str(file.path), fix=error.fix) from error


def _of_archive(path: Path, *, limits: bool) -> Iterator[tuple[str, str]]:
    size = path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        if limits:
            _refuse_inflation(sum(info.file_size for info in archive.infolist()), size)
        for info in archive.infolist():
            name = info.filename
            if _leaves(name):
                yield name, "leads out of the archive"
            if name.endswith(".npz"):
                raise UnsupportedModelError(
                    f"weights in {name} are not looked through",
                    where=str(path),
                    fix="save the model again where h5py is installed",
                )
            if name.endswith(".h5"):
                with seekable(archive, info) as member:
                    yield from _of_hdf5(member, name, size, limits)


def _leaves(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return ".." in parts or posixpath.isabs(name) or ":" in parts[0] or name.startswith("\\")


def seekable(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> IO[bytes]:
    """Return a member as a file; compressed ones are unpacked, seeking back in them is slow."""
    member = archive.open(info)
    if info.compress_type == zipfile.ZIP_STORED:
        return member
    unpacked = tempfile.TemporaryFile()  # noqa: SIM115
    with member:
        shutil.copyfileobj(member, unpacked)
    unpacked.seek(0)
    return unpacked


def _of_hdf5(
    raw: IO[bytes] | BinaryIO | io.BufferedReader,
    prefix: str,
    size: int,
    limits: bool,
    document: dict[str, Any] | None = None,
) -> Iterator[tuple[str, str]]:
    """Yield the links out of an HDF5 file, and refuse data sets larger than it can hold."""
    import h5py

    declared = 0
    with h5py.File(raw, "r") as root:
        if document is not None and json.loads(root.attrs["model_config"]) != document:
            raise ModelReadError("the HDF5 library reads another model_config than this program")
        seen: set[Any] = set()
        pending: list[tuple[str, Any]] = [(prefix, root)]
        while pending:
            place, group = pending.pop()
            for name in group:
                where = f"{place}/{name}" if place else name
                link = group.get(name, getlink=True)
                if isinstance(link, h5py.ExternalLink):
                    yield where, f"links to the file {link.filename!r}"
                    continue
                if isinstance(link, h5py.SoftLink):  # leads to what is looked at anyway
                    continue
                found = group[name]
                address = h5py.h5o.get_info(found.id).addr
                if address in seen:
                    continue
                seen.add(address)
                if limits and len(seen) > OBJECT_LIMIT:
                    raise ModelReadError(
                        f"the HDF5 file has more than {OBJECT_LIMIT} objects", fix=_LIFT
                    )
                if isinstance(found, h5py.Group):
                    pending.append((where, found))
                elif isinstance(found, h5py.Dataset):
                    declared += found.size * found.dtype.itemsize if found.size else 0
                    if limits:
                        _refuse_inflation(declared, size)
                    if found.is_virtual:
                        yield where, "is put together from other files"
                    elif found.external:
                        yield where, f"reads the file {found.external[0][0]!r}"


_LIFT = "if you trust the file, lift the limit with --no-limits (in Python, limits=False)"


def _refuse_inflation(declared: int, size: int) -> None:
    if declared > INFLATION_LIMIT * size + INFLATION_FLOOR:
        raise ModelReadError(
            f"it declares {declared / 2**20:,.0f} MB in a file of {size / 2**20:,.1f} MB", fix=_LIFT
        )
