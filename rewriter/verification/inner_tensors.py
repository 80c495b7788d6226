"""Compare what an output is made of, where the output itself says nothing.

From an output the way goes back in both models at once: up to the nearest tensors that vary with
the input, which are compared, and the layers behind them have to be the same by config, by
arguments and by weights to the bit. No weight is touched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rewriter.graph.calls import Call, Tensor
from rewriter.graph.nested import leaves
from rewriter.verification.compared_models import Models
from rewriter.verification.differences import finite_rows, relative_difference
from rewriter.verification.layer_equality import (
    same_arguments,
    same_layer,
    same_masks,
    same_state,
)
from rewriter.verification.running import Subject, Value

Traced = Mapping[Call, Value]


@dataclass(slots=True)
class InnerTensors:
    """Two models, run layer by layer on the same inputs.

    Parameters
    ----------
    models : Models
        What is compared, and how far.
    before, after : Subject
        The original and the rewritten model, or copies of them.
    old, new : sequence of traces
        What each call gave, input by input.
    again : trace
        What the original gave for the first input once more: what differs is noise.
    """

    models: Models
    before: Subject
    after: Subject
    old: Sequence[Traced]
    new: Sequence[Traced]
    again: Traced
    known: dict[tuple[Tensor, Tensor], str] = field(default_factory=dict)

    def disagreement(self, one: Tensor, other: Tensor) -> str:
        """Return why two tensors cannot be taken for the same; nothing if they can."""
        pair = (one, other)
        if pair not in self.known:
            self.known[pair] = self._disagreement(one, other)
        return self.known[pair]

    def behind(self, one: Tensor, other: Tensor) -> str:
        """Return why two tensors may be made of others, whatever they are themselves."""
        return self._layers_differ(one, other) or self._before_differ(one, other)

    def _disagreement(self, one: Tensor, other: Tensor) -> str:
        varies = self._varies(one)
        said = self._values_differ(one, other)
        if said or all(varies):
            return said
        return "" if any(varies) else self.behind(one, other)

    def _varies(self, tensor: Tensor) -> Sequence[bool]:
        """Return for each feature of a tensor of the original whether it says something."""
        spread = self.models.spread()
        if self._is_noise(tensor):
            return [False]
        for values in self.old:
            spread.add(values[tensor.call].outputs[tensor.output])
        return [bool(each) for each in spread.features()]

    def _is_noise(self, tensor: Tensor) -> bool:
        """Whether a tensor of the original is another one for the same input once more."""
        once, again = (
            each[tensor.call].outputs[tensor.output] for each in (self.old[0], self.again)
        )
        return relative_difference(once, again) > 0

    def _values_differ(self, one: Tensor, other: Tensor) -> str:
        """Say where two tensors, or their masks, differ; what is noise is not compared."""
        path = self.before.graph.path_of(one.call)
        if self._is_noise(one):
            return ""
        for old, new in zip(self.old, self.new, strict=True):
            expected, actual = (
                traced[each.call].outputs[each.output]
                for traced, each in ((old, one), (new, other))
            )
            if expected.shape != actual.shape:
                return f"{path} has another shape"
            masks = [
                traced[each.call].masks[each.output] for traced, each in ((old, one), (new, other))
            ]
            if not same_masks(*masks):
                return f"the mask of {path} differs"
            kind = expected.dtype.kind
            rows = finite_rows(expected) if expected.ndim else slice(None)
            gap = relative_difference(expected[rows], actual[rows])
            if gap > self.models.tolerance and kind in "fc":
                return f"{path} differs by {gap:.3g} of its greatest magnitude"
        return ""

    def _layers_differ(self, one: Tensor, other: Tensor) -> str:
        """Say how the calls that give two tensors differ: by layer, arguments or weights."""
        graph, changed = self.before.graph, self.after.graph
        path = graph.path_of(one.call)
        if _is_input(graph, one) and _is_input(changed, other):
            return ""
        if one.output != other.output or not same_layer(
            graph.layer(one.call), changed.layer(other.call)
        ):
            return f"{path} is the same for every input, and its layer was changed"
        if not same_arguments(graph.arguments(one.call), changed.arguments(other.call)):
            return f"{path} is the same for every input, and its call has other arguments"
        live = [
            self.models.keras.layers(subject.model)[call.layer]
            for subject, call in ((self.before, one.call), (self.after, other.call))
        ]
        return "" if same_state(*live) else f"{path} has other weights"

    def _before_differ(self, one: Tensor, other: Tensor) -> str:
        before = self.before.graph.fillings(one.call).items()
        after = self.after.graph.fillings(other.call).items()
        if [hole for hole, _ in before] != [hole for hole, _ in after]:
            return f"{self.before.graph.path_of(one.call)} takes other tensors"
        for (_, old), (_, new) in zip(before, after, strict=True):
            said = self.disagreement(old, new)
            if said:
                return said
        return ""


def _is_input(graph: Any, tensor: Tensor) -> bool:
    return any(end.call == tensor.call for end in leaves(graph.inputs))
