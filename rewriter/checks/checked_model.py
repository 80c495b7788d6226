"""Give the checks what they ask of a model: layers, calls, paths, masks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from rewriter.analysis.known_layers import is_known
from rewriter.analysis.layer_kinds import NOISE
from rewriter.analysis.masks import CallFlow, mask_flow
from rewriter.analysis.masks.padding_ids import not_padding
from rewriter.analysis.shapes import has_unknown_steps
from rewriter.analysis.value_flow import unwrap_time_distributed
from rewriter.graph.calls import Arguments, Call
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph


@dataclass(frozen=True, slots=True)
class LayerCall:
    """A call, or a layer that a wrapper holds at that call.

    Parameters
    ----------
    graph : ModelGraph
        The model, nested or not, that the call is in.
    call : Call
        The call.
    layer : Layer
        The layer, the wrapped one if one is meant.
    path : str
        Its path.
    """

    graph: ModelGraph
    call: Call
    layer: Layer
    path: str

    @property
    def config(self) -> Mapping[str, Any]:
        """The layer's config."""
        return self.layer.config

    @property
    def arguments(self) -> Arguments:
        """What the call is made with."""
        return self.graph.arguments(self.call)

    @property
    def has_unknown_steps(self) -> bool:
        """Whether a sequence of unknown length goes into the call."""
        return has_unknown_steps(self.graph, self.call)

    @property
    def consumers(self) -> list[LayerCall]:
        """The calls that get an output of this one."""
        targets = dict.fromkeys(self.graph.network.successors(self.call))
        return [layer_call(self.graph, target) for target in targets]

    def number(self, key: str) -> float:
        """Return a number of the config; 0 where none stands there."""
        value = self.config.get(key)
        return float(value) if isinstance(value, int | float) else 0.0


def layer_call(graph: ModelGraph, call: Call) -> LayerCall:
    """Return a call with its graph, layer and path."""
    return LayerCall(graph, call, graph.layer(call), graph.path_of(call))


def without_wrappers(place: LayerCall) -> LayerCall:
    """Return a call with the layer that is inside TimeDistributed, if it is."""
    layer, wraps = unwrap_time_distributed(place.layer)
    return replace(place, layer=layer) if wraps else place


class CheckedModel:
    """A model that is checked.

    Parameters
    ----------
    graph : ModelGraph
        The outermost model.
    version : tuple of int, optional
        Major and minor number of the Keras in question; None if nothing tells it, which
        counts as the newest.
    format : str
        ``h5``, ``keras``, or empty for a model that comes from no file.
    documents : sequence of JSON values
        What the file holds: its config and its training configuration.
    references : sequence of tuple of str
        What leads out of the file, besides them: the place and what it does.
    declared : mapping of str to str, optional
        What custom layers declare to do with masks, by the layer's path.
    """

    def __init__(
        self,
        graph: ModelGraph,
        version: tuple[int, int] | None = None,
        format: str = "",
        documents: Sequence[Any] = (),
        references: Sequence[tuple[str, str]] = (),
        declared: Mapping[str, str] | None = None,
    ) -> None:
        self.graph = graph
        self.keras = graph.keras
        self.version = version
        self.format = format
        self.documents = documents
        self.references = references
        self.declared = declared

    @cached_property
    def _places(self) -> list[LayerCall]:
        return [layer_call(graph, call) for graph in self.graph.walk() for call in graph.calls()]

    def calls(self, classes: Collection[str] | None = None) -> Iterator[LayerCall]:
        """Yield every call, nested models included, in order; or those of classes of Keras."""
        for place in self._places:
            layer = place.layer
            if classes is None or (layer.class_name in classes and is_known(layer)):
                yield place

    @cached_property
    def _layers(self) -> list[LayerCall]:
        layers = []
        for place in self._places:
            if place.call.number:
                continue
            for layer in place.layer.walk():
                wrapped = layer is not place.layer
                path = f"{place.path}/{layer.name}" if wrapped else place.path
                layers.append(LayerCall(place.graph, place.call, layer, path))
        return layers

    def layers(self, classes: Collection[str] | None = None) -> Iterator[LayerCall]:
        """Yield every layer once, those inside wrappers too, each with a call of its wrapper."""
        for place in self._layers:
            layer = place.layer
            if classes is None or (layer.class_name in classes and is_known(layer)):
                yield place

    @cached_property
    def noise(self) -> list[LayerCall]:
        """The calls of noise layers that have a rate, those inside TimeDistributed too."""
        return [
            inner
            for inner in map(without_wrappers, self._places)
            if inner.layer.class_name in NOISE and is_known(inner.layer) and noise_rate(inner) > 0
        ]

    @cached_property
    def flows(self) -> list[CallFlow]:
        """What happens to masks at every call."""
        return mask_flow(self.graph, declared=self.declared)

    @cached_property
    def unmasked(self) -> list[str]:
        """Paths of the Embedding layers without a mask whose index 0 is padding."""
        places = [each for each in self.layers({"Embedding"}) if not each.config.get("mask_zero")]
        real = not_padding(self.graph) if places else {}
        return [place.path for place in places if place.path not in real]

    @cached_property
    def flows_if_masked(self) -> list[CallFlow]:
        """What would happen to masks if every Embedding had one."""
        if not self.unmasked:
            return self.flows
        return mask_flow(self.graph, self.unmasked, declared=self.declared)

    def reaches(self, since: tuple[int, int]) -> bool:
        """Whether the Keras in question is of that version or a later one."""
        return self.version is None or self.version >= since


def noise_rate(place: LayerCall) -> float:
    """Return the rate of a noise layer, or the deviation of GaussianNoise."""
    return place.number("stddev" if place.layer.class_name == "GaussianNoise" else "rate")
