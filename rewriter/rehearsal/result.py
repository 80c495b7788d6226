"""What a rehearsal gives: cases, noise, findings, and the table of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rewriter.findings import Finding
from rewriter.rehearsal.cases import Case
from rewriter.rehearsal.measured import NoiseMeasured


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What training steps on a copy of a model showed.

    Parameters
    ----------
    model : str
        Path or name.
    keras : int
        2 or 3.
    cases : tuple of Case
        Every size, eager and compiled.
    noise : tuple of NoiseMeasured
        The layers that draw noise.
    findings : tuple of Finding
        What is not in order, each with its layer.
    """

    model: str
    keras: int
    cases: tuple[Case, ...]
    noise: tuple[NoiseMeasured, ...]
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether everything is in order."""
        return not self.findings

    def to_json(self) -> dict[str, Any]:
        """Return the rehearsal as plain data."""
        return {
            "model": self.model,
            "keras": self.keras,
            "ok": self.ok,
            "cases": [asdict(case) for case in self.cases],
            "noise": [asdict(each) for each in self.noise],
            "findings": [finding.to_json() for finding in self.findings],
        }

    def __str__(self) -> str:
        """Return the table."""
        lines = [f"{self.model} (Keras {self.keras})", "", *_case_table([("", self)])]
        if self.noise:
            lines += ["", *_noise_table(self.noise)]
        lines += ["", *([str(each) for each in self.findings] or ["no findings"])]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Compared:
    """The rehearsals of a model and of what became of it."""

    before: Rehearsal
    after: Rehearsal

    @property
    def ok(self) -> bool:
        """Whether everything is in order afterwards."""
        return self.after.ok

    def to_json(self) -> dict[str, Any]:
        """Return both as plain data."""
        return {"ok": self.ok, "before": self.before.to_json(), "after": self.after.to_json()}

    def __str__(self) -> str:
        """Return the table, before beside after."""
        both = [("before", self.before), ("after", self.after)]
        lines = ["rehearsal", *_case_table(both)]
        for words, each in both:
            if each.noise:
                lines += ["", f"noise {words}", *_noise_table(each.noise)]
        for words, each in both:
            found = [str(finding) for finding in each.findings] or ["no findings"]
            lines += ["", f"{words}:", *(f"  {text}" for text in found)]
        return "\n".join(lines)


def _case_table(rehearsals: Sequence[tuple[str, Rehearsal]]) -> list[str]:
    heads = ["batch", "length"]
    columns: dict[tuple[int, int | None], list[str]] = {}
    for number, (words, each) in enumerate(rehearsals):
        for place, mode in enumerate(("eager", "compiled")):
            heads.append(f"{mode} {words}".strip())
            for case in each.cases:
                if case.mode == mode:
                    row = columns.setdefault((case.batch, case.length), [""] * 2 * len(rehearsals))
                    row[2 * number + place] = case.outcome
    rows = [
        [str(batch), "-" if length is None else str(length), *outcomes]
        for (batch, length), outcomes in sorted(
            columns.items(), key=lambda row: (row[0][0], row[0][1] or 0)
        )
    ]
    return _aligned([heads, *rows])


def _noise_table(noise: Sequence[NoiseMeasured]) -> list[str]:
    heads = ["layer", "class", "on", "rate", "dropped", "expectation", "over time", "at inference"]
    return _aligned(
        [heads, *([each.layer, each.class_name, each.on, *_figures(each)] for each in noise)]
    )


def _figures(each: NoiseMeasured) -> list[str]:
    rate = "-" if each.configured is None else f"{each.configured:g}"
    if each.drawn is None:
        dropped = expectation = "not measured" if each.in_training else "-"
    else:
        dropped = f"{each.drawn.dropped:.4f}" if each.drops else "-"
        expectation = "-" if each.is_alpha else f"{each.drawn.expectation:.4f}"
    over_time = {None: "-", True: "one mask", False: "new masks"}[each.constant_over_time]
    return [rate, dropped, expectation, over_time, "drawn" if each.at_inference else "nothing"]


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
