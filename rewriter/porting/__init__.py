"""Translate a graph of Keras 2 into a graph of Keras 3 by tables, without a framework."""

from rewriter.porting.refusals import Refusal
from rewriter.porting.result import Translation
from rewriter.porting.translate import translate

__all__ = ["Refusal", "Translation", "translate"]
