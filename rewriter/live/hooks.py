"""Where Keras reaches for the disk while it loads and saves, and where it is led.

An attribute of Keras is another one for as long, in one thread at a time; to other threads it does
what it always did.
"""

from __future__ import annotations

import importlib
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_ROOT = {2: "tf_keras", 3: "keras"}
_MAKERS = ("NamedTemporaryFile", "TemporaryDirectory", "TemporaryFile", "mkdtemp", "mkstemp")
_one_at_a_time = threading.RLock()


@contextmanager
def temporaries_in(folder: Callable[[], Path], keras: int) -> Iterator[None]:
    """Have Keras make its temporary files and directories in a folder.

    Where weights take more than half of the free memory, Keras 3 passes them through a file beside
    the model's (keras/src/saving/saving_lib.py, `_save_model_to_fileobj` and
    `_load_model_from_fileobj`); assets pass through the system's folder in both Keras
    (`DiskIOStore`). The names tell no owner, so nobody could remove what a killed process left.

    Parameters
    ----------
    folder : callable
        Returns the folder; asked for when the first file is made.
    keras : int
        2 or 3.
    """
    library = importlib.import_module(f"{_ROOT[keras]}.src.saving.saving_lib")
    with _replaced(library, "tempfile", _Tempfile(folder)):
        yield


class _Tempfile:
    """The module ``tempfile``, with a folder of its own for the thread that made this."""

    def __init__(self, folder: Callable[[], Path]) -> None:
        self.folder = folder
        self.thread = threading.get_ident()

    def __getattr__(self, name: str) -> Any:
        plain = getattr(tempfile, name)
        if name not in _MAKERS or threading.get_ident() != self.thread:
            return plain
        return lambda **how: plain(**how | {"dir": self.folder()})


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    with _one_at_a_time:
        before = getattr(owner, name)
        setattr(owner, name, value)
        try:
            yield
        finally:
            setattr(owner, name, before)
