"""Number shared objects in order, where Keras would write their addresses in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


@contextmanager
def counted_objects(serialization: ModuleType) -> Iterator[None]:
    """Have shared objects numbered in order where Keras writes their addresses in memory.

    Two rewrites of one file give the same bytes so. The places are
    keras/src/saving/serialization_lib.py, `record_object_after_serialization`, and the same
    in tf_keras.
    """
    numbers: dict[int, tuple[int, Any]] = {}

    def count(thing: Any) -> int:
        return numbers.setdefault(id(thing), (len(numbers), thing))[0]

    vars(serialization)["id"] = count
    try:
        yield
    finally:
        del vars(serialization)["id"]
