"""Find passes, run them on a graph and make a plan."""

from rewriter.pipeline.passes import Guarantee, Pass

__all__ = ["Guarantee", "Pass"]
