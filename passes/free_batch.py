"""Let a model take every batch size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Literal

from rewriter.analysis.batch_in_arguments import freed_call, holds_batch, input_batches
from rewriter.analysis.known_layers import class_of, is_known
from rewriter.analysis.layer_kinds import NOISE, is_recurrent, with_inner_layers
from rewriter.analysis.shapes import INPUT_SHAPE_KEYS, as_shape
from rewriter.graph import Call, Layer, ModelGraph
from rewriter.graph.changes import Change, Note
from rewriter.pipeline import Guarantee, Pass


@dataclass(frozen=True, slots=True)
class FreeBatch(Pass):
    """Replace fixed batch sizes by open ones.

    1. A ``noise_shape`` that begins with a number above 1 begins with None, and its noise stays
       the same for the batch size that it was written for.
    2. ``batch_shape`` and ``batch_input_shape`` of inputs and first layers begin with None.
    3. A reshape to ``(32, -1)`` becomes a reshape to ``(-1, size)``, if 32 is the batch size of
       the model or the sizes agree only if it is. A broadcast to ``(32, 7, 3)`` repeats the axes
       behind the batch, or is removed where it changes nothing. A note names the operations that
       keep a batch size.
    4. The inputs keep the batch size, with a note, where a constant, an index, ``take`` or
       ``split`` holds it. A note names each Lambda and layer of your own, which may hold it too.
    5. A model with a stateful layer stays, with a note: its state has the batch size in its
       shape. ``stateful=drop`` makes such layers stateless; the outputs are then those from zero
       state, and no state goes from one batch to the next.

    Parameters
    ----------
    stateful : str
        ``keep`` stateful layers and their batch size, or ``drop`` the state.
    """

    stateful: Literal["keep", "drop"] = "keep"

    name = "free-batch"
    guarantee = Guarantee.SAME

    @property
    def drops_states(self) -> bool:
        """Whether stateful layers become stateless."""
        return self.stateful == "drop"

    def run_model(self, model: ModelGraph) -> Iterator[Change | Note]:
        """Edit a model with the models nested in it."""
        graphs = list(model.walk())
        batches = input_batches(model)
        states = [(graph, *stateful) for graph in graphs for stateful in _stateful(graph)]
        # Rule 5: a state has one row for each row of the batch, so a stateful layer fixes it.
        kept = {
            graph.path_of(name): (layer.class_name, is_recurrent(layer))
            for graph, name, _, layer in states
            if self.stateful == "keep" or not is_recurrent(layer)
        }
        for path, (class_name, known) in kept.items():
            frees = "stateful=drop makes it stateless" if known else "its class is not known"
            yield Note(path, class_name, f"stays: its state fixes the batch size; {frees}")
        if not kept:
            for graph, name, role, _ in states:
                reason = "its state fixes the batch size; each batch starts from zero state"
                yield graph.configure(name, {"stateful": False}, reason=reason, role=role)
            # Rule 4: with an open batch size, these calls would fail or give wrong rows.
            keep_batch = [*_held(graphs, batches)]
            yield from keep_batch
            # Rule 2: only now, for a stateful layer cannot be built without a batch size.
            for graph in graphs if not keep_batch else ():
                yield from _free_inputs(graph)
            yield from _not_known(graphs, batches)
        for graph in graphs:
            yield from _free_noise(graph)  # Rule 1
            # Rule 3: operations that have the batch size among their arguments.
            for call in graph.calls():
                yield from _free_reshape(graph, call, batches)


def _stateful(graph: ModelGraph) -> Iterator[tuple[str, str | None, Layer]]:
    for outer in graph.layers:
        for role, layer in with_inner_layers(outer):
            if layer.config.get("stateful") is True:
                yield outer.name, role, layer


def _held(graphs: Sequence[ModelGraph], batches: Set[int]) -> Iterator[Note]:
    """Say which calls work at the batch size alone that the inputs fix."""
    for graph in graphs:
        for call in graph.calls() if batches else ():
            reason = holds_batch(graph, call, batches)
            if reason is not None:
                said = f"stays: {reason}, and the inputs keep their batch size"
                yield Note(graph.path_of(call), graph.layer(call).class_name, said)


def _not_known(graphs: Sequence[ModelGraph], batches: Set[int]) -> Iterator[Note]:
    """Say of which layers it is not known whether they take every batch size."""
    for graph in graphs:
        for layer in graph.layers if batches else ():
            if layer.class_name == "Lambda" or not is_known(layer):
                said = (
                    "the inputs are freed; it is not known whether it takes every batch size: the "
                    "verification tries some"
                )
                yield Note(graph.path_of(layer.name), layer.class_name, said)


def _free_inputs(graph: ModelGraph) -> Iterator[Change]:
    for layer in graph.layers:
        fixed = {
            key: [None, *layer.config[key][1:]]
            for key in INPUT_SHAPE_KEYS
            if (as_shape(layer.config.get(key)) or [None])[0] is not None
        }
        if fixed:
            reason = "the model takes every batch size"
            yield graph.configure(layer.name, fixed, reason=reason)


def _free_noise(graph: ModelGraph) -> Iterator[Change]:
    for name in [outer.name for outer in graph.layers]:
        for role, layer in with_inner_layers(graph.layer(name)):
            shape = as_shape(layer.config.get("noise_shape")) if class_of(layer) in NOISE else None
            if shape and shape[0] is not None and shape[0] > 1:
                reason = (
                    f"with it, training at another batch size than {shape[0]} fails or is wrong"
                )
                new = {"noise_shape": [None, *shape[1:]]}
                yield graph.configure(name, new, reason=reason, role=role)


def _free_reshape(graph: ModelGraph, call: Call, batches: Set[int]) -> Iterator[Change | Note]:
    freed = freed_call(graph, call, batches)
    if freed is None:
        return
    path, class_name = graph.path_of(call), graph.layer(call).class_name
    if isinstance(freed, str):
        yield Note(path, class_name, f"stays: {freed}")
        return
    reason = "the batch size is written in its arguments"
    if freed.nothing:
        yield graph.remove(call, reason="it changes nothing and fixes the batch size")
    if freed.layer is not None:
        yield graph.replace(call.layer, freed.layer, reason=reason)
    if freed.config is not None:
        yield graph.configure(call.layer, freed.config, reason=reason)
    if freed.arguments is not None:
        yield graph.rewire(call, freed.arguments, reason=reason)
