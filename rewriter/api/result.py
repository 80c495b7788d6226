"""Hold what a rewrite gave: model, plan, verification, output."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rewriter.api.plans import Plan

if TYPE_CHECKING:
    from rewriter.rehearsal import Compared
    from rewriter.verification.result import Verification


@dataclass(frozen=True, slots=True)
class Later:
    """A model that is in a file, and loaded when it is asked for."""

    load: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Way:
    """How the new file was made.

    Parameters
    ----------
    taken : str
        ``file``: a copy of the old file, its config exchanged and its weights moved; ``keras``:
        what Keras saves of the live model.
    reason : str
        Why it is not a copy.
    """

    taken: str = "keras"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What a rewrite gave.

    Parameters
    ----------
    made : live model or Later
        The rewritten model, or what loads it; `model` is the model.
    plan : Plan
        What was changed, and why.
    verification : Verification or None
        What was measured; None where that was not wanted.
    output : Path or None
        The file that was written.
    rehearsal : Compared or None
        Rehearsals of the original and of the rewritten model, where that was wanted.
    way : Way
        How the output was made.
    """

    made: Any
    plan: Plan
    verification: Verification | None
    output: Path | None = None
    rehearsal: Compared | None = None
    way: Way = Way()

    @property
    def model(self) -> Any:
        """The rewritten model; one that is only in the output is loaded from there."""
        return self.made.load() if isinstance(self.made, Later) else self.made

    def to_json(self) -> dict[str, Any]:
        """Return plan, verification and output as plain data."""
        measured = None if self.verification is None else self.verification.to_json()
        output = None if self.output is None else str(self.output)
        found = {**self.plan.to_json(), "verification": measured, "output": output}
        if self.output is not None:
            found |= {"way": self.way.taken, "way_reason": self.way.reason}
        if self.rehearsal is not None:
            found["rehearsal"] = self.rehearsal.to_json()
        return found
