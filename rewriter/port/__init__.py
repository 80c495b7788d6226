"""A graph of Keras 2 translated into a graph of Keras 3, by tables: pure data, no framework."""

from rewriter.port.refusals import Refusal
from rewriter.port.result import Translation
from rewriter.port.translate import translate

__all__ = ["Refusal", "Translation", "translate"]
