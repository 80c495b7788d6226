"""How long the mask flow takes over models of many calls.

    python tests/benchmarks/bench_masking.py [CALLS]

Prints the seconds of processor time for the first flow over a graph, which sorts its calls, and
for a second one: over a chain, over residual blocks with attention, and over one nested model
called again and again. No Keras is needed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from rewriter.analysis.masks import mask_flow
from rewriter.graph import Arguments, Hole, Layer, ModelGraph, Tensor

Make = Callable[[int], ModelGraph]


def start(name: str = "m") -> tuple[ModelGraph, Tensor]:
    """Return a graph with an Embedding that makes a mask, and its output."""
    graph = ModelGraph(keras=3, class_name="Functional", name=name)
    ids = graph.add(Layer("ids", "InputLayer", {"batch_shape": (None, None)}))
    graph.inputs = [Tensor(ids)]
    embedding = Layer("emb", "Embedding", {"mask_zero": True})
    return graph, Tensor(graph.add(embedding, [Tensor(ids)]))


def chain(calls: int) -> ModelGraph:
    """Return Dense, LSTM and Dropout in turns."""
    graph, tensor = start()
    kinds = ("Dense", "LSTM", "Dropout")
    for number in range(calls):
        layer = Layer(f"layer_{number}", kinds[number % 3], {"return_sequences": True})
        tensor = Tensor(graph.add(layer, [tensor]))
    graph.outputs = [tensor]
    return graph


def residual(calls: int) -> ModelGraph:
    """Return blocks of attention and a sum, where the order of the calls matters."""
    graph, tensor = start()
    for number in range(calls // 2):
        attention = Layer(f"attention_{number}", "MultiHeadAttention", {})
        attended = Tensor(graph.add(attention, [tensor, tensor]))
        both = Arguments(args=[[Hole(0), Hole(1)]])
        add = graph.add(Layer(f"add_{number}", "Add", {}), [tensor, attended], arguments=both)
        tensor = Tensor(add)
    graph.outputs = [tensor]
    return graph


def nested(calls: int) -> ModelGraph:
    """Return calls of a model of 100 layers."""
    inner = chain(98)
    graph, tensor = start("outer")
    for _ in range(calls // 100):
        tensor = Tensor(graph.add(Layer("inner", "Functional", {}, graph=inner), [tensor]))
    graph.outputs = [tensor]
    return graph


def main() -> None:
    """Print a line for each kind of model."""
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    print(f"{'model':<10}  {'calls':>7}  {'first':>7}  {'again':>7}")
    for make in (chain, residual, nested):
        graph = make(calls)
        seconds = []
        for _ in range(2):
            begun = time.process_time()
            flows = mask_flow(graph)
            seconds.append(time.process_time() - begun)
        print(f"{make.__name__:<10}  {len(flows):>7,}  {seconds[0]:>6.2f}s  {seconds[1]:>6.2f}s")


if __name__ == "__main__":
    main()
