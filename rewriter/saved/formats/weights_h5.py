"""Open the HDF5 file that holds a model's weights, and read the names that Keras lists in it."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rewriter.saved.formats.zip_members import seekable

WEIGHTS = "model.weights.h5"
"""The member of a ``.keras`` archive that holds the weights."""


@contextmanager
def weights_file(path: Path) -> Iterator[Any]:
    """Open the HDF5 file that is or is in a model file."""
    import h5py

    if not zipfile.is_zipfile(path):
        with h5py.File(path, "r") as root:
            yield root
        return
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(WEIGHTS)
        with seekable(archive, info) as member, h5py.File(member, "r") as root:
            yield root


def listed_names(group: Any, attribute: str) -> list[str]:
    """Return the names that Keras lists in an attribute, which it splits if they are many."""
    parts = [attribute] if attribute in group.attrs else []
    while f"{attribute}{len(parts)}" in group.attrs:
        parts.append(f"{attribute}{len(parts)}")
    found = [name for part in parts for name in group.attrs[part]]
    return [name.decode() if isinstance(name, bytes) else str(name) for name in found]
