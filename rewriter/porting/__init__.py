"""A graph of Keras 2 translated into a graph of Keras 3, by tables: pure data, no framework."""

from rewriter.porting.refusals import Refusal
from rewriter.porting.result import Translation
from rewriter.porting.translate import translate

__all__ = ["Refusal", "Translation", "translate"]
