"""Move noise from in front of recurrent, Masking and BatchNormalization layers behind them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from rewriter.analysis.known_layers import class_of
from rewriter.analysis.layer_kinds import is_recurrent, noise_calls, noise_in
from rewriter.analysis.masks.symbolic_masks import readers
from rewriter.analysis.misplaced_noise import faults_behind
from rewriter.analysis.noise_at_inference import TrainingTrue
from rewriter.analysis.noise_layers import misfit_behind, put_in_front, recurrent_behind
from rewriter.analysis.value_flow import gives_model_output
from rewriter.graph import Call, ModelGraph, Tensor
from rewriter.graph.changes import Change, Note
from rewriter.pipeline import Guarantee, Pass

STALE = (
    "keeps the moving variance that it measured with noise in front of it, so that the outputs "
    "stay the same; training updates it"
)


@dataclass(frozen=True, slots=True)
class MoveDropout(Pass):
    """Move noise in front of a recurrent layer, Masking or BatchNormalization behind it.

    1. A noise layer in front of a recurrent layer goes behind it. It stays between two recurrent
       layers, which is its usual place, and where externalise-dropout put it.
    2. A noise layer in front of Masking goes behind it: in front, it sets whole steps to zero,
       which Masking takes for padding, or makes padding look like data.
    3. A noise layer in front of BatchNormalization goes behind it: in front, it changes the
       variance that training stores (arXiv 1801.05134). A note says that the layer keeps the
       variance that it has, until it is trained.
    4. It stays, with a note, where another layer gets its output too (``branches=copy`` copies
       it for that layer), where its rank or ``noise_shape`` does not fit behind the layer, where
       the states of the recurrent layer are used, where the layer that it would go behind gives an
       output of the model or has noise behind it, where it would come to stand in front of
       BatchNormalization or of a recurrent layer that drops its input, and where it draws noise at
       inference too.

    Parameters
    ----------
    recurrent, masking, batch_normalization : bool
        Whether to follow rule 1, 2 and 3.
    branches : str
        Where several layers get the output of the noise, ``keep`` it in its place, or ``copy``
        it, so that each of them keeps its noise.
    """

    recurrent: bool = True
    masking: bool = True
    batch_normalization: bool = True
    branches: Literal["keep", "copy"] = "keep"

    name = "move-dropout"
    guarantee = Guarantee.SAME

    def run_model(self, model: ModelGraph) -> Iterator[Change | Note]:
        """Edit a model with the models nested in it."""
        training_true = TrainingTrue.of(model)
        for graph in list(model.walk()):
            # The last first: of two in a row, the one behind makes way for the one in front.
            passed, moved = dict[str, None](), set[str]()
            for call in reversed(noise_calls(graph)):
                yield from self._move(graph, call, training_true, passed, moved)
            # Rule 3: the stored variance is not measured again.
            for name in passed:
                yield Note(graph.path_of(name), graph.layer(name).class_name, STALE)

    def _move(
        self,
        graph: ModelGraph,
        noise: Call,
        training_true: TrainingTrue,
        passed: dict[str, None],
        moved: set[str],
    ) -> Iterator[Change | Note]:
        """Move one noise layer; keep it in `moved`, and what it passes in `passed`."""
        path, class_name = graph.path_of(noise), graph.layer(noise).class_name
        target, steps = noise, list[tuple[Call, str]]()
        while (step := self._next(graph, target, noise)) is not None:
            # Rule 4: where it cannot go on, it stays behind the last layer that it could pass.
            refusal = _refusal(graph, noise, target, step[0], training_true)
            refusal = refusal or _noise_there(graph, noise, step[0], moved)
            if refusal is None and _branches(graph, target):
                if self.branches == "copy" and target == noise and not graph.is_output(noise):
                    yield from _copy_for_others(graph, noise, step[0])
                    continue
                refusal = (
                    f"stays: {step[0]} is not the only layer that gets its output; with "
                    "branches=copy, the others get it from a copy of this layer"
                )
            if refusal is not None:
                yield Note(path, class_name, refusal)
                break
            target = step[0]
            steps.append(step)
        target, fault = _without_faults(graph, noise, steps, moved)
        if fault is not None:
            yield Note(path, class_name, f"stays: {fault}")
        if target == noise:
            return
        moved.add(noise.layer)
        yield graph.move(noise, Tensor(target), reason="; ".join(reason for _, reason in steps))
        for call, _ in steps:
            if class_of(graph.layer(call)) == "BatchNormalization":
                passed[call.layer] = None

    def _next(self, graph: ModelGraph, place: Call, noise: Call) -> tuple[Call, str] | None:
        """Return the layer that noise standing behind `place` should go behind, and why."""
        for call, hole in graph.consumers(Tensor(place)):
            layer = graph.layer(call)
            # Rule 2
            if self.masking and class_of(layer) == "Masking":
                return (
                    call,
                    f"in front of {call}, noise makes steps look like padding",
                )
            # Rule 3
            if self.batch_normalization and class_of(layer) == "BatchNormalization":
                return call, f"in front of {call}, noise changes the variance that {call} stores"
            # Rule 1
            if self.recurrent and is_recurrent(layer) and hole == graph.arguments(call).first:
                if put_in_front(graph.layer(noise), layer):
                    return None
                return call, f"noise belongs behind {call}, not in front of it"
        return None


def _without_faults(
    graph: ModelGraph, noise: Call, steps: list[tuple[Call, str]], moved: set[str]
) -> tuple[Call, str | None]:
    """Take back the last steps that lead in front of BatchNormalization or other noise.

    Returns the last place left, and what is wrong with that behind it; a fault that the noise has
    where it stands takes no step back.
    """
    there, fault = faults_behind(graph, noise).keys(), None
    while steps:
        place = steps[-1][0]
        new = {k: v for k, v in faults_behind(graph, place, moved).items() if k not in there}
        if not new:
            return place, fault
        fault = f"behind {place}, {next(iter(new.values()))}"
        steps.pop()
    return noise, fault


def _noise_there(graph: ModelGraph, noise: Call, target: Call, moved: set[str]) -> str | None:
    """Return why noise does not go behind a layer that has noise behind it, if it has.

    What this pass moved there itself stood behind the noise already.
    """
    for consumer, _ in graph.consumers(Tensor(target)):
        if noise_in(graph.layer(consumer)) is not None and consumer.layer not in moved:
            return f"stays: {consumer} is behind {target} already, and the two rates would add up"
    return None


def _branches(graph: ModelGraph, place: Call) -> bool:
    return len(readers(graph, Tensor(place))) > 1 or graph.is_output(place)


def _copy_for_others(graph: ModelGraph, noise: Call, kept: Call) -> Iterator[Change]:
    """Give every other consumer of the noise a copy of it."""
    layer = graph.layer(noise)
    for consumer in [each for each in readers(graph, Tensor(noise)) if each[0] != kept]:
        name = graph.unique_name(layer.name)
        copied = replace(layer, name=name, config={**layer.config, "name": name})
        reason = f"{consumer[0]} keeps the noise of {noise}, which moves"
        yield graph.duplicate(noise, copied, reason=reason, consumers=[consumer])


def _refusal(
    graph: ModelGraph, noise: Call, place: Call, target: Call, training_true: TrainingTrue
) -> str | None:
    """Return why noise cannot go from behind `place` to behind `target`, if it cannot."""
    source = graph.producer(noise)
    if source is None:
        return "stays: it has no input, or several"
    if training_true.draws_at_inference(graph, noise):
        return "stays: it draws noise at inference too"
    kept = graph.layer(target)
    if is_recurrent(kept):
        before = recurrent_behind(graph, source)
        if before is not None:
            return f"stays: it is behind the recurrent layer {before} already"
        if any(tensor.output for tensor in graph.outputs_in_use(target)):
            return f"stays: the states that {target} gives are used too, and would get no noise"
        misfit = misfit_behind(graph.layer(noise), kept)
        if misfit is not None:
            return f"stays: {misfit}"
    if gives_model_output(graph, target):
        return f"stays: {target} gives an output of the model, and the loss would see the noise"
    return None
