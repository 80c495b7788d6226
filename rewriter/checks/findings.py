"""Define a finding: code, layer, message, and the pass that fixes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a layer that its user should know.

    Parameters
    ----------
    code : str
        Stable code, ``RW203``; `rewriter explain` tells the rest.
    layer : str
        Path of the layer in the nesting of models, ``encoder/dropout``; empty for the whole
        model.
    message : str
        What happens, as a clause without a full stop.
    fix : str, optional
        The pass that mends it, as on the command line; None if none does.
    since : str
        The Keras versions concerned, ``Keras 3.8``; empty for all.

    Examples
    --------
    >>> print(Finding("RW201", "drop", "noise in front of Masking", fix="move-dropout"))
    drop: RW201 noise in front of Masking [fix: move-dropout]
    """

    code: str
    layer: str
    message: str
    fix: str | None = None
    since: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the finding as it stands in a plan's JSON."""
        return {
            "code": self.code,
            "layer": self.layer,
            "message": self.message,
            "fix": self.fix,
            "since": self.since or None,
        }

    def __str__(self) -> str:
        place = f"{self.layer}: " if self.layer else ""
        since = f" (since {self.since})" if self.since else ""
        return f"{place}{self.code} {self.message}{since} [fix: {self.fix or 'none'}]"
