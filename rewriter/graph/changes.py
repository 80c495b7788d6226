"""Define what a pass reports: changes, and notes on where it declined."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any


class Action(str, Enum):
    """The kinds of edit that the verbs of a graph make."""

    INSERT = "insert"
    REMOVE = "remove"
    MOVE = "move"
    REPLACE = "replace"
    CONFIGURE = "configure"
    REWIRE = "rewire"


@dataclass(frozen=True, slots=True)
class Change:
    """One edit of a graph.

    Parameters
    ----------
    action : Action
        What was done.
    layer : str
        Path of the layer in the nesting of models, ``encoder/dropout``.
    class_name : str
        Class of the layer, after the change where it has one then.
    before, after : Any
        What differs: the position (move, rewire), the changed keys of the config
        (configure), or class and config (insert, remove, replace).
    reason : str
        Why, as a clause without a full stop.
    pass_name : str
        The pass that made the change; the pipeline fills it in.
    """

    action: Action
    layer: str
    class_name: str
    before: Any
    after: Any
    reason: str
    pass_name: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the change as it stands in a plan's JSON."""
        return {
            "pass": self.pass_name,
            "action": self.action.value,
            "layer": self.layer,
            "class": self.class_name,
            "before": self.before,
            "after": self.after,
            "reason": self.reason,
        }


class Stage(str, Enum):
    """The stages of a rewrite, in order."""

    READ = "read"
    PLAN = "plan"
    LOAD = "load"
    REWRITE = "rewrite"


@dataclass(frozen=True, slots=True)
class Note:
    """A place where a pass met its pattern and declined, or something the user should know.

    Parameters
    ----------
    layer : str
        Path of the layer.
    class_name : str
        Class of the layer.
    reason : str
        Why, as a clause without a full stop.
    pass_name : str
        The pass that says it; the pipeline fills it in.
    stage : Stage
        When it is said.
    """

    layer: str
    class_name: str
    reason: str
    pass_name: str = ""
    stage: Stage = Stage.PLAN

    @property
    def said_by(self) -> str:
        """The pass that says it; the stage where no pass does."""
        return self.pass_name or self.stage.value

    def to_json(self) -> dict[str, Any]:
        """Return the note as it stands in a plan's JSON."""
        return {
            "stage": self.stage.value,
            "pass": self.said_by,
            "layer": self.layer,
            "class": self.class_name,
            "reason": self.reason,
        }
