"""Write a graph as a config, as far as Keras 2 and Keras 3 write models alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rewriter.analysis.known_layers import OURS
from rewriter.dialects.config_keys import PACKAGE, put_inner
from rewriter.dialects.numbering import Dialect, Reference
from rewriter.graph.calls import Call, Tensor
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph
from rewriter.graph.nested import map_leaves


def encode(graph: ModelGraph, dialect: Dialect) -> dict[str, Any]:
    """Return the serialised form of a graph: the inverse of `decode`."""
    return _Encoder(dialect, "module" in graph.envelope).model_document(graph, graph.envelope)


def encode_layer(layer: Layer, dialect: Dialect) -> dict[str, Any]:
    """Return the serialised form of one layer, without its calls."""
    return _Encoder(dialect, full=True).layer(layer)


@dataclass(frozen=True, slots=True)
class _Encoder:
    dialect: Dialect
    full: bool

    def model_document(self, graph: ModelGraph, envelope: Mapping[str, Any]) -> dict[str, Any]:
        config = self.model_config(graph)
        class_name = graph.class_name
        if graph.listed and not graph.sequential:
            class_name = "Functional"
        return _fill(envelope, class_name, config)

    def model_config(self, graph: ModelGraph) -> Any:
        if graph.sequential:
            entries = [
                self.layer(graph.layer(call))
                for call in graph.calls()
                if not graph.layer(call).implicit
            ]
            return (
                entries if isinstance(graph.config, list) else {**graph.config, "layers": entries}
            )
        numbers = {
            call: layer.first_node + position
            for layer in graph.layers
            for position, call in enumerate(graph.calls_of(layer.name))
        }
        held = graph.config if isinstance(graph.config, dict) else {"name": graph.name}

        def end(tensor: Tensor) -> list[Any]:
            offset = self.dialect.end_offset(graph.layer(tensor.call))
            return [tensor.call.layer, numbers[tensor.call] + offset, tensor.output]

        def node(call: Call) -> Any:
            references = {
                hole: Reference(source.layer, numbers[source], output, data)
                for source, _, hole, output, data in _edges(graph, call)
            }
            return self.dialect.encode_call(graph.arguments(call), references)

        entries = []
        for layer in graph.layers:
            calls = graph.calls_of(layer.name)
            inbound = [node(call) for call in calls if graph.network.in_degree(call)]
            entry = self.layer(layer)
            entry["name"], entry["inbound_nodes"] = layer.name, inbound
            entries.append(entry)
        config = {key: value for key, value in held.items() if key != "build_input_shape"}
        config["layers"] = entries
        config["input_layers"] = map_leaves(end, graph.inputs)
        config["output_layers"] = map_leaves(end, graph.outputs)
        return config

    def layer(self, layer: Layer) -> dict[str, Any]:
        envelope = layer.envelope or self.envelope(layer)
        if layer.graph is not None:
            return self.model_document(layer.graph, envelope)
        config = dict(layer.config)
        for role, each in layer.inner.items():
            put_inner(config, role, self.layer(each))
        raw = envelope.get("config")
        return _fill(envelope, layer.class_name, config if raw is None else raw)

    def envelope(self, layer: Layer) -> dict[str, Any]:
        """Return what stands around a layer that a pass made."""
        ours = layer.class_name in OURS
        registered = f"{PACKAGE}{layer.class_name}" if ours else None
        if not self.full:
            return {"class_name": registered, "config": None}
        module = f"rewriter.layers.keras{self.dialect.keras}" if ours else "keras.layers"
        return {
            "module": module,
            "class_name": None,
            "config": None,
            "registered_name": registered,
        }


def _edges(graph: ModelGraph, call: Call) -> Iterator[tuple[Call, Call, int, int, Any]]:
    for source, target, hole, data in graph.network.in_edges(call, keys=True, data=True):
        yield source, target, hole, data["output"], data["spec"]


def _fill(envelope: Mapping[str, Any], class_name: str, config: Any) -> dict[str, Any]:
    written = envelope.get("class_name") or class_name
    return {**envelope, "class_name": written, "config": config}
