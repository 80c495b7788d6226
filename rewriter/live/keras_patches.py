"""Patch a Keras attribute for the calling thread, and restore it.

The patched functions are those with which Keras reaches for disk and memory while it loads and
saves. Other threads go on with what Keras itself has.
"""

from __future__ import annotations

import importlib
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from math import prod
from pathlib import Path
from typing import Any

from rewriter.live.adapters import Live

_ROOT = {2: "tf_keras", 3: "keras"}
_SHAPE = {2: 1, 3: 0}
"""Where `add_weight` takes the shape if that has no name."""

_MAKERS = ("NamedTemporaryFile", "TemporaryDirectory", "TemporaryFile", "mkdtemp", "mkstemp")
BYTES = 4
"""Of an element, in the type that weights and tensors mostly have."""

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
def archives_from(opened: Any, keras: int) -> Iterator[None]:
    """Have Keras read a file that is open where it opens a ``.keras`` archive.

    Keras 2 takes a path only (tf_keras/src/saving/saving_lib.py, `load_model`).
    """
    library = importlib.import_module(f"{_ROOT[keras]}.src.saving.saving_lib")
    with _replaced(library, "zipfile", _Zipfile(opened)):
        yield


class _Zipfile:
    """The module ``zipfile``, with one archive for the thread that made this."""

    def __init__(self, opened: Any) -> None:
        self.opened = opened
        self.thread = threading.get_ident()

    def __getattr__(self, name: str) -> Any:
        plain = getattr(zipfile, name)
        if name != "ZipFile" or threading.get_ident() != self.thread:
            return plain
        return lambda file, *how, **options: plain(self.opened, *how, **options)


@contextmanager
def weights_within(refuse: Callable[[int, str], None], keras: int) -> Iterator[None]:
    """Have the weights of layers counted before memory is taken for them.

    What a config says of shapes may be wrong, and a layer may be one that nobody knows: Keras
    itself is the one to ask, and every layer asks `add_weight` for its weights.

    Parameters
    ----------
    refuse : callable
        Given the bytes of all weights so far, and the layer that asks; raises if they are too many.
    keras : int
        2 or 3.
    """
    owner = importlib.import_module(_ROOT[keras]).layers.Layer
    plain, place = owner.add_weight, _SHAPE[keras]
    thread = threading.get_ident()
    elements = 0

    @wraps(plain)
    def add_weight(layer: Live, *args: Any, **kwargs: Any) -> Any:
        nonlocal elements
        if threading.get_ident() == thread:
            shape = kwargs.get("shape", args[place] if len(args) > place else None)
            elements += BYTES * _elements((shape,) if isinstance(shape, int) else shape)
            refuse(elements, layer.name)
        return plain(layer, *args, **kwargs)

    with _replaced(owner, "add_weight", add_weight):
        yield


@contextmanager
def in_this_thread(owner: Any, name: str, function: Callable[..., Any]) -> Iterator[None]:
    """Have the calling thread call another function of a module of Keras; the others, its own."""
    plain, thread = getattr(owner, name), threading.get_ident()

    @wraps(plain)
    def call(*args: Any, **kwargs: Any) -> Any:
        return (function if threading.get_ident() == thread else plain)(*args, **kwargs)

    with _replaced(owner, name, call):
        yield


def _elements(shape: Iterable[Any] | None) -> int:
    """Return how many elements a shape has; axes of unknown size count as one."""
    return prod(int(size) for size in shape or () if size is not None)


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    with _one_at_a_time:
        before = getattr(owner, name)
        setattr(owner, name, value)
        try:
            yield
        finally:
            setattr(owner, name, before)
