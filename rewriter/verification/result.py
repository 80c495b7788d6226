"""What a verification found, as data and in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

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
        ``left out`` (the original fails on it).
    difference : float or None
        The greatest difference of an output, in its units; of the sequences without padding
        alone, where padding may change them.
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
    """

    noise: tuple[NoiseAtInference, ...]
    before: tuple[tuple[float, float], ...]
    after: tuple[tuple[float, float], ...]

    @property
    def ok(self) -> bool:
        """Whether every noise layer does what its config says."""
        return all(each.ok for each in self.noise)

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
class Verification:
    """The measured evidence for a guarantee.

    Parameters
    ----------
    ok : bool
        Whether the guarantee holds on every input that was tried.
    guarantee : Guarantee
        What was promised.
    tolerance : float
        How far outputs may differ that must be the same; 0 is to the bit.
    max_difference : float
        The greatest difference where the outputs must be the same.
    cases : tuple of Case
        Every input.
    padding : Padding or None
        Where the guarantee speaks of padding.
    where : str
        Where the outputs first differ, if they do.
    distribution : Distribution or None
        Where noise is drawn at inference: what it does there.
    """

    ok: bool
    guarantee: Guarantee
    tolerance: float
    max_difference: float
    cases: tuple[Case, ...]
    padding: Padding | None = None
    where: str = ""
    distribution: Distribution | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the verification as plain data."""
        return {
            "ok": self.ok,
            "guarantee": self.guarantee.value,
            "tolerance": self.tolerance,
            "max_difference": self.max_difference,
            "where": self.where,
            "cases": [
                {
                    "inputs": case.inputs,
                    "batch": case.batch,
                    "length": case.length,
                    "mode": case.mode,
                    "outcome": case.outcome,
                    "difference": case.difference,
                    "detail": case.detail,
                }
                for case in self.cases
            ],
            "padding": None if self.padding is None else self.padding.to_json(),
            "distribution": None if self.distribution is None else self.distribution.to_json(),
        }

    def __str__(self) -> str:
        """Return the verification in a few lines."""
        return "\n".join(_lines(self))


def _lines(verification: Verification) -> list[str]:
    """Return what was measured, line by line."""
    lines = [_verdict(verification)]
    left_out = [case for case in verification.cases if case.outcome == "left out"]
    if left_out:
        lines.append(
            f"  left out: {len(left_out)} inputs on which the original fails ({left_out[0].detail})"
        )
    if verification.distribution is not None:
        lines += _distribution(verification.distribution)
    padding = verification.padding
    if padding is not None and padding.sequences:
        lines.append(
            f"  padded {'sequences of the data' if padding.on_data else 'inputs'}: "
            f"{padding.changed} of {padding.sequences} change, "
            f"by {padding.difference:.3g} at most; {padding.classes} change their class"
        )
    if padding is not None:
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
    tried = [case for case in verification.cases if case.outcome != "left out"]
    what = f"{len(tried)} inputs, eager and compiled"
    scope = ""
    if verification.guarantee is Guarantee.SAME_WHERE_UNPADDED:
        scope = " on sequences without padding"
    if verification.distribution is not None:
        what += ", noise at inference switched off"
    bad = next((case for case in tried if case.outcome == "differs"), None)
    if bad is None and not verification.ok:
        return "verification failed: noise at inference is not as it should be"
    if bad is not None:
        where = f", first at layer {verification.where}" if verification.where else ""
        return (
            f"verification failed: {bad.detail}{where} "
            f"(inputs {bad.inputs}; batch {bad.batch}, {bad.mode})"
        )
    if verification.max_difference == 0.0:
        return f"verified {verification.guarantee.value}: equal to the bit{scope} ({what})"
    return (
        f"verified {verification.guarantee.value}: within {verification.tolerance:g}{scope}, "
        f"{verification.max_difference:.3g} at most ({what})"
    )
