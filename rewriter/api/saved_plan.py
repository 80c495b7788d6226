"""Read a plan kept as JSON, and refuse it where it no longer holds for the model."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from rewriter.errors import ModelReadError, RewriterError
from rewriter.pipeline.run import PlanData
from rewriter.report.plan_json import VERSION, digest
from rewriter.saved.formats.bounded_json import parse
from rewriter.saved.formats.regular_file import content

_LIMIT = 64 * 2**20


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """A plan that was kept as JSON.

    Parameters
    ----------
    path : Path
        The file.
    model : str
        The model that it was made for, by name.
    digest : str
        The same by its config.
    passes : tuple of str
        As on the command line.
    changes : tuple
        What they did, as plain data. The reasons are words for people: a newer version may say
        the same in others, and they are not compared.
    """

    path: Path
    model: str
    digest: str
    passes: tuple[str, ...]
    changes: tuple[Any, ...]

    def hold_against(self, plan: PlanData) -> None:
        """Refuse a plan of the same passes that is not this one.

        Raises
        ------
        RewriterError
            It is for another model, or its passes now do something else.
        """
        if self.digest != digest(plan.before):
            raise RewriterError(
                f"the plan was made for another model ({self.model})",
                where=str(self.path),
                fix="give that model, or make a new plan with --dry-run --format json",
            )
        kept = [_without_reason(change) for change in self.changes]
        planned = [_without_reason(change) for change in _as_json(plan)]
        if kept != planned:
            same = list(
                takewhile(lambda pair: pair[0] == pair[1], zip(kept, planned, strict=False))
            )
            self._refuse((kept[len(same) :] or planned[len(same) :])[0])

    def _refuse(self, change: Any) -> None:
        layer = change.get("layer") if isinstance(change, dict) else change
        raise RewriterError(
            f"the passes no longer do what the plan says, first at {layer}",
            where=str(self.path),
            fix="make a new plan with --dry-run --format json, and look at it",
        )


def read_plan(path: Path) -> SavedPlan:
    """Read a plan, as ``--format json`` or ``--report`` wrote it.

    Raises
    ------
    RewriterError
        The file holds no plan of this version.
    """
    try:
        saved = parse(content(path, _LIMIT), path.name, _LIMIT)
    except (OSError, ValueError, ModelReadError) as error:
        what = error.what if isinstance(error, RewriterError) else str(error)
        raise RewriterError(f"no plan can be read: {what}", where=str(path)) from error
    wanted = {"passes": list, "changes": list, "digest": str}
    if saved.get("version") != VERSION or not all(
        isinstance(saved.get(key), kind) for key, kind in wanted.items()
    ):
        raise RewriterError(
            f"it is no plan of version {VERSION}",
            where=str(path),
            fix="make one with --dry-run --format json",
        )
    passes = tuple(map(str, saved["passes"]))
    model = str(saved.get("model"))
    return SavedPlan(path, model, saved["digest"], passes, tuple(saved["changes"]))


def _as_json(plan: PlanData) -> list[dict[str, Any]]:
    changes = [change.to_json() for change in plan.changes]
    as_written: list[dict[str, Any]] = json.loads(json.dumps(changes, default=str))
    return as_written


def _without_reason(change: Any) -> Any:
    if not isinstance(change, dict):
        return change
    return {key: value for key, value in change.items() if key != "reason"}
