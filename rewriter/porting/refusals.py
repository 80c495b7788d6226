"""List what cannot be ported: the layer, why, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rewriter.errors import PortError


@dataclass(frozen=True, slots=True)
class Refusal:
    """A place that keeps a model from being ported.

    Parameters
    ----------
    layer : str
        Path of the layer in the nesting of models; the model's name for the model as a whole.
    class_name : str
        Class of the layer.
    reason : str
        Why, as a clause without a full stop.
    fix : str
        What the user can do.
    """

    layer: str
    class_name: str
    reason: str
    fix: str

    def __str__(self) -> str:
        return f"{self.layer}: {self.class_name}: {self.reason}; {self.fix}"

    def to_json(self) -> dict[str, str]:
        """Return the refusal as plain data."""
        return {
            "layer": self.layer,
            "class": self.class_name,
            "reason": self.reason,
            "fix": self.fix,
        }


class RefusedError(Exception):
    """Raised by the translation of one layer, caught by that of the model."""

    def __init__(self, reason: str, fix: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.fix = fix


def refused(refusals: Sequence[Refusal], model: str) -> PortError:
    """Return the error for a model that cannot be ported: one line, the first refusal."""
    first = refusals[0]
    more = len(refusals) - 1
    others = f" (and {more} more, which --partial lists)" if more else ""
    error = PortError(
        f"{first.class_name} cannot be ported: {first.reason}{others}",
        where=f"{model}: {first.layer}",
        fix=first.fix,
    )
    error.refusals = tuple(refusals)
    return error
