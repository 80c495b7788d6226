"""Graph -> live model, with the weights, the compile state and the optimizer of the original."""

from rewriter.rebuild.builder import Rebuilt, rebuild

__all__ = ["Rebuilt", "rebuild"]
