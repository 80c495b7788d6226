"""Plans kept as JSON, and applied later: to the model they were made for, or not at all."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rewriter.dialects import encode
from rewriter.errors import ModelReadError, RewriterError
from rewriter.graph import ModelGraph
from rewriter.pipeline import Plan
from rewriter.saved.document import parse

VERSION = 1
"""Of the schema in ``rewriter/report/plan.schema.json``."""

_LIMIT = 64 * 2**20


def digest(graph: ModelGraph) -> str:
    """Return a digest of a model's config, the same wherever the model is read from.

    Examples
    --------
    >>> digest(ModelGraph(keras=3, class_name="Functional", name="m"))[:7]
    'sha256:'
    """
    document = {"keras": graph.keras, "config": encode(graph)["config"]}
    text = json.dumps(document, sort_keys=True, default=str)
    return f"sha256:{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"


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
        What they did, as plain data.
    """

    path: Path
    model: str
    digest: str
    passes: tuple[str, ...]
    changes: tuple[Any, ...]

    def hold_against(self, plan: Plan) -> None:
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
        now = _as_json(plan)
        for number in range(max(len(now), len(self.changes))):
            each = [changes[number : number + 1] for changes in (list(self.changes), now)]
            if each[0] != each[1]:
                self._refuse((each[0] or each[1])[0])

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
        saved = parse(path.read_bytes(), path.name, _LIMIT)
    except (OSError, ModelReadError) as error:
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


def _as_json(plan: Plan) -> list[dict[str, Any]]:
    changes = [change.to_json() for change in plan.changes]
    found: list[dict[str, Any]] = json.loads(json.dumps(changes, default=str))
    return found
