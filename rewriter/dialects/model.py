"""Config <-> graph, as far as Keras 2 and Keras 3 write models alike.

What differs, how a call and its tensors are written, is the dialect's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

from rewriter.builtin import OURS
from rewriter.errors import UnsupportedModelError
from rewriter.graph import Arguments, Call, Layer, ModelGraph, Tensor
from rewriter.kinds import is_builtin
from rewriter.structure import leaves, map_leaves

GRAPH_KEYS = ("layers", "input_layers", "output_layers")

# Where a config holds other layers: one, or a list of them.
INNER_KEYS = ("layer", "forward_layer", "backward_layer", "cell")
INNER_LISTS = ("cells",)

# The package that layers of this program are registered under: files of the old kind, as Keras 2
# writes .h5, have it in the class name.
PACKAGE = "rewriter>"

# A Sequential model of Keras 2 or 3 has these keys and no others; a custom layer that
# happens to hold a list of layers has more.
SEQUENTIAL_KEYS = frozenset({"name", "layers", "trainable", "dtype", "build_input_shape"})


class Reference(NamedTuple):
    """A tensor as a config names it, and what is written beside the name."""

    layer: str
    node: int
    output: int
    spec: Any = None


class Dialect(Protocol):
    """How one Keras writes calls."""

    keras: int
    input_shape_key: str

    def decode_call(self, node: Any, names: Collection[str]) -> tuple[Arguments, list[Reference]]:
        """Return a node's arguments and what goes into its holes, in their order."""

    def encode_call(self, arguments: Arguments, references: Mapping[int, Reference]) -> Any:
        """Return the node of a call."""

    def first_node(self, layer: Layer) -> int:
        """Return the number of the first call of a nested model."""

    def end_offset(self, layer: Layer) -> int:
        """Return how much higher a layer's calls are numbered in the inputs and outputs."""

    def is_functional(
        self, calls: Sequence[Arguments], inside: Collection[int], ends: Collection[int]
    ) -> bool | None:
        """Tell a nested Functional model whose config lists no layers; None if it cannot be."""


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
    return _Decoder(dialect).model(class_name, config, envelope, (), ())


def encode(graph: ModelGraph, dialect: Dialect) -> dict[str, Any]:
    """Return the serialised form of a graph: the inverse of `decode`."""
    return _Encoder(dialect, "module" in graph.envelope).model_document(graph, graph.envelope)


def encode_layer(layer: Layer, dialect: Dialect) -> dict[str, Any]:
    """Return the serialised form of one layer, without its calls."""
    return _Encoder(dialect, full=True).layer(layer)


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

    def model(
        self,
        class_name: str,
        config: Any,
        envelope: Mapping[str, Any],
        path: tuple[str, ...],
        origin: tuple[str, ...],
    ) -> ModelGraph:
        rest = None if isinstance(config, list) else _without(config, GRAPH_KEYS)
        name = class_name.lower() if rest is None else str(rest.get("name", class_name.lower()))
        graph = ModelGraph(
            self.dialect.keras,
            class_name,
            name,
            path=path,
            config=rest if rest is not None else [],
            envelope=envelope,
        )
        entries = config if isinstance(config, list) else config["layers"]
        layers = [self.layer(entry, path, origin) for entry in entries]
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
    ) -> Layer:
        written, config = str(entry["class_name"]), entry["config"]
        class_name = written.removeprefix(PACKAGE)
        held = config if isinstance(config, dict) else {}
        name = str(entry.get("name") or held.get("name") or class_name.lower())
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
            _put(rest, key, None)
        return Layer(name, class_name, rest, envelope, inner=inner, origin=origin)

    def inner(
        self, config: Mapping[str, Any], path: tuple[str, ...], origin: tuple[str, ...]
    ) -> Iterator[tuple[str, Layer]]:
        found = {key: config[key] for key in INNER_KEYS if _is_layer(config.get(key))}
        for key in INNER_LISTS:
            if _are_layers(config.get(key)):
                found |= {f"{key}/{number}": each for number, each in enumerate(config[key])}
        for role, entry in found.items():
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
            shape = first.config.get("batch_input_shape", first.config.get("batch_shape"))
            if first.graph is not None:
                entrance = first.graph.layer(next(leaves(first.graph.inputs)).call)
                shape = entrance.config.get(self.dialect.input_shape_key)
        if shape is None and isinstance(graph.config, dict):
            shape = graph.config.get("build_input_shape")
        name = f"{first.name if first is not None else graph.name}_input"
        config = {self.dialect.input_shape_key: shape}
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
        layers = self.told_models(graph, layers, nodes, config)
        used: dict[str, set[int]] = {layer.name: set() for layer in layers}
        offsets = {layer.name: self.dialect.end_offset(layer) for layer in layers}
        ends = [_decode_ends(config[key], offsets) for key in GRAPH_KEYS[1:]]
        everything = [reference for each in nodes for _, found in each for reference in found]
        for reference in (*everything, *(each for end in ends for each in leaves([end]))):
            if reference.layer not in used:
                raise UnsupportedModelError(
                    f"a tensor comes from layer {reference.layer!r}, which the model has not",
                    where="/".join(graph.path) or graph.name,
                    fix="the config is damaged; save the model again",
                )
            used[reference.layer].add(reference.node)
        numbered = [
            _numbered(layer, len(found), used[layer.name], self.dialect)
            for layer, found in zip(layers, nodes, strict=True)
        ]
        first = {layer.name: layer.first_node for layer in numbered}
        for layer, found in zip(numbered, nodes, strict=True):
            for arguments, _ in found or [(Arguments(), [])]:
                graph.add(layer, arguments=arguments)

        def tensor(reference: Reference) -> Tensor:
            call = Call(reference.layer, reference.node - first[reference.layer])
            if call not in graph.network:
                raise UnsupportedModelError(
                    f"a tensor comes from call {reference.node} of layer {reference.layer!r}, "
                    "which the model has not",
                    where="/".join(graph.path) or graph.name,
                    fix="the config is damaged; save the model again",
                )
            return Tensor(call, reference.output)

        for layer, found in zip(numbered, nodes, strict=True):
            for call, (arguments, references) in zip(
                graph.calls_of(layer.name), found, strict=False
            ):
                for hole, reference in zip(arguments.holes, references, strict=True):
                    graph.connect(tensor(reference), call, hole, reference.spec)
        graph.inputs, graph.outputs = (map_leaves_of_ends(tensor, end) for end in ends)

    def told_models(
        self,
        graph: ModelGraph,
        layers: list[Layer],
        nodes: list[list[tuple[Arguments, list[Reference]]]],
        config: Mapping[str, Any],
    ) -> list[Layer]:
        """Mark the layers that are Functional models of classes of their own."""
        ends = [each for key in GRAPH_KEYS[1:] for each in leaves([_decode_ends(config[key], {})])]
        inside = [each for calls in nodes for _, found in calls for each in found]
        numbers = [
            {name: {each.node for each in group} for name, group in _by_layer(references).items()}
            for references in (inside, ends)
        ]
        told = []
        for layer, calls in zip(layers, nodes, strict=True):
            if layer.graph is None and not is_builtin(layer) and layer.name in numbers[1]:
                arguments = [each for each, _ in calls]
                held = (each.get(layer.name, set()) for each in numbers)
                functional = self.dialect.is_functional(arguments, *held)
                if functional is None:
                    raise _ambiguous(graph, layer)
                told.append(replace(layer, functional=functional))
            else:
                told.append(layer)
        return told


def _by_layer(references: Iterable[Reference]) -> dict[str, list[Reference]]:
    found: dict[str, list[Reference]] = {}
    for reference in references:
        found.setdefault(reference.layer, []).append(reference)
    return found


def _ambiguous(graph: ModelGraph, layer: Layer) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"which call of {layer.class_name} is an output cannot be told from the config alone, "
        "for it does not say whether the class is one of Functional models",
        where="/".join((*graph.path, layer.name)),
        fix="rewrite it, which loads it, or give the live model",
    )


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
            _put(config, role, self.layer(each))
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


def map_leaves_of_ends(function: Any, ends: Any) -> Any:
    """Apply a function to the references in the model's inputs or outputs."""
    if isinstance(ends, Reference):
        return function(ends)
    if isinstance(ends, dict):
        return {key: map_leaves_of_ends(function, value) for key, value in ends.items()}
    return type(ends)(map_leaves_of_ends(function, value) for value in ends)


def is_reference(value: Any) -> bool:
    """Whether a value has the form [layer, node, output] of a tensor in a config."""
    return (
        isinstance(value, list | tuple)
        and len(value) >= 3
        and isinstance(value[0], str)
        and type(value[1]) is int
        and type(value[2]) is int
    )


def _decode_ends(ends: Any, offsets: Mapping[str, int]) -> Any:
    if is_reference(ends) and len(ends) == 3:
        layer, node, output = ends
        return Reference(layer, node - offsets.get(layer, 0), output)
    if isinstance(ends, dict):
        return {key: _decode_ends(value, offsets) for key, value in ends.items()}
    return [_decode_ends(value, offsets) for value in ends]


def _edges(graph: ModelGraph, call: Call) -> Iterator[tuple[Call, Call, int, int, Any]]:
    for source, target, hole, data in graph.network.in_edges(call, keys=True, data=True):
        yield source, target, hole, data["output"], data["spec"]


def _numbered(layer: Layer, calls: int, used: set[int], dialect: Dialect) -> Layer:
    """Tell the number of a nested model's first call from the numbers that are in use."""
    if layer.graph is None and calls not in used:
        return layer
    first = 0
    if 0 not in used:
        first = 1 if calls in used else dialect.first_node(layer)
    return replace(layer, first_node=first) if first else layer


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


def _put(config: dict[str, Any], role: str, value: Any) -> None:
    """Set what stands at a role, in a copy of the list where the role is in one."""
    key, _, number = role.partition("/")
    if number:
        config[key] = list(config[key])
        config[key][int(number)] = value
    else:
        config[key] = value


def _fill(envelope: Mapping[str, Any], class_name: str, config: Any) -> dict[str, Any]:
    written = envelope.get("class_name") or class_name
    return {**envelope, "class_name": written, "config": config}
