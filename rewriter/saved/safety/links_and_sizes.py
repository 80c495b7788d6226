"""Look through a model file for links, huge sizes and other traps before Keras reads it.

Links are read as links and never followed. The HDF5 library does not always come back from a
damaged file: `rewriter.saved.safety.child_process` runs this in a process of its own.
"""

from __future__ import annotations

import hashlib
import io
import json
import posixpath
import zipfile
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import IO, Any, BinaryIO

from rewriter.errors import ModelReadError, RewriterError, UnsupportedModelError
from rewriter.saved.formats import saved_model
from rewriter.saved.formats.zip_members import seekable

INFLATION_LIMIT = 100
"""How many times the bytes of its file the weights may take."""

INFLATION_FLOOR = 256 * 2**20
"""Bytes that weights may take in any case."""

OBJECT_LIMIT = 1_000_000
"""Groups and data sets of one HDF5 file."""

LIFT = "if you trust the file, lift the limit with --no-limits (in Python, limits=False)"

_LEAVES = "leads out of the archive"

SLAB = 2**23
"""Bytes that are read at once."""

ENDINGS = {"keras": (".keras",), "h5": (".h5", ".hdf5")}
"""Keras picks the reader by the ending."""


def references(
    opened: BinaryIO, path: Path, format: str, *, limits: bool = True
) -> Iterator[tuple[str, str]]:
    """Yield what in a file leads out of it, with the place where it stands.

    Parameters
    ----------
    opened : BinaryIO
        The file, open.
    path : Path
        Where it was opened, for messages.
    format : str
        ``keras`` or ``h5``.
    limits : bool
        Whether what the file declares is held against `INFLATION_LIMIT` and `OBJECT_LIMIT`; then
        it is read, too.

    Yields
    ------
    tuple of str
        ``model.weights.h5/layers/dense/vars/0`` and ``links to the file 'other.h5'``.

    Raises
    ------
    ModelReadError
        If the file declares more than its size allows, or is damaged.
    UnsupportedModelError
        If it holds weights in a form that is not looked through.
    """
    try:
        if format == "keras":
            yield from _of_archive(opened, limits=limits)
        else:
            yield from _of_hdf5(opened, "", opened.seek(0, 2), limits)
    except RewriterError as error:
        raise type(error)(error.what, where=str(path), fix=error.fix) from error
    except MemoryError as error:
        raise damaged(path, "it takes more memory than its size allows") from error
    except Exception as error:  # h5py raises whatever comes to its mind
        raise damaged(path, f"{error}" or type(error).__name__) from error


def references_by_name(path: Path, format: str, document: Any) -> list[tuple[str, str]]:
    """Return what of `references` is told without the HDF5 library: no links in HDF5 files.

    Parameters
    ----------
    path : Path
        The file or directory.
    format : str
        ``keras``, ``h5`` or ``savedmodel``.
    document : JSON value
        The model's config.
    """
    if format == "savedmodel":
        return list(saved_model.references(path, document))
    if format != "keras":
        return []
    with zipfile.ZipFile(path) as archive:
        return [(name, _LEAVES) for name in archive.namelist() if _leaves(name)]


def damaged(path: Path, how: str) -> ModelReadError:
    """Return the error for a damaged file."""
    return ModelReadError(
        f"the file is damaged: {how}", where=str(path), fix="copy or download it again"
    )


def config_digest(document: Any) -> str:
    """Return what tells one model's config from another."""
    return hashlib.blake2b(json.dumps(document, sort_keys=True).encode()).hexdigest()


def stored_config(opened: BinaryIO) -> str:
    """Return the digest of the config that the HDF5 library finds in an ``.h5`` file."""
    import h5py

    with h5py.File(opened, "r") as root:
        return config_digest(json.loads(root.attrs["model_config"]))


def _of_archive(opened: BinaryIO, *, limits: bool) -> Iterator[tuple[str, str]]:
    size = opened.seek(0, 2)
    with zipfile.ZipFile(opened) as archive:
        if limits:
            refuse_inflation(sum(info.file_size for info in archive.infolist()), size)
        for info in archive.infolist():
            name = info.filename
            if _leaves(name):
                yield name, _LEAVES
            if name.endswith(".npz"):
                raise UnsupportedModelError(
                    f"weights in {name} are not looked through",
                    fix="save the model again where h5py is installed",
                )
            if name.endswith(".h5"):
                with seekable(archive, info) as member:
                    yield from _of_hdf5(member, name, size, limits)


def _leaves(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return ".." in parts or posixpath.isabs(name) or ":" in parts[0] or name.startswith("\\")


def _of_hdf5(
    raw: IO[bytes] | BinaryIO | io.BufferedReader, prefix: str, size: int, limits: bool
) -> Iterator[tuple[str, str]]:
    """Yield the links out of an HDF5 file, and refuse data sets larger than it can hold."""
    import h5py

    declared = 0
    with h5py.File(raw, "r") as root:
        seen: set[Any] = set()
        pending: list[tuple[str, Any]] = [(prefix, root)]
        while pending:
            place, group = pending.pop()
            if limits:
                list(group.attrs.items())
            for name in group:
                where = f"{place}/{name}" if place else name
                link = group.get(name, getlink=True)
                if isinstance(link, h5py.ExternalLink):
                    yield where, f"links to the file {link.filename!r}"
                    continue
                if isinstance(link, h5py.SoftLink):  # leads to what is looked at anyway
                    continue
                child = group[name]
                address = h5py.h5o.get_info(child.id).addr
                if address in seen:
                    continue
                seen.add(address)
                if limits and len(seen) > OBJECT_LIMIT:
                    raise ModelReadError(
                        f"the HDF5 file has more than {OBJECT_LIMIT} objects", fix=LIFT
                    )
                if isinstance(child, h5py.Group):
                    pending.append((where, child))
                elif isinstance(child, h5py.Dataset):
                    declared += _declared(child)
                    if limits:
                        refuse_inflation(declared, size)
                    leads = _leads(child)
                    if leads:
                        yield where, leads
                    elif limits:
                        _read_through(child)


def _leads(dataset: Any) -> str:
    """Say how a data set leads out of its file; nothing if it does not."""
    if dataset.is_virtual:
        return "is put together from other files"
    return f"reads the file {dataset.external[0][0]!r}" if dataset.external else ""


def _declared(dataset: Any) -> int:
    """Return the bytes that reading a data set takes; a chunk of it is unpacked whole."""
    items = max(dataset.size or 0, prod(dataset.chunks or (0,)))
    return int(items * dataset.dtype.itemsize)


def _read_through(dataset: Any) -> None:
    """Read a data set in slabs, and what is attached to it."""
    list(dataset.attrs.items())
    if not dataset.shape:
        dataset[()]
        return
    row = prod(dataset.shape[1:]) * dataset.dtype.itemsize
    step = max(SLAB // max(row, 1), (dataset.chunks or (1,))[0], 1)
    for start in range(0, dataset.shape[0], step):
        dataset[start : start + step]


def refuse_inflation(declared: int, size: int, what: str = "") -> None:
    """Refuse what is out of proportion to the size of its file.

    Parameters
    ----------
    declared : int
        Bytes that it says that it takes.
    size : int
        Bytes of the file.
    what : str, optional
        What the bytes are of.

    Raises
    ------
    ModelReadError
        It takes more than `INFLATION_FLOOR` and `INFLATION_LIMIT` times the file.
    """
    if declared > INFLATION_LIMIT * size + INFLATION_FLOOR:
        raise ModelReadError(
            f"it declares {declared / 2**20:,.0f} MB{what} in a file of {size / 2**20:,.1f} MB",
            fix=LIFT,
        )
