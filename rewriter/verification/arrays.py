"""Name the types of a model's arrays and of the function that runs it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from numpy.typing import NDArray

Arrays: TypeAlias = "tuple[NDArray[Any], ...]"
"""One array for each input of a model."""

Run: TypeAlias = "Callable[[Arrays], list[NDArray[Any]]]"
"""Takes a model's inputs, and gives its outputs."""
