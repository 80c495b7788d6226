"""A verification, written for people."""

from __future__ import annotations

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
    return "\n".join(lines)


def _verdict(verification: Verification) -> str:
    tried = [case for case in verification.cases if case.outcome != "left out"]
    what = f"{len(tried)} inputs, eager and compiled"
    scope = ""
    if verification.guarantee is Guarantee.SAME_WHERE_UNPADDED:
        scope = " on sequences without padding"
    if not verification.ok:
        bad = next(case for case in tried if case.outcome == "differs")
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
