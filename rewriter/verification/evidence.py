"""Tell by what each output was compared; find something to compare where it says nothing.

In this order: the output's own values, the tensors before it, its distribution where it draws
noise of its own, and copies of both models with other weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from rewriter.errors import first_line
from rewriter.verification.arrays import Arrays
from rewriter.verification.beside_outputs import hidden_by_zeros
from rewriter.verification.compared_models import Models
from rewriter.verification.differences import finite_rows, relative_difference
from rewriter.verification.inner_tensors import InnerTensors
from rewriter.verification.other_weights import WAYS, NoCopyError, copy_of, draw_weights
from rewriter.verification.own_noise import other_distribution
from rewriter.verification.result import OutputEvidence
from rewriter.verification.running import Subject, runner, trace

if TYPE_CHECKING:
    from rewriter.verification.comparison import Comparison

_ROWS = 32
"""Of inputs for copies."""

_COPY_TOLERANCE = 10
"""With other weights, roundings may add up to so many times the tolerance."""


class Found(NamedTuple):
    """By what each output was compared, and what differs where something does."""

    outputs: tuple[OutputEvidence, ...]
    differs: str = ""


@dataclass(slots=True)
class _Search:
    """The outputs that say nothing by themselves, and why they could not be compared so far."""

    models: Models
    open: dict[int, str] = field(default_factory=dict)
    found: dict[int, OutputEvidence] = field(default_factory=dict)
    differs: str = ""

    def close(self, number: int, by: str, detail: str = "") -> None:
        self.open.pop(number, None)
        self.found[number] = OutputEvidence(self.models.names[number], by, detail)


def find_evidence(models: Models, comparison: Comparison) -> Found:
    """Return by what each output was compared, and what differs where something does.

    Parameters
    ----------
    models : Models
        What is compared.
    comparison : Comparison
        What the outputs gave.
    """
    search = _Search(models)
    _by_values(search, comparison)
    if search.open:
        _by_inner_tensors(search, comparison)
    noisy = [number for number in search.open if number in comparison.noisy]
    if noisy:
        _by_distribution(search, noisy)
    flipped = [number for number in search.open if number in comparison.flipped]
    if flipped:
        search.differs = f"output {models.names[flipped[0]]} differs, and {search.open[flipped[0]]}"
    still = [number for number in search.open if number not in comparison.noisy]
    if still and not search.differs:
        _by_other_weights(search, still)
    for number, why in list(search.open.items()):
        search.close(number, "", why)
    if not search.differs and (zeros := hidden_by_zeros(models)):
        _behind_zeros(search, zeros, comparison.noisy)
    outputs = tuple(search.found[number] for number in sorted(search.found))
    return Found(outputs, search.differs)


def _by_values(search: _Search, comparison: Comparison) -> None:
    only_input = len(comparison.inputs_seen) == 1  # then there is no more to compare
    for number, spread in enumerate(comparison.spreads):
        if only_input and number not in comparison.noisy:
            search.found[number] = OutputEvidence(
                search.models.names[number], "values", "the model takes one input alone"
            )
            continue
        features = spread.features()
        dead = int((~features).sum())
        passed_over = number in comparison.noisy or number in comparison.flipped
        if passed_over or not features.any():
            search.open[number] = "it is the same for every input that was tried"
            continue
        if dead:
            search.open[number] = (
                f"{dead} of its {len(features)} features are the same for every input"
            )
        search.found[number] = OutputEvidence(
            search.models.names[number], "values", search.open.get(number, "")
        )


def _by_inner_tensors(search: _Search, comparison: Comparison) -> None:
    models = search.models
    inputs = [*models.inputs(), *comparison.flips]
    try:
        inner = inner_tensors(models, models.before, models.after, inputs)
    except Exception as error:
        why = f"its layers cannot be run one by one: {first_line(error)}"
        search.open = dict.fromkeys(search.open, why)
        inner = None
    for number in list(search.open):
        why = inner.behind(*models.ends[number]) if inner else search.open[number]
        if not why:
            search.close(number, "inner tensors")
        elif number in search.found:  # what varies of it was compared
            search.open.pop(number)
        else:
            search.open[number] = why


def inner_tensors(
    models: Models, before: Subject, after: Subject, inputs: Sequence[Arrays]
) -> InnerTensors:
    """Run both models layer by layer; the original twice on one input, to know its noise."""
    old, new = (
        [trace(models.keras, subject, models.specs, arrays) for arrays in inputs]
        for subject in (before, after)
    )
    again = trace(models.keras, before, models.specs, inputs[0])
    return InnerTensors(models, before, after, old, new, again)


def _by_distribution(search: _Search, numbers: Sequence[int]) -> None:
    models = search.models
    try:
        copies = copies_of(models)
        usual, *_, wide = models.inputs(_ROWS)
        found = [
            other_distribution(models.keras, copies, models.specs, each) for each in (usual, wide)
        ]
        said = [next(filter(None, each), "") for each in zip(*found, strict=True)]
    except NoCopyError as error:
        for number in numbers:
            search.open[number] = f"it draws noise of its own, and {error}"
        return
    for number in numbers:
        if said[number]:
            search.differs = f"output {models.names[number]}: {said[number]}"
        search.close(number, "distribution", said[number])


def _by_other_weights(search: _Search, numbers: Sequence[int]) -> None:
    """Compare copies with other weights: drawn from their spread, then by fan-in."""
    models = search.models
    for way in WAYS:
        if search.differs:
            return
        left = numbers
        try:
            copies = copies_of(models)
            draw_weights(models.keras, *copies, way)
            said = _compare_copies(models, copies, left)
        except NoCopyError as error:
            for number in left:
                if number in search.open:
                    search.open[number] += f"; {error}"
            return
        except Exception as error:
            why = f"a copy with other weights fails: {first_line(error)}"
            said = dict.fromkeys(left, ("", why))
        for number, (verdict, why) in said.items():
            if verdict == "differs":
                search.differs = f"output {models.names[number]}, with other weights, {why}"
            if verdict:
                search.close(number, "other weights")


def _behind_zeros(search: _Search, path: str, noisy: set[int]) -> None:
    """Compare copies where weights are zero: training would show what they hide."""
    models = search.models
    numbers = [number for number, each in search.found.items() if each.by and number not in noisy]
    try:
        copies = copies_of(models)
        draw_weights(models.keras, *copies, WAYS[1])
        said = _compare_copies(models, copies, numbers)
    except Exception as error:
        why = f"the weights of {path} are zero, and what they hide was not compared: "
        for number in numbers:
            by, detail = search.found[number].by, search.found[number].detail
            search.close(number, by, detail or why + first_line(error))
        return
    for number, (verdict, why) in said.items():
        if verdict == "differs":
            search.differs = (
                f"the weights of {path} are zero; with others, output {models.names[number]} {why}"
            )


def _compare_copies(
    models: Models, copies: tuple[Subject, Subject], numbers: Sequence[int]
) -> dict[int, tuple[str, str]]:
    """Return for each output ``same``, ``differs`` with what does, or nothing if it says none."""
    inputs = models.inputs(_ROWS)
    runs = [runner(models.keras, copy, models.specs) for copy in copies]
    outputs = [[run(arrays) for arrays in inputs] for run in runs]
    inner: InnerTensors | None = None
    found: dict[int, tuple[str, str]] = {}
    for number in numbers:
        spread, worst = models.spread(), 0.0
        for one, other in zip(*outputs, strict=True):
            expected, actual = one[number], other[number]
            spread.add(expected)
            if expected.shape != actual.shape:
                worst = float("inf")
                continue
            rows = finite_rows(expected) if expected.ndim else slice(None)
            worst = max(worst, relative_difference(expected[rows], actual[rows]))
        if worst > _COPY_TOLERANCE * models.tolerance:
            found[number] = ("differs", f"differs by {worst:.3g}")
        elif spread.features().any():
            found[number] = ("same", "")
        else:
            inner = inner or inner_tensors(models, *copies, inputs)
            why = inner.behind(*models.ends[number])
            found[number] = ("" if why else "same", why)
    return found


def copies_of(models: Models) -> tuple[Subject, Subject]:
    """Return copies of both models, with weights of their own.

    Raises
    ------
    NoCopyError
        None can be made, or none may be.
    """
    if not models.promise.copies:
        raise NoCopyError('no copies are made under weights="share"')
    objects = models.promise.custom_objects
    return copy_of(models.before, objects), copy_of(models.after, objects)
