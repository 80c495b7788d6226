"""Run a model call by call, with its nested models taken apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rewriter.graph.calls import Arguments, Call, Tensor
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph
from rewriter.graph.nested import leaves
from rewriter.live.adapters import Live, LiveKeras
from rewriter.verification.running import Subject, at_inference, reset

CallPath = tuple[Call, ...]
"""The calls of the nested models around a call, and the call itself."""

_TAKEN_APART = ("Functional", "Model", "Sequential")


class FlatTensor(NamedTuple):
    """One output of one call, in whatever nested model that stands."""

    way: CallPath
    output: int = 0


@dataclass(frozen=True, slots=True)
class FlatCall:
    """One call of a layer that is no nested model.

    Parameters
    ----------
    path : str
        Path of the layer.
    layer : Layer
        The layer.
    live : live layer
        The same, live.
    arguments : Arguments
        What it is called with.
    sources : sequence of FlatTensor
        The tensor in each hole, by the number of the hole.
    """

    path: str
    layer: Layer
    live: Live
    arguments: Arguments
    sources: Sequence[FlatTensor]


@dataclass(slots=True)
class FlatModel:
    """A model as calls in the order in which they can be run.

    Parameters
    ----------
    keras : LiveKeras
        The Keras of the model.
    model : live model
        The model, whose states are set to zero before each run.
    """

    keras: LiveKeras
    model: Live
    calls: dict[CallPath, FlatCall] = field(default_factory=dict)
    inputs: list[FlatTensor] = field(default_factory=list)
    outputs: list[FlatTensor] = field(default_factory=list)

    @classmethod
    def of(cls, keras: LiveKeras, subject: Subject) -> FlatModel:
        """Take a model apart."""
        flat = cls(keras, subject.model)
        graph = subject.graph
        given = {end.call: FlatTensor((end.call,)) for end in leaves(graph.inputs)}
        flat.inputs = list(given.values())
        flat.outputs = flat._add(graph, subject.model, (), given)
        return flat

    def _add(
        self, graph: ModelGraph, model: Live, around: CallPath, given: Mapping[Call, FlatTensor]
    ) -> list[FlatTensor]:
        """Add the calls of a model, and return the tensors that it gives."""
        live = self.keras.layers(model)
        known: dict[Tensor, FlatTensor] = {Tensor(call): each for call, each in given.items()}

        def flat(tensor: Tensor) -> FlatTensor:
            return known.get(tensor) or FlatTensor((*around, tensor.call), tensor.output)

        for call in graph.calls():
            if call in given:
                continue
            layer, arguments = graph.layer(call), graph.arguments(call)
            sources = [flat(tensor) for tensor in graph.fillings(call).values()]
            way = (*around, call)
            if _can_be_taken_apart(layer, arguments):
                ends = [end.call for end in leaves(layer.graph.inputs)]
                filled = dict(zip(ends, (sources[hole] for hole in arguments.holes), strict=True))
                outputs = self._add(layer.graph, live[layer.name], way, filled)
                known.update({Tensor(call, n): each for n, each in enumerate(outputs)})
            else:
                path = graph.path_of(call)
                self.calls[way] = FlatCall(path, layer, live[layer.name], arguments, sources)
        return [flat(tensor) for tensor in leaves(graph.outputs)]

    def path_of(self, tensor: FlatTensor) -> str:
        """Return the path of the layer that gives a tensor."""
        call = self.calls.get(tensor.way)
        return call.path if call is not None else tensor.way[-1].layer

    def needed(self, wanted: Iterable[FlatTensor], known: Iterable[FlatTensor]) -> list[CallPath]:
        """Return the calls that make tensors of known ones, in their order."""
        have, pending, found = set(known), list(wanted), set[CallPath]()
        while pending:
            tensor = pending.pop()
            if tensor not in have and tensor.way not in found and tensor.way in self.calls:
                found.add(tensor.way)
                pending.extend(self.calls[tensor.way].sources)
        return [way for way in self.calls if way in found]

    def tensors_in_use(self) -> dict[CallPath, set[int]]:
        """Return for each call which of its outputs others take, or the model gives."""
        used: dict[CallPath, set[int]] = {}
        for tensor in (*self.outputs, *(s for call in self.calls.values() for s in call.sources)):
            used.setdefault(tensor.way, set()).add(tensor.output)
        return used

    def run(
        self, wanted: Sequence[FlatTensor], known: Mapping[FlatTensor, Any]
    ) -> dict[FlatTensor, Any]:
        """Return the wanted tensors, made of known ones; others are let go as soon as they may."""
        reset(self.keras.states(self.model))
        values, ways = dict(known), self.needed(wanted, known)
        last = {source: way for way in ways for source in self.calls[way].sources}
        for way in ways:
            call = self.calls[way]
            given = [values[source] for source in call.sources]
            arguments = at_inference(call.live, call.arguments)
            outputs = self.keras.call_layer(call.live, arguments, given)
            for number, output in enumerate(outputs):
                values.setdefault(FlatTensor(way, number), output)
            for source in {*call.sources} - {*wanted}:
                if last[source] == way:
                    values.pop(source, None)
        return {tensor: values[tensor] for tensor in wanted}


def _can_be_taken_apart(layer: Layer, arguments: Arguments) -> bool:
    """Whether calling a nested model is calling its layers one after the other."""
    if layer.graph is None or layer.class_name not in _TAKEN_APART:
        return False
    taken = len(list(leaves(layer.graph.inputs)))
    alone = all(value in (None, False) for value in arguments.kwargs.values())
    return alone and not _holds_dict(arguments.args) and len(arguments.holes) == taken


def _holds_dict(structure: Any) -> bool:
    """Whether a structure has keys, whose order is that of no list of inputs."""
    if isinstance(structure, list | tuple):
        return any(map(_holds_dict, structure))
    return isinstance(structure, dict)
