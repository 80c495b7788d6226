"""Find the layers that could give a mask: Embeddings without one, and float sequences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rewriter.analysis.known_layers import class_of
from rewriter.analysis.shapes import declared_shape
from rewriter.analysis.value_flow import Receiver, ValueFlow
from rewriter.errors import PassError
from rewriter.graph.calls import Call, Tensor
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph
from rewriter.graph.nested import leaves


@dataclass(frozen=True, slots=True)
class Source:
    """A layer that could give a mask, and gives none.

    Parameters
    ----------
    path : str
        Of the layer: an Embedding, or a float input.
    graph : ModelGraph
        The model that it is in.
    call : Call
        Its first call.
    inputs : tuple of str
        The inputs of the outermost model whose values it gets as they are.
    """

    path: str
    graph: ModelGraph
    call: Call
    inputs: tuple[str, ...]


def sources(model: ModelGraph, wanted: Sequence[str] = ()) -> Iterator[Source]:
    """Yield the Embeddings without a mask, and the float sequences that no Masking layer gets.

    Parameters
    ----------
    model : ModelGraph
        The outermost model.
    wanted : sequence of str
        Names of inputs; the sources that read no other are yielded. By default, all.

    Raises
    ------
    PassError
        The model has no input of a wanted name.
    """
    entrances = [tensor.call for tensor in leaves(model.inputs)]
    names = [call.layer for call in entrances]
    for name in wanted:
        if name not in names:
            fix = f"the inputs are {', '.join(names)}"
            raise PassError(f"the model has no input {name!r}", where="input", fix=fix)
    flow = ValueFlow(model)
    reading: dict[str, dict[str, Receiver]] = {
        call.layer: {each.path: each for each in flow.receivers(model, Tensor(call))}
        for call in entrances
    }
    for graph in model.walk():
        for layer in graph.layers:
            if class_of(layer) == "Embedding" and not layer.config.get("mask_zero"):
                path = graph.path_of(layer.name)
                read = tuple(name for name in names if path in reading[name])
                if not wanted or set(read) & set(wanted):
                    yield Source(path, graph, graph.calls_of(layer.name)[0], read)
    for call in entrances:
        masked = any(class_of(each.layer) == "Masking" for each in reading[call.layer].values())
        if not masked and _is_float_sequence(model.layer(call)) and _is(call.layer, wanted):
            yield Source(model.path_of(call), model, call, (call.layer,))


def inputs_read(model: ModelGraph) -> dict[str, tuple[str, ...]]:
    """Return the inputs whose values a layer gets as they are, by the layer's path."""
    read: dict[str, tuple[str, ...]] = {}
    flow = ValueFlow(model)
    for tensor in leaves(model.inputs):
        name = tensor.call.layer
        for path in {each.path for each in flow.receivers(model, Tensor(tensor.call))} | {name}:
            read[path] = (*read.get(path, ()), name)
    return read


def _is(name: str, wanted: Sequence[str]) -> bool:
    return not wanted or name in wanted


def _is_float_sequence(layer: Layer) -> bool:
    """Whether an input takes vectors, step by step."""
    shape = declared_shape(layer.config)
    dtype = layer.config.get("dtype") or "float32"
    name = str(dtype.get("config", {}).get("name")) if isinstance(dtype, dict) else str(dtype)
    return isinstance(shape, list | tuple) and len(shape) == 3 and "float" in name
