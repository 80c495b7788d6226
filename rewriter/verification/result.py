"""Hold what a verification found, as data and in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rewriter.graph.printable import text_of
from rewriter.pipeline.passes import Guarantee


@dataclass(frozen=True, slots=True)
class Case:
    """One input, run through both models.

    Parameters
    ----------
    inputs : str
        What it was: ``made``, ``made, with zeros``, ``data``.
    batch : int
        Its batch size.
    length : int or None
        Size of its free axes, if there are any.
    mode : str
        ``eager`` or ``compiled``.
    outcome : str
        ``equal`` (to the bit), ``within`` the tolerance, ``padded`` (may differ), ``differs``,
        ``left out`` (the original fails on it, or gives no row that is finite).
    difference : float or None
        The greatest difference of an output, as a share of its greatest magnitude within the
        case; of the sequences without padding alone, where padding may change them.
    detail : str
        Why it was left out, or what differs.
    """

    inputs: str
    batch: int
    length: int | None
    mode: str
    outcome: str
    difference: float | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class NoiseAtInference:
    """What one layer did over many runs at inference.

    Parameters
    ----------
    layer : str
        Path of the layer.
    rate : float
        The rate that it has.
    dropped, mean, variance : float
        The share of units set to zero, and mean and variance of the factors that units were
        multiplied with.
    draws : int
        Independent draws behind these.
    ok : bool
        Whether all three agree with the rate, within five standard errors.
    """

    layer: str
    rate: float
    dropped: float
    mean: float
    variance: float
    draws: int
    ok: bool


@dataclass(frozen=True, slots=True)
class Distribution:
    """Noise at inference of the rewritten model, and what it does to the outputs.

    Parameters
    ----------
    noise : tuple of NoiseAtInference
        Layer by layer; none where no noise is left.
    before, after : tuple of (mean, variance)
        Of each output of both models, over all runs: the variance is that from run to run.
    reason : str
        How the outputs differ in distribution, where they are to be the same.
    """

    noise: tuple[NoiseAtInference, ...]
    before: tuple[tuple[float, float], ...]
    after: tuple[tuple[float, float], ...]
    reason: str = ""

    @property
    def ok(self) -> bool:
        """Whether every noise layer does what its config says, and the outputs vary as before."""
        return all(each.ok for each in self.noise) and not self.reason

    def to_json(self) -> dict[str, Any]:
        """Return the figures as plain data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Padding:
    """What padding does to the outputs.

    Parameters
    ----------
    sequences, changed : int
        Padded sequences that were tried, and those whose outputs the rewrite changed.
    classes : int
        Those whose greatest output is another one afterwards.
    difference : float
        The greatest change among them.
    before, after : mapping of str to float
        The sensitivity of both models: how far outputs move when the same sequences get more
        padding, ``in front`` and ``behind``; where the length is fixed, when the padding stands
        ``in front, not behind``, and with ``another vector at index 0``.
    on_data : bool
        Whether the user's sequences were counted; else made ones.
    probed_data : bool
        Whether the sensitivity is that of the user's sequences. It is not where the length is
        fixed and none of them has padding that could change sides without shifting a window.
    """

    sequences: int
    changed: int
    classes: int
    difference: float
    before: Mapping[str, float]
    after: Mapping[str, float]
    on_data: bool = False
    probed_data: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the figures as plain data."""
        return {
            "sequences": self.sequences,
            "changed": self.changed,
            "classes_changed": self.classes,
            "max_difference": self.difference,
            "sensitivity_before": dict(self.before),
            "sensitivity_after": dict(self.after),
            "on_data": self.on_data,
            "sensitivity_on_data": self.probed_data,
        }


@dataclass(frozen=True, slots=True)
class OutputEvidence:
    """By what one output was compared.

    Parameters
    ----------
    name : str
        Path of the layer that gives it.
    by : str
        ``values`` of its own; ``inner tensors`` before it, and the layers behind them by config
        and weights; ``other weights`` in copies of both models; ``distribution``, where it draws
        noise of its own; nothing where it was not compared.
    detail : str
        What could not be compared, and why.
    """

    name: str
    by: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Verification:
    """The measured evidence for a guarantee.

    Parameters
    ----------
    ok : bool
        Whether the guarantee holds on every input that was tried, and every output was compared;
        or nothing was changed.
    guarantee : Guarantee
        What was promised.
    tolerance : float
        How far outputs may differ that must be the same, as a share of the greatest magnitude of
        each within a case; 0 is to the bit.
    max_difference : float
        The greatest difference where the outputs must be the same, as such a share.
    cases : tuple of Case
        Every input.
    padding : Padding or None
        Where the guarantee speaks of padding.
    where : str
        Where the outputs first differ, if they do.
    distribution : Distribution or None
        Where noise is drawn at inference: what it does there.
    compared : bool
        Whether there was something to compare; False where nothing was changed.
    reason : str
        Why it was not compared, or what failed beside the cases.
    outputs : tuple of OutputEvidence
        By what each output was compared.
    structure : tuple of str
        Differences of names and dtypes that the plan lists as changes; without a plan, all that
        decide nothing.
    planned : bool
        Whether there is a plan that lists changes.
    not_verified : str
        What changed and shows in no output at inference, in one line.
    rows_left_out : int
        Rows of outputs that are not finite in the original.
    inputs_left_out : tuple of str
        Inputs that were not tried, and why.
    written : str
        What was compared of the file that was written, as Keras loads it.
    """

    ok: bool
    guarantee: Guarantee
    tolerance: float
    max_difference: float
    cases: tuple[Case, ...]
    padding: Padding | None = None
    where: str = ""
    distribution: Distribution | None = None
    compared: bool = True
    reason: str = ""
    outputs: tuple[OutputEvidence, ...] = ()
    structure: tuple[str, ...] = ()
    planned: bool = True
    not_verified: str = ""
    rows_left_out: int = 0
    inputs_left_out: tuple[str, ...] = ()
    written: str = ""

    @classmethod
    def of_no_change(cls, guarantee: Guarantee) -> Verification:
        """Return what is said of a plan without changes: no model was run."""
        return cls(True, guarantee, 0.0, 0.0, (), compared=False, reason="no model was run")

    @property
    def verdict(self) -> str:
        """``verified``, ``verification failed``, ``not compared`` or ``nothing changed``."""
        if not self.compared:
            return "nothing changed" if self.ok else "not compared"
        return "verified" if self.ok else "verification failed"

    def to_json(self) -> dict[str, Any]:
        """Return the verification as plain data."""
        return {
            "ok": self.ok,
            "compared": self.compared,
            "reason": self.reason,
            "guarantee": self.guarantee.value,
            "tolerance": self.tolerance,
            "max_difference": self.max_difference,
            "where": self.where,
            "cases": [asdict(case) for case in self.cases],
            "outputs": [asdict(output) for output in self.outputs],
            "structure": list(self.structure),
            "not_verified": self.not_verified,
            "rows_left_out": self.rows_left_out,
            "inputs_left_out": list(self.inputs_left_out),
            "written": self.written,
            "padding": None if self.padding is None else self.padding.to_json(),
            "distribution": None if self.distribution is None else self.distribution.to_json(),
        }

    def __str__(self) -> str:
        """Return the verification in a few lines."""
        return text_of(_lines(self))


def _lines(verification: Verification) -> list[str]:
    """Return what was measured, line by line."""
    lines = [_verdict(verification), *_left_out(verification)]
    lines += [
        f"  output {each.name}: compared by {each.by}" + (f"; {each.detail}" if each.detail else "")
        for each in verification.outputs
        if verification.ok and (each.by != "values" or each.detail)
    ]
    what = "changed, as the plan says" if verification.planned else "different, and not counted"
    lines += [f"  {what}: {each}" for each in verification.structure]
    if verification.distribution is not None:
        lines += _distribution(verification.distribution)
    if verification.padding is not None:
        lines += _padding(verification.padding)
    if verification.written:
        lines.append(f"  the written file: {verification.written}")
    if verification.not_verified:
        lines.append(f"  not verified: {verification.not_verified}")
    return lines


def _left_out(verification: Verification) -> list[str]:
    """Return what was not tried or not compared, and why."""
    lines = []
    failing = [case for case in verification.cases if case.outcome == "left out"]
    if failing:
        lines.append(
            f"  left out: {len(failing)} inputs on which the original fails ({failing[0].detail})"
        )
    if verification.rows_left_out:
        lines.append(
            f"  left out: {verification.rows_left_out} rows that are not finite in the original"
        )
    lines += [f"  not tried: {each}" for each in verification.inputs_left_out]
    return lines


def _padding(padding: Padding) -> list[str]:
    lines = []
    if padding.sequences:
        lines.append(
            f"  padded {'sequences of the data' if padding.on_data else 'inputs'}: "
            f"{padding.changed} of {padding.sequences} change, "
            f"by {padding.difference:.3g} at most; {padding.classes} change their class"
        )
    for place, value in padding.before.items():
        after = padding.after.get(place)
        measured = "not measured" if after is None else f"{after:.3g}"
        what = place if place.startswith("another") else f"padding {place}"
        lines.append(f"  sensitivity to {what}: {value:.3g} before, {measured} after")
    if padding.before and padding.on_data and not padding.probed_data:
        lines.append(
            "  (of made sequences: in the data, no padding can change sides without shifting "
            "windows)"
        )
    return lines


def _distribution(found: Distribution) -> list[str]:
    lines = [
        f"  {each.layer} at inference: drops {each.dropped:.4f} of the units (rate {each.rate:g}), "
        f"keeps {each.mean:.4f} of the mean, variance {each.variance:.4f} "
        f"({each.draws} draws{'' if each.ok else '; not as it should be'})"
        for each in found.noise
    ]
    for number, (before, after) in enumerate(zip(found.before, found.after, strict=True)):
        lines.append(
            f"  output {number}: mean {before[0]:.4g} before, {after[0]:.4g} after; "
            f"variance from run to run {before[1]:.3g} before, {after[1]:.3g} after"
        )
    return lines


def _verdict(verification: Verification) -> str:
    if not verification.compared:
        return f"{verification.verdict}: {verification.reason}"
    tried = [case for case in verification.cases if case.outcome != "left out"]
    bad = next((case for case in tried if case.outcome == "differs"), None)
    if bad is not None:
        where = f", first at layer {verification.where}" if verification.where else ""
        return (
            f"verification failed: {bad.detail}{where} "
            f"(inputs {bad.inputs}; batch {bad.batch}, {bad.mode})"
        )
    if not verification.ok:
        reason = verification.reason or "noise at inference is not as it should be"
        return f"verification failed: {reason}"
    what = f"{len(tried)} inputs, eager and compiled"
    if verification.distribution is not None:
        what += ", noise at inference switched off"
    scope = ""
    if verification.padding is not None:
        scope = " on sequences without padding"
    if verification.max_difference == 0.0:
        return f"verified {verification.guarantee.value}: equal to the bit{scope} ({what})"
    return (
        f"verified {verification.guarantee.value}: within {verification.tolerance:g} of each "
        f"output's greatest magnitude{scope}, {verification.max_difference:.3g} at most ({what})"
    )
