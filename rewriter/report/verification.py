"""A verification, written for people."""

from __future__ import annotations

from rewriter.distribution import Distribution
from rewriter.pipeline import Guarantee
from rewriter.verification import Verification


def verification_text(verification: Verification) -> str:
    """Return what was measured in a few lines."""
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
    return "\n".join(lines)


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
