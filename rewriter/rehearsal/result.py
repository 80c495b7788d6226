"""Hold what a rehearsal found, and print it as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from rewriter.checks.findings import Finding
from rewriter.graph.printable import text_of
from rewriter.rehearsal.cases import TrainingCase
from rewriter.rehearsal.loss import MADE_UP
from rewriter.rehearsal.noise_result import NoiseMeasured


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What training steps on a copy of a model showed.

    Parameters
    ----------
    model : str
        Path or name.
    keras : int
        2 or 3.
    cases : tuple of TrainingCase
        Every size, eager and compiled.
    noise : tuple of NoiseMeasured
        The layers that draw noise.
    findings : tuple of Finding
        What is not in order, each with its layer.
    loss : str
        What the steps minimise: the loss that the model is compiled with, or a made-up one.
    """

    model: str
    keras: int
    cases: tuple[TrainingCase, ...]
    noise: tuple[NoiseMeasured, ...]
    findings: tuple[Finding, ...]
    loss: str = MADE_UP

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
            "loss": self.loss,
            "cases": [asdict(case) for case in self.cases],
            "noise": [asdict(each) for each in self.noise],
            "findings": [finding.to_json() for finding in self.findings],
        }

    def __str__(self) -> str:
        """Return the table."""
        lines = [
            f"{self.model} (Keras {self.keras}); loss: {self.loss}",
            "",
            *_case_table([("", self)]),
        ]
        if self.noise:
            lines += ["", *_noise_table(self.noise)]
        lines += ["", *([str(each) for each in self.findings] or ["no findings"])]
        return text_of(lines)


@dataclass(frozen=True, slots=True)
class LayerCompared:
    """What the rehearsals say of one layer, before and after.

    Parameters
    ----------
    layer : str
        Its path; empty for the model as a whole.
    before, after : tuple of str
        Its noise, and what is not in order.
    short : tuple of str
        Both in a word or two.
    """

    layer: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    short: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Compared:
    """The rehearsals of a model and of what became of it."""

    before: Rehearsal
    after: Rehearsal

    @property
    def ok(self) -> bool:
        """Whether everything is in order afterwards."""
        return self.after.ok

    @property
    def layers(self) -> tuple[LayerCompared, ...]:
        """Every layer that draws noise or is not in order, before or after."""
        both = (self.before, self.after)
        paths = [each.layer for one in both for each in one.noise]
        paths += [each.layer for one in both for each in one.findings]
        return tuple(
            LayerCompared(
                path,
                _said(self.before, path),
                _said(self.after, path),
                (_short(both[0], path), _short(both[1], path)),
            )
            for path in dict.fromkeys(paths)
        )

    def to_json(self) -> dict[str, Any]:
        """Return both as plain data, with the rows that say before and after."""
        return {
            "ok": self.ok,
            "sizes": [
                {"batch": batch, "length": length, "mode": mode, "before": old, "after": new}
                for (batch, length, mode), (old, new) in _outcomes(self).items()
            ],
            "layers": [
                {"layer": row.layer, "before": list(row.before), "after": list(row.after)}
                for row in self.layers
            ],
            "before": self.before.to_json(),
            "after": self.after.to_json(),
        }

    def __str__(self) -> str:
        """Return the table: each size and each layer before and after."""
        lines = ["rehearsal", *_case_table([("before", self.before), ("after", self.after)])]
        for row in self.layers:
            lines += ["", row.layer or "the model"]
            for words, said in (("before:", row.before), ("after: ", row.after)):
                lines.append(f"  {words} {said[0] if said else NOTHING}")
                lines += [f"          {more}" for more in said[1:]]
        found = len(self.after.findings)
        lines += ["", f"after: {found or 'no'} finding{'' if found == 1 else 's'}"]
        return text_of(lines)


NOTHING = "no noise, nothing found"

_SHORT = {
    "RW151": "fails",
    "RW152": "wrong batch",
    "RW153": "differs compiled",
    "RW154": "no gradient",
    "RW351": "drops nothing",
    "RW352": "noise at inference",
    "RW353": "another rate",
    "RW354": "expectation not kept",
}


def _short(rehearsal: Rehearsal, path: str) -> str:
    codes = dict.fromkeys(each.code for each in rehearsal.findings if each.layer == path)
    noise = any(each.layer == path for each in rehearsal.noise)
    return ", ".join(_SHORT[code] for code in codes) or ("in order" if noise else "no noise")


def _said(rehearsal: Rehearsal, path: str) -> tuple[str, ...]:
    noise = [_noise_words(each) for each in rehearsal.noise if each.layer == path]
    found = [str(replace(each, layer="")) for each in rehearsal.findings if each.layer == path]
    return (*noise, *found)


def _noise_words(measured: NoiseMeasured) -> str:
    rate, dropped, expectation, over_time, at_inference = _figures(measured)
    parts = [
        f"noise on its {measured.on}: rate {rate}, dropped {dropped}, expectation {expectation}"
    ]
    parts += [over_time] if over_time != "-" else []
    return ", ".join([*parts, f"{at_inference} at inference"])


def _outcomes(compared: Compared) -> dict[tuple[int, int | None, str], list[str | None]]:
    outcomes: dict[tuple[int, int | None, str], list[str | None]] = {}
    for place, each in enumerate((compared.before, compared.after)):
        for case in each.cases:
            key = (case.batch, case.length, case.mode)
            outcomes.setdefault(key, [None, None])[place] = case.outcome
    return outcomes


def _case_table(rehearsals: Sequence[tuple[str, Rehearsal]]) -> list[str]:
    columns = [(mode, words, each) for mode in ("eager", "compiled") for words, each in rehearsals]
    heads = ["batch", "length", *(f"{mode} {words}".strip() for mode, words, _ in columns)]
    table: dict[tuple[int, int | None], list[str]] = {}
    for place, (mode, _, each) in enumerate(columns):
        for case in each.cases:
            if case.mode == mode:
                row = table.setdefault((case.batch, case.length), [""] * len(columns))
                row[place] = case.outcome
    rows = [
        [str(batch), "-" if length is None else str(length), *outcomes]
        for (batch, length), outcomes in sorted(
            table.items(), key=lambda row: (row[0][0], row[0][1] or 0)
        )
    ]
    return _aligned([heads, *rows])


def _noise_table(noise: Sequence[NoiseMeasured]) -> list[str]:
    heads = ["layer", "class", "on", "rate", "dropped", "expectation", "over time", "at inference"]
    return _aligned(
        [heads, *([each.layer, each.class_name, each.on, *_figures(each)] for each in noise)]
    )


def _figures(measured: NoiseMeasured) -> list[str]:
    rate = "-" if measured.configured is None else f"{measured.configured:g}"
    if measured.drawn is None:
        dropped = expectation = "not measured" if measured.in_training else "-"
    else:
        dropped = f"{measured.drawn.dropped:.4f}" if measured.drops else "-"
        expectation = "-" if measured.is_alpha else f"{measured.drawn.expectation:.4f}"
    over_time = {None: "-", True: "one mask", False: "new masks"}[measured.constant_over_time]
    return [rate, dropped, expectation, over_time, "drawn" if measured.at_inference else "nothing"]


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
