"""Compare each part that a plan changes alone, fed with numbers of its own.

What inputs bring to a layer in the midst of a model is a small part of what it can take: a limit
may stand where none of them gets to, and a gate that is shut hides what was changed behind it. So
both models are followed from their inputs at once. A tensor is settled where it is the same in
both whatever goes before it: its layer and its arguments are the same, and its sources are
settled; or the calls between it and settled tensors, fed with numbers of all kinds in place of
those, give the same. A difference may vanish behind a layer, as where two layers change places,
but only if what that layer gives depends on what differs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from rewriter.errors import RewriterError, first_line
from rewriter.verification.compared_models import Models
from rewriter.verification.differences import relative_difference
from rewriter.verification.evidence import copies_of
from rewriter.verification.flat_calls import CallPath, FlatCall, FlatModel, FlatTensor
from rewriter.verification.layer_equality import (
    has_level_weight,
    same_arguments,
    same_layer,
    same_state,
)
from rewriter.verification.other_weights import NoCopyError, draw_weights
from rewriter.verification.part_runs import PartRuns
from rewriter.verification.part_values import PartValues
from rewriter.verification.running import call_of, reset, to_array

_ONE_RUN = 1e-5
"""How far the outputs of a model may be from those of its calls, one after the other."""


class PartsFound(NamedTuple):
    """What the parts of two models gave, one by one.

    Parameters
    ----------
    differs : str
        A difference that an input of the model makes, and that no output shows.
    not_compared : str
        A difference that none of the inputs that were tried makes.
    not_run : str
        Why parts could not be run alone.
    """

    differs: str = ""
    not_compared: str = ""
    not_run: str = ""


class _Gap(NamedTuple):
    """Where two tensors differ, whether for a real input, and whether the layer was changed."""

    path: str
    real: bool
    changed: bool = False


Pair = tuple[FlatTensor, FlatTensor]
"""A tensor of the original, and the one of the rewritten model that may be the same."""


def compare_parts(models: Models) -> PartsFound:
    """Compare the parts that a plan changes, each alone.

    A layer that was changed is compared once more, in copies with other weights, where it gives the
    same whatever it is fed with, or where the numbers of a weight are all the same, as at the start
    of training.

    Parameters
    ----------
    models : Models
        The original and the rewritten model.
    """
    found, parts = _compare(models)
    if parts is None or found.differs or found.not_compared or not (parts.silent or parts.level):
        return found
    constant = (
        f"{parts.silent[0]} was changed, and gives the same whatever it gets"
        if parts.silent
        else ""
    )
    try:
        copies = copies_of(models)
        draw_weights(models.keras, *copies, "fan-in")
    except (NoCopyError, RewriterError) as error:
        why = first_line(error)
        said = f"{parts.level[0]} with other weights: {why}" if parts.level else found.not_run
        return PartsFound("", constant and f"{constant}; {why}", said)
    again, others = _compare(replace(models, before=copies[0], after=copies[1]))
    if why := again.differs or again.not_compared:
        return found._replace(differs=f"with other weights, {why}")
    still = others is None or others.silent
    return found._replace(not_compared=constant if still else "")


def _compare(models: Models) -> tuple[PartsFound, _Parts | None]:
    """Return what was found, and the parts where they could be run."""
    try:
        old, new = (FlatModel.of(models.keras, each) for each in (models.before, models.after))
        parts = _Parts(models, old, new, counterparts(old, new))
        return parts.compare(), parts
    except Exception as error:
        return PartsFound(not_run=first_line(error)), None


def counterparts(old: FlatModel, new: FlatModel) -> dict[CallPath, CallPath]:
    """Return the calls of the original by those of the rewritten model.

    By name; where two models have the same classes in the same order, by that.
    """
    classes = [[call.layer.class_name for call in flat.calls.values()] for flat in (old, new)]
    if old.calls.keys() != new.calls.keys() and classes[0] == classes[1]:
        return dict(zip(new.calls, old.calls, strict=True))
    return {way: way for way in new.calls if way in old.calls}


@dataclass(slots=True)
class _Parts:
    models: Models
    old: FlatModel
    new: FlatModel
    twins: dict[CallPath, CallPath]
    settled: dict[FlatTensor, FlatTensor] = field(init=False)
    runs: PartRuns = field(init=False)
    others: dict[CallPath, _Gap] = field(default_factory=dict)
    hidden: dict[CallPath, str] = field(default_factory=dict)
    silent: list[str] = field(default_factory=list)
    level: list[str] = field(default_factory=list)
    same: dict[CallPath, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.settled = dict(zip(self.new.inputs, self.old.inputs, strict=True))
        self.runs = PartRuns(self.models, self.old, self.new, PartValues(self.models, self.old))

    def compare(self) -> PartsFound:
        """Settle what can be settled, and say what cannot."""
        fed = self.likely_sources()
        if fed is None:
            return PartsFound()
        self.runs.values.find([*self.old.outputs, *fed])
        if why := self.not_the_model():
            return PartsFound(not_run=why)
        self.follow()
        ends = list(zip(self.old.outputs, self.new.outputs, strict=True))
        open_ends = [pair for pair in ends if self.settled.get(pair[1]) != pair[0]]
        gaps = [gap for gap in (self.gap([pair]) for pair in open_ends) if gap is not None]
        return self.found(gaps)

    def likely_sources(self) -> set[FlatTensor] | None:
        """Return the tensors that changed parts are fed with; None where nothing was changed."""
        twins = {**self.twins, **{n.way: o.way for n, o in self.settled.items()}}
        fed, touched = set[FlatTensor](), False
        for way, call in self.new.calls.items():
            taken = [
                source._replace(way=twins[source.way])
                for source in call.sources
                if source.way in twins
            ]
            before = self.old.calls.get(twins.get(way, ()))
            if before is None or not self.same_call(way) or taken != list(before.sources):
                touched = True
                fed |= {*taken, *(before.sources if before is not None else ())}
        ends = [end._replace(way=twins.get(end.way, ())) for end in self.new.outputs]
        return fed if touched or ends != self.old.outputs else None

    def not_the_model(self) -> str:
        """Say so where the original's calls, one after the other, give others than the model."""
        values = self.runs.values.real[0]
        reset(self.models.keras.states(self.models.before.model))
        outputs = call_of(self.models.before)(*(values[tensor] for tensor in self.old.inputs))
        for tensor, output in zip(self.old.outputs, outputs, strict=True):
            gap = relative_difference(to_array(output), to_array(values[tensor]))
            if gap > _ONE_RUN and not self.runs.is_noise([tensor]):
                return "the layers of the original, called one by one, give other outputs"
        return ""

    def follow(self) -> None:
        """Go through both models, from the inputs to the outputs."""
        used = self.new.tensors_in_use()
        for way, call in self.new.calls.items():
            twin = self.twins.get(way)
            if twin is None:
                continue
            same = self.same_call(way)
            pairs = [(FlatTensor(twin, n), FlatTensor(way, n)) for n in sorted(used.get(way, {0}))]
            gap = None
            if not (same and self.same_sources(self.old.calls[twin], call)):
                gap = self.gap(pairs)
            if gap is None:
                self.settled.update((other, one) for one, other in pairs)
            else:
                self.others[way] = gap._replace(path=call.path, changed=not same)

    def same_call(self, way: CallPath) -> bool:
        """Whether a call and its counterpart do the same with whatever they are given."""
        if way not in self.same:
            one, other = self.old.calls[self.twins[way]], self.new.calls[way]
            self.same[way] = (
                same_layer(one.layer, other.layer)
                and same_arguments(one.arguments, other.arguments)
                and same_state(one.live, other.live)
            )
        return self.same[way]

    def same_sources(self, one: FlatCall, other: FlatCall) -> bool:
        """Whether both calls take the same tensors, or such as calls between give the same."""
        pairs = list(zip(one.sources, other.sources, strict=True))
        return all(
            self.settled.get(new) == old or self.gap([(old, new)]) is None for old, new in pairs
        )

    def gap(self, pairs: Sequence[Pair]) -> _Gap | None:
        """Return how tensors differ where all settled ones before them have any value."""
        known = self.common_sources(pairs)
        probe, vary = self.runs.compare(pairs, known)
        if probe is not None:
            return _Gap(self.new.path_of(pairs[0][1]), probe.real)
        self.note_hidden(pairs, known)
        way = pairs[0][1].way
        if way in self.twins and not self.same_call(way):
            path = self.new.path_of(pairs[0][1])
            if not vary:
                self.silent.append(path)
            elif has_level_weight(self.old.calls[self.twins[way]].live):
                self.level.append(path)
        return None

    def common_sources(self, pairs: Sequence[Pair]) -> dict[FlatTensor, FlatTensor]:
        """Return the settled tensors that both parts are made of, by those of the new model.

        Where one side is made of a tensor that the other is not made of, the way goes further
        back, so that both are fed with the same.
        """
        settled, order = dict(self.settled), {way: n for n, way in enumerate(self.new.calls)}
        ones, others = ([pair[side] for pair in pairs] for side in (0, 1))
        while True:
            new = _sources(self.new, others, settled)
            old = _sources(self.old, ones, set(settled.values()))
            known = {other: one for other, one in settled.items() if other in new or one in old}
            apart = [
                other
                for other, one in known.items()
                if (other in new) != (one in old) and other.way in order
            ]
            if not apart:
                return known
            del settled[max(apart, key=lambda each: order[each.way])]

    def note_hidden(self, pairs: Sequence[Pair], known: Mapping[FlatTensor, FlatTensor]) -> None:
        """Note what differs, and goes into tensors that are the same, but counts for nothing."""
        ones, others = ([pair[side] for pair in pairs] for side in (0, 1))
        ways = {*self.new.needed(others, known)}
        old_ways = {*self.old.needed(ones, known.values())}
        for way in self.others:
            twin = self.twins[way]
            if way in self.hidden or not (way in ways or twin in old_ways):
                continue
            both = way in ways and twin in old_ways
            if not self.runs.depends(pairs, known, twin, way, in_old=twin in old_ways, both=both):
                self.hidden[way] = self.new.path_of(others[0])

    def found(self, gaps: Sequence[_Gap]) -> PartsFound:
        """Return what was found, in words."""
        not_run = next(iter(self.runs.failures), "")
        for way, behind in self.hidden.items():
            gap = self.others[way]
            said = f"{gap.path} gives other numbers than before, and {behind} hides that"
            return _found(said, gap.real, not_run)
        if not gaps:
            return PartsFound(not_run=not_run)
        first = next((gap for gap in self.others.values() if gap.changed), None)
        gap = first or next(iter(self.others.values()), gaps[0])
        if gap.real:
            said = f"{gap.path} gives other numbers than before, and no output shows that"
            return _found(said, True, not_run)
        said = (
            f"{gap.path} gives other numbers than before for numbers that no input brought to it; "
            "give inputs that do with --data"
        )
        return _found(said, False, not_run)


def _found(said: str, real: bool, not_run: str) -> PartsFound:
    return PartsFound(said, "", not_run) if real else PartsFound("", said, not_run)


def _sources(
    flat: FlatModel, wanted: Sequence[FlatTensor], known: Collection[FlatTensor]
) -> set[FlatTensor]:
    """Return the known tensors that wanted ones are made of."""
    reached = {*wanted}
    for way in flat.needed(wanted, known):
        reached.update(flat.calls[way].sources)
    return {tensor for tensor in reached if tensor in known}
