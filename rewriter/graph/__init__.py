"""The graph of a model: layers, their calls, the tensors between them, and the edits."""

from rewriter.graph.calls import Arguments, Call, Hole, Tensor
from rewriter.graph.graph import Graph, Layer
from rewriter.graph.model_graph import ModelGraph

__all__ = ["Arguments", "Call", "Graph", "Hole", "Layer", "ModelGraph", "Tensor"]
