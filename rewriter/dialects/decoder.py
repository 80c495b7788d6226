"""Read a config into a graph, as far as Keras 2 and Keras 3 write models alike.

What differs, how a call and its tensors are written, is the dialect's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from rewriter.analysis.shapes import INPUT_SHAPE_KEY, declared_shape
from rewriter.dialects.config_keys import (
    INNER_KEYS,
    INNER_LISTS,
    PACKAGE,
    SEQUENTIAL_KEYS,
    put_inner,
)
from rewriter.dialects.names import Names, default_name, name_in_config
from rewriter.dialects.numbering import (
    GRAPH_KEYS,
    Dialect,
    Reference,
    decode_ends,
    numbered,
    tell_models,
)
from rewriter.errors import UnsupportedModelError
from rewriter.graph.calls import Arguments, Call, Tensor
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph
from rewriter.graph.nested import leaves


def decode(document: Mapping[str, Any], dialect: Dialect) -> ModelGraph:
    """Return the graph of a model's serialised form.

    Parameters
    ----------
    document : mapping
        ``class_name`` and ``config``, and what else stands beside them.
    dialect : Dialect
        The Keras that wrote it.

    Raises
    ------
    UnsupportedModelError
        The config lists no layers: the model is subclassed.
    """
    class_name, config = str(document.get("class_name")), document.get("config")
    if not _is_model(class_name, config):
        raise UnsupportedModelError(
            f"a model of class {class_name} whose config lists no layers has no graph to rewrite",
            fix="only Functional and Sequential models have one; "
            "build the model with keras.Model(inputs, outputs)",
        )
    envelope = {**document, "config": None, "class_name": None}
    model = _Decoder(dialect).model(class_name, config, envelope, (), ())
    for graph in model.walk():
        graph.root = model
    return model


def _is_model(class_name: str, config: Any) -> bool:
    if class_name == "Sequential":
        return isinstance(config, list) or (isinstance(config, dict) and "layers" in config)
    if not isinstance(config, dict) or not _are_layers(config.get("layers")):
        return False
    return set(GRAPH_KEYS) <= config.keys() or config.keys() <= SEQUENTIAL_KEYS


def _are_layers(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(_is_layer(each) for each in value)


def _is_layer(value: Any) -> bool:
    return isinstance(value, dict) and "class_name" in value and "config" in value


@dataclass(frozen=True, slots=True)
class _Decoder:
    dialect: Dialect
    names: Names = field(default_factory=Names)

    def model(
        self,
        class_name: str,
        config: Any,
        envelope: Mapping[str, Any],
        path: tuple[str, ...],
        origin: tuple[str, ...],
    ) -> ModelGraph:
        rest = None if isinstance(config, list) else _without(config, GRAPH_KEYS)
        default = path[-1] if path else class_name.lower()
        name = default if rest is None else str(rest.get("name", default))
        graph = ModelGraph(
            self.dialect.keras,
            class_name,
            name,
            path=path,
            config=rest if rest is not None else [],
            envelope=envelope,
        )
        entries = config if isinstance(config, list) else config["layers"]
        layers = [
            self.layer(entry, path, origin, name=each)
            for entry, each in zip(entries, self.names.of(name, entries), strict=True)
        ]
        _refuse_equal_names(layers, path)
        if rest is not None and "input_layers" in rest:
            self.functional(graph, entries, layers, config)
        else:
            self.sequential(graph, layers)
        return graph

    def layer(
        self,
        entry: Mapping[str, Any],
        path: tuple[str, ...],
        origin: tuple[str, ...],
        role: str | None = None,
        name: str | None = None,
    ) -> Layer:
        written, config = str(entry["class_name"]), entry["config"]
        class_name = written.removeprefix(PACKAGE)
        held = config if isinstance(config, dict) else {}
        name = name or name_in_config(entry) or default_name(class_name)
        path, origin = (*path, name), (*origin, role or name)
        envelope = {**entry, "class_name": written if written != class_name else None}
        if "inbound_nodes" in envelope:
            envelope["inbound_nodes"] = None
        if isinstance(config, dict) or _is_model(class_name, config):
            envelope["config"] = None
        if _is_model(class_name, config):
            graph = self.model(class_name, config, {}, path, origin)
            return Layer(name, class_name, {}, envelope, graph, origin=origin)
        inner = dict(self.inner(held, path, origin))
        rest = dict(held)
        for key in inner:
            put_inner(rest, key, None)
        return Layer(name, class_name, rest, envelope, inner=inner, origin=origin)

    def inner(
        self, config: Mapping[str, Any], path: tuple[str, ...], origin: tuple[str, ...]
    ) -> Iterator[tuple[str, Layer]]:
        layers = {key: config[key] for key in INNER_KEYS if _is_layer(config.get(key))}
        for key in INNER_LISTS:
            if _are_layers(config.get(key)):
                layers |= {f"{key}/{number}": each for number, each in enumerate(config[key])}
        for role, entry in layers.items():
            yield role, self.layer(entry, path, origin, role)

    def sequential(self, graph: ModelGraph, layers: list[Layer]) -> None:
        graph.listed = True
        if not layers or layers[0].class_name != "InputLayer":
            layers = [self.implicit_input(graph, layers), *layers]
        tensor = Tensor(graph.add(layers[0]))
        graph.inputs = tensor
        for layer in layers[1:]:
            tensor = Tensor(graph.add(layer, [tensor]))
        graph.outputs = tensor

    def implicit_input(self, graph: ModelGraph, layers: list[Layer]) -> Layer:
        first = layers[0] if layers else None
        shape = None
        if first is not None:
            shape = declared_shape(first.config)
            if first.graph is not None:
                entrance = first.graph.layer(next(leaves(first.graph.inputs)).call)
                shape = declared_shape(entrance.config)
        if shape is None and isinstance(graph.config, dict):
            shape = graph.config.get("build_input_shape")
        name = f"{first.name if first is not None else graph.name}_input"
        config = {INPUT_SHAPE_KEY[self.dialect.keras]: shape}
        return Layer(name, "InputLayer", config, implicit=True)

    def functional(
        self,
        graph: ModelGraph,
        entries: list[Any],
        layers: list[Layer],
        config: Mapping[str, Any],
    ) -> None:
        names = {layer.name for layer in layers}
        nodes = [
            [self.dialect.decode_call(node, names) for node in entry.get("inbound_nodes") or ()]
            for entry in entries
        ]
        for layer, its_calls in zip(layers, nodes, strict=True):
            if layer.class_name == "TFOpLambda" and not all(held for _, held in its_calls):
                raise _without_tensors(graph, layer)
        layers = tell_models(layers, nodes, config, self.dialect, graph)
        used: dict[str, set[int]] = {layer.name: set() for layer in layers}
        offsets = {layer.name: self.dialect.end_offset(layer) for layer in layers}
        ends = [decode_ends(config[key], offsets) for key in GRAPH_KEYS[1:]]
        everything = [
            reference for each in nodes for _, its_calls in each for reference in its_calls
        ]
        for reference in (*everything, *(each for end in ends for each in leaves([end]))):
            if reference.layer not in used:
                raise UnsupportedModelError(
                    f"a tensor comes from layer {reference.layer!r}, which the model does not have",
                    where="/".join(graph.path) or graph.name,
                    fix="the config is damaged; save the model again",
                )
            used[reference.layer].add(reference.node)
        known = [
            numbered(layer, len(its_calls), used[layer.name], self.dialect)
            for layer, its_calls in zip(layers, nodes, strict=True)
        ]
        first = {layer.name: layer.first_node for layer in known}
        for layer, its_calls in zip(known, nodes, strict=True):
            for arguments, _ in its_calls or [(Arguments(), [])]:
                graph.add(layer, arguments=arguments)

        def tensor(reference: Reference) -> Tensor:
            call = Call(reference.layer, reference.node - first[reference.layer])
            if call not in graph.network or type(reference.output) is not int:
                raise UnsupportedModelError(
                    f"a tensor is output {reference.output!r} of call {reference.node} of layer "
                    f"{reference.layer!r}, "
                    "which the model has not",
                    where="/".join(graph.path) or graph.name,
                    fix="the config is damaged; save the model again",
                )
            return Tensor(call, reference.output)

        for layer, its_calls in zip(known, nodes, strict=True):
            for call, (arguments, references) in zip(
                graph.calls_of(layer.name), its_calls, strict=False
            ):
                for hole, reference in zip(arguments.holes, references, strict=True):
                    graph.connect(tensor(reference), call, hole, reference.spec)
        graph.inputs, graph.outputs = (map_leaves_of_ends(tensor, end) for end in ends)


def _without_tensors(graph: ModelGraph, layer: Layer) -> UnsupportedModelError:
    """Return the error for a call that Keras wrote down without what goes into it."""
    return UnsupportedModelError(
        "the tensors that it is called with are not in its config: Keras writes down the first "
        "argument and those with names",
        where="/".join((*graph.path, layer.name)),
        fix="call it inside a layer, as keras.layers.EinsumDense does for tf.einsum",
    )


def map_leaves_of_ends(function: Any, ends: Any) -> Any:
    """Apply a function to the references in the model's inputs or outputs."""
    if isinstance(ends, Reference):
        return function(ends)
    if isinstance(ends, dict):
        return {key: map_leaves_of_ends(function, value) for key, value in ends.items()}
    return type(ends)(map_leaves_of_ends(function, value) for value in ends)


def _refuse_equal_names(layers: list[Layer], path: tuple[str, ...]) -> None:
    seen: set[str] = set()
    for layer in layers:
        if layer.name in seen:
            raise UnsupportedModelError(
                "two layers have this name",
                where="/".join((*path, layer.name)),
                fix="the config is damaged; save the model again",
            )
        seen.add(layer.name)


def _without(config: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """Return the config with None in place of what the graph holds, the order kept."""
    return {key: None if key in keys else value for key, value in config.items()}
