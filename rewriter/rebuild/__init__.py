"""Build a live model from a graph, with weights, compile settings and optimizer of the original."""

from rewriter.rebuild.builder import Rebuilt, rebuild

__all__ = ["Rebuilt", "rebuild"]
