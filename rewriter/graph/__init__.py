"""Represent a model as a graph: layers, their calls, and the tensors between them."""

from rewriter.graph.calls import Arguments, Call, Hole, Tensor
from rewriter.graph.graph import Graph, Layer
from rewriter.graph.model_graph import ModelGraph

__all__ = ["Arguments", "Call", "Graph", "Hole", "Layer", "ModelGraph", "Tensor"]
