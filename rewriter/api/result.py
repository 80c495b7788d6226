"""Hold what a rewrite gave: model, plan, verification, output."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rewriter.api.plans import Plan

if TYPE_CHECKING:
    from rewriter.rehearsal import Compared
    from rewriter.verification.result import Verification


@dataclass(frozen=True, slots=True)
class Result:
    """What a rewrite gave.

    Parameters
    ----------
    model : live model
        The rewritten model.
    plan : Plan
        What was changed, and why.
    verification : Verification or None
        What was measured; None where that was not wanted.
    output : Path or None
        The file that was written.
    rehearsal : Compared or None
        Rehearsals of the original and of the rewritten model, where that was wanted.
    """

    model: Any
    plan: Plan
    verification: Verification | None
    output: Path | None = None
    rehearsal: Compared | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plan, verification and output as plain data."""
        measured = None if self.verification is None else self.verification.to_json()
        output = None if self.output is None else str(self.output)
        found = {**self.plan.to_json(), "verification": measured, "output": output}
        if self.rehearsal is not None:
            found["rehearsal"] = self.rehearsal.to_json()
        return found
