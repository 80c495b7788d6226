"""Tell whether a live object has a class of Keras or of this program."""

from __future__ import annotations

from typing import Any

from rewriter.analysis.known_layers import is_known_module


def is_known_class(cls: Any) -> bool:
    """Whether a class, or a function, is one of Keras, of TensorFlow or of this program."""
    return is_known_module(str(getattr(cls, "__module__", None)))
