"""Read the arrays that a user gives for a model's inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rewriter.errors import RewriterError, first_line
from rewriter.saved.formats.regular_file import regular
from rewriter.verification.arrays import Arrays
from rewriter.verification.inputs.specs import InputSpec

_INFLATION = 100
"""How many times the bytes of its file arrays may take."""

_INFLATION_FLOOR = 2**30
"""Bytes that they may take in any case."""


def read_inputs(path: Path | None) -> dict[str, Any] | None:
    """Return the arrays of an .npz file by name; None without a file.

    Raises
    ------
    RewriterError
        It is no such file.
    """
    if path is None:
        return None
    import numpy as np

    try:
        with regular(path) as file, np.load(file, allow_pickle=False) as arrays:
            held = sum(member.file_size for member in arrays.zip.infolist())
            if held > max(_INFLATION * path.stat().st_size, _INFLATION_FLOOR):
                raise RewriterError(f"it holds {held / 2**20:,.0f} MB, far more than its size")
            return {name: arrays[name] for name in arrays.files}
    except Exception as error:  # NumPy and zipfile raise nearly anything on a damaged file
        what = error.what if isinstance(error, RewriterError) else first_line(error)
        raise RewriterError(
            f"no arrays can be read: {what}",
            where=str(path),
            fix="make the file with numpy.savez(path, input_name=array)",
        ) from error


def given_inputs(specs: Sequence[InputSpec], data: Any, where: str = "data") -> Arrays:
    """Return the user's arrays in the order of the model's inputs.

    Parameters
    ----------
    specs : sequence of InputSpec
        What the inputs take.
    data : mapping of str to array, array, or sequence of arrays
        By the names of the inputs; one array needs no name.
    where : str
        What to name in an error.
    """
    import numpy as np

    names = [spec.name for spec in specs]
    if isinstance(data, Mapping):
        by_name = dict(data)
        if len(specs) == 1 and len(by_name) == 1:
            by_name = {names[0]: next(iter(by_name.values()))}
        missing = [name for name in names if name not in by_name]
        if missing:
            raise RewriterError(
                f"no array for input {missing[0]!r}; there are {', '.join(map(repr, by_name))}",
                where=where,
                fix=f"name the arrays {', '.join(map(repr, names))}",
            )
        arrays = [np.asarray(by_name[name]) for name in names]
    else:
        arrays = [np.asarray(each) for each in ([data] if len(specs) == 1 else data)]
    for spec, array in zip(specs, arrays, strict=True):
        fits = array.ndim == len(spec.shape) and all(
            size in (None, have) for size, have in zip(spec.shape[1:], array.shape[1:], strict=True)
        )
        if not fits or not len(array):
            raise RewriterError(
                f"the array for input {spec.name!r} has shape {array.shape}, "
                f"the model takes {spec.shape}",
                where=where,
            )
    return tuple(arrays)
