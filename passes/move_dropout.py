"""Move noise to where it does what it is meant to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rewriter.changes import Change, Note
from rewriter.graph import Call, Layer, ModelGraph, Tensor
from rewriter.kinds import NOISE, NOISE_RANK, is_pinned, is_recurrent, returns_sequences
from rewriter.pipeline import Guarantee, Pass


@dataclass(frozen=True, slots=True)
class MoveDropout(Pass):
    """Move noise in front of a recurrent layer or of Masking behind it.

    1. A noise layer that feeds a recurrent layer goes to that layer's output. One that comes
       out of a recurrent layer stays where it is: between two of them is the usual place.
    2. A noise layer in front of Masking goes behind it: in front, it zeroes whole steps that
       are then taken for padding, or makes padding unrecognisable.
    3. It stays, with a note, where another layer gets its output too; where its rank or
       ``noise_shape`` does not fit there; where it is active at inference.

    Parameters
    ----------
    recurrent, masking : bool
        Which of the first two rules to follow.
    """

    recurrent: bool = True
    masking: bool = True

    name = "move-dropout"
    guarantee = Guarantee.SAME

    def run(self, graph: ModelGraph) -> Iterator[Change | Note]:
        """Edit one graph."""
        for call in graph.calls(NOISE):
            yield from self._move(graph, call)

    def _move(self, graph: ModelGraph, noise: Call) -> Iterator[Change | Note]:
        layer, target, reasons = graph.layer(noise), noise, []
        refusal = None
        while True:
            step = self._next(graph, target, noise)
            if step is None:
                break
            consumer, reason = step
            refusal = _refusal(graph, noise, target, consumer)
            if refusal is not None:
                break
            target = consumer
            reasons.append(reason)
        if target != noise:
            yield graph.move(noise, Tensor(target), reason="; ".join(reasons))
        if refusal is not None:
            yield Note(graph.path_of(noise), layer.class_name, refusal)

    def _next(self, graph: ModelGraph, place: Call, noise: Call) -> tuple[Call, str] | None:
        """Return the layer that noise standing behind `place` should go behind, and why."""
        for call, hole in graph.consumers(Tensor(place)):
            layer = graph.layer(call)
            if self.masking and layer.class_name == "Masking":
                return call, f"noise in front of {call} hides or fakes padding"
            if self.recurrent and hole == 0 and is_recurrent(layer):
                return call, f"noise belongs to the output of {call}"
        return None


def _refusal(graph: ModelGraph, noise: Call, place: Call, target: Call) -> str | None:
    """Return why noise cannot go from behind `place` to behind `target`, if it cannot."""
    layer, kept = graph.layer(noise), graph.layer(target)
    recurrent = is_recurrent(kept)
    source = graph.producer(noise)
    if source is None:
        return "stays: it has no single input"
    if recurrent and place == noise and _from_recurrent(graph, source):
        return f"stays: it comes out of the recurrent layer {source.call.layer} already"
    if is_pinned(layer, graph.arguments(noise).kwargs, graph.keras):
        return "stays: it is active at inference as well"
    if len(graph.consumers(Tensor(place))) > 1 or graph.is_output(place):
        return f"stays: other layers than {target} get the same tensor"
    if recurrent and not returns_sequences(kept):
        if layer.class_name in NOISE_RANK:
            return f"stays: {layer.class_name} does not fit the vector that {target} gives"
        if layer.config.get("noise_shape") is not None or layer.config.get("shared_axes"):
            return f"stays: its noise shape does not fit the vector that {target} gives"
    if recurrent and _fixed_features(layer):
        return f"stays: its noise_shape fixes the features, and {target} has others"
    return None


def _from_recurrent(graph: ModelGraph, tensor: Tensor) -> bool:
    """Whether a tensor comes out of a recurrent layer, through other noise if need be."""
    while graph.layer(tensor.call).class_name in NOISE:
        source = graph.producer(tensor.call)
        if source is None:
            return False
        tensor = source
    return is_recurrent(graph.layer(tensor.call))


def _fixed_features(layer: Layer) -> bool:
    shape = layer.config.get("noise_shape") or [None]
    return shape[-1] not in (None, 1)
