"""Read the variables in a SavedModel directory's checkpoint, by where Keras looks for them.

Loading follows the names of objects from the model on, through the graph of objects that stands
in the checkpoint (tensorflow/core/protobuf/trackable_object_graph.proto).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rewriter.errors import ModelReadError
from rewriter.saved.formats.protobuf import messages, number, text

if TYPE_CHECKING:
    from numpy.typing import NDArray

_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
_VALUE = "VARIABLE_VALUE"


def place_of(names: tuple[str, ...]) -> str:
    """Return the place of an object: the names on the way to it.

    Examples
    --------
    >>> place_of(("layer-1", "a/b.c"))
    'layer-1/a.Sb..c'
    """
    return "/".join(name.replace(".", "..").replace("/", ".S") for name in names)


def arrays(prefix: Path) -> Iterator[NDArray[Any]]:
    """Yield every variable of the checkpoint whose files begin with this name."""
    reader = _Reader(prefix)
    yield from map(reader.array, reader.names())


def arrays_by_place(prefix: Path, places: Iterable[str]) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield the variables that are in one of these places, with it."""
    reader = _Reader(prefix)
    nodes = list(messages(memoryview(reader.tensor(_GRAPH)), 1))

    @cache
    def children(node: int) -> dict[str, int]:
        return {place_of((text(each, 2),)): number(each, 1) for each in messages(nodes[node], 1)}

    for place in places:
        node: int | None = 0
        for name in place.split("/"):
            node = None if node is None else children(node).get(name)
        held = () if node is None else messages(nodes[node], 2)
        for key in (text(each, 3) for each in held if text(each, 1) == _VALUE):
            yield place, reader.array(key)


class _Reader:
    """TensorFlow's reader, with errors of this program."""

    def __init__(self, prefix: Path) -> None:
        import tensorflow as tf

        self.errors = (tf.errors.OpError, ValueError)
        with self._told():
            self.reader = tf.train.load_checkpoint(str(prefix))

    def names(self) -> list[str]:
        return list(self.reader.get_variable_to_shape_map())

    def tensor(self, name: str) -> Any:
        with self._told():
            return self.reader.get_tensor(name)

    def array(self, name: str) -> NDArray[Any]:
        import numpy as np

        return np.asarray(self.tensor(name))

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except self.errors as error:
            raise ModelReadError(f"its checkpoint is damaged: {error}".splitlines()[0]) from error
